//! Revisions and the other annotations that a deployment leaves on its replica sets.
// upstream: pkg/controller/deployment/util/deployment_util.go

use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::math;
use crate::meta::{Meta, annotate};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const NOT_COPIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];
/// The most characters of the history.
// upstream: #maxRevHistoryLengthInChars
const MAX_HISTORY: usize = 2000;

/// The revision of an object, 0 when it has none.
pub(super) fn of<T: Metadata<Ty = ObjectMeta>>(object: &T) -> i64 {
    object
        .annotation(REVISION)
        .and_then(|r| r.parse().ok())
        .unwrap_or_default()
}

fn number(set: &ReplicaSet, name: &str) -> Option<i32> {
    set.annotation(name)?.parse().ok()
}

/// The deployment's replicas when the set was last scaled.
pub(super) fn desired(set: &ReplicaSet) -> Option<i32> {
    number(set, DESIRED)
}

/// The most replicas that the deployment might have then.
pub(super) fn most(set: &ReplicaSet) -> Option<i32> {
    number(set, MOST)
}

/// Writes both; whether that changed them.
// upstream: #SetReplicasAnnotations
pub(super) fn set_sizes(set: &mut ReplicaSet, d: &Deployment) -> bool {
    let desired = math::replicas(d);
    let most = desired + math::max_surge(d);
    let a = annotate(&mut set.metadata, DESIRED, &desired.to_string());
    let b = annotate(&mut set.metadata, MOST, &most.to_string());
    a || b
}

/// Writes the deployment's annotations and the revision to its new set; whether that changed the set.
// upstream: #SetNewReplicaSetAnnotations
pub(super) fn set_new(set: &mut ReplicaSet, d: &Deployment, revision: i64, exists: bool) -> bool {
    let mut changed = false;
    for (name, value) in d.meta().annotations.iter().flatten() {
        if !NOT_COPIED.contains(&name.as_str()) {
            changed |= annotate(&mut set.metadata, name, value);
        }
    }
    let old = set.annotation(REVISION).map(str::to_owned);
    if of(set) < revision {
        annotate(&mut set.metadata, REVISION, &revision.to_string());
        changed = true;
        // The set had another revision before: an undo came back to it.
        if let Some(old) = old.filter(|o| !o.is_empty()) {
            let history = set.annotation(HISTORY).unwrap_or_default();
            let mut all: Vec<&str> = history.split(',').filter(|r| !r.is_empty()).collect();
            all.push(&old);
            while all.iter().map(|r| r.len() + 1).sum::<usize>() > MAX_HISTORY {
                all.remove(0);
            }
            let history = all.join(",");
            annotate(&mut set.metadata, HISTORY, &history);
        }
    }
    if !exists {
        changed |= set_sizes(set, d);
    }
    changed
}
