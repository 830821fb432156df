//! The loop: events in, pods out.

use std::sync::Arc;

use informer::{Change, Informer, Key};
use k8s_openapi::api::core::v1::{Node, Pod};
use machinery::Status;
use parking_lot::Mutex;
use registry::api::Api;
use registry::{Registry, UserInfo};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::cycle::Search;
use crate::events::{Reporter, SCHEDULER_NAME, USER};
use crate::plugin::{ClusterEvent, Plugin};
use crate::pod_info::{PodInfo, is_terminal, node_name};
use crate::queue::{Queue, Waiting};

/// Bindings that may be under way at once; the store packs them into one batch.
const BINDINGS: usize = 256;

/// The scheduler does not run.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler can't run: {0}")]
pub struct SchedulerError(String);

impl From<Status> for SchedulerError {
    fn from(status: Status) -> Self {
        Self(status.to_string())
    }
}

/// Schedules pods of the default scheduler until `stop`.
///
/// # Errors
/// When the registry has no pods or nodes.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), SchedulerError> {
    let user = UserInfo {
        name: USER.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        changed: Notify::new(),
        plugins: crate::plugins::all(),
        reporter: Reporter::new(&registry, &user)?,
        pods: registry.api("", "v1", "pods", user)?,
        bindings: Arc::new(Semaphore::new(BINDINGS)),
    });
    let mut nodes = Informer::<Node>::new(&registry, "", "v1", "nodes")?;
    let mut pods = Informer::<Pod>::new(&registry, "", "v1", "pods")?;
    nodes.on_change({
        let shared = shared.clone();
        move |change| shared.node_changed(change)
    });
    pods.on_change({
        let shared = shared.clone();
        move |change| shared.pod_changed(change)
    });
    let (mut nodes_synced, mut pods_synced) = (nodes.synced(), pods.synced());
    let tasks = TaskTracker::new();
    tasks.spawn(nodes.run(stop.clone()));
    tasks.spawn(pods.run(stop.clone()));
    // Before the caches are whole, nodes look emptier than they are.
    let synced = async {
        let _ = nodes_synced.wait_for(|synced| *synced).await;
        let _ = pods_synced.wait_for(|synced| *synced).await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = synced => shared.clone().schedule(&tasks, stop.clone()).await,
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

#[derive(Default)]
struct State {
    cache: Cache,
    queue: Queue,
    search: Search,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    plugins: Vec<Box<dyn Plugin>>,
    reporter: Reporter,
    pods: Api<Value>,
    bindings: Arc<Semaphore>,
}

impl Shared {
    async fn schedule(self: Arc<Self>, tasks: &TaskTracker, stop: CancellationToken) {
        loop {
            let Ok(permit) = self.bindings.clone().acquire_owned().await else {
                return;
            };
            let waiting = tokio::select! {
                () = stop.cancelled() => return,
                waiting = self.next() => waiting,
            };
            let found = {
                let State { cache, search, .. } = &mut *self.state.lock();
                let found = search.find(&waiting.info, cache, &self.plugins);
                if let Ok(node) = &found {
                    cache.assume(waiting.info.clone(), node);
                }
                found
            };
            let shared = self.clone();
            tasks.spawn(async move {
                match found {
                    Ok(node) => shared.bind(&waiting, &node).await,
                    Err(why) => {
                        let text = why.to_string();
                        shared
                            .reporter
                            .failed(&waiting.info, "Unschedulable", &text)
                            .await;
                        shared.give_back(&waiting.info.key, why.held_by);
                    }
                }
                drop(permit);
            });
        }
    }

    async fn next(&self) -> Waiting {
        loop {
            let changed = self.changed.notified();
            let wake = {
                let mut state = self.state.lock();
                if let Some(waiting) = state.queue.pop(Instant::now()) {
                    return waiting;
                }
                state.queue.next_wake()
            };
            match wake {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    // upstream: pkg/scheduler/framework/plugins/defaultbinder/default_binder.go#Bind
    async fn bind(&self, waiting: &Waiting, node: &str) {
        let pod = &waiting.info;
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": pod.key.name(), "namespace": pod.key.namespace(), "uid": pod.uid() },
            "target": { "kind": "Node", "name": node },
        });
        let bound = self
            .pods
            .create_subresource(pod.key.namespace(), pod.key.name(), "binding", binding)
            .await;
        match bound {
            Ok(()) => {
                self.state.lock().queue.placed(&pod.key);
                self.reporter.scheduled(pod, node).await;
            }
            Err(status) => {
                tracing::debug!(pod = %pod.key, node, %status, "the binding failed");
                self.state.lock().cache.forget(pod);
                let text = format!("binding rejected: {status}");
                self.reporter.failed(pod, "SchedulerError", &text).await;
                self.give_back(&pod.key, Vec::new());
            }
        }
    }

    fn give_back(&self, key: &Key, held_by: Vec<&'static str>) {
        let mut state = self.state.lock();
        state
            .queue
            .failed(key, held_by, &self.plugins, Instant::now());
        drop(state);
        self.changed.notify_one();
    }

    fn node_changed(&self, change: &Change<Node>) {
        let mut state = self.state.lock();
        match change {
            Change::Added(node) => state.cache.set_node(node.clone()),
            Change::Updated { old, new } => {
                state.cache.set_node(new.clone());
                if !matters(old, new) {
                    return;
                }
            }
            Change::Deleted(node) => {
                let name = node.metadata.name.as_deref().unwrap_or_default();
                state.cache.remove_node(name);
                return;
            }
        }
        self.wake(&mut state, ClusterEvent::Node);
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        let pod = change.object();
        let gone = matches!(change, Change::Deleted(_)) || is_terminal(pod);
        let mut state = self.state.lock();
        let key = Key::of(&pod.metadata);
        match node_name(pod) {
            Some(node) if !gone => {
                state.queue.remove(&key);
                state
                    .cache
                    .set_pod(Arc::new(PodInfo::new(pod.clone())), node);
            }
            Some(_) => {
                let had = state.cache.has(&key);
                state.queue.remove(&key);
                state.cache.remove_pod(&key);
                if had {
                    self.wake(&mut state, ClusterEvent::PodGone);
                }
            }
            None if gone || pod.metadata.deletion_timestamp.is_some() => {
                state.queue.remove(&key);
                state.cache.remove_pod(&key);
            }
            // An assumed pod's binding is under way: this is a state from before it.
            None if is_ours(pod) && !state.cache.has(&key) => {
                state.queue.set(Arc::new(PodInfo::new(pod.clone())));
                drop(state);
                self.changed.notify_one();
            }
            None => {}
        }
    }

    fn wake(&self, state: &mut State, event: ClusterEvent) {
        state.queue.event(event, &self.plugins, Instant::now());
        self.changed.notify_one();
    }
}

/// Whether the pod asks for this scheduler, and nothing gates it.
fn is_ours(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| {
        let name = spec.scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME);
        name == SCHEDULER_NAME && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
    })
}

/// Whether a change of a node may let a pod through. Heartbeats do not.
// upstream: pkg/scheduler/eventhandlers.go#nodeSchedulingPropertiesChange
fn matters(old: &Node, new: &Node) -> bool {
    let allocatable = |n: &Node| n.status.as_ref().and_then(|s| s.allocatable.clone());
    old.metadata.labels != new.metadata.labels
        || old.spec != new.spec
        || allocatable(old) != allocatable(new)
}
