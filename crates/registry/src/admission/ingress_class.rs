//! An Ingress that names no class gets the default one.
//!
//! upstream: plugin/pkg/admission/network/defaultingressclass/admission.go

use async_trait::async_trait;
use machinery::ObjectExt;
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::{Read, Write};

const GROUP: &str = "networking.k8s.io";
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const LEGACY: &str = "kubernetes.io/ingress.class";

/// The plug-in.
#[derive(Debug)]
pub struct DefaultIngressClass;

#[async_trait]
impl Admission for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
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
        let Some(ingress) = object.filter(|_| attributes.is_for(GROUP, "ingresses")) else {
            return Ok(());
        };
        let named = ingress
            .member("spec")
            .is_some_and(|s| s.has("ingressClassName"));
        if named || ingress.annotation(LEGACY).is_some() {
            return Ok(());
        }
        let Some(resource) = registry.table().find(GROUP, "v1", "ingressclasses") else {
            return Ok(());
        };
        let mut classes: Vec<Value> = registry
            .store()
            .snapshot()
            .range(&resource.prefix, None)
            .map(|e| e.value.value())
            .filter(|c| c.annotation(DEFAULT) == Some("true"))
            .collect();
        // The newest; of those made at once the first by name.
        classes.sort_by(|a, b| {
            let made = |c: &Value| c.meta_text("creationTimestamp").to_owned();
            made(b).cmp(&made(a)).then_with(|| a.name().cmp(b.name()))
        });
        if let Some(class) = classes.first()
            && let Some(spec) = ingress.ensure_object("spec")
        {
            spec.put("ingressClassName", class.name());
        }
        Ok(())
    }
}
