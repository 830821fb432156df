//! What a mutation's value does to an object.
//!
//! upstream: plugin/policy/mutating/patch/{json_patch,smd}.go, staging/src/k8s.io/apiserver/pkg/cel/mutation/dynamic/objects.go

use fieldmanager::Node;
use machinery::ObjectExt;
use machinery::patch::{Patch, PatchKind};
use serde_json::{Map, Value};

use crate::resource::Resource;

/// Applies a list of `JSONPatch`; `None` when a `test` among them fails, which leaves the object.
pub(super) fn json(value: &cel::Value<'_>, object: Value) -> Result<Option<Value>, String> {
    let cel::Value::List(list) = value else {
        return Err(format!(
            "type mismatch: JSONPatch expression should evaluate to array of JSONPatch but got {}",
            value.type_name()
        ));
    };
    let mut operations = Vec::with_capacity(list.len());
    for element in list.iter() {
        operations.push(operation(&element.map_err(|e| e.to_string())?)?);
    }
    let operations = Value::Array(operations);
    let patch =
        Patch::new(PatchKind::Json, operations.clone()).map_err(|e| format!("JSON Patch: {e}"))?;
    match patch.apply(None, object.clone()) {
        Ok(patched) => Ok(Some(patched)),
        Err(_) if test_fails(&operations, object) => Ok(None),
        Err(e) => Err(format!("JSON Patch: {e}")),
    }
}

fn operation(value: &cel::Value<'_>) -> Result<Value, String> {
    let cel::Value::Struct(made) = value else {
        return Err(format!(
            "type mismatch: JSONPatch expression should evaluate to array of JSONPatch but got element {}",
            value.type_name()
        ));
    };
    let mut out = Map::new();
    for (name, value) in &made.fields {
        if let cel::Value::Struct(nested) = value
            && !nested.name.starts_with("Object")
        {
            return Err(format!(
                "unexpected type name {}",
                machinery::go::quote(&nested.name)
            ));
        }
        out.insert(
            name.to_string(),
            value.to_json().map_err(|e| e.to_string())?,
        );
    }
    let kind = out.get("op").and_then(Value::as_str).unwrap_or_default();
    if matches!(kind, "add" | "replace" | "test") && !out.contains_key("value") {
        out.insert("value".into(), Value::Null);
    }
    Ok(Value::Object(out))
}

/// Whether the first operation that can't be done is a `test`.
fn test_fails(operations: &Value, mut object: Value) -> bool {
    for operation in operations.as_array().into_iter().flatten() {
        let single = Value::Array(vec![operation.clone()]);
        let applied = Patch::new(PatchKind::Json, single)
            .ok()
            .and_then(|p| p.apply(None, object).ok());
        match applied {
            Some(next) => object = next,
            None => return operation.get("op").and_then(Value::as_str) == Some("test"),
        }
    }
    false
}

/// Merges an applied configuration.
pub(super) fn configuration(
    resource: &Resource,
    value: &cel::Value<'_>,
    object: &Value,
) -> Result<Value, String> {
    let cel::Value::Struct(made) = value else {
        return Err(format!(
            "unsupported return type from ApplyConfiguration expression: {}",
            value.type_name()
        ));
    };
    names_match(value, "Object").map_err(|e| format!("type mismatch: {e}"))?;
    for known in ["apiVersion", "kind"] {
        if made.fields.contains_key(known) {
            return Err(format!(
                "error applying patch: {known} may not be set by an ApplyConfiguration"
            ));
        }
    }
    let mut patch = value.to_json().map_err(|e| e.to_string())?;
    patch.set_at(&["apiVersion"], object.api_version().into());
    patch.set_at(&["kind"], object.kind().into());
    let node = match resource.custom.as_ref().map(|c| c.schema()) {
        Some(Some(schema)) => Node::custom(schema),
        _ => Node::builtin(&resource.group, &resource.version, &resource.kind),
    };
    if let Some(path) = fieldmanager::first_atomic(&node, &patch) {
        return Err(format!(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {path}"
        ));
    }
    fieldmanager::merge(&node, object, &patch).map_err(|e| format!("error applying patch: {e}"))
}

/// Each nested object must be named by its place: `Object.spec.template`.
///
/// upstream: dynamic/objects.go#ObjectVal.CheckTypeNamesMatchFieldPathNames
fn names_match(value: &cel::Value<'_>, expected: &str) -> Result<(), String> {
    match value {
        cel::Value::Struct(made) => {
            if *made.name != *expected {
                return Err(format!(
                    "unexpected type name {}, expected {}, which matches field name path from root Object type",
                    machinery::go::quote(&made.name),
                    machinery::go::quote(expected)
                ));
            }
            made.fields
                .iter()
                .try_for_each(|(name, value)| names_match(value, &format!("{expected}.{name}")))
        }
        cel::Value::List(list) => list
            .iter()
            .filter_map(Result::ok)
            .try_for_each(|value| names_match(&value, expected)),
        cel::Value::Map(cel::Map::Owned(entries)) => {
            entries
                .values()
                .try_for_each(|(key, value)| match key.as_str() {
                    Some(name) => names_match(value, &format!("{expected}.{name}")),
                    None => Ok(()),
                })
        }
        _ => Ok(()),
    }
}
