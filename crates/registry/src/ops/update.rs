//! Changing an object: the read-modify-write loop behind `PUT`, `PATCH` and the updating subresources.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go#Store.Update,
//! staging/src/k8s.io/apiserver/pkg/registry/rest/update.go#BeforeUpdate

use std::sync::Arc;

use machinery::field::{Error, Path};
use machinery::{ObjectExt, ResourceVersion, Status};
use serde_json::Value;
use store::Entry;

use crate::admission::Operation;
use crate::context::RequestContext;
use crate::decode::Source;
use crate::meta;
use crate::object::Answer;
use crate::ops::commit::{self, Outcome, Write};
use crate::ops::managed::{self, Configuration};
use crate::ops::{create, finalizers, get, patch, subresource, write};
use crate::options::UpdateOptions;
use crate::registry::Registry;
use crate::stored::Stored;
use crate::target::Target;
use crate::value::copy_member;

/// What an update makes of the stored object.
pub(crate) enum Change {
    /// This object takes its place.
    Replace(Value),
    /// This object takes its place; only its scale differs, through that subresource.
    Scale(Value),
    /// It is patched.
    Patch(machinery::patch::Patch),
    /// A configuration is applied to it.
    Apply(Configuration),
    /// The same through `scale`; the configuration is the object's.
    ApplyScale(Configuration),
}

impl Change {
    /// The subresource that the change's manager is noted with.
    fn subresource<'a>(&self, target: &'a Target) -> &'a str {
        match self {
            Change::Scale(_) | Change::ApplyScale(_) => "scale",
            _ => &target.subresource,
        }
    }
}

pub(crate) async fn update(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    body: Value,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    get::warn(context, &target.resource);
    if target.subresource == "scale" {
        return subresource::scale::update(registry, context, target, body, options).await;
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
    change(registry, context, target, Change::Replace(object), options).await
}

/// The loop: reads, makes the new object, checks, commits against what was read; again when that has changed meanwhile.
pub(crate) async fn change(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    change: Change,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    let resource = &target.resource;
    let key = resource.key(target.namespace.as_deref(), &target.name);
    let mut current = commit::read(registry, &key);
    loop {
        let Some(entry) = current else {
            match absent(registry, context, target, &change, options).await {
                // It came to be meanwhile.
                Err(status)
                    if matches!(change, Change::Apply(_))
                        && status.is(machinery::Reason::AlreadyExists) =>
                {
                    current = commit::read(registry, &key);
                    if current.is_none() {
                        return Err(status);
                    }
                    continue;
                }
                answered => return answered,
            }
        };
        let mut old = registry.load(resource, &entry.value).await?;
        resource.strategy.default(&mut old);
        let (ready, unchanged) = next(registry, context, target, &change, &old, options).await?;
        // What is stored in another form than it would be now is written anew.
        let settled = resource
            .custom
            .as_ref()
            .is_none_or(|custom| custom.is_current(&entry.value));
        if unchanged && (settled || options.dry_run) {
            let object = registry.present(resource, Arc::clone(&entry.value)).await?;
            return Ok(Answer::ok(object));
        }
        let deletes = finalizers::deletes_on_update(resource, &ready, &old);
        let mut ready = ready;
        let reserved =
            registry
                .inner
                .services
                .on_update(resource, &mut ready, &old, options.dry_run)?;
        if options.dry_run {
            return Ok(Answer::ok(write::shown(resource, ready)));
        }
        let draft = registry.draft(resource, &ready).await?;
        let action = if deletes {
            Write::Delete(draft)
        } else {
            Write::Put(draft, resource.strategy.ttl())
        };
        match commit::commit(registry, resource, &key, Some(entry.revision), action).await? {
            Outcome::Done(stored) => {
                reserved.keep();
                if deletes {
                    registry.inner.services.on_delete(resource, &ready);
                }
                return Ok(Answer::ok(registry.present(resource, stored).await?));
            }
            Outcome::Changed(now) => current = now,
        }
    }
}

/// Nothing is stored: a `PUT` creates it where the kind allows that.
async fn absent(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    change: &Change,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    match change {
        Change::Replace(object)
            if target.subresource.is_empty()
                && target.resource.strategy.allow_create_on_update() =>
        {
            let mut object = object.clone();
            write::dedup_owners(context, &mut object);
            managed::track(context, target, "", options, None, &mut object);
            create::create_object(registry, context, target, object, options).await
        }
        Change::Apply(configuration) if target.subresource.is_empty() => {
            let uid = configuration.body.uid();
            if !uid.is_empty() {
                return Err(Status::conflict(
                    &target.resource.group_resource(),
                    &target.name,
                    format_args!(
                        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    ),
                ));
            }
            let made = managed::apply(context, target, "", options, None, configuration)?;
            let mut object = write::body(
                context,
                target,
                made,
                options.field_validation,
                Source::Patched,
            )?;
            write::match_name(target, &mut object)?;
            write::match_namespace(target, &mut object)?;
            create::create_object(registry, context, target, object, options).await
        }
        _ => Err(Status::not_found(
            &target.resource.group_resource(),
            &target.name,
        )),
    }
}

/// The object to commit, and whether it is what is stored already.
async fn next(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    change: &Change,
    old: &Value,
    options: &UpdateOptions,
) -> Result<(Value, bool), Status> {
    let resource = &target.resource;
    let strategy = &resource.strategy;
    let mut object = match change {
        Change::Replace(object) | Change::Scale(object) => {
            let wanted = object.uid();
            if !wanted.is_empty() && wanted != old.uid() {
                return Err(uid_mismatch(target, wanted, old.uid()));
            }
            object.clone()
        }
        Change::Patch(patch) => patch::apply(context, target, patch, old, options)?,
        Change::Apply(configuration) | Change::ApplyScale(configuration) => {
            let subresource = change.subresource(target);
            let made = managed::apply(
                context,
                target,
                subresource,
                options,
                Some(old),
                configuration,
            )?;
            let mut object = write::body(
                context,
                target,
                made,
                options.field_validation,
                Source::Patched,
            )?;
            write::match_name(target, &mut object)?;
            write::match_namespace(target, &mut object)?;
            if object.uid() != old.uid() {
                return Err(uid_mismatch(target, object.uid(), old.uid()));
            }
            object
        }
    };
    write::dedup_owners(context, &mut object);
    if !matches!(change, Change::Apply(_) | Change::ApplyScale(_)) {
        let subresource = change.subresource(target);
        managed::track(
            context,
            target,
            subresource,
            options,
            Some(old),
            &mut object,
        );
    }
    let managers = managed::of(&object);
    {
        let mut attributes = write::attributes(
            context,
            target,
            &target.name,
            Operation::Update,
            Some(old),
            options,
        );
        attributes.subresource = change.subresource(target);
        registry
            .inner
            .options
            .admission
            .mutate(registry, &attributes, Some(&mut object))
            .await?;
    }
    strategy.default(&mut object);

    check_version(target, &mut object, old)?;

    // upstream: rest/update.go#BeforeUpdate
    object.set_generation(old.generation());
    let surroundings = write::strategy_context(context, target, options.dry_run);
    match target.subresource.as_str() {
        "" => {
            if strategy.has_status() {
                copy_member(&mut object, old, "status");
            }
            strategy.prepare_for_update(&surroundings, &mut object, old);
            if strategy.generation() && strategy.bumps_generation(&object, old) {
                object.set_generation(old.generation() + 1);
            }
        }
        "status" => strategy.prepare_for_status_update(&surroundings, &mut object, old),
        _ => subresource::prepare(target, &surroundings, &mut object, old)?,
    }
    meta::keep_system_fields(&mut object, old);
    managed::set(&mut object, managers);
    let mut errors = meta::validate_update(&object, old, resource);
    errors.extend(match target.subresource.as_str() {
        "" => strategy.validate_update(&surroundings, &object, old),
        "status" => strategy.validate_status_update(&surroundings, &object, old),
        _ => subresource::validate(target, &surroundings, &object, old),
    });
    if !errors.is_empty() {
        return Err(Status::invalid(&resource.group_kind(), old.name(), &errors));
    }
    for warning in strategy.warnings(&object, Some(old)) {
        context.warn(warning);
    }
    let mut attributes = write::attributes(
        context,
        target,
        &target.name,
        Operation::Update,
        Some(old),
        options,
    );
    attributes.subresource = change.subresource(target);
    registry
        .inner
        .options
        .admission
        .validate(registry, &attributes, Some(&object))
        .await?;
    crate::decode::complete(&mut object);
    managed::ignore_times(&mut object, old);
    let unchanged = object == *old;
    Ok((object, unchanged))
}

/// The resourceVersion of an update: the stored one, or none where the kind takes unconditional updates.
fn check_version(target: &Target, object: &mut Value, old: &Value) -> Result<(), Status> {
    let given = object.resource_version();
    let stored = ResourceVersion::parse(old.resource_version()).unwrap_or_default();
    let wanted = ResourceVersion::parse(given).map_err(|e| {
        Status::failure(
            500,
            machinery::Reason::Unknown,
            get::invalid_version(given, &e.to_string()),
        )
    })?;
    let resource = &target.resource;
    if wanted.0 == 0 {
        if resource.strategy.allow_unconditional_update() {
            object.set_resource_version(stored);
            return Ok(());
        }
        let path = Path::new("metadata").child("resourceVersion");
        let errors = machinery::field::ErrorList::from(vec![Error::invalid(
            &path,
            0,
            "must be specified for an update",
        )]);
        let mut status = Status::invalid(&resource.group_kind(), old.name(), &errors);
        // The number is printed as Go's %#v prints a uint64.
        status.message = status
            .message
            .replace("Invalid value: 0:", "Invalid value: 0x0:");
        return Err(status);
    }
    if wanted != stored {
        return Err(Status::optimistic_lock(
            &resource.group_resource(),
            old.name(),
        ));
    }
    Ok(())
}

/// 409 about another uid than the stored one.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/storage/errors.go#StorageError.Error
fn uid_mismatch(target: &Target, wanted: &str, stored: &str) -> Status {
    let resource = &target.resource;
    let key = resource.key(target.namespace.as_deref(), &target.name);
    Status::conflict(
        &resource.group_resource(),
        &target.name,
        format_args!(
            "StorageError: invalid object, Code: 4, Key: /registry{key}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {wanted}, UID in object meta: {stored}"
        ),
    )
}

/// Reads the entry of a target.
pub(crate) fn entry(registry: &Registry, target: &Target) -> Result<Entry<Stored>, Status> {
    let resource = &target.resource;
    let key = resource.key(target.namespace.as_deref(), &target.name);
    commit::read(registry, &key)
        .ok_or_else(|| Status::not_found(&resource.group_resource(), &target.name))
}
