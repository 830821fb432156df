//! ReplicaSets and ReplicationControllers: as many pods as asked for.
// upstream: pkg/controller/replicaset/replica_set.go

mod batch;
mod ranking;
mod replicated;
mod status;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Informer, Key, Outcome, WorkQueue};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, ReplicationController};
use machinery::{Reason, Status};
use registry::Api;

use crate::claim::claim;
use crate::clock::Clock;
use crate::expectations::Expectations;
use crate::meta::{Meta, controller_ref, of_uid};
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::setup::{BY_CONTROLLER, Setup, controller_value, informer, orphans};

pub(crate) use batch::slow_start;
use replicated::Replicated;

/// The most pods made or deleted in one go.
// upstream: replica_set.go#BurstReplicas
const BURST: usize = 500;
const WORKERS: usize = 5;

struct Controller<T: Replicated> {
    api: Api<T>,
    pod_api: Api<Pod>,
    sets: Arc<Cache<T>>,
    pods: Arc<Cache<Pod>>,
    queue: WorkQueue<Key>,
    expectations: Expectations,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let sets = setup.informers.replica_sets.cache();
    let controller = assemble::<ReplicaSet>(setup, "replicaset-controller", sets)?;
    follow(&mut setup.informers.replica_sets, &controller);
    run(setup, "replicaset-controller", controller);
    let mut informer =
        informer::<ReplicationController>(&setup.registry)?.index(BY_CONTROLLER, controller_value);
    let sets = informer.cache();
    let controller = assemble::<ReplicationController>(setup, "replication-controller", sets)?;
    follow(&mut informer, &controller);
    setup.follow(informer);
    run(setup, "replication-controller", controller);
    Ok(())
}

fn assemble<T: Replicated>(
    setup: &Setup,
    name: &'static str,
    sets: Arc<Cache<T>>,
) -> Result<Arc<Controller<T>>, Status> {
    Ok(Arc::new(Controller {
        api: setup.api(name)?,
        pod_api: setup.api(name)?,
        sets,
        pods: setup.informers.pods.cache(),
        queue: WorkQueue::default(),
        expectations: Expectations::default(),
        recorder: setup.recorder.of(name),
        clock: setup.clock,
    }))
}

fn follow<T: Replicated>(informer: &mut Informer<T>, controller: &Arc<Controller<T>>) {
    let c = Arc::clone(controller);
    informer.on_change(move |change| {
        let key = change.object().key();
        if let Change::Deleted(_) = change {
            c.expectations.forget(&key);
        }
        c.queue.add(key);
    });
}

fn run<T: Replicated>(setup: &mut Setup, name: &'static str, controller: Arc<Controller<T>>) {
    let c = Arc::clone(&controller);
    setup
        .informers
        .pods
        .on_change(move |change| c.on_pod(change));
    let queue = controller.queue.clone();
    setup.workers(name, queue, WORKERS, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
}

/// How many replicas a set is to have.
pub(crate) fn wanted(set: &ReplicaSet) -> i32 {
    set.replicas()
}

impl<T: Replicated> Controller<T> {
    /// The set that a pod's controller reference names, if it is that very one.
    fn owner(&self, pod: &Pod) -> Option<Key> {
        let reference = pod.controller()?;
        if reference.kind != T::KIND {
            return None;
        }
        let key = Key::new(pod.namespace(), &reference.name);
        let set = self.sets.get(&key)?;
        (set.uid() == reference.uid).then_some(key)
    }

    fn add_matching(&self, pod: &Pod) {
        for set in self.sets.list_namespace(pod.namespace()) {
            if pod.matches(&set.selector()) {
                self.queue.add(set.key());
            }
        }
    }

    // upstream: replica_set.go#addPod, #updatePod, #deletePod
    fn on_pod(&self, change: &Change<Pod>) {
        match change {
            Change::Added(pod) if pod.deleting() => self.on_pod_gone(pod),
            Change::Added(pod) => match self.owner(pod) {
                Some(set) => {
                    self.expectations.created(&set);
                    self.queue.add(set);
                }
                None if pod.controller().is_none() => self.add_matching(pod),
                None => {}
            },
            Change::Updated { old, new } => self.on_pod_updated(old, new),
            Change::Deleted(pod) => self.on_pod_gone(pod),
        }
    }

    fn on_pod_updated(&self, old: &Pod, new: &Pod) {
        let relabelled = old.meta().labels != new.meta().labels;
        if new.deleting() {
            // A deletion shows first as a change, with grace.
            self.on_pod_gone(new);
            if relabelled {
                self.on_pod_gone(old);
            }
            return;
        }
        let reowned = old.controller() != new.controller();
        if reowned && let Some(set) = self.owner(old) {
            self.queue.add(set);
        }
        match self.owner(new) {
            Some(set) => {
                self.queue.add(set.clone());
                if !pod::ready(old)
                    && pod::ready(new)
                    && let Some(min) = self.sets.get(&set).map(|s| s.min_ready_seconds())
                    && min > 0
                {
                    // One second more, for what clocks differ by.
                    let wait = Duration::from_secs(u64::try_from(min).unwrap_or_default() + 1);
                    self.queue.add_after(set, wait);
                }
            }
            None if new.controller().is_none() && (relabelled || reowned) => {
                self.add_matching(new);
            }
            None => {}
        }
    }

    fn on_pod_gone(&self, pod: &Pod) {
        if let Some(set) = self.owner(pod) {
            self.expectations.deleted(&set, &pod.key());
            self.queue.add(set);
        }
    }

    // upstream: replica_set.go#syncReplicaSet
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(set) = self.sets.get(key) else {
            self.expectations.forget(key);
            return Ok(Outcome::Done);
        };
        let seen_all = self.expectations.satisfied(key);
        let mut candidates = self.pods.by_index(BY_CONTROLLER, set.uid());
        candidates.extend(self.pods.by_index(BY_CONTROLLER, &orphans(set.namespace())));
        let terminating = candidates
            .iter()
            .filter(|p| pod::terminating(p) && p.controlled_by(set.uid()))
            .count();
        candidates.retain(|p| pod::active(p));
        let selector = set.selector();
        let pods = claim(&self.pod_api, &self.api, &*set, &selector, candidates).await?;
        let managed = if seen_all && !set.deleting() {
            self.manage(key, &set, &pods).await
        } else {
            Ok(())
        };
        let status = status::calculate(
            &*set,
            &pods,
            terminating,
            seen_all,
            managed.as_ref().err(),
            &self.clock,
        );
        let updated = status::update(&self.api, &*set, status).await?;
        managed?;
        let wait = updated.and_then(|()| {
            pod::next_available(
                pods.iter().map(|p| &**p),
                set.min_ready_seconds(),
                &self.clock,
            )
        });
        Ok(wait.map_or(Outcome::Done, Outcome::Again))
    }

    // upstream: replica_set.go#manageReplicas
    async fn manage(&self, key: &Key, set: &T, pods: &[Arc<Pod>]) -> Result<(), Status> {
        let have = pods.len();
        let want = usize::try_from(set.replicas()).unwrap_or_default();
        if have < want {
            self.create(key, set, (want - have).min(BURST)).await
        } else if have > want {
            self.delete(key, set, pods, (have - want).min(BURST)).await
        } else {
            Ok(())
        }
    }

    async fn create(&self, key: &Key, set: &T, count: usize) -> Result<(), Status> {
        self.expectations.expect(key, count, HashSet::new());
        let template: PodTemplateSpec = set.template().cloned().unwrap_or_default();
        let wanted =
            pod::from_template(&template, set.namespace(), set.name(), controller_ref(set));
        let (done, result) = slow_start(count, || self.create_one(key, set, &wanted)).await;
        // The informer sees nothing of what was not made.
        self.expectations.creations_void(key, count - done);
        result
    }

    async fn create_one(&self, key: &Key, set: &T, wanted: &Pod) -> Result<(), Status> {
        match self.pod_api.create(Some(set.namespace()), wanted).await {
            Ok(pod) => {
                let text = format!("Created pod: {}", pod.name());
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulCreate", text);
                Ok(())
            }
            // What is made in a namespace that goes away would go too.
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

    async fn delete(
        &self,
        key: &Key,
        set: &T,
        pods: &[Arc<Pod>],
        count: usize,
    ) -> Result<(), Status> {
        let related = self.related(set);
        let victims = ranking::to_delete(pods, &related, count, &self.clock);
        let keys = victims.iter().map(|p| p.key()).collect();
        self.expectations.expect(key, 0, keys);
        let deletions = victims.iter().map(|pod| self.delete_one(key, set, pod));
        futures::future::join_all(deletions)
            .await
            .into_iter()
            .collect()
    }

    async fn delete_one(&self, key: &Key, set: &T, pod: &Pod) -> Result<(), Status> {
        let deleted = self
            .pod_api
            .delete(Some(pod.namespace()), pod.name(), &of_uid(pod.uid()))
            .await;
        match deleted {
            Ok(()) => {
                let text = format!("Deleted pod: {}", pod.name());
                self.recorder
                    .event(set, Kind::Normal, "SuccessfulDelete", text);
                Ok(())
            }
            Err(status) => {
                // It was gone, or will not go: in neither case comes the event that was awaited.
                self.expectations.deleted(key, &pod.key());
                if status.is(Reason::NotFound) || status.is(Reason::Conflict) {
                    return Ok(());
                }
                let text = format!("Error deleting: {status}");
                self.recorder
                    .event(set, Kind::Warning, "FailedDelete", text);
                Err(status)
            }
        }
    }

    /// Pods of this set and of the others that have the same controller.
    // upstream: replica_set.go#getIndirectlyRelatedPods
    fn related(&self, set: &T) -> Vec<Arc<Pod>> {
        let siblings: Vec<_> = match set.controller() {
            Some(controller) => self.sets.by_index(BY_CONTROLLER, &controller.uid),
            None => self.sets.get(&set.key()).into_iter().collect(),
        };
        siblings
            .iter()
            .flat_map(|sibling| self.pods.by_index(BY_CONTROLLER, sibling.uid()))
            .filter(|p| pod::active(p))
            .collect()
    }
}

/// Whether a creation failed because the namespace is being deleted.
pub(crate) fn in_terminating_namespace(status: &Status) -> bool {
    status.is(Reason::Forbidden) && status.has_cause("NamespaceTerminating")
}
