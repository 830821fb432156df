//! The plugins, in upstream's default order.
// upstream: pkg/scheduler/apis/config/v1/default_plugins.go#getDefaultPlugins

mod balanced;
mod fit;
mod node_affinity;
mod node_name;
mod node_ports;
mod taints;
mod unschedulable;
mod unsupported;

use crate::plugin::Plugin;

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(unschedulable::NodeUnschedulable),
        Box::new(node_name::NodeName),
        Box::new(taints::TaintToleration),
        Box::new(node_affinity::NodeAffinity),
        Box::new(node_ports::NodePorts),
        Box::new(fit::Fit),
        Box::new(unsupported::Unsupported),
        Box::new(balanced::BalancedAllocation),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing {
    use std::sync::Arc;

    use crate::node_info::NodeInfo;
    use crate::pod_info::PodInfo;

    /// A pod of this spec.
    pub(crate) fn pod(spec: serde_json::Value) -> PodInfo {
        let pod = serde_json::json!({
            "metadata": {"namespace": "ns", "name": "pod", "uid": "1"}, "spec": spec,
        });
        PodInfo::new(Arc::new(serde_json::from_value(pod).unwrap()))
    }

    /// A node of this form.
    pub(crate) fn node(node: serde_json::Value) -> NodeInfo {
        let mut info = NodeInfo::default();
        info.set_node(Arc::new(serde_json::from_value(node).unwrap()));
        info
    }
}
