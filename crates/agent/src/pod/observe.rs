//! What the runtime has of a pod.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go#GetPodStatus

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use crate::cri::v1::*;
use crate::cri::{CriClient, CriError};

/// Label and annotation keys that the kubelet gives sandboxes and containers.
// upstream: pkg/kubelet/types/labels.go, pkg/kubelet/kuberuntime/labels.go
pub(crate) mod keys {
    pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
    pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    pub(crate) const POD_UID: &str = "io.kubernetes.pod.uid";
    pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    pub(crate) const HASH: &str = "io.kubernetes.container.hash";
    pub(crate) const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
    pub(crate) const TERMINATION_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    pub(crate) const TERMINATION_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    pub(crate) const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
    /// Which agent made it; agents that share a runtime leave each other's alone.
    pub(crate) const AGENT: &str = "daas.io/agent";
}

/// A sandbox of the pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObservedSandbox {
    pub(crate) id: String,
    pub(crate) ready: bool,
    pub(crate) attempt: u32,
    pub(crate) created_at: i64,
    pub(crate) ips: Vec<String>,
}

/// State of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RunState {
    #[default]
    Created,
    Running,
    Exited,
    Unknown,
}

/// A container of the pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObservedContainer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sandbox: String,
    pub(crate) image: String,
    pub(crate) image_ref: String,
    pub(crate) state: RunState,
    pub(crate) created_at: i64,
    pub(crate) started_at: i64,
    pub(crate) finished_at: i64,
    pub(crate) exit_code: i32,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) restart_count: i32,
    pub(crate) hash: String,
}

/// Everything that the runtime has of one pod, newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    pub(crate) sandboxes: Vec<ObservedSandbox>,
    pub(crate) containers: Vec<ObservedContainer>,
}

impl Observed {
    /// The newest container of a name.
    pub(crate) fn latest(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// The one before it.
    pub(crate) fn previous(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().filter(|c| c.name == name).nth(1)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &ObservedContainer> {
        self.containers
            .iter()
            .filter(|c| c.state == RunState::Running)
    }

    /// Addresses of the newest sandbox, if it is ready.
    pub(crate) fn ips(&self) -> &[String] {
        self.sandboxes
            .first()
            .filter(|s| s.ready)
            .map_or(&[], |s| &s.ips)
    }
}

/// Nanoseconds since the epoch, as CRI has times.
pub(crate) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// Reads the state of the pod `uid` that `agent` made.
pub(crate) async fn observe(cri: &CriClient, agent: &str, uid: &str) -> Result<Observed, CriError> {
    let labels: BTreeMap<String, String> = [
        (keys::POD_UID.to_owned(), uid.to_owned()),
        (keys::AGENT.to_owned(), agent.to_owned()),
    ]
    .into_iter()
    .collect();
    let filter = PodSandboxFilter {
        label_selector: labels.clone(),
        ..PodSandboxFilter::default()
    };
    let mut sandboxes = Vec::new();
    for sandbox in cri
        .list_pod_sandbox(ListPodSandboxRequest {
            filter: Some(filter),
        })
        .await?
        .items
    {
        let request = PodSandboxStatusRequest {
            pod_sandbox_id: sandbox.id.clone(),
            verbose: false,
        };
        let status = match cri.pod_sandbox_status(request).await {
            Ok(answer) => answer.status.unwrap_or_default(),
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let network = status.network.unwrap_or_default();
        let ips = std::iter::once(network.ip)
            .chain(network.additional_ips.into_iter().map(|ip| ip.ip))
            .filter(|ip| !ip.is_empty())
            .collect();
        sandboxes.push(ObservedSandbox {
            id: sandbox.id,
            ready: status.state == PodSandboxState::Ready as i32,
            attempt: status.metadata.map_or(0, |m| m.attempt),
            created_at: status.created_at,
            ips,
        });
    }
    sandboxes.sort_by_key(|s| std::cmp::Reverse(s.created_at));
    let filter = ContainerFilter {
        label_selector: labels,
        ..ContainerFilter::default()
    };
    let mut containers = Vec::new();
    for container in cri
        .list_containers(ListContainersRequest {
            filter: Some(filter),
        })
        .await?
        .containers
    {
        let request = ContainerStatusRequest {
            container_id: container.id.clone(),
            verbose: false,
        };
        let status = match cri.container_status(request).await {
            Ok(answer) => answer.status.unwrap_or_default(),
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        containers.push(read_container(container.pod_sandbox_id, status));
    }
    containers.sort_by_key(|c| std::cmp::Reverse((c.created_at, c.restart_count)));
    Ok(Observed {
        sandboxes,
        containers,
    })
}

fn read_container(sandbox: String, status: ContainerStatus) -> ObservedContainer {
    let note = |key: &str| status.annotations.get(key).cloned().unwrap_or_default();
    let message = termination_message(&status);
    ObservedContainer {
        sandbox,
        name: status
            .labels
            .get(keys::CONTAINER_NAME)
            .cloned()
            .unwrap_or_default(),
        image: status
            .image
            .as_ref()
            .map(|i| i.image.clone())
            .unwrap_or_default(),
        image_ref: status.image_ref.clone(),
        state: match ContainerState::try_from(status.state) {
            Ok(ContainerState::Created) => RunState::Created,
            Ok(ContainerState::Running) => RunState::Running,
            Ok(ContainerState::Exited) => RunState::Exited,
            _ => RunState::Unknown,
        },
        created_at: status.created_at,
        started_at: status.started_at,
        finished_at: status.finished_at,
        exit_code: status.exit_code,
        reason: status.reason.clone(),
        message,
        restart_count: note(keys::RESTART_COUNT).parse().unwrap_or(0),
        hash: note(keys::HASH),
        id: status.id,
    }
}

/// The end of the container's own message file, or of its log when it failed and policy says so.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#getTerminationMessage
fn termination_message(status: &ContainerStatus) -> String {
    const LIMIT: usize = 4096;
    if status.state != ContainerState::Exited as i32 {
        return status.message.clone();
    }
    let path = status.annotations.get(keys::TERMINATION_PATH);
    let file = path.and_then(|path| status.mounts.iter().find(|m| &m.container_path == path));
    let text = file
        .and_then(|mount| std::fs::read(&mount.host_path).ok())
        .unwrap_or_default();
    let end = &text.get(..text.len().min(LIMIT)).unwrap_or_default();
    if !end.is_empty() {
        return String::from_utf8_lossy(end).into_owned();
    }
    let from_log = status
        .annotations
        .get(keys::TERMINATION_POLICY)
        .is_some_and(|p| p == "FallbackToLogsOnError");
    if from_log && status.exit_code != 0 {
        let tail = crate::logs::tail_text(std::path::Path::new(&status.log_path), 80, 2048);
        if !tail.is_empty() {
            return tail;
        }
    }
    status.message.clone()
}
