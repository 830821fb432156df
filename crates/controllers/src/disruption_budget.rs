//! How many disruptions each PodDisruptionBudget allows now.
// upstream: pkg/controller/disruption/disruption.go

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::policy::v1::{
    PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use machinery::{Reason, Status};
use registry::Api;

use crate::clock::{Clock, plus_seconds};
use crate::deployment::scaled;
use crate::meta::{Meta, selector};
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::setup::{Setup, informer};

const NAME: &str = "disruption-controller";
/// How long an evicted pod that does not go counts as disrupted.
// upstream: #DeletionTimeout
const DELETION_TIMEOUT: i64 = 2 * 60;

struct Controller {
    api: Api<PodDisruptionBudget>,
    budgets: Arc<Cache<PodDisruptionBudget>>,
    pods: Arc<Cache<Pod>>,
    sets: Arc<Cache<ReplicaSet>>,
    deployments: Arc<Cache<Deployment>>,
    stateful_sets: Arc<Cache<StatefulSet>>,
    replication: Arc<Cache<ReplicationController>>,
    queue: WorkQueue<Key>,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let mut budgets = informer::<PodDisruptionBudget>(&setup.registry)?;
    let replication = informer::<ReplicationController>(&setup.registry)?;
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        budgets: budgets.cache(),
        pods: setup.informers.pods.cache(),
        sets: setup.informers.replica_sets.cache(),
        deployments: setup.informers.deployments.cache(),
        stateful_sets: setup.informers.stateful_sets.cache(),
        replication: replication.cache(),
        queue: WorkQueue::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    let queue = controller.queue.clone();
    budgets.on_change(move |change| queue.add(change.object().key()));
    setup.follow(budgets);
    setup.follow(replication);
    let c = Arc::clone(&controller);
    setup.informers.pods.on_change(move |change| {
        c.add_selecting(change.object());
        if let Change::Updated { old, new } = change
            && old.meta().labels != new.meta().labels
        {
            c.add_selecting(old);
        }
    });
    // A controller's size decides how many pods there should be.
    let c = Arc::clone(&controller);
    setup
        .informers
        .deployments
        .on_change(move |change| c.add_namespace(change, |d| d.spec.as_ref()?.replicas));
    let c = Arc::clone(&controller);
    setup
        .informers
        .replica_sets
        .on_change(move |change| c.add_namespace(change, |s| s.spec.as_ref()?.replicas));
    let c = Arc::clone(&controller);
    setup
        .informers
        .stateful_sets
        .on_change(move |change| c.add_namespace(change, |s| s.spec.as_ref()?.replicas));
    let queue = controller.queue.clone();
    setup.workers(NAME, queue, 2, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
    Ok(())
}

fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let spec = budget.spec.as_ref();
    pod.matches(&selector(spec.and_then(|s| s.selector.as_ref())))
}

impl Controller {
    fn add_selecting(&self, pod: &Pod) {
        for budget in self.budgets.list_namespace(pod.namespace()) {
            if selects(&budget, pod) {
                self.queue.add(budget.key());
            }
        }
    }

    fn add_namespace<T: Meta>(&self, change: &Change<T>, size: fn(&T) -> Option<i32>) {
        if let Change::Updated { old, new } = change
            && size(old) == size(new)
        {
            return;
        }
        for budget in self.budgets.list_namespace(change.object().namespace()) {
            self.queue.add(budget.key());
        }
    }

    // upstream: #sync, #trySync
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(budget) = self.budgets.get(key) else {
            return Ok(Outcome::Done);
        };
        let Some(spec) = budget.spec.clone() else {
            return Ok(Outcome::Done);
        };
        let mut pods = self.pods.list_namespace(budget.namespace());
        pods.retain(|p| selects(&budget, p) && !pod::terminal(p));
        if pods.is_empty() {
            self.recorder
                .event(&*budget, Kind::Normal, "NoPods", "No matching pods found");
        }
        let (expected, desired) = self.expected(&budget, &spec, &pods);
        let (disrupted, recheck) = self.disrupted(&budget, &pods);
        let healthy = pods
            .iter()
            .filter(|p| !p.deleting() && pod::ready(p) && !disrupted.contains_key(p.name()))
            .count();
        let healthy = i32::try_from(healthy).unwrap_or(i32::MAX);
        let allowed = if expected <= 0 {
            0
        } else {
            (healthy - desired).max(0)
        };
        let old = budget.status.clone().unwrap_or_default();
        let status = PodDisruptionBudgetStatus {
            conditions: Some(self.conditions(&budget, &old, allowed)),
            current_healthy: Some(healthy),
            desired_healthy: Some(desired),
            disrupted_pods: Some(disrupted).filter(|d| !d.is_empty()),
            disruptions_allowed: Some(allowed),
            expected_pods: Some(expected),
            observed_generation: budget.meta().generation,
        };
        if old != status {
            let mut next = PodDisruptionBudget::clone(&budget);
            next.status = Some(status);
            match self
                .api
                .update_status(key.namespace(), key.name(), &next)
                .await
            {
                Err(status) if !status.is(Reason::NotFound) => return Err(status),
                _ => {}
            }
        }
        Ok(recheck.map_or(Outcome::Done, Outcome::Again))
    }

    /// How many pods there should be, and how many must be healthy.
    // upstream: #getExpectedPodCount
    fn expected(
        &self,
        budget: &PodDisruptionBudget,
        spec: &PodDisruptionBudgetSpec,
        pods: &[Arc<Pod>],
    ) -> (i32, i32) {
        if let Some(unavailable) = &spec.max_unavailable {
            let expected = self.scale(budget, pods);
            let unavailable = scaled(Some(unavailable), expected, true).unwrap_or_default();
            return (expected, (expected - unavailable).max(0));
        }
        match &spec.min_available {
            Some(IntOrString::Int(least)) => {
                (i32::try_from(pods.len()).unwrap_or(i32::MAX), *least)
            }
            share @ Some(IntOrString::String(_)) => {
                let expected = self.scale(budget, pods);
                let desired = scaled(share.as_ref(), expected, true).unwrap_or(expected);
                (expected, desired)
            }
            None => (0, 0),
        }
    }

    /// The sizes of all controllers of these pods together.
    // upstream: #getExpectedScale
    fn scale(&self, budget: &PodDisruptionBudget, pods: &[Arc<Pod>]) -> i32 {
        let mut scales: HashMap<String, i32> = HashMap::new();
        let mut unmanaged = 0;
        for pod in pods {
            match self.controller_of(pod) {
                Some((uid, size)) => {
                    scales.insert(uid, size);
                }
                None => unmanaged += 1,
            }
        }
        if unmanaged > 0 {
            let text = format!(
                "{unmanaged} of the pods selected by this PodDisruptionBudget have no controller whose size is known"
            );
            self.recorder
                .event(budget, Kind::Warning, "UnmanagedPods", text);
        }
        scales.values().sum()
    }

    /// The uid and size of what controls a pod; of a deployment's replica set, the deployment.
    fn controller_of(&self, pod: &Pod) -> Option<(String, i32)> {
        let reference = pod.controller()?;
        let key = Key::new(pod.namespace(), &reference.name);
        let found = |uid: &str, size: Option<i32>| {
            (uid == reference.uid).then(|| (uid.to_owned(), size.unwrap_or(1)))
        };
        match reference.kind.as_str() {
            "ReplicaSet" => {
                let set = self.sets.get(&key)?;
                let above = set.controller().filter(|c| c.kind == "Deployment");
                let above = above
                    .and_then(|c| self.deployments.get(&Key::new(set.namespace(), &c.name)))
                    .filter(|d| set.controlled_by(d.uid()));
                match above {
                    Some(d) => Some((
                        d.uid().to_owned(),
                        d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
                    )),
                    None => found(set.uid(), set.spec.as_ref().and_then(|s| s.replicas)),
                }
            }
            "StatefulSet" => {
                let set = self.stateful_sets.get(&key)?;
                found(set.uid(), set.spec.as_ref().and_then(|s| s.replicas))
            }
            "ReplicationController" => {
                let rc = self.replication.get(&key)?;
                found(rc.uid(), rc.spec.as_ref().and_then(|s| s.replicas))
            }
            _ => None,
        }
    }

    /// The pods that were evicted and are still to go, and when to look at them again.
    // upstream: #buildDisruptedPodMap
    fn disrupted(
        &self,
        budget: &PodDisruptionBudget,
        pods: &[Arc<Pod>],
    ) -> (BTreeMap<String, Time>, Option<Duration>) {
        let noted = budget
            .status
            .as_ref()
            .and_then(|s| s.disrupted_pods.clone());
        let mut recheck: Option<Duration> = None;
        let mut still = BTreeMap::new();
        for (name, since) in noted.into_iter().flatten() {
            let Some(pod) = pods.iter().find(|p| p.name() == name) else {
                continue;
            };
            if pod.deleting() {
                continue;
            }
            let wait = self.clock.until(plus_seconds(since.0, DELETION_TIMEOUT));
            if wait.is_zero() {
                let text = format!(
                    "Pod was expected by PDB {} to be deleted but it wasn't",
                    budget.key()
                );
                self.recorder
                    .event(&**pod, Kind::Warning, "NotDeleted", text);
                continue;
            }
            recheck = Some(recheck.map_or(wait, |r| r.min(wait)));
            still.insert(name, since);
        }
        (still, recheck)
    }

    fn conditions(
        &self,
        budget: &PodDisruptionBudget,
        old: &PodDisruptionBudgetStatus,
        allowed: i32,
    ) -> Vec<Condition> {
        const KIND: &str = "DisruptionAllowed";
        let (status, reason) = if allowed > 0 {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        let mut conditions = old.conditions.clone().unwrap_or_default();
        let since = conditions
            .iter()
            .find(|c| c.type_ == KIND && c.status == status)
            .map(|c| c.last_transition_time.clone());
        conditions.retain(|c| c.type_ != KIND);
        conditions.push(Condition {
            type_: KIND.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: budget.meta().generation,
            last_transition_time: since.unwrap_or_else(|| self.clock.time()),
        });
        conditions
    }
}
