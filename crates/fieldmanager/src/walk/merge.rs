//! Merging a configuration into a live object.
// upstream: structured-merge-diff/typed/merge.go

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{WalkError, steps};
use crate::node::{Node, Relation};
use crate::path::PathElement;

/// The live object with the configuration's fields.
pub(crate) fn merge(node: &Node<'_>, live: &Value, config: &Value) -> Result<Value, WalkError> {
    walk(node, live, config, "")
}

fn walk(node: &Node<'_>, live: &Value, config: &Value, path: &str) -> Result<Value, WalkError> {
    let relation = node.relation(config);
    match (&relation, live, config) {
        (Relation::Map, Value::Object(a), Value::Object(b)) => {
            let mut out = a.clone();
            for (name, value) in b {
                let merged = match a.get(name) {
                    Some(old) => walk(&node.child(name), old, value, &format!("{path}.{name}"))?,
                    None => value.clone(),
                };
                out.insert(name.clone(), merged);
            }
            Ok(Value::Object(out))
        }
        (Relation::ListByKeys(_) | Relation::ListAsSet, Value::Array(a), Value::Array(b)) => {
            list(node, &relation, a, b, path).map(Value::Array)
        }
        _ => Ok(config.clone()),
    }
}

/// Entries of both in an order that keeps the configuration's, and the live one's where it says nothing.
// upstream: typed/merge.go#visitListItems
fn list(
    node: &Node<'_>,
    relation: &Relation,
    live: &[Value],
    config: &[Value],
    path: &str,
) -> Result<Vec<Value>, WalkError> {
    let element = node.element();
    let right = steps(relation, config, path, false)?;
    let left = steps(relation, live, path, true)?;
    let of_left: HashMap<&PathElement, &Value> = left.iter().rev().map(|(s, v)| (s, *v)).collect();
    let in_right: HashSet<&PathElement> = right.iter().map(|(s, _)| s).collect();
    let mut shared = right
        .iter()
        .map(|(s, _)| s)
        .filter(|s| of_left.contains_key(*s));
    let mut next_shared = shared.next();
    let mut merged: HashSet<&PathElement> = HashSet::with_capacity(right.len());
    let join = |step: &PathElement, value: &Value| match of_left.get(step) {
        Some(old) => walk(&element, old, value, &format!("{path}{step}")),
        None => Ok(value.clone()),
    };
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some((a, _)), Some((b, value))) = (left.get(l), right.get(r)) {
            if a == b {
                merged.insert(b);
                out.push(join(b, value)?);
                l += 1;
                r += 1;
                next_shared = shared.next();
                continue;
            }
            if in_right.contains(a) && next_shared.is_some_and(|s| s != a) {
                // Shared, but its turn comes with the configuration's order.
                l += 1;
                continue;
            }
        }
        if let Some((a, value)) = left.get(l) {
            if !in_right.contains(a) {
                out.push((*value).clone());
                l += 1;
                continue;
            }
            if merged.contains(a) {
                l += 1;
                continue;
            }
        }
        if let Some((b, value)) = right.get(r) {
            merged.insert(b);
            out.push(join(b, value)?);
            r += 1;
            if next_shared == Some(b) {
                next_shared = shared.next();
            }
        } else {
            // Only shared entries that are merged already are left.
            l += 1;
        }
    }
    Ok(out)
}
