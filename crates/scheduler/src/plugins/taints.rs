//! Taints keep pods away that don't tolerate them.
// upstream: pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason, normalize};
use crate::pod_info::PodInfo;

pub(crate) struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        let untolerated = node
            .taints()
            .iter()
            .filter(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute"))
            .find(|t| !tolerates(pod, t));
        match untolerated {
            None => Ok(()),
            Some(taint) => Err(vec![Reason {
                plugin: self.name(),
                text: format!(
                    "node(s) had untolerated taint {{{}: {}}}",
                    taint.key,
                    taint.value.as_deref().unwrap_or_default()
                ),
                unresolvable: true,
            }]),
        }
    }

    fn weight(&self) -> i64 {
        3
    }

    /// How many taints the pod would rather not meet.
    fn score(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let unwanted = node
            .taints()
            .iter()
            .filter(|t| t.effect == "PreferNoSchedule" && !tolerates(pod, t))
            .count();
        i64::try_from(unwanted).unwrap_or(i64::MAX)
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, true);
    }

    fn helps(&self, event: ClusterEvent) -> bool {
        event == ClusterEvent::Node
    }
}

/// Whether any of the pod's tolerations is for the taint.
pub(crate) fn tolerates(pod: &PodInfo, taint: &Taint) -> bool {
    let tolerations = pod.spec().and_then(|s| s.tolerations.as_deref());
    tolerations
        .unwrap_or_default()
        .iter()
        .any(|t| is_for(t, taint))
}

// upstream: staging/src/k8s.io/api/core/v1/toleration.go#ToleratesTaint
fn is_for(toleration: &Toleration, taint: &Taint) -> bool {
    let empty_or = |own: &Option<String>, other: &str| {
        own.as_deref()
            .is_none_or(|own| own.is_empty() || own == other)
    };
    if !empty_or(&toleration.effect, &taint.effect) || !empty_or(&toleration.key, &taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        None | Some("" | "Equal") => {
            toleration.value.as_deref().unwrap_or_default()
                == taint.value.as_deref().unwrap_or_default()
        }
        Some("Exists") => true,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{node, pod};
    use serde_json::json;

    #[test]
    fn only_a_matching_toleration_lets_a_pod_through() {
        let tainted = node(json!({"metadata": {"name": "n"}, "spec": {"taints": [
            {"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}}));
        let with = |toleration| pod(json!({"containers": [], "tolerations": [toleration]}));
        let ok = |toleration| TaintToleration.filter(&with(toleration), &tainted).is_ok();
        assert!(ok(json!({"key": "gpu", "operator": "Exists"})));
        assert!(ok(
            json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"})
        ));
        assert!(ok(json!({"operator": "Exists"})));
        assert!(!ok(json!({"key": "gpu", "value": "no"})));
        assert!(!ok(
            json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"})
        ));
        assert!(!ok(json!({"key": "cpu", "operator": "Exists"})));
        let refused = TaintToleration.filter(&pod(json!({"containers": []})), &tainted);
        let text = refused
            .err()
            .and_then(|r| r.first().map(|r| r.text.clone()));
        assert_eq!(
            text.as_deref(),
            Some("node(s) had untolerated taint {gpu: yes}")
        );
    }
}
