//! Pods.
//!
//! upstream: pkg/registry/core/pod/strategy.go, pkg/apis/core/v1/defaults.go#SetDefaults_Pod

use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::{ObjectExt, time};
use serde_json::{Map, Value, json};

use super::{Grace, Strategy, StrategyContext, defaults, pod_validation, qos};
use crate::options::DeleteOptions;
use crate::value::{Read, Write, copy_member, keep_all_but_status, keep_metadata};

/// Pods.
#[derive(Debug)]
pub(crate) struct Pod;

impl Strategy for Pod {
    fn default(&self, pod: &mut Value) {
        let Some(spec) = pod.ensure_object("spec") else {
            return;
        };
        defaults::pod_spec(spec);
        defaults::requests_from_limits(spec);
        spec.default_to("enableServiceLinks", true);
        pod.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: strategy.go#podStrategy.PrepareForCreate
    fn prepare_for_create(&self, context: &StrategyContext<'_>, pod: &mut Value) {
        pod.put(
            "status",
            json!({"phase": "Pending", "qosClass": qos::class(pod)}),
        );
        if !pod
            .at(&["spec", "schedulingGates"])
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
        {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null, "lastTransitionTime": time::format(context.now),
            });
            pod.set_at(&["status", "conditions"], json!([condition]));
        } else {
            pod.remove_at(&["spec", "schedulingGates"]);
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, pod: &Value) -> ErrorList {
        let mut errors = pod_validation::spec(
            pod.field("spec").unwrap_or(&Value::Null),
            &Path::new("spec"),
            false,
        );
        let scheduled = !pod.text_at(&["spec", "nodeName"]).is_empty();
        if scheduled
            && !pod
                .at(&["spec", "schedulingGates"])
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty)
        {
            let path = Path::new("spec").child("nodeName");
            errors.push(Error::forbidden(
                &path,
                "cannot be set until all schedulingGates have been cleared",
            ));
        }
        let ephemeral = pod
            .at(&["spec", "ephemeralContainers"])
            .and_then(Value::as_array)
            .is_some_and(|e| !e.is_empty());
        if ephemeral {
            errors.push(Error::forbidden(
                &Path::new("spec").child("ephemeralContainers"),
                "cannot be set on create",
            ));
        }
        errors
    }

    fn prepare_for_update(&self, _context: &StrategyContext<'_>, pod: &mut Value, _old: &Value) {
        if pod
            .at(&["spec", "schedulingGates"])
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            pod.remove_at(&["spec", "schedulingGates"]);
        }
    }

    fn validate_update(
        &self,
        _context: &StrategyContext<'_>,
        pod: &Value,
        old: &Value,
    ) -> ErrorList {
        validate_spec_update(pod, old)
    }

    /// upstream: strategy.go#podStatusStrategy.PrepareForUpdate
    fn prepare_for_status_update(
        &self,
        _context: &StrategyContext<'_>,
        pod: &mut Value,
        old: &Value,
    ) {
        keep_all_but_status(pod, old);
        // Old nodes garble owner references.
        keep_metadata(pod, old, &["ownerReferences"]);
        if let Some(class) = old.at(&["status", "qosClass"]).cloned() {
            pod.set_at(&["status", "qosClass"], class);
        }
    }

    fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        match subresource {
            "" => &["status"],
            "status" => &[
                "spec",
                "metadata.deletionTimestamp",
                "metadata.ownerReferences",
            ],
            _ => &[],
        }
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        pod: &Value,
        old: &Value,
    ) -> ErrorList {
        pod_validation::status_update(pod, old)
    }

    fn prepare_for_subresource(
        &self,
        subresource: &str,
        _context: &StrategyContext<'_>,
        pod: &mut Value,
        old: &Value,
    ) -> bool {
        match subresource {
            // upstream: strategy.go#podEphemeralContainersStrategy.PrepareForUpdate
            "ephemeralcontainers" => {
                let mut kept = keep(pod, old);
                let wanted = pod.at(&["spec", "ephemeralContainers"]).cloned();
                match (kept.ensure_object("spec"), wanted) {
                    (Some(spec), Some(wanted)) => spec.put("ephemeralContainers", wanted),
                    (Some(spec), None) => {
                        spec.take_member("ephemeralContainers");
                    }
                    _ => {}
                }
                bump(&mut kept, old);
                *pod = kept;
                true
            }
            // upstream: strategy.go#podResizeStrategy.PrepareForUpdate
            "resize" => {
                let mut kept = keep(pod, old);
                for list in ["containers", "initContainers"] {
                    let wanted: Vec<(String, Option<Value>)> = pod
                        .at(&["spec", list])
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .map(|c| (c.text("name").to_owned(), c.member("resources").cloned()))
                        .collect();
                    let Some(spec) = kept.ensure_object("spec") else {
                        continue;
                    };
                    for container in spec.each(list) {
                        let name = container.text("name").to_owned();
                        if let Some((_, Some(resources))) = wanted.iter().find(|(n, _)| *n == name)
                        {
                            container.put("resources", resources.clone());
                        }
                    }
                }
                bump(&mut kept, old);
                *pod = kept;
                true
            }
            _ => false,
        }
    }

    fn validate_subresource(
        &self,
        subresource: &str,
        _context: &StrategyContext<'_>,
        pod: &Value,
        old: &Value,
    ) -> ErrorList {
        match subresource {
            "ephemeralcontainers" => pod_validation::ephemeral_update(pod, old),
            "resize" => {
                let mut errors = pod_validation::spec(
                    pod.field("spec").unwrap_or(&Value::Null),
                    &Path::new("spec"),
                    false,
                );
                if qos::class(pod) != old.text_at(&["status", "qosClass"]) {
                    errors.push(Error::invalid(
                        &Path::new("spec"),
                        Value::Null,
                        "Pod QOS Class may not change as a result of resizing",
                    ));
                }
                errors
            }
            _ => ErrorList::new(),
        }
    }

    /// upstream: strategy.go#podStrategy.CheckGracefulDelete
    fn grace(&self, pod: &Value, options: &DeleteOptions) -> Grace {
        let mut seconds = match options.grace_period_seconds {
            Some(seconds) => seconds,
            None => pod
                .at(&["spec", "terminationGracePeriodSeconds"])
                .and_then(Value::as_i64)
                .unwrap_or_default(),
        };
        let unscheduled = pod.text_at(&["spec", "nodeName"]).is_empty();
        let done = matches!(pod.text_at(&["status", "phase"]), "Failed" | "Succeeded");
        if unscheduled || done {
            seconds = 0;
        }
        Grace::Seconds(if seconds < 0 { 1 } else { seconds })
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn field_value(&self, pod: &Value, label: &str) -> String {
        match label {
            "status.podIPs" => pod
                .at(&["status", "podIPs"])
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|ip| ip.text("ip"))
                .collect::<Vec<_>>()
                .join(","),
            _ => String::new(),
        }
    }
}

fn copy_meta(object: &mut Value, from: &Value, name: &str) {
    let from = from
        .field("metadata")
        .cloned()
        .unwrap_or(Value::Object(Map::new()));
    if let Some(metadata) = object.ensure_object("metadata") {
        copy_member(metadata, &from, name);
    }
}

/// The old pod with the new one's resourceVersion and managed fields.
fn keep(pod: &Value, old: &Value) -> Value {
    let mut kept = old.clone();
    for name in ["resourceVersion", "managedFields"] {
        copy_meta(&mut kept, pod, name);
    }
    kept
}

fn bump(pod: &mut Value, old: &Value) {
    if !semantic_opt(pod.field("spec"), old.field("spec")) {
        pod.set_generation(old.generation() + 1);
    }
}

/// What may be changed of a pod's spec: images, activeDeadlineSeconds, more tolerations, gates removed.
///
/// upstream: pkg/apis/core/validation/validation.go#ValidatePodUpdate
fn validate_spec_update(pod: &Value, old: &Value) -> ErrorList {
    const WHAT: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                        `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                        `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    let path = Path::new("spec");
    let empty = Value::Object(Map::new());
    let (spec, was) = (
        pod.field("spec").unwrap_or(&empty),
        old.field("spec").unwrap_or(&empty),
    );
    let mut errors = pod_validation::spec(spec, &path, false);
    if !errors.is_empty() {
        return errors;
    }
    let mut munged = spec.clone();
    for (list, text) in [
        ("containers", "containers"),
        ("initContainers", "initContainers"),
    ] {
        if spec.list(list).len() != was.list(list).len() {
            let path = path.child(list);
            errors.push(Error::forbidden(
                &path,
                format!(
                    "pod updates may not add or remove {}",
                    if text == "containers" {
                        text
                    } else {
                        "containers"
                    }
                ),
            ));
            return errors;
        }
        for (container, was) in munged.each(list).zip(was.list(list)) {
            copy_member(container, was, "image");
        }
    }
    deadline(spec, was, &path, &mut errors);
    copy_member(&mut munged, was, "activeDeadlineSeconds");
    tolerations(spec, was, &path, &mut errors);
    copy_member(&mut munged, was, "tolerations");
    gates(spec, was, &path, &mut errors);
    copy_member(&mut munged, was, "schedulingGates");
    let had_gates = !was.list("schedulingGates").is_empty();
    if had_gates {
        // A pod that isn't being scheduled yet may still be directed.
        for name in ["nodeSelector", "affinity"] {
            copy_member(&mut munged, was, name);
        }
    }
    if was
        .int("terminationGracePeriodSeconds")
        .is_some_and(|s| s < 0)
        && spec.int("terminationGracePeriodSeconds") == Some(1)
    {
        copy_member(&mut munged, was, "terminationGracePeriodSeconds");
    }
    if !machinery::equality::semantic(&munged, was) {
        errors.push(Error::forbidden(
            &path,
            format!("{WHAT}\n{}", difference(was, &munged)),
        ));
    }
    errors
}

fn deadline(spec: &Value, was: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("activeDeadlineSeconds");
    match (
        spec.int("activeDeadlineSeconds"),
        was.int("activeDeadlineSeconds"),
    ) {
        (Some(new), Some(old)) if new > old => {
            errors.push(Error::invalid(
                &path,
                new,
                "must be less than or equal to previous value",
            ));
        }
        (None, Some(_)) => {
            errors.push(Error::invalid(
                &path,
                Value::Null,
                "must not update from a positive integer to nil value",
            ));
        }
        _ => {}
    }
}

fn tolerations(spec: &Value, was: &Value, path: &Path, errors: &mut ErrorList) {
    let new = spec.list("tolerations");
    let kept = |old: &Value| {
        new.iter().any(|n| {
            let mut same = n.clone();
            copy_member(&mut same, old, "tolerationSeconds");
            machinery::equality::semantic(&same, old)
        })
    };
    if !was.list("tolerations").iter().all(kept) {
        errors.push(Error::forbidden(
            &path.child("tolerations"),
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
}

fn gates(spec: &Value, was: &Value, path: &Path, errors: &mut ErrorList) {
    for (i, gate) in spec.list("schedulingGates").iter().enumerate() {
        if !was.list("schedulingGates").contains(gate) {
            let path = path.child("schedulingGates").index(i).child("name");
            errors.push(Error::forbidden(
                &path,
                format!(
                    "only deletion is allowed, but found new scheduling gate '{}'",
                    gate.text("name")
                ),
            ));
        }
    }
}

/// Which fields differ, for people.
fn difference(old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    let names: std::collections::BTreeSet<&String> = old
        .as_object()
        .into_iter()
        .chain(new.as_object())
        .flatten()
        .map(|(k, _)| k)
        .collect();
    for name in names {
        let (a, b) = (old.member(name), new.member(name));
        if !semantic_opt(a, b) {
            let text = |v: Option<&Value>| v.map_or_else(|| "(unset)".to_owned(), Value::to_string);
            lines.push(format!("  {name}: {} -> {}", text(a), text(b)));
        }
    }
    lines.join("\n")
}
