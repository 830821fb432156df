//! A claim that names no storage class gets the default one.
//!
//! upstream: plugin/pkg/admission/storage/storageclass/setdefault/admission.go

use async_trait::async_trait;
use machinery::ObjectExt;
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
const LEGACY: &str = "volume.beta.kubernetes.io/storage-class";

/// The plug-in.
#[derive(Debug)]
pub struct DefaultStorageClass;

#[async_trait]
impl Admission for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
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
        let Some(claim) = object.filter(|_| attributes.is_for("", "persistentvolumeclaims")) else {
            return Ok(());
        };
        if claim.annotation(LEGACY).is_some()
            || claim
                .at(&["spec", "storageClassName"])
                .is_some_and(|v| !v.is_null())
        {
            return Ok(());
        }
        let Some(classes) = registry
            .table()
            .find("storage.k8s.io", "v1", "storageclasses")
        else {
            return Ok(());
        };
        // The newest of the default classes; of equally old ones the first by name.
        let newest = registry
            .store()
            .snapshot()
            .range(&classes.prefix, None)
            .map(|e| e.value.value())
            .filter(|c| c.annotation(DEFAULT) == Some("true"))
            .max_by(|a, b| {
                a.creation_timestamp()
                    .cmp(b.creation_timestamp())
                    .then_with(|| b.name().cmp(a.name()))
            });
        if let (Some(class), Some(spec)) = (newest, claim.ensure_object("spec")) {
            spec.put("storageClassName", class.text_at(&["metadata", "name"]));
            debug_assert!(!spec.text("storageClassName").is_empty());
        }
        Ok(())
    }
}
