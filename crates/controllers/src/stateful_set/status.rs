//! The status of a StatefulSet.
// upstream: pkg/controller/statefulset/stateful_set_control.go#updateStatefulSet, stateful_set_utils.go#completeRollingUpdate

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::identity;
use crate::clock::Clock;
use crate::history::History;
use crate::meta::Meta;
use crate::pod;

/// A status without counts yet.
pub(super) fn begin(set: &StatefulSet, history: &History) -> StatefulSetStatus {
    let old = set.status.clone().unwrap_or_default();
    let current = old
        .current_revision
        // One that is gone is no revision to go back to.
        .filter(|r| history.get(r).is_some())
        .unwrap_or_else(|| history.current.clone());
    StatefulSetStatus {
        observed_generation: set.meta().generation,
        current_revision: Some(current),
        update_revision: Some(history.current.clone()),
        collision_count: Some(history.collisions),
        conditions: old.conditions,
        available_replicas: Some(0),
        ..StatefulSetStatus::default()
    }
}

/// Counts the pods that are there.
pub(super) fn count(
    status: &mut StatefulSetStatus,
    set: &StatefulSet,
    pods: &[Arc<Pod>],
    clock: &Clock,
) {
    let min_ready = set
        .spec
        .as_ref()
        .and_then(|s| s.min_ready_seconds)
        .unwrap_or_default();
    let n = |test: &dyn Fn(&Pod) -> bool| {
        i32::try_from(pods.iter().filter(|p| test(p)).count()).unwrap_or(i32::MAX)
    };
    let some = |n: i32| Some(n).filter(|n| *n != 0);
    let of = |p: &Pod, revision: &Option<String>| {
        !pod::phase(p).is_empty() && !p.deleting() && identity::revision(p) == revision.as_deref()
    };
    status.replicas = n(&|p| !pod::phase(p).is_empty());
    status.ready_replicas = some(n(&|p| running(p) && pod::ready(p)));
    status.available_replicas = Some(n(&|p| running(p) && pod::available(p, min_ready, clock)));
    status.current_replicas = some(n(&|p| of(p, &status.current_revision)));
    status.updated_replicas = some(n(&|p| of(p, &status.update_revision)));
}

fn running(pod: &Pod) -> bool {
    pod::phase(pod) == "Running"
}

/// When all members are of the new revision, it is the current one.
pub(super) fn finish(status: &mut StatefulSetStatus, set: &StatefulSet) {
    let n = |n: Option<i32>| n.unwrap_or_default();
    let rolling = set
        .spec
        .as_ref()
        .and_then(|s| s.update_strategy.as_ref())
        .and_then(|s| s.type_.as_deref())
        != Some("OnDelete");
    if rolling
        && n(status.updated_replicas) == identity::replicas(set)
        && status.replicas == identity::replicas(set)
        && n(status.ready_replicas) == identity::replicas(set)
    {
        status.current_revision.clone_from(&status.update_revision);
        status.current_replicas = status.updated_replicas;
    }
}
