//! The status of an autoscaler as it is to be written.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus,
    MetricStatus,
};
use machinery::{Reason, Status};
use registry::Api;

use crate::clock::Clock;
use crate::meta::Meta;

/// Conditions and numbers gathered while deciding.
pub(super) struct Draft {
    status: HorizontalPodAutoscalerStatus,
    clock: Clock,
}

impl Draft {
    pub(super) fn new(autoscaler: &HorizontalPodAutoscaler, clock: Clock) -> Self {
        let mut status = autoscaler.status.clone().unwrap_or_default();
        status.observed_generation = autoscaler.metadata.generation;
        Self { status, clock }
    }

    pub(super) fn desired(&self) -> i32 {
        self.status.desired_replicas
    }

    pub(super) fn replicas(&mut self, current: i32, desired: i32) {
        self.status.current_replicas = Some(current);
        self.status.desired_replicas = desired;
    }

    pub(super) fn metrics(&mut self, statuses: Vec<MetricStatus>) {
        self.status.current_metrics = (!statuses.is_empty()).then_some(statuses);
    }

    pub(super) fn scaled(&mut self) {
        self.status.last_scale_time = Some(self.clock.time());
    }

    // upstream: horizontal.go#setConditionInList
    pub(super) fn condition(
        &mut self,
        kind: &str,
        holds: bool,
        reason: &str,
        message: impl Into<String>,
    ) {
        let status = if holds { "True" } else { "False" };
        let conditions = self.status.conditions.get_or_insert_default();
        let at = conditions.iter().position(|c| c.type_ == kind);
        let since = at
            .and_then(|at| conditions.get(at))
            .filter(|c| c.status == status)
            .and_then(|c| c.last_transition_time.clone())
            .or_else(|| Some(self.clock.time()));
        let new = HorizontalPodAutoscalerCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.into()),
            last_transition_time: since,
        };
        match at.and_then(|at| conditions.get_mut(at)) {
            Some(slot) => *slot = new,
            None => conditions.push(new),
        }
    }

    /// Writes it where it has changed.
    pub(super) async fn write(
        self,
        api: &Api<HorizontalPodAutoscaler>,
        autoscaler: &HorizontalPodAutoscaler,
    ) -> Result<(), Status> {
        if autoscaler.status.as_ref() == Some(&self.status) {
            return Ok(());
        }
        let mut next = autoscaler.clone();
        next.status = Some(self.status);
        match api
            .update_status(Some(autoscaler.namespace()), autoscaler.name(), &next)
            .await
        {
            Err(status) if !status.is(Reason::NotFound) && !status.is(Reason::Conflict) => {
                Err(status)
            }
            _ => Ok(()),
        }
    }
}
