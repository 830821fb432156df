//! Two pods can't have one port of a node.
// upstream: pkg/scheduler/framework/plugins/nodeports/node_ports.go

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason};
use crate::pod_info::PodInfo;

pub(crate) struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        let taken = pod
            .ports
            .iter()
            .any(|wanted| node.ports.iter().any(|have| have.conflicts(wanted)));
        if !taken {
            return Ok(());
        }
        Err(vec![Reason {
            plugin: self.name(),
            text: "node(s) didn't have free ports for the requested pod ports".to_owned(),
            unresolvable: false,
        }])
    }

    fn helps(&self, _event: ClusterEvent) -> bool {
        true
    }
}
