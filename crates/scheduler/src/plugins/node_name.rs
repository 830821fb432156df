//! A pod that names its node goes nowhere else.
// upstream: pkg/scheduler/framework/plugins/nodename/node_name.go

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason};
use crate::pod_info::PodInfo;

pub(crate) struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        match pod.node_name() {
            Some(name) if name != node.name() => Err(vec![Reason {
                plugin: self.name(),
                text: "node(s) didn't match the requested node name".to_owned(),
                unresolvable: true,
            }]),
            _ => Ok(()),
        }
    }

    fn helps(&self, event: ClusterEvent) -> bool {
        event == ClusterEvent::Node
    }
}
