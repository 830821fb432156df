//! Roles of stakers: the groups that a stake's tier gives.

use serde_json::{Value, json};

use super::rbac::subject;

fn role(name: &str, rules: &Value) -> Value {
    json!({"metadata": {"name": name, "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}}, "rules": rules})
}

fn binding(name: &str, role: &str, group: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject(&format!("group {group}"))]})
}

/// Plural and object.
pub(super) fn objects() -> Vec<(&'static str, Value)> {
    let read = ["get", "list", "watch"];
    // An operator sees what runs on the machines, and no tenant's secrets or configuration.
    let operator = json!([
        {"verbs": read, "apiGroups": [""], "resources": ["nodes", "nodes/status", "namespaces", "pods", "pods/status", "events"]},
        {"verbs": read, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
        {"verbs": read, "apiGroups": ["events.k8s.io"], "resources": ["events"]},
    ]);
    // A user sees what is needed to use the cluster; rights in a namespace come from a binding there.
    let user = json!([
        {"verbs": read, "apiGroups": [""], "resources": ["namespaces", "nodes"]},
        {"verbs": read, "apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"]},
        {"verbs": read, "apiGroups": ["scheduling.k8s.io"], "resources": ["priorityclasses"]},
        {"verbs": read, "apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"]},
        {"verbs": read, "apiGroups": ["node.k8s.io"], "resources": ["runtimeclasses"]},
    ]);
    vec![
        ("clusterroles", role("daas:operator", &operator)),
        ("clusterroles", role("daas:user", &user)),
        (
            "clusterrolebindings",
            binding("daas:admin", "cluster-admin", "daas:admin"),
        ),
        (
            "clusterrolebindings",
            binding("daas:operator", "daas:operator", "daas:operator"),
        ),
        (
            "clusterrolebindings",
            binding("daas:user", "daas:user", "daas:user"),
        ),
    ]
}
