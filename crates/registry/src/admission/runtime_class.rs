//! What a pod's runtime class adds to it: overhead, and where it may run.
//!
//! upstream: plugin/pkg/admission/runtimeclass/admission.go

use async_trait::async_trait;
use machinery::equality::semantic_opt;
use machinery::go::quote;
use serde_json::{Map, Value};

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

/// The plug-in.
#[derive(Debug)]
pub struct RuntimeClass;

#[async_trait]
impl Admission for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let Some(pod) = object.filter(|_| attributes.is_for("", "pods")) else {
            return Ok(());
        };
        let Some(class) = class(registry, attributes, pod)? else {
            return Ok(());
        };
        let refuse = |pod: &Value, why: String| Err(attributes.forbidden(Some(pod), why));
        if let Some(fixed) = overhead(&class) {
            let given = pod.member("spec").and_then(|s| s.member("overhead"));
            if given.is_some_and(|g| !semantic_opt(Some(g), Some(fixed))) {
                return refuse(pod, MISMATCH.to_owned());
            }
            let fixed = fixed.clone();
            if let Some(spec) = pod.ensure_object("spec") {
                spec.put("overhead", fixed);
            }
        }
        let Some(scheduling) = class.member("scheduling").filter(|s| s.is_object()) else {
            return Ok(());
        };
        let mut selector: Map<String, Value> = pod
            .member("spec")
            .and_then(|s| s.member("nodeSelector"))
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        for (key, value) in scheduling.entries("nodeSelector") {
            if let Some(own) = selector.get(key).filter(|own| *own != value) {
                let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                let why = format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                    text(value),
                    text(own)
                );
                return refuse(pod, why);
            }
            selector.insert(key.clone(), value.clone());
        }
        if let Some(spec) = pod.ensure_object("spec") {
            if !selector.is_empty() {
                spec.put("nodeSelector", selector);
            }
            let merged = merge(spec.list("tolerations"), scheduling.list("tolerations"));
            if !merged.is_empty() {
                spec.put("tolerations", merged);
            }
        }
        Ok(())
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        let Some(pod) = object.filter(|_| attributes.is_for("", "pods")) else {
            return Ok(());
        };
        let given = pod
            .member("spec")
            .and_then(|s| s.member("overhead"))
            .filter(|o| !o.is_null());
        let class = class(registry, attributes, pod)?;
        match (class.as_ref().and_then(overhead), given) {
            (Some(fixed), given) if !semantic_opt(given, Some(fixed)) => {
                Err(attributes.forbidden(object, MISMATCH))
            }
            (None, Some(_)) => Err(attributes.forbidden(
                object,
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            )),
            _ => Ok(()),
        }
    }
}

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

fn overhead(class: &Value) -> Option<&Value> {
    class
        .member("overhead")?
        .member("podFixed")
        .filter(|o| !o.is_null())
}

/// The class that a pod names.
fn class(
    registry: &Registry,
    attributes: &Attributes<'_>,
    pod: &Value,
) -> Result<Option<Value>, Status> {
    let name = match pod.member("spec").map(|s| s.text("runtimeClassName")) {
        None | Some("") => return Ok(None),
        Some(name) => name,
    };
    registry
        .table()
        .find("node.k8s.io", "v1", "runtimeclasses")
        .and_then(|r| registry.stored(r, None, name))
        .map(|stored| Some(stored.value()))
        .ok_or_else(|| {
            let why = format!("pod rejected: RuntimeClass {} not found", quote(name));
            attributes.forbidden(Some(pod), why)
        })
}

/// All tolerations without those that others include.
///
/// upstream: pkg/util/tolerations/tolerations.go#MergeTolerations
fn merge(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = first.iter().chain(second).collect();
    let mut merged: Vec<Value> = Vec::new();
    for (i, t) in all.iter().enumerate() {
        let redundant = merged.iter().any(|other| includes(other, t))
            || all
                .iter()
                .skip(i + 1)
                .any(|other| other != t && includes(other, t));
        if !redundant {
            merged.push((*t).clone());
        }
    }
    merged
}

/// Whether a toleration tolerates all that another one does.
///
/// upstream: tolerations.go#isSuperset
fn includes(whole: &Value, part: &Value) -> bool {
    if whole == part {
        return true;
    }
    let (key, operator, effect) = (
        whole.text("key"),
        whole.text("operator"),
        whole.text("effect"),
    );
    if part.text("key") != key && !(key.is_empty() && operator == "Exists") {
        return false;
    }
    if part.text("effect") != effect && !effect.is_empty() {
        return false;
    }
    if effect == "NoExecute"
        && let Some(seconds) = whole.int("tolerationSeconds")
        && part.int("tolerationSeconds").is_none_or(|p| p > seconds)
    {
        return false;
    }
    match operator {
        "Equal" | "" => {
            part.text("operator") == "Equal" && part.text("value") == whole.text("value")
        }
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_that_others_include_go() {
        let any = json!({"operator": "Exists"});
        let one = json!({"key": "a", "operator": "Exists", "effect": "NoSchedule"});
        let equal = json!({"key": "b", "operator": "Equal", "value": "v"});
        assert_eq!(
            merge(std::slice::from_ref(&one), &[equal.clone(), one.clone()]),
            [one.clone(), equal.clone()]
        );
        assert_eq!(merge(&[one, equal], std::slice::from_ref(&any)), [any]);
    }
}
