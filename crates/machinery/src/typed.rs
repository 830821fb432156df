//! Decoding of JSON values as built-in types, by the table in `schema`.
//!
//! [`decode`] does what upstream's decoding into Go structs does to an object: types are checked,
//! unknown fields leave (and are reported), nulls and zero values of what isn't a pointer leave,
//! quantities, times and durations take their canonical text, fields their declared order.
//! [`complete`] adds what Go writes even when it is empty (`status: {}`, `resources: {}`).
// upstream: sigs.k8s.io/json, apimachinery/pkg/runtime/serializer/json

mod complete;
mod error;
mod scalar;

use schema::{Field, Shape, Type};
use serde_json::{Map, Value};

pub use complete::complete;
pub use error::{DecodeError, strict_error, warnings};

/// Most unknown fields that are reported of one object.
pub const MAX_UNKNOWN: usize = 100;

/// A decoded object.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, with known fields only.
    pub value: Value,
    /// Paths of the unknown fields that were dropped, in document order, at most [`MAX_UNKNOWN`].
    pub unknown: Vec<String>,
}

/// Decodes an object as a type.
pub fn decode(ty: &'static Type, value: Value) -> Result<Decoded, DecodeError> {
    let mut walk = Walk {
        path: String::new(),
        unknown: Vec::new(),
        owner: ty.short_name(),
    };
    let value = match value {
        Value::Object(map) => walk.object(ty, map)?,
        other => return Err(walk.mismatch(&other, ty.go_name())),
    };
    Ok(Decoded {
        value,
        unknown: walk.unknown,
    })
}

struct Walk {
    path: String,
    unknown: Vec<String>,
    owner: &'static str,
}

impl Walk {
    fn mismatch(&self, value: &Value, wanted: &str) -> DecodeError {
        DecodeError::mismatch(value, self.owner, &self.path, wanted)
    }

    /// Runs `f` with a name appended to the path.
    fn within<T>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        let out = f(self);
        self.path.truncate(length);
        out
    }

    fn object(&mut self, ty: &'static Type, map: Map<String, Value>) -> Result<Value, DecodeError> {
        let outer = std::mem::replace(&mut self.owner, ty.short_name());
        let mut slots: Vec<Option<(String, Value)>> = Vec::new();
        slots.resize_with(ty.fields.len(), || None);
        let mut present = 0;
        for (name, value) in map {
            let Some((at, field)) = ty.position(&name) else {
                if self.unknown.len() < MAX_UNKNOWN {
                    let path = self.within(&name, |w| w.path.clone());
                    self.unknown.push(path);
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            let value = self.within(&name, |w| w.value(&field.shape, value))?;
            if keeps(field, &value)
                && let Some(slot) = slots.get_mut(at)
            {
                *slot = Some((name, value));
                present += 1;
            }
        }
        let mut out = Map::with_capacity(present);
        for (name, value) in slots.into_iter().flatten() {
            out.insert(name, value);
        }
        self.owner = outer;
        Ok(Value::Object(out))
    }

    fn value(&mut self, shape: &Shape, value: Value) -> Result<Value, DecodeError> {
        match shape {
            Shape::Struct(id) => match (id.get(), value) {
                (Some(ty), Value::Object(map)) => self.object(ty, map),
                (_, value) => Err(self.mismatch(&value, &shape.go_name())),
            },
            Shape::List(of) => match value {
                Value::Array(items) => self.list(of, items),
                value => Err(self.mismatch(&value, &shape.go_name())),
            },
            Shape::Map(of) => match value {
                Value::Object(map) => self.map(of, map),
                value => Err(self.mismatch(&value, &shape.go_name())),
            },
            Shape::SchemaOrArray => match value {
                Value::Array(items) => {
                    let of = scalar::json_schema();
                    self.list(&of, items)
                }
                value => self.schema(value),
            },
            Shape::SchemaOrBool => match value {
                Value::Bool(_) => Ok(value),
                value => self.schema(value),
            },
            Shape::SchemaOrStrings => match value {
                Value::Array(items) => self.list(&Shape::String, items),
                value => self.schema(value),
            },
            _ => scalar::decode(shape, value).map_err(|e| match e {
                scalar::Problem::Type(value) => self.mismatch(&value, &shape.go_name()),
                scalar::Problem::Text(text) => DecodeError::Text(text),
            }),
        }
    }

    fn schema(&mut self, value: Value) -> Result<Value, DecodeError> {
        match value {
            Value::Object(_) => self.value(&scalar::json_schema(), value),
            value => Err(self.mismatch(&value, "v1.JSONSchemaProps")),
        }
    }

    fn list(&mut self, of: &Shape, items: Vec<Value>) -> Result<Value, DecodeError> {
        let length = self.path.len();
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            if matches!(of, Shape::Struct(_)) {
                use std::fmt::Write as _;
                let _ = write!(self.path, "[{i}]");
            }
            let item = if item.is_null() {
                complete::zero(of)
            } else {
                self.value(of, item)?
            };
            self.path.truncate(length);
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn map(&mut self, of: &Shape, map: Map<String, Value>) -> Result<Value, DecodeError> {
        let mut out = Map::with_capacity(map.len());
        for (key, value) in map {
            let value = if value.is_null() {
                complete::zero(of)
            } else {
                self.within(&key, |w| w.value(of, value))?
            };
            out.insert(key, value);
        }
        out.sort_keys();
        Ok(Value::Object(out))
    }
}

/// Whether Go would write a field that has this value.
fn keeps(field: &Field, value: &Value) -> bool {
    if field.has(Field::POINTER) || field.has(Field::ALWAYS) {
        return true;
    }
    match (&field.shape, value) {
        (Shape::Json | Shape::Raw | Shape::FieldsV1, _) => true,
        (_, Value::String(s)) => !s.is_empty(),
        (_, Value::Bool(b)) => *b,
        (_, Value::Number(n)) => n.as_f64() != Some(0.0),
        (_, Value::Array(a)) => !a.is_empty(),
        (_, Value::Object(m)) => !m.is_empty(),
        (_, Value::Null) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ty(api: &str, kind: &str) -> &'static Type {
        schema::lookup_api_version(api, kind).unwrap()
    }

    #[test]
    fn prunes_and_reports() {
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"nodee": 1, "containers": [
            {"name": "a", "imagee": "x", "image": "", "resources": {"limits": {"memory": "1024Mi", "cpu": 0.5}}, "args": []}],
            "hostNetwork": false, "automountServiceAccountToken": false, "nodeName": null, "volumes": [{"name": "v", "emptyDir": {}}]}});
        let d = decode(ty("v1", "Pod"), pod).unwrap();
        assert_eq!(d.unknown, ["spec.nodee", "spec.containers[0].imagee"]);
        assert_eq!(
            d.value.to_string(),
            r#"{"kind":"Pod","apiVersion":"v1","spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"a","resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}],"automountServiceAccountToken":false}}"#
        );
        assert_eq!(
            strict_error(&[], &d.unknown),
            "strict decoding error: unknown field \"spec.nodee\", unknown field \"spec.containers[0].imagee\""
        );
    }

    #[test]
    fn type_errors() {
        let e = |v: Value| {
            decode(ty("apps/v1", "Deployment"), v)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            e(json!({"spec": {"replicas": "3"}})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            e(json!({"spec": {"replicas": 3000000000_u64}})),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            e(json!({"spec": {"template": {"spec": {"containers": {}}}}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"
        );
        assert_eq!(
            e(
                json!({"spec": {"template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}}}})
            ),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        );
        assert_eq!(
            e(json!([])),
            "json: cannot unmarshal array into Go value of type v1.Deployment"
        );
    }

    #[test]
    fn completes() {
        let d = decode(ty("apps/v1", "Deployment"), json!({"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}})).unwrap();
        let mut v = d.value;
        complete(ty("apps/v1", "Deployment"), &mut v);
        assert_eq!(
            v,
            json!({"metadata": {"name": "d"}, "spec": {"selector": null, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": [{"name": "c", "resources": {}}]}}}, "status": {}})
        );
    }

    #[test]
    fn crd_schemas() {
        let crd = json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "a": {"items": {"type": "string", "zzz": 1}, "additionalProperties": false, "default": {"x": null}}}}}}]}});
        let d = decode(
            ty("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            crd,
        )
        .unwrap();
        assert_eq!(
            d.unknown,
            ["spec.versions[0].schema.openAPIV3Schema.properties.a.items.zzz"]
        );
        assert_eq!(
            d.value
                .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/a"),
            Some(
                &json!({"items": {"type": "string"}, "additionalProperties": false, "default": {"x": null}})
            )
        );
    }
}
