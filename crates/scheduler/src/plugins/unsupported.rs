//! What this scheduler can't do yet is refused with its reason, rather than placed wrongly.

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason};
use crate::pod_info::PodInfo;

pub(crate) struct Unsupported;

impl Plugin for Unsupported {
    fn name(&self) -> &'static str {
        "Unsupported"
    }

    fn filter(&self, pod: &PodInfo, _node: &NodeInfo) -> Result<(), Vec<Reason>> {
        let Some(spec) = pod.spec() else {
            return Ok(());
        };
        let mut reasons = Vec::new();
        let mut unsupported = |what: &str| {
            reasons.push(Reason {
                plugin: "Unsupported",
                text: format!("{what} is not supported by this scheduler"),
                unresolvable: true,
            });
        };
        if let Some(affinity) = &spec.affinity {
            let required = |terms: Option<usize>| terms.is_some_and(|n| n > 0);
            let pods = affinity.pod_affinity.as_ref();
            let anti = affinity.pod_anti_affinity.as_ref();
            if required(pods.and_then(|a| {
                a.required_during_scheduling_ignored_during_execution
                    .as_ref()
                    .map(Vec::len)
            })) {
                unsupported("required pod affinity");
            }
            if required(anti.and_then(|a| {
                a.required_during_scheduling_ignored_during_execution
                    .as_ref()
                    .map(Vec::len)
            })) {
                unsupported("required pod anti-affinity");
            }
        }
        let spread = spec
            .topology_spread_constraints
            .as_deref()
            .unwrap_or_default();
        if spread
            .iter()
            .any(|c| c.when_unsatisfiable == "DoNotSchedule")
        {
            unsupported("a topology spread constraint with DoNotSchedule");
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons)
        }
    }

    fn helps(&self, _event: ClusterEvent) -> bool {
        false
    }
}
