//! How a Job ends.
// upstream: pkg/controller/job/job_controller.go#syncJob, #enactJobFinished

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::jiff::Timestamp;

use super::{Account, policy, spec};
use crate::clock::{Clock, plus_seconds};
use crate::recorder::Kind;

/// What a job comes to.
pub(super) struct Verdict {
    succeeded: bool,
    reason: String,
    pub(super) message: String,
}

impl Verdict {
    fn new(succeeded: bool, reason: &str, message: impl Into<String>) -> Option<Self> {
        Some(Self {
            succeeded,
            reason: reason.to_owned(),
            message: message.into(),
        })
    }

    pub(super) fn event(&self) -> (Kind, &'static str) {
        if self.succeeded {
            (Kind::Normal, "Completed")
        } else {
            (Kind::Warning, "Failed")
        }
    }
}

fn find<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| c.type_ == kind && c.status == "True")
}

/// The condition by which it ended.
pub(crate) fn finished(job: &Job) -> Option<&JobCondition> {
    find(job, "Complete").or_else(|| find(job, "Failed"))
}

/// When it ended.
pub(crate) fn finished_at(job: &Job) -> Option<Timestamp> {
    finished(job)?.last_transition_time.as_ref().map(|t| t.0)
}

/// What it comes to, as soon as that is clear.
pub(super) fn verdict(job: &Job, account: &Account, clock: &Clock) -> Option<Verdict> {
    // What was announced stays.
    for (kind, succeeded) in [("FailureTarget", false), ("SuccessCriteriaMet", true)] {
        if let Some(c) = find(job, kind) {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            return Verdict::new(succeeded, &text(&c.reason), text(&c.message));
        }
    }
    let spec = spec(job);
    if let Some(message) = &account.policy_failure {
        return Verdict::new(false, "PodFailurePolicy", message);
    }
    let limit = spec.backoff_limit.unwrap_or(6);
    let restarts_in_place = spec
        .template
        .spec
        .as_ref()
        .is_some_and(|s| s.restart_policy.as_deref() == Some("OnFailure"));
    // upstream: #pastBackoffLimitOnFailure
    let restarted_too_often = restarts_in_place
        && if limit == 0 {
            account.restarts > 0
        } else {
            account.restarts >= limit
        };
    if account.failed > limit || restarted_too_often {
        return Verdict::new(
            false,
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        );
    }
    let started = job.status.as_ref().and_then(|s| s.start_time.as_ref());
    if let (Some(started), Some(seconds)) = (started, spec.active_deadline_seconds)
        && plus_seconds(started.0, seconds) <= clock.now()
    {
        return Verdict::new(
            false,
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        );
    }
    if let Some(indexes) = &account.indexes
        && let Some(rule) = policy::success(&spec, indexes)
    {
        return Verdict::new(
            true,
            "SuccessPolicy",
            format!("Matched rules at index {rule}"),
        );
    }
    let complete = match spec.completions {
        // A work queue: done when one has succeeded and none runs.
        None => account.succeeded > 0 && account.active.is_empty(),
        Some(completions) => account.succeeded >= completions,
    };
    if complete {
        return Verdict::new(
            true,
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
    }
    None
}

/// Says what it comes to; the pods that still run are to go first.
pub(super) fn announce(job: &mut Job, verdict: &Verdict, clock: &Clock) {
    let kind = if verdict.succeeded {
        "SuccessCriteriaMet"
    } else {
        "FailureTarget"
    };
    set(job, kind, true, &verdict.reason, &verdict.message, clock);
}

/// Says that it has ended.
pub(super) fn conclude(job: &mut Job, verdict: &Verdict, clock: &Clock) {
    let kind = if verdict.succeeded {
        "Complete"
    } else {
        "Failed"
    };
    set(job, kind, true, &verdict.reason, &verdict.message, clock);
    if verdict.succeeded {
        job.status.get_or_insert_default().completion_time = Some(clock.time());
    }
}

/// Starts it, suspends it or lets it go on; what to say of that.
pub(super) fn suspend(
    job: &mut Job,
    suspended: bool,
    clock: &Clock,
) -> Option<(&'static str, &'static str)> {
    let was = find(job, "Suspended").is_some();
    let status = job.status.get_or_insert_default();
    if suspended {
        if was {
            return None;
        }
        status.start_time = None;
        set(
            job,
            "Suspended",
            true,
            "JobSuspended",
            "Job suspended",
            clock,
        );
        return Some(("Suspended", "Job suspended"));
    }
    if status.start_time.is_none() {
        status.start_time = Some(clock.time());
    }
    if !was {
        return None;
    }
    set(job, "Suspended", false, "JobResumed", "Job resumed", clock);
    Some(("Resumed", "Job resumed"))
}

fn set(job: &mut Job, kind: &str, on: bool, reason: &str, message: &str, clock: &Clock) {
    let status = if on { "True" } else { "False" };
    let conditions = job
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    if conditions
        .iter()
        .any(|c| c.type_ == kind && c.status == status)
    {
        return;
    }
    conditions.retain(|c| c.type_ != kind);
    conditions.push(JobCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(clock.time()),
        last_transition_time: Some(clock.time()),
    });
}
