//! What is to be done for a pod, given what is wanted and what is observed.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go#computePodActions

use k8s_openapi::api::core::v1::{Container, Pod};

use super::observe::{Observed, ObservedContainer, RunState};
use super::spec::{PodExt, container_hash, is_sidecar};

/// What the probes say of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing against it.
    Healthy,
    /// The startup probe has not succeeded yet.
    Starting,
    /// The liveness probe failed.
    LivenessFailed,
    /// The startup probe failed.
    StartupFailed,
}

/// A container to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) message: String,
    /// Whose grace period applies: a failed probe may have its own.
    pub(crate) because: Verdict,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Actions {
    /// End everything that runs and the sandbox.
    pub(crate) kill_pod: bool,
    /// Then make a sandbox, with this attempt number.
    pub(crate) create_sandbox: Option<u32>,
    /// End these first.
    pub(crate) kill: Vec<Kill>,
    /// Start these init containers (more than one only when they are sidecars).
    pub(crate) start_init: Vec<String>,
    /// Start these containers.
    pub(crate) start: Vec<String>,
}

/// Whether a container that is not running is to be started (again).
// upstream: pkg/kubelet/container/helpers.go#ShouldContainerBeRestarted
pub(crate) fn should_restart(
    container: &Container,
    pod: &Pod,
    latest: Option<&ObservedContainer>,
) -> bool {
    if pod.deletion().is_some() {
        return false;
    }
    let Some(status) = latest else { return true };
    match status.state {
        RunState::Running => false,
        RunState::Created | RunState::Unknown => true,
        RunState::Exited => match if is_sidecar(container) {
            "Always"
        } else {
            pod.restart_policy()
        } {
            "Never" => false,
            "OnFailure" => status.exit_code != 0,
            _ => true,
        },
    }
}

/// `Some(attempt)` when a new sandbox is needed.
// upstream: pkg/kubelet/kuberuntime/util/util.go#PodSandboxChanged
fn sandbox_wanted(pod: &Pod, observed: &Observed) -> Option<u32> {
    let Some(newest) = observed.sandboxes.first() else {
        return Some(0);
    };
    let ready = observed.sandboxes.iter().filter(|s| s.ready).count();
    let usable = newest.ready && ready == 1 && (pod.host_network() || !newest.ips.is_empty());
    (!usable).then_some(newest.attempt + 1)
}

/// A regular container exists in the newest sandbox: initialisation was over.
fn any_regular_created(pod: &Pod, observed: &Observed) -> bool {
    let newest = observed.sandboxes.first().map(|s| s.id.as_str());
    pod.containers().iter().any(|c| {
        observed
            .latest(&c.name)
            .is_some_and(|s| Some(s.sandbox.as_str()) == newest)
    })
}

/// Decides. `verdict` tells what the probes say of a running container.
pub(crate) fn compute(
    pod: &Pod,
    observed: &Observed,
    verdict: &dyn Fn(&ObservedContainer) -> Verdict,
) -> Actions {
    let mut actions = Actions::default();
    if let Some(attempt) = sandbox_wanted(pod, observed) {
        actions.kill_pod = true;
        // A pod that ran and must not run again stays without a sandbox.
        if pod.restart_policy() == "Never" && attempt != 0 && !observed.containers.is_empty() {
            return actions;
        }
        let start: Vec<String> = pod
            .containers()
            .iter()
            .filter(|c| {
                let succeeded = observed
                    .latest(&c.name)
                    .is_some_and(|s| s.state == RunState::Exited && s.exit_code == 0);
                !(succeeded && pod.restart_policy() == "OnFailure")
            })
            .map(|c| c.name.clone())
            .collect();
        if start.is_empty() {
            return actions;
        }
        actions.create_sandbox = Some(attempt);
        match pod.init_containers().first() {
            Some(first) => actions.start_init.push(first.name.clone()),
            None => actions.start = start,
        }
        return actions;
    }
    if !init_actions(pod, observed, verdict, &mut actions) {
        return actions;
    }
    let mut keep = 0_usize;
    for container in pod.containers() {
        let status = observed.latest(&container.name);
        let running = status.filter(|s| s.state == RunState::Running);
        let Some(running) = running else {
            if should_restart(container, pod, status) {
                // A container in an unknown state may still run.
                if let Some(unknown) = status.filter(|s| s.state == RunState::Unknown) {
                    let message = format!(
                        "Container is in {:?} state, try killing it before restart",
                        "unknown"
                    );
                    actions.kill.push(Kill {
                        id: unknown.id.clone(),
                        name: container.name.clone(),
                        message,
                        because: Verdict::Healthy,
                    });
                }
                actions.start.push(container.name.clone());
            }
            continue;
        };
        let mut restart = pod.restart_policy() != "Never";
        let (message, because) = if running.hash != container_hash(container) {
            restart = true;
            (
                format!("Container {} definition changed", container.name),
                Verdict::Healthy,
            )
        } else {
            match verdict(running) {
                Verdict::LivenessFailed => (
                    format!("Container {} failed liveness probe", container.name),
                    Verdict::LivenessFailed,
                ),
                Verdict::StartupFailed => (
                    format!("Container {} failed startup probe", container.name),
                    Verdict::StartupFailed,
                ),
                Verdict::Healthy | Verdict::Starting => {
                    keep += 1;
                    continue;
                }
            }
        };
        let message = if restart {
            format!("{message}, will be restarted")
        } else {
            message
        };
        if restart {
            actions.start.push(container.name.clone());
        }
        actions.kill.push(Kill {
            id: running.id.clone(),
            name: container.name.clone(),
            message,
            because,
        });
    }
    if keep == 0 && actions.start.is_empty() {
        actions.kill_pod = true;
        actions.start_init.clear();
    }
    actions
}

/// Init containers; `true` when the regular ones may run.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#computeInitContainerActions
fn init_actions(
    pod: &Pod,
    observed: &Observed,
    verdict: &dyn Fn(&ObservedContainer) -> Verdict,
    actions: &mut Actions,
) -> bool {
    let done = any_regular_created(pod, observed);
    let newest = observed.sandboxes.first().map(|s| s.id.as_str());
    for container in pod.init_containers() {
        // What ran in an earlier sandbox has to run again.
        let status = observed
            .latest(&container.name)
            .filter(|s| Some(s.sandbox.as_str()) == newest || done);
        if is_sidecar(container) {
            match status {
                Some(s) if s.state == RunState::Running => match verdict(s) {
                    Verdict::Healthy => continue,
                    Verdict::Starting if done => continue,
                    Verdict::Starting => return false,
                    because => {
                        let why = if because == Verdict::LivenessFailed {
                            "liveness"
                        } else {
                            "startup"
                        };
                        let message = format!(
                            "Init container {} failed {why} probe, will be restarted",
                            container.name
                        );
                        actions.kill.push(Kill {
                            id: s.id.clone(),
                            name: container.name.clone(),
                            message,
                            because,
                        });
                        actions.start_init.push(container.name.clone());
                    }
                },
                _ => actions.start_init.push(container.name.clone()),
            }
            if done {
                continue;
            }
            return false;
        }
        if done {
            continue;
        }
        match status {
            None => actions.start_init.push(container.name.clone()),
            Some(s) => match s.state {
                RunState::Running => {}
                RunState::Exited if s.exit_code == 0 => continue,
                RunState::Exited if pod.restart_policy() == "Never" => actions.kill_pod = true,
                _ => actions.start_init.push(container.name.clone()),
            },
        }
        return false;
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::observe::ObservedSandbox;
    use super::*;
    use serde_json::json;

    fn pod(policy: &str, init: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "d", "uid": "u"},
            "spec": {"restartPolicy": policy, "initContainers": init, "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]},
        }))
        .unwrap()
    }

    fn sandbox(id: &str, ready: bool, attempt: u32) -> ObservedSandbox {
        ObservedSandbox {
            id: id.into(),
            ready,
            attempt,
            ips: vec!["10.0.0.1".into()],
            ..ObservedSandbox::default()
        }
    }

    fn container(pod: &Pod, name: &str, state: RunState, exit_code: i32) -> ObservedContainer {
        let hash = container_hash(pod.container(name).unwrap());
        ObservedContainer {
            id: format!("id-{name}"),
            name: name.into(),
            sandbox: "s".into(),
            state,
            exit_code,
            hash,
            ..ObservedContainer::default()
        }
    }

    fn healthy(_: &ObservedContainer) -> Verdict {
        Verdict::Healthy
    }

    #[test]
    fn a_new_pod_gets_a_sandbox_and_all_containers() {
        let actions = compute(&pod("Always", json!([])), &Observed::default(), &healthy);
        assert_eq!(
            (actions.create_sandbox, actions.start),
            (Some(0), vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn init_containers_come_first_and_in_order() {
        let pod = pod(
            "Always",
            json!([{"name": "x", "image": "i"}, {"name": "y", "image": "i"}]),
        );
        let mut observed = Observed {
            sandboxes: vec![sandbox("s", true, 0)],
            containers: vec![],
        };
        assert_eq!(compute(&pod, &observed, &healthy).start_init, ["x"]);
        observed.containers = vec![container(&pod, "x", RunState::Running, 0)];
        assert_eq!(compute(&pod, &observed, &healthy), Actions::default());
        observed.containers = vec![container(&pod, "x", RunState::Exited, 0)];
        assert_eq!(compute(&pod, &observed, &healthy).start_init, ["y"]);
        observed.containers = vec![
            container(&pod, "y", RunState::Exited, 1),
            container(&pod, "x", RunState::Exited, 0),
        ];
        assert_eq!(compute(&pod, &observed, &healthy).start_init, ["y"]);
        observed.containers = vec![
            container(&pod, "y", RunState::Exited, 0),
            container(&pod, "x", RunState::Exited, 0),
        ];
        assert_eq!(compute(&pod, &observed, &healthy).start, ["a", "b"]);
    }

    #[test]
    fn a_failed_init_container_of_a_pod_that_never_restarts_ends_it() {
        let pod = pod("Never", json!([{"name": "x", "image": "i"}]));
        let observed = Observed {
            sandboxes: vec![sandbox("s", true, 0)],
            containers: vec![container(&pod, "x", RunState::Exited, 3)],
        };
        let actions = compute(&pod, &observed, &healthy);
        assert!(actions.kill_pod && actions.start.is_empty() && actions.start_init.is_empty());
    }

    #[test]
    fn a_sidecar_holds_the_rest_back_until_it_has_started() {
        let pod = pod(
            "Always",
            json!([{"name": "x", "image": "i", "restartPolicy": "Always"}]),
        );
        let mut observed = Observed {
            sandboxes: vec![sandbox("s", true, 0)],
            containers: vec![container(&pod, "x", RunState::Running, 0)],
        };
        assert!(
            compute(&pod, &observed, &|_| Verdict::Starting)
                .start
                .is_empty()
        );
        assert_eq!(compute(&pod, &observed, &healthy).start, ["a", "b"]);
        observed.containers = ["b", "a"]
            .iter()
            .map(|n| container(&pod, n, RunState::Running, 0))
            .collect();
        observed
            .containers
            .push(container(&pod, "x", RunState::Exited, 1));
        let actions = compute(&pod, &observed, &healthy);
        assert_eq!(
            (
                actions.start_init.as_slice(),
                actions.start.len(),
                actions.kill_pod
            ),
            (["x".to_owned()].as_slice(), 0, false)
        );
    }

    #[test]
    fn restart_policy_decides_what_follows_an_exit() {
        for (policy, exit, starts) in [
            ("Always", 0, true),
            ("Always", 1, true),
            ("OnFailure", 0, false),
            ("OnFailure", 1, true),
            ("Never", 0, false),
            ("Never", 1, false),
        ] {
            let pod = pod(policy, json!([]));
            let containers = vec![
                container(&pod, "a", RunState::Exited, exit),
                container(&pod, "b", RunState::Running, 0),
            ];
            let observed = Observed {
                sandboxes: vec![sandbox("s", true, 0)],
                containers,
            };
            let actions = compute(&pod, &observed, &healthy);
            assert_eq!(!actions.start.is_empty(), starts, "{policy} {exit}");
            assert!(!actions.kill_pod);
        }
    }

    #[test]
    fn a_finished_pod_loses_its_sandbox() {
        let pod = pod("OnFailure", json!([]));
        let containers = ["a", "b"]
            .iter()
            .map(|n| container(&pod, n, RunState::Exited, 0))
            .collect();
        let mut observed = Observed {
            sandboxes: vec![sandbox("s", true, 0)],
            containers,
        };
        assert!(compute(&pod, &observed, &healthy).kill_pod);
        observed.sandboxes = vec![sandbox("s", false, 0)];
        assert_eq!(compute(&pod, &observed, &healthy).create_sandbox, None);
    }

    #[test]
    fn failed_liveness_and_a_changed_image_restart() {
        let mut pod = pod("Always", json!([]));
        let containers = ["a", "b"]
            .iter()
            .map(|n| container(&pod, n, RunState::Running, 0))
            .collect();
        let observed = Observed {
            sandboxes: vec![sandbox("s", true, 0)],
            containers,
        };
        let actions = compute(&pod, &observed, &|c| {
            if c.name == "a" {
                Verdict::LivenessFailed
            } else {
                Verdict::Healthy
            }
        });
        assert_eq!(
            (actions.kill[0].name.as_str(), actions.start.as_slice()),
            ("a", ["a".to_owned()].as_slice())
        );
        assert_eq!(
            actions.kill[0].message,
            "Container a failed liveness probe, will be restarted"
        );
        pod.spec.as_mut().unwrap().containers[1].image = Some("other".into());
        let actions = compute(&pod, &observed, &healthy);
        assert_eq!(
            (actions.kill.len(), actions.start.as_slice()),
            (1, ["b".to_owned()].as_slice())
        );
    }

    #[test]
    fn a_dead_sandbox_is_replaced_and_its_pod_started_anew() {
        let pod = pod("Always", json!([{"name": "x", "image": "i"}]));
        let containers = vec![
            container(&pod, "a", RunState::Exited, 137),
            container(&pod, "x", RunState::Exited, 0),
        ];
        let mut observed = Observed {
            sandboxes: vec![sandbox("s", false, 4)],
            containers,
        };
        let actions = compute(&pod, &observed, &healthy);
        assert_eq!(
            (actions.create_sandbox, actions.start_init.as_slice()),
            (Some(5), ["x".to_owned()].as_slice())
        );
        // In the new sandbox the init container of the old one counts for nothing.
        observed.sandboxes.insert(0, sandbox("t", true, 5));
        observed.sandboxes[1].ready = false;
        assert_eq!(compute(&pod, &observed, &healthy).start_init, ["x"]);
    }
}
