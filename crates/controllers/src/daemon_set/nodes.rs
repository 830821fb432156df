//! Which nodes a DaemonSet's pods are for.
// upstream: pkg/controller/daemon/daemon_controller.go#NodeShouldRunDaemonPod, #predicates

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod};
use machinery::labels::{Operator, Requirement};

use super::template;
use crate::meta::Meta;
use crate::node_lifecycle::taints::tolerates;

/// Whether a node is to have a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// One is to be made.
    pub(super) run: bool,
    /// One that is there may stay.
    pub(super) keep: bool,
}

/// Whether nothing changed that decides.
pub(super) fn same(old: &Node, new: &Node) -> bool {
    let spec = |n: &Node| n.spec.clone().unwrap_or_default();
    old.metadata.labels == new.metadata.labels
        && spec(old).taints == spec(new).taints
        && spec(old).unschedulable == spec(new).unschedulable
        && old.name() == new.name()
}

/// The node that a pod runs on, or is for.
// upstream: pkg/controller/daemon/util/daemonset_util.go#GetTargetNodeName
pub(super) fn target(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    if let Some(node) = spec.node_name.as_deref().filter(|n| !n.is_empty()) {
        return Some(node);
    }
    let required = spec
        .affinity
        .as_ref()?
        .node_affinity
        .as_ref()?
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    required.node_selector_terms.iter().find_map(|term| {
        let field = term
            .match_fields
            .iter()
            .flatten()
            .find(|f| f.key == "metadata.name" && f.operator == "In")?;
        match field.values.as_deref()? {
            [name] => Some(name.as_str()),
            _ => None,
        }
    })
}

pub(super) fn fit(set: &DaemonSet, node: &Node) -> Fit {
    const NO: Fit = Fit {
        run: false,
        keep: false,
    };
    let Some(spec) = set.spec.as_ref().and_then(|s| s.template.spec.as_ref()) else {
        return NO;
    };
    if spec
        .node_name
        .as_deref()
        .is_some_and(|n| !n.is_empty() && n != node.name())
    {
        return NO;
    }
    let label = |key: &str| node.label(key);
    let selected = spec
        .node_selector
        .iter()
        .flatten()
        .all(|(k, v)| label(k) == Some(v));
    let required = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| {
            a.required_during_scheduling_ignored_during_execution
                .as_ref()
        });
    let wanted = required.is_none_or(|r| r.node_selector_terms.iter().any(|t| matches(t, node)));
    if !selected || !wanted {
        return NO;
    }
    let mut tolerations = spec.tolerations.clone().unwrap_or_default();
    template::tolerate(&mut tolerations, spec.host_network == Some(true));
    let taints = node.spec.as_ref().and_then(|s| s.taints.as_deref());
    let untolerated = |effects: &[&str]| {
        taints.unwrap_or_default().iter().any(|taint| {
            effects.contains(&taint.effect.as_str())
                && !tolerations.iter().any(|t| tolerates(t, taint))
        })
    };
    Fit {
        run: !untolerated(&["NoSchedule", "NoExecute"]),
        keep: !untolerated(&["NoExecute"]),
    }
}

/// A term without requirements selects nothing.
// upstream: staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity
fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    expressions
        .iter()
        .all(|e| requirement(e, node.label(&e.key)))
        && fields
            .iter()
            .all(|f| f.key == "metadata.name" && requirement(f, Some(node.name())))
}

fn requirement(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let operator = match wanted.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return false,
    };
    let values = wanted.values.clone().unwrap_or_default();
    Requirement::new(&wanted.key, operator, values).is_ok_and(|r| r.matches(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn set(spec: &Value) -> DaemonSet {
        let mut full = json!({"containers": []});
        for (k, v) in spec.as_object().unwrap() {
            full[k] = v.clone();
        }
        serde_json::from_value(json!({"metadata": {"name": "d"}, "spec": {"selector": {},
            "template": {"spec": full}}}))
        .unwrap()
    }

    fn node(spec: &Value) -> Node {
        serde_json::from_value(
            json!({"metadata": {"name": "n1", "labels": {"disk": "ssd", "cores": "8"}},
            "spec": spec}),
        )
        .unwrap()
    }

    #[test]
    fn nodes_that_fit() {
        let fits = |spec: Value, taints: Value| {
            let fit = fit(&set(&spec), &node(&json!({"taints": taints})));
            (fit.run, fit.keep)
        };
        assert_eq!(fits(json!({}), json!([])), (true, true));
        assert_eq!(
            fits(json!({"nodeSelector": {"disk": "hdd"}}), json!([])),
            (false, false)
        );
        assert_eq!(fits(json!({"nodeName": "n2"}), json!([])), (false, false));
        let affinity = |operator: &str, values: Value| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "cores", "operator": operator, "values": values}]}]}}}})
        };
        assert_eq!(fits(affinity("Gt", json!(["4"])), json!([])), (true, true));
        assert_eq!(
            fits(affinity("Lt", json!(["4"])), json!([])),
            (false, false)
        );
        let taint = |key: &str, effect: &str| json!([{"key": key, "effect": effect}]);
        assert_eq!(fits(json!({}), taint("own", "NoSchedule")), (false, true));
        assert_eq!(fits(json!({}), taint("own", "NoExecute")), (false, false));
        // What every daemon bears.
        for key in ["not-ready", "unreachable"] {
            let taint = taint(&format!("node.kubernetes.io/{key}"), "NoExecute");
            assert_eq!(fits(json!({}), taint), (true, true), "{key}");
        }
        let unschedulable = taint("node.kubernetes.io/unschedulable", "NoSchedule");
        assert_eq!(fits(json!({}), unschedulable), (true, true));
    }
}
