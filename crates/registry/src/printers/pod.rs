//! Pods.
//!
//! upstream: pkg/printers/internalversion/printers.go#printPod

use jiff::Timestamp;
use machinery::{ObjectExt, time};
use serde_json::{Value, json};

use super::text::{NONE, age, human, or_none};
use crate::value::Read;

/// A row's condition when the pod has ended.
pub(super) fn conditions(pod: &Value) -> Vec<Value> {
    let completed = |message: &str, reason: &str| {
        vec![json!({"type": "Completed", "status": "True", "reason": reason, "message": message})]
    };
    match pod.text_at(&["status", "phase"]) {
        "Succeeded" => completed("The pod has completed successfully.", "Succeeded"),
        "Failed" => completed("The pod failed.", "Failed"),
        _ => Vec::new(),
    }
}

fn has_condition(status: &Value, kind: &str) -> bool {
    status
        .list("conditions")
        .iter()
        .any(|c| c.text("type") == kind && c.text("status") == "True")
}

#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += container.int("restartCount").unwrap_or_default();
        let ended = container
            .at(&["lastState", "terminated"])
            .map(|t| t.text("finishedAt"))
            .and_then(time::parse);
        self.last = self.last.max(ended);
    }
}

/// `Signal:9` or `ExitCode:1`.
fn exit(terminated: &Value) -> String {
    match terminated.int("signal").unwrap_or_default() {
        0 => format!(
            "ExitCode:{}",
            terminated.int("exitCode").unwrap_or_default()
        ),
        signal => format!("Signal:{signal}"),
    }
}

fn state<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    container.at(&["state", name]).filter(|s| !s.is_null())
}

/// What keeps an init container from being done, or nothing when it is.
fn init_reason(container: &Value, at: usize, all: usize) -> Option<String> {
    let terminated = state(container, "terminated");
    if let Some(ended) = terminated {
        if ended.int("exitCode").unwrap_or_default() == 0 {
            return None;
        }
        let reason = ended.text("reason");
        return Some(format!(
            "Init:{}",
            if reason.is_empty() {
                exit(ended)
            } else {
                reason.to_owned()
            }
        ));
    }
    let waiting = state(container, "waiting")
        .map(|w| w.text("reason"))
        .unwrap_or_default();
    if !waiting.is_empty() && waiting != "PodInitializing" {
        return Some(format!("Init:{waiting}"));
    }
    Some(format!("Init:{at}/{all}"))
}

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (
        pod.field("spec").unwrap_or(&Value::Null),
        pod.field("status").unwrap_or(&Value::Null),
    );
    let sidecar = |name: &str| {
        spec.list("initContainers")
            .iter()
            .any(|c| c.text("name") == name && c.text("restartPolicy") == "Always")
    };
    let sidecars = spec
        .list("initContainers")
        .iter()
        .filter(|c| c.text("restartPolicy") == "Always")
        .count();
    let total = spec.list("containers").len() + sidecars;
    let phase = status.text("phase");
    let mut reason = if status.text("reason").is_empty() {
        phase.to_owned()
    } else {
        status.text("reason").to_owned()
    };
    if status
        .list("conditions")
        .iter()
        .any(|c| c.text("type") == "PodScheduled" && c.text("reason") == "SchedulingGated")
    {
        reason = "SchedulingGated".to_owned();
    }
    let (mut ready, mut initializing) = (0, false);
    let (mut restarts, mut of_sidecars) = (Restarts::default(), Restarts::default());
    for (i, container) in status.list("initContainerStatuses").iter().enumerate() {
        restarts.add(container);
        let keeps_running = sidecar(container.text("name"));
        if keeps_running {
            of_sidecars.add(container);
        }
        let ended_well = state(container, "terminated")
            .is_some_and(|t| t.int("exitCode").unwrap_or_default() == 0);
        if !ended_well && keeps_running && container.flag("started") {
            ready += usize::from(container.flag("ready"));
            continue;
        }
        if let Some(why) = init_reason(container, i, spec.list("initContainers").len()) {
            reason = why;
            initializing = true;
            break;
        }
    }
    if !initializing || has_condition(status, "Initialized") {
        restarts = of_sidecars;
        let mut running = false;
        for container in status.list("containerStatuses").iter().rev() {
            restarts.add(container);
            let waiting = state(container, "waiting")
                .map(|w| w.text("reason"))
                .filter(|r| !r.is_empty());
            if let Some(why) = waiting {
                why.clone_into(&mut reason);
            } else if let Some(ended) = state(container, "terminated") {
                reason = if ended.text("reason").is_empty() {
                    exit(ended)
                } else {
                    ended.text("reason").to_owned()
                };
            } else if container.flag("ready") && state(container, "running").is_some() {
                running = true;
                ready += 1;
            }
        }
        // One that still runs counts more than those that are done.
        if reason == "Completed" && running {
            reason = if has_condition(status, "Ready") {
                "Running"
            } else {
                "NotReady"
            }
            .to_owned();
        }
    }
    if pod.deletion_timestamp().is_some() {
        if status.text("reason") == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !matches!(phase, "Failed" | "Succeeded") {
            reason = "Terminating".to_owned();
        }
    }
    let restarts = match restarts.last.filter(|_| restarts.count != 0) {
        Some(last) => format!(
            "{} ({} ago)",
            restarts.count,
            human(now.as_second() - last.as_second())
        ),
        None => restarts.count.to_string(),
    };
    let ip = status
        .list("podIPs")
        .first()
        .map_or_else(|| status.text("podIP"), |ip| ip.text("ip"));
    let gates = spec.list("readinessGates");
    let passed = gates
        .iter()
        .filter(|g| has_condition(status, g.text("conditionType")))
        .count();
    vec![
        pod.name().into(),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.into(),
        age(pod, now),
        or_none(ip),
        or_none(spec.text("nodeName")),
        or_none(status.text("nominatedNodeName")),
        if gates.is_empty() {
            NONE.into()
        } else {
            format!("{passed}/{}", gates.len()).into()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells_of(pod: &Value) -> Vec<Value> {
        cells(pod, time::parse("2026-01-01T01:00:00Z").unwrap_or_default())
    }

    #[test]
    fn states() {
        let pod = |status: Value| {
            json!({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}, "status": status})
        };
        let running = json!({"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:50:00Z"}}});
        let crash = json!({"name": "b", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let cells = cells_of(&pod(
            json!({"phase": "Running", "containerStatuses": [running, crash]}),
        ));
        assert_eq!(
            cells,
            vec![
                json!("p"),
                json!("1/2"),
                json!("CrashLoopBackOff"),
                json!("3 (10m ago)"),
                json!("60m"),
                json!("<none>"),
                json!("<none>"),
                json!("<none>"),
                json!("<none>"),
            ]
        );
        let waiting = json!({"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}});
        let init = cells_of(&pod(
            json!({"phase": "Pending", "initContainerStatuses": [waiting]}),
        ));
        assert_eq!(init.get(2), Some(&json!("Init:ImagePullBackOff")));
        let failed = cells_of(&pod(
            json!({"phase": "Failed", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 3}}}]}),
        ));
        assert_eq!(failed.get(2), Some(&json!("ExitCode:3")));
        let mut going = pod(json!({"phase": "Running"}));
        going.set_meta_text("deletionTimestamp", "2026-01-01T00:00:00Z");
        assert_eq!(cells_of(&going).get(2), Some(&json!("Terminating")));
    }
}
