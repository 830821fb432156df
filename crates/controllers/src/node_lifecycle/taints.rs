//! Which taints a node's conditions call for.
// upstream: pkg/controller/nodelifecycle/node_lifecycle_controller.go#nodeConditionToTaintKeyStatusMap,
// #taintKeyToNodeConditionMap, pkg/controller/util/node/controller_utils.go#SwapNodeControllerTaint

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::health::{condition, ready_status};

/// The node says that it is not ready.
pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The node says nothing.
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Its operator says that it is down and that nothing on it runs any more.
pub(crate) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Condition, its status, and the taint for that.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    (
        "MemoryPressure",
        "True",
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    (
        "NetworkUnavailable",
        "True",
        "node.kubernetes.io/network-unavailable",
    ),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];
/// Labels that are kept for old clients, and what they repeat.
// upstream: #labelReconcileInfo
const LABELS: [(&str, &str); 2] = [
    ("kubernetes.io/os", "beta.kubernetes.io/os"),
    ("kubernetes.io/arch", "beta.kubernetes.io/arch"),
];

/// A taint without value.
pub(super) fn taint(key: &str, effect: &str) -> Taint {
    Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        ..Taint::default()
    }
}

/// The node's taints with that effect.
pub(crate) fn of(node: &Node, effect: &str) -> Vec<Taint> {
    let all = node.spec.as_ref().and_then(|s| s.taints.as_deref());
    all.unwrap_or_default()
        .iter()
        .filter(|t| t.effect == effect)
        .cloned()
        .collect()
}

/// The `NoSchedule` taints that the node should have of those that are kept here.
pub(super) fn no_schedule(node: &Node) -> Vec<Taint> {
    let mut wanted: Vec<Taint> = BY_CONDITION
        .iter()
        .filter(|(kind, status, _)| condition(node, kind).is_some_and(|c| c.status == *status))
        .map(|(_, _, key)| taint(key, "NoSchedule"))
        .collect();
    if node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        wanted.push(taint(UNSCHEDULABLE, "NoSchedule"));
    }
    // A node that has said nothing yet stays as it registered.
    if ready_status(node).is_empty() {
        wanted.extend(
            of(node, "NoSchedule")
                .into_iter()
                .filter(|t| t.key == NOT_READY),
        );
    }
    wanted
}

/// The key of the `NoExecute` taint that the node should have, if any.
pub(super) fn no_execute(node: &Node) -> Option<&'static str> {
    match ready_status(node) {
        "False" => Some(NOT_READY),
        "Unknown" => Some(UNREACHABLE),
        _ => None,
    }
}

/// Whether the taint is kept here, so that it goes when it isn't wanted.
fn is_ours(taint: &Taint) -> bool {
    match taint.effect.as_str() {
        "NoSchedule" => {
            taint.key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, key)| taint.key == *key)
        }
        "NoExecute" => taint.key == NOT_READY || taint.key == UNREACHABLE,
        _ => false,
    }
}

/// The node's taints with those kept here replaced by `wanted`; `None` when they are so already.
pub(super) fn reconcile(node: &Node, wanted: &[Taint], now: Time) -> Option<Vec<Taint>> {
    let present = node.spec.as_ref().and_then(|s| s.taints.as_deref());
    let present = present.unwrap_or_default();
    let is = |a: &Taint, b: &Taint| a.key == b.key && a.effect == b.effect;
    let mut next: Vec<Taint> = present
        .iter()
        .filter(|t| !is_ours(t) || wanted.iter().any(|w| is(w, t)))
        .cloned()
        .collect();
    let kept = next.len();
    for taint in wanted {
        if !present.iter().any(|t| is(t, taint)) {
            next.push(Taint {
                time_added: Some(now.clone()),
                ..taint.clone()
            });
        }
    }
    (kept != present.len() || next.len() != kept).then_some(next)
}

/// Labels to be set, because they should repeat others.
// upstream: #reconcileNodeLabels
pub(super) fn secondary_labels(node: &Node) -> BTreeMap<&'static str, String> {
    let empty = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    LABELS
        .iter()
        .filter_map(|(primary, secondary)| {
            let value = labels.get(*primary)?;
            (labels.get(*secondary) != Some(value)).then(|| (*secondary, value.clone()))
        })
        .collect()
}

/// Whether the toleration is for the taint.
// upstream: staging/src/k8s.io/api/core/v1/toleration.go#ToleratesTaint
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let empty_or = |wanted: &Option<String>, is: &str| {
        let wanted = wanted.as_deref().unwrap_or_default();
        wanted.is_empty() || wanted == is
    };
    empty_or(&toleration.effect, &taint.effect)
        && empty_or(&toleration.key, &taint.key)
        && match toleration.operator.as_deref().unwrap_or_default() {
            "" | "Equal" => {
                toleration.value.as_deref().unwrap_or_default()
                    == taint.value.as_deref().unwrap_or_default()
            }
            "Exists" => true,
            _ => false,
        }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(ready: Option<&str>, taints: &Value, unschedulable: bool) -> Node {
        let conditions = ready.map(|s| json!([{"type": "Ready", "status": s}]));
        serde_json::from_value(json!({
            "metadata": {"name": "n"},
            "spec": {"taints": taints, "unschedulable": unschedulable},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn after(node: &Node) -> Option<Vec<String>> {
        let now = Time("2026-01-01T00:00:00Z".parse().unwrap());
        let next = reconcile(node, &no_schedule(node), now)?;
        Some(
            next.iter()
                .map(|t| format!("{}:{}", t.key, t.effect))
                .collect(),
        )
    }

    #[test]
    fn the_taint_of_registration_goes_when_the_node_is_ready_and_not_before() {
        let registered = json!([
            {"key": NOT_READY, "effect": "NoSchedule"}, {"key": "own", "effect": "NoSchedule"},
        ]);
        assert_eq!(after(&node(None, &registered, false)), None);
        assert_eq!(after(&node(Some("False"), &registered, false)), None);
        assert_eq!(
            after(&node(Some("True"), &registered, false)).unwrap(),
            ["own:NoSchedule"]
        );
        assert_eq!(
            after(&node(Some("Unknown"), &registered, true)).unwrap(),
            [
                "own:NoSchedule",
                "node.kubernetes.io/unreachable:NoSchedule",
                "node.kubernetes.io/unschedulable:NoSchedule",
            ]
        );
    }
}
