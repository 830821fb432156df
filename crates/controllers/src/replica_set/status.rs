//! The status of a set.
// upstream: pkg/controller/replicaset/replica_set_utils.go

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use machinery::{Reason, Status};
use registry::Api;

use crate::clock::Clock;
use crate::meta::{Meta, matches, selector};
use crate::pod;

use super::replicated::Replicated;

const REPLICA_FAILURE: &str = "ReplicaFailure";

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The status by these pods. Unless `seen_all`, more pods may be under way: then the generation does not yet count as
/// observed.
// upstream: #calculateStatus
pub(super) fn calculate<T: Replicated>(
    set: &T,
    pods: &[Arc<Pod>],
    terminating: usize,
    seen_all: bool,
    failure: Option<&Status>,
    clock: &Clock,
) -> ReplicaSetStatus {
    let template = set.template();
    let template = selector(Some(&LabelSelector {
        match_labels: template
            .and_then(|t| t.metadata.as_ref())
            .and_then(|m| m.labels.clone()),
        match_expressions: None,
    }));
    let min_ready = set.min_ready_seconds();
    let count_if = |test: &dyn Fn(&Pod) -> bool| count(pods.iter().filter(|p| test(p)).count());
    let mut status = set.status();
    status.replicas = count(pods.len());
    status.fully_labeled_replicas =
        Some(count_if(&|p| matches(&template, p.meta().labels.as_ref())));
    status.ready_replicas = Some(count_if(&pod::ready));
    status.available_replicas = Some(count_if(&|p| pod::available(p, min_ready, clock)));
    status.terminating_replicas = Some(count(terminating));
    if seen_all {
        status.observed_generation = set.meta().generation;
    }

    let conditions = status.conditions.get_or_insert_default();
    let present = conditions.iter().any(|c| c.type_ == REPLICA_FAILURE);
    match failure {
        Some(failure) if !present => {
            let too_few = pods.len() < usize::try_from(set.replicas()).unwrap_or_default();
            let reason = if too_few {
                "FailedCreate"
            } else {
                "FailedDelete"
            };
            conditions.push(ReplicaSetCondition {
                type_: REPLICA_FAILURE.to_owned(),
                status: "True".to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(failure.to_string()),
                last_transition_time: Some(clock.time()),
            });
        }
        None if present => conditions.retain(|c| c.type_ != REPLICA_FAILURE),
        _ => {}
    }
    if conditions.is_empty() {
        status.conditions = None;
    }
    status
}

/// Writes a status that differs from the one there is; `None` when the set is gone.
// upstream: #updateReplicaSetStatus
pub(super) async fn update<T: Replicated>(
    api: &Api<T>,
    set: &T,
    status: ReplicaSetStatus,
) -> Result<Option<()>, Status> {
    let zero = |n: Option<i32>| n.unwrap_or_default();
    let old = set.status();
    let same = old.replicas == status.replicas
        && zero(old.fully_labeled_replicas) == zero(status.fully_labeled_replicas)
        && zero(old.ready_replicas) == zero(status.ready_replicas)
        && zero(old.available_replicas) == zero(status.available_replicas)
        && zero(old.terminating_replicas) == zero(status.terminating_replicas)
        && old.observed_generation == status.observed_generation
        && old.conditions.as_deref().unwrap_or_default()
            == status.conditions.as_deref().unwrap_or_default();
    if same {
        return Ok(Some(()));
    }
    let next = set.with_status(status);
    match api
        .update_status(Some(set.namespace()), set.name(), &next)
        .await
    {
        Ok(_) => Ok(Some(())),
        Err(status) if status.is(Reason::NotFound) => Ok(None),
        Err(status) => Err(status),
    }
}
