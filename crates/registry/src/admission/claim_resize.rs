//! A claim grows only where its storage class allows that.
//!
//! upstream: plugin/pkg/admission/storage/persistentvolume/resize/admission.go

use async_trait::async_trait;
use machinery::ObjectExt;
use machinery::quantity::Quantity;
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::Read;

/// The plug-in.
#[derive(Debug)]
pub struct PersistentVolumeClaimResize;

#[async_trait]
impl Admission for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        if !attributes.is_for("", "persistentvolumeclaims") {
            return Ok(());
        }
        let (Some(claim), Some(old)) = (object, attributes.old) else {
            return Ok(());
        };
        let size = |c: &Value| {
            Quantity::parse(c.text_at(&["spec", "resources", "requests", "storage"])).ok()
        };
        match (size(claim), size(old)) {
            (Some(new), Some(old)) if new > old => {}
            (Some(new), None) if !new.is_zero() => {}
            _ => return Ok(()),
        }
        if old.text_at(&["status", "phase"]) != "Bound" {
            return Err(attributes.forbidden(
                object,
                "Only bound persistent volume claims can be expanded",
            ));
        }
        if allowed(registry, claim, old) {
            return Ok(());
        }
        Err(attributes.forbidden(
            object,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ))
    }
}

fn allowed(registry: &Registry, claim: &Value, old: &Value) -> bool {
    let class = |c: &Value| match c.annotation("volume.beta.kubernetes.io/storage-class") {
        Some(legacy) => legacy.to_owned(),
        None => c.text_at(&["spec", "storageClassName"]).to_owned(),
    };
    let (new, before) = (class(claim), class(old));
    if new.is_empty() || new != before {
        return false;
    }
    registry
        .table()
        .find("storage.k8s.io", "v1", "storageclasses")
        .and_then(|r| registry.stored(r, None, &new))
        .is_some_and(|stored| stored.value().flag("allowVolumeExpansion"))
}
