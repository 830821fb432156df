//! A node with what is taken of it.
// upstream: pkg/scheduler/framework/types.go#NodeInfo

use std::collections::BTreeMap;
use std::sync::Arc;

use informer::Key;
use k8s_openapi::api::core::v1::{Node, Taint};
use machinery::quantity::Quantity;

use crate::pod_info::{HostPort, PodInfo};
use crate::resources::Resources;

/// A node and the pods on it, assumed ones included.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeInfo {
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) allocatable: Resources,
    pub(crate) allowed_pods: i64,
    pub(crate) requested: Resources,
    pub(crate) requested_for_scores: Resources,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) pods: BTreeMap<Key, Arc<PodInfo>>,
}

impl NodeInfo {
    pub(crate) fn set_node(&mut self, node: Arc<Node>) {
        let allocatable = node.status.as_ref().and_then(|s| s.allocatable.as_ref());
        self.allocatable = Resources::of(allocatable.into_iter().flatten());
        self.allowed_pods = allocatable
            .and_then(|a| a.get("pods"))
            .and_then(|q| Quantity::parse(&q.0).ok())
            .map_or(0, |q| q.value());
        self.node = Some(node);
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.node.as_ref().and_then(|n| n.metadata.name.as_deref());
        name.unwrap_or_default()
    }

    pub(crate) fn taints(&self) -> &[Taint] {
        let spec = self.node.as_ref().and_then(|n| n.spec.as_ref());
        spec.and_then(|s| s.taints.as_deref()).unwrap_or_default()
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let labels = self.node.as_ref()?.metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    pub(crate) fn add_pod(&mut self, pod: Arc<PodInfo>) {
        self.remove_pod(&pod.key);
        self.requested.add(&pod.request.exact);
        self.requested_for_scores.add(&pod.request.for_scores);
        self.ports.extend(pod.ports.iter().cloned());
        self.pods.insert(pod.key.clone(), pod);
    }

    pub(crate) fn remove_pod(&mut self, key: &Key) {
        let Some(pod) = self.pods.remove(key) else {
            return;
        };
        self.requested.subtract(&pod.request.exact);
        self.requested_for_scores.subtract(&pod.request.for_scores);
        for port in &pod.ports {
            if let Some(position) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(position);
            }
        }
    }
}
