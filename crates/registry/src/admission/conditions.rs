//! Match conditions: expressions that decide whether a webhook or a policy is about a request.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go

use serde_json::Value;

use super::Attributes;
use super::policy::expressions::{Compiled, Compiler};
use super::policy::{Evaluation, Inputs, authorizer};
use crate::registry::Registry;

/// A match condition of a webhook.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    expression: String,
    program: Compiled,
}

impl Condition {
    /// Compiles.
    pub(crate) fn new(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            program: Compiler::conditions().condition(expression),
        }
    }
}

/// What the expressions may name.
pub(crate) struct Variables<'a> {
    /// `object`.
    pub(crate) object: Option<&'a Value>,
    /// `oldObject`.
    pub(crate) old: Option<&'a Value>,
    /// `request`.
    pub(crate) request: &'a Value,
}

/// Whether all conditions hold; false as soon as one does not, whatever others' errors.
pub(crate) fn matches(
    registry: &Registry,
    attributes: &Attributes<'_>,
    conditions: &[Condition],
    variables: &Variables<'_>,
) -> Result<bool, String> {
    let evaluation = Evaluation::new(
        Inputs {
            object: variables.object,
            old: variables.old,
            request: variables.request,
            namespace: None,
            params: None,
            authorizer: authorizer(registry, attributes),
            variables: &[],
        },
        cel::MATCH_CONDITIONS_BUDGET,
    );
    let conditions = conditions
        .iter()
        .map(|c| (c.expression.as_str(), &c.program));
    all_hold(evaluation, conditions)
}

/// Whether all expressions are true; an error only when none is false.
pub(crate) fn all_hold<'p>(
    mut evaluation: Evaluation<'_>,
    conditions: impl Iterator<Item = (&'p str, &'p Compiled)>,
) -> Result<bool, String> {
    let mut errors = Vec::new();
    for (expression, program) in conditions {
        match evaluation.evaluate(expression, program) {
            Ok(Ok(cel::Value::Bool(false))) => return Ok(false),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => errors.push(why),
            Err(out) => return Err(out.0),
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}
