//! Admission webhooks: servers that are asked before an object is written.
//!
//! Mutating ones are called one after another and may patch the object; validating ones at once. Which are called, in which
//! version they see the object, what their failures mean and what they may answer is upstream's. The configurations of
//! admission itself are never subject to a webhook.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/

mod call;
mod hook;
mod matching;
mod mutating;
mod review;
mod validating;

pub use mutating::MutatingAdmissionWebhook;
pub use validating::ValidatingAdmissionWebhook;

use std::sync::Arc;

use machinery::{Gvk, ObjectExt, Status};
use serde_json::Value;

use super::Attributes;
use crate::ops::{subresource::scale, write};
use crate::registry::Registry;
use crate::resource::Resource;

/// `request` as expressions see it, in the version of `resource`.
pub(super) fn request(attributes: &Attributes<'_>, resource: &Resource) -> Value {
    review::request(attributes, resource, Value::Null, Value::Null, "")
}

/// A request as one webhook sees it.
struct Invocation<'a> {
    hook: &'a hook::Hook,
    /// The request's resource, or the equivalent one that the webhook's rules name.
    resource: Arc<Resource>,
}

/// What kind of body a request on a resource or its subresource has.
fn kind(resource: &Resource, subresource: &str) -> Gvk {
    if subresource.is_empty() {
        return resource.gvk();
    }
    match resource.subresource(subresource) {
        Some(sub) => {
            let (group, version) = sub
                .group_version
                .unwrap_or((resource.group.as_str(), resource.version.as_str()));
            Gvk::new(group, version, &*sub.kind)
        }
        None => resource.gvk(),
    }
}

/// An admitted object (in storage form) as a webhook is shown it: in the version of its rule, and of `scale` the Scale.
pub(super) fn shown(attributes: &Attributes<'_>, resource: &Resource, object: &Value) -> Value {
    if attributes.subresource == "scale" && object.kind() != "Scale" {
        return scale::scale_of(attributes.resource, object);
    }
    let mut object = object.clone();
    if object.kind() == resource.kind {
        write::from_storage(resource, &mut object);
    }
    object
}

/// The same for a webhook: a custom resource's other versions may need its conversion webhook.
pub(super) async fn versioned(
    registry: &Registry,
    attributes: &Attributes<'_>,
    resource: &Resource,
    object: &Value,
) -> Result<Value, Status> {
    match &resource.custom {
        Some(custom) if is_other(attributes, resource) && object.kind() == resource.kind => {
            let converted = custom.to_own(registry, vec![object.clone()]).await?;
            one(converted)
        }
        _ => Ok(shown(attributes, resource, object)),
    }
}

/// What a webhook made of what [`versioned`] showed it.
pub(super) async fn restored(
    registry: &Registry,
    attributes: &Attributes<'_>,
    resource: &Resource,
    patched: Value,
    object: &Value,
) -> Result<Value, Status> {
    let next = taken(attributes, resource, patched, object)?;
    match &attributes.resource.custom {
        Some(custom) if is_other(attributes, resource) && next.kind() == resource.kind => {
            one(custom.to_own(registry, vec![next]).await?)
        }
        _ => Ok(next),
    }
}

pub(super) fn is_other(attributes: &Attributes<'_>, resource: &Resource) -> bool {
    resource.version != attributes.resource.version || resource.group != attributes.resource.group
}

fn one(converted: Vec<Value>) -> Result<Value, Status> {
    converted
        .into_iter()
        .next()
        .ok_or_else(|| Status::internal("the conversion gave nothing"))
}

/// The other way round: what a webhook made of the object that it was shown.
pub(super) fn taken(
    attributes: &Attributes<'_>,
    resource: &Resource,
    patched: Value,
    object: &Value,
) -> Result<Value, crate::Status> {
    if attributes.subresource == "scale" && object.kind() != "Scale" {
        let replicas = patched
            .at(&["spec", "replicas"])
            .cloned()
            .unwrap_or_else(|| 0.into());
        if !replicas.is_i64() && !replicas.is_u64() {
            return Err(crate::Status::internal(
                "json: cannot unmarshal a value that is not an integer into Go struct field ScaleSpec.spec.replicas of type \
                 int32",
            ));
        }
        let mut next = object.clone();
        next.set_at(&["spec", "replicas"], replicas);
        return Ok(next);
    }
    if object.kind() != resource.kind {
        return Ok(patched);
    }
    let mut next = crate::decode::decode(
        attributes.context,
        resource,
        patched,
        crate::options::FieldValidation::Ignore,
        crate::decode::Source::Body,
    )
    .map_err(|status| crate::Status::internal(status.message))?;
    write::to_storage(resource, &mut next);
    attributes.resource.strategy.default(&mut next);
    Ok(next)
}
