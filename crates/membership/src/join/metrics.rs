//! Counters of what was asked and what was answered.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    node: String,
}

/// The metrics of [`super::JoinService`].
#[derive(Clone, Default)]
pub struct JoinMetrics {
    requests: Family<Labels, Counter>,
    heartbeat_seconds: Family<NodeLabels, Gauge>,
}

impl JoinMetrics {
    /// Metrics, registered under `daas_…` names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "daas_join_requests",
            "Requests to the join endpoints by result (ok or the refusal's code)",
            metrics.requests.clone(),
        );
        registry.register(
            "daas_node_heartbeat_timestamp_seconds",
            "When a node's last valid heartbeat was received",
            metrics.heartbeat_seconds.clone(),
        );
        metrics
    }

    pub(crate) fn request(&self, endpoint: &'static str, result: &'static str) {
        self.requests
            .get_or_create(&Labels { endpoint, result })
            .inc();
    }

    pub(crate) fn heartbeat(&self, node: &str, at_ms: u64) {
        let labels = NodeLabels {
            node: node.to_owned(),
        };
        let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
        self.heartbeat_seconds.get_or_create(&labels).set(seconds);
    }
}
