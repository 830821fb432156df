//! Match conditions: expressions that decide whether a webhook or a policy is about a request.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go

use serde_json::Value;

use super::Attributes;
use crate::registry::Registry;

/// What the expressions may name.
pub(crate) struct Variables<'a> {
    /// `object`.
    pub(crate) object: Option<&'a Value>,
    /// `oldObject`.
    pub(crate) old: Option<&'a Value>,
    /// `request`.
    pub(crate) request: &'a Value,
}

/// Whether all conditions (name, expression) hold; false as soon as one does not, whatever others' errors.
pub(crate) fn matches(
    _registry: &Registry,
    _attributes: &Attributes<'_>,
    conditions: &[(String, String)],
    variables: &Variables<'_>,
) -> Result<bool, String> {
    let _ = (variables.object, variables.old, variables.request);
    match conditions.first() {
        None => Ok(true),
        Some((name, _)) => Err(format!(
            "this server cannot evaluate the match condition {}",
            machinery::go::quote(name)
        )),
    }
}
