//! Which webhooks a request concerns.
//!
//! upstream: plugin/webhook/generic/webhook.go#Webhook.ShouldCallHook, predicates/{namespace,object}/matcher.go

use std::sync::Arc;

use machinery::labels::Selector;
use machinery::{GroupResource, ObjectExt, Status};
use serde_json::{Map, Value};

use super::hook::Hook;
use super::{Invocation, versioned};
use crate::admission::{Attributes, Operation};
use crate::registry::Registry;
use crate::resource::{Resource, Served};

/// How the webhook is to be called with a request, `None` when it isn't.
pub(super) async fn invocation<'a>(
    registry: &Registry,
    attributes: &Attributes<'_>,
    hook: &'a Hook,
    object: Option<&Value>,
) -> Result<Option<Invocation<'a>>, Status> {
    let in_namespace = namespace(registry, attributes, hook, object);
    if in_namespace == Ok(false) {
        return Ok(None);
    }
    let of_object = labels(attributes, hook, object);
    if of_object == Ok(false) {
        return Ok(None);
    }
    let Some(resource) = resource(registry, attributes, hook) else {
        return Ok(None);
    };
    // An error counts only for a webhook that the request concerns.
    in_namespace?;
    of_object?;
    if !hook.conditions.is_empty()
        && !conditions(registry, attributes, hook, &resource, object).await?
    {
        return Ok(None);
    }
    Ok(Some(Invocation { hook, resource }))
}

/// The resource under which the rules name the request.
fn resource(
    registry: &Registry,
    attributes: &Attributes<'_>,
    hook: &Hook,
) -> Option<Arc<Resource>> {
    let own = attributes.resource;
    if hook.rules.iter().any(|rule| rule.matches(attributes, own)) {
        return Some(Arc::clone(own));
    }
    if !hook.equivalent || own.served != Served::Registry {
        return None;
    }
    let all = registry.resources();
    let equivalents: Vec<Arc<Resource>> = all
        .iter()
        .filter(|r| r.prefix == own.prefix && super::is_other(attributes, r))
        .filter(|r| {
            attributes.subresource.is_empty() || r.subresource(attributes.subresource).is_some()
        })
        .map(Arc::clone)
        .collect();
    hook.rules.iter().find_map(|rule| {
        equivalents
            .iter()
            .find(|r| rule.matches(attributes, r))
            .map(Arc::clone)
    })
}

fn namespace(
    registry: &Registry,
    attributes: &Attributes<'_>,
    hook: &Hook,
    object: Option<&Value>,
) -> Result<bool, Status> {
    let of_namespaces = attributes.is_of("", "namespaces");
    if attributes.namespace.is_empty() && !of_namespaces {
        return Ok(true);
    }
    let selector = parsed(&hook.namespace_selector)?;
    if selector.is_everything() {
        return Ok(true);
    }
    let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
    // The namespace as it will be.
    if attributes.is_for("", "namespaces") && writes {
        return Ok(selector.matches(object.and_then(labels_of)));
    }
    let missing = || Status::not_found(&GroupResource::new("", "namespaces"), attributes.namespace);
    let namespaces = registry
        .table()
        .find("", "v1", "namespaces")
        .ok_or_else(missing)?;
    let stored = registry
        .stored(namespaces, None, attributes.namespace)
        .ok_or_else(missing)?;
    Ok(selector.matches_object(&stored.value()))
}

/// Either state of the object may match.
fn labels(
    attributes: &Attributes<'_>,
    hook: &Hook,
    object: Option<&Value>,
) -> Result<bool, Status> {
    let selector = parsed(&hook.object_selector)?;
    if selector.is_everything() {
        return Ok(true);
    }
    // What connects (PodExecOptions …) has no metadata.
    let matches = |o: &Value| o.metadata().is_some() && selector.matches(labels_of(o));
    Ok(object.is_some_and(matches) || attributes.old.is_some_and(matches))
}

fn labels_of(object: &Value) -> Option<&Map<String, Value>> {
    object.at(&["metadata", "labels"])?.as_object()
}

fn parsed(selector: &Result<Selector, String>) -> Result<&Selector, Status> {
    selector.as_ref().map_err(Status::internal)
}

/// Whether all match conditions hold. An error counts by the failure policy: it refuses the request, or skips the webhook.
///
/// upstream: plugin/webhook/matchconditions/matcher.go
async fn conditions(
    registry: &Registry,
    attributes: &Attributes<'_>,
    hook: &Hook,
    resource: &Resource,
    object: Option<&Value>,
) -> Result<bool, Status> {
    let show = async |o: Option<&Value>| match o {
        Some(o) => versioned(registry, attributes, resource, o).await.map(Some),
        None => Ok(None),
    };
    let (object, old) = (show(object).await?, show(attributes.old).await?);
    let request = super::review::request(attributes, resource, Value::Null, Value::Null, "");
    let result = crate::admission::conditions::matches(
        registry,
        attributes,
        &hook.conditions,
        &crate::admission::conditions::Variables {
            object: object.as_ref(),
            old: old.as_ref(),
            request: &request,
        },
    );
    match result {
        Ok(matches) => Ok(matches),
        Err(why) if hook.fail => Err(attributes.forbidden(object.as_ref(), why)),
        Err(why) => {
            tracing::warn!(
                webhook = hook.name,
                error = why,
                "match conditions fail open"
            );
            Ok(false)
        }
    }
}
