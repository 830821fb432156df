//! What differs between two values.
// upstream: structured-merge-diff/typed/compare.go

use std::collections::BTreeMap;

use serde_json::Value;

use super::steps;
use crate::node::{Node, Relation};
use crate::path::PathElement;
use crate::set::Set;

/// Paths by what happened to them.
#[derive(Default)]
pub(crate) struct Comparison {
    pub(crate) added: Set,
    pub(crate) removed: Set,
    pub(crate) modified: Set,
}

#[derive(Default)]
struct Here {
    added: bool,
    removed: bool,
    modified: bool,
    below: Comparison,
}

/// Compares two objects. List entries that can't be told apart are passed over.
pub(crate) fn compare(node: &Node<'_>, old: &Value, new: &Value) -> Comparison {
    walk(node, Some(old), Some(new)).below
}

fn present(v: Option<&Value>) -> Option<&Value> {
    v.filter(|v| !v.is_null())
}

fn walk(node: &Node<'_>, old: Option<&Value>, new: Option<&Value>) -> Here {
    let mut here = Here::default();
    let (old, new) = (present(old), present(new));
    let Some(some) = new.or(old) else { return here };
    if old == new {
        return here;
    }
    here.added = old.is_none();
    here.removed = new.is_none();
    let relation = node.relation(some);
    if let (Some(a), Some(b)) = (old, new)
        && node.relation(a) != relation
    {
        here.modified = a != b;
        return here;
    }
    match relation {
        Relation::Map => {
            let empty = serde_json::Map::new();
            let a = old.and_then(Value::as_object).unwrap_or(&empty);
            let b = new.and_then(Value::as_object).unwrap_or(&empty);
            let more = b.keys().filter(|k| !a.contains_key(*k));
            for name in a.keys().chain(more) {
                let child = walk(&node.child(name), a.get(name), b.get(name));
                put(&mut here.below, PathElement::field(name), child);
            }
        }
        Relation::ListByKeys(_) | Relation::ListAsSet => {
            let element = node.element();
            let list = |v: Option<&Value>| -> BTreeMap<PathElement, Value> {
                let items = v
                    .and_then(Value::as_array)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let found = steps(&relation, items, "", true).unwrap_or_default();
                found
                    .into_iter()
                    .rev()
                    .map(|(step, v)| (step, v.clone()))
                    .collect()
            };
            let (a, b) = (list(old), list(new));
            let more = b.keys().filter(|k| !a.contains_key(*k));
            for step in a.keys().chain(more) {
                let child = walk(&element, a.get(step), b.get(step));
                put(&mut here.below, step.clone(), child);
            }
        }
        Relation::Leaf => here.modified = old.is_some() && new.is_some(),
    }
    here
}

fn put(out: &mut Comparison, step: PathElement, child: Here) {
    out.added.put(step.clone(), child.added, child.below.added);
    out.removed
        .put(step.clone(), child.removed, child.below.removed);
    out.modified.put(step, child.modified, child.below.modified);
}
