//! Patching an object.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go

use machinery::Status;
use serde_json::Value;

use crate::context::RequestContext;
use crate::decode::{Source, apply_patch, checked};
use crate::object::Answer;
use crate::ops::managed::Configuration;
use crate::ops::update::{self, Change};
use crate::ops::{get, subresource, write};
use crate::options::{Patch, PatchOptions, UpdateOptions};
use crate::registry::Registry;
use crate::target::Target;

/// The patches of custom resources.
///
/// upstream: customresource_handler.go#ServeHTTP
const CUSTOM_PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];

pub(crate) async fn patch(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    patch: Patch,
    options: &PatchOptions,
) -> Result<Answer, Status> {
    get::warn(context, &target.resource);
    if let Patch::Apply(body) = patch {
        if !body.is_object() {
            return Err(Status::bad_request(
                "error decoding YAML: the configuration is not an object",
            ));
        }
        let configuration = Configuration {
            body,
            force: options.force,
        };
        if target.subresource == "scale" {
            let options = &options.write;
            return subresource::scale::apply(registry, context, target, configuration, options)
                .await;
        }
        let change = Change::Apply(configuration);
        return update::change(registry, context, target, change, &options.write).await;
    }
    if let Patch::Strategic(_) = patch
        && target.resource.custom.is_some()
        && target.subresource != "scale"
    {
        return Err(Status::unsupported_media_type(CUSTOM_PATCHES));
    }
    let patch = checked(patch)?;
    if target.subresource == "scale" {
        return subresource::scale::patch(registry, context, target, &patch, &options.write).await;
    }
    update::change(
        registry,
        context,
        target,
        Change::Patch(patch),
        &options.write,
    )
    .await
}

/// The object that a patch makes of the stored one, in storage form, decoded and defaulted anew.
pub(crate) fn apply(
    context: &RequestContext,
    target: &Target,
    patch: &machinery::patch::Patch,
    old: &Value,
    options: &UpdateOptions,
) -> Result<Value, Status> {
    let resource = &target.resource;
    let mut shown = old.clone();
    write::from_storage(resource, &mut shown);
    let patched = apply_patch(&resource.gvk(), patch, shown)?;
    let mut object = write::body(
        context,
        target,
        patched,
        options.field_validation,
        Source::Patched,
    )?;
    write::match_namespace(target, &mut object)?;
    Ok(object)
}
