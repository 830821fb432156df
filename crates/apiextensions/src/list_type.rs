//! Uniqueness in lists that are sets or maps.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go

use std::collections::HashMap;

use machinery::field::{Error, ErrorList, Path};
use serde_json::{Map, Value};

use crate::schema::Schema;

/// Checks `x-kubernetes-list-type: set` and `map` in an object.
pub fn validate(path: &Path, schema: &Schema, value: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    walk(path, schema, value, &mut errors);
    errors
}

fn walk(path: &Path, schema: &Schema, value: &Value, errors: &mut ErrorList) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(values) = schema.values() {
                    walk(&path.key(name.as_str()), values, value, errors);
                }
                if let Some(property) = schema.properties.get(name) {
                    walk(&path.child(name.clone()), property, value, errors);
                }
            }
        }
        Value::Array(items) => {
            match schema.list_type.as_deref() {
                Some("set") => {
                    for i in repeated(items.iter()) {
                        let item = items.get(i).cloned().unwrap_or_default();
                        errors.push(Error::duplicate(&path.index(i), item));
                    }
                }
                Some("map") => keyed(path, schema, items, errors),
                _ => {}
            }
            if let Some(of) = schema.element() {
                for (i, item) in items.iter().enumerate() {
                    walk(&path.index(i), of, item, errors);
                }
            }
        }
        _ => {}
    }
}

/// The places where a value is seen for the second time.
fn repeated<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut out = Vec::new();
    for (i, item) in items.enumerate() {
        let times = seen.entry(canonical(item)).or_default();
        *times += 1;
        if *times == 2 {
            out.push(i);
        }
    }
    out
}

/// Text that is the same for equal values, whatever the order of their fields.
pub(crate) fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

fn keyed(path: &Path, schema: &Schema, items: &[Value], errors: &mut ErrorList) {
    for (i, item) in items.iter().enumerate() {
        if !item.is_object() && !item.is_null() {
            errors.push(Error::invalid(
                &path.index(i),
                item.clone(),
                "must be an object for an array of list-type map",
            ));
            return;
        }
    }
    let keys: Vec<Value> = items
        .iter()
        .map(|item| {
            let key: Map<String, Value> = schema
                .list_map_keys
                .iter()
                .filter_map(|k| Some((k.clone(), item.get(k)?.clone())))
                .collect();
            Value::Object(key)
        })
        .collect();
    for i in repeated(keys.iter()) {
        let key = keys.get(i).cloned().unwrap_or_default();
        errors.push(Error::duplicate(&path.index(i), key));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn duplicates() {
        let schema = Schema::parse(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"], "items": {"type": "object"}}}}}}))
        .unwrap();
        let value = json!({"spec": {"set": ["x", "y", "x", "x"], "map": [{"a": 1, "b": 2, "c": 3}, {"b": 2, "a": 1}, {"a": 1}]}});
        let texts: Vec<String> = validate(&Path::root(), &schema, &value)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            [
                "spec.set[2]: Duplicate value: \"x\"",
                "spec.map[1]: Duplicate value: {\"a\":1,\"b\":2}"
            ]
        );
    }
}
