//! Counting a Job's pods, each once, whatever happens in between.
//!
//! A pod that ended is noted in `status.uncountedTerminatedPods` first; then its finalizer is taken off; when that is seen,
//! the note becomes a number.
// upstream: pkg/controller/job/job_controller.go#trackJobStatusAndRemoveFinalizers

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use super::{has_finalizer, indexes, is_failed, policy};
use crate::clock::Clock;
use crate::meta::Meta;
use crate::pod;

/// The pods of a Job, counted.
pub(super) struct Account {
    pub(super) active: Vec<Arc<Pod>>,
    pub(super) terminating: usize,
    pub(super) ready: usize,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    /// Completed indexes of an indexed job.
    pub(super) indexes: Option<BTreeSet<i32>>,
    pub(super) new_succeeded: usize,
    pub(super) new_failed: usize,
    pub(super) last_failure: Option<Timestamp>,
    /// What the pod failure policy says of the pods that failed now.
    pub(super) policy_failure: Option<String>,
    /// All containers' restarts in pods that run.
    pub(super) restarts: i32,
    noted_succeeded: Vec<String>,
    noted_failed: Vec<String>,
    /// Pods that failed and, by policy, don't count.
    ignored: Vec<String>,
}

impl Account {
    pub(super) fn of(job: &mut Job, pods: &[Arc<Pod>], clock: &Clock) -> Self {
        let spec = super::spec(job);
        let status = job.status.get_or_insert_default();
        let indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let only_when_ended = spec.pod_failure_policy.is_some()
            || spec.pod_replacement_policy.as_deref() == Some("Failed");
        let noted = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let mut account = Self {
            active: Vec::new(),
            terminating: 0,
            ready: 0,
            succeeded: status.succeeded.unwrap_or_default(),
            failed: status.failed.unwrap_or_default(),
            indexes: indexed
                .then(|| indexes::parse(status.completed_indexes.as_deref().unwrap_or_default())),
            new_succeeded: 0,
            new_failed: 0,
            last_failure: None,
            policy_failure: None,
            restarts: 0,
            noted_succeeded: Vec::new(),
            noted_failed: Vec::new(),
            ignored: Vec::new(),
        };
        let by_uid: HashMap<&str, &Arc<Pod>> = pods.iter().map(|p| (p.uid(), p)).collect();
        let waits = |uid: &String| by_uid.get(uid.as_str()).is_some_and(|p| has_finalizer(p));
        for uid in noted.succeeded.into_iter().flatten() {
            if waits(&uid) {
                account.noted_succeeded.push(uid);
            } else if !indexed {
                status.succeeded = Some(status.succeeded.unwrap_or_default() + 1);
            }
        }
        for uid in noted.failed.into_iter().flatten() {
            if waits(&uid) {
                account.noted_failed.push(uid);
            } else {
                status.failed = Some(status.failed.unwrap_or_default() + 1);
            }
        }
        for pod in pods {
            account.add(&spec, pod, only_when_ended, clock);
        }
        let n = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        account.succeeded = match &account.indexes {
            Some(indexes) => n(indexes.len()),
            None => status.succeeded.unwrap_or_default() + n(account.noted_succeeded.len()),
        };
        account.failed = status.failed.unwrap_or_default() + n(account.noted_failed.len());
        account
    }

    fn add(
        &mut self,
        spec: &k8s_openapi::api::batch::v1::JobSpec,
        pod: &Arc<Pod>,
        only_when_ended: bool,
        clock: &Clock,
    ) {
        let uid = pod.uid();
        if pod::active(pod) {
            self.ready += usize::from(pod::ready(pod));
            if matches!(pod::phase(pod), "Running" | "Pending") {
                self.restarts += super::restarts(pod);
            }
            self.active.push(Arc::clone(pod));
            return;
        }
        self.terminating += usize::from(pod::terminating(pod));
        if !has_finalizer(pod) || self.is_noted(pod) {
            return;
        }
        if pod::phase(pod) == "Succeeded" {
            if let Some(indexes) = &mut self.indexes
                && let Some(index) = indexes::of(pod)
                && index < spec.completions.unwrap_or_default()
            {
                indexes.insert(index);
            }
            self.noted_succeeded.push(uid.to_owned());
            self.new_succeeded += 1;
        } else if is_failed(pod, only_when_ended) {
            match policy::verdict(spec, pod) {
                policy::Action::Ignore => {
                    self.ignored.push(uid.to_owned());
                    return;
                }
                policy::Action::FailJob(message) => {
                    self.policy_failure.get_or_insert(message);
                }
                policy::Action::Count => {}
            }
            self.noted_failed.push(uid.to_owned());
            self.new_failed += 1;
            let ended = ended_at(pod).unwrap_or_else(|| clock.now());
            self.last_failure = self.last_failure.max(Some(ended));
        }
    }

    /// Whether its end is noted (or need not be), so that it may go.
    pub(super) fn is_noted(&self, pod: &Pod) -> bool {
        [&self.noted_succeeded, &self.noted_failed, &self.ignored]
            .into_iter()
            .flatten()
            .any(|uid| uid == pod.uid())
    }

    /// Every pod has ended and is counted.
    pub(super) fn settled(&self) -> bool {
        self.active.is_empty()
            && self.terminating == 0
            && self.noted_succeeded.is_empty()
            && self.noted_failed.is_empty()
    }

    /// Writes the numbers into the job's status.
    pub(super) fn write(&self, job: &mut Job) {
        let status = job.status.get_or_insert_default();
        let some = |n: usize| i32::try_from(n).ok().filter(|n| *n != 0);
        status.active = some(self.active.len());
        status.ready = Some(i32::try_from(self.ready).unwrap_or(i32::MAX));
        status.terminating = Some(i32::try_from(self.terminating).unwrap_or(i32::MAX));
        if let Some(indexes) = &self.indexes {
            status.succeeded = some(indexes.len());
            status.completed_indexes = Some(indexes::format(indexes)).filter(|i| !i.is_empty());
        }
        let list = |l: &Vec<String>| Some(l.clone()).filter(|l| !l.is_empty());
        status.uncounted_terminated_pods = Some(UncountedTerminatedPods {
            failed: list(&self.noted_failed),
            succeeded: list(&self.noted_succeeded),
        });
    }
}

/// When its last container ended.
// upstream: pkg/controller/job/backoff_utils.go#getFinishTimeFromContainers
fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .iter()
        .filter_map(|c| {
            let ended = c.state.as_ref()?.terminated.as_ref()?;
            Some(ended.finished_at.as_ref()?.0)
        })
        .max()
}
