//! Which pods have a worker: follows the API's list, the runtime's events, and removes what
//! belongs to no pod.
// upstream: pkg/kubelet/kubelet.go#syncLoop, #HandlePodCleanups

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::observe::keys;
use super::spec::PodExt;
use super::worker::{Desired, Worker, WorkerHandle};
use crate::cluster_api::PodChange;
use crate::cri::CriError;
use crate::cri::events::ContainerEvent;
use crate::cri::v1::{
    ContainerFilter, ListContainersRequest, ListPodSandboxRequest, PodSandboxFilter,
    RemovePodSandboxRequest, ReopenContainerLogRequest, StopPodSandboxRequest,
};
use crate::logs::rotate_if_large;
use crate::native::{Node, remove_cgroup};
use crate::volume::remove_tree;

/// The workers of one agent; cheap to clone.
#[derive(Clone)]
pub(crate) struct Supervisor {
    node: Arc<Node>,
    workers: Arc<Mutex<HashMap<String, WorkerHandle>>>,
    tasks: TaskTracker,
    /// Cancelled: no new pods, and the workers end with their pods left as they are.
    stop: CancellationToken,
    draining: Arc<Mutex<Option<i64>>>,
}

impl Supervisor {
    pub(crate) fn new(node: Arc<Node>, stop: CancellationToken) -> Self {
        Self {
            node,
            workers: Arc::default(),
            tasks: TaskTracker::new(),
            stop,
            draining: Arc::default(),
        }
    }

    /// The pods as the workers have them.
    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        self.workers
            .lock()
            .values()
            .map(|w| w.desired.borrow().pod.clone())
            .collect()
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods()
            .into_iter()
            .find(|p| p.namespace() == namespace && p.name() == name)
    }

    /// Runs until `stop`, then waits for the workers.
    pub(crate) async fn run(&self) {
        let events = self.follow_events();
        let pods = self.follow_pods();
        let logs = self.rotate_logs();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = async { tokio::join!(events, pods, logs); } => {}
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.workers.lock().clear();
    }

    async fn follow_pods(&self) {
        let mut changes = self.node.api.watch_pods(&self.node.config.node_name);
        let mut first = true;
        while let Some(change) = changes.next().await {
            match change {
                Ok(change) => {
                    self.node.api_answered(true);
                    let list = matches!(change, PodChange::Restarted(_));
                    self.apply(change);
                    if list && std::mem::take(&mut first) {
                        self.remove_orphans().await;
                    }
                }
                Err(error) => {
                    self.node.api_answered(false);
                    tracing::debug!(%error, "pod watch broken; pods go on");
                }
            }
        }
    }

    fn apply(&self, change: PodChange) {
        match change {
            PodChange::Restarted(pods) => {
                let listed: HashSet<String> = pods.iter().map(|p| p.uid().to_owned()).collect();
                for pod in pods {
                    self.want(pod);
                }
                for (uid, worker) in self.workers.lock().iter() {
                    if !listed.contains(uid) {
                        worker.desired.send_modify(|d| d.gone = true);
                    }
                }
            }
            PodChange::Applied(pod) => self.want(*pod),
            PodChange::Deleted(pod) => {
                if let Some(worker) = self.workers.lock().get(pod.uid()) {
                    worker.desired.send_modify(|d| {
                        *d = Desired {
                            pod: Arc::new(*pod),
                            gone: true,
                            evict: d.evict,
                        }
                    });
                }
            }
        }
    }

    fn want(&self, pod: Pod) {
        let pod = Arc::new(pod);
        let mut workers = self.workers.lock();
        if let Some(worker) = workers.get(pod.uid()) {
            worker.desired.send_if_modified(|desired| {
                let changed = meaningful(&desired.pod, &pod);
                desired.pod = pod;
                changed
            });
            return;
        }
        let draining = *self.draining.lock();
        // A pod that is over and was never here, or came while draining, needs no worker; unless
        // it waits for this node to let it go.
        if pod.deletion().is_none() && draining.is_some() {
            return;
        }
        let uid = pod.uid().to_owned();
        let (worker, handle) = Worker::new(self.node.clone(), pod);
        workers.insert(uid.clone(), handle);
        let (all, stop) = (self.workers.clone(), self.stop.clone());
        let node = self.node.clone();
        self.tasks.spawn(async move {
            worker.run(stop).await;
            all.lock().remove(&uid);
            node.forget_containers(&uid);
        });
    }

    fn wake_all(&self) {
        for worker in self.workers.lock().values() {
            worker.changed.notify_one();
        }
    }

    async fn follow_events(&self) {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.node.cri.container_events().await {
                Ok(mut events) => {
                    self.node.runtime_answered(true);
                    pause = Duration::from_millis(100);
                    // Whatever happened while nobody listened is found by looking.
                    self.wake_all();
                    while let Some(Ok(event)) = events.next().await {
                        self.on_event(&event);
                    }
                }
                Err(error) => tracing::debug!(%error, "no events from the runtime"),
            }
            self.node.runtime_answered(false);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn on_event(&self, event: &ContainerEvent) {
        let ContainerEvent::Exited(id) = event else {
            return;
        };
        self.node.container_exited(id);
        let Some(uid) = self.node.pod_of(id) else {
            // A container that ended before its worker had seen it.
            for worker in self.workers.lock().values() {
                worker.exited.lock().insert(id.clone());
                worker.changed.notify_one();
            }
            return;
        };
        if let Some(worker) = self.workers.lock().get(&uid) {
            worker.exited.lock().insert(id.clone());
            worker.changed.notify_one();
        }
    }

    // upstream: containerLogManager, monitor period 10s
    async fn rotate_logs(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(10));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (id, path) in self.node.running_logs() {
                match rotate_if_large(&path) {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Err(error) = self
                            .node
                            .cri
                            .reopen_container_log(ReopenContainerLogRequest { container_id: id })
                            .await
                        {
                            tracing::warn!(log = %path.display(), %error, "log not opened anew after its rotation");
                        }
                    }
                    Err(error) => tracing::warn!(log = %path.display(), %error, "log not rotated"),
                }
            }
        }
    }

    /// Ends every pod in at most `grace` seconds; `Err` is how many are left.
    pub(crate) async fn drain(&self, grace: Duration) -> Result<(), usize> {
        let seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        *self.draining.lock() = Some(seconds);
        for worker in self.workers.lock().values() {
            // A pod that was over before has nothing to end, but its remains go too.
            worker.desired.send_modify(|d| d.evict = Some(seconds));
        }
        let deadline = tokio::time::Instant::now() + grace + Duration::from_secs(10);
        loop {
            let left = self.workers.lock().len();
            if left == 0 {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(left);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends containers of pods that the API no longer has, and removes their directories.
    async fn remove_orphans(&self) {
        let known: HashSet<String> = self.workers.lock().keys().cloned().collect();
        if let Err(error) = remove_sandboxes(&self.node, &|uid| !known.contains(uid), None).await {
            tracing::warn!(%error, "orphaned containers not removed");
        }
        let node = self.node.clone();
        let _ = tokio::task::spawn_blocking(move || {
            for entry in list(&node.pods_dir()) {
                if entry
                    .file_name()
                    .is_some_and(|uid| !known.contains(&*uid.to_string_lossy()))
                    && let Err(error) = remove_tree(&entry)
                {
                    tracing::warn!(dir = %entry.display(), %error, "orphaned volumes not removed");
                }
            }
            for entry in list(&node.logs_dir()) {
                let name = entry
                    .file_name()
                    .map(|n| n.to_string_lossy().into_owned())
                    .unwrap_or_default();
                if name
                    .rsplit('_')
                    .next()
                    .is_some_and(|uid| !known.contains(uid))
                {
                    let _ = remove_tree(&entry);
                }
            }
        })
        .await;
    }
}

fn list(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect()
}

/// Whether a worker has to look at the change: not at the echo of its own status.
fn meaningful(old: &Pod, new: &Pod) -> bool {
    let other = |pod: &Pod| {
        let mut pod = pod.clone();
        pod.metadata.resource_version = None;
        pod.metadata.managed_fields = None;
        let status = pod.status.take().unwrap_or_default();
        let own = [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled",
        ];
        let conditions: Vec<_> = status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .filter(|c| !own.contains(&c.type_.as_str()))
            .collect();
        let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        (pod, conditions, over)
    };
    other(old) != other(new)
}

/// Stops and removes the sandboxes of this agent whose pod's UID is selected. `grace` zero kills
/// at once, `None` gives each container its own time.
pub(crate) async fn remove_sandboxes(
    node: &Node,
    select: &(dyn Fn(&str) -> bool + Send + Sync),
    grace: Option<i64>,
) -> Result<(), CriError> {
    let ours = [(keys::AGENT.to_owned(), node.network.name().to_owned())]
        .into_iter()
        .collect();
    let filter = PodSandboxFilter {
        label_selector: ours,
        ..PodSandboxFilter::default()
    };
    let sandboxes = node
        .cri
        .list_pod_sandbox(ListPodSandboxRequest {
            filter: Some(filter),
        })
        .await?
        .items;
    let removals = sandboxes
        .into_iter()
        .filter(|s| select(s.labels.get(keys::POD_UID).map_or("", String::as_str)))
        .map(|sandbox| async move {
            let filter = ContainerFilter {
                pod_sandbox_id: sandbox.id.clone(),
                ..ContainerFilter::default()
            };
            let containers = node
                .cri
                .list_containers(ListContainersRequest {
                    filter: Some(filter),
                })
                .await?
                .containers;
            let stops = containers.iter().map(|container| async move {
                let own = container
                    .annotations
                    .get(keys::GRACE)
                    .and_then(|g| g.parse().ok())
                    .unwrap_or(30);
                node.cri
                    .stop_container(&container.id, grace.unwrap_or(own))
                    .await
            });
            for stopped in futures::future::join_all(stops).await {
                if let Err(error) = stopped
                    && !error.is_not_found()
                {
                    return Err(error);
                }
            }
            node.cri
                .stop_pod_sandbox(StopPodSandboxRequest {
                    pod_sandbox_id: sandbox.id.clone(),
                })
                .await?;
            node.cri
                .remove_pod_sandbox(RemovePodSandboxRequest {
                    pod_sandbox_id: sandbox.id,
                })
                .await?;
            if let Some(uid) = sandbox.labels.get(keys::POD_UID) {
                for class in ["", "/burstable", "/besteffort"] {
                    remove_cgroup(&format!("/{}{class}/pod{uid}", node.network.name()));
                }
            }
            Ok(())
        });
    futures::future::join_all(removals)
        .await
        .into_iter()
        .collect()
}
