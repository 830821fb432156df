//! RBAC over an index of bindings by subject: a decision costs what the user's own bindings cost.
// upstream: plugin/pkg/auth/authorizer/rbac/rbac.go, pkg/registry/rbac/validation/rule.go

mod index;

use std::sync::Arc;

use machinery::Status;
use machinery::go::quote;
use parking_lot::RwLock;
use registry::{Registry, UserInfo};
use tokio_util::sync::CancellationToken;

use super::Decision;
use super::attributes::Attributes;
use super::follow::{Change, follow};
use super::rules::Rule;
use index::{Binding, Index, RoleKind};

const GROUP: &str = "rbac.authorization.k8s.io";

/// The evaluator.
#[derive(Default)]
pub(crate) struct Rbac {
    index: RwLock<Index>,
}

impl Rbac {
    pub(crate) async fn start(
        registry: &Registry,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, Status> {
        let rbac = Arc::new(Self::default());
        for (plural, kind) in [
            ("clusterroles", index::Kind::ClusterRole),
            ("roles", index::Kind::Role),
            ("clusterrolebindings", index::Kind::ClusterRoleBinding),
            ("rolebindings", index::Kind::RoleBinding),
        ] {
            let shared = rbac.clone();
            follow(registry, (GROUP, "v1", plural), stop, move |change| {
                let mut index = shared.index.write();
                match change {
                    Change::Replace(all) => index.replace(kind, all.iter().map(|o| &o.json()[..])),
                    Change::Put(o) => index.put(kind, o.json()),
                    Change::Delete(o) => index.remove(kind, o.json()),
                }
            })
            .await?;
        }
        Ok(rbac)
    }

    /// Decides. The reason names the binding that allows, or roles that bindings name in vain.
    pub(crate) fn authorize(&self, a: &Attributes<'_>) -> Decision {
        let mut allowed = None;
        let mut errors = Vec::new();
        self.visit(a.user, a.namespace, |binding, subject, rules| match rules {
            Ok(rules) => {
                if rules.iter().any(|r| r.allows(a)) {
                    allowed = Some(format!(
                        "RBAC: allowed by {} of {} {} to {}",
                        binding.describe(),
                        binding.role.kind.as_str(),
                        quote(&binding.role.name),
                        subject
                    ));
                }
                allowed.is_none()
            }
            Err(missing) => {
                errors.push(missing);
                true
            }
        });
        match allowed {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(aggregate(errors)),
        }
    }

    /// All rules that hold for a user, cluster-wide and in a namespace; and what could not be resolved.
    pub(crate) fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let mut out = Vec::new();
        let mut errors = Vec::new();
        self.visit(user, namespace, |_, _, rules| {
            match rules {
                Ok(rules) => out.extend(rules.iter().cloned()),
                Err(missing) => errors.push(missing),
            }
            true
        });
        (out, errors)
    }

    /// The rules of a role, or `None` when there is none of that name.
    pub(crate) fn role_rules(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Vec<Rule>>> {
        let kind = if kind == "ClusterRole" {
            RoleKind::ClusterRole
        } else {
            RoleKind::Role
        };
        self.index.read().rules(kind, namespace, name)
    }

    /// Calls `each` for every binding of the user until it returns false: cluster-wide ones first, then the namespace's.
    fn visit(
        &self,
        user: &UserInfo,
        namespace: &str,
        mut each: impl FnMut(&Binding, String, Result<Arc<Vec<Rule>>, String>) -> bool,
    ) {
        let index = self.index.read();
        let mut scopes = vec![index.cluster()];
        if !namespace.is_empty() {
            scopes.extend(index.namespace(namespace));
        }
        for scope in scopes {
            let by_user = scope.users(&user.name).iter().map(|b| (b, None));
            let by_group = user
                .groups
                .iter()
                .flat_map(|g| scope.groups(g).iter().map(move |b| (b, Some(g))));
            for (binding, group) in by_user.chain(by_group) {
                let subject = match group {
                    Some(group) => format!("Group {}", quote(group)),
                    None => binding.describe_user(&user.name),
                };
                let rules = index
                    .rules(binding.role.kind, &binding.namespace, &binding.role.name)
                    .ok_or_else(|| {
                        format!(
                            "{}.rbac.authorization.k8s.io {} not found",
                            binding.role.kind.as_str().to_ascii_lowercase(),
                            quote(&binding.role.name)
                        )
                    });
                if !each(binding, subject, rules) {
                    return;
                }
            }
        }
    }
}

/// upstream: apimachinery/pkg/util/errors#Aggregate, behind `RBAC: `
fn aggregate(mut errors: Vec<String>) -> String {
    let mut seen = std::collections::HashSet::new();
    errors.retain(|e| seen.insert(e.clone()));
    match errors.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}
