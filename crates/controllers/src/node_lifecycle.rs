//! Nodes that no longer report: their conditions become Unknown, taints keep pods away and drive them off.
//!
//! A node reports by renewing its Lease in `kube-node-lease` or by posting its status. What the API server taints when
//! it registers ([`taints::NOT_READY`]) is taken away here once it is ready.
// upstream: pkg/controller/nodelifecycle/node_lifecycle_controller.go

mod health;
pub(crate) mod taints;
mod zones;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::{Api, Patch};
use serde_json::json;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::meta::Meta;
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::setup::{BY_NODE, Setup};

use health::{Health, ready_status};
use zones::{Admission, Transition, Zones};

const NAME: &str = "node-controller";
/// The namespace of nodes' leases.
const LEASES: &str = "kube-node-lease";
/// How long a node may be silent.
// upstream: nodeMonitorGracePeriod
const GRACE: Duration = Duration::from_secs(40);
/// The same for a node that has never reported.
// upstream: nodeStartupGracePeriod
const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// Whether the node's condition Ready is True.
pub(crate) fn is_ready(node: &Node) -> bool {
    ready_status(node) == "True"
}

struct NodeLifecycle {
    nodes: Arc<Cache<Node>>,
    leases: Arc<Cache<Lease>>,
    pods: Arc<Cache<Pod>>,
    api: Api<Node>,
    pod_api: Api<Pod>,
    health: Mutex<HashMap<String, Health>>,
    zones: Mutex<Zones>,
    queue: WorkQueue<Key>,
    clock: Clock,
    recorder: Recorder,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    // One key, worked on when a node comes, goes, or changes between ready and not.
    let zones: WorkQueue<Key> = WorkQueue::default();
    let all = Key::cluster("zones");
    let (q, z) = (queue.clone(), zones.clone());
    let changed = all.clone();
    setup.informers.nodes.on_change(move |change| {
        let same = matches!(change, Change::Updated { old, new }
            if ready_status(old) == ready_status(new) && zones::key(old) == zones::key(new));
        if !same {
            z.add(changed.clone());
        }
        q.add(change.object().key());
    });
    let q = queue.clone();
    setup.informers.leases.on_change(move |change| {
        let lease = change.object();
        if lease.namespace() == LEASES {
            q.add(Key::cluster(lease.name()));
        }
    });
    let controller = Arc::new(NodeLifecycle {
        nodes: setup.informers.nodes.cache(),
        leases: setup.informers.leases.cache(),
        pods: setup.informers.pods.cache(),
        api: setup.api(NAME)?,
        pod_api: setup.api(NAME)?,
        health: Mutex::default(),
        zones: Mutex::default(),
        queue: queue.clone(),
        clock: setup.clock,
        recorder: setup.recorder.of(NAME),
    });
    let c = Arc::clone(&controller);
    setup.workers("node-lifecycle-controller", queue, 4, move |key| {
        let controller = Arc::clone(&c);
        async move { controller.sync(&key).await }
    });
    setup.workers("node-lifecycle-zones", zones, 1, move |_| {
        controller.update_zones(None);
        async { Ok(Outcome::Done) }
    });
    Ok(())
}

impl NodeLifecycle {
    // upstream: #monitorNodeHealth, #doNodeProcessingPassWorker
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(cached) = self.nodes.get(key) else {
            if self.health.lock().remove(key.name()).is_some() {
                tracing::info!(node = key.name(), "a node is gone");
            }
            return Ok(Outcome::Done);
        };
        let mut node = (*cached).clone();
        let renewed = self
            .leases
            .get(&Key::new(LEASES, key.name()))
            .and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref().map(|t| t.0));
        let now = Instant::now();
        let (left, is_new) = {
            let mut all = self.health.lock();
            let is_new = !all.contains_key(key.name());
            let health = all
                .entry(key.name().to_owned())
                .or_insert_with(|| Health::new(&node, now, &self.clock));
            health.observe(&node, renewed, now);
            (health.left(&node, now), is_new)
        };
        if is_new {
            let text = format!(
                "Node {0} event: Registered Node {0} in Controller",
                key.name()
            );
            self.recorder
                .event(&node, Kind::Normal, "RegisteredNode", text);
        }
        let was = ready_status(&node).to_owned();
        if left.is_zero() && health::expire(&mut node, self.clock.time()) {
            node = match self.api.update_status(None, key.name(), &node).await {
                Err(status) if status.is(Reason::NotFound) => return Ok(Outcome::Done),
                other => other?,
            };
            tracing::info!(node = key.name(), "a node no longer reports");
            if was == "True" {
                let text = format!("Node {} status is now: NodeNotReady", key.name());
                self.recorder
                    .event(&node, Kind::Normal, "NodeNotReady", text);
            }
        }
        let again = self.taint(&node).await?;
        if ready_status(&node) == "Unknown" {
            self.pods_not_ready(key.name()).await?;
        }
        // A silent node is looked at again when it reports.
        let wait = (!left.is_zero()).then_some(left).into_iter().chain(again);
        Ok(wait.min().map_or(Outcome::Done, Outcome::Again))
    }

    /// Brings the taints and labels to what the conditions say; returns when it shall be tried again.
    // upstream: #doNoScheduleTaintingPass, #processTaintBaseEviction, #doNoExecuteTaintingPass, #reconcileNodeLabels
    async fn taint(&self, node: &Node) -> Result<Option<Duration>, Status> {
        let mut again = None;
        let mut wanted: Vec<Taint> = taints::no_schedule(node);
        let present = taints::of(node, "NoExecute");
        let driven = |key: &str| present.iter().any(|t| t.key == key);
        if let Some(key) = taints::no_execute(node) {
            let swap = driven(taints::NOT_READY) || driven(taints::UNREACHABLE);
            let admission = self.admit(node, swap);
            match admission {
                Admission::Now => wanted.push(taints::taint(key, "NoExecute")),
                Admission::After(wait) => again = Some(wait),
                Admission::Never => {}
            }
        } else if ready_status(node).is_empty() {
            // Nothing is known of it: what is there stays.
            wanted.extend(
                present
                    .iter()
                    .filter(|t| t.key == taints::NOT_READY || t.key == taints::UNREACHABLE)
                    .cloned(),
            );
        }
        let next = taints::reconcile(node, &wanted, self.clock.time());
        let labels = taints::secondary_labels(node);
        if next.is_none() && labels.is_empty() {
            return Ok(again);
        }
        let mut patch = json!({"metadata": {"resourceVersion": node.metadata.resource_version}});
        if let Some(next) = next
            && let Some(map) = patch.as_object_mut()
        {
            map.insert("spec".to_owned(), json!({"taints": next}));
        }
        if !labels.is_empty()
            && let Some(meta) = patch.get_mut("metadata").and_then(|m| m.as_object_mut())
        {
            meta.insert("labels".to_owned(), json!(labels));
        }
        match self
            .api
            .patch(None, node.name(), "", Patch::Merge(patch))
            .await
        {
            Err(status) if !status.is(Reason::NotFound) => Err(status),
            _ => Ok(again),
        }
    }

    /// Whether pods may be driven off the node now.
    fn admit(&self, node: &Node, has_taint: bool) -> Admission {
        self.update_zones(Some(node));
        let mut zones = self.zones.lock();
        if zones.all_disrupted() {
            // Everything is silent: the fault is rather here.
            Admission::Never
        } else if has_taint {
            Admission::Now
        } else {
            zones.admit(&zones::key(node), Instant::now())
        }
    }

    /// Counts anew how many nodes of each zone are ready. `fresher` is newer than what the cache has of that node.
    // upstream: #handleDisruption
    fn update_zones(&self, fresher: Option<&Node>) {
        let nodes = self.nodes.list();
        let states = nodes.iter().map(|node| {
            let node = fresher.filter(|f| f.name() == node.name()).unwrap_or(node);
            (zones::key(node), is_ready(node))
        });
        let transition = self.zones.lock().update(states);
        match transition {
            Transition::None => return,
            Transition::Changed => {}
            Transition::AllDisrupted => {
                tracing::warn!("no node is ready: pods are not driven off until one is");
            }
            Transition::Recovered => {
                tracing::info!("nodes are ready again: silence is counted from now");
                let now = Instant::now();
                for health in self.health.lock().values_mut() {
                    health.reset(now);
                }
            }
        }
        for node in nodes.iter().filter(|n| !is_ready(n)) {
            self.queue.add(node.key());
        }
    }

    // upstream: pkg/controller/util/node/controller_utils.go#MarkPodsNotReady
    async fn pods_not_ready(&self, node: &str) -> Result<(), Status> {
        for pod in self.pods.by_index(BY_NODE, node) {
            let Some(ready) = pod::condition(&pod, "Ready").filter(|c| c.status == "True") else {
                continue;
            };
            let mut condition = ready.clone();
            "False".clone_into(&mut condition.status);
            condition.last_transition_time = Some(self.clock.time());
            let patch = json!({
                "metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]},
            });
            match self
                .pod_api
                .patch(
                    Some(pod.namespace()),
                    pod.name(),
                    "status",
                    Patch::Strategic(patch),
                )
                .await
            {
                Ok(_) => {
                    let text = "Node is not ready";
                    self.recorder
                        .event(&*pod, Kind::Warning, "NodeNotReady", text);
                }
                Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => {}
                Err(status) => return Err(status),
            }
        }
        Ok(())
    }
}
