//! A pod with what scheduling asks of it, computed once.

use std::sync::Arc;

use informer::Key;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::resources::PodRequest;

/// A port that a pod takes on its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPort {
    /// Address, `0.0.0.0` for all.
    pub(crate) ip: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) protocol: String,
    /// The port.
    pub(crate) port: i32,
}

impl HostPort {
    /// Whether both can't be on one node.
    // upstream: pkg/scheduler/framework/types.go#HostPortInfo.CheckConflict
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        const ANY: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == ANY || other.ip == ANY)
    }
}

/// A pod and what was computed of it.
#[derive(Clone, Debug)]
pub(crate) struct PodInfo {
    pub(crate) key: Key,
    pub(crate) pod: Arc<Pod>,
    pub(crate) request: PodRequest,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) priority: i32,
}

impl PodInfo {
    pub(crate) fn new(pod: Arc<Pod>) -> Self {
        let spec = pod.spec.as_ref();
        Self {
            key: Key::of(&pod.metadata),
            request: spec.map(PodRequest::of).unwrap_or_default(),
            ports: spec.map(host_ports).unwrap_or_default(),
            priority: spec.and_then(|s| s.priority).unwrap_or_default(),
            pod,
        }
    }

    pub(crate) fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(crate) fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    pub(crate) fn node_name(&self) -> Option<&str> {
        node_name(&self.pod)
    }
}

/// The node that a pod is bound to.
pub(crate) fn node_name(pod: &Pod) -> Option<&str> {
    let name = pod.spec.as_ref()?.node_name.as_deref()?;
    (!name.is_empty()).then_some(name)
}

/// Whether a pod is over: it takes nothing of its node any more.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|c| c.restart_policy.as_deref() == Some("Always"));
    spec.containers
        .iter()
        .chain(sidecars)
        .flat_map(|c| c.ports.iter().flatten())
        .filter_map(|p| {
            let text = |t: &Option<String>, default: &str| {
                t.clone()
                    .filter(|t| !t.is_empty())
                    .unwrap_or_else(|| default.to_owned())
            };
            Some(HostPort {
                port: p.host_port.filter(|port| *port > 0)?,
                ip: text(&p.host_ip, "0.0.0.0"),
                protocol: text(&p.protocol, "TCP"),
            })
        })
        .collect()
}
