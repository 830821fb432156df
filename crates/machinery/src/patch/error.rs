//! Why a patch fails, and the Status of it.

use serde_json::Value;

use crate::status::Details;
use crate::{Reason, Status};

/// A patch that can't be read or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body isn't a patch.
    #[error("error decoding patch: {0}")]
    Decode(String),
    /// A merge patch that isn't an object.
    #[error("Invalid JSON Patch")]
    NotAnObject,
    /// More operations than allowed.
    #[error("The allowed maximum operations in a JSON patch is 10000, got {0}")]
    TooManyOperations(usize),
    /// An operation of a JSON patch failed.
    #[error("{0}")]
    Operation(String),
    /// A malformed directive of a strategic merge patch.
    #[error("{0}")]
    Format(&'static str),
    /// Lists in lists can't be merged.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// Another failure of a strategic merge patch.
    #[error("{0}")]
    Strategic(String),
    /// A kind of patch that isn't applied here.
    #[error("the body of the request was in an unknown format")]
    Unsupported,
}

pub(super) const BAD_RETAIN_KEYS: PatchError =
    PatchError::Format("invalid patch format of retainKeys");
pub(super) const BAD_PRIMITIVE_LIST: PatchError =
    PatchError::Format("invalid patch format of primitive list");
pub(super) const BAD_ORDER_LIST: PatchError =
    PatchError::Format("invalid patch format of setElementOrder list");

// upstream: apiserver/pkg/endpoints/handlers/patch.go#applyJSPatch, #interpretStrategicMergePatchError
impl From<PatchError> for Status {
    fn from(e: PatchError) -> Self {
        match e {
            PatchError::Decode(_) | PatchError::NotAnObject | PatchError::Format(_) => {
                Status::bad_request(e.to_string())
            }
            PatchError::TooManyOperations(_) => Status::request_entity_too_large(e),
            PatchError::Operation(_) | PatchError::ListOfLists => Status::failure(
                422,
                Reason::Invalid,
                "the server rejected our request due to an error in our request",
            )
            .with_details(Details::default()),
            PatchError::Strategic(text) => Status::failure(500, Reason::Unknown, text),
            PatchError::Unsupported => {
                Status::unsupported_media_type(&super::PatchKind::CONTENT_TYPES)
            }
        }
    }
}

/// The name of a JSON type in Go's errors.
pub(super) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as Go's `%v` prints it.
pub(super) fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => s.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(go_value).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(map) => {
            let mut entries: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", go_value(v)))
                .collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}
