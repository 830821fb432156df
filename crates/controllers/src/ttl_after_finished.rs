//! Finished Jobs that asked for it are deleted after a time.
// upstream: pkg/controller/ttlafterfinished/ttlafterfinished_controller.go

use std::sync::Arc;

use informer::{Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::batch::v1::Job;
use machinery::{Reason, Status};
use registry::{Api, DeletionPropagation};

use crate::clock::plus_seconds;
use crate::job::finished_at;
use crate::meta::{Meta, of_uid_with};
use crate::setup::Setup;

const NAME: &str = "ttl-after-finished-controller";

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup.informers.jobs.on_change(move |change| {
        if !matches!(change, Change::Deleted(_)) && expiry(change.object()).is_some() {
            q.add(change.object().key());
        }
    });
    let api: Api<Job> = setup.api(NAME)?;
    let jobs = setup.informers.jobs.cache();
    let clock = setup.clock;
    setup.workers(NAME, queue, 1, move |key| {
        let (api, jobs) = (api.clone(), Arc::clone(&jobs));
        async move {
            if jobs.get(&key).is_none() {
                return Ok(Outcome::Done);
            }
            // Its time may have been changed a moment ago.
            let fresh = api.get_opt(key.namespace(), key.name()).await?;
            let Some((job, at)) = fresh.and_then(|j| expiry(&j).map(|at| (j, at))) else {
                return Ok(Outcome::Done);
            };
            let wait = clock.until(at);
            if job.deleting() {
                return Ok(Outcome::Done);
            }
            if !wait.is_zero() {
                return Ok(Outcome::Again(wait));
            }
            let mut options = of_uid_with(job.uid(), DeletionPropagation::Foreground);
            options
                .preconditions
                .resource_version
                .clone_from(&job.metadata.resource_version);
            match api.delete(key.namespace(), key.name(), &options).await {
                Err(status) if !status.is(Reason::NotFound) => Err(status),
                _ => Ok(Outcome::Done),
            }
        }
    });
    Ok(())
}

fn expiry(job: &Job) -> Option<k8s_openapi::jiff::Timestamp> {
    let seconds = job.spec.as_ref()?.ttl_seconds_after_finished?;
    Some(plus_seconds(finished_at(job)?, seconds.into()))
}
