//! Patches: JSON patch, merge patch and strategic merge patch.
// upstream: apiserver/pkg/endpoints/handlers/patch.go

mod error;
mod json;
mod strategic;

use schema::Type;
use serde_json::Value;

pub use error::PatchError;
pub use json::MAX_OPERATIONS;

/// How a patch is written, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatchKind {
    /// `application/json-patch+json` (RFC 6902).
    Json,
    /// `application/merge-patch+json` (RFC 7386).
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`: server-side apply, which isn't a patch of this module.
    Apply,
}

impl PatchKind {
    /// The content types, in upstream's order.
    pub const CONTENT_TYPES: [&'static str; 4] = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ];

    /// Of a content type without its parameters.
    pub fn from_content_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }
}

/// A checked patch; it may be applied many times (writes are retried on conflicts).
#[derive(Clone, Debug)]
pub enum Patch {
    /// Operations in order.
    Json(Vec<json_patch::PatchOperation>),
    /// An object merged.
    Merge(Value),
    /// An object merged by the type's rules.
    Strategic(Value),
}

impl Patch {
    /// Checks a decoded body.
    pub fn new(kind: PatchKind, body: Value) -> Result<Self, PatchError> {
        match kind {
            PatchKind::Json => json::parse(body).map(Self::Json),
            PatchKind::Merge if body.is_object() => Ok(Self::Merge(body)),
            PatchKind::Strategic if body.is_object() => Ok(Self::Strategic(body)),
            PatchKind::Merge => Err(PatchError::NotAnObject),
            PatchKind::Strategic => Err(PatchError::Decode(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                error::json_type(&body)
            ))),
            PatchKind::Apply => Err(PatchError::Unsupported),
        }
    }

    /// Applies it to a document. Strategic merge needs the document's type: without one (custom
    /// resources) it is refused as upstream does with 415 before it gets here.
    pub fn apply(&self, ty: Option<&'static Type>, document: Value) -> Result<Value, PatchError> {
        match (self, ty) {
            (Self::Json(operations), _) => json::apply(operations, document),
            (Self::Merge(patch), _) => {
                let mut document = document;
                json_patch::merge(&mut document, patch);
                Ok(document)
            }
            (Self::Strategic(patch), Some(ty)) => strategic::apply(ty, document, patch.clone()),
            (Self::Strategic(_), None) => Err(PatchError::Unsupported),
        }
    }
}

#[cfg(test)]
mod tests;
