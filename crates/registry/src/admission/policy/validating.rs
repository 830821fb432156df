//! Policies that refuse, warn or note.
//!
//! upstream: plugin/policy/validating/{dispatcher,validator}.go

use std::collections::BTreeMap;

use async_trait::async_trait;
use machinery::Reason;
use machinery::status::Cause;
use serde_json::{Value, json};

use super::compiled::{Binding, Policy, Validation};
use super::scope::{Evaluation, Inputs, OutOfBudget};
use super::source::Source;
use super::{authorize, authorizer, is_excluded, namespace_object, params};
use crate::Status;
use crate::admission::{Admission, Attributes, Operation, conditions, webhook};
use crate::registry::Registry;
use crate::resource::Resource;

/// Longest message that an expression may make, in bytes.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/apis/cel/config.go#MaxEvaluatedMessageExpressionSizeBytes
const MAX_MESSAGE: usize = 5 * 1024;

/// Longest value of an audit annotation, in bytes.
///
/// upstream: dispatcher.go#maxAuditAnnotationValueLength
const MAX_ANNOTATION: usize = 10 * 1024;

/// The plug-in.
pub struct ValidatingAdmissionPolicy {
    source: Source,
}

impl Default for ValidatingAdmissionPolicy {
    fn default() -> Self {
        Self {
            source: Source::new(
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
            ),
        }
    }
}

/// One refusal.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: String,
}

/// What one validation came to, when it is not that all is well.
struct Decision {
    index: usize,
    message: String,
    reason: String,
}

/// What the evaluation of a policy for one parameter came to.
#[derive(Default)]
struct Outcome {
    decisions: Vec<Decision>,
    /// Key and value, or an error that refuses.
    annotations: Vec<Result<(String, String), String>>,
}

#[async_trait]
impl Admission for ValidatingAdmissionPolicy {
    fn name(&self) -> &'static str {
        "ValidatingAdmissionPolicy"
    }

    fn handles(&self, _operation: Operation) -> bool {
        true
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        if is_excluded(attributes) {
            return authorize::authorize(registry, attributes, object);
        }
        let policies = self.source.policies(registry);
        let mut denials = Vec::new();
        for policy in policies.iter() {
            dispatch(registry, attributes, object, policy, &mut denials).await?;
        }
        match denials.into_iter().next() {
            None => Ok(()),
            Some(first) => Err(refusal(attributes, object, first)),
        }
    }
}

async fn dispatch(
    registry: &Registry,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    policy: &Policy,
    denials: &mut Vec<Denial>,
) -> Result<(), Status> {
    let resource = match policy.criteria.matches(registry, attributes, object) {
        Ok(Some(resource)) => resource,
        Ok(None) => return Ok(()),
        Err(why) => {
            configuration(policy, None, &why, denials);
            return Ok(());
        }
    };
    if let Some(why) = params::unknown(registry, policy.param_kind.as_ref()) {
        configuration(policy, None, &why, denials);
        return Ok(());
    }
    let mut annotations: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for binding in &policy.bindings {
        let matched = match &binding.criteria {
            None => Ok(true),
            Some(criteria) => criteria
                .matches(registry, attributes, object)
                .map(|r| r.is_some()),
        };
        let params = match matched {
            Ok(false) => continue,
            Ok(true) => {
                let (kind, reference) = (policy.param_kind.as_ref(), binding.param_ref.as_ref());
                params::collect(registry, kind, reference, attributes.namespace).await
            }
            Err(why) => Err(why),
        };
        let params = match params {
            Ok(params) => params,
            Err(why) => {
                configuration(policy, Some(binding), &why, denials);
                continue;
            }
        };
        let outcomes = outcomes(registry, attributes, &resource, object, policy, &params).await?;
        for outcome in outcomes {
            for decision in &outcome.decisions {
                act(attributes, policy, binding, decision, denials);
            }
            for annotation in outcome.annotations {
                match annotation {
                    Ok((key, value)) => {
                        let values = annotations.entry(key).or_default();
                        if !values.contains(&value) {
                            values.push(value);
                        }
                    }
                    Err(message) => denials.push(Denial {
                        policy: policy.name.clone(),
                        binding: Some(binding.name.clone()),
                        message,
                        reason: String::new(),
                    }),
                }
            }
        }
    }
    for (key, values) in annotations {
        let key = format!("{}/{key}", policy.name);
        attributes.context.annotate(key, values.join(", "));
    }
    Ok(())
}

/// A fault of the configuration refuses, unless the failure policy says to ignore it.
fn configuration(policy: &Policy, binding: Option<&Binding>, why: &str, denials: &mut Vec<Denial>) {
    if !policy.fail {
        tracing::warn!(
            policy = policy.name,
            error = why,
            "a policy's configuration is faulty; it is ignored"
        );
        return;
    }
    let what = if binding.is_some() {
        "binding"
    } else {
        "policy"
    };
    denials.push(Denial {
        policy: policy.name.clone(),
        binding: binding.map(|b| b.name.clone()),
        message: format!("failed to configure {what}: {why}"),
        reason: String::new(),
    });
}

/// Does what a binding's actions say of a validation that failed.
fn act(
    attributes: &Attributes<'_>,
    policy: &Policy,
    binding: &Binding,
    decision: &Decision,
    denials: &mut Vec<Denial>,
) {
    for action in &binding.actions {
        match action.as_str() {
            "Deny" => denials.push(Denial {
                policy: policy.name.clone(),
                binding: Some(binding.name.clone()),
                message: decision.message.clone(),
                reason: decision.reason.clone(),
            }),
            "Warn" => attributes.context.warn(format!(
                "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                policy.name, binding.name, decision.message
            )),
            "Audit" => {
                let value = json!([{
                    "message": decision.message,
                    "policy": policy.name,
                    "binding": binding.name,
                    "expressionIndex": decision.index,
                    "validationActions": binding.actions,
                }]);
                attributes.context.annotate(
                    "validation.policy.admission.k8s.io/validation_failure",
                    value.to_string(),
                );
            }
            _ => {}
        }
    }
}

async fn outcomes(
    registry: &Registry,
    attributes: &Attributes<'_>,
    resource: &Resource,
    object: Option<&Value>,
    policy: &Policy,
    params: &[Option<Value>],
) -> Result<Vec<Outcome>, Status> {
    let mut shown = [None, None];
    for (slot, object) in shown.iter_mut().zip([object, attributes.old]) {
        if let Some(object) = object {
            *slot = Some(webhook::versioned(registry, attributes, resource, object).await?);
        }
    }
    let [object, old] = shown;
    let request = webhook::request(attributes, resource);
    let namespace = namespace_object(registry, attributes)?;
    let outcomes = params.iter().map(|params| {
        let inputs = || Inputs {
            object: object.as_ref(),
            old: old.as_ref(),
            request: &request,
            namespace: namespace.as_deref(),
            params: params.as_ref(),
            authorizer: authorizer(registry, attributes),
            variables: &policy.variables,
        };
        evaluate(policy, &inputs)
    });
    Ok(outcomes.collect())
}

/// upstream: validator.go#validator.Validate
fn evaluate<'a>(policy: &'a Policy, inputs: &dyn Fn() -> Inputs<'a>) -> Outcome {
    let failed = |message: String| Outcome {
        // What an error means is the failure policy's word.
        decisions: if policy.fail {
            vec![Decision {
                index: 0,
                message,
                reason: String::new(),
            }]
        } else {
            Vec::new()
        },
        annotations: Vec::new(),
    };
    if !policy.conditions.is_empty() {
        let conditions = policy
            .conditions
            .iter()
            .map(|c| (c.expression.as_str(), &c.program));
        let evaluation = Evaluation::new(inputs(), cel::MATCH_CONDITIONS_BUDGET);
        match conditions::all_hold(evaluation, conditions) {
            Ok(true) => {}
            Ok(false) => return Outcome::default(),
            Err(why) => return failed(why),
        }
    }
    let mut evaluation = Evaluation::new(inputs(), cel::RUNTIME_BUDGET);
    let mut results = Vec::with_capacity(policy.validations.len());
    for validation in &policy.validations {
        match evaluation.evaluate(&validation.expression, &validation.program) {
            Ok(result) => results.push(result),
            Err(OutOfBudget(why)) => return failed(why),
        }
    }
    let mut outcome = Outcome::default();
    for (index, (validation, result)) in policy.validations.iter().zip(results).enumerate() {
        match result {
            Ok(cel::Value::Bool(true)) => {}
            Err(message) if policy.fail => outcome.decisions.push(Decision {
                index,
                message,
                reason: String::new(),
            }),
            Err(_) => {}
            Ok(_) => outcome.decisions.push(Decision {
                index,
                message: message(&mut evaluation, validation),
                reason: validation.reason.clone(),
            }),
        }
    }
    let mut evaluation = Evaluation::new(inputs(), cel::RUNTIME_BUDGET);
    for annotation in &policy.annotations {
        let result = match evaluation.evaluate(&annotation.expression, &annotation.program) {
            Ok(result) => result,
            Err(OutOfBudget(why)) => return failed(why),
        };
        let noted = match result {
            Ok(cel::Value::String(text)) => Ok(text.trim().to_owned()),
            Ok(cel::Value::Null) => continue,
            Ok(other) => Err(format!(
                "valueExpression '{}' resulted in unsupported return type: {}. Return type must be either string or null.",
                annotation.expression,
                other.type_name()
            )),
            Err(why) => Err(why),
        };
        match noted {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let end = (0..=text.len().min(MAX_ANNOTATION))
                    .rev()
                    .find(|i| text.is_char_boundary(*i));
                let text = text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
                outcome
                    .annotations
                    .push(Ok((annotation.name.clone(), text)));
            }
            Err(why) if policy.fail => outcome.annotations.push(Err(why)),
            Err(_) => {}
        }
    }
    outcome
}

/// The message of a failed validation: that of its expression when it is usable, its own, or the expression.
fn message(evaluation: &mut Evaluation<'_>, validation: &Validation) -> String {
    if let Some((expression, program)) = &validation.message_expression
        && let Ok(Ok(cel::Value::String(text))) = evaluation.evaluate(expression, program)
    {
        let text = text.trim();
        if !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n') {
            return text.to_owned();
        }
    }
    match validation.message.trim() {
        "" => format!("failed expression: {}", validation.expression.trim()),
        message => message.to_owned(),
    }
}

fn refusal(attributes: &Attributes<'_>, object: Option<&Value>, denial: Denial) -> Status {
    let with = denial
        .binding
        .map(|b| format!(" with binding '{b}'"))
        .unwrap_or_default();
    let message = format!(
        "ValidatingAdmissionPolicy '{}'{with} denied request: {}",
        denial.policy, denial.message
    );
    let mut status = attributes.forbidden(object, &message);
    status.reason = match Reason::from_wire(&denial.reason) {
        Reason::Unknown => Reason::Invalid,
        reason => reason,
    };
    // upstream: plugin/policy/validating/policy_decision.go#ReasonToCode
    status.code = match status.reason {
        Reason::Forbidden | Reason::Unauthorized | Reason::RequestEntityTooLarge => {
            status.reason.code()
        }
        _ => 422,
    };
    status.with_cause(Cause {
        message,
        ..Cause::default()
    })
}
