//! Options of the operations, and patches. Parsing and validation of queries are in [`machinery::options`].

use std::fmt;

pub use machinery::options::{
    DeleteOptions, FieldValidation, ListOptions, PatchOptions, Preconditions, ResourceVersionMatch,
    WriteOptions,
};
pub use machinery::owner::DeletionPropagation;
use serde_json::Value;

/// Options of a create.
pub type CreateOptions = WriteOptions;
/// Options of an update.
pub type UpdateOptions = WriteOptions;

/// Options of a get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// `resourceVersion`: empty, `0` or the least that the answer may show.
    pub resource_version: String,
}

/// A patch and its type.
#[derive(Clone, PartialEq)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own, with merge keys by the schema.
    Strategic(Value),
    /// Server-side apply.
    Apply(Value),
}

impl fmt::Debug for Patch {
    /// Without the content, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Patch::Json(_) => "Json",
            Patch::Merge(_) => "Merge",
            Patch::Strategic(_) => "Strategic",
            Patch::Apply(_) => "Apply",
        })
    }
}
