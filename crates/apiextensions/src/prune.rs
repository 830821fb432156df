//! Removal of fields that a schema doesn't know.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go

use serde_json::Value;

use crate::schema::Schema;

/// Most unknown fields that are reported of one object.
const MAX_UNKNOWN: usize = machinery::typed::MAX_UNKNOWN;

/// Whether a field is one of the metadata of a resource.
pub(crate) fn is_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// Where a walk is, as text, and what it has found.
#[derive(Default)]
pub(crate) struct Trail {
    path: String,
    pub(crate) unknown: Vec<String>,
}

impl Trail {
    pub(crate) fn within(&mut self, name: &str, run: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        run(self);
        self.path.truncate(length);
    }

    pub(crate) fn at(&mut self, index: usize, run: impl FnOnce(&mut Self)) {
        use std::fmt::Write as _;
        let length = self.path.len();
        let _ = write!(self.path, "[{index}]");
        run(self);
        self.path.truncate(length);
    }

    pub(crate) fn report(&mut self, name: &str) {
        if self.unknown.len() < MAX_UNKNOWN {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.unknown.push(format!("{}{dot}{name}", self.path));
        }
    }
}

/// Prunes an object; gives the paths of what was removed, sorted, at most 100. A schema that is an embedded resource
/// (a root is one) keeps its `apiVersion`, `kind` and `metadata`.
pub fn prune(value: &mut Value, schema: &Schema) -> Vec<String> {
    let mut trail = Trail::default();
    walk(value, Some(schema), &mut trail);
    trail.unknown.sort();
    trail.unknown
}

fn walk(value: &mut Value, schema: Option<&Schema>, trail: &mut Trail) {
    if let Some(schema) = schema
        && schema.preserves()
    {
        skip(value, schema, trail);
        return;
    }
    match value {
        Value::Object(map) => {
            let Some(schema) = schema else {
                map.keys().for_each(|name| trail.report(name));
                map.clear();
                return;
            };
            map.retain(|name, value| {
                if schema.embedded_resource && is_meta(name) {
                    return true;
                }
                if let Some(property) = schema.properties.get(name) {
                    trail.within(name, |t| walk(value, Some(property), t));
                } else if schema.additional_properties.is_some() {
                    trail.within(name, |t| walk(value, schema.values(), t));
                } else {
                    if !is_meta(name) || !trail.path.is_empty() {
                        trail.report(name);
                    }
                    return false;
                }
                true
            });
        }
        Value::Array(items) => {
            let of = schema.and_then(Schema::element);
            for (i, item) in items.iter_mut().enumerate() {
                trail.at(i, |t| walk(item, of, t));
            }
        }
        _ => {}
    }
}

/// Where unknown fields stay, known ones are still pruned within.
fn skip(value: &mut Value, schema: &Schema, trail: &mut Trail) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                if schema.embedded_resource && is_meta(name) {
                    continue;
                }
                if let Some(property) = schema.properties.get(name) {
                    trail.within(name, |t| walk(value, Some(property), t));
                } else if schema.additional_properties.is_some() {
                    trail.within(name, |t| walk(value, schema.values(), t));
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.element() {
                for (i, item) in items.iter_mut().enumerate() {
                    trail.at(i, |t| skip(item, of, t));
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pruned(schema: Value, mut value: Value) -> (Value, Vec<String>) {
        let schema = Schema::parse(&schema).unwrap().as_root();
        let unknown = prune(&mut value, &schema);
        (value, unknown)
    }

    // upstream: pruning/algorithm_test.go#TestPrune
    #[test]
    fn prunes() {
        let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "a": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"k": {"type": "object", "properties": {"x": {"type": "string"}}}}},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
        }}}});
        let (value, unknown) = pruned(
            schema,
            json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n", "odd": 1}, "more": 1, "spec": {
                "a": "x", "b": 1,
                "list": [{"x": "1", "y": 2}],
                "map": {"k": {"x": "1", "y": 2}},
                "any": {"u": {"v": 1}, "k": {"x": "1", "y": 2}},
                "embedded": {"apiVersion": "v1", "kind": "P", "metadata": {"q": 1}, "spec": {"gone": 1}, "gone": 1},
            }}),
        );
        assert_eq!(
            value,
            json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n", "odd": 1}, "spec": {
                "a": "x",
                "list": [{"x": "1"}],
                "map": {"k": {"x": "1"}},
                "any": {"u": {"v": 1}, "k": {"x": "1"}},
                "embedded": {"apiVersion": "v1", "kind": "P", "metadata": {"q": 1}, "spec": {}},
            }})
        );
        assert_eq!(
            unknown,
            [
                "more",
                "spec.any.k.y",
                "spec.b",
                "spec.embedded.gone",
                "spec.embedded.spec.gone",
                "spec.list[0].y",
                "spec.map.k.y"
            ]
        );
    }

    #[test]
    fn a_schema_without_properties_prunes_all() {
        let (value, unknown) = pruned(json!({"type": "object"}), json!({"spec": {"a": 1}}));
        assert_eq!((value, unknown), (json!({}), vec!["spec".to_owned()]));
    }
}
