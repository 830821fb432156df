//! What a document describes.

use serde_json::Value;

use crate::{Type, lookup};

/// A resource that is served.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural name in the path.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs as discovery names them: `create`, `get`, `list`, `watch`, `update`, `patch`,
    /// `delete`, `deletecollection`.
    pub verbs: Vec<String>,
    /// Its subresources.
    pub subresources: Vec<ServedSubresource>,
    /// The schema of a custom resource; built-in kinds leave it empty.
    pub schema: Option<Value>,
    /// The same for OpenAPI v2, which can say less.
    pub schema_v2: Option<Value>,
}

/// A subresource of a resource that is served.
#[derive(Clone, Debug, Default)]
pub struct ServedSubresource {
    /// Name such as `status` or `scale`.
    pub name: String,
    /// Group of its body.
    pub group: String,
    /// Version of its body.
    pub version: String,
    /// Kind of its body.
    pub kind: String,
    /// Verbs.
    pub verbs: Vec<String>,
}

impl Served {
    pub(super) fn prefix(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    pub(super) fn builtin(&self) -> Option<&'static Type> {
        if self.schema.is_some() {
            None
        } else {
            lookup(&self.group, &self.version, &self.kind)
        }
    }

    /// The name of its definition; custom resources get theirs by reversing the group.
    pub(super) fn definition(&self, list: bool) -> String {
        let kind = if list {
            format!("{}List", self.kind)
        } else {
            self.kind.clone()
        };
        if self.schema.is_none()
            && let Some(ty) = lookup(&self.group, &self.version, &kind)
        {
            return ty.name.to_owned();
        }
        let mut parts: Vec<&str> = self.group.split('.').rev().collect();
        parts.extend([self.version.as_str(), kind.as_str()]);
        parts.join(".")
    }
}
