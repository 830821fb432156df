//! Sets of field paths.
// upstream: structured-merge-diff/fieldpath/set.go

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::node::Node;
use crate::path::PathElement;

/// A set of paths, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(BTreeMap<PathElement, Branch>);

/// What is under one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Branch {
    /// Whether the path that ends here is in the set.
    member: bool,
    children: Set,
}

impl Set {
    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[PathElement]) {
        if let Some((first, rest)) = path.split_first() {
            let branch = self.0.entry(first.clone()).or_default();
            if rest.is_empty() {
                branch.member = true;
            } else {
                branch.children.insert(rest);
            }
        }
    }

    /// A set of dotted field paths, e.g. `["status", "metadata.name"]`.
    pub fn of_fields(paths: &[&str]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let steps: Vec<PathElement> = path.split('.').map(PathElement::field).collect();
            set.insert(&steps);
        }
        set
    }

    /// Puts a step with what is under it; nothing is kept of an empty one.
    pub(crate) fn put(&mut self, step: PathElement, member: bool, children: Set) {
        if member || !children.is_empty() {
            self.0.insert(step, Branch { member, children });
        }
    }

    /// Whether the step itself is in the set.
    pub(crate) fn has(&self, step: &PathElement) -> bool {
        self.0.get(step).is_some_and(|b| b.member)
    }

    /// What is under a step, `None` when nothing is.
    pub(crate) fn under(&self, step: &PathElement) -> Option<&Set> {
        self.0
            .get(step)
            .map(|b| &b.children)
            .filter(|s| !s.is_empty())
    }

    fn combine(
        &self,
        other: &Self,
        keep: fn(bool, bool) -> bool,
        alone: bool,
        others: bool,
    ) -> Self {
        let mut out = Self::default();
        let nothing = Branch::default();
        for (step, a) in &self.0 {
            match other.0.get(step) {
                None if alone => {
                    out.0.insert(step.clone(), a.clone());
                }
                None => {}
                Some(b) => {
                    let children = a.children.combine(&b.children, keep, alone, others);
                    out.put(step.clone(), keep(a.member, b.member), children);
                }
            }
        }
        if others {
            for (step, b) in other
                .0
                .iter()
                .filter(|(step, _)| !self.0.contains_key(*step))
            {
                out.put(
                    step.clone(),
                    keep(nothing.member, b.member),
                    b.children.clone(),
                );
            }
        }
        out
    }

    /// Paths in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a || b, true, true)
    }

    /// Paths in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && b, false, false)
    }

    /// Paths of this that aren't in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && !b, true, false)
    }

    /// As [`Set::difference`], without what is below the other's paths either.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (step, a) in &self.0 {
            match other.0.get(step) {
                None => {
                    out.0.insert(step.clone(), a.clone());
                }
                Some(b) if b.member => {}
                Some(b) => out.put(
                    step.clone(),
                    a.member,
                    a.children.recursive_difference(&b.children),
                ),
            }
        }
        out
    }

    /// With the named fields that lead to its paths.
    // upstream: #Set.EnsureNamedFieldsAreMembers
    #[must_use]
    pub(crate) fn with_named_fields(&self, node: &Node<'_>) -> Self {
        let mut out = Self::default();
        for (step, branch) in &self.0 {
            let named = match step {
                PathElement::Field(name) => !branch.children.is_empty() && node.is_named(name),
                _ => false,
            };
            let children = branch.children.with_named_fields(&node.step(step));
            out.put(step.clone(), branch.member || named, children);
        }
        out
    }

    /// All paths in order.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        fn walk(set: &Set, prefix: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
            for (step, branch) in &set.0 {
                prefix.push(step.clone());
                if branch.member {
                    out.push(prefix.clone());
                }
                walk(&branch.children, prefix, out);
                prefix.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }

    /// Reads `fieldsV1`; steps that aren't known are left out.
    // upstream: structured-merge-diff/fieldpath/serialize.go
    pub fn from_fields_v1(value: &Value) -> Self {
        let mut out = Self::default();
        for (key, value) in value.as_object().into_iter().flatten() {
            if let Some(step) = PathElement::parse(key) {
                let map = value.as_object();
                let children = Self::from_fields_v1(value);
                let member = map.is_none_or(|m| m.is_empty() || m.contains_key("."));
                out.put(step, member || children.is_empty(), children);
            }
        }
        out
    }

    /// Writes `fieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        let mut out = Map::with_capacity(self.0.len());
        for (step, branch) in &self.0 {
            let mut inner = Map::new();
            if branch.member && !branch.children.is_empty() {
                inner.insert(".".to_owned(), Value::Object(Map::new()));
            }
            if let Value::Object(children) = branch.children.to_fields_v1() {
                inner.extend(children);
            }
            out.insert(step.encode(), Value::Object(inner));
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_v1() {
        let text = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}},
            "f:finalizers": {"v:\"x/y\"": {}}}});
        let set = Set::from_fields_v1(&text);
        assert_eq!(set.to_fields_v1(), text);
        assert_eq!(set.paths().len(), 5);
    }

    fn sets() -> impl Strategy<Value = Set> {
        prop::collection::vec(prop::collection::vec("[a-c]", 1..4), 0..8).prop_map(|paths| {
            let mut set = Set::default();
            for path in paths {
                let steps: Vec<PathElement> = path.into_iter().map(PathElement::Field).collect();
                set.insert(&steps);
            }
            set
        })
    }

    proptest! {
        #[test]
        fn algebra(a in sets(), b in sets()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.intersection(&b), b.intersection(&a));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.difference(&b).intersection(&b).is_empty());
            prop_assert!(a.recursive_difference(&a).is_empty());
            prop_assert_eq!(Set::from_fields_v1(&a.to_fields_v1()), a);
        }
    }
}
