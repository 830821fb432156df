//! A pod's node selector and node affinity.
// upstream: pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go,
// staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodSpec};

use crate::node_info::NodeInfo;
use crate::plugin::{ClusterEvent, Plugin, Reason, normalize};
use crate::pod_info::PodInfo;

pub(crate) struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Vec<Reason>> {
        if pod.spec().is_none_or(|spec| required(spec, node)) {
            return Ok(());
        }
        Err(vec![Reason {
            plugin: self.name(),
            text: "node(s) didn't match Pod's node affinity/selector".to_owned(),
            unresolvable: true,
        }])
    }

    fn weight(&self) -> i64 {
        2
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let affinity = pod
            .spec()
            .and_then(|s| s.affinity.as_ref()?.node_affinity.as_ref());
        let preferred = affinity.and_then(|a| {
            a.preferred_during_scheduling_ignored_during_execution
                .as_ref()
        });
        preferred
            .into_iter()
            .flatten()
            .filter(|p| p.weight > 0 && matches_term(&p.preference, node))
            .map(|p| i64::from(p.weight))
            .sum()
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, false);
    }

    fn helps(&self, event: ClusterEvent) -> bool {
        event == ClusterEvent::Node
    }
}

// upstream: #GetRequiredNodeAffinity
fn required(spec: &PodSpec, node: &NodeInfo) -> bool {
    let selector = spec.node_selector.iter().flatten();
    if selector
        .into_iter()
        .any(|(key, value)| node.label(key) != Some(value))
    {
        return false;
    }
    let affinity = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref());
    let terms = affinity
        .and_then(|a| {
            a.required_during_scheduling_ignored_during_execution
                .as_ref()
        })
        .map(|selector| &selector.node_selector_terms);
    // The terms are alternatives; none at all matches nothing.
    terms.is_none_or(|terms| terms.iter().any(|term| matches_term(term, node)))
}

/// All requirements of the term; an empty term matches nothing.
fn matches_term(term: &NodeSelectorTerm, node: &NodeInfo) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    expressions.iter().all(|r| matches(r, node.label(&r.key)))
        && fields.iter().all(|r| {
            let value = (r.key == "metadata.name").then(|| node.name());
            matches(r, value)
        })
}

// upstream: staging/src/k8s.io/apimachinery/pkg/labels/selector.go#Requirement.Matches
fn matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|v| values.iter().any(|w| w == v));
    let compared = |f: fn(i64, i64) -> bool| {
        let number = value.and_then(|v| v.parse().ok());
        let bound = values.first().and_then(|w| w.parse().ok());
        matches!((number, bound), (Some(n), Some(b)) if f(n, b))
    };
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared(|n, b| n > b),
        "Lt" => compared(|n, b| n < b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{node, pod};
    use serde_json::{Value, json};

    fn goes(spec: Value) -> bool {
        let n = node(json!({"metadata": {"name": "n", "labels": {"zone": "a", "cores": "8"}}}));
        NodeAffinity.filter(&pod(spec), &n).is_ok()
    }

    fn affinity(term: Value) -> Value {
        json!({"containers": [], "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
    }

    #[test]
    fn selector_and_affinity_are_both_required() {
        assert!(goes(json!({"containers": []})));
        assert!(goes(
            json!({"containers": [], "nodeSelector": {"zone": "a"}})
        ));
        assert!(!goes(
            json!({"containers": [], "nodeSelector": {"zone": "b"}})
        ));
        let expression = |key: &str, operator: &str, values: Value| {
            goes(affinity(json!({"matchExpressions": [
                {"key": key, "operator": operator, "values": values}]})))
        };
        assert!(expression("zone", "In", json!(["b", "a"])));
        assert!(!expression("zone", "NotIn", json!(["a"])));
        assert!(expression("gpu", "NotIn", json!(["a"])), "absent is not in");
        assert!(expression("gpu", "DoesNotExist", json!([])));
        assert!(expression("cores", "Gt", json!(["4"])));
        assert!(!expression("cores", "Lt", json!(["8"])));
        assert!(!expression("zone", "Gt", json!(["4"])));
        assert!(!goes(affinity(json!({}))), "an empty term matches nothing");
        assert!(goes(affinity(json!({"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["n"]}]}))));
    }
}
