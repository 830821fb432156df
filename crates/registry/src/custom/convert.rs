//! Between versions of a custom resource.
//!
//! upstream: apiextensions-apiserver/pkg/apiserver/conversion

use std::time::Duration;

use apiextensions::conversion::{Review, nop};
use async_trait::async_trait;
use machinery::{ObjectExt, Reason, Status};
use serde_json::Value;
use webhook::{ClientConfig, MAX_ANSWER};

use super::{Custom, Defined, Shape};
use crate::registry::Registry;
use crate::value::to_bytes;

/// How long a webhook may take.
///
/// upstream: apiserver/pkg/util/webhook/client.go
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many times larger than the request an answer may be.
const GROWTH: usize = 4;

/// Asks conversion webhooks in place of the registry's own client.
#[async_trait]
pub trait ConversionWebhooks: Send + Sync + 'static {
    /// Posts a ConversionReview to the server of a `spec.conversion.webhook.clientConfig`; its answer's body, or why there
    /// is none. `name` names the webhook in messages.
    async fn call(
        &self,
        name: &str,
        client_config: &Value,
        review: &Value,
    ) -> Result<Value, String>;
}

/// 500 with upstream's bare text.
fn failed(why: String) -> Status {
    Status::failure(500, Reason::Unknown, why)
}

impl Custom {
    /// Whether conversion needs to ask a webhook.
    pub(super) fn by_webhook(&self) -> bool {
        strategy(&self.defined) == "Webhook"
    }

    /// Converts objects (each read in a version of its own) to the row's version.
    pub(crate) async fn to_own(
        &self,
        registry: &Registry,
        objects: Vec<Value>,
    ) -> Result<Vec<Value>, Status> {
        self.convert(registry, objects, &self.shape).await
    }

    /// Converts an object of the row's version to the storage version.
    pub(super) async fn to_storage(
        &self,
        registry: &Registry,
        object: Value,
    ) -> Result<Value, Status> {
        let storage = &self.defined.storage;
        let converted = self.convert(registry, vec![object], storage).await?;
        converted
            .into_iter()
            .next()
            .ok_or_else(|| failed("the conversion gave nothing".to_owned()))
    }

    async fn convert(
        &self,
        registry: &Registry,
        objects: Vec<Value>,
        to: &Shape,
    ) -> Result<Vec<Value>, Status> {
        let (mut out, mut places, mut asked) = (Vec::with_capacity(objects.len()), vec![], vec![]);
        for (i, mut object) in objects.into_iter().enumerate() {
            if object.api_version() != to.api_version {
                if self.by_webhook() {
                    places.push(i);
                    asked.push(object.clone());
                } else {
                    nop(&mut object, &to.api_version);
                    to.version().read(&mut object);
                }
            }
            out.push(object);
        }
        if asked.is_empty() {
            return Ok(out);
        }
        let converted = self.ask(registry, &asked, &to.api_version).await?;
        for (i, mut object) in places.into_iter().zip(converted) {
            to.version().read(&mut object);
            if let Some(slot) = out.get_mut(i) {
                *slot = object;
            }
        }
        Ok(out)
    }

    async fn ask(
        &self,
        registry: &Registry,
        objects: &[Value],
        desired: &str,
    ) -> Result<Vec<Value>, Status> {
        let definition = &self.defined.definition;
        let first = objects.first().map(ObjectExt::api_version);
        let gvk = format!(
            "{}, Kind={}",
            first.unwrap_or_default(),
            definition.spec.names.kind
        );
        let webhook = definition
            .spec
            .conversion
            .as_ref()
            .and_then(|c| c.webhook.as_ref());
        let Some((webhook, config)) = webhook.and_then(|w| Some((w, w.client_config.as_ref()?)))
        else {
            return Err(failed(format!(
                "conversion webhook for {gvk} failed: none is configured"
            )));
        };
        let uid = machinery::Uid::random();
        let review = Review::new(&webhook.conversion_review_versions, desired, uid.as_str())
            .map_err(failed)?;
        let name = format!("conversion_webhook_for_{}", definition.metadata.name);
        let request = review.request(objects);
        let answered = match registry.inner.conversions.get() {
            Some(client) => client.call(&name, config, &request).await,
            None => post(registry, config, &request).await,
        };
        let body = answered
            .map_err(|why| failed(format!("conversion webhook for {gvk} failed: {why}")))?;
        review.answer(&gvk, objects, &body).map_err(failed)
    }
}

/// Posts a review with the registry's own client.
async fn post(registry: &Registry, config: &Value, review: &Value) -> Result<Value, String> {
    let client = ClientConfig::parse(config).map_err(|e| e.to_string())?;
    let body = to_bytes(review);
    let limit = body.len().saturating_mul(GROWTH).max(MAX_ANSWER);
    let answer = registry
        .backends()
        .post(registry, &client, body, TIMEOUT, limit)
        .await
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&answer.body).map_err(|e| e.to_string())
}

fn strategy(defined: &Defined) -> &str {
    defined
        .definition
        .spec
        .conversion
        .as_ref()
        .map_or("None", |c| c.strategy.as_str())
}
