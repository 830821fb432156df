//! A node takes what fits beside what it has; the emptier one is the better.
// upstream: pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated}.go

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, MAX_SCORE, Plugin, Reason};
use crate::pod_info::PodInfo;

pub(crate) struct Fit;

impl Plugin for Fit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    // upstream: #fitsRequest
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        let mut reasons = Vec::new();
        let mut lacks = |text: String, unresolvable: bool| {
            reasons.push(Reason {
                plugin: "NodeResourcesFit",
                text,
                unresolvable,
            });
        };
        let pods = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
        if pods >= node.allowed_pods {
            lacks("Too many pods".to_owned(), false);
        }
        let wanted = &pod.request.exact;
        let (have, taken) = (&node.allocatable, &node.requested);
        for (name, wanted, have, taken) in [
            ("cpu", wanted.milli_cpu, have.milli_cpu, taken.milli_cpu),
            ("memory", wanted.memory, have.memory, taken.memory),
            (
                "ephemeral-storage",
                wanted.ephemeral_storage,
                have.ephemeral_storage,
                taken.ephemeral_storage,
            ),
        ] {
            if wanted > 0 && wanted > have.saturating_sub(taken) {
                lacks(format!("Insufficient {name}"), wanted > have);
            }
        }
        for (name, wanted) in &wanted.scalar {
            let have = have.scalar.get(name).copied().unwrap_or_default();
            let taken = taken.scalar.get(name).copied().unwrap_or_default();
            if *wanted > 0 && *wanted > have.saturating_sub(taken) {
                lacks(format!("Insufficient {name}"), *wanted > have);
            }
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons)
        }
    }

    fn weight(&self) -> i64 {
        1
    }

    // upstream: #leastResourceScorer
    fn score(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let wanted = &pod.request.for_scores;
        let (have, taken) = (&node.allocatable, &node.requested_for_scores);
        let mut total = 0;
        let mut counted = 0;
        for (have, taken) in [
            (
                have.milli_cpu,
                taken.milli_cpu.saturating_add(wanted.milli_cpu),
            ),
            (have.memory, taken.memory.saturating_add(wanted.memory)),
        ] {
            if have <= 0 {
                continue;
            }
            counted += 1;
            if taken <= have {
                let free = i128::from(have - taken) * i128::from(MAX_SCORE) / i128::from(have);
                total += i64::try_from(free).unwrap_or_default();
            }
        }
        if counted == 0 { 0 } else { total / counted }
    }

    fn helps(&self, _event: ClusterEvent) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plugins::testing::{node, pod};
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn every_lacking_resource_is_named() {
        let mut small = node(
            json!({"metadata": {"name": "n"}, "status": {"allocatable": {
            "cpu": "1", "memory": "1Gi", "pods": "1"}}}),
        );
        let asking = |cpu: &str| {
            pod(
                json!({"containers": [{"name": "c", "resources": {"requests": {
                "cpu": cpu, "memory": "2Gi", "example.com/gpu": "1"}}}]}),
            )
        };
        let texts = |node: &NodeInfo, cpu: &str| {
            let reasons = Fit.filter(&asking(cpu), node).unwrap_err();
            reasons.into_iter().map(|r| r.text).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(&small, "500m"),
            ["Insufficient memory", "Insufficient example.com/gpu"]
        );
        small.add_pod(Arc::new(pod(json!({"containers": [
            {"name": "c", "resources": {"requests": {"cpu": "600m"}}}]}))));
        assert_eq!(
            texts(&small, "500m")[..2],
            ["Too many pods", "Insufficient cpu"]
        );
    }

    #[test]
    fn the_emptier_node_scores_higher() {
        let shape = json!({"metadata": {"name": "n"}, "status": {"allocatable": {
            "cpu": "4", "memory": "8Gi", "pods": "10"}}});
        let (empty, mut busy) = (node(shape.clone()), node(shape));
        busy.add_pod(Arc::new(pod(json!({"containers": [
            {"name": "c", "resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}]}))));
        let p = pod(json!({"containers": [{"name": "c"}]}));
        assert!(Fit.score(&p, &empty) > Fit.score(&p, &busy));
    }
}
