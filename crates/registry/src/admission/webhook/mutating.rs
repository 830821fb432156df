//! Webhooks that may change the object.
//!
//! upstream: plugin/webhook/mutating/{plugin,dispatcher}.go

use async_trait::async_trait;
use machinery::patch::{Patch, PatchKind};
use serde_json::{Value, json};

use super::call::{self, Failure};
use super::hook::Source;
use super::{Invocation, matching, restored, versioned};
use crate::Status;
use crate::admission::{Admission, Attributes, Operation, rules};
use crate::registry::Registry;

const NAME: &str = "MutatingAdmissionWebhook";

/// The plug-in.
pub struct MutatingAdmissionWebhook {
    source: Source,
}

impl Default for MutatingAdmissionWebhook {
    fn default() -> Self {
        Self {
            source: Source::new("mutatingwebhookconfigurations"),
        }
    }
}

#[async_trait]
impl Admission for MutatingAdmissionWebhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn handles(&self, _operation: Operation) -> bool {
        true
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        mut object: Option<&mut Value>,
    ) -> Result<(), Status> {
        if rules::is_exempt(attributes) {
            return Ok(());
        }
        let hooks = self.source.hooks(registry);
        if hooks.is_empty() {
            return Ok(());
        }
        let again = &attributes.reinvocation;
        again.enter(NAME, object.as_deref());
        let round = u8::from(again.is_second());
        for (index, hook) in hooks.iter().enumerate() {
            let Some(invocation) =
                matching::invocation(registry, attributes, hook, object.as_deref()).await?
            else {
                continue;
            };
            if !again.is_due(NAME, &hook.uid) {
                continue;
            }
            let outcome = invoke(registry, attributes, &invocation, object.as_deref_mut()).await;
            let changed = matches!(outcome, Ok(true));
            attributes.context.annotate(
                format!("mutation.webhook.admission.k8s.io/round_{round}_index_{index}"),
                json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": changed})
                    .to_string(),
            );
            if changed {
                again.changed(NAME);
            }
            if hook.reinvoke {
                again.reinvocable(NAME, &hook.uid);
            }
            match outcome {
                Ok(_) => {}
                Err(Failure::Refused(status)) => return Err(status),
                Err(Failure::Calling(why)) if hook.fail => {
                    tracing::warn!(webhook = hook.name, error = why, "a webhook failed closed");
                    return Err(Status::internal(why));
                }
                Err(Failure::Calling(why)) => {
                    tracing::warn!(webhook = hook.name, error = why, "a webhook failed open");
                    attributes.context.annotate(
                        format!("failed-open.mutation.webhook.admission.k8s.io/round_{round}_index_{index}"),
                        hook.name.as_str(),
                    );
                }
            }
        }
        again.leave(NAME, object.as_deref());
        Ok(())
    }
}

/// Calls a webhook and applies its patch; whether the object has changed.
async fn invoke(
    registry: &Registry,
    attributes: &Attributes<'_>,
    invocation: &Invocation<'_>,
    object: Option<&mut Value>,
) -> Result<bool, Failure> {
    let patch = call::call(registry, attributes, invocation, true, object.as_deref()).await?;
    let Some(operations) = patch else {
        return Ok(false);
    };
    let refused = |why: String| Failure::Refused(Status::internal(why));
    let Some(object) = object.filter(|_| attributes.operation != Operation::Delete) else {
        return Err(refused(format!(
            "admission webhook {} attempted to modify the object, which is not supported for this operation",
            machinery::go::quote(&invocation.hook.name)
        )));
    };
    let resource = &invocation.resource;
    let patch = Patch::new(PatchKind::Json, operations).map_err(|e| refused(e.to_string()))?;
    let before = versioned(registry, attributes, resource, object)
        .await
        .map_err(Failure::Refused)?;
    let patched = patch
        .apply(None, before)
        .map_err(|e| refused(e.to_string()))?;
    let next = restored(registry, attributes, resource, patched, object)
        .await
        .map_err(Failure::Refused)?;
    let changed = !machinery::equality::semantic_opt(Some(&next), Some(object));
    *object = next;
    Ok(changed)
}
