//! An object's owners, looked up in the store.
// upstream: pkg/controller/garbagecollector/garbagecollector.go#classifyReferences, #isDangling

use std::sync::Arc;

use machinery::{GroupVersion, ObjectExt};
use registry::{Registry, Resource};
use serde_json::Value;

use super::graph::Node;
use crate::meta::FOREGROUND_FINALIZER;

/// The uids of an object's owners, by what is with them.
#[derive(Default)]
pub(super) struct Owners {
    /// There, and to stay; or such that nobody can say.
    pub(super) solid: Vec<String>,
    /// Gone.
    pub(super) dangling: Vec<String>,
    /// Being deleted, and waiting for their dependents.
    pub(super) waiting: Vec<String>,
}

/// The owner references of an object.
pub(super) fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object
        .get("metadata")
        .and_then(|m| m.get("ownerReferences"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

impl Owners {
    pub(super) fn of(registry: &Registry, node: &Node, object: &Value) -> Self {
        let mut owners = Self::default();
        for reference in references(object) {
            let text = |name: &str| {
                reference
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let uid = text("uid").to_owned();
            let Some(resource) = resource_of(registry, text("apiVersion"), text("kind")) else {
                // A kind that isn't served: whether its objects exist can't be known.
                owners.solid.push(uid);
                continue;
            };
            if resource.namespaced && node.namespace.is_none() {
                // What has no namespace can't be owned by what has one: such a reference never resolves.
                tracing::debug!(
                    dependent = node.name,
                    "an owner reference leads into a namespace from outside"
                );
                owners.solid.push(uid);
                continue;
            }
            let owner = registry
                .stored(&resource, node.namespace.as_deref(), text("name"))
                .map(|stored| stored.value())
                .filter(|owner| owner.uid() == uid);
            match owner {
                None => owners.dangling.push(uid),
                Some(owner)
                    if owner.deletion_timestamp().is_some()
                        && owner.finalizers().contains(&FOREGROUND_FINALIZER) =>
                {
                    owners.waiting.push(uid);
                }
                Some(_) => owners.solid.push(uid),
            }
        }
        owners
    }

    pub(super) fn is_empty(&self) -> bool {
        self.solid.is_empty() && self.dangling.is_empty() && self.waiting.is_empty()
    }
}

/// The row of a kind; any version of it serves.
fn resource_of(registry: &Registry, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
    let parsed = GroupVersion::parse(api_version).ok()?;
    let table = registry.resources();
    table
        .find_kind(&parsed.group, &parsed.version, kind)
        .or_else(|| {
            table
                .iter()
                .find(|r| r.group == *parsed.group && r.kind == kind)
        })
        .cloned()
}
