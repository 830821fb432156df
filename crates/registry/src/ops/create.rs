//! Creating an object.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go#Store.Create

use machinery::{ObjectExt, Status};
use serde_json::Value;

use crate::admission::Operation;
use crate::context::RequestContext;
use crate::decode::Source;
use crate::object::Answer;
use crate::ops::commit::{self, Outcome, Write};
use crate::ops::{get, managed, subresource, write};
use crate::options::CreateOptions;
use crate::registry::Registry;
use crate::target::Target;

/// How often a generated name is tried.
///
/// upstream: store.go#maxNameGenerationCreateAttempts
const ATTEMPTS: usize = 8;

pub(crate) async fn create(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    body: Value,
    options: &CreateOptions,
) -> Result<Answer, Status> {
    get::warn(context, &target.resource);
    match (target.resource.plural.as_str(), target.subresource.as_str()) {
        ("bindings", "") => {
            return subresource::binding::create_bare(registry, context, target, body, options)
                .await;
        }
        (_, "") => {}
        ("pods", "binding") => {
            return subresource::binding::create(registry, context, target, body, options).await;
        }
        ("pods", "eviction") => {
            return subresource::eviction::create(registry, context, target, body, options).await;
        }
        _ => return Err(Status::method_not_allowed()),
    }
    let mut object = write::body(
        context,
        target,
        body,
        options.field_validation,
        Source::Body,
    )?;
    write::match_name(target, &mut object)?;
    write::match_namespace(target, &mut object)?;
    write::normalise_managed_fields(&mut object);
    write::dedup_owners(context, &mut object);
    managed::track(context, target, "", options, None, &mut object);
    create_object(registry, context, target, object, options).await
}

/// Creates a decoded object in storage form, whose managed fields are noted.
pub(crate) async fn create_object(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    mut object: Value,
    options: &CreateOptions,
) -> Result<Answer, Status> {
    let resource = &target.resource;
    if resource.custom.as_ref().is_some_and(|c| c.terminating()) {
        return Err(Status::forbidden(
            &resource.group_resource(),
            object.name(),
            "create not allowed while custom resource definition is terminating",
        ));
    }
    write::dedup_owners(context, &mut object);
    {
        let name = object.name().to_owned();
        let attributes =
            write::attributes(context, target, &name, Operation::Create, None, options);
        registry
            .inner
            .options
            .admission
            .mutate(registry, &attributes, Some(&mut object))
            .await?;
    }
    resource.strategy.default(&mut object);
    let generated = object.name().is_empty() && !object.generate_name().is_empty();
    let mut attempt = 1;
    loop {
        let mut ready =
            write::prepare_new(registry, context, target, object.clone(), options).await?;
        let key = resource.key(Some(ready.namespace()), ready.name());
        let reserved = registry
            .inner
            .services
            .on_create(resource, &mut ready, options.dry_run)?;
        let existing = if options.dry_run {
            match commit::read(registry, &key) {
                None => return Ok(Answer::created(write::shown(resource, ready))),
                Some(existing) => Some(existing),
            }
        } else {
            let draft = registry.draft(resource, &ready).await?;
            match commit::commit(
                registry,
                resource,
                &key,
                None,
                Write::Put(draft, resource.strategy.ttl()),
            )
            .await?
            {
                Outcome::Done(stored) => {
                    reserved.keep();
                    return Ok(Answer::created(registry.present(resource, stored).await?));
                }
                Outcome::Changed(existing) => existing,
            }
        };
        if generated && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        return Err(taken(
            target,
            &ready,
            generated,
            existing.is_some_and(|e| e.value.selection(resource).deleting),
        ));
    }
}

/// 409 about a name that is taken.
fn taken(target: &Target, object: &Value, generated: bool, deleting: bool) -> Status {
    let resource = target.resource.group_resource();
    let mut status = if generated {
        Status::generate_name_conflict(&resource, object.name(), 1)
    } else {
        Status::already_exists(&resource, object.name())
    };
    if deleting {
        status.message = format!("object is being deleted: {}", status.message);
    }
    status
}
