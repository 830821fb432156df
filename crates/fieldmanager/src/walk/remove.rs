//! Removing fields of a set from a value.
// upstream: structured-merge-diff/typed/remove.go

use serde_json::{Map, Value};

use super::step_of;
use crate::node::{Node, Relation};
use crate::path::PathElement;
use crate::set::Set;

/// The value without the set's fields. What is left without content by that goes too.
pub(crate) fn remove(node: &Node<'_>, value: &Value, set: &Set) -> Value {
    walk(node, value, set).unwrap_or_else(|| Value::Object(Map::new()))
}

fn walk(node: &Node<'_>, value: &Value, set: &Set) -> Option<Value> {
    let relation = node.relation(value);
    match (&relation, value) {
        (Relation::Map, Value::Object(map)) if !map.is_empty() => {
            let mut out = Map::with_capacity(map.len());
            for (name, value) in map {
                let step = PathElement::field(name);
                if set.has(&step) {
                    continue;
                }
                let kept = match set.under(&step) {
                    Some(below) => walk(&node.child(name), value, below),
                    None => Some(value.clone()),
                };
                if let Some(kept) = kept {
                    out.insert(name.clone(), kept);
                }
            }
            if out.is_empty() {
                None
            } else {
                Some(Value::Object(out))
            }
        }
        (Relation::ListByKeys(_) | Relation::ListAsSet, Value::Array(items))
            if !items.is_empty() =>
        {
            let element = node.element();
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                let Ok(step) = step_of(&relation, item) else {
                    out.push(item.clone());
                    continue;
                };
                if set.has(&step) {
                    continue;
                }
                match set.under(&step) {
                    Some(below) => out.extend(walk(&element, item, below)),
                    None => out.push(item.clone()),
                }
            }
            if out.is_empty() {
                None
            } else {
                Some(Value::Array(out))
            }
        }
        _ => Some(value.clone()),
    }
}
