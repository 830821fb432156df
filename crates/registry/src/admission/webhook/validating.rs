//! Webhooks that may refuse the request. All that it concerns are called at once.
//!
//! upstream: plugin/webhook/validating/{plugin,dispatcher}.go

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::call::{self, Failure};
use super::hook::Source;
use super::matching;
use crate::Status;
use crate::admission::{Admission, Attributes, Operation, rules};
use crate::registry::Registry;

/// The plug-in.
pub struct ValidatingAdmissionWebhook {
    source: Source,
}

impl Default for ValidatingAdmissionWebhook {
    fn default() -> Self {
        Self {
            source: Source::new("validatingwebhookconfigurations"),
        }
    }
}

#[async_trait]
impl Admission for ValidatingAdmissionWebhook {
    fn name(&self) -> &'static str {
        "ValidatingAdmissionWebhook"
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
        if rules::is_exempt(attributes) {
            return Ok(());
        }
        let hooks = self.source.hooks(registry);
        let mut invocations = Vec::new();
        for hook in hooks.iter() {
            if let Some(invocation) =
                matching::invocation(registry, attributes, hook, object).await?
            {
                invocations.push(invocation);
            }
        }
        let mut calls: FuturesUnordered<_> = invocations
            .iter()
            .enumerate()
            .map(|(index, invocation)| async move {
                let called = call::call(registry, attributes, invocation, false, object).await;
                (index, invocation.hook, called)
            })
            .collect();
        let mut refused = None;
        while let Some((index, hook, called)) = calls.next().await {
            let status = match called {
                Ok(_) => continue,
                Err(Failure::Refused(status)) => status,
                Err(Failure::Calling(why)) if hook.fail => {
                    tracing::warn!(webhook = hook.name, error = why, "a webhook failed closed");
                    Status::internal(why)
                }
                Err(Failure::Calling(why)) => {
                    tracing::warn!(webhook = hook.name, error = why, "a webhook failed open");
                    attributes.context.annotate(
                        format!(
                            "failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}"
                        ),
                        hook.name.as_str(),
                    );
                    continue;
                }
            };
            refused.get_or_insert(status);
        }
        refused.map_or(Ok(()), Err)
    }
}
