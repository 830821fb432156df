//! Scopes of quotas: which pods they count.
//!
//! upstream: pkg/quota/v1/evaluator/core/pods.go#podMatchesScopeFunc

use machinery::ObjectExt;
use serde_json::Value;

use crate::strategy::qos;
use crate::value::Read;

/// What scopes look at.
pub(super) struct Traits {
    terminating: bool,
    best_effort: bool,
    priority_class: String,
    crosses_namespaces: bool,
}

impl Traits {
    pub(super) fn of(pod: &Value) -> Self {
        let spec = pod.field("spec").unwrap_or(&Value::Null);
        Self {
            terminating: spec.int("activeDeadlineSeconds").is_some_and(|s| s >= 0),
            best_effort: qos::class(pod) == "BestEffort",
            priority_class: spec.text("priorityClassName").to_owned(),
            crosses_namespaces: crosses_namespaces(spec),
        }
    }

    /// Whether a requirement `(scope, operator, values)` holds.
    fn satisfies(&self, scope: &str, operator: &str, values: &[Value]) -> bool {
        match scope {
            "Terminating" => self.terminating,
            "NotTerminating" => !self.terminating,
            "BestEffort" => self.best_effort,
            "NotBestEffort" => !self.best_effort,
            "CrossNamespacePodAffinity" => self.crosses_namespaces,
            "PriorityClass" => {
                let class = self.priority_class.as_str();
                let listed = values.iter().any(|v| v.as_str() == Some(class));
                match operator {
                    "In" => !class.is_empty() && listed,
                    "NotIn" => !listed,
                    "DoesNotExist" => class.is_empty(),
                    _ => !class.is_empty(),
                }
            }
            _ => false,
        }
    }
}

fn crosses_namespaces(spec: &Value) -> bool {
    let crosses =
        |term: &Value| !term.list("namespaces").is_empty() || term.has("namespaceSelector");
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let Some(affinity) = spec.at(&["affinity", kind]) else {
            return false;
        };
        affinity
            .list("requiredDuringSchedulingIgnoredDuringExecution")
            .iter()
            .any(crosses)
            || affinity
                .list("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .filter_map(|p| p.member("podAffinityTerm"))
                .any(crosses)
    })
}

/// Whether a quota counts an object; what isn't a pod is counted by quotas without scopes only.
pub(super) fn matches(quota: &Value, traits: Option<&Traits>) -> bool {
    let spec = quota.field("spec").unwrap_or(&Value::Null);
    let plain = spec
        .list("scopes")
        .iter()
        .filter_map(Value::as_str)
        .map(|scope| (scope, "Exists", &[] as &[Value]));
    let selected = spec
        .at(&["scopeSelector"])
        .map(|s| s.list("matchExpressions"))
        .unwrap_or_default()
        .iter()
        .map(|e| (e.text("scopeName"), e.text("operator"), e.list("values")));
    plain.chain(selected).all(|(scope, operator, values)| {
        traits.is_some_and(|t| t.satisfies(scope, operator, values))
    })
}
