//! JSON patch (RFC 6902) with bounds.

use json_patch::PatchOperation;
use serde::Deserialize as _;
use serde_json::Value;

use super::PatchError;

/// Most operations of one patch.
// upstream: apiserver/pkg/endpoints/handlers/patch.go#maxJSONPatchOperations
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that the copies of one patch may add.
// upstream: apiserver/pkg/server/config.go#JSONPatchMaxCopyBytes
const MAX_COPIED: usize = 3 * 1024 * 1024;

pub(super) fn parse(body: Value) -> Result<Vec<PatchOperation>, PatchError> {
    let Value::Array(items) = body else {
        return Err(PatchError::Decode(format!(
            "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
            super::error::json_type(&body)
        )));
    };
    if items.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations(items.len()));
    }
    items
        .iter()
        .map(|item| {
            PatchOperation::deserialize(item).map_err(|e| PatchError::Decode(e.to_string()))
        })
        .collect()
}

pub(super) fn apply(
    operations: &[PatchOperation],
    mut document: Value,
) -> Result<Value, PatchError> {
    let mut copied = 0;
    for operation in operations {
        if let PatchOperation::Copy(copy) = operation {
            copied += copy.from.resolve(&document).map_or(0, size);
            if copied > MAX_COPIED {
                return Err(PatchError::Operation(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                )));
            }
        }
        // The document is dropped when an operation fails, so nothing need be undone.
        json_patch::patch_unsafe(&mut document, std::slice::from_ref(operation))
            .map_err(|e| PatchError::Operation(e.to_string()))?;
    }
    Ok(document)
}

/// About how many bytes a value takes as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(s) => s.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|v| size(v) + 1).sum::<usize>(),
        Value::Object(map) => {
            2 + map
                .iter()
                .map(|(k, v)| k.len() + 4 + size(v))
                .sum::<usize>()
        }
    }
}
