//! Which pods go first when there are too many.
// upstream: pkg/controller/replicaset/replica_set.go#getPodsToDelete,
// pkg/controller/controller_utils.go#ActivePodsWithRanks.Less

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use crate::clock::Clock;
use crate::meta::Meta;
use crate::pod;

/// The `count` pods to delete. `related` are the pods among which crowding on a node is counted.
pub(super) fn to_delete(
    pods: &[Arc<Pod>],
    related: &[Arc<Pod>],
    count: usize,
    clock: &Clock,
) -> Vec<Arc<Pod>> {
    let mut sorted = pods.to_vec();
    if count < sorted.len() {
        let mut crowd: HashMap<&str, usize> = HashMap::new();
        for pod in related {
            *crowd.entry(pod::node(pod)).or_default() += 1;
        }
        let rank = |p: &Pod| crowd.get(pod::node(p)).copied().unwrap_or_default();
        sorted.sort_by(|a, b| compare(a, b, rank(a), rank(b), clock));
    }
    sorted.truncate(count);
    sorted
}

fn compare(a: &Pod, b: &Pod, rank_a: usize, rank_b: usize, clock: &Clock) -> Ordering {
    let assigned = |p: &Pod| !pod::node(p).is_empty();
    let phase = |p: &Pod| match pod::phase(p) {
        "" | "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let cost = |p: &Pod| {
        p.annotation(pod::DELETION_COST)
            .and_then(|c| c.parse::<i32>().ok())
            .unwrap_or_default()
    };
    let by_ready_time = || {
        if !(pod::ready(a) && pod::ready(b)) {
            return Ordering::Equal;
        }
        younger(pod::ready_since(a), pod::ready_since(b), clock)
    };
    let created = |p: &Pod| p.meta().creation_timestamp.as_ref().map(|t| t.0);
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| pod::ready(a).cmp(&pod::ready(b)))
        .then_with(|| cost(a).cmp(&cost(b)))
        .then_with(|| rank_b.cmp(&rank_a))
        .then_with(by_ready_time)
        .then_with(|| pod::restarts(b).cmp(&pod::restarts(a)))
        .then_with(|| younger(created(a), created(b), clock))
        // Among equals the choice is arbitrary but the same each time.
        .then_with(|| a.uid().cmp(b.uid()))
}

/// The younger first, ages compared by order of magnitude.
// upstream: controller_utils.go#logarithmicRankDiff, #afterOrZero
fn younger(a: Option<Timestamp>, b: Option<Timestamp>, clock: &Clock) -> Ordering {
    let magnitude = |t: Option<Timestamp>| match t {
        // No time counts as the youngest.
        None => 0,
        Some(t) => u64::BITS - clock.since(t).as_secs().leading_zeros(),
    };
    magnitude(a).cmp(&magnitude(b))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    fn pod(
        name: &str,
        node: &str,
        phase: &str,
        ready_for: Option<i64>,
        extra: (i32, i32),
    ) -> Arc<Pod> {
        let now = Clock::Wall.now();
        let conditions: Vec<_> = ready_for
            .iter()
            .map(|s| {
                json!({"type": "Ready", "status": "True",
                    "lastTransitionTime": Time(now - SignedDuration::from_secs(*s))})
            })
            .collect();
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {"name": name, "uid": name,
                    "annotations": {pod::DELETION_COST: extra.0.to_string()}},
                "spec": {"nodeName": node, "containers": []},
                "status": {"phase": phase, "conditions": conditions, "containerStatuses": [
                    {"name": "c", "restartCount": extra.1, "ready": true, "image": "", "imageID": ""}]},
            }))
            .unwrap(),
        )
    }

    #[test]
    fn the_order_is_upstreams() {
        let in_order = [
            pod("unassigned", "", "Pending", None, (0, 0)),
            pod("pending", "a", "Pending", None, (0, 0)),
            pod("unknown", "a", "Unknown", None, (0, 0)),
            pod("not-ready", "a", "Running", None, (0, 0)),
            pod("cheap", "b", "Running", Some(1000), (-5, 0)),
            pod("crowded", "a", "Running", Some(1000), (0, 0)),
            pod("young", "b", "Running", Some(3), (0, 0)),
            pod("restarted", "b", "Running", Some(1000), (0, 7)),
            pod("steady-1", "b", "Running", Some(1000), (0, 1)),
            pod("steady-2", "b", "Running", Some(1001), (0, 1)),
        ];
        let related = [
            pod("x", "a", "Running", None, (0, 0)),
            pod("y", "a", "Running", None, (0, 0)),
            pod("z", "b", "Running", None, (0, 0)),
        ];
        let mut pods = in_order.to_vec();
        pods.reverse();
        let picked = to_delete(&pods, &related, in_order.len() - 1, &Clock::Wall);
        let names: Vec<_> = picked.iter().map(|p| p.name()).collect();
        let wanted: Vec<_> = in_order.iter().take(9).map(|p| p.name()).collect();
        assert_eq!(names, wanted);
    }
}
