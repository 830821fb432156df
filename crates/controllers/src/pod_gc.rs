//! Pods that nobody else will remove: those of nodes that are gone or out of service, those deleted before they were
//! placed, and the oldest of very many that have ended.
// upstream: pkg/controller/podgc/gc_controller.go

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::{Api, DeleteOptions, Patch};
use serde_json::json;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::disruption;
use crate::meta::{self, Meta};
use crate::node_lifecycle::is_ready;
use crate::node_lifecycle::taints::OUT_OF_SERVICE;
use crate::pod;
use crate::setup::{BY_NODE, Setup};

const NAME: &str = "pod-garbage-collector";
/// How long a node must have been gone.
// upstream: quarantineTime
const QUARANTINE: Duration = Duration::from_secs(40);
/// How many pods that have ended may be kept.
// upstream: pkg/controller/podgc/config/v1alpha1/defaults.go
const THRESHOLD: usize = 12_500;
/// How soon pods that ended are counted again.
// upstream: gcCheckPeriod
const PERIOD: Duration = Duration::from_secs(20);

struct PodGc {
    nodes: Arc<Cache<Node>>,
    pods: Arc<Cache<Pod>>,
    api: Api<Pod>,
    node_api: Api<Node>,
    /// Nodes that pods are on and that the cache doesn't have, since when.
    missing: Mutex<HashMap<String, Instant>>,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let ended: WorkQueue<Key> = WorkQueue::default();
    let (q, e) = (queue.clone(), ended.clone());
    setup.informers.pods.on_change(move |change| {
        if matches!(change, Change::Deleted(_)) {
            return;
        }
        let pod = change.object();
        if pod.deleting() || !pod::node(pod).is_empty() {
            q.add(pod.key());
        }
        if pod::terminal(pod) {
            e.add_after(Key::cluster("ended"), PERIOD);
        }
    });
    let q = queue.clone();
    let by_node = setup.informers.pods.cache();
    setup.informers.nodes.on_change(move |change| {
        let node = change.object();
        if matches!(change, Change::Deleted(_)) || is_out_of_service(node) {
            for pod in by_node.by_index(BY_NODE, node.name()) {
                q.add(pod.key());
            }
        }
    });
    let controller = Arc::new(PodGc {
        nodes: setup.informers.nodes.cache(),
        pods: setup.informers.pods.cache(),
        api: setup.api(NAME)?,
        node_api: setup.api(NAME)?,
        missing: Mutex::default(),
        clock: setup.clock,
    });
    let c = Arc::clone(&controller);
    setup.workers(NAME, queue, 4, move |key| {
        let controller = Arc::clone(&c);
        async move { controller.sync(&key).await }
    });
    setup.workers("pod-garbage-collector-ended", ended, 1, move |_| {
        let controller = Arc::clone(&controller);
        async move { controller.collect_ended().await }
    });
    Ok(())
}

// upstream: #gcTerminating
fn is_out_of_service(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|s| s.taints.as_deref());
    let tainted = taints
        .unwrap_or_default()
        .iter()
        .any(|t| t.key == OUT_OF_SERVICE);
    tainted && !is_ready(node)
}

impl PodGc {
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(pod) = self.pods.get(key) else {
            return Ok(Outcome::Done);
        };
        // What waits for finalizers only is done with here.
        if pod.deleting()
            && pod.metadata.deletion_grace_period_seconds == Some(0)
            && pod::terminal(&pod)
        {
            return Ok(Outcome::Done);
        }
        let name = pod::node(&pod);
        if name.is_empty() {
            // upstream: #gcUnscheduledTerminating
            if pod.deleting() {
                self.delete(&pod, None).await?;
            }
            return Ok(Outcome::Done);
        }
        let Some(node) = self.nodes.get(&Key::cluster(name)) else {
            return self.orphaned(&pod, name).await;
        };
        self.missing.lock().remove(name);
        if pod.deleting() && is_out_of_service(&node) {
            self.delete(&pod, None).await?;
        }
        Ok(Outcome::Done)
    }

    // upstream: #gcOrphaned, #discoverDeletedNodes
    async fn orphaned(&self, pod: &Pod, node: &str) -> Result<Outcome, Status> {
        let now = Instant::now();
        let left = {
            let mut missing = self.missing.lock();
            let since = *missing.entry(node.to_owned()).or_insert(now);
            (since + QUARANTINE).saturating_duration_since(now)
        };
        if !left.is_zero() {
            return Ok(Outcome::Again(left));
        }
        if self.node_api.get_opt(None, node).await?.is_some() {
            // The cache will have it too.
            self.missing.lock().remove(node);
            return Ok(Outcome::Again(QUARANTINE));
        }
        let condition = disruption::condition(
            "DeletionByPodGC",
            "PodGC: node no longer exists",
            self.clock.time(),
        );
        self.delete(pod, Some(condition)).await?;
        // The last one gone, the node is forgotten.
        if self.pods.by_index(BY_NODE, node).len() <= 1 {
            self.missing.lock().remove(node);
        }
        Ok(Outcome::Done)
    }

    // upstream: #gcTerminated
    async fn collect_ended(&self) -> Result<Outcome, Status> {
        let pods = self.pods.list();
        for pod in surplus(pods, THRESHOLD) {
            self.delete(&pod, None).await?;
        }
        Ok(Outcome::Done)
    }

    // upstream: #markFailedAndDeletePodWithCondition
    async fn delete(&self, pod: &Pod, condition: Option<PodCondition>) -> Result<(), Status> {
        let (namespace, name) = (Some(pod.namespace()), pod.name());
        let marked = if pod::terminal(pod) {
            Ok(())
        } else {
            let conditions: Vec<_> = condition.into_iter().collect();
            let patch = json!({
                "metadata": {"uid": pod.uid()}, "status": {"phase": "Failed", "conditions": conditions},
            });
            self.api
                .patch(namespace, name, "status", Patch::Strategic(patch))
                .await
                .map(drop)
        };
        let done = match marked {
            Ok(()) => {
                let options = DeleteOptions {
                    grace_period_seconds: Some(0),
                    ..meta::of_uid(pod.uid())
                };
                self.api.delete(namespace, name, &options).await
            }
            Err(status) => Err(status),
        };
        match done {
            Err(s) if s.is(Reason::NotFound) || s.is(Reason::Conflict) => Ok(()),
            done => {
                tracing::info!(pod = %pod.key(), "a pod that nobody cares for was removed");
                done
            }
        }
    }
}

/// The pods that have ended and are too many: evicted ones first, then the oldest.
// upstream: #byEvictionAndCreationTimestamp
fn surplus(pods: Vec<Arc<Pod>>, threshold: usize) -> Vec<Arc<Pod>> {
    let mut ended: Vec<Arc<Pod>> = pods.into_iter().filter(|p| pod::terminal(p)).collect();
    let count = ended.len().saturating_sub(threshold);
    if count == 0 {
        return Vec::new();
    }
    ended.sort_by_key(|p| {
        let reason = p.status.as_ref().and_then(|s| s.reason.as_deref());
        let evicted = pod::phase(p) == "Failed" && reason == Some("Evicted");
        let created = p.metadata.creation_timestamp.as_ref().map(|t| t.0);
        (!evicted, created, p.key())
    });
    ended.truncate(count);
    ended
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str, reason: &str, created: &str) -> Arc<Pod> {
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {"namespace": "d", "name": name, "creationTimestamp": created},
                "status": {"phase": phase, "reason": reason},
            }))
            .unwrap(),
        )
    }

    #[test]
    fn evicted_pods_go_first_then_the_oldest_and_running_ones_never() {
        let pods = vec![
            pod("young", "Succeeded", "", "2026-01-03T00:00:00Z"),
            pod("old", "Failed", "", "2026-01-01T00:00:00Z"),
            pod("evicted", "Failed", "Evicted", "2026-01-04T00:00:00Z"),
            pod("running", "Running", "", "2025-01-01T00:00:00Z"),
        ];
        let names = |threshold| -> Vec<String> {
            let gone = surplus(pods.clone(), threshold);
            gone.iter().map(|p| p.name().to_owned()).collect()
        };
        assert_eq!(names(3), Vec::<String>::new());
        assert_eq!(names(1), ["evicted", "old"]);
        assert_eq!(names(0), ["evicted", "old", "young"]);
    }
}
