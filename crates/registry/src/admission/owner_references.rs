//! Who names an owner may delete the object; who makes the owner wait for it may change the owner's finalizers.
//!
//! upstream: plugin/pkg/admission/gc/gc_admission.go

use async_trait::async_trait;
use machinery::{GroupVersion, ObjectExt};
use serde_json::Value;

use super::{AccessRequest, Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::Read;

/// The plug-in.
#[derive(Debug)]
pub struct OwnerReferencesPermissionEnforcement;

#[async_trait]
impl Admission for OwnerReferencesPermissionEnforcement {
    fn name(&self) -> &'static str {
        "OwnerReferencesPermissionEnforcement"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        // A kubelet reports statuses of pods that it can't delete.
        if attributes.is_of("", "pods") && attributes.subresource == "status" {
            return Ok(());
        }
        let owners = |o: Option<&Value>| -> Vec<Value> {
            o.and_then(|o| o.at(&["metadata", "ownerReferences"]))
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let (new, old) = (owners(object), owners(attributes.old));
        if new == old {
            return Ok(());
        }
        let user = attributes.context.user();
        if attributes.operation != Operation::Create {
            let deletes = AccessRequest {
                version: &attributes.resource.version,
                subresource: attributes.subresource,
                namespace: attributes.namespace,
                name: attributes.name,
                ..AccessRequest::new(
                    user,
                    "delete",
                    &attributes.resource.group,
                    &attributes.resource.plural,
                )
            };
            if !registry.allows(&deletes) {
                return Err(attributes.forbidden(
                    object,
                    "cannot set an ownerRef on a resource you can't delete: , <nil>",
                ));
            }
        }
        for owner in blocking(&new, &old) {
            let (api_version, kind) = (owner.text("apiVersion"), owner.text("kind"));
            let group_version = GroupVersion::parse(api_version).unwrap_or_default();
            let resources = registry.resources();
            let Some(row) = resources.find_kind(&group_version.group, &group_version.version, kind)
            else {
                return Err(attributes.forbidden(
                    object,
                    format!(
                        "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {api_version} \
                         Kind {kind}: no matches for kind {} in version {}",
                        machinery::go::quote(kind),
                        machinery::go::quote(api_version)
                    ),
                ));
            };
            let finalizes = AccessRequest {
                version: &row.version,
                subresource: "finalizers",
                namespace: if row.namespaced {
                    attributes.namespace
                } else {
                    ""
                },
                name: owner.text("name"),
                ..AccessRequest::new(user, "update", &row.group, &row.plural)
            };
            if !registry.allows(&finalizes) {
                return Err(attributes.forbidden(
                    object,
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
                ));
            }
        }
        Ok(())
    }
}

/// The owners that newly wait for the object.
///
/// upstream: gc_admission.go#newBlockingOwnerDeletionRefs
fn blocking<'a>(new: &'a [Value], old: &[Value]) -> Vec<&'a Value> {
    let blocks = |o: &Value| o.flag("blockOwnerDeletion");
    new.iter()
        .filter(|o| blocks(o))
        .filter(|o| {
            !old.iter()
                .any(|before| before.text("uid") == o.text("uid") && blocks(before))
        })
        .collect()
}
