//! Who may do what: `system:masters`, the Node authoriser, RBAC, in upstream's order.

mod admission;
pub(crate) mod attributes;
pub(crate) mod escalation;
pub(crate) mod follow;
pub(crate) mod node;
pub(crate) mod node_graph;
pub(crate) mod node_rules;
pub(crate) mod rbac;
pub(crate) mod rules;

use std::sync::Arc;

use machinery::go::quote;
use machinery::{GroupResource, Status};
use registry::Registry;
use tokio_util::sync::{CancellationToken, DropGuard};

use attributes::Attributes;
use node_graph::NodeGraph;
use rbac::Rbac;
use rules::Rule;

/// A decision and, where upstream has one, its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow(String),
    NoOpinion(String),
}

impl Decision {
    pub(crate) fn allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// The authorisers over caches that follow the registry's watches. No request reads the store.
pub(crate) struct Authorizer {
    rbac: Arc<Rbac>,
    nodes: Arc<NodeGraph>,
    _tasks: DropGuard,
}

impl Authorizer {
    /// Loads the caches and starts the tasks that keep them.
    pub(crate) async fn start(registry: &Registry) -> Result<Self, Status> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let rbac = Rbac::start(registry, &stop).await?;
        let nodes = NodeGraph::start(registry, &stop).await?;
        Ok(Self {
            rbac,
            nodes,
            _tasks: guard,
        })
    }

    /// upstream: apiserver/pkg/authorization/union/union.go
    pub(crate) fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        // upstream: apiserver/pkg/authorization/authorizerfactory/builtin.go#NewPrivilegedGroups
        if attributes.user.in_group("system:masters") {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        match node::authorize(&self.nodes, attributes) {
            allow @ Decision::Allow(_) => return allow,
            Decision::NoOpinion(reason) => reasons.push(reason),
        }
        match self.rbac.authorize(attributes) {
            allow @ Decision::Allow(_) => return allow,
            Decision::NoOpinion(reason) => reasons.push(reason),
        }
        reasons.retain(|r| !r.is_empty());
        Decision::NoOpinion(reasons.join("\n"))
    }

    /// All rules that hold for a user in a namespace.
    pub(crate) fn rules_for(
        &self,
        user: &registry::UserInfo,
        namespace: &str,
    ) -> (Vec<Rule>, Vec<String>) {
        if user.in_group("system:masters") {
            // Bound to cluster-admin by the bootstrap policy too; said here in case that was deleted.
            let (mut rules, errors) = self.rbac.rules_for(user, namespace);
            if rules.is_empty() {
                rules = rules::everything();
            }
            return (rules, errors);
        }
        self.rbac.rules_for(user, namespace)
    }

    pub(crate) fn rbac(&self) -> &Rbac {
        &self.rbac
    }
}

/// 403 with upstream's text.
// upstream: apiserver/pkg/endpoints/handlers/responsewriters/errors.go#Forbidden, #ForbiddenMessage
pub(crate) fn forbidden(attributes: &Attributes<'_>, reason: &str) -> Status {
    let user = quote(&attributes.user.name);
    let mut text = if !attributes.is_resource {
        format!(
            "User {user} cannot {} path {}",
            attributes.verb,
            quote(attributes.path)
        )
    } else {
        let resource = if attributes.subresource.is_empty() {
            quote(attributes.resource)
        } else {
            quote(&format!(
                "{}/{}",
                attributes.resource, attributes.subresource
            ))
        };
        let scope = if attributes.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {}", quote(attributes.namespace))
        };
        format!(
            "User {user} cannot {} resource {resource} in API group {} {scope}",
            attributes.verb,
            quote(attributes.group)
        )
    };
    if !reason.is_empty() {
        text.push_str(": ");
        text.push_str(reason);
    }
    Status::forbidden(
        &GroupResource::new(attributes.group, attributes.resource),
        attributes.name,
        text,
    )
}
