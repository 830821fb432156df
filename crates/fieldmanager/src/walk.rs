//! Walks over typed values: their field set, what differs, merging, removing.
// upstream: structured-merge-diff/typed

mod compare;
mod fields;
mod merge;
mod remove;

use serde_json::Value;

pub(crate) use compare::compare;
pub(crate) use fields::field_set;
pub(crate) use merge::merge;
pub(crate) use remove::remove;

use crate::node::{Node, Relation};
use crate::path::PathElement;

/// A value that can't be walked as its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A field that the type hasn't.
    #[error("{path}: field not declared in schema")]
    Undeclared {
        /// Path of the field.
        path: String,
    },
    /// A keyed list's entry lacks a key.
    #[error(
        "{path}: element {index}: associative list with keys has an element that omits key field {} (and doesn't have default value)",
        machinery::go::quote(.key)
    )]
    MissingKey {
        /// Path of the list.
        path: String,
        /// Index of the entry.
        index: usize,
        /// The key.
        key: String,
    },
    /// A keyed list's entry isn't an object.
    #[error("{path}: element {index}: associative list with keys may not have non-map elements")]
    NotAMap {
        /// Path of the list.
        path: String,
        /// Index of the entry.
        index: usize,
    },
    /// The same entry twice in a configuration.
    #[error("{path}: duplicate entries for key {key}")]
    Duplicate {
        /// Path of the list.
        path: String,
        /// The entry.
        key: String,
    },
}

/// The path of the first object or list that isn't looked into.
pub(crate) fn first_atomic(node: &Node<'_>, value: &Value, path: &str) -> Option<String> {
    match (node.relation(value), value) {
        (Relation::Map, Value::Object(fields)) => fields
            .iter()
            .find_map(|(name, v)| first_atomic(&node.child(name), v, &format!("{path}.{name}"))),
        (Relation::ListByKeys(_) | Relation::ListAsSet, Value::Array(items)) => {
            let element = node.element();
            items.iter().find_map(|v| first_atomic(&element, v, path))
        }
        (_, Value::Object(_) | Value::Array(_)) => Some(path.to_owned()),
        _ => None,
    }
}

/// The step of a list's element; `None` when the element has none (stored data may be so).
// upstream: typed/helpers.go#listItemToPathElement
fn step_of(relation: &Relation, item: &Value) -> Result<PathElement, Option<String>> {
    match relation {
        Relation::ListByKeys(keys) => {
            let map = item.as_object().ok_or(None)?;
            let mut out = Vec::with_capacity(keys.len());
            for (key, default) in keys {
                let value = map.get(key).filter(|v| !v.is_null()).or(default.as_ref());
                match value {
                    Some(v) => out.push((key.clone(), v.to_string())),
                    None => return Err(Some(key.clone())),
                }
            }
            out.sort();
            Ok(PathElement::Key(out))
        }
        _ => Ok(PathElement::Value(item.to_string())),
    }
}

/// Elements with their steps; elements without a step are left out when `lenient`.
fn steps<'v>(
    relation: &Relation,
    items: &'v [Value],
    path: &str,
    lenient: bool,
) -> Result<Vec<(PathElement, &'v Value)>, WalkError> {
    let mut out: Vec<(PathElement, &Value)> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match step_of(relation, item) {
            Ok(step) => {
                if !seen.insert(step.clone()) && !lenient {
                    return Err(WalkError::Duplicate {
                        path: path.to_owned(),
                        key: step.to_string(),
                    });
                }
                out.push((step, item));
            }
            Err(_) if lenient => {}
            Err(Some(key)) => {
                return Err(WalkError::MissingKey {
                    path: path.to_owned(),
                    index,
                    key,
                });
            }
            Err(None) => {
                return Err(WalkError::NotAMap {
                    path: path.to_owned(),
                    index,
                });
            }
        }
    }
    Ok(out)
}
