//! Which requests a webhook or a policy is about: `rules`.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules/rules.go

use serde_json::Value;

use super::{Attributes, Operation};
use crate::resource::Resource;
use crate::value::Read;

/// Kinds that admission itself is configured with: no webhook and no policy may lock them.
///
/// upstream: rules.go#IsExemptAdmissionConfigurationResource
const EXEMPT: &[&str] = &[
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];

/// Whether a request is about the configuration of admission itself.
pub fn is_exempt(attributes: &Attributes<'_>) -> bool {
    attributes.resource.group == "admissionregistration.k8s.io"
        && EXEMPT.contains(&attributes.resource.plural.as_str())
}

/// Where a rule's objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Any,
    Cluster,
    Namespaced,
}

/// One parsed entry of `rules` or `resourceRules`.
#[derive(Clone, Debug)]
pub struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// Resource and subresource; the latter empty for the main endpoint.
    resources: Vec<(String, String)>,
    names: Vec<String>,
    scope: Scope,
}

impl Rule {
    /// Reads a rule as the API stores it.
    pub fn parse(rule: &Value) -> Self {
        let texts = |name: &str| -> Vec<String> {
            rule.list(name)
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect()
        };
        Self {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: texts("resources")
                .into_iter()
                .map(|text| match text.split_once('/') {
                    Some((resource, sub)) => (resource.to_owned(), sub.to_owned()),
                    None => (text, String::new()),
                })
                .collect(),
            names: texts("resourceNames"),
            scope: match rule.text("scope") {
                "Cluster" => Scope::Cluster,
                "Namespaced" => Scope::Namespaced,
                _ => Scope::Any,
            },
        }
    }

    /// Whether a request is one of the rule's, seen as a request for `resource` (the request's own, or an equivalent one).
    pub fn matches(&self, attributes: &Attributes<'_>, resource: &Resource) -> bool {
        let any = |list: &[String], text: &str| list.iter().any(|e| e == "*" || e == text);
        any(&self.operations, operation(attributes.operation))
            && any(&self.groups, &resource.group)
            && any(&self.versions, &resource.version)
            && self.resources.iter().any(|(plural, sub)| {
                (plural == "*" || *plural == resource.plural)
                    && (sub == "*" || sub == attributes.subresource)
            })
            && (self.names.is_empty() || self.names.iter().any(|n| n == attributes.name))
            && self.in_scope(attributes)
    }

    fn in_scope(&self, attributes: &Attributes<'_>) -> bool {
        // A namespace object is in its own namespace for admission, but cluster-scoped.
        let cluster = attributes.is_of("", "namespaces") || attributes.namespace.is_empty();
        match self.scope {
            Scope::Any => true,
            Scope::Cluster => cluster,
            Scope::Namespaced => !cluster,
        }
    }
}

fn operation(operation: Operation) -> &'static str {
    operation.as_str()
}
