//! `scale` of deployments, replica sets, stateful sets, replication controllers and custom resources.
//!
//! upstream: pkg/registry/apps/deployment/storage/storage.go#ScaleREST

use machinery::field::{Error, ErrorList, Path};
use machinery::labels::{Selector, from_label_selector};
use machinery::{GroupKind, Gvk, ObjectExt, Status};
use serde_json::{Map, Value, json};

use crate::context::RequestContext;
use crate::object::{Answer, Object};
use crate::ops::managed::Configuration;
use crate::ops::update::{self, Change};
use crate::options::UpdateOptions;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::target::Target;

pub(crate) async fn get(registry: &Registry, target: &Target) -> Result<Object, Status> {
    let resource = &target.resource;
    let entry = update::entry(registry, target)?;
    let object = registry.load(resource, &entry.value).await?;
    if let Some(paths) = resource.custom.as_ref().and_then(|c| c.scale()) {
        let (scale, has_replicas) =
            apiextensions::scale::of(&object, paths).map_err(Status::internal)?;
        if !has_replicas {
            let path = machinery::go::quote(&paths.spec_replicas);
            return Err(Status::internal(format_args!(
                "the spec replicas field {path} does not exist"
            )));
        }
        return Ok(Object::of_value(&scale));
    }
    Ok(Object::of_value(&scale_of(resource, &object)))
}

/// Sets the replicas of an object.
fn set_replicas(resource: &Resource, object: &mut Value, replicas: i64) {
    match resource.custom.as_ref().and_then(|c| c.scale()) {
        Some(paths) => {
            apiextensions::scale::set(object, paths, replicas);
        }
        None => {
            object.set_at(&["spec", "replicas"], replicas.into());
        }
    }
}

/// upstream: #scaleFromDeployment and the like
pub(crate) fn scale_of(resource: &Resource, object: &Value) -> Value {
    if let Some(paths) = resource.custom.as_ref().and_then(|c| c.scale())
        && let Ok((scale, _)) = apiextensions::scale::of(object, paths)
    {
        return scale;
    }
    let mut metadata = Map::new();
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object.at(&["metadata", name]) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    let replicas = object
        .at(&["spec", "replicas"])
        .and_then(Value::as_i64)
        .unwrap_or_default();
    if replicas != 0 {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    let mut status = Map::new();
    let actual = object
        .at(&["status", "replicas"])
        .and_then(Value::as_i64)
        .unwrap_or_default();
    status.insert("replicas".to_owned(), actual.into());
    let selector = object.at(&["spec", "selector"]);
    let text = if resource.group.is_empty() {
        selector
            .and_then(Value::as_object)
            .map(|set| Selector::from_set(set).to_string())
    } else {
        from_label_selector(selector).ok().map(|s| s.to_string())
    };
    if let Some(text) = text.filter(|t| !t.is_empty()) {
        status.insert("selector".to_owned(), text.into());
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

pub(crate) async fn update(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    body: Value,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    write(registry, context, target, options, |_| Ok(body.clone())).await
}

pub(crate) async fn patch(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    patch: &machinery::patch::Patch,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    let gvk = Gvk::new("autoscaling", "v1", "Scale");
    write(registry, context, target, options, |scale| {
        crate::decode::apply_patch(&gvk, patch, scale)
    })
    .await
}

/// Applies a configuration of the scale: who does so manages the object's replicas.
///
/// upstream: apimachinery/pkg/util/managedfields/scalehandler.go
pub(crate) async fn apply(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    mut configuration: Configuration,
    options: &UpdateOptions,
) -> Result<Answer, Status> {
    let scale = &configuration.body;
    validate(scale, target)?;
    let mut metadata = Map::new();
    for name in ["name", "namespace", "resourceVersion", "uid"] {
        if let Some(value) = scale.at(&["metadata", name]) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let mut object = json!({"apiVersion": target.resource.api_version(), "kind": target.resource.kind, "metadata": metadata});
    if let Some(replicas) = scale.at(&["spec", "replicas"]).and_then(Value::as_i64) {
        object.set_at(&["spec"], json!({}));
        set_replicas(&target.resource, &mut object, replicas);
    }
    configuration.body = object;
    let main = Target {
        subresource: String::new(),
        ..target.clone()
    };
    let change = Change::ApplyScale(configuration);
    let answer = update::change(registry, context, &main, change, options).await?;
    let object = answer.object().map(Object::value).unwrap_or_default();
    Ok(Answer::ok(Object::of_value(&scale_of(
        &target.resource,
        &object,
    ))))
}

/// Sets the replicas of the object by what `make` makes of its scale; again when the object has changed meanwhile, unless
/// the scale names a resourceVersion.
async fn write(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    options: &UpdateOptions,
    make: impl Fn(Value) -> Result<Value, Status>,
) -> Result<Answer, Status> {
    let main = Target {
        subresource: String::new(),
        ..target.clone()
    };
    loop {
        let entry = update::entry(registry, target)?;
        let mut object = registry.load(&target.resource, &entry.value).await?;
        let scale = make(scale_of(&target.resource, &object))?;
        validate(&scale, target)?;
        let version = scale.resource_version();
        if !version.is_empty() && version != object.resource_version() {
            return Err(Status::optimistic_lock(
                &target.resource.group_resource(),
                &target.name,
            ));
        }
        let wanted = scale.uid();
        if !wanted.is_empty() && wanted != object.uid() {
            return Err(Status::uid_precondition(
                &target.resource.group_resource(),
                &target.name,
                wanted,
                object.uid(),
            ));
        }
        let replicas = scale
            .at(&["spec", "replicas"])
            .and_then(Value::as_i64)
            .unwrap_or_default();
        set_replicas(&target.resource, &mut object, replicas);
        let conditional = !version.is_empty();
        match update::change(registry, context, &main, Change::Scale(object), options).await {
            Ok(answer) => {
                let object = answer.object().map(Object::value).unwrap_or_default();
                return Ok(Answer::ok(Object::of_value(&scale_of(
                    &target.resource,
                    &object,
                ))));
            }
            Err(status) if !conditional && super::binding::lost(&status) => {}
            Err(status) => return Err(status),
        }
    }
}

/// upstream: pkg/apis/autoscaling/validation/validation.go#ValidateScale
fn validate(scale: &Value, target: &Target) -> Result<(), Status> {
    let name = scale.name();
    if !name.is_empty() && name != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let kind = GroupKind::new("autoscaling", "Scale");
    if scale.kind() != "Scale" && !scale.kind().is_empty() {
        return Err(Status::bad_request(format!(
            "{} in version {} cannot be handled as a Scale: no kind {} is registered for it",
            scale.kind(),
            machinery::go::quote(scale.api_version()),
            machinery::go::quote(scale.kind()),
        )));
    }
    let path = Path::new("spec").child("replicas");
    let mut errors = ErrorList::new();
    match scale.at(&["spec", "replicas"]) {
        None => {}
        Some(value) => match value.as_i64() {
            Some(n) if n < 0 => errors.push(Error::invalid(
                &path,
                n,
                "must be greater than or equal to 0",
            )),
            Some(n) if n <= i64::from(i32::MAX) => {}
            _ => return Err(Status::bad_request("spec.replicas is not a 32-bit integer")),
        },
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(&kind, &target.name, &errors))
    }
}
