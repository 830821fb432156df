//! How the RBAC tables are written down, and the objects that they say.

use serde_json::{Map, Value, json};

use super::{bindings, controllers, roles};

/// A role: its name, the cluster role that it is aggregated to (or none), its rules.
pub(super) struct Role {
    pub(super) name: &'static str,
    aggregate_to: &'static str,
    rules: &'static [Rule],
}

/// A rule; lists are separated by blanks, and `core` is the core group.
pub(super) struct Rule {
    verbs: &'static str,
    groups: &'static str,
    resources: &'static str,
    names: &'static str,
    urls: &'static str,
}

pub(super) const fn role(
    name: &'static str,
    aggregate_to: &'static str,
    rules: &'static [Rule],
) -> Role {
    Role {
        name,
        aggregate_to,
        rules,
    }
}

/// On resources.
pub(super) const fn r(verbs: &'static str, groups: &'static str, resources: &'static str) -> Rule {
    Rule {
        verbs,
        groups,
        resources,
        names: "",
        urls: "",
    }
}

/// On resources of some names.
pub(super) const fn n(
    verbs: &'static str,
    groups: &'static str,
    resources: &'static str,
    names: &'static str,
) -> Rule {
    Rule {
        verbs,
        groups,
        resources,
        names,
        urls: "",
    }
}

/// On paths.
pub(super) const fn u(verbs: &'static str, urls: &'static str) -> Rule {
    Rule {
        verbs,
        groups: "",
        resources: "",
        names: "",
        urls,
    }
}

impl Rule {
    fn object(&self) -> Value {
        let words = |text: &str| {
            text.split(' ')
                .filter(|w| !w.is_empty())
                .map(|w| Value::from(if w == "core" { "" } else { w }))
                .collect::<Vec<_>>()
        };
        let mut rule = Map::new();
        rule.insert("verbs".to_owned(), words(self.verbs).into());
        for (name, text) in [
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("nonResourceURLs", self.urls),
        ] {
            if !text.is_empty() {
                rule.insert(name.to_owned(), words(text).into());
            }
        }
        rule.into()
    }
}

/// Cluster roles whose rules are those of others.
const AGGREGATED: &[&str] = &["admin", "edit", "view"];

fn label(aggregate_to: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{aggregate_to}")
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}})
}

fn all_roles() -> impl Iterator<Item = &'static Role> {
    roles::ROLES.iter().chain(controllers::CONTROLLERS)
}

/// The rules of a cluster role; of an aggregated one those of its parts, as the aggregation controller would fill them in.
fn rules_of(role: &Role) -> Vec<Value> {
    if !AGGREGATED.contains(&role.name) {
        return role.rules.iter().map(Rule::object).collect();
    }
    let mut rules: Vec<Value> = Vec::new();
    for part in all_roles().filter(|r| r.aggregate_to == role.name) {
        for rule in rules_of(part) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    rules
}

pub(super) fn cluster_roles() -> Vec<Value> {
    all_roles()
        .map(|role| {
            let mut metadata = metadata(role.name);
            if !role.aggregate_to.is_empty()
                && let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut)
            {
                labels.insert(label(role.aggregate_to), "true".into());
            }
            let mut object = json!({"metadata": metadata, "rules": rules_of(role)});
            if AGGREGATED.contains(&role.name)
                && let Some(map) = object.as_object_mut()
            {
                let selector =
                    json!({"clusterRoleSelectors": [{"matchLabels": {label(role.name): "true"}}]});
                map.insert("aggregationRule".to_owned(), selector);
            }
            object
        })
        .collect()
}

/// A subject from `group name`, `user name` or `sa namespace/name`.
pub(super) fn subject(text: &str) -> Value {
    match text.split_once(' ') {
        Some(("sa", account)) => {
            let (namespace, name) = account.split_once('/').unwrap_or(("", account));
            json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
        }
        Some(("user", name)) => {
            json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
        }
        Some((_, name)) => {
            json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name})
        }
        None => Value::Null,
    }
}

fn binding(metadata: Value, kind: &str, role: &str, subjects: Vec<Value>) -> Value {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
    let mut object = json!({"metadata": metadata, "roleRef": role});
    if !subjects.is_empty()
        && let Some(map) = object.as_object_mut()
    {
        map.insert("subjects".to_owned(), subjects.into());
    }
    object
}

pub(super) fn cluster_role_bindings() -> Vec<Value> {
    let mut all: Vec<Value> = bindings::CLUSTER_BINDINGS
        .iter()
        .map(|(name, role, subjects)| {
            binding(
                metadata(name),
                "ClusterRole",
                role,
                subjects.iter().map(|s| subject(s)).collect(),
            )
        })
        .collect();
    for role in controllers::CONTROLLERS {
        let account = role.name.rsplit(':').next().unwrap_or(role.name);
        let subject =
            json!({"kind": "ServiceAccount", "name": account, "namespace": "kube-system"});
        all.push(binding(
            metadata(role.name),
            "ClusterRole",
            role.name,
            vec![subject],
        ));
    }
    all
}

fn namespaced(name: &str, namespace: &str) -> Value {
    let mut metadata = metadata(name);
    if let Some(map) = metadata.as_object_mut() {
        map.insert("namespace".to_owned(), namespace.into());
    }
    metadata
}

pub(super) fn roles() -> Vec<Value> {
    bindings::ROLES
        .iter()
        .map(|(namespace, role)| {
            let rules: Vec<Value> = role.rules.iter().map(Rule::object).collect();
            json!({"metadata": namespaced(role.name, namespace), "rules": rules})
        })
        .collect()
}

pub(super) fn role_bindings() -> Vec<Value> {
    bindings::BINDINGS
        .iter()
        .map(|(namespace, name, role, subjects)| {
            binding(
                namespaced(name, namespace),
                "Role",
                role,
                subjects.iter().map(|s| subject(s)).collect(),
            )
        })
        .collect()
}
