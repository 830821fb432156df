//! What Go writes even when it is empty.

use schema::{Field, Shape, Type};
use serde_json::{Map, Value};

/// Adds to a decoded object the fields that upstream's encoding always has: empty structs, zero
/// scalars, and null for absent lists, maps and times, each in its place by declaration.
pub fn complete(ty: &'static Type, value: &mut Value) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    for field in ty.fields {
        match map.get_mut(field.name) {
            Some(inner) => descend(&field.shape, inner),
            None if field.has(Field::ALWAYS) => {
                let empty = if field.has(Field::POINTER) {
                    Value::Null
                } else {
                    zero(&field.shape)
                };
                map.insert(field.name.to_owned(), empty);
            }
            None => {}
        }
    }
}

fn descend(shape: &Shape, value: &mut Value) {
    match shape {
        Shape::Struct(id) => {
            if let Some(ty) = id.get() {
                complete(ty, value);
            }
        }
        Shape::List(of) if of.element().is_some() => {
            value
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(|v| descend(of, v));
        }
        Shape::Map(of) if of.element().is_some() => {
            value
                .as_object_mut()
                .into_iter()
                .flatten()
                .for_each(|(_, v)| descend(of, v));
        }
        _ => {}
    }
}

/// Go's zero value.
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::String => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Double | Shape::IntOrString => 0.into(),
        Shape::Quantity => "0".into(),
        Shape::Duration => "0s".into(),
        Shape::Struct(id) => {
            let mut value = Value::Object(Map::new());
            if let Some(ty) = id.get() {
                complete(ty, &mut value);
            }
            value
        }
        Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Raw
        | Shape::Json
        | Shape::FieldsV1
        | Shape::SchemaOrArray
        | Shape::SchemaOrBool
        | Shape::SchemaOrStrings
        | Shape::List(_)
        | Shape::Map(_) => Value::Null,
    }
}
