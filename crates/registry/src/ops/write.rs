//! What creates and updates share: decoding, namespaces, preparation and validation of new objects.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/create.go#BeforeCreate

use machinery::{ObjectExt, Status, Uid, names, time};
use serde_json::Value;

use crate::admission::{Attributes, Operation, Reinvocation, RequestOptions};
use crate::context::RequestContext;
use crate::decode::{Source, complete, decode};
use crate::meta;
use crate::options::{CreateOptions, FieldValidation};
use crate::registry::Registry;
use crate::resource::Resource;
use crate::strategy::StrategyContext;
use crate::target::Target;
use crate::value::Write as _;

/// A body as an object of the target's kind, in storage form, defaulted.
pub(crate) fn body(
    context: &RequestContext,
    target: &Target,
    body: Value,
    validation: FieldValidation,
    source: Source,
) -> Result<Value, Status> {
    let mut object = decode(context, &target.resource, body, validation, source)?;
    to_storage(&target.resource, &mut object);
    target.resource.strategy.default(&mut object);
    Ok(object)
}

pub(crate) fn to_storage(resource: &Resource, object: &mut Value) {
    if let Some(conversion) = resource.conversion {
        conversion.to_storage(object);
    }
}

pub(crate) fn from_storage(resource: &Resource, object: &mut Value) {
    if let Some(conversion) = resource.conversion {
        conversion.to_served(object);
    }
}

/// The object's namespace becomes the request's; another one is refused.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/meta.go#EnsureObjectNamespaceMatchesRequestNamespace
pub(crate) fn match_namespace(target: &Target, object: &mut Value) -> Result<(), Status> {
    let wanted = if target.resource.namespaced {
        target.namespace()
    } else {
        ""
    };
    let given = object.namespace();
    if !given.is_empty() && !wanted.is_empty() && given != wanted {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if target.resource.namespaced && wanted.is_empty() && given.is_empty() {
        return Err(Status::bad_request("namespace is required"));
    }
    if given != wanted && !(target.resource.namespaced && wanted.is_empty()) {
        let wanted = wanted.to_owned();
        object.set_meta_text("namespace", &wanted);
    }
    Ok(())
}

/// The name in the body must be the URL's; an empty one is filled in.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/rest.go#checkName
pub(crate) fn match_name(target: &Target, object: &mut Value) -> Result<(), Status> {
    if target.name.is_empty() {
        return Ok(());
    }
    let given = object.name();
    if given.is_empty() {
        object.set_meta_text("name", &target.name);
    } else if given != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.name
        )));
    }
    Ok(())
}

/// The context of a strategy's calls in this request.
pub(crate) fn strategy_context<'a>(
    context: &'a RequestContext,
    target: &'a Target,
    dry_run: bool,
) -> StrategyContext<'a> {
    StrategyContext {
        user: context.user(),
        namespace: target.namespace(),
        now: jiff::Timestamp::now(),
        dry_run,
        request: context,
    }
}

/// Attributes of the request for admission. A namespace object is in its own namespace, as upstream has it.
pub(crate) fn attributes<'a>(
    context: &'a RequestContext,
    target: &'a Target,
    name: &'a str,
    operation: Operation,
    old: Option<&'a Value>,
    options: impl Into<RequestOptions<'a>>,
) -> Attributes<'a> {
    let options = options.into();
    let of_namespace = target.resource.group.is_empty() && target.resource.plural == "namespaces";
    let namespace = if of_namespace {
        name
    } else {
        target.namespace()
    };
    Attributes {
        context,
        resource: &target.resource,
        subresource: &target.subresource,
        namespace,
        name,
        operation,
        old,
        dry_run: options.dry_run(),
        options,
        reinvocation: Reinvocation::default(),
    }
}

/// Makes a decoded, admitted object one that may be committed as new: system fields, preparation, validation.
pub(crate) async fn prepare_new(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    mut object: Value,
    options: &CreateOptions,
) -> Result<Value, Status> {
    let resource = &target.resource;
    let strategy = &resource.strategy;
    for name in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        object.remove_at(&["metadata", name]);
    }
    let surroundings = strategy_context(context, target, options.dry_run);
    object.set_meta_text("uid", Uid::random().as_str());
    object.set_meta_text("creationTimestamp", &time::format(surroundings.now));
    if object.name().is_empty() && !object.generate_name().is_empty() {
        let name = names::generate(object.generate_name());
        object.set_meta_text("name", &name);
    }
    strategy.prepare_for_create(&surroundings, &mut object);
    if strategy.generation() {
        object.set_generation(1);
    }
    let mut errors = meta::validate(&object, resource);
    errors.extend(strategy.validate(&surroundings, &object));
    if !errors.is_empty() {
        return Err(Status::invalid(
            &resource.group_kind(),
            object.name(),
            &errors,
        ));
    }
    for warning in strategy.warnings(&object, None) {
        context.warn(warning);
    }
    let name = object.name().to_owned();
    let attributes = attributes(context, target, &name, Operation::Create, None, options);
    registry
        .inner
        .options
        .admission
        .validate(registry, &attributes, Some(&object))
        .await?;
    if !object.resource_version().is_empty() {
        return Err(Status::failure(
            500,
            machinery::Reason::Unknown,
            "resourceVersion should not be set on objects to be created",
        ));
    }
    object.remove_at(&["metadata", "resourceVersion"]);
    complete(&mut object);
    Ok(object)
}

/// Merges duplicate owner references (by uid) away, with a warning.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go#dedupOwnerReferencesAndAddWarning
pub(crate) fn dedup_owners(context: &RequestContext, object: &mut Value) {
    let Some(owners) = object
        .metadata_mut()
        .and_then(|m| m.get_mut("ownerReferences"))
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let before = owners.len();
    let mut seen: Vec<Value> = Vec::with_capacity(before);
    for owner in owners.drain(..) {
        if !seen.contains(&owner) {
            seen.push(owner);
        }
    }
    let after = seen.len();
    *owners = seen;
    if after != before {
        context.warn(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject \
             such requests as early as 1.24; please fix your requests",
        );
    }
}

/// The object of an answer that was not written: as it would be, in the row's version.
pub(crate) fn shown(resource: &Resource, mut object: Value) -> crate::object::Object {
    from_storage(resource, &mut object);
    crate::object::Object::of_value(&object)
}

/// Drops managed fields that are an explicit empty list.
pub(crate) fn normalise_managed_fields(object: &mut Value) {
    if object
        .at(&["metadata", "managedFields"])
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
        && let Some(metadata) = object.member_mut("metadata")
    {
        metadata.take_member("managedFields");
    }
}
