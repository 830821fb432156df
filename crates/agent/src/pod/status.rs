//! What is said of a pod in the API.
// upstream: pkg/kubelet/kubelet_pods.go#generateAPIPodStatus, #getPhase, #convertToAPIContainerStatuses,
// pkg/kubelet/status/generate.go

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::actions::should_restart;
use super::observe::{Observed, ObservedContainer, RunState, time};
use super::qos;
use super::spec::{PodExt, is_sidecar};

/// What is known beside the runtime's state.
pub(crate) struct View<'a> {
    /// Why a container does not start: name → (reason, message).
    pub(crate) reasons: &'a HashMap<String, (String, String)>,
    /// The startup probe succeeded or there is none.
    pub(crate) started: &'a dyn Fn(&ObservedContainer) -> bool,
    /// The readiness probe succeeds or there is none.
    pub(crate) ready: &'a dyn Fn(&ObservedContainer) -> bool,
    /// The node's addresses.
    pub(crate) host_ips: &'a [String],
    /// Now.
    pub(crate) now: Timestamp,
    /// The pod was ended for good with this reason and message (deadline, refusal).
    pub(crate) failed: Option<&'a (String, String)>,
    /// Every container has ended and none will start again.
    pub(crate) over: bool,
}

/// API times have seconds only; finer ones would differ from what is read back.
fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn nanos(at: i64) -> Option<Time> {
    Some(seconds(time(at.max(0))))
}

fn container_id(id: &str) -> String {
    format!("containerd://{id}")
}

fn terminated(observed: &ObservedContainer) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: Some(container_id(&observed.id)),
            exit_code: observed.exit_code,
            finished_at: nanos(observed.finished_at),
            message: (!observed.message.is_empty()).then(|| observed.message.clone()),
            reason: Some(observed.reason.clone()),
            signal: None,
            started_at: nanos(observed.started_at),
        }),
        ..ContainerState::default()
    }
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    let message = (!message.is_empty()).then(|| message.to_owned());
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message,
        }),
        ..ContainerState::default()
    }
}

fn container_status(
    pod: &Pod,
    container: &Container,
    observed: &Observed,
    view: &View<'_>,
    old: Option<&ContainerStatus>,
    init: bool,
) -> ContainerStatus {
    let default_reason = if pod.init_containers().is_empty() {
        "ContainerCreating"
    } else {
        "PodInitializing"
    };
    let image = container.image.clone().unwrap_or_default();
    let reason = view.reasons.get(&container.name);
    let mut status = ContainerStatus {
        name: container.name.clone(),
        image,
        image_id: String::new(),
        ..ContainerStatus::default()
    };
    let Some(latest) = observed.latest(&container.name) else {
        let (why, message) = reason.map_or((default_reason, ""), |(r, m)| (r.as_str(), m.as_str()));
        status.state = Some(waiting(why, message));
        status.started = Some(false);
        if let Some(old) = old {
            status.restart_count = old.restart_count;
            status.last_state.clone_from(&old.last_state);
            if let Some(ended) = old.state.as_ref().filter(|s| s.terminated.is_some()) {
                if view.over || !should_restart(container, pod, None) {
                    status.state = Some(ended.clone());
                    status.image_id.clone_from(&old.image_id);
                    status.container_id.clone_from(&old.container_id);
                } else {
                    status.last_state = Some(ended.clone());
                }
            } else if old.state.as_ref().is_some_and(|s| s.running.is_some()) {
                let unknown = ContainerStateTerminated {
                    exit_code: 137,
                    reason: Some("ContainerStatusUnknown".to_owned()),
                    message: Some(
                        "The container could not be located when the pod was terminated".to_owned(),
                    ),
                    container_id: old.container_id.clone(),
                    ..ContainerStateTerminated::default()
                };
                let state = ContainerState {
                    terminated: Some(unknown),
                    ..ContainerState::default()
                };
                if view.over {
                    status.state = Some(state)
                } else {
                    status.last_state = Some(state)
                }
            }
        }
        return status;
    };
    status.container_id = Some(container_id(&latest.id));
    status.image_id.clone_from(&latest.image_ref);
    if !latest.image.is_empty() {
        status.image.clone_from(&latest.image);
    }
    status.restart_count = latest.restart_count;
    if let Some(previous) = observed
        .previous(&container.name)
        .filter(|p| p.state == RunState::Exited)
    {
        status.last_state = Some(terminated(previous));
    } else if let Some(old) = old.filter(|o| o.restart_count == latest.restart_count) {
        status.last_state.clone_from(&old.last_state);
    }
    status.started = Some(false);
    match latest.state {
        RunState::Running => {
            status.state = Some(ContainerState {
                running: Some(ContainerStateRunning {
                    started_at: nanos(latest.started_at),
                }),
                ..ContainerState::default()
            });
            let started = (view.started)(latest);
            status.started = Some(started);
            status.ready = started && (view.ready)(latest);
            if init && !is_sidecar(container) {
                status.ready = false;
            }
        }
        RunState::Exited => {
            status.state = Some(terminated(latest));
            status.ready = init && !is_sidecar(container) && latest.exit_code == 0;
            // One that will be started again waits for it, with the reason why it doesn't yet.
            if let Some((why, message)) = reason
                && !view.over
                && should_restart(container, pod, Some(latest))
            {
                status.last_state = Some(terminated(latest));
                status.state = Some(waiting(why, message));
            }
        }
        RunState::Created | RunState::Unknown => {
            let (why, message) =
                reason.map_or((default_reason, ""), |(r, m)| (r.as_str(), m.as_str()));
            status.state = Some(waiting(why, message));
        }
    }
    status
}

fn has_ended(state: Option<&ContainerState>) -> Option<&ContainerStateTerminated> {
    state.and_then(|s| s.terminated.as_ref())
}

/// Phase by the containers' statuses.
pub(crate) fn phase(
    pod: &Pod,
    init: &[ContainerStatus],
    regular: &[ContainerStatus],
    over: bool,
) -> &'static str {
    let mut pending_init = false;
    let mut failed_init = false;
    for (container, status) in pod.init_containers().iter().zip(init) {
        if is_sidecar(container) {
            pending_init |= status.started != Some(true);
            continue;
        }
        match (
            has_ended(status.state.as_ref()),
            has_ended(status.last_state.as_ref()),
        ) {
            (Some(ended), _) => failed_init |= ended.exit_code != 0,
            (None, Some(last))
                if status.state.as_ref().is_some_and(|s| s.waiting.is_some())
                    && last.exit_code != 0 =>
            {
                failed_init = true
            }
            _ => pending_init = true,
        }
    }
    let (mut waits, mut runs, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for status in regular {
        let state = status.state.as_ref();
        if state.is_some_and(|s| s.running.is_some()) {
            runs += 1;
        } else if let Some(ended) = has_ended(state) {
            stopped += 1;
            succeeded += usize::from(ended.exit_code == 0);
        } else if has_ended(status.last_state.as_ref()).is_some() {
            stopped += 1;
        } else {
            waits += 1;
        }
    }
    let policy = pod.restart_policy();
    if failed_init && (policy == "Never" || over) {
        return "Failed";
    }
    let any_started = runs + stopped > 0;
    if over && !any_started && (failed_init || pending_init || waits > 0) {
        return "Failed";
    }
    if ((pending_init || failed_init) && !any_started) || (waits > 0 && !over) {
        return "Pending";
    }
    if runs > 0 {
        return "Running";
    }
    match (over, policy) {
        (true, _) if succeeded == regular.len() => "Succeeded",
        (true, _) => "Failed",
        (false, "Always") => "Running",
        (false, _) if stopped == succeeded => "Succeeded",
        (false, "Never") => "Failed",
        (false, _) => "Running",
    }
}

fn condition(
    pod: &Pod,
    view: &View<'_>,
    kind: &str,
    status: bool,
    reason: Option<&str>,
    message: Option<String>,
) -> PodCondition {
    let text = if status { "True" } else { "False" };
    let old = pod
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_ref())
        .and_then(|c| c.iter().find(|c| c.type_ == kind));
    let since = old
        .filter(|o| o.status == text)
        .and_then(|o| o.last_transition_time.clone());
    PodCondition {
        type_: kind.to_owned(),
        status: text.to_owned(),
        reason: reason.map(str::to_owned),
        message,
        last_transition_time: Some(since.unwrap_or_else(|| seconds(view.now))),
        last_probe_time: None,
        observed_generation: pod.metadata.generation,
    }
}

fn conditions(
    pod: &Pod,
    observed: &Observed,
    view: &View<'_>,
    phase: &str,
    init: &[ContainerStatus],
    regular: &[ContainerStatus],
) -> Vec<PodCondition> {
    let done = matches!(phase, "Succeeded" | "Failed");
    let list = |names: Vec<&str>| format!("[{}]", names.join(" "));
    let regular_started = regular.iter().any(|s| {
        s.state
            .as_ref()
            .is_some_and(|s| s.running.is_some() || s.terminated.is_some())
    });
    let incomplete: Vec<&str> = pod
        .init_containers()
        .iter()
        .zip(init)
        .filter(|(c, s)| {
            !regular_started
                && !if is_sidecar(c) {
                    s.started == Some(true)
                } else {
                    s.ready
                }
        })
        .map(|(_, s)| s.name.as_str())
        .collect();
    let sidecars = pod
        .init_containers()
        .iter()
        .zip(init)
        .filter(|(c, _)| is_sidecar(c))
        .map(|(_, s)| s);
    let unready: Vec<&str> = sidecars
        .chain(regular)
        .filter(|s| !s.ready)
        .map(|s| s.name.as_str())
        .collect();
    let completed = phase == "Succeeded";
    let (containers_reason, containers_message) = match (completed, phase, unready.is_empty()) {
        (true, _, _) => (Some("PodCompleted"), None),
        (_, "Failed", _) => (Some("PodFailed"), None),
        (_, _, true) => (None, None),
        _ => (
            Some("ContainersNotReady"),
            Some(format!(
                "containers with unready status: {}",
                list(unready.clone())
            )),
        ),
    };
    let containers_ready = containers_reason.is_none();
    let gates = pod
        .spec
        .as_ref()
        .and_then(|s| s.readiness_gates.as_deref())
        .unwrap_or_default();
    let old = pod
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let closed: Vec<String> = gates
        .iter()
        .filter_map(
            |gate| match old.iter().find(|c| c.type_ == gate.condition_type) {
                Some(c) if c.status == "True" => None,
                Some(c) => Some(format!(
                    "the status of pod readiness gate {:?} is not \"True\", but {}",
                    gate.condition_type, c.status
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate {:?} does not exist.",
                    gate.condition_type
                )),
            },
        )
        .collect();
    let ready = containers_ready && closed.is_empty();
    let (ready_reason, ready_message) = if containers_ready && !closed.is_empty() {
        (Some("ReadinessGatesNotReady"), Some(closed.join(", ")))
    } else {
        (containers_reason, containers_message.clone())
    };
    let (init_reason, init_message) = match (completed, incomplete.is_empty()) {
        (true, _) => (Some("PodCompleted"), None),
        (false, true) => (None, None),
        _ => (
            Some("ContainersNotInitialized"),
            Some(format!(
                "containers with incomplete status: {}",
                list(incomplete.clone())
            )),
        ),
    };
    let sandbox_up = !done
        && observed
            .sandboxes
            .first()
            .is_some_and(|s| s.ready && (pod.host_network() || !s.ips.is_empty()));
    let mut result = vec![
        condition(
            pod,
            view,
            "PodReadyToStartContainers",
            sandbox_up,
            None,
            None,
        ),
        condition(
            pod,
            view,
            "Initialized",
            completed || incomplete.is_empty(),
            init_reason,
            init_message,
        ),
        condition(pod, view, "Ready", ready, ready_reason, ready_message),
        condition(
            pod,
            view,
            "ContainersReady",
            containers_ready,
            containers_reason,
            containers_message,
        ),
        condition(pod, view, "PodScheduled", true, None, None),
    ];
    for other in old {
        if !result.iter().any(|c| c.type_ == other.type_) {
            result.push(other.clone());
        }
    }
    result
}

/// The status that the pod is to have.
pub(crate) fn generate(pod: &Pod, observed: &Observed, view: &View<'_>) -> PodStatus {
    let old = pod.status.clone().unwrap_or_default();
    let find = |list: &Option<Vec<ContainerStatus>>, name: &str| {
        list.iter().flatten().find(|s| s.name == name).cloned()
    };
    let init: Vec<ContainerStatus> = pod
        .init_containers()
        .iter()
        .map(|c| {
            container_status(
                pod,
                c,
                observed,
                view,
                find(&old.init_container_statuses, &c.name).as_ref(),
                true,
            )
        })
        .collect();
    let regular: Vec<ContainerStatus> = pod
        .containers()
        .iter()
        .map(|c| {
            container_status(
                pod,
                c,
                observed,
                view,
                find(&old.container_statuses, &c.name).as_ref(),
                false,
            )
        })
        .collect();
    let phase = match view.failed {
        Some(_) => "Failed",
        // A terminal phase is never left.
        None if old.phase.as_deref() == Some("Succeeded") => "Succeeded",
        None if old.phase.as_deref() == Some("Failed") => "Failed",
        None => phase(pod, &init, &regular, view.over),
    };
    let ips: Vec<String> = if pod.host_network() {
        view.host_ips.to_vec()
    } else {
        observed.ips().to_vec()
    };
    let (pod_ip, pod_ips) = if ips.is_empty() {
        (old.pod_ip.clone(), old.pod_ips.clone())
    } else {
        (
            ips.first().cloned(),
            Some(ips.iter().map(|ip| PodIP { ip: ip.clone() }).collect()),
        )
    };
    PodStatus {
        conditions: Some(conditions(pod, observed, view, phase, &init, &regular)),
        container_statuses: Some(regular),
        init_container_statuses: (!init.is_empty()).then_some(init),
        phase: Some(phase.to_owned()),
        reason: view.failed.map(|(r, _)| r.clone()).or(old.reason),
        message: view.failed.map(|(_, m)| m.clone()).or(old.message),
        host_ip: view.host_ips.first().cloned(),
        host_ips: Some(
            view.host_ips
                .iter()
                .map(|ip| HostIP { ip: ip.clone() })
                .collect(),
        ),
        pod_ip,
        pod_ips,
        start_time: Some(old.start_time.unwrap_or_else(|| seconds(view.now))),
        qos_class: Some(
            old.qos_class
                .unwrap_or_else(|| qos::class(pod).as_str().to_owned()),
        ),
        observed_generation: pod.metadata.generation,
        ..PodStatus::default()
    }
}

/// The strategic-merge patch from one status to the next; `None` when nothing changed.
pub(crate) fn patch(uid: &str, old: &PodStatus, new: &PodStatus) -> Option<Value> {
    let as_map = |status: &PodStatus| match serde_json::to_value(status) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let (before, after) = (as_map(old), as_map(new));
    let mut changed = Map::new();
    for (key, value) in &after {
        if before.get(key) == Some(value) {
            continue;
        }
        let mut value = value.clone();
        // Addresses are merged by their key, so those that are gone are named.
        if let (true, Value::Array(list), Some(Value::Array(was))) =
            (key.ends_with("IPs"), &mut value, before.get(key))
        {
            let gone: Vec<Value> = was
                .iter()
                .filter(|item| !list.contains(item))
                .filter_map(|item| Some(json!({"$patch": "delete", "ip": item.get("ip")?})))
                .collect();
            list.extend(gone);
        }
        if let (true, Value::Array(list), Some(Value::Array(was))) =
            (key == "conditions", &mut value, before.get(key))
        {
            list.retain(|item| !was.contains(item));
            for item in list.iter_mut() {
                let old = was.iter().find(|o| o.get("type") == item.get("type"));
                if let (Value::Object(fields), Some(Value::Object(old))) = (item, old) {
                    for name in ["reason", "message"] {
                        if old.contains_key(name) && !fields.contains_key(name) {
                            fields.insert(name.to_owned(), Value::Null);
                        }
                    }
                }
            }
        }
        changed.insert(key.clone(), value);
    }
    (!changed.is_empty()).then(|| json!({"metadata": {"uid": uid}, "status": changed}))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::pod::observe::ObservedSandbox;

    fn pod(policy: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": 1},
            "spec": {"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}]},
        }))
        .unwrap()
    }

    fn observed(state: RunState, exit_code: i32) -> Observed {
        let container = ObservedContainer {
            id: "c1".into(),
            name: "a".into(),
            sandbox: "s".into(),
            state,
            exit_code,
            started_at: 1_000_000_000_000_000_000,
            ..ObservedContainer::default()
        };
        Observed {
            sandboxes: vec![ObservedSandbox {
                id: "s".into(),
                ready: true,
                ips: vec!["10.0.0.2".into()],
                ..ObservedSandbox::default()
            }],
            containers: vec![container],
        }
    }

    fn status(
        pod: &Pod,
        observed: &Observed,
        reasons: &HashMap<String, (String, String)>,
        ready: bool,
        over: bool,
    ) -> PodStatus {
        let host_ips = ["10.9.9.9".to_owned()];
        let view = View {
            reasons,
            started: &|_| true,
            ready: &|_| ready,
            host_ips: &host_ips,
            now: Timestamp::default(),
            failed: None,
            over,
        };
        generate(pod, observed, &view)
    }

    #[test]
    fn phases() {
        let none = HashMap::new();
        for (policy, state, exit, over, expected) in [
            ("Always", RunState::Running, 0, false, "Running"),
            ("Always", RunState::Created, 0, false, "Pending"),
            ("Always", RunState::Exited, 1, false, "Running"),
            ("Never", RunState::Exited, 0, false, "Succeeded"),
            ("Never", RunState::Exited, 2, false, "Failed"),
            ("OnFailure", RunState::Exited, 2, false, "Running"),
            ("OnFailure", RunState::Exited, 0, false, "Succeeded"),
            ("Always", RunState::Exited, 137, true, "Failed"),
            ("Always", RunState::Exited, 0, true, "Succeeded"),
        ] {
            let status = status(&pod(policy), &observed(state, exit), &none, true, over);
            assert_eq!(
                status.phase.as_deref(),
                Some(expected),
                "{policy} {state:?} {exit} {over}"
            );
        }
        assert_eq!(
            status(&pod("Always"), &Observed::default(), &none, true, false)
                .phase
                .as_deref(),
            Some("Pending")
        );
    }

    #[test]
    fn conditions_follow_readiness() {
        let none = HashMap::new();
        let find = |s: &PodStatus, kind: &str| {
            s.conditions
                .as_ref()
                .unwrap()
                .iter()
                .find(|c| c.type_ == kind)
                .unwrap()
                .clone()
        };
        let ready = status(
            &pod("Always"),
            &observed(RunState::Running, 0),
            &none,
            true,
            false,
        );
        assert_eq!(find(&ready, "Ready").status, "True");
        assert_eq!(ready.pod_ip.as_deref(), Some("10.0.0.2"));
        let unready = status(
            &pod("Always"),
            &observed(RunState::Running, 0),
            &none,
            false,
            false,
        );
        let condition = find(&unready, "Ready");
        assert_eq!(
            (condition.status.as_str(), condition.reason.as_deref()),
            ("False", Some("ContainersNotReady"))
        );
        assert_eq!(
            condition.message.as_deref(),
            Some("containers with unready status: [a]")
        );
        let done = status(
            &pod("Never"),
            &observed(RunState::Exited, 0),
            &none,
            false,
            false,
        );
        assert_eq!(find(&done, "Ready").reason.as_deref(), Some("PodCompleted"));
        assert_eq!(find(&done, "Initialized").status, "True");
    }

    #[test]
    fn a_container_in_back_off_waits_and_shows_its_last_end() {
        let reasons = HashMap::from([(
            "a".to_owned(),
            ("CrashLoopBackOff".to_owned(), "back-off 10s".to_owned()),
        )]);
        let status = status(
            &pod("Always"),
            &observed(RunState::Exited, 3),
            &reasons,
            true,
            false,
        );
        let container = &status.container_statuses.unwrap()[0];
        assert_eq!(
            container
                .state
                .as_ref()
                .unwrap()
                .waiting
                .as_ref()
                .unwrap()
                .reason
                .as_deref(),
            Some("CrashLoopBackOff")
        );
        assert_eq!(
            container
                .last_state
                .as_ref()
                .unwrap()
                .terminated
                .as_ref()
                .unwrap()
                .exit_code,
            3
        );
        assert_eq!(status.phase.as_deref(), Some("Running"));
    }

    #[test]
    fn an_unchanged_status_makes_no_patch_and_a_small_change_a_small_one() {
        let none = HashMap::new();
        let mut pod = pod("Always");
        let first = status(&pod, &observed(RunState::Running, 0), &none, false, false);
        pod.status = Some(first.clone());
        let again = status(&pod, &observed(RunState::Running, 0), &none, false, false);
        assert_eq!(patch("u", &first, &again), None);
        let ready = status(&pod, &observed(RunState::Running, 0), &none, true, false);
        let patch = patch("u", &first, &ready).unwrap();
        assert_eq!(patch["metadata"]["uid"], "u");
        let keys: Vec<&String> = patch["status"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["conditions", "containerStatuses"]);
        assert_eq!(patch["status"]["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(patch["status"]["conditions"][0]["reason"], Value::Null);
    }
}
