//! Of two nodes the one is better whose CPU and memory are taken alike.
// upstream: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, MAX_SCORE, Plugin};
use crate::pod_info::PodInfo;

pub(crate) struct BalancedAllocation;

impl Plugin for BalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn weight(&self) -> i64 {
        1
    }

    // upstream: #balancedResourceScorer: for two resources the deviation is half their distance.
    fn score(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let wanted = &pod.request.exact;
        let (have, taken) = (&node.allocatable, &node.requested);
        let share = |have: i64, taken: i64| {
            if have <= 0 {
                return None;
            }
            #[allow(clippy::cast_precision_loss, reason = "a score needs no exact shares")]
            let share = taken as f64 / have as f64;
            Some(share.min(1.0))
        };
        let cpu = share(
            have.milli_cpu,
            taken.milli_cpu.saturating_add(wanted.milli_cpu),
        );
        let memory = share(have.memory, taken.memory.saturating_add(wanted.memory));
        let (Some(cpu), Some(memory)) = (cpu, memory) else {
            return 0;
        };
        #[allow(clippy::cast_possible_truncation, reason = "between 0 and 100")]
        let score = ((1.0 - (cpu - memory).abs() / 2.0) * 100.0) as i64;
        score.clamp(0, MAX_SCORE)
    }

    fn helps(&self, _event: ClusterEvent) -> bool {
        false
    }
}
