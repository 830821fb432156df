//! Defaults of a schema, and nulls that have no place.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/defaulting/{algorithm,prunenulls}.go

use serde_json::Value;

use crate::schema::Schema;

fn is_stray(value: &Value, schema: Option<&Schema>) -> bool {
    value.is_null() && schema.is_some_and(|s| !s.nullable)
}

/// Sets what is absent, or null where null isn't allowed, to the schema's defaults.
pub fn default(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else {
                    continue;
                };
                if map.get(name).is_none_or(|v| is_stray(v, Some(property))) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map.iter_mut() {
                if let Some(property) = schema.properties.get(name) {
                    self::default(value, property);
                } else if let Some(values) = schema.values() {
                    element(value, values);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.element() {
                items.iter_mut().for_each(|item| element(item, of));
            }
        }
        _ => {}
    }
}

fn element(value: &mut Value, schema: &Schema) {
    if is_stray(value, Some(schema)) {
        *value = schema.default.clone().unwrap_or_default();
    }
    default(value, schema);
}

/// Removes nulls of fields that are neither nullable nor have a default.
pub fn prune_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let of = schema.and_then(|s| s.properties.get(name).or_else(|| s.values()));
            if is_stray(value, of) && of.is_some_and(|s| s.default.is_none()) {
                return false;
            }
            prune_nulls(value, of);
            true
        }),
        Value::Array(items) => {
            let of = schema.and_then(Schema::element);
            items.iter_mut().for_each(|item| prune_nulls(item, of));
        }
        _ => {}
    }
}

/// Prunes the defaults themselves by the schema that they are in.
// upstream: defaulting/prune.go#PruneDefaults
pub fn prune_defaults(schema: &mut Schema) {
    if let Some(mut default) = schema.default.take() {
        let _ = crate::prune::prune(&mut default, schema);
        schema.default = Some(default);
    }
    schema.properties.values_mut().for_each(prune_defaults);
    if let Some(crate::schema::Items::One(items)) = &mut schema.items {
        prune_defaults(items);
    }
    if let Some(crate::schema::Additional::Schema(values)) = &mut schema.additional_properties {
        prune_defaults(values);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    // upstream: defaulting/algorithm_test.go#TestDefaulting, prunenulls_test.go
    #[test]
    fn defaults_and_nulls() {
        let schema = Schema::parse(&json!({"type": "object", "properties": {
            "a": {"type": "string", "default": "A"},
            "b": {"type": "object", "default": {}, "properties": {"c": {"type": "integer", "default": 3}}},
            "n": {"type": "string", "nullable": true, "default": "N"},
            "plain": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string", "default": "X"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string", "default": "X"}}}},
        }}))
        .unwrap();
        let run = |mut value: Value| {
            prune_nulls(&mut value, Some(&schema));
            default(&mut value, &schema);
            let mut again = value.clone();
            prune_nulls(&mut again, Some(&schema));
            default(&mut again, &schema);
            assert_eq!(again, value);
            value
        };
        assert_eq!(run(json!({})), json!({"a": "A", "b": {"c": 3}, "n": "N"}));
        assert_eq!(
            run(json!({"a": null, "n": null, "plain": null, "b": {"c": null}})),
            json!({"a": "A", "n": null, "b": {"c": 3}})
        );
        assert_eq!(
            run(
                json!({"a": "", "b": {"c": 0}, "n": "", "list": [{}, {"x": "y"}], "map": {"k": {}}})
            ),
            json!({"a": "", "b": {"c": 0}, "n": "", "list": [{"x": "X"}, {"x": "y"}], "map": {"k": {"x": "X"}}})
        );
    }
}
