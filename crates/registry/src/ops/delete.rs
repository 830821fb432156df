//! Deleting an object: preconditions, grace, finalizers.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go#Store.Delete,
//! staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go#BeforeDelete

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use machinery::owner::DeletionPropagation;
use machinery::status::Details;
use machinery::{GroupResource, ObjectExt, Status, Uid, time};
use serde_json::{Value, json};
use store::Entry;

use crate::admission::Operation;
use crate::context::RequestContext;
use crate::object::{Answer, Body, Object};
use crate::ops::commit::{self, Outcome, Write};
use crate::ops::{finalizers, get, update, write};
use crate::options::DeleteOptions;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::stored::{Draft, Stored};
use crate::strategy::Grace;
use crate::target::Target;

/// What deleting means for the object as it is read.
#[derive(Debug, PartialEq)]
enum Step {
    /// Marked already; nothing to do but to wait.
    Pending,
    /// It is written back with deletionTimestamp or finalizers, and stays.
    Mark(Value),
    /// It is written back, and then removed at once: grace was taken from a kind that has grace.
    MarkThenRemove(Value),
    /// It is removed.
    Remove,
}

pub(crate) async fn delete(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &DeleteOptions,
) -> Result<Answer, Status> {
    get::warn(context, &target.resource);
    if !target.subresource.is_empty() {
        return Err(Status::method_not_allowed());
    }
    let resource = &target.resource;
    let key = resource.key(target.namespace.as_deref(), &target.name);
    let mut current = update::entry(registry, target)?;
    // The uid of what this request has marked.
    let mut marked: Option<String> = None;
    loop {
        let object = registry.load(resource, &current.value).await?;
        match &marked {
            // The marking changed its version: only that it is still the same counts now.
            Some(uid) if uid == object.uid() => {}
            // It was marked by this request and replaced since: that is what was asked for.
            Some(_) => return Ok(removed(target, &object, None)),
            None => preconditions(target, &object, options)?,
        }
        {
            let attributes = write::attributes(
                context,
                target,
                &target.name,
                Operation::Delete,
                Some(&object),
                options,
            );
            let admission = &registry.inner.options.admission;
            admission.mutate(registry, &attributes, None).await?;
            admission.validate(registry, &attributes, None).await?;
        }
        let step = if marked.is_some() && object.finalizers().is_empty() {
            Step::Remove
        } else {
            step(resource, &object, options, Timestamp::now())
        };
        if options.dry_run {
            return Ok(dry_run(target, &object, step, options));
        }
        match step {
            Step::Pending => {
                return pending(registry, target, &object, &current.value, options).await;
            }
            Step::Mark(next) => match put(registry, resource, &key, &current, &next).await? {
                Outcome::Done(stored) => return kept(registry, target, &stored, options).await,
                Outcome::Changed(now) => current = again(target, now)?,
            },
            Step::MarkThenRemove(next) => {
                match put(registry, resource, &key, &current, &next).await? {
                    Outcome::Done(stored) => {
                        marked = Some(object.uid().to_owned());
                        current = Entry {
                            revision: stored.revision(),
                            value: stored,
                            ..current
                        };
                    }
                    Outcome::Changed(now) => current = again(target, now)?,
                }
            }
            Step::Remove => {
                // The last state is as it is stored.
                let draft = Draft::new(resource, &current.value.value());
                match commit::commit(
                    registry,
                    resource,
                    &key,
                    Some(current.revision),
                    Write::Delete(draft),
                )
                .await?
                {
                    Outcome::Done(stored) => {
                        registry.inner.services.on_delete(resource, &object);
                        return Ok(removed(target, &object, Some(stored)));
                    }
                    // Somebody else has finished what this request began.
                    Outcome::Changed(None) if marked.is_some() => {
                        return Ok(removed(target, &object, None));
                    }
                    Outcome::Changed(now) => current = again(target, now)?,
                }
            }
        }
    }
}

fn again(target: &Target, now: Option<Entry<Stored>>) -> Result<Entry<Stored>, Status> {
    now.ok_or_else(|| Status::not_found(&target.resource.group_resource(), &target.name))
}

async fn put(
    registry: &Registry,
    resource: &Resource,
    key: &str,
    current: &Entry<Stored>,
    next: &Value,
) -> Result<Outcome, Status> {
    let draft = registry.draft(resource, next).await?;
    commit::commit(
        registry,
        resource,
        key,
        Some(current.revision),
        Write::Put(draft, resource.strategy.ttl()),
    )
    .await
}

/// upstream: rest/delete.go#BeforeDelete names the kind where others name the resource
fn preconditions(target: &Target, object: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let named = GroupResource::new(
        target.resource.group.as_str(),
        target.resource.kind.as_str(),
    );
    if let Some(uid) = &options.preconditions.uid
        && uid != object.uid()
    {
        return Err(Status::conflict(
            &named,
            &target.name,
            format_args!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted \
                 and then recreated",
                object.uid()
            ),
        ));
    }
    if let Some(version) = &options.preconditions.resource_version
        && version != object.resource_version()
    {
        return Err(Status::conflict(
            &named,
            &target.name,
            format_args!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The \
                 object might have been modified",
                object.resource_version()
            ),
        ));
    }
    Ok(())
}

/// upstream: store.go#Store.Delete, #updateForGracefulDeletionAndFinalizers; rest/delete.go#BeforeDelete
fn step(resource: &Resource, object: &Value, options: &DeleteOptions, now: Timestamp) -> Step {
    if let Some(next) = resource.strategy.first_deletion(object, now) {
        return Step::Mark(next);
    }
    if resource.strategy.spec_finalizers() && finalizers::has_spec_finalizers(object) {
        return namespace_step(resource, object, options, now);
    }
    let mut next = object.clone();
    let grace = match graceful(resource, &mut next, options, now) {
        Graceful::Pending => return Step::Pending,
        Graceful::Now => None,
        Graceful::After(seconds) => Some(seconds),
    };
    if let Some(wanted) = finalizers::for_garbage_collection(resource, object, options) {
        next.set_finalizers(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let kept = !next.finalizers().is_empty();
    match grace {
        None if kept => {
            mark_deleting(&mut next, now);
            if next == *object {
                Step::Pending
            } else {
                Step::Mark(next)
            }
        }
        None => Step::Remove,
        Some(_) if kept => Step::Mark(next),
        Some(seconds) if seconds > 0 => Step::Mark(next),
        Some(_) => Step::MarkThenRemove(next),
    }
}

enum Graceful {
    /// A deletion is under way already, and this one doesn't shorten it.
    Pending,
    /// The kind has no grace, or what is left of it is none.
    Now,
    /// Marked, with so many seconds to go.
    After(i64),
}

fn graceful(
    resource: &Resource,
    object: &mut Value,
    options: &DeleteOptions,
    now: Timestamp,
) -> Graceful {
    // Negative grace is one second.
    let asked = options
        .grace_period_seconds
        .map(|s| if s < 0 { 1 } else { s });
    let wanted = DeleteOptions {
        grace_period_seconds: asked,
        ..options.clone()
    };
    let Grace::Seconds(seconds) = resource.strategy.grace(object, &wanted) else {
        return Graceful::Now;
    };
    if let Some(since) = object.deletion_timestamp().map(str::to_owned) {
        let Some(present) = object.deletion_grace_period() else {
            return Graceful::Now;
        };
        let Some(asked) = asked else {
            return Graceful::Pending;
        };
        if asked >= present {
            return Graceful::Pending;
        }
        if let Some(since) = time::parse(&since) {
            set_deletion(
                object,
                since - SignedDuration::from_secs(present) + SignedDuration::from_secs(asked),
                asked,
            );
        }
        return Graceful::After(asked);
    }
    set_deletion(object, now + SignedDuration::from_secs(seconds), seconds);
    if object.generation() > 0 {
        object.set_generation(object.generation() + 1);
    }
    Graceful::After(seconds)
}

fn set_deletion(object: &mut Value, at: Timestamp, seconds: i64) {
    object.set_meta_text("deletionTimestamp", &time::format(at));
    object.set_at(&["metadata", "deletionGracePeriodSeconds"], seconds.into());
}

/// upstream: store.go#markAsDeleting
fn mark_deleting(object: &mut Value, now: Timestamp) {
    if object.deletion_grace_period().is_none() && object.generation() > 0 {
        object.set_generation(object.generation() + 1);
    }
    let later = object
        .deletion_timestamp()
        .and_then(time::parse)
        .is_none_or(|t| t > now);
    if later {
        object.set_meta_text("deletionTimestamp", &time::format(now));
    }
    object.set_at(&["metadata", "deletionGracePeriodSeconds"], 0.into());
}

/// A namespace waits until its spec's finalizers are gone.
///
/// upstream: pkg/registry/core/namespace/storage/storage.go#REST.Delete
fn namespace_step(
    resource: &Resource,
    object: &Value,
    options: &DeleteOptions,
    now: Timestamp,
) -> Step {
    if object.deletion_timestamp().is_some() {
        return Step::Pending;
    }
    let mut next = object.clone();
    next.set_meta_text("deletionTimestamp", &time::format(now));
    if !next.set_at(&["status", "phase"], json!("Terminating")) {
        next.set_at(&["status"], json!({"phase": "Terminating"}));
    }
    if let Some(wanted) = finalizers::for_garbage_collection(resource, object, options) {
        next.set_finalizers(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    }
    Step::Mark(next)
}

/// 202 when the object stays although its dependents were asked to go first.
async fn kept(
    registry: &Registry,
    target: &Target,
    stored: &Arc<Stored>,
    options: &DeleteOptions,
) -> Result<Answer, Status> {
    let object = registry
        .present(&target.resource, Arc::clone(stored))
        .await?;
    Ok(Answer {
        code: kept_code(options),
        body: Body::Object(object),
    })
}

fn kept_code(options: &DeleteOptions) -> u16 {
    if options.propagation == Some(DeletionPropagation::Foreground) {
        202
    } else {
        200
    }
}

async fn pending(
    registry: &Registry,
    target: &Target,
    object: &Value,
    stored: &Arc<Stored>,
    options: &DeleteOptions,
) -> Result<Answer, Status> {
    if target.resource.strategy.returns_deleted_object()
        || target.resource.strategy.spec_finalizers()
    {
        return kept(registry, target, stored, options).await;
    }
    let mut answer = removed(target, object, None);
    answer.code = kept_code(options);
    Ok(answer)
}

/// upstream: store.go#finalizeDelete
fn removed(target: &Target, object: &Value, stored: Option<Arc<Stored>>) -> Answer {
    let resource = &target.resource;
    if resource.strategy.returns_deleted_object() {
        let object = match stored {
            Some(stored) => get::present(resource, stored),
            None => Object::of_value(object),
        };
        return Answer::ok(object);
    }
    let details = Details {
        name: object.name().to_owned(),
        group: resource.group.clone(),
        kind: resource.plural.clone(),
        uid: Uid(object.uid().to_owned()),
        ..Details::default()
    };
    Answer {
        code: 200,
        body: Body::Status(Status::success(Some(details))),
    }
}

fn dry_run(target: &Target, object: &Value, step: Step, options: &DeleteOptions) -> Answer {
    match step {
        Step::Mark(next) => Answer {
            code: kept_code(options),
            body: Body::Object(write::shown(&target.resource, next)),
        },
        Step::MarkThenRemove(next) => removed(target, &next, None),
        Step::Pending | Step::Remove => removed(target, object, None),
    }
}
