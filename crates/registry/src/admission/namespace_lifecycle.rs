//! Nothing is made in a namespace that isn't there or is going; the system's namespaces stay.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go

use async_trait::async_trait;
use machinery::status::{Cause, cause};
use machinery::{GroupResource, ObjectExt};
use serde_json::Value;

use super::{Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;

/// Namespaces that can't be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// The plug-in.
#[derive(Debug)]
pub struct NamespaceLifecycle;

#[async_trait]
impl Admission for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation != Operation::Connect
    }

    async fn mutate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), Status> {
        let object = object.as_deref();
        if attributes.is_of("", "namespaces") {
            if attributes.operation == Operation::Delete && IMMORTAL.contains(&attributes.name) {
                return Err(attributes.forbidden(object, "this namespace may not be deleted"));
            }
            return Ok(());
        }
        if attributes.namespace.is_empty()
            || attributes.operation == Operation::Delete
            || attributes.resource.group == "authorization.k8s.io"
        {
            return Ok(());
        }
        let missing =
            || Status::not_found(&GroupResource::new("", "namespaces"), attributes.namespace);
        let namespaces = registry
            .table()
            .find("", "v1", "namespaces")
            .ok_or_else(missing)?;
        let stored = registry
            .stored(namespaces, None, attributes.namespace)
            .ok_or_else(missing)?;
        let terminating = attributes.operation == Operation::Create
            && stored.selection(namespaces).deleting
            && stored.value().text_at(&["status", "phase"]) == "Terminating";
        if terminating {
            let namespace = attributes.namespace;
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(attributes.forbidden(object, why).with_cause(Cause::new(
                cause::NAMESPACE_TERMINATING,
                format!("namespace {namespace} is being terminated"),
                "metadata.namespace",
            )));
        }
        Ok(())
    }
}
