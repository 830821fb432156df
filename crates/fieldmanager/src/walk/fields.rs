//! The set of fields that a value has.
// upstream: structured-merge-diff/typed/tofieldset.go

use serde_json::Value;

use super::{WalkError, steps};
use crate::node::{Node, Relation};
use crate::path::PathElement;
use crate::set::Set;

/// The fields of an object. With `lenient`, list entries that can't be told apart are passed over.
pub(crate) fn field_set(node: &Node<'_>, value: &Value, lenient: bool) -> Result<Set, WalkError> {
    walk(node, value, "", lenient).map(|(_, set)| set)
}

/// Whether the value itself is a member, and the set below it.
fn walk(
    node: &Node<'_>,
    value: &Value,
    path: &str,
    lenient: bool,
) -> Result<(bool, Set), WalkError> {
    let relation = node.relation(value);
    let mut set = Set::default();
    match (&relation, value) {
        (Relation::Map, Value::Object(map)) => {
            for (name, value) in map {
                let below = format!("{path}.{name}");
                if !lenient && node.lacks(name) {
                    return Err(WalkError::Undeclared { path: below });
                }
                let (member, children) = walk(&node.child(name), value, &below, lenient)?;
                let empty =
                    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                set.put(
                    PathElement::field(name),
                    member || empty || !node.is_named(name),
                    children,
                );
            }
            Ok((false, set))
        }
        (Relation::ListByKeys(_) | Relation::ListAsSet, Value::Array(items)) => {
            let element = node.element();
            for (step, item) in steps(&relation, items, path, lenient)? {
                let below = format!("{path}{step}");
                let (_, children) = walk(&element, item, &below, lenient)?;
                set.put(step, true, children);
            }
            Ok((false, set))
        }
        _ => Ok((true, set)),
    }
}
