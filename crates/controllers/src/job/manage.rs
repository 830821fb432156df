//! Making and deleting a Job's pods.
// upstream: pkg/controller/job/job_controller.go#manageJob

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use informer::{Key, Outcome};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use machinery::{Reason, Status};

use super::{Account, Controller, FINALIZER, indexes, spec};
use crate::meta::{Meta, controller_ref, of_uid};
use crate::pod;
use crate::recorder::Kind;
use crate::replica_set::{in_terminating_namespace, slow_start};

/// The most pods made or deleted in one go.
// upstream: #MaxPodCreateDeletePerSync
const BURST: usize = 500;
/// The pause after a failure, doubled with each.
// upstream: #DefaultJobPodFailureBackOff, #MaxJobPodFailureBackOff
const BACKOFF: Duration = Duration::from_secs(10);
const MAX_BACKOFF: Duration = Duration::from_secs(600);

impl Controller {
    pub(super) async fn manage(
        &self,
        key: &Key,
        job: &Job,
        account: &mut Account,
    ) -> Result<Outcome, Status> {
        let spec = spec(job);
        let size = |n: i32| usize::try_from(n).unwrap_or_default();
        let parallelism = size(spec.parallelism.unwrap_or(1));
        let active = account.active.len();
        let want = if spec.suspend.unwrap_or_default() {
            0
        } else {
            match spec.completions {
                None if account.succeeded > 0 => active,
                None => parallelism,
                Some(completions) => size(completions - account.succeeded).min(parallelism),
            }
        };
        if active > want {
            account.active.sort_by(|a, b| {
                let created = |p: &Pod| p.meta().creation_timestamp.clone();
                pod::ready(a)
                    .cmp(&pod::ready(b))
                    .then_with(|| created(b).cmp(&created(a)))
            });
            let excess = (active - want).min(BURST);
            let victims: Vec<_> = account.active.drain(..excess).collect();
            self.remove(key, job, &victims).await?;
            return Ok(Outcome::Done);
        }
        let replaced_only_when_ended = spec.pod_failure_policy.is_some()
            || spec.pod_replacement_policy.as_deref() == Some("Failed");
        let present = if replaced_only_when_ended {
            active + account.terminating
        } else {
            active
        };
        let missing = want.saturating_sub(present).min(BURST);
        if missing == 0 {
            return Ok(Outcome::Done);
        }
        let pause = self.pause(key);
        if !pause.is_zero() {
            return Ok(Outcome::Again(pause));
        }
        self.create(key, job, account, missing).await?;
        Ok(Outcome::Done)
    }

    /// How long to wait because of failures.
    // upstream: backoff_utils.go#getRemainingTimeForFailuresCount
    fn pause(&self, key: &Key) -> Duration {
        let failures = self.failures.lock().get(key).copied();
        let Some((count, last)) = failures.filter(|(count, _)| *count > 0) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(count - 1).unwrap_or(u32::MAX);
        let pause = BACKOFF.checked_mul(factor).unwrap_or(MAX_BACKOFF);
        pause
            .min(MAX_BACKOFF)
            .saturating_sub(self.clock.since(last))
    }

    async fn create(
        &self,
        key: &Key,
        job: &Job,
        account: &mut Account,
        count: usize,
    ) -> Result<(), Status> {
        let spec = spec(job);
        let indexes: Option<Vec<i32>> = account.indexes.as_ref().map(|completed| {
            let active: BTreeSet<_> = account
                .active
                .iter()
                .filter_map(|p| indexes::of(p))
                .collect();
            (0..spec.completions.unwrap_or_default())
                .filter(|i| !completed.contains(i) && !active.contains(i))
                .take(count)
                .collect()
        });
        let count = indexes.as_ref().map_or(count, Vec::len);
        self.expectations.expect(key, count, HashSet::new());
        let next = AtomicUsize::new(0);
        let one = || async {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let index = indexes.as_ref().and_then(|i| i.get(position)).copied();
            self.create_one(key, job, index).await
        };
        let (done, result) = slow_start(count, one).await;
        self.expectations.creations_void(key, count - done);
        result
    }

    async fn create_one(&self, key: &Key, job: &Job, index: Option<i32>) -> Result<(), Status> {
        let mut template = spec(job).template;
        let mut prefix = job.name().to_owned();
        if let Some(index) = index {
            indexes::assign(&mut template, job.name(), index);
            prefix = format!("{prefix}-{index}");
        }
        let mut wanted =
            pod::from_template(&template, job.namespace(), &prefix, controller_ref(job));
        wanted
            .metadata
            .finalizers
            .get_or_insert_default()
            .push(FINALIZER.to_owned());
        match self.pod_api.create(Some(job.namespace()), &wanted).await {
            Ok(pod) => {
                let text = format!("Created pod: {}", pod.name());
                self.recorder
                    .event(job, Kind::Normal, "SuccessfulCreate", text);
                Ok(())
            }
            Err(status) if in_terminating_namespace(&status) => {
                self.expectations.created(key);
                Ok(())
            }
            Err(status) => {
                let text = format!("Error creating: {status}");
                self.recorder
                    .event(job, Kind::Warning, "FailedCreate", text);
                Err(status)
            }
        }
    }

    /// Deletes pods that run.
    pub(super) async fn remove(
        &self,
        key: &Key,
        job: &Job,
        pods: &[Arc<Pod>],
    ) -> Result<(), Status> {
        let keys = pods.iter().map(|p| p.key()).collect();
        self.expectations.expect(key, 0, keys);
        let deletions = pods.iter().map(|pod| async {
            let done = self
                .pod_api
                .delete(Some(pod.namespace()), pod.name(), &of_uid(pod.uid()))
                .await;
            match done {
                Ok(()) => {
                    let text = format!("Deleted pod: {}", pod.name());
                    self.recorder
                        .event(job, Kind::Normal, "SuccessfulDelete", text);
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
        });
        futures::future::join_all(deletions)
            .await
            .into_iter()
            .collect()
    }
}
