//! A pod's priority is its priority class's.
//!
//! upstream: plugin/pkg/admission/priority/admission.go

use async_trait::async_trait;
use machinery::ObjectExt;
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

/// The plug-in.
#[derive(Debug)]
pub struct Priority;

#[async_trait]
impl Admission for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
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
        if attributes.operation == Operation::Create {
            return admit_new(registry, attributes, pod);
        }
        // A client that doesn't know the field doesn't unset it.
        for name in ["priority", "preemptionPolicy"] {
            let old = attributes.old.and_then(|o| o.at(&["spec", name])).cloned();
            if let (Some(old), Some(spec)) = (old, pod.ensure_object("spec")) {
                spec.default_to(name, old);
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
        let Some(class) =
            object.filter(|_| attributes.is_for("scheduling.k8s.io", "priorityclasses"))
        else {
            return Ok(());
        };
        if class.flag("globalDefault")
            && let Some(other) = classes(registry)
                .into_iter()
                .find(|c| c.flag("globalDefault") && c.name() != class.name())
        {
            let why = format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                other.name()
            );
            return Err(attributes.forbidden(object, why));
        }
        Ok(())
    }
}

fn classes(registry: &Registry) -> Vec<Value> {
    let Some(resource) = registry
        .table()
        .find("scheduling.k8s.io", "v1", "priorityclasses")
    else {
        return Vec::new();
    };
    registry
        .store()
        .snapshot()
        .range(&resource.prefix, None)
        .map(|e| e.value.value())
        .collect()
}

fn admit_new(
    registry: &Registry,
    attributes: &Attributes<'_>,
    pod: &mut Value,
) -> Result<(), Status> {
    let named = pod.text_at(&["spec", "priorityClassName"]).to_owned();
    let class = if named.is_empty() {
        // The default class; of several the one with the lowest value.
        classes(registry)
            .into_iter()
            .filter(|c| c.flag("globalDefault"))
            .min_by_key(|c| c.int("value").unwrap_or_default())
    } else {
        let resource = registry
            .table()
            .find("scheduling.k8s.io", "v1", "priorityclasses");
        let stored = resource.and_then(|r| registry.stored(r, None, &named));
        match stored {
            Some(stored) => Some(stored.value()),
            None => {
                return Err(attributes.forbidden(
                    Some(pod),
                    format!("no PriorityClass with name {named} was found"),
                ));
            }
        }
    };
    let value = class
        .as_ref()
        .and_then(|c| c.int("value"))
        .unwrap_or_default();
    let preemption = class
        .as_ref()
        .map(|c| c.text("preemptionPolicy"))
        .filter(|p| !p.is_empty())
        .unwrap_or("PreemptLowerPriority");
    if let Some(given) = pod.at(&["spec", "priority"]).and_then(Value::as_i64)
        && given != value
    {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed \
             {value} from the given PriorityClass name"
        );
        return Err(attributes.forbidden(Some(pod), why));
    }
    let given = pod.text_at(&["spec", "preemptionPolicy"]);
    if !given.is_empty() && given != preemption {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller \
             computed {preemption} from the given PriorityClass name"
        );
        return Err(attributes.forbidden(Some(pod), why));
    }
    let preemption = preemption.to_owned();
    if let Some(spec) = pod.ensure_object("spec") {
        if let Some(class) = class.filter(|_| named.is_empty()) {
            spec.put("priorityClassName", class.name());
        }
        spec.put("priority", value);
        spec.put("preemptionPolicy", preemption);
    }
    Ok(())
}
