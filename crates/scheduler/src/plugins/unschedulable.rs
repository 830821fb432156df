//! A cordoned node takes nothing but what tolerates that.
// upstream: pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go

use k8s_openapi::api::core::v1::Taint;

use super::taints::tolerates;
use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason};
use crate::pod_info::PodInfo;

pub(crate) struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        let spec = node.node.as_ref().and_then(|n| n.spec.as_ref());
        if spec.and_then(|s| s.unschedulable) != Some(true) {
            return Ok(());
        }
        let taint = Taint {
            key: "node.kubernetes.io/unschedulable".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        if tolerates(pod, &taint) {
            return Ok(());
        }
        Err(vec![Reason {
            plugin: self.name(),
            text: "node(s) were unschedulable".to_owned(),
            unresolvable: true,
        }])
    }

    fn helps(&self, event: ClusterEvent) -> bool {
        event == ClusterEvent::Node
    }
}
