//! Admission policies: expressions, kept as objects, that refuse or change requests.
//!
//! A policy says which requests it is about and what must hold (or is changed); bindings put it to use, with parameters.
//! Expressions are compiled once for each change of the policies. The configurations of admission itself are never subject
//! to a policy.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy

mod access;
mod authorize;
mod compiled;
pub(crate) mod expressions;
mod matching;
mod mutating;
mod params;
mod patch;
mod scope;
mod source;
mod type_checking;
mod validating;

pub use mutating::MutatingAdmissionPolicy;
pub use type_checking::{ExpressionWarning, expression_warnings};
pub use validating::ValidatingAdmissionPolicy;

pub(crate) use access::authorizer;
pub(crate) use scope::{Evaluation, Inputs};

use std::sync::Arc;

use serde_json::Value;

use super::Attributes;
use crate::Status;
use crate::registry::Registry;

/// Whether policies are not about a request at all: the configuration of admission itself, and reviews, which keep nothing.
///
/// upstream: pkg/kubeapiserver/admission/exclusion/resources.go
fn is_excluded(attributes: &Attributes<'_>) -> bool {
    let group = attributes.resource.group.as_str();
    super::rules::is_exempt(attributes)
        || matches!(group, "authentication.k8s.io" | "authorization.k8s.io")
}

/// The namespace of a request as policies see it; `None` for what is in none, and for namespaces themselves.
///
/// upstream: plugin/policy/validating/dispatcher.go#Dispatch
fn namespace_object(
    registry: &Registry,
    attributes: &Attributes<'_>,
) -> Result<Option<Arc<Value>>, Status> {
    if attributes.namespace.is_empty() || attributes.is_of("", "namespaces") {
        return Ok(None);
    }
    let missing = || {
        Status::not_found(
            &machinery::GroupResource::new("", "namespaces"),
            attributes.namespace,
        )
    };
    let namespaces = registry
        .table()
        .find("", "v1", "namespaces")
        .ok_or_else(missing)?;
    let stored = registry
        .stored(namespaces, None, attributes.namespace)
        .ok_or_else(missing)?;
    Ok(Some(Arc::new(stored.value())))
}
