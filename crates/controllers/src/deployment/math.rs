//! How many replicas a deployment may and must have.
// upstream: pkg/controller/deployment/util/deployment_util.go

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr;
use machinery::int_or_string::IntOrString;

use super::revision;
use crate::meta::Meta;
use crate::replica_set::wanted;

/// How many replicas it is to have.
pub(super) fn replicas(d: &Deployment) -> i32 {
    d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

pub(super) fn paused(d: &Deployment) -> bool {
    d.spec.as_ref().and_then(|s| s.paused).unwrap_or_default()
}

pub(super) fn recreates(d: &Deployment) -> bool {
    d.spec
        .as_ref()
        .and_then(|s| s.strategy.as_ref())
        .and_then(|s| s.type_.as_deref())
        == Some("Recreate")
}

pub(super) fn min_ready_seconds(d: &Deployment) -> i32 {
    d.spec
        .as_ref()
        .and_then(|s| s.min_ready_seconds)
        .unwrap_or_default()
}

/// Seconds without progress after which it counts as failed.
pub(super) fn progress_deadline(d: &Deployment) -> Option<i32> {
    d.spec
        .as_ref()
        .and_then(|s| s.progress_deadline_seconds)
        .filter(|s| *s != i32::MAX)
}

/// A number or a share of `total`.
pub(crate) fn scaled(value: Option<&intstr::IntOrString>, total: i32, up: bool) -> Option<i32> {
    let value = match value? {
        intstr::IntOrString::Int(n) => IntOrString::Int(*n),
        intstr::IntOrString::String(s) => IntOrString::String(s.clone()),
    };
    value.scaled(total, up).ok()
}

/// The most pods more, and the most available ones fewer, than asked for.
// upstream: #ResolveFenceposts
fn fenceposts(d: &Deployment) -> (i32, i32) {
    let rolling = d
        .spec
        .as_ref()
        .and_then(|s| s.strategy.as_ref())
        .and_then(|s| s.rolling_update.as_ref());
    let total = replicas(d);
    let quarter = intstr::IntOrString::String("25%".to_owned());
    let surge = rolling
        .and_then(|r| r.max_surge.as_ref())
        .unwrap_or(&quarter);
    let unavailable = rolling
        .and_then(|r| r.max_unavailable.as_ref())
        .unwrap_or(&quarter);
    let surge = scaled(Some(surge), total, true).unwrap_or_default();
    let unavailable = scaled(Some(unavailable), total, false).unwrap_or_default();
    // Both may round to zero, and then nothing could move.
    if surge == 0 && unavailable == 0 {
        (0, 1)
    } else {
        (surge, unavailable)
    }
}

// upstream: #MaxSurge
pub(super) fn max_surge(d: &Deployment) -> i32 {
    if recreates(d) { 0 } else { fenceposts(d).0 }
}

// upstream: #MaxUnavailable
pub(super) fn max_unavailable(d: &Deployment) -> i32 {
    if recreates(d) || replicas(d) == 0 {
        0
    } else {
        fenceposts(d).1.min(replicas(d))
    }
}

/// It is to have pods.
pub(super) fn is_active(set: &ReplicaSet) -> bool {
    wanted(set) > 0
}

/// Pods asked for by these sets.
pub(super) fn wanted_by(sets: &[Arc<ReplicaSet>]) -> i32 {
    sets.iter().map(|s| wanted(s)).sum()
}

/// Available pods, at most as many as asked for: of a set that has just been scaled down the status is not yet true, and the
/// pods that it counts too much are going.
pub(super) fn available(set: &ReplicaSet) -> i32 {
    set.status
        .as_ref()
        .and_then(|s| s.available_replicas)
        .unwrap_or_default()
        .min(wanted(set))
}

/// Pods that are there by these sets' statuses.
pub(super) fn present(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map(|s| s.replicas).unwrap_or_default()
}

/// The most pods that these sets may have at this moment; `None` while one of them has not looked at what was last asked of
/// it. Of a set that was scaled down, pods remain for a while, and of one that was growing more may come: upstream counts only
/// what is asked for, and so may have more pods than allowed for a moment.
pub(super) fn footprint<'a>(sets: impl Iterator<Item = &'a Arc<ReplicaSet>>) -> Option<i32> {
    sets.map(|set| {
        let observed = set.status.as_ref().and_then(|s| s.observed_generation);
        let current = observed == set.meta().generation;
        current.then(|| wanted(set).max(present(set)))
    })
    .sum()
}

/// How many replicas the new set is to have next.
// upstream: #NewRSNewReplicas
pub(super) fn next_of_new(d: &Deployment, current_total: i32, new: i32) -> i32 {
    if recreates(d) {
        return replicas(d);
    }
    let most = replicas(d) + max_surge(d);
    if current_total >= most {
        return new;
    }
    new + (most - current_total).min(replicas(d) - new)
}

/// The set has all the pods, and they are available.
// upstream: #IsSaturated
pub(super) fn saturated(d: &Deployment, set: Option<&ReplicaSet>) -> bool {
    set.is_some_and(|set| {
        revision::desired(set) == Some(replicas(d))
            && wanted(set) == replicas(d)
            && available(set) == replicas(d)
    })
}

/// The one set with pods, or the latest if none has any; `None` when several have.
// upstream: #FindActiveOrLatest
pub(super) fn active_or_latest(
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
) -> Option<Arc<ReplicaSet>> {
    let mut active = old.iter().chain(new).filter(|s| is_active(s));
    match (active.next(), active.next()) {
        (None, _) => new
            .or_else(|| old.iter().max_by(|a, b| by_creation(a, b)))
            .cloned(),
        (Some(one), None) => Some(Arc::clone(one)),
        _ => None,
    }
}

/// Oldest first.
pub(super) fn by_creation(a: &Arc<ReplicaSet>, b: &Arc<ReplicaSet>) -> std::cmp::Ordering {
    let created = |s: &ReplicaSet| s.meta().creation_timestamp.clone();
    created(a)
        .cmp(&created(b))
        .then_with(|| a.name().cmp(b.name()))
}

/// What a set gets of `to_add` (or gives, when negative), of which `added` is spent.
// upstream: #GetReplicaSetProportion, #getReplicaSetFraction
pub(super) fn proportion(d: &Deployment, set: &ReplicaSet, to_add: i32, added: i32) -> i32 {
    let size = wanted(set);
    if size == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if replicas(d) == 0 {
        -size
    } else {
        let most = i64::from(replicas(d) + max_surge(d));
        let before = revision::most(set).filter(|n| *n != 0).unwrap_or_else(|| {
            d.status
                .as_ref()
                .and_then(|s| s.replicas)
                .unwrap_or_default()
        });
        if before == 0 {
            return 0;
        }
        let before = i64::from(before);
        // Rounded to the nearest.
        let next = (2 * i64::from(size) * most + before) / (2 * before);
        i32::try_from(next).unwrap_or(i32::MAX) - size
    };
    let left = to_add - added;
    if to_add > 0 {
        fraction.min(left)
    } else {
        fraction.max(left)
    }
}

/// All pods are of the present template and available.
// upstream: #DeploymentComplete
pub(super) fn complete(d: &Deployment, status: &DeploymentStatus) -> bool {
    let all = replicas(d);
    status.updated_replicas.unwrap_or_default() == all
        && status.replicas.unwrap_or_default() == all
        && status.available_replicas.unwrap_or_default() == all
        && status.observed_generation >= d.meta().generation
}
