//! Types as JSON schemas.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{Descriptions, Field, Shape, Type, TypeId, definition};

/// Which OpenAPI is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V2,
    V3,
}

impl Version {
    pub(super) fn reference(self, name: &str) -> Value {
        json!({ "$ref": self.path(name) })
    }

    pub(super) fn path(self, name: &str) -> String {
        match self {
            Self::V2 => format!("#/definitions/{name}"),
            Self::V3 => format!("#/components/schemas/{name}"),
        }
    }
}

/// Schemas by name, with all that they refer to.
pub(super) struct Definitions {
    pub(super) version: Version,
    /// Of types that have many kinds only this group and version's (and core's `v1`) are told.
    group_version: Option<(String, String)>,
    pub(super) schemas: BTreeMap<String, Value>,
    texts: Arc<Descriptions>,
}

impl Definitions {
    pub(super) fn new(version: Version, group_version: Option<(&str, &str)>) -> Self {
        let group_version = group_version.map(|(g, v)| (g.to_owned(), v.to_owned()));
        Self {
            version,
            group_version,
            schemas: BTreeMap::new(),
            texts: Descriptions::get(),
        }
    }

    /// Adds a type of the table by its name.
    pub(super) fn add_named(&mut self, name: &str) {
        if let Some(ty) = definition(name) {
            self.add(ty);
        }
    }

    /// Adds a type with those it refers to.
    pub(super) fn add(&mut self, ty: &'static Type) {
        let mut queue = vec![ty];
        while let Some(ty) = queue.pop() {
            if self.schemas.contains_key(ty.name) {
                continue;
            }
            let schema = self.schema(ty, &mut queue);
            self.schemas.insert(ty.name.to_owned(), schema);
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.schemas.into_iter().collect())
    }

    fn schema(&self, ty: &'static Type, queue: &mut Vec<&'static Type>) -> Value {
        let mut out = Map::new();
        if let Some(text) = self.texts.definition(ty.name) {
            out.insert("description".to_owned(), text.into());
        }
        match ty.scalar {
            Some(shape) => {
                if let Value::Object(scalar) = self.scalar(&shape) {
                    out.extend(scalar);
                }
                return Value::Object(out);
            }
            None => out.insert("type".to_owned(), "object".into()),
        };
        let mut required = Vec::new();
        let mut properties = Map::new();
        for field in ty.fields {
            if field.has(Field::REQUIRED) {
                required.push(field.name);
            }
            properties.insert(field.name.to_owned(), self.property(ty, field, queue));
        }
        if !required.is_empty() {
            required.sort_unstable();
            out.insert("required".to_owned(), required.into());
        }
        if !properties.is_empty() {
            properties.sort_keys();
            out.insert("properties".to_owned(), properties.into());
        }
        let kinds: Vec<Value> = ty
            .kinds
            .iter()
            .filter(|k| ty.kinds.len() == 1 || self.tells(k.group, k.version))
            .map(|k| json!({"group": k.group, "version": k.version, "kind": k.kind}))
            .collect();
        if !kinds.is_empty() {
            out.insert("x-kubernetes-group-version-kind".to_owned(), kinds.into());
        }
        if ty.atomic {
            out.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
        }
        if let Ok(unions) = serde_json::from_str::<Value>(ty.unions) {
            out.insert("x-kubernetes-unions".to_owned(), unions);
        }
        Value::Object(out)
    }

    fn tells(&self, group: &str, version: &str) -> bool {
        match &self.group_version {
            None => true,
            Some((g, v)) => (group.is_empty() && version == "v1") || (group == g && version == v),
        }
    }

    fn property(
        &self,
        ty: &'static Type,
        field: &'static Field,
        queue: &mut Vec<&'static Type>,
    ) -> Value {
        let v3 = self.version == Version::V3;
        let mut schema = self.shape(&field.shape, queue);
        let is_reference = schema.as_object().is_some_and(|m| m.contains_key("$ref"));
        if v3 && is_reference {
            schema = json!({ "allOf": [schema] });
        }
        let Some(out) = schema.as_object_mut() else {
            return schema;
        };
        if let Some(text) = self.texts.field(ty.name, field.name) {
            out.insert("description".to_owned(), text.into());
        }
        if v3 && let Some(default) = default(field) {
            out.insert("default".to_owned(), default);
        }
        if let Some(extra) = field.extra {
            if v3 && !extra.values.is_empty() {
                let inner = ["items", "additionalProperties"]
                    .into_iter()
                    .find(|k| out.contains_key(*k));
                let target = match inner {
                    Some(key) => out.get_mut(key).and_then(Value::as_object_mut),
                    None => Some(&mut *out),
                };
                if let Some(target) = target {
                    target.insert("enum".to_owned(), extra.values.to_vec().into());
                }
            }
            if let Some(list) = extra.list {
                out.insert("x-kubernetes-list-type".to_owned(), list.as_str().into());
            }
            if !extra.keys.is_empty() {
                out.insert(
                    "x-kubernetes-list-map-keys".to_owned(),
                    extra.keys.to_vec().into(),
                );
            }
            if !extra.merge_key.is_empty() {
                out.insert(
                    "x-kubernetes-patch-merge-key".to_owned(),
                    extra.merge_key.into(),
                );
            }
        }
        let strategies: Vec<&str> = [
            (Field::MERGE, "merge"),
            (Field::REPLACE, "replace"),
            (Field::RETAIN_KEYS, "retainKeys"),
        ]
        .into_iter()
        .filter(|(flag, _)| field.has(*flag))
        .map(|(_, name)| name)
        .collect();
        if !strategies.is_empty() {
            out.insert(
                "x-kubernetes-patch-strategy".to_owned(),
                strategies.join(",").into(),
            );
        }
        if field.has(Field::ATOMIC_MAP) {
            out.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
        }
        if field.has(Field::GRANULAR_MAP) {
            out.insert("x-kubernetes-map-type".to_owned(), "granular".into());
        }
        schema
    }

    fn shape(&self, shape: &'static Shape, queue: &mut Vec<&'static Type>) -> Value {
        if let Some(name) = scalar_name(shape) {
            queue.extend(definition(name));
            return self.version.reference(name);
        }
        match shape {
            Shape::String | Shape::Duration => json!({"type": "string"}),
            Shape::Bytes => json!({"type": "string", "format": "byte"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Double => json!({"type": "number", "format": "double"}),
            Shape::Struct(id) => self.reference(*id, queue),
            Shape::List(of) => json!({"type": "array", "items": self.shape(of, queue)}),
            Shape::Map(of) => {
                json!({"type": "object", "additionalProperties": self.shape(of, queue)})
            }
            _ => json!({"type": "object"}),
        }
    }

    fn reference(&self, id: TypeId, queue: &mut Vec<&'static Type>) -> Value {
        match id.get() {
            Some(ty) => {
                queue.push(ty);
                self.version.reference(ty.name)
            }
            None => json!({"type": "object"}),
        }
    }

    fn scalar(&self, shape: &Shape) -> Value {
        match (shape, self.version) {
            (Shape::Quantity, Version::V2) => json!({"type": "string"}),
            (Shape::Quantity, Version::V3) => {
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]})
            }
            (Shape::IntOrString, Version::V2) => {
                json!({"type": "string", "format": "int-or-string"})
            }
            (Shape::IntOrString, Version::V3) => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            (Shape::Time | Shape::MicroTime, _) => json!({"type": "string", "format": "date-time"}),
            (Shape::Raw | Shape::FieldsV1, _) => json!({"type": "object"}),
            _ => json!({}),
        }
    }
}

/// Definitions of what isn't a struct.
fn scalar_name(shape: &Shape) -> Option<&'static str> {
    Some(match shape {
        Shape::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        Shape::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity",
        Shape::Time => "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        Shape::MicroTime => "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        Shape::Raw => "io.k8s.apimachinery.pkg.runtime.RawExtension",
        Shape::FieldsV1 => "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        Shape::Json => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
        Shape::SchemaOrArray => {
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray"
        }
        Shape::SchemaOrBool => {
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool"
        }
        Shape::SchemaOrStrings => {
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray"
        }
        _ => return None,
    })
}

/// The default that v3 tells: the declared one, or Go's zero value where it is always written.
// upstream: kube-openapi/pkg/generators/openapi.go#generateDefault
fn default(field: &Field) -> Option<Value> {
    if let Some(text) = field.extra.and_then(|e| e.default) {
        return serde_json::from_str(text).ok();
    }
    if field.has(Field::POINTER) || !field.has(Field::ALWAYS) {
        return match field.shape {
            Shape::Struct(_) if !field.has(Field::POINTER) => Some(json!({})),
            _ => None,
        };
    }
    match field.shape {
        Shape::String => Some("".into()),
        Shape::Bool => Some(false.into()),
        Shape::Int32 | Shape::Int64 | Shape::Double => Some(0.into()),
        Shape::Struct(_) => Some(json!({})),
        _ => None,
    }
}
