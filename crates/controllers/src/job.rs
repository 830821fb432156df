//! Jobs: pods that run to completion.
// upstream: pkg/controller/job/job_controller.go

mod account;
mod conditions;
mod indexes;
mod manage;
mod policy;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use machinery::{Reason, Status};
use parking_lot::Mutex;
use registry::{Api, Patch};
use serde_json::json;

use crate::claim::claim;
use crate::clock::{Clock, plus_seconds};
use crate::expectations::Expectations;
use crate::meta::{Meta, selector};
use crate::pod;
use crate::recorder::{Kind, Recorder};
use crate::setup::{BY_CONTROLLER, Setup, orphans};

use account::Account;
pub(crate) use conditions::{finished, finished_at};

const NAME: &str = "job-controller";
/// What keeps a pod until it is counted.
const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// Changes of pods are looked at together.
// upstream: #syncJobBatchPeriod
const BATCH: Duration = Duration::from_millis(100);

struct Controller {
    api: Api<Job>,
    pod_api: Api<Pod>,
    jobs: Arc<Cache<Job>>,
    pods: Arc<Cache<Pod>>,
    queue: WorkQueue<Key>,
    expectations: Expectations,
    /// Failures in a row of each job, and when the last was.
    failures: Mutex<HashMap<Key, (u32, Timestamp)>>,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        pod_api: setup.api(NAME)?,
        jobs: setup.informers.jobs.cache(),
        pods: setup.informers.pods.cache(),
        queue: WorkQueue::default(),
        expectations: Expectations::default(),
        failures: Mutex::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    let c = Arc::clone(&controller);
    setup.informers.jobs.on_change(move |change| {
        let key = change.object().key();
        if let Change::Deleted(job) = change {
            c.expectations.forget(&key);
            c.failures.lock().remove(&key);
            // Pods that wait to be counted wait for nothing now.
            for pod in c.pods.by_index(BY_CONTROLLER, job.uid()) {
                c.queue.add(Key::new(pod.namespace(), job.name()));
            }
        }
        c.queue.add(key);
    });
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

fn spec(job: &Job) -> JobSpec {
    job.spec.clone().unwrap_or_default()
}

fn has_finalizer(pod: &Pod) -> bool {
    let finalizers = pod.meta().finalizers.as_deref().unwrap_or_default();
    finalizers.iter().any(|f| f == FINALIZER)
}

impl Controller {
    // upstream: #addPod, #updatePod, #deletePod
    fn on_pod(&self, change: &Change<Pod>) {
        let pod = change.object();
        let mut keys = Vec::new();
        if let Change::Updated { old, .. } = change
            && old.controller() != pod.controller()
        {
            keys.extend(owner(old));
        }
        match owner(pod) {
            Some(key) => {
                match change {
                    Change::Added(pod) if !pod.deleting() => self.expectations.created(&key),
                    Change::Added(pod) | Change::Deleted(pod) => {
                        self.expectations.deleted(&key, &pod.key());
                    }
                    Change::Updated { new, .. } if new.deleting() => {
                        self.expectations.deleted(&key, &new.key());
                    }
                    Change::Updated { .. } => {}
                }
                keys.push(key);
            }
            None if pod.controller().is_none() => {
                for job in self.jobs.list_namespace(pod.namespace()) {
                    if pod.matches(&selector(spec(&job).selector.as_ref())) {
                        keys.push(job.key());
                    }
                }
            }
            None => {}
        }
        for key in keys {
            self.queue.add_after(key, BATCH);
        }
    }

    // upstream: #syncJob
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(job) = self.jobs.get(key) else {
            self.expectations.forget(key);
            return self.free_orphans(key).await;
        };
        let spec = spec(&job);
        let other_manager = |m: &&str| *m != "kubernetes.io/job-controller";
        if spec.managed_by.as_deref().filter(other_manager).is_some() {
            return Ok(Outcome::Done);
        }
        let mut candidates = self.pods.by_index(BY_CONTROLLER, job.uid());
        if finished(&job).is_some() || job.deleting() {
            self.free(&candidates).await?;
            return Ok(Outcome::Done);
        }
        if spec.backoff_limit_per_index.is_some() {
            // Run without it, the job would end otherwise than asked for.
            let text = "spec.backoffLimitPerIndex is not supported: the job is not run";
            self.recorder
                .event(&*job, Kind::Warning, "Unsupported", text);
            return Ok(Outcome::Done);
        }
        candidates.extend(self.pods.by_index(BY_CONTROLLER, &orphans(job.namespace())));
        let selector = selector(spec.selector.as_ref());
        let pods = claim(&self.pod_api, &self.api, &*job, &selector, candidates).await?;
        let seen_all = self.expectations.satisfied(key);

        let mut next = Job::clone(&job);
        let mut account = Account::of(&mut next, &pods, &self.clock);
        self.note_failures(key, &account);
        let verdict = conditions::verdict(&next, &account, &self.clock);
        let mut outcome = Outcome::Done;
        if let Some(verdict) = &verdict {
            conditions::announce(&mut next, verdict, &self.clock);
            if !account.active.is_empty() && seen_all {
                self.remove(key, &next, &account.active).await?;
            }
            if account.settled() {
                conditions::conclude(&mut next, verdict, &self.clock);
                let (kind, reason) = verdict.event();
                self.recorder
                    .event(&next, kind, reason, verdict.message.clone());
            }
        } else {
            let suspended = spec.suspend.unwrap_or_default();
            self.suspend_or_resume(&mut next, suspended);
            if seen_all {
                outcome = self.manage(key, &next, &mut account).await?;
            }
            outcome = sooner(outcome, self.deadline(&next));
        }
        account.write(&mut next);
        if next.status != job.status {
            match self
                .api
                .update_status(Some(job.namespace()), job.name(), &next)
                .await
            {
                Err(status) if status.is(Reason::NotFound) => return Ok(Outcome::Done),
                Err(status) => return Err(status),
                Ok(_) => {}
            }
        }
        // Only what the stored status has counted may go.
        let counted: Vec<_> = pods
            .iter()
            .filter(|p| has_finalizer(p) && account.is_noted(p))
            .cloned()
            .collect();
        self.free(&counted).await?;
        Ok(outcome)
    }

    fn deadline(&self, job: &Job) -> Option<Duration> {
        let started = job.status.as_ref()?.start_time.as_ref()?;
        let seconds = spec(job).active_deadline_seconds?;
        Some(self.clock.until(plus_seconds(started.0, seconds)))
    }

    fn suspend_or_resume(&self, job: &mut Job, suspended: bool) {
        if let Some((reason, text)) = conditions::suspend(job, suspended, &self.clock) {
            self.recorder.event(job, Kind::Normal, reason, text);
        }
    }

    /// Takes the finalizer off pods.
    async fn free(&self, pods: &[Arc<Pod>]) -> Result<(), Status> {
        let freed = pods.iter().filter(|p| has_finalizer(p)).map(|pod| async {
            let patch = json!({"metadata": {"uid": pod.uid(),
                "$deleteFromPrimitiveList/finalizers": [FINALIZER]}});
            let done = self
                .pod_api
                .patch(
                    Some(pod.namespace()),
                    pod.name(),
                    "",
                    Patch::Strategic(patch),
                )
                .await;
            match done {
                Err(s) if !s.is(Reason::NotFound) && !s.is(Reason::Conflict) => Err(s),
                _ => Ok(()),
            }
        });
        futures::future::join_all(freed).await.into_iter().collect()
    }

    /// The pods of a job that is gone need not be counted.
    // upstream: #syncOrphanPod
    async fn free_orphans(&self, key: &Key) -> Result<Outcome, Status> {
        let mut pods = self
            .pods
            .list_namespace(key.namespace().unwrap_or_default());
        pods.retain(|p| has_finalizer(p) && owner(p).as_ref() == Some(key));
        self.free(&pods).await?;
        Ok(Outcome::Done)
    }

    fn note_failures(&self, key: &Key, account: &Account) {
        let mut failures = self.failures.lock();
        if account.new_succeeded > 0 {
            failures.remove(key);
        }
        if let Some(last) = account.last_failure {
            let (count, at) = failures.entry(key.clone()).or_insert((0, last));
            *count = count.saturating_add(u32::try_from(account.new_failed).unwrap_or(u32::MAX));
            *at = (*at).max(last);
        }
    }
}

fn owner(pod: &Pod) -> Option<Key> {
    let controller = pod.controller().filter(|c| c.kind == "Job")?;
    Some(Key::new(pod.namespace(), &controller.name))
}

fn sooner(outcome: Outcome, wait: Option<Duration>) -> Outcome {
    match (outcome, wait) {
        (Outcome::Again(a), Some(b)) => Outcome::Again(a.min(b)),
        (Outcome::Done, Some(b)) => Outcome::Again(b),
        (outcome, None) => outcome,
    }
}

/// How many containers of a pod were started again, all together.
fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let init = status.and_then(|s| s.init_container_statuses.as_ref());
    let main = status.and_then(|s| s.container_statuses.as_ref());
    init.into_iter()
        .chain(main)
        .flatten()
        .map(|c| c.restart_count)
        .sum()
}

/// Whether it is to be seen as failed.
// upstream: #isPodFailed
fn is_failed(pod: &Pod, only_when_ended: bool) -> bool {
    match pod::phase(pod) {
        "Failed" => true,
        "Succeeded" => false,
        // One that its node has let go of will say nothing more.
        _ if only_when_ended => {
            pod.meta().deletion_grace_period_seconds == Some(0) && pod.deleting()
        }
        _ => pod.deleting(),
    }
}
