//! Deployments: replica sets of a template's versions, rolled from one to the next.
// upstream: pkg/controller/deployment/deployment_controller.go

mod hash;
mod math;
mod recreate;
mod replica_sets;
mod revision;
mod rolling;
mod scale;
mod status;

use std::collections::HashMap;
use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::Api;

use crate::claim::claim;
use crate::clock::Clock;
use crate::meta::{Meta, selector};
use crate::recorder::{Kind, Recorder};
use crate::setup::{BY_CONTROLLER, Setup, orphans};

const WORKERS: usize = 5;

struct Controller {
    api: Api<Deployment>,
    set_api: Api<ReplicaSet>,
    deployments: Arc<Cache<Deployment>>,
    sets: Arc<Cache<ReplicaSet>>,
    pods: Arc<Cache<Pod>>,
    queue: WorkQueue<Key>,
    recorder: Recorder,
    clock: Clock,
    /// By a deployment's uid: the resourceVersion of the last write of a set of its. Nothing is decided before the cache
    /// has it: two template changes in a row would otherwise each be given the surge.
    // upstream: pkg/controller/util/consistency/consistency.go
    written: Mutex<HashMap<String, u64>>,
}

pub(crate) use math::scaled;

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    const NAME: &str = "deployment-controller";
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        set_api: setup.api(NAME)?,
        deployments: setup.informers.deployments.cache(),
        sets: setup.informers.replica_sets.cache(),
        pods: setup.informers.pods.cache(),
        queue: WorkQueue::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
        written: Mutex::default(),
    });
    let c = Arc::clone(&controller);
    setup.informers.deployments.on_change(move |change| {
        if let Change::Deleted(deployment) = change {
            c.written.lock().remove(deployment.uid());
        }
        c.queue.add(change.object().key());
    });
    let c = Arc::clone(&controller);
    setup
        .informers
        .replica_sets
        .on_change(move |change| c.on_set(change));
    let c = Arc::clone(&controller);
    setup.informers.pods.on_change(move |change| {
        // A Recreate waits for the last pod to be gone.
        if let Change::Deleted(pod) = change {
            c.on_pod_gone(pod);
        }
    });
    let queue = controller.queue.clone();
    setup.workers(NAME, queue, WORKERS, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
    Ok(())
}

/// A deployment's sets: the one of the present template, and the others.
struct Sets {
    new: Option<Arc<ReplicaSet>>,
    old: Vec<Arc<ReplicaSet>>,
}

impl Sets {
    fn all(&self) -> Vec<Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new).cloned().collect()
    }
}

impl Controller {
    fn owner(&self, set: &ReplicaSet) -> Option<Key> {
        let reference = set.controller()?;
        if reference.kind != "Deployment" {
            return None;
        }
        let key = Key::new(set.namespace(), &reference.name);
        let deployment = self.deployments.get(&key)?;
        (deployment.uid() == reference.uid).then_some(key)
    }

    // upstream: deployment_controller.go#addReplicaSet, #updateReplicaSet, #deleteReplicaSet
    fn on_set(&self, change: &Change<ReplicaSet>) {
        let set = change.object();
        if let Change::Updated { old, .. } = change
            && old.controller() != set.controller()
            && let Some(owner) = self.owner(old)
        {
            self.queue.add(owner);
        }
        if let Some(owner) = self.owner(set) {
            self.queue.add(owner);
        } else if set.controller().is_none() && !matches!(change, Change::Deleted(_)) {
            for deployment in self.deployments.list_namespace(set.namespace()) {
                if set.matches(&selector(deployment.spec.as_ref().map(|s| &s.selector))) {
                    self.queue.add(deployment.key());
                }
            }
        }
    }

    // upstream: deployment_controller.go#deletePod
    fn on_pod_gone(&self, pod: &Pod) {
        let set = pod.controller().filter(|c| c.kind == "ReplicaSet");
        let set = set.and_then(|c| self.sets.get(&Key::new(pod.namespace(), &c.name)));
        let Some(owner) = set.and_then(|s| self.owner(&s)) else {
            return;
        };
        if self
            .deployments
            .get(&owner)
            .is_some_and(|d| math::recreates(&d))
        {
            self.queue.add(owner);
        }
    }

    /// Notes a write of a deployment's set.
    fn wrote(&self, d: &Deployment, set: &ReplicaSet) {
        let mut written = self.written.lock();
        let last = written.entry(d.uid().to_owned()).or_default();
        *last = informer::revision(set).max(*last);
    }

    // upstream: deployment_controller.go#syncDeployment
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(deployment) = self.deployments.get(key) else {
            return Ok(Outcome::Done);
        };
        let written = self.written.lock().get(deployment.uid()).copied();
        if written.is_some_and(|written| self.sets.revision() < written) {
            // The set's event comes, and with it this deployment again.
            return Ok(Outcome::Done);
        }
        let mut deployment = Deployment::clone(&deployment);
        let d = &mut deployment;
        let selector = selector(d.spec.as_ref().map(|s| &s.selector));
        if selector.is_everything() {
            let text = "This deployment is selecting all pods. A non-empty selector is required.";
            self.recorder.event(d, Kind::Warning, "SelectingAll", text);
            if status::observed(d) < d.meta().generation {
                let mut status = d.status.clone().unwrap_or_default();
                status.observed_generation = d.meta().generation;
                self.write_status(d, status).await?;
            }
            return Ok(Outcome::Done);
        }
        let mut candidates = self.sets.by_index(BY_CONTROLLER, d.uid());
        candidates.extend(self.sets.by_index(BY_CONTROLLER, &orphans(d.namespace())));
        let sets = claim(&self.set_api, &self.api, &*d, &selector, candidates).await?;
        if d.deleting() {
            let sets = self.sets_and_revision(d, &sets, false).await?;
            return self.sync_status(d, &sets).await;
        }
        self.check_paused(d).await?;
        if math::paused(d) {
            return self.sync_paused_or_scaling(d, &sets).await;
        }
        if self.is_scaling(d, &sets).await? {
            return self.sync_paused_or_scaling(d, &sets).await;
        }
        if math::recreates(d) {
            self.recreate(d, &sets).await
        } else {
            self.roll(d, &sets).await
        }
    }

    // upstream: sync.go#sync
    async fn sync_paused_or_scaling(
        &self,
        d: &mut Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<Outcome, Status> {
        let mut sets = self.sets_and_revision(d, sets, false).await?;
        self.scale(d, &mut sets).await?;
        if math::paused(d) {
            self.clean_up(d, &sets.old).await?;
        }
        self.sync_status(d, &sets).await
    }

    // upstream: sync.go#isScalingEvent
    async fn is_scaling(
        &self,
        d: &mut Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<bool, Status> {
        let sets = self.sets_and_revision(d, sets, false).await?;
        Ok(sets.all().iter().any(|set| {
            math::is_active(set)
                && revision::desired(set).is_some_and(|desired| desired != math::replicas(d))
        }))
    }

    /// Deletes the oldest sets without pods beyond the limit.
    // upstream: sync.go#cleanupDeployment
    async fn clean_up(&self, d: &Deployment, old: &[Arc<ReplicaSet>]) -> Result<(), Status> {
        let limit = d.spec.as_ref().and_then(|s| s.revision_history_limit);
        let Some(limit) = limit.filter(|l| *l != i32::MAX) else {
            return Ok(());
        };
        let mut alive: Vec<_> = old.iter().filter(|s| !s.deleting()).collect();
        let excess = alive
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or_default());
        if excess == 0 {
            return Ok(());
        }
        alive.sort_by_key(|s| revision::of(&***s));
        for set in alive.into_iter().take(excess) {
            let status = set.status.as_ref();
            let busy = status.is_some_and(|s| s.replicas != 0)
                || crate::replica_set::wanted(set) != 0
                || set.meta().generation > status.and_then(|s| s.observed_generation);
            if busy {
                continue;
            }
            let options = crate::meta::of_uid(set.uid());
            match self
                .set_api
                .delete(Some(set.namespace()), set.name(), &options)
                .await
            {
                Err(status) if !status.is(Reason::NotFound) => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }
}
