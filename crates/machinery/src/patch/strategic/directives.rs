//! The directives within a strategic merge patch.

use serde_json::{Map, Value};

use crate::patch::PatchError;
use crate::patch::error::{BAD_ORDER_LIST, BAD_PRIMITIVE_LIST, BAD_RETAIN_KEYS};

pub(super) const MARKER: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const ORDER: &str = "$setElementOrder";
pub(super) const DELETE_LIST: &str = "$deleteFromPrimitiveList";

/// The list that a `$deleteFromPrimitiveList/…` names.
pub(super) fn delete_list_key(key: &str) -> Result<&str, PatchError> {
    match key.split_once('/') {
        Some((DELETE_LIST, rest)) if !rest.contains('/') => Ok(rest),
        _ => Err(BAD_PRIMITIVE_LIST),
    }
}

/// Drops from the original what `$retainKeys` doesn't list, and the directive from the patch.
// upstream: #applyRetainKeysDirective
pub(super) fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), PatchError> {
    let Some(directive) = patch.shift_remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(kept) = directive else {
        return Err(BAD_RETAIN_KEYS);
    };
    let listed = |key: &str| kept.iter().any(|k| k.as_str() == Some(key));
    for (key, value) in patch.iter() {
        if !value.is_null()
            && !key.starts_with(DELETE_LIST)
            && !key.starts_with(ORDER)
            && !listed(key)
        {
            return Err(BAD_RETAIN_KEYS);
        }
    }
    original.retain(|key, _| listed(key));
    Ok(())
}

/// A patch's value where there is nothing to merge with: without its directives and nulls.
// upstream: #dropDirectives, #discardNullValuesFromPatch
pub(super) fn drop_directives(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(k, v)| {
                    !v.is_null()
                        && k != MARKER
                        && k != RETAIN_KEYS
                        && !k.starts_with(ORDER)
                        && !k.starts_with(DELETE_LIST)
                })
                .map(|(k, v)| (k, drop_directives(v)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .filter(|v| {
                    let marker = v
                        .as_object()
                        .and_then(|m| m.get(MARKER))
                        .and_then(Value::as_str);
                    marker != Some("delete")
                        && !(marker == Some("replace")
                            && v.as_object().is_some_and(|m| m.len() == 1))
                })
                .map(drop_directives)
                .collect(),
        ),
        other => other,
    }
}

/// Checks that a patch's list comes in the order of its `$setElementOrder`.
// upstream: #validatePatchWithSetOrderList
pub(super) fn check_order(patch: &[Value], order: &[Value], key: &str) -> Result<(), PatchError> {
    let name = |v: &Value| {
        if key.is_empty() {
            Some(v.clone())
        } else {
            v.get(key).cloned()
        }
    };
    let marker = |v: &Value| v.as_object().is_some_and(|m| m.contains_key(MARKER));
    let mut rest = order.iter();
    for entry in patch.iter().filter(|v| !marker(v)) {
        let wanted = name(entry);
        if !key.is_empty() && wanted.is_none() {
            return Err(BAD_ORDER_LIST);
        }
        if !rest.any(|o| name(o) == wanted) {
            return Err(BAD_ORDER_LIST);
        }
    }
    Ok(())
}
