//! StatefulSets: pods with names that stay, in order.
// upstream: pkg/controller/statefulset/stateful_set.go

mod control;
mod identity;
mod status;

use std::sync::Arc;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use machinery::{Reason, Status};
use registry::Api;

use crate::claim::claim;
use crate::clock::Clock;
use crate::history::{History, data};
use crate::meta::{Meta, selector};
use crate::pod;
use crate::recorder::Recorder;
use crate::setup::{BY_CONTROLLER, Setup, orphans};

const NAME: &str = "statefulset-controller";

struct Controller {
    api: Api<StatefulSet>,
    pod_api: Api<Pod>,
    claim_api: Api<PersistentVolumeClaim>,
    revision_api: Api<ControllerRevision>,
    sets: Arc<Cache<StatefulSet>>,
    pods: Arc<Cache<Pod>>,
    queue: WorkQueue<Key>,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        pod_api: setup.api(NAME)?,
        claim_api: setup.api(NAME)?,
        revision_api: setup.api(NAME)?,
        sets: setup.informers.stateful_sets.cache(),
        pods: setup.informers.pods.cache(),
        queue: WorkQueue::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    let queue = controller.queue.clone();
    setup
        .informers
        .stateful_sets
        .on_change(move |change| queue.add(change.object().key()));
    let c = Arc::clone(&controller);
    setup
        .informers
        .pods
        .on_change(move |change| c.on_pod(change));
    let queue = controller.queue.clone();
    setup.workers(NAME, queue, 5, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
    Ok(())
}

fn owner(pod: &Pod) -> Option<Key> {
    let controller = pod.controller().filter(|c| c.kind == "StatefulSet")?;
    Some(Key::new(pod.namespace(), &controller.name))
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
            Some(key) => self.queue.add(key),
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

    // upstream: stateful_set.go#sync, stateful_set_control.go#UpdateStatefulSet
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(set) = self.sets.get(key) else {
            return Ok(Outcome::Done);
        };
        let Some(spec) = &set.spec else {
            return Ok(Outcome::Done);
        };
        let selector = selector(Some(&spec.selector));
        let mut candidates = self.pods.by_index(BY_CONTROLLER, set.uid());
        candidates.extend(self.pods.by_index(BY_CONTROLLER, &orphans(set.namespace())));
        // What is not named as a member can't become one.
        candidates.retain(|p| identity::ordinal(&set, p).is_some());
        let pods = claim(&self.pod_api, &self.api, &*set, &selector, candidates).await?;
        let template = serde_json::to_value(&spec.template).map_err(Status::internal)?;
        let collisions = set.status.as_ref().and_then(|s| s.collision_count);
        let labels = spec.selector.match_labels.clone().unwrap_or_default();
        let history = History::sync(
            &self.revision_api,
            &*set,
            labels,
            data(&template),
            collisions,
        )
        .await?;
        let mut status = status::begin(&set, &history);
        let controlled = if set.deleting() {
            status::count(&mut status, &set, &pods, &self.clock);
            Ok(())
        } else {
            self.control(&set, pods.clone(), &history, &mut status)
                .await
        };
        status::finish(&mut status, &set);
        self.write(&set, status.clone()).await?;
        controlled?;
        let in_use = |r: &ControllerRevision| {
            Some(r.name()) == status.current_revision.as_deref()
                || pods.iter().any(|p| identity::revision(p) == Some(r.name()))
        };
        history
            .truncate(&self.revision_api, spec.revision_history_limit, in_use)
            .await?;
        let min_ready = spec.min_ready_seconds.unwrap_or_default();
        let wait = pod::next_available(pods.iter().map(|p| &**p), min_ready, &self.clock);
        Ok(wait.map_or(Outcome::Done, Outcome::Again))
    }

    async fn write(
        &self,
        set: &StatefulSet,
        status: k8s_openapi::api::apps::v1::StatefulSetStatus,
    ) -> Result<(), Status> {
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
