//! Roles by name and bindings by subject.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use machinery::go::quote;
use serde::Deserialize;

use crate::authz::rules::Rule;

/// Which of the four resources an object is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ClusterRole,
    Role,
    ClusterRoleBinding,
    RoleBinding,
}

/// What a binding refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoleKind {
    ClusterRole,
    Role,
}

impl RoleKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ClusterRole => "ClusterRole",
            Self::Role => "Role",
        }
    }
}

#[derive(Debug)]
pub(super) struct RoleRef {
    pub(super) kind: RoleKind,
    pub(super) name: String,
}

/// A binding of either kind; a ClusterRoleBinding has no namespace.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) role: RoleRef,
    users: Vec<String>,
    groups: Vec<String>,
}

impl Binding {
    // upstream: pkg/registry/rbac/validation/rule.go#clusterRoleBindingDescriber, #roleBindingDescriber
    pub(super) fn describe(&self) -> String {
        if self.namespace.is_empty() {
            format!("ClusterRoleBinding {}", quote(&self.name))
        } else {
            format!(
                "RoleBinding {}",
                quote(&format!("{}/{}", self.name, self.namespace))
            )
        }
    }

    // upstream: #describeSubject
    pub(super) fn describe_user(&self, user: &str) -> String {
        match user
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'))
        {
            Some((namespace, name)) => {
                format!("ServiceAccount {}", quote(&format!("{name}/{namespace}")))
            }
            None => format!("User {}", quote(user)),
        }
    }
}

/// Bindings of one scope by whom they bind.
#[derive(Default)]
pub(super) struct Scope {
    by_name: BTreeMap<String, Arc<Binding>>,
    users: HashMap<String, Vec<Arc<Binding>>>,
    groups: HashMap<String, Vec<Arc<Binding>>>,
}

impl Scope {
    pub(super) fn users(&self, name: &str) -> &[Arc<Binding>] {
        self.users.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn groups(&self, name: &str) -> &[Arc<Binding>] {
        self.groups.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn put(&mut self, binding: Arc<Binding>) {
        self.remove(&binding.name);
        let insert = |list: &mut Vec<Arc<Binding>>| {
            if !list.iter().any(|b| b.name == binding.name) {
                list.push(binding.clone());
            }
        };
        for user in &binding.users {
            insert(self.users.entry(user.clone()).or_default());
        }
        for group in &binding.groups {
            insert(self.groups.entry(group.clone()).or_default());
        }
        self.by_name.insert(binding.name.clone(), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(old) = self.by_name.remove(name) else {
            return;
        };
        let drop_from = |map: &mut HashMap<String, Vec<Arc<Binding>>>, key: &str| {
            if let Some(list) = map.get_mut(key) {
                list.retain(|b| b.name != name);
                if list.is_empty() {
                    map.remove(key);
                }
            }
        };
        for user in &old.users {
            drop_from(&mut self.users, user);
        }
        for group in &old.groups {
            drop_from(&mut self.groups, group);
        }
    }
}

struct ClusterRole {
    own: Arc<Vec<Rule>>,
    labels: BTreeMap<String, String>,
    selectors: Vec<Selector>,
    effective: Arc<Vec<Rule>>,
}

/// All roles and bindings.
#[derive(Default)]
pub(super) struct Index {
    cluster_roles: BTreeMap<String, ClusterRole>,
    roles: HashMap<String, HashMap<String, Arc<Vec<Rule>>>>,
    cluster: Scope,
    namespaces: HashMap<String, Scope>,
}

impl Index {
    pub(super) fn cluster(&self) -> &Scope {
        &self.cluster
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&Scope> {
        self.namespaces.get(name)
    }

    pub(super) fn rules(
        &self,
        kind: RoleKind,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Vec<Rule>>> {
        match kind {
            RoleKind::ClusterRole => self.cluster_roles.get(name).map(|r| r.effective.clone()),
            RoleKind::Role => self.roles.get(namespace)?.get(name).cloned(),
        }
    }

    pub(super) fn replace<'a>(&mut self, kind: Kind, all: impl Iterator<Item = &'a [u8]>) {
        match kind {
            Kind::ClusterRole => self.cluster_roles.clear(),
            Kind::Role => self.roles.clear(),
            Kind::ClusterRoleBinding => self.cluster = Scope::default(),
            Kind::RoleBinding => self.namespaces.clear(),
        }
        for json in all {
            self.put_one(kind, json);
        }
        if kind == Kind::ClusterRole {
            self.aggregate();
        }
    }

    pub(super) fn put(&mut self, kind: Kind, json: &[u8]) {
        self.put_one(kind, json);
        if kind == Kind::ClusterRole {
            self.aggregate();
        }
    }

    fn put_one(&mut self, kind: Kind, json: &[u8]) {
        let wire: Wire = match serde_json::from_slice(json) {
            Ok(wire) => wire,
            Err(error) => {
                // A role that cannot be read grants nothing.
                tracing::error!(?kind, %error, "an RBAC object cannot be read");
                return;
            }
        };
        let Wire {
            metadata,
            rules,
            aggregation_rule,
            role_ref,
            subjects,
        } = wire;
        match kind {
            Kind::ClusterRole => {
                let own = Arc::new(rules);
                let role = ClusterRole {
                    effective: own.clone(),
                    own,
                    labels: metadata.labels,
                    selectors: aggregation_rule
                        .map(|a| a.cluster_role_selectors)
                        .unwrap_or_default(),
                };
                self.cluster_roles.insert(metadata.name, role);
            }
            Kind::Role => {
                self.roles
                    .entry(metadata.namespace)
                    .or_default()
                    .insert(metadata.name, Arc::new(rules));
            }
            Kind::ClusterRoleBinding | Kind::RoleBinding => {
                let namespace = metadata.namespace;
                let mut binding = Binding {
                    namespace: namespace.clone(),
                    name: metadata.name,
                    role: RoleRef {
                        kind: if role_ref.kind == "ClusterRole" {
                            RoleKind::ClusterRole
                        } else {
                            RoleKind::Role
                        },
                        name: role_ref.name,
                    },
                    users: Vec::new(),
                    groups: Vec::new(),
                };
                for subject in subjects {
                    match subject.kind.as_str() {
                        "User" => binding.users.push(subject.name),
                        "Group" => binding.groups.push(subject.name),
                        "ServiceAccount" => {
                            let ns = if subject.namespace.is_empty() {
                                &namespace
                            } else {
                                &subject.namespace
                            };
                            if !ns.is_empty() {
                                binding
                                    .users
                                    .push(format!("system:serviceaccount:{ns}:{}", subject.name));
                            }
                        }
                        _ => {}
                    }
                }
                let scope = match kind {
                    Kind::ClusterRoleBinding => &mut self.cluster,
                    _ => self.namespaces.entry(namespace).or_default(),
                };
                scope.put(Arc::new(binding));
            }
        }
    }

    pub(super) fn remove(&mut self, kind: Kind, json: &[u8]) {
        let Ok(Wire { metadata, .. }) = serde_json::from_slice(json) else {
            return;
        };
        match kind {
            Kind::ClusterRole => {
                self.cluster_roles.remove(&metadata.name);
                self.aggregate();
            }
            Kind::Role => {
                if let Some(roles) = self.roles.get_mut(&metadata.namespace) {
                    roles.remove(&metadata.name);
                }
            }
            Kind::ClusterRoleBinding => self.cluster.remove(&metadata.name),
            Kind::RoleBinding => {
                if let Some(scope) = self.namespaces.get_mut(&metadata.namespace) {
                    scope.remove(&metadata.name);
                }
            }
        }
    }

    /// Gives roles with an aggregation rule the rules of all roles that it selects, as the aggregation controller
    /// would write them; roles aggregated into those count too.
    // upstream: pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go
    fn aggregate(&mut self) {
        let names: Vec<String> = self
            .cluster_roles
            .iter()
            .filter(|(_, r)| !r.selectors.is_empty())
            .map(|(n, _)| n.clone())
            .collect();
        for name in &names {
            if let Some(role) = self.cluster_roles.get_mut(name) {
                role.effective = role.own.clone();
            }
        }
        // Aggregation may go through other aggregated roles (view into edit into admin).
        for _ in 0..names.len() {
            let mut changed = false;
            for name in &names {
                let Some(role) = self.cluster_roles.get(name) else {
                    continue;
                };
                let mut rules = role.own.as_ref().clone();
                for (other, r) in &self.cluster_roles {
                    if other != name && role.selectors.iter().any(|s| s.matches(&r.labels)) {
                        for rule in r.effective.iter() {
                            if !rules.contains(rule) {
                                rules.push(rule.clone());
                            }
                        }
                    }
                }
                if *role.effective != rules {
                    changed = true;
                    if let Some(role) = self.cluster_roles.get_mut(name) {
                        role.effective = Arc::new(rules);
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    metadata: Meta,
    #[serde(default, deserialize_with = "nullable")]
    rules: Vec<Rule>,
    #[serde(default)]
    aggregation_rule: Option<Aggregation>,
    #[serde(default)]
    role_ref: WireRef,
    #[serde(default, deserialize_with = "nullable")]
    subjects: Vec<Subject>,
}

fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aggregation {
    #[serde(default)]
    cluster_role_selectors: Vec<Selector>,
}

#[derive(Deserialize, Default)]
struct WireRef {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Selector {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(k, v)| labels.get(k) == Some(v))
            && self.match_expressions.iter().all(|e| {
                let value = labels.get(&e.key);
                match e.operator.as_str() {
                    "In" => value.is_some_and(|v| e.values.contains(v)),
                    "NotIn" => value.is_none_or(|v| !e.values.contains(v)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregation_goes_through_roles_and_follows_changes() {
        let mut index = Index::default();
        let role = |name: &str, label: &str, select: &str, resource: &str| {
            serde_json::json!({
                "metadata": {"name": name, "labels": {label: "true"}},
                "rules": if resource.is_empty() { serde_json::json!([]) } else {
                    serde_json::json!([{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]) },
                "aggregationRule": if select.is_empty() { serde_json::json!(null) } else {
                    serde_json::json!({"clusterRoleSelectors": [{"matchLabels": {select: "true"}}]}) },
            })
            .to_string()
        };
        let all = [
            role("admin", "x", "to-admin", ""),
            role("edit", "to-admin", "to-edit", ""),
            role("part", "to-edit", "", "pods"),
        ];
        index.replace(Kind::ClusterRole, all.iter().map(String::as_bytes));
        let admin = |index: &Index| {
            index
                .rules(RoleKind::ClusterRole, "", "admin")
                .map(|r| r.len())
        };
        assert_eq!(admin(&index), Some(1));
        index.put(
            Kind::ClusterRole,
            role("more", "to-edit", "", "secrets").as_bytes(),
        );
        assert_eq!(admin(&index), Some(2));
        index.remove(Kind::ClusterRole, role("part", "", "", "").as_bytes());
        // What is not selected any more goes away from every level.
        index.replace(Kind::ClusterRole, all.iter().take(2).map(String::as_bytes));
        assert_eq!(admin(&index), Some(0));
    }

    #[test]
    fn bindings_move_with_their_subjects() {
        let mut index = Index::default();
        let binding = |user: &str| {
            serde_json::json!({"metadata": {"name": "b", "namespace": "n"}, "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "User", "name": user}, {"kind": "ServiceAccount", "name": "sa"}]})
            .to_string()
        };
        index.put(Kind::RoleBinding, binding("a").as_bytes());
        index.put(Kind::RoleBinding, binding("b").as_bytes());
        let count = |user: &str| index.namespace("n").map_or(0, |s| s.users(user).len());
        assert_eq!(
            (count("a"), count("b"), count("system:serviceaccount:n:sa")),
            (0, 1, 1)
        );
    }
}
