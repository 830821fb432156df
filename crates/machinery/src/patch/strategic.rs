//! Strategic merge patch.
// upstream: apimachinery/pkg/util/strategicpatch/patch.go

mod directives;
mod order;

use schema::{Field, Shape, Type};
use serde_json::{Map, Value};

use super::PatchError;
use super::error::{BAD_ORDER_LIST, go_value};
use directives::{DELETE_LIST, MARKER, ORDER, delete_list_key, drop_directives, retain_keys};
use order::{Items, normalize, partition};

type Object = Map<String, Value>;

/// Where a value stands: what is known of its type.
#[derive(Clone, Copy)]
enum Place {
    Struct(&'static Type),
    /// A map whose values have this shape.
    Map(&'static Shape),
    /// No type: plain JSON.
    Free,
}

/// How a field's value is merged.
struct Rule {
    place: Place,
    merge: bool,
    replace: bool,
    key: &'static str,
}

impl Place {
    fn of(shape: &'static Shape) -> Self {
        match shape {
            Shape::Struct(id) => id.get().map_or(Self::Free, Self::Struct),
            Shape::Map(of) => Self::Map(of),
            Shape::List(of) => Self::of(of),
            Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings => {
                schema::definition(
                    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
                )
                .map_or(Self::Free, Self::Struct)
            }
            _ => Self::Free,
        }
    }

    // upstream: strategicpatch/meta.go#LookupPatchMetadataForStruct, #LookupPatchMetadataForSlice
    fn rule(self, name: &str) -> Result<Rule, PatchError> {
        let plain = |place| Rule {
            place,
            merge: false,
            replace: false,
            key: "",
        };
        match self {
            Self::Free => Ok(plain(Self::Free)),
            Self::Map(of) => Ok(plain(Self::of(of))),
            Self::Struct(ty) => match ty.field(name) {
                Some(field) => Ok(Rule {
                    place: Self::of(&field.shape),
                    merge: field.has(Field::MERGE),
                    replace: field.has(Field::REPLACE),
                    key: field.merge_key(),
                }),
                None => Err(PatchError::Strategic(format!(
                    "unable to find api field in struct {} for the json field {}",
                    ty.short_name(),
                    crate::go::quote(name)
                ))),
            },
        }
    }
}

pub(super) fn apply(ty: &'static Type, document: Value, patch: Value) -> Result<Value, PatchError> {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            merge_map(document, patch, Place::Struct(ty)).map(Value::Object)
        }
        (document, _) => Err(mismatch(&document)),
    }
}

fn mismatch(found: &Value) -> PatchError {
    PatchError::Strategic(format!("invalid type: {}", super::error::json_type(found)))
}

// upstream: #mergeMap
fn merge_map(mut original: Object, mut patch: Object, place: Place) -> Result<Object, PatchError> {
    if let Some(marker) = patch.get(MARKER) {
        // upstream: #handleDirectiveInMergeMap
        return match marker.as_str() {
            Some("replace") => {
                patch.shift_remove(MARKER);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(bad_type(marker, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_element_orders(&mut original, &mut patch, place)?;
    for (key, value) in patch {
        let (key, deletes) = if key.starts_with(DELETE_LIST) {
            (delete_list_key(&key)?.to_owned(), true)
        } else {
            (key, false)
        };
        if value.is_null() {
            original.shift_remove(&key);
            continue;
        }
        let Some(present) = original.get_mut(&key) else {
            if !deletes {
                original.insert(key, drop_directives(value));
            }
            continue;
        };
        let merged = match (present.take(), value) {
            (Value::Object(old), Value::Object(new)) => {
                let rule = place.rule(&key)?;
                if rule.replace {
                    Value::Object(new)
                } else {
                    Value::Object(merge_map(old, new, rule.place)?)
                }
            }
            (Value::Array(old), Value::Array(new)) => {
                let rule = place.rule(&key)?;
                if rule.merge || deletes {
                    Value::Array(merge_list(old, new, &rule, deletes)?)
                } else {
                    Value::Array(new)
                }
            }
            (old, _) if deletes => old,
            (_, new) => drop_directives(new),
        };
        *present = merged;
    }
    Ok(original)
}

fn bad_type(marker: &Value, map: &Object) -> PatchError {
    PatchError::Strategic(format!(
        "unknown patch type: {} in map: {}",
        go_value(marker),
        go_value(&Value::Object(map.clone()))
    ))
}

fn no_merge_key(map: &Value, key: &str) -> PatchError {
    PatchError::Strategic(format!(
        "map: {} does not contain declared merge key: {key}",
        go_value(map)
    ))
}

// upstream: #mergePatchIntoOriginal
fn set_element_orders(
    original: &mut Object,
    patch: &mut Object,
    place: Place,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|k| k.starts_with(ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let wanted = match patch.shift_remove(&directive) {
            Some(Value::Array(items)) => items,
            _ => return Err(BAD_ORDER_LIST),
        };
        let key = directive
            .strip_prefix(ORDER)
            .and_then(|k| k.strip_prefix('/'))
            .ok_or(BAD_ORDER_LIST)?;
        let list = |v: Option<Value>| match v {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(mismatch(&other)),
        };
        // A null in the patch deletes the list.
        if patch.get(key).is_some_and(Value::is_null) {
            continue;
        }
        let old = list(original.get(key).cloned())?;
        let new = list(patch.shift_remove(key))?;
        let rule = place.rule(key)?;
        if let Some(new) = &new {
            directives::check_order(new, &wanted, rule.key)?;
        }
        let order = old.clone().unwrap_or_default();
        let merged = match (old, new) {
            (None, None) => continue,
            (Some(old), None) => old,
            (None, Some(new)) => match drop_directives(Value::Array(new)) {
                Value::Array(items) => items,
                _ => Vec::new(),
            },
            (Some(old), Some(new)) if rule.merge => merge_list(old, new, &rule, false)?,
            (Some(_), Some(new)) => new,
        };
        let items = Items::of(&order, &merged, rule.key)?;
        let (listed, others) = partition(merged, &wanted, items)?;
        original.insert(
            key.to_owned(),
            Value::Array(normalize(listed, others, &wanted, &order, items)),
        );
    }
    Ok(())
}

// upstream: #mergeSlice
fn merge_list(
    old: Vec<Value>,
    new: Vec<Value>,
    rule: &Rule,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let items = Items::of(&old, &new, rule.key)?;
    let Items::Maps(key) = items else {
        if deletes {
            return Ok(old.into_iter().filter(|v| !new.contains(v)).collect());
        }
        let mut merged: Vec<Value> = Vec::with_capacity(old.len() + new.len());
        for v in old.iter().chain(&new) {
            if !merged.contains(v) {
                merged.push(v.clone());
            }
        }
        let (listed, others) = partition(merged, &new, items)?;
        return Ok(normalize(listed, others, &new, &old, items));
    };
    if key.is_empty() {
        return Err(PatchError::Strategic(format!(
            "cannot merge lists without merge key for {}",
            rule.name()
        )));
    }
    let (old, new) = special_elements(old, new, key)?;
    let order = old.clone();
    let mut merged = old;
    for entry in &new {
        let value = entry.get(key).ok_or_else(|| no_merge_key(entry, key))?;
        let found = merged.iter().position(|v| v.get(key) == Some(value));
        match (found.and_then(|i| merged.get_mut(i)), entry) {
            (Some(present), Value::Object(patch)) => {
                let Value::Object(map) = present.take() else {
                    return Err(mismatch(present));
                };
                *present = Value::Object(merge_map(map, patch.clone(), rule.place)?);
            }
            _ => merged.push(drop_directives(entry.clone())),
        }
    }
    let (listed, others) = partition(merged, &new, items)?;
    Ok(normalize(listed, others, &new, &order, items))
}

impl Rule {
    fn name(&self) -> &'static str {
        match self.place {
            Place::Struct(ty) => ty.short_name(),
            _ => "list",
        }
    }
}

/// Carries out `$patch: delete` and `$patch: replace` among a list's elements.
// upstream: #mergeSliceWithSpecialElements
fn special_elements(
    old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut old = old;
    let mut plain = Vec::with_capacity(new.len());
    let mut replace = false;
    for entry in new {
        let Value::Object(map) = &entry else {
            return Err(mismatch(&entry));
        };
        match map.get(MARKER).map(|m| (m, m.as_str())) {
            None => plain.push(entry),
            Some((_, Some("delete"))) => {
                let value = map.get(key).ok_or_else(|| no_merge_key(&entry, key))?;
                old.retain(|v| v.get(key) != Some(value));
            }
            Some((_, Some("replace"))) => replace = true,
            Some((_, Some("merge"))) => {
                return Err(PatchError::Strategic(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            Some((marker, _)) => return Err(bad_type(marker, map)),
        }
    }
    if replace {
        Ok((plain, Vec::new()))
    } else {
        Ok((old, plain))
    }
}
