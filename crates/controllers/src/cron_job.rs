//! CronJobs: a Job at each time of a schedule.
// upstream: pkg/controller/cronjob/cronjob_controllerv2.go, .../utils.go

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Key, Outcome, WorkQueue};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use machinery::{Reason, Status};
use registry::{Api, DeletionPropagation};

use crate::clock::{Clock, plus_seconds};
use crate::job::{finished, finished_at};
use crate::meta::{Meta, annotate, controller_ref, of_uid_with};
use crate::recorder::{Kind, Recorder};
use crate::replica_set::in_terminating_namespace;
use crate::setup::{BY_CONTROLLER, Setup};

use schedule::Schedule;

const NAME: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// A little after the time, so that it has come for sure.
// upstream: #nextScheduleDelta
const AFTER: Duration = Duration::from_millis(100);

struct Controller {
    api: Api<CronJob>,
    job_api: Api<Job>,
    crons: Arc<Cache<CronJob>>,
    jobs: Arc<Cache<Job>>,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup) -> Result<(), Status> {
    let queue: WorkQueue<Key> = WorkQueue::default();
    let q = queue.clone();
    setup
        .informers
        .cron_jobs
        .on_change(move |change| q.add(change.object().key()));
    let q = queue.clone();
    setup.informers.jobs.on_change(move |change| {
        let job = change.object();
        if let Some(owner) = job.controller().filter(|c| c.kind == "CronJob") {
            q.add(Key::new(job.namespace(), &owner.name));
        }
    });
    let controller = Arc::new(Controller {
        api: setup.api(NAME)?,
        job_api: setup.api(NAME)?,
        crons: setup.informers.cron_jobs.cache(),
        jobs: setup.informers.jobs.cache(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    setup.workers(NAME, queue, 2, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
    Ok(())
}

impl Controller {
    // upstream: #syncCronJob
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(cron) = self.crons.get(key) else {
            return Ok(Outcome::Done);
        };
        let mut next = CronJob::clone(&cron);
        let jobs = self.jobs.by_index(BY_CONTROLLER, cron.uid());
        self.clean_up(&cron, &jobs).await?;
        self.note_ended(&mut next, &jobs).await?;
        let result = if cron.deleting() {
            Ok(Outcome::Done)
        } else {
            self.schedule(&mut next, &jobs).await
        };
        if next.status != cron.status {
            match self
                .api
                .update_status(Some(cron.namespace()), cron.name(), &next)
                .await
            {
                Err(status) if !status.is(Reason::NotFound) => return Err(status),
                _ => {}
            }
        }
        result
    }

    /// Takes ended jobs off the list of active ones.
    async fn note_ended(&self, cron: &mut CronJob, jobs: &[Arc<Job>]) -> Result<(), Status> {
        let namespace = cron.namespace().to_owned();
        let noted = cron.clone();
        let status = cron.status.get_or_insert_default();
        let mut active = Vec::new();
        for reference in status.active.take().into_iter().flatten() {
            let uid = reference.uid.as_deref().unwrap_or_default();
            let name = reference.name.as_deref().unwrap_or_default();
            match jobs.iter().find(|j| j.uid() == uid) {
                Some(job) => match finished(job) {
                    None => active.push(reference),
                    Some(condition) => {
                        let text =
                            format!("Saw completed job: {name}, condition: {}", condition.type_);
                        self.recorder
                            .event(&noted, Kind::Normal, "SawCompletedJob", text);
                        if condition.type_ == "Complete" {
                            let at = job.status.as_ref().and_then(|s| s.completion_time.clone());
                            status.last_successful_time =
                                status.last_successful_time.take().max(at);
                        }
                    }
                },
                // Made a moment ago and not seen yet, or gone.
                None => match self.job_api.get_opt(Some(&namespace), name).await? {
                    Some(job) if job.uid() == uid => active.push(reference),
                    _ => {
                        let text = format!("Active job went missing: {name}");
                        self.recorder
                            .event(&noted, Kind::Normal, "MissingJob", text);
                    }
                },
            }
        }
        for job in jobs.iter().filter(|j| finished(j).is_none()) {
            if !active.iter().any(|r| r.uid.as_deref() == Some(job.uid())) {
                active.push(reference(job));
            }
        }
        status.active = Some(active).filter(|a| !a.is_empty());
        Ok(())
    }

    async fn schedule(&self, cron: &mut CronJob, jobs: &[Arc<Job>]) -> Result<Outcome, Status> {
        let spec = cron.spec.clone();
        if spec.suspend.unwrap_or_default() {
            return Ok(Outcome::Done);
        }
        let schedule = match Schedule::parse(&spec.schedule, spec.time_zone.as_deref()) {
            Ok(schedule) => schedule,
            Err(error) => {
                let text = format!("unparseable schedule: {:?}: {error}", spec.schedule);
                self.recorder
                    .event(&*cron, Kind::Warning, "UnparseableSchedule", text);
                return Ok(Outcome::Done);
            }
        };
        let now = self.clock.now();
        let again = |schedule: &Schedule| {
            schedule.after(now).map_or(Outcome::Done, |at| {
                Outcome::Again(self.clock.until(at) + AFTER)
            })
        };
        let (due, many) = missed(cron, &spec, &schedule, now);
        if many {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.recorder
                .event(&*cron, Kind::Warning, "TooManyMissedTimes", text);
        }
        let Some(due) = due else {
            return Ok(again(&schedule));
        };
        if let Some(seconds) = spec.starting_deadline_seconds
            && plus_seconds(due, seconds) < now
        {
            let text = format!("Missed scheduled time to start a job: {due}");
            self.recorder
                .event(&*cron, Kind::Warning, "MissSchedule", text);
            return Ok(again(&schedule));
        }
        let status = cron.status.get_or_insert_default();
        let busy = status.active.as_ref().is_some_and(|a| !a.is_empty());
        if busy {
            match spec.concurrency_policy.as_deref() {
                Some("Forbid") => {
                    let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
                    self.recorder
                        .event(&*cron, Kind::Normal, "JobAlreadyActive", text);
                    return Ok(again(&schedule));
                }
                Some("Replace") => {
                    for job in jobs.iter().filter(|j| finished(j).is_none()) {
                        self.delete(cron, job).await?;
                    }
                    if let Some(status) = &mut cron.status {
                        status.active = None;
                    }
                }
                _ => {}
            }
        }
        self.create(cron, &spec, due).await?;
        Ok(again(&schedule))
    }

    async fn create(
        &self,
        cron: &mut CronJob,
        spec: &CronJobSpec,
        due: Timestamp,
    ) -> Result<(), Status> {
        let job = job_of(cron, spec, due);
        let namespace = cron.namespace().to_owned();
        let made = match self.job_api.create(Some(&namespace), &job).await {
            Ok(made) => {
                let text = format!("Created job {}", made.name());
                self.recorder
                    .event(&*cron, Kind::Normal, "SuccessfulCreate", text);
                made
            }
            Err(status) if in_terminating_namespace(&status) => return Ok(()),
            // Made before, by a run that did not get to note it.
            Err(status) if status.is(Reason::AlreadyExists) => {
                let there: Job = self.job_api.get(Some(&namespace), job.name()).await?;
                if !there.controlled_by(cron.uid()) {
                    return Err(status);
                }
                there
            }
            Err(status) => {
                let text = format!("Error creating job: {status}");
                self.recorder
                    .event(&*cron, Kind::Warning, "FailedCreate", text);
                return Err(status);
            }
        };
        let status = cron.status.get_or_insert_default();
        let active = status.active.get_or_insert_default();
        if finished(&made).is_none() && !active.iter().any(|r| r.uid.as_deref() == Some(made.uid()))
        {
            active.push(reference(&made));
        }
        status.active = status.active.take().filter(|a| !a.is_empty());
        status.last_schedule_time = Some(Time(due));
        Ok(())
    }

    /// Deletes the oldest ended jobs beyond the limits.
    // upstream: #cleanupFinishedJobs
    async fn clean_up(&self, cron: &CronJob, jobs: &[Arc<Job>]) -> Result<(), Status> {
        let spec = &cron.spec;
        for (kind, limit) in [
            ("Complete", spec.successful_jobs_history_limit),
            ("Failed", spec.failed_jobs_history_limit),
        ] {
            let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()) else {
                continue;
            };
            let mut ended: Vec<_> = jobs
                .iter()
                .filter(|j| !j.deleting() && finished(j).is_some_and(|c| c.type_ == kind))
                .collect();
            ended.sort_by_key(|j| {
                let started = j.status.as_ref().and_then(|s| s.start_time.clone());
                (started, finished_at(j), j.name().to_owned())
            });
            let excess = ended.len().saturating_sub(limit);
            for job in ended.into_iter().take(excess) {
                self.delete(cron, job).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, cron: &CronJob, job: &Job) -> Result<(), Status> {
        let options = of_uid_with(job.uid(), DeletionPropagation::Background);
        match self
            .job_api
            .delete(Some(job.namespace()), job.name(), &options)
            .await
        {
            Err(status) if !status.is(Reason::NotFound) && !status.is(Reason::Conflict) => {
                Err(status)
            }
            _ => {
                let text = format!("Deleted job {}", job.name());
                self.recorder
                    .event(cron, Kind::Normal, "SuccessfulDelete", text);
                Ok(())
            }
        }
    }
}

fn reference(job: &Job) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        namespace: job.metadata.namespace.clone(),
        name: job.metadata.name.clone(),
        uid: job.metadata.uid.clone(),
        resource_version: job.metadata.resource_version.clone(),
        field_path: None,
    }
}

/// The latest time that has come since the last one that was served, and whether very many have.
// upstream: utils.go#mostRecentScheduleTime
fn missed(
    cron: &CronJob,
    spec: &CronJobSpec,
    schedule: &Schedule,
    now: Timestamp,
) -> (Option<Timestamp>, bool) {
    let status = cron.status.as_ref();
    let last = status
        .and_then(|s: &CronJobStatus| s.last_schedule_time.as_ref())
        .or(cron.metadata.creation_timestamp.as_ref())
        .map_or(now, |t| t.0);
    let earliest = match spec.starting_deadline_seconds {
        Some(seconds) => last.max(plus_seconds(now, -seconds)),
        None => last,
    };
    let mut due = None;
    let mut count = 0_usize;
    let mut at = earliest;
    while let Some(next) = schedule.after(at).filter(|t| *t <= now) {
        due = Some(next);
        at = next;
        count += 1;
        if count > 100 {
            // Far behind: the latest is found from the other end.
            return (schedule.latest(at, now).or(due), true);
        }
    }
    (due, false)
}

// upstream: utils.go#getJobFromTemplate2
fn job_of(cron: &CronJob, spec: &CronJobSpec, due: Timestamp) -> Job {
    let template = spec.job_template.clone();
    let meta = template.metadata.unwrap_or_default();
    let mut job = Job {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", cron.name(), due.as_second() / 60)),
            namespace: cron.metadata.namespace.clone(),
            labels: meta.labels,
            annotations: meta.annotations,
            creation_timestamp: Some(Time(due)),
            owner_references: Some(vec![controller_ref(cron)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    };
    let zone = spec.time_zone.as_deref();
    annotate(&mut job.metadata, SCHEDULED, &schedule::stamp(due, zone));
    job
}
