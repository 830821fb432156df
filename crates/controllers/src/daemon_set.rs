//! DaemonSets: a pod on each node that fits.
// upstream: pkg/controller/daemon/daemon_controller.go

mod nodes;
mod template;
mod update;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use informer::{Backoff, Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use machinery::{Reason, Status};
use registry::Api;

use crate::claim::claim;
use crate::clock::Clock;
use crate::expectations::Expectations;
use crate::history::{History, REVISION_LABEL, data, hash};
use crate::meta::{Meta, of_uid, selector};
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::replica_set::{in_terminating_namespace, slow_start};
use crate::setup::{BY_CONTROLLER, Setup, orphans};

const NAME: &str = "daemon-set-controller";
/// The most pods made or deleted in one go.
// upstream: #BurstReplicas
const BURST: usize = 250;

struct Controller {
    api: Api<DaemonSet>,
    pod_api: Api<Pod>,
    revision_api: Api<ControllerRevision>,
    sets: Arc<Cache<DaemonSet>>,
    pods: Arc<Cache<Pod>>,
    nodes: Arc<Cache<Node>>,
    queue: WorkQueue<Key>,
    expectations: Expectations,
    recorder: Recorder,
    clock: Clock,
}

/// Pods of a set by node.
type ByNode = BTreeMap<String, Vec<Arc<Pod>>>;

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        pod_api: setup.api(NAME)?,
        revision_api: setup.api(NAME)?,
        sets: setup.informers.daemon_sets.cache(),
        pods: setup.informers.pods.cache(),
        nodes: setup.informers.nodes.cache(),
        // A pod that fails again and again is made anew more and more slowly.
        queue: WorkQueue::new(Backoff::new(
            Duration::from_millis(5),
            Duration::from_secs(900),
        )),
        expectations: Expectations::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    let c = Arc::clone(&controller);
    setup.informers.daemon_sets.on_change(move |change| {
        let key = change.object().key();
        if let Change::Deleted(_) = change {
            c.expectations.forget(&key);
        }
        c.queue.add(key);
    });
    let c = Arc::clone(&controller);
    setup.informers.nodes.on_change(move |change| {
        // Heartbeats change nothing here.
        if let Change::Updated { old, new } = change
            && nodes::same(old, new)
        {
            return;
        }
        for set in c.sets.list() {
            c.queue.add(set.key());
        }
    });
    let c = Arc::clone(&controller);
    setup
        .informers
        .pods
        .on_change(move |change| c.on_pod(change));
    let queue = controller.queue.clone();
    setup.workers(NAME, queue, 2, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
    Ok(())
}

impl Controller {
    fn on_pod(&self, change: &Change<Pod>) {
        let pod = change.object();
        if let Change::Updated { old, .. } = change
            && old.controller() != pod.controller()
            && let Some(owner) = owner(old)
        {
            self.queue.add(owner);
        }
        match owner(pod) {
            Some(key) => {
                let gone = pod.deleting() || matches!(change, Change::Deleted(_));
                if gone {
                    self.expectations.deleted(&key, &pod.key());
                } else if matches!(change, Change::Added(_)) {
                    self.expectations.created(&key);
                }
                self.queue.add(key);
            }
            None if pod.controller().is_none() => {
                for set in self.sets.list_namespace(pod.namespace()) {
                    if pod.matches(&selector(set.spec.as_ref().map(|s| &s.selector))) {
                        self.queue.add(set.key());
                    }
                }
            }
            None => {}
        }
    }

    // upstream: #syncDaemonSet
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(set) = self.sets.get(key) else {
            self.expectations.forget(key);
            return Ok(Outcome::Done);
        };
        let Some(spec) = &set.spec else {
            return Ok(Outcome::Done);
        };
        let selector = selector(Some(&spec.selector));
        if selector.is_everything() {
            let text = "This daemon set is selecting all pods. A non-empty selector is required.";
            self.recorder
                .event(&*set, Kind::Warning, "SelectingAll", text);
            return Ok(Outcome::Done);
        }
        if set.deleting() {
            return Ok(Outcome::Done);
        }
        let template = serde_json::to_value(&spec.template).map_err(Status::internal)?;
        let collisions = set.status.as_ref().and_then(|s| s.collision_count);
        let labels = template::labels(&set);
        let history = History::sync(
            &self.revision_api,
            &*set,
            labels,
            data(&template),
            collisions,
        )
        .await?;
        let seen_all = self.expectations.satisfied(key);
        let by_node = self.pods_by_node(&set, &selector).await?;
        let mut managed = Ok(());
        if seen_all {
            managed = self
                .manage(key, &set, &by_node, history.current_hash())
                .await;
            // Rolling on begins from a full count.
            if managed.is_ok() && self.expectations.satisfied(key) {
                managed = self.roll(key, &set, &by_node, history.current_hash()).await;
            }
        }
        let live: HashSet<&str> = by_node
            .values()
            .flatten()
            .filter_map(|p| p.label(REVISION_LABEL))
            .collect();
        history
            .truncate(&self.revision_api, spec.revision_history_limit, |r| {
                live.contains(hash(r))
            })
            .await?;
        self.write_status(&set, &by_node, &history, seen_all)
            .await?;
        managed?;
        let min_ready = spec.min_ready_seconds.unwrap_or_default();
        let pods = by_node.values().flatten().map(|p| &**p);
        let wait = pod::next_available(pods, min_ready, &self.clock);
        Ok(wait.map_or(Outcome::Done, Outcome::Again))
    }

    async fn pods_by_node(
        &self,
        set: &DaemonSet,
        selector: &machinery::labels::Selector,
    ) -> Result<ByNode, Status> {
        let mut candidates = self.pods.by_index(BY_CONTROLLER, set.uid());
        candidates.extend(self.pods.by_index(BY_CONTROLLER, &orphans(set.namespace())));
        let pods = claim(&self.pod_api, &self.api, set, selector, candidates).await?;
        let mut by_node = ByNode::new();
        for pod in pods {
            if let Some(node) = nodes::target(&pod) {
                by_node.entry(node.to_owned()).or_default().push(pod);
            }
        }
        Ok(by_node)
    }

    /// Makes pods where they are missing, deletes those that should not be.
    // upstream: #manage, #podsShouldBeOnNode
    async fn manage(
        &self,
        key: &Key,
        set: &DaemonSet,
        by_node: &ByNode,
        hash: &str,
    ) -> Result<(), Status> {
        let mut missing = Vec::new();
        let mut excess: Vec<Arc<Pod>> = Vec::new();
        let mut failed = false;
        for node in self.nodes.list() {
            let fit = nodes::fit(set, &node);
            let pods = by_node
                .get(node.name())
                .map(Vec::as_slice)
                .unwrap_or_default();
            if !fit.keep {
                excess.extend(pods.iter().filter(|p| !p.deleting()).cloned());
                continue;
            }
            if pods.is_empty() {
                if fit.run {
                    missing.push(node.name().to_owned());
                }
                continue;
            }
            let mut running = Vec::new();
            for pod in pods.iter().filter(|p| !p.deleting()) {
                if pod::terminal(pod) {
                    let text = format!(
                        "Found failed daemon pod {} on node {}, will try to kill it",
                        pod.key(),
                        node.name()
                    );
                    self.recorder
                        .event(set, Kind::Warning, "FailedDaemonPod", text);
                    failed = true;
                    excess.push(Arc::clone(pod));
                } else {
                    running.push(Arc::clone(pod));
                }
            }
            excess.extend(update::beyond_one(set, running, hash, &self.clock));
        }
        // Pods of nodes that are gone are the pod collector's.
        missing.truncate(BURST);
        excess.truncate(BURST);
        self.apply(key, set, &missing, &excess, hash).await?;
        if failed {
            // The back-off of failed work keeps such pods from being made in a hurry.
            return Err(Status::internal(
                "deleted failed daemon pods; they are made anew after a pause",
            ));
        }
        Ok(())
    }

    // upstream: #syncNodes
    async fn apply(
        &self,
        key: &Key,
        set: &DaemonSet,
        missing: &[String],
        excess: &[Arc<Pod>],
        hash: &str,
    ) -> Result<(), Status> {
        if missing.is_empty() && excess.is_empty() {
            return Ok(());
        }
        let deletions = excess.iter().map(|p| p.key()).collect();
        self.expectations.expect(key, missing.len(), deletions);
        let next = std::sync::atomic::AtomicUsize::new(0);
        let one = || async {
            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match missing.get(i) {
                Some(node) => self.create_one(key, set, node, hash).await,
                None => Ok(()),
            }
        };
        let (done, created) = slow_start(missing.len(), one).await;
        self.expectations.creations_void(key, missing.len() - done);
        let deletions = excess.iter().map(|pod| self.delete_one(key, set, pod));
        let deleted: Result<(), Status> = futures::future::join_all(deletions)
            .await
            .into_iter()
            .collect();
        created.and(deleted)
    }

    async fn create_one(
        &self,
        key: &Key,
        set: &DaemonSet,
        node: &str,
        hash: &str,
    ) -> Result<(), Status> {
        let wanted = template::pod(set, node, hash);
        match self.pod_api.create(Some(set.namespace()), &wanted).await {
            Ok(pod) => {
                let text = format!("Created pod: {}", pod.name());
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulCreate", text);
                Ok(())
            }
            Err(status) if in_terminating_namespace(&status) => {
                self.expectations.created(key);
                Ok(())
            }
            Err(status) => {
                let text = format!("Error creating: {status}");
                self.recorder
                    .event(set, Kind::Warning, "FailedCreate", text);
                Err(status)
            }
        }
    }

    async fn delete_one(&self, key: &Key, set: &DaemonSet, pod: &Pod) -> Result<(), Status> {
        let done = self
            .pod_api
            .delete(Some(pod.namespace()), pod.name(), &of_uid(pod.uid()))
            .await;
        match done {
            Ok(()) => {
                let text = format!("Deleted pod: {}", pod.name());
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulDelete", text);
                Ok(())
            }
            Err(status) => {
                self.expectations.deleted(key, &pod.key());
                if status.is(Reason::NotFound) || status.is(Reason::Conflict) {
                    Ok(())
                } else {
                    Err(status)
                }
            }
        }
    }

    // upstream: #updateDaemonSetStatus
    async fn write_status(
        &self,
        set: &DaemonSet,
        by_node: &ByNode,
        history: &History,
        seen_all: bool,
    ) -> Result<(), Status> {
        let min_ready = set
            .spec
            .as_ref()
            .and_then(|s| s.min_ready_seconds)
            .unwrap_or_default();
        let old = set.status.clone().unwrap_or_default();
        let mut status = DaemonSetStatus {
            collision_count: Some(history.collisions).filter(|c| *c != 0),
            conditions: old.conditions.clone(),
            // Not before what was asked for is counted.
            observed_generation: if seen_all {
                set.meta().generation
            } else {
                old.observed_generation
            },
            ..DaemonSetStatus::default()
        };
        let (mut updated, mut available) = (0, 0);
        for node in self.nodes.list() {
            let fit = nodes::fit(set, &node);
            let pods = by_node
                .get(node.name())
                .map(Vec::as_slice)
                .unwrap_or_default();
            if !fit.run {
                status.number_misscheduled += i32::from(!pods.is_empty());
                continue;
            }
            status.desired_number_scheduled += 1;
            if pods.is_empty() {
                continue;
            }
            status.current_number_scheduled += 1;
            let ready = pods.iter().any(|p| pod::ready(p));
            status.number_ready += i32::from(ready);
            available += i32::from(
                pods.iter()
                    .any(|p| pod::available(p, min_ready, &self.clock)),
            );
            let newest = pods
                .iter()
                .any(|p| template::is_current(set, p, history.current_hash()));
            updated += i32::from(newest);
        }
        let some = |n: i32| Some(n).filter(|n| *n != 0);
        status.number_available = some(available);
        status.number_unavailable = some(status.desired_number_scheduled - available);
        status.updated_number_scheduled = some(updated);
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut next = set.clone();
        next.status = Some(status);
        match self
            .api
            .update_status(Some(set.namespace()), set.name(), &next)
            .await
        {
            Err(status) if !status.is(Reason::NotFound) => Err(status),
            _ => Ok(()),
        }
    }
}

fn owner(pod: &Pod) -> Option<Key> {
    let controller = pod.controller().filter(|c| c.kind == "DaemonSet")?;
    Some(Key::new(pod.namespace(), &controller.name))
}
