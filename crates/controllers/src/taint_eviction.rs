//! `NoExecute` taints: pods that don't tolerate them go at once, or after as long as they tolerate them.
// upstream: pkg/controller/tainteviction/taint_eviction.go

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::{Api, Patch};
use serde_json::json;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::disruption;
use crate::meta::{self, Meta};
use crate::node_lifecycle::taints::{of, tolerates};
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::setup::{BY_NODE, Setup};

const NAME: &str = "taint-eviction-controller";

/// A pod that will go, and since when.
struct Scheduled {
    uid: String,
    since: Instant,
}

struct TaintEviction {
    nodes: Arc<Cache<Node>>,
    pods: Arc<Cache<Pod>>,
    api: Api<Pod>,
    scheduled: Mutex<HashMap<Key, Scheduled>>,
    clock: Clock,
    recorder: Recorder,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    let by_node = setup.informers.pods.cache();
    setup.informers.nodes.on_change(move |change| {
        let changed = match change {
            Change::Added(node) => !of(node, "NoExecute").is_empty(),
            Change::Updated { old, new } => of(old, "NoExecute") != of(new, "NoExecute"),
            Change::Deleted(_) => true,
        };
        if changed {
            for pod in by_node.by_index(BY_NODE, change.object().name()) {
                q.add(pod.key());
            }
        }
    });
    let q = queue.clone();
    setup.informers.pods.on_change(move |change| {
        let moved = match change {
            Change::Added(pod) => !pod::node(pod).is_empty(),
            Change::Updated { old, new } => {
                pod::node(old) != pod::node(new)
                    || tolerations(old) != tolerations(new)
                    || old.deleting() != new.deleting()
            }
            Change::Deleted(_) => true,
        };
        if moved {
            q.add(change.object().key());
        }
    });
    let controller = Arc::new(TaintEviction {
        nodes: setup.informers.nodes.cache(),
        pods: setup.informers.pods.cache(),
        api: setup.api("node-controller")?,
        scheduled: Mutex::default(),
        clock: setup.clock,
        recorder: setup.recorder.of(NAME),
    });
    setup.workers(NAME, queue, 8, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
    Ok(())
}

fn tolerations(pod: &Pod) -> &[k8s_openapi::api::core::v1::Toleration] {
    let spec = pod.spec.as_ref();
    spec.and_then(|s| s.tolerations.as_deref())
        .unwrap_or_default()
}

/// How long the pod stays.
#[derive(Debug, PartialEq, Eq)]
enum Stay {
    ForEver,
    For(Duration),
}

// upstream: #processPodOnNode, #getMinTolerationTime, pkg/apis/core/v1/helper/helpers.go#GetMatchingTolerations
fn stay(pod: &Pod, taints: &[Taint]) -> Stay {
    let tolerations = tolerations(pod);
    let mut least: Option<i64> = None;
    for taint in taints {
        // Of several tolerations for one taint the first counts.
        match tolerations.iter().find(|t| tolerates(t, taint)) {
            None => return Stay::For(Duration::ZERO),
            Some(toleration) => {
                let seconds = toleration.toleration_seconds.map(|s| s.max(0));
                least = [least, seconds].into_iter().flatten().min();
            }
        }
    }
    least.map_or(Stay::ForEver, |s| {
        Stay::For(Duration::from_secs(u64::try_from(s).unwrap_or_default()))
    })
}

impl TaintEviction {
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(pod) = self.pods.get(key).filter(|p| !p.deleting()) else {
            self.scheduled.lock().remove(key);
            return Ok(Outcome::Done);
        };
        let node = self.nodes.get(&Key::cluster(pod::node(&pod)));
        let taints = node.map(|n| of(&n, "NoExecute")).unwrap_or_default();
        let stay = match stay(&pod, &taints) {
            Stay::For(stay) if !taints.is_empty() => stay,
            _ => {
                self.cancel(key, &pod);
                return Ok(Outcome::Done);
            }
        };
        let now = Instant::now();
        let left = {
            let mut scheduled = self.scheduled.lock();
            let entry = scheduled.entry(key.clone()).or_insert_with(|| Scheduled {
                uid: pod.uid().to_owned(),
                since: now,
            });
            if entry.uid != pod.uid() {
                pod.uid().clone_into(&mut entry.uid);
                entry.since = now;
            }
            (entry.since + stay).saturating_duration_since(now)
        };
        if !left.is_zero() {
            return Ok(Outcome::Again(left));
        }
        self.evict(&pod).await?;
        self.scheduled.lock().remove(key);
        Ok(Outcome::Done)
    }

    fn cancel(&self, key: &Key, pod: &Pod) {
        let was = self.scheduled.lock().remove(key);
        if was.is_some_and(|s| s.uid == pod.uid()) {
            let text = format!("Cancelling deletion of Pod {key}");
            self.recorder
                .event(pod, Kind::Normal, "TaintManagerEviction", text);
        }
    }

    // upstream: #deletePodHandler, #addConditionAndDeletePod
    async fn evict(&self, pod: &Pod) -> Result<(), Status> {
        let (namespace, name) = (Some(pod.namespace()), pod.name());
        let text = format!("Marking for deletion Pod {}", pod.key());
        self.recorder
            .event(pod, Kind::Normal, "TaintManagerEviction", text);
        let condition = disruption::condition(
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
            self.clock.time(),
        );
        let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}});
        let marked = self
            .api
            .patch(namespace, name, "status", Patch::Strategic(patch))
            .await;
        let done = match marked {
            Ok(_) => {
                let options = meta::of_uid(pod.uid());
                self.api.delete(namespace, name, &options).await
            }
            Err(status) => Err(status),
        };
        match done {
            // It is gone, or another one has its name.
            Err(s) if s.is(Reason::NotFound) || s.is(Reason::Conflict) => Ok(()),
            done => {
                tracing::info!(pod = %pod.key(), "a pod was driven off its node");
                done
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_shortest_toleration_of_all_taints_counts_and_one_untolerated_taint_suffices() {
        let pod = |tolerations: &Value| -> Pod {
            serde_json::from_value(json!({"spec": {"containers": [], "tolerations": tolerations}}))
                .unwrap()
        };
        let taints: Vec<Taint> = serde_json::from_value(json!([
            {"key": "a", "effect": "NoExecute"}, {"key": "b", "value": "x", "effect": "NoExecute"},
        ]))
        .unwrap();
        let seconds = |s| Stay::For(Duration::from_secs(s));
        assert_eq!(stay(&pod(&json!([])), &taints), seconds(0));
        let one = json!([{"key": "a", "operator": "Exists", "effect": "NoExecute"}]);
        assert_eq!(stay(&pod(&one), &taints), seconds(0));
        let all = json!([{"operator": "Exists"}]);
        assert_eq!(stay(&pod(&all), &taints), Stay::ForEver);
        let both = json!([
            {"key": "a", "operator": "Exists", "tolerationSeconds": 30},
            {"key": "b", "value": "x", "tolerationSeconds": 5},
        ]);
        assert_eq!(stay(&pod(&both), &taints), seconds(5));
        let some = json!([
            {"key": "a", "operator": "Exists", "tolerationSeconds": 30},
            {"key": "b", "operator": "Exists"},
        ]);
        assert_eq!(stay(&pod(&some), &taints), seconds(30));
        let never = json!([{"operator": "Exists", "tolerationSeconds": -1}]);
        assert_eq!(stay(&pod(&never), &taints), seconds(0));
    }
}
