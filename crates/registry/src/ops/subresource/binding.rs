//! `pods/binding` and `bindings`: a scheduler assigns a pod to a node.
//!
//! upstream: pkg/registry/core/pod/storage/storage.go#BindingREST

use jiff::Timestamp;
use machinery::field::{Error, ErrorList, Path};
use machinery::{GroupKind, GroupResource, ObjectExt, Reason, Status, time};
use serde_json::{Value, json};

use crate::admission::Operation;
use crate::context::RequestContext;
use crate::object::{Answer, Body};
use crate::ops::commit::{self, Outcome, Write};
use crate::ops::{update, write};
use crate::options::CreateOptions;
use crate::registry::Registry;
use crate::stored::Draft;
use crate::target::Target;
use crate::value::Read;

/// `POST …/bindings`: the pod is named by the binding.
pub(crate) async fn create_bare(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    body: Value,
    options: &CreateOptions,
) -> Result<Answer, Status> {
    let name = body.name().to_owned();
    let pods = registry
        .table()
        .find("", "v1", "pods")
        .ok_or_else(Status::unknown_resource)?;
    let pod = Target::object(pods, target.namespace.as_deref(), &name).subresource("binding");
    create(registry, context, &pod, body, options).await
}

pub(crate) async fn create(
    registry: &Registry,
    context: &RequestContext,
    target: &Target,
    mut body: Value,
    options: &CreateOptions,
) -> Result<Answer, Status> {
    if !body.is_object() {
        return Err(Status::bad_request("the body is not a Binding"));
    }
    if body.name().is_empty() {
        body.set_meta_text("name", &target.name);
    }
    if body.name() != target.name {
        return Err(Status::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    write::match_namespace(target, &mut body)?;
    {
        let attributes = write::attributes(
            context,
            target,
            &target.name,
            Operation::Create,
            None,
            options,
        );
        let admission = &registry.inner.options.admission;
        admission
            .mutate(registry, &attributes, Some(&mut body))
            .await?;
        admission
            .validate(registry, &attributes, Some(&body))
            .await?;
    }
    let errors = validate(&body);
    if !errors.is_empty() {
        return Err(Status::invalid(
            &GroupKind::new("", "Binding"),
            body.name(),
            &errors,
        ));
    }
    let resource = &target.resource;
    let key = resource.key(target.namespace.as_deref(), &target.name);
    let mut entry = update::entry(registry, target)?;
    loop {
        let mut pod = entry.value.value();
        assign(target, &mut pod, &body)?;
        if options.dry_run {
            return Ok(bound());
        }
        match commit::commit(
            registry,
            resource,
            &key,
            Some(entry.revision),
            Write::Put(Draft::new(resource, &pod), None),
        )
        .await?
        {
            Outcome::Done(_) => return Ok(bound()),
            Outcome::Changed(Some(now)) => entry = now,
            Outcome::Changed(None) => {
                return Err(Status::not_found(&resource.group_resource(), &target.name));
            }
        }
    }
}

fn bound() -> Answer {
    let mut status = Status::success(None);
    status.code = 201;
    Answer {
        code: 201,
        body: Body::Status(status),
    }
}

/// upstream: pkg/apis/core/validation/validation.go#ValidatePodBinding
fn validate(binding: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let target = binding.at(&["target"]);
    let path = Path::new("target");
    let kind = target.map(|t| t.text("kind")).unwrap_or_default();
    if !kind.is_empty() && kind != "Node" {
        errors.push(Error::not_supported(
            &path.child("kind"),
            kind,
            &["Node", "<empty>"],
        ));
    }
    if target.is_none_or(|t| t.text("name").is_empty()) {
        errors.push(Error::required(&path.child("name"), ""));
    }
    errors
}

/// upstream: storage.go#BindingREST.setPodNodeAndMetadata
fn assign(target: &Target, pod: &mut Value, binding: &Value) -> Result<(), Status> {
    let conflict = |text: String| {
        Status::conflict(&GroupResource::new("", "pods/binding"), &target.name, text)
    };
    let name = target.name.as_str();
    let node = binding.text_at(&["target", "name"]);
    let uid = binding.uid();
    if !uid.is_empty() && uid != pod.uid() {
        return Err(conflict(format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            pod.uid()
        )));
    }
    if pod.deletion_timestamp().is_some() {
        return Err(conflict(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        )));
    }
    let assigned = pod.text_at(&["spec", "nodeName"]);
    if !assigned.is_empty() {
        return Err(conflict(format!(
            "pod {name} is already assigned to node {}",
            machinery::go::quote(assigned)
        )));
    }
    if pod
        .at(&["spec", "schedulingGates"])
        .and_then(Value::as_array)
        .is_some_and(|g| !g.is_empty())
    {
        return Err(conflict(format!(
            "pod {name} has non-empty .spec.schedulingGates"
        )));
    }
    pod.set_at(&["spec", "nodeName"], node.into());
    for (key, value) in binding.annotations().into_iter().flatten() {
        pod.set_at(&["metadata", "annotations", key], value.clone());
    }
    // upstream: pkg/apis/core/pods/helpers.go and PodTopologyLabels: only the topology labels are copied
    for (key, value) in binding.labels().into_iter().flatten() {
        if key.starts_with("topology.kubernetes.io/") {
            pod.set_at(&["metadata", "labels", key], value.clone());
        }
    }
    let now = time::format(Timestamp::now());
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    set_condition(pod, scheduled);
    Ok(())
}

/// Puts a condition in the place of the one of its type.
pub(crate) fn set_condition(object: &mut Value, condition: Value) {
    let kind = condition.text("type").to_owned();
    let mut conditions = object
        .at(&["status", "conditions"])
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    match conditions.iter_mut().find(|c| c.text("type") == kind) {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
    object.set_at(&["status", "conditions"], conditions.into());
}

/// Whether a status says that a write lost against another one.
pub(crate) fn lost(status: &Status) -> bool {
    status.is(Reason::Conflict)
}
