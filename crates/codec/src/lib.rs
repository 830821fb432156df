//! Bytes to trees and back: JSON and YAML as `serde_json::Value`, Kubernetes' protobuf by the
//! table of types in `schema`.
//!
//! Input is hostile: nesting is bounded, YAML's aliases can't grow without bound, lengths in
//! protobuf are checked against what is there. Nothing here knows HTTP.

pub mod json;
pub mod protobuf;
mod tree;
pub mod yaml;

use serde_json::Value;

/// Most duplicate fields that are reported of one document.
pub const MAX_DUPLICATES: usize = 100;

/// A decoded document.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The tree. Of a repeated key the last value is kept.
    pub value: Value,
    /// Paths of repeated keys such as `spec.containers[0].name`, in document order, at most
    /// [`MAX_DUPLICATES`].
    pub duplicates: Vec<String>,
}

/// Bytes that aren't a document, in words near Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not UTF-8.
    #[error("invalid UTF-8 in the document")]
    Utf8,
    /// Malformed JSON.
    #[error("{0}")]
    Json(String),
    /// Malformed YAML, or one that goes beyond the limits.
    #[error("error converting YAML to JSON: yaml: {0}")]
    Yaml(String),
}
