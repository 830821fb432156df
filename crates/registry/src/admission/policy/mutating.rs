//! Policies that change the object.
//!
//! upstream: plugin/policy/mutating/{plugin,dispatcher}.go, plugin/policy/generic/policy_dispatcher.go

use async_trait::async_trait;
use machinery::status::Cause;
use serde_json::Value;

use super::compiled::{Binding, Mutation, Policy};
use super::scope::{Evaluation, Inputs, OutOfBudget};
use super::source::Source;
use super::{authorizer, is_excluded, namespace_object, params, patch};
use crate::Status;
use crate::admission::{Admission, Attributes, Operation, conditions, webhook};
use crate::registry::Registry;
use crate::resource::Resource;

const NAME: &str = "MutatingAdmissionPolicy";

/// The plug-in.
pub struct MutatingAdmissionPolicy {
    source: Source,
}

impl Default for MutatingAdmissionPolicy {
    fn default() -> Self {
        Self {
            source: Source::new(
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
            ),
        }
    }
}

#[async_trait]
impl Admission for MutatingAdmissionPolicy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(
            operation,
            Operation::Create | Operation::Update | Operation::Connect
        )
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let Some(object) = object else {
            return Ok(());
        };
        if is_excluded(attributes) {
            return Ok(());
        }
        let policies = self.source.policies(registry);
        if policies.is_empty() {
            return Ok(());
        }
        let again = &attributes.reinvocation;
        again.enter(NAME, Some(object));
        let mut errors = Vec::new();
        for policy in policies.iter() {
            dispatch(registry, attributes, object, policy, &mut errors).await?;
        }
        again.leave(NAME, Some(object));
        if errors.is_empty() {
            return Ok(());
        }
        let mut status = attributes.forbidden(Some(object), "admission request denied by policy");
        status.message = errors.first().cloned().unwrap_or_default();
        Err(errors.into_iter().fold(status, |status, message| {
            status.with_cause(Cause {
                message,
                ..Cause::default()
            })
        }))
    }
}

async fn dispatch(
    registry: &Registry,
    attributes: &Attributes<'_>,
    object: &mut Value,
    policy: &Policy,
    errors: &mut Vec<String>,
) -> Result<(), Status> {
    let resource = match policy.criteria.matches(registry, attributes, Some(object)) {
        Ok(Some(resource)) => resource,
        Ok(None) => return Ok(()),
        Err(why) => {
            note(policy, None, &why, errors);
            return Ok(());
        }
    };
    if let Some(why) = params::unknown(registry, policy.param_kind.as_ref()) {
        note(policy, None, &why, errors);
        return Ok(());
    }
    for binding in &policy.bindings {
        let matched = match &binding.criteria {
            None => Ok(true),
            Some(criteria) => criteria
                .matches(registry, attributes, Some(object))
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
        match params {
            Err(why) => note(policy, Some(binding), &why, errors),
            Ok(params) => {
                for (index, param) in params.iter().enumerate() {
                    let part = format!("{}/{}/{index}", policy.name, binding.name);
                    if !attributes.reinvocation.is_due(NAME, &part) {
                        continue;
                    }
                    let invocation = Invocation {
                        registry,
                        attributes,
                        resource: &resource,
                        policy,
                        params: param.as_ref(),
                    };
                    let before = object.clone();
                    if let Err(why) = invocation.run(object).await? {
                        note(policy, Some(binding), &why, errors);
                    }
                    if !machinery::equality::semantic(&before, object) {
                        attributes.reinvocation.changed(NAME);
                    }
                    if policy.reinvoke {
                        attributes.reinvocation.reinvocable(NAME, &part);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Notes an error, if the failure policy says that it counts.
fn note(policy: &Policy, binding: Option<&Binding>, why: &str, errors: &mut Vec<String>) {
    if !policy.fail {
        tracing::warn!(
            policy = policy.name,
            error = why,
            "a mutating policy failed open"
        );
        return;
    }
    errors.push(match binding {
        Some(binding) => format!(
            "policy '{}' with binding '{}' denied request: {why}",
            policy.name, binding.name
        ),
        None => format!(
            "policy {} denied request: {why}",
            machinery::go::quote(&policy.name)
        ),
    });
}

/// A policy with one parameter, for one request.
struct Invocation<'a> {
    registry: &'a Registry,
    attributes: &'a Attributes<'a>,
    resource: &'a Resource,
    policy: &'a Policy,
    params: Option<&'a Value>,
}

impl Invocation<'_> {
    /// Applies the mutations in their order; each sees what those before it made. The inner error is the policy's.
    async fn run(&self, object: &mut Value) -> Result<Result<(), String>, Status> {
        let namespace = namespace_object(self.registry, self.attributes)?;
        let namespace = namespace.as_deref();
        let old = match self.attributes.old {
            Some(old) => Some(self.shown(old).await?),
            None => None,
        };
        let old = old.as_ref();
        if !self.policy.conditions.is_empty() {
            let shown = self.shown(object).await?;
            let held = self.with_inputs(&shown, old, namespace, |inputs| {
                let conditions = self
                    .policy
                    .conditions
                    .iter()
                    .map(|c| (c.expression.as_str(), &c.program));
                let evaluation = Evaluation::new(inputs, cel::MATCH_CONDITIONS_BUDGET);
                conditions::all_hold(evaluation, conditions)
            });
            match held {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(why) => return Ok(Err(why)),
            }
        }
        for mutation in &self.policy.mutations {
            let shown = self.shown(object).await?;
            let patched = self.with_inputs(&shown, old, namespace, |inputs| {
                self.patched(inputs, mutation)
            });
            let patched = match patched {
                Ok(None) => continue,
                Ok(Some(patched)) => patched,
                Err(why) => return Ok(Err(why)),
            };
            let (attributes, resource) = (self.attributes, self.resource);
            *object =
                webhook::restored(self.registry, attributes, resource, patched, object).await?;
        }
        Ok(Ok(()))
    }

    async fn shown(&self, object: &Value) -> Result<Value, Status> {
        webhook::versioned(self.registry, self.attributes, self.resource, object).await
    }

    fn with_inputs<R>(
        &self,
        object: &Value,
        old: Option<&Value>,
        namespace: Option<&Value>,
        run: impl FnOnce(Inputs<'_>) -> R,
    ) -> R {
        let request = webhook::request(self.attributes, self.resource);
        run(Inputs {
            object: Some(object),
            old,
            request: &request,
            namespace,
            params: self.params,
            authorizer: authorizer(self.registry, self.attributes),
            variables: &self.policy.variables,
        })
    }

    /// What a mutation makes of the object that is shown; `None` when it leaves it.
    fn patched(&self, inputs: Inputs<'_>, mutation: &Mutation) -> Result<Option<Value>, String> {
        let shown = inputs.object.cloned().unwrap_or_default();
        let mut evaluation = Evaluation::new(inputs, cel::RUNTIME_BUDGET);
        let value = match evaluation.evaluate(&mutation.expression, &mutation.program) {
            Ok(result) => result?,
            Err(OutOfBudget(why)) => return Err(why),
        };
        if mutation.json_patch {
            patch::json(&value, shown)
        } else {
            patch::configuration(self.resource, &value, &shown).map(Some)
        }
    }
}
