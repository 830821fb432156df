//! The status of a deployment, as `kubectl rollout status` reads it.
// upstream: pkg/controller/deployment/{sync,progress}.go

use std::sync::Arc;
use std::time::Duration;

use informer::Outcome;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use machinery::Status;

use super::{Controller, Sets, math};
use crate::clock::{Clock, plus_seconds};
use crate::meta::Meta;

pub(super) const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";
const NEW_AVAILABLE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

pub(super) fn observed(d: &Deployment) -> Option<i64> {
    d.status.as_ref().and_then(|s| s.observed_generation)
}

pub(super) fn condition(
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    clock: &Clock,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(clock.time()),
        last_transition_time: Some(clock.time()),
    }
}

pub(super) fn find<'a>(
    status: &'a DeploymentStatus,
    kind: &str,
) -> Option<&'a DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

fn remove(status: &mut DeploymentStatus, kind: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|c| c.type_ != kind);
    }
    status.conditions = status.conditions.take().filter(|c| !c.is_empty());
}

// upstream: util/deployment_util.go#SetDeploymentCondition
pub(super) fn set_condition(status: &mut DeploymentStatus, mut new: DeploymentCondition) {
    if let Some(old) = find(status, &new.type_) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time
                .clone_from(&old.last_transition_time);
        }
    }
    remove(status, &new.type_);
    status.conditions.get_or_insert_default().push(new);
}

fn sum(sets: &[Arc<ReplicaSet>], of: impl Fn(&ReplicaSetStatus) -> Option<i32>) -> i32 {
    sets.iter()
        .filter_map(|s| s.status.as_ref().and_then(&of))
        .sum()
}

// upstream: sync.go#calculateStatus
fn calculate(d: &Deployment, sets: &Sets, clock: &Clock) -> DeploymentStatus {
    let all = sets.all();
    let available = sum(&all, |s| s.available_replicas);
    let total = sum(&all, |s| Some(s.replicas));
    let old = d.status.clone().unwrap_or_default();
    // Zeros are left out, as on the wire upstream.
    let some = |n: i32| Some(n).filter(|n| *n != 0);
    let mut status = DeploymentStatus {
        observed_generation: d.meta().generation,
        replicas: some(total),
        updated_replicas: some(sets.new.as_ref().map_or(0, |s| math::present(s))),
        ready_replicas: some(sum(&all, |s| s.ready_replicas)),
        available_replicas: some(available),
        unavailable_replicas: some((total - available).max(0)),
        terminating_replicas: Some(sum(&all, |s| s.terminating_replicas)),
        collision_count: old.collision_count,
        conditions: old.conditions,
    };
    let enough = available >= math::replicas(d) - math::max_unavailable(d);
    let condition = if enough {
        condition(
            AVAILABLE,
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            clock,
        )
    } else {
        condition(
            AVAILABLE,
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            clock,
        )
    };
    set_condition(&mut status, condition);
    status
}

// upstream: util/deployment_util.go#DeploymentProgressing
fn progressing(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let n = |n: Option<i32>| n.unwrap_or_default();
    let outdated = |s: &DeploymentStatus| n(s.replicas) - n(s.updated_replicas);
    n(new.updated_replicas) > n(old.updated_replicas)
        || outdated(new) < outdated(old)
        || n(new.ready_replicas) > n(old.ready_replicas)
        || n(new.available_replicas) > n(old.available_replicas)
}

// upstream: util/deployment_util.go#DeploymentTimedOut
fn timed_out(d: &Deployment, status: &DeploymentStatus, clock: &Clock) -> bool {
    let Some(condition) = find(status, PROGRESSING) else {
        return false;
    };
    match condition.reason.as_deref() {
        Some(NEW_AVAILABLE) => false,
        Some(TIMED_OUT) => true,
        _ => deadline(d, condition).is_some_and(|at| at < clock.now()),
    }
}

fn deadline(
    d: &Deployment,
    progressing: &DeploymentCondition,
) -> Option<k8s_openapi::jiff::Timestamp> {
    let since = progressing.last_update_time.as_ref()?;
    Some(plus_seconds(since.0, math::progress_deadline(d)?.into()))
}

/// What keeps the sets from making or deleting pods; the new one's word first.
// upstream: progress.go#getReplicaFailures
fn failure(sets: &Sets) -> Option<DeploymentCondition> {
    let of = |set: &Arc<ReplicaSet>| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        let c = conditions.iter().find(|c| c.type_ == REPLICA_FAILURE)?;
        Some(DeploymentCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: c.status.clone(),
            reason: c.reason.clone(),
            message: c.message.clone(),
            last_transition_time: c.last_transition_time.clone(),
            last_update_time: c.last_transition_time.clone(),
        })
    };
    sets.new
        .iter()
        .find_map(of)
        .or_else(|| sets.old.iter().find_map(of))
}

impl Controller {
    /// The status outside a rollout: paused, scaling or going.
    // upstream: sync.go#syncDeploymentStatus
    pub(super) async fn sync_status(
        &self,
        d: &mut Deployment,
        sets: &Sets,
    ) -> Result<Outcome, Status> {
        let status = calculate(d, sets, &self.clock);
        if d.status.as_ref() != Some(&status) {
            self.write_status(d, status).await?;
        }
        Ok(Outcome::Done)
    }

    // upstream: progress.go#syncRolloutStatus
    pub(super) async fn sync_rollout_status(
        &self,
        d: &mut Deployment,
        sets: &Sets,
    ) -> Result<Outcome, Status> {
        let mut status = calculate(d, sets, &self.clock);
        let old = d.status.clone().unwrap_or_default();
        if math::progress_deadline(d).is_none() {
            remove(&mut status, PROGRESSING);
        } else {
            let complete = status.replicas == status.updated_replicas
                && find(&old, PROGRESSING)
                    .is_some_and(|c| c.reason.as_deref() == Some(NEW_AVAILABLE));
            if !complete {
                self.note_progress(d, sets, &old, &mut status);
            }
        }
        match failure(sets) {
            Some(failure) => set_condition(&mut status, failure),
            None => remove(&mut status, REPLICA_FAILURE),
        }
        if d.status.as_ref() != Some(&status) {
            self.write_status(d, status).await?;
            return Ok(Outcome::Done);
        }
        Ok(self.when_stuck(d, &status))
    }

    fn note_progress(
        &self,
        d: &Deployment,
        sets: &Sets,
        old: &DeploymentStatus,
        status: &mut DeploymentStatus,
    ) {
        let subject = sets.new.as_ref().map_or_else(
            || format!("Deployment \"{}\"", d.name()),
            |s| format!("ReplicaSet \"{}\"", s.name()),
        );
        let clock = &self.clock;
        if math::complete(d, status) {
            let text = format!("{subject} has successfully progressed.");
            set_condition(
                status,
                condition(PROGRESSING, "True", NEW_AVAILABLE, &text, clock),
            );
        } else if progressing(old, status) {
            let text = format!("{subject} is progressing.");
            let mut new = condition(PROGRESSING, "True", "ReplicaSetUpdated", &text, clock);
            // Each step forward starts the deadline anew.
            if let Some(current) = find(old, PROGRESSING) {
                if current.status == "True" {
                    new.last_transition_time
                        .clone_from(&current.last_transition_time);
                }
                remove(status, PROGRESSING);
            }
            set_condition(status, new);
        } else if timed_out(d, status, clock) {
            let text = format!("{subject} has timed out progressing.");
            set_condition(
                status,
                condition(PROGRESSING, "False", TIMED_OUT, &text, clock),
            );
        }
    }

    /// When to look whether the deadline has passed.
    // upstream: progress.go#requeueStuckDeployment
    fn when_stuck(&self, d: &Deployment, status: &DeploymentStatus) -> Outcome {
        let Some(condition) = find(status, PROGRESSING) else {
            return Outcome::Done;
        };
        if math::complete(d, status) || condition.reason.as_deref() == Some(TIMED_OUT) {
            return Outcome::Done;
        }
        deadline(d, condition).map_or(Outcome::Done, |at| {
            Outcome::Again(self.clock.until(at) + Duration::from_secs(1))
        })
    }

    /// Stops the deadline of a paused deployment and starts it again.
    // upstream: sync.go#checkPausedConditions
    pub(super) async fn check_paused(&self, d: &mut Deployment) -> Result<(), Status> {
        if math::progress_deadline(d).is_none() {
            return Ok(());
        }
        let current = d.status.as_ref().and_then(|s| find(s, PROGRESSING));
        let reason = current.and_then(|c| c.reason.as_deref());
        let new = match (math::paused(d), reason) {
            (_, Some(TIMED_OUT)) | (true, Some(PAUSED)) => return Ok(()),
            (true, _) => (PAUSED, "Deployment is paused"),
            (false, Some(PAUSED)) => ("DeploymentResumed", "Deployment is resumed"),
            (false, _) => return Ok(()),
        };
        let new = condition(PROGRESSING, "Unknown", new.0, new.1, &self.clock);
        set_condition(d.status.get_or_insert_default(), new);
        self.write_own_status(d).await
    }

    /// Writes a new status; `d` becomes what is stored.
    pub(super) async fn write_status(
        &self,
        d: &mut Deployment,
        status: DeploymentStatus,
    ) -> Result<(), Status> {
        d.status = Some(status);
        self.write_own_status(d).await
    }

    /// Writes the status (and annotations) that `d` has; `d` becomes what is stored.
    pub(super) async fn write_own_status(&self, d: &mut Deployment) -> Result<(), Status> {
        let written = self
            .api
            .update_status(Some(d.namespace()), d.name(), d)
            .await?;
        *d = written;
        Ok(())
    }
}
