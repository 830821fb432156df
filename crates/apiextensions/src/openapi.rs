//! A version's schema as it is published.
// upstream: apiextensions-apiserver/pkg/controller/openapi/builder/builder.go, openapi/v2/conversion.go

use serde_json::{Map, Value, json};

use crate::definition::DefinitionVersion;
use crate::schema::Schema;
use crate::structural;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// The schema for OpenAPI v3, made of what the definition says (`raw`).
pub fn v3(version: &DefinitionVersion, raw: Option<&Value>) -> Value {
    let mut out = match (version.schema(), raw) {
        (Some(schema), Some(raw)) if structural::is_structural(schema) => {
            let mut out = raw.clone();
            each(&mut out, &mut |node| {
                unfold(node);
                embed(node, &reference("#/components/schemas/", true));
            });
            native(&mut out, &reference("#/components/schemas/", true));
            out
        }
        _ => json!({"type": "object"}),
    };
    selectable(version, &mut out);
    out
}

/// The schema for OpenAPI v2, which says less.
pub fn v2(version: &DefinitionVersion, raw: Option<&Value>, preserve: bool) -> Value {
    match (version.schema(), raw) {
        (Some(schema), Some(raw))
            if structural::is_structural(schema) && !schema.preserves() && !preserve =>
        {
            let mut out = raw.clone();
            each(&mut out, &mut strip);
            each(&mut out, &mut |node| {
                if flag(node, "x-kubernetes-preserve-unknown-fields") {
                    return;
                }
                embed(node, &reference("#/definitions/", false));
            });
            native(&mut out, &reference("#/definitions/", false));
            out
        }
        _ => json!({"type": "object"}),
    }
}

fn selectable(version: &DefinitionVersion, out: &mut Value) {
    if version.selectable_fields.is_empty() {
        return;
    }
    let fields: Vec<Value> = version
        .selectable_fields
        .iter()
        .map(|f| json!({"fieldPath": f.json_path.strip_prefix('.').unwrap_or(&f.json_path)}))
        .collect();
    if let Some(map) = out.as_object_mut() {
        map.insert("x-kubernetes-selectable-fields".to_owned(), fields.into());
    }
}

fn reference(prefix: &str, v3: bool) -> Value {
    let path = format!("{prefix}{OBJECT_META}");
    if v3 {
        // Siblings of a reference have no meaning.
        json!({"description": METADATA, "allOf": [{"$ref": path}]})
    } else {
        json!({"description": METADATA, "$ref": path})
    }
}

/// Visits all schemas of the structural spine, the innermost first.
fn each(node: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Some(map) = node.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|v| each(v, visit));
    }
    for name in ["items", "additionalProperties"] {
        if let Some(below) = map.get_mut(name) {
            each(below, visit);
        }
    }
    visit(map);
}

fn flag(node: &Map<String, Value>, name: &str) -> bool {
    node.get(name).and_then(Value::as_bool) == Some(true)
}

/// `x-kubernetes-int-or-string` in terms that all clients know.
fn unfold(node: &mut Map<String, Value>) {
    if !flag(node, "x-kubernetes-int-or-string") {
        return;
    }
    let parsed = Schema::parse(&Value::Object(node.clone())).unwrap_or_default();
    let first = parsed.all_of.first();
    if structural::is_int_or_string(&parsed.any_of)
        || first.is_some_and(|a| structural::is_int_or_string(&a.any_of))
    {
        return;
    }
    let any_of = json!([{"type": "integer"}, {"type": "string"}]);
    if node.contains_key("anyOf") {
        let mut all = vec![json!({ "anyOf": any_of })];
        if let Some(Value::Array(rest)) = node.remove("allOf") {
            all.extend(rest);
        }
        node.insert("allOf".to_owned(), all.into());
    } else {
        node.insert("anyOf".to_owned(), any_of);
    }
}

fn embed(node: &mut Map<String, Value>, metadata: &Value) {
    if !flag(node, "x-kubernetes-embedded-resource") {
        return;
    }
    add_properties(node, metadata);
    let mut required: Vec<Value> = match node.remove("required") {
        Some(Value::Array(required)) => required,
        _ => Vec::new(),
    };
    for name in ["kind", "apiVersion"] {
        if !required.iter().any(|r| r == name) {
            required.push(name.into());
        }
    }
    node.insert("required".to_owned(), required.into());
}

fn native(root: &mut Value, metadata: &Value) {
    if let Some(map) = root.as_object_mut() {
        add_properties(map, metadata);
    }
}

fn add_properties(node: &mut Map<String, Value>, metadata: &Value) {
    let properties = node
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(
            "apiVersion".to_owned(),
            json!({"type": "string", "description": API_VERSION}),
        );
        properties.insert(
            "kind".to_owned(),
            json!({"type": "string", "description": KIND}),
        );
        properties.insert("metadata".to_owned(), metadata.clone());
        properties.sort_keys();
    }
}

/// Leaves out what version 2, or kubectl's reading of it, has no place for.
// upstream: v2/conversion.go#ToStructuralOpenAPIV2
fn strip(node: &mut Map<String, Value>) {
    for name in ["allOf", "anyOf", "oneOf", "not"] {
        node.remove(name);
    }
    // Nullable fields can't be required: a client would miss the null.
    let nullable = |v: &Value| v.get("x-was-nullable").is_some();
    let optional: Vec<String> = match node.get("properties") {
        Some(Value::Object(properties)) => properties
            .iter()
            .filter(|(_, v)| nullable(v))
            .map(|(k, _)| k.clone())
            .collect(),
        _ => Vec::new(),
    };
    if let Some(Value::Array(required)) = node.get_mut("required") {
        required.retain(|r| !optional.iter().any(|o| r == o));
        if required.is_empty() {
            node.remove("required");
        }
    }
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        for property in properties.values_mut() {
            unmark(property);
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(below) = node.get_mut(name) {
            unmark(below);
        }
    }
    if flag(node, "nullable") {
        for name in ["type", "nullable", "items", "properties"] {
            node.remove(name);
        }
        // Read by the schema above, and removed by it.
        node.insert("x-was-nullable".to_owned(), true.into());
    }
    if flag(node, "x-kubernetes-preserve-unknown-fields") {
        for name in ["items", "properties", "type"] {
            node.remove(name);
        }
    }
    if !node.contains_key("items") && node.get("type").is_some_and(|t| t == "array") {
        node.remove("type");
    }
}

fn unmark(node: &mut Value) {
    if let Some(map) = node.as_object_mut() {
        map.remove("x-was-nullable");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize as _;

    #[test]
    fn publishes() {
        let raw = json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["n"], "properties": {
            "n": {"type": "string", "nullable": true},
            "port": {"x-kubernetes-int-or-string": true},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
            "one": {"type": "integer", "oneOf": [{"minimum": 1}, {"minimum": 5}]},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}}}}}});
        let version = DefinitionVersion::deserialize(
            &json!({"name": "v1", "schema": {"openAPIV3Schema": raw}, "selectableFields": [{"jsonPath": ".spec.n"}]}),
        )
        .unwrap();
        let three = v3(&version, Some(&raw));
        let spec = &three["properties"]["spec"]["properties"];
        assert_eq!(
            spec["port"]["anyOf"],
            json!([{"type": "integer"}, {"type": "string"}])
        );
        assert_eq!(spec["pod"]["required"], json!(["kind", "apiVersion"]));
        assert_eq!(
            three["properties"]["metadata"]["allOf"][0]["$ref"],
            "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        );
        assert_eq!(
            three["x-kubernetes-selectable-fields"],
            json!([{"fieldPath": "spec.n"}])
        );
        let two = v2(&version, Some(&raw), false);
        let spec = &two["properties"]["spec"];
        assert!(spec.get("required").is_none());
        assert_eq!(spec["properties"]["n"], json!({}));
        assert_eq!(spec["properties"]["one"], json!({"type": "integer"}));
        assert_eq!(
            spec["properties"]["any"],
            json!({"x-kubernetes-preserve-unknown-fields": true})
        );
        assert_eq!(two["properties"]["kind"]["type"], "string");
        let without = DefinitionVersion::default();
        assert_eq!(v3(&without, None), json!({"type": "object"}));
    }
}
