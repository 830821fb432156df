//! Decoding of scalars.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schema::Shape;
use serde_json::Value;

use crate::go::quote;
use crate::quantity::Quantity;
use crate::{duration, time};

pub(super) enum Problem {
    /// Of the wrong JSON type; the value.
    Type(Value),
    /// Malformed text.
    Text(String),
}

/// The shape of `JSONSchemaProps`.
pub(super) fn json_schema() -> Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    *SHAPE.get_or_init(|| {
        schema::definition(
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation",
        )
        .and_then(|ty| ty.field("openAPIV3Schema"))
        .map_or(Shape::Json, |field| field.shape)
    })
}

pub(super) fn decode(shape: &Shape, value: Value) -> Result<Value, Problem> {
    match (shape, &value) {
        (Shape::String, Value::String(_))
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Double, Value::Number(_))
        | (Shape::Json, _) => Ok(value),
        (Shape::Raw | Shape::FieldsV1, Value::Object(_)) => Ok(value),
        // Raw extensions hold any JSON; what isn't an object is refused where it is used.
        (Shape::Raw, _) => Ok(value),
        (Shape::Int32, Value::Number(n))
            if n.as_i64().is_some_and(|i| i32::try_from(i).is_ok()) =>
        {
            Ok(value)
        }
        (Shape::Int64, Value::Number(n)) if n.is_i64() => Ok(value),
        (Shape::IntOrString, Value::String(_)) => Ok(value),
        (Shape::IntOrString, Value::Number(n))
            if n.as_i64().is_some_and(|i| i32::try_from(i).is_ok()) =>
        {
            Ok(value)
        }
        (Shape::Quantity, Value::String(s)) => quantity(s.trim()),
        (Shape::Quantity, other) => quantity(&other.to_string()),
        (Shape::Time, Value::String(s)) => match time::parse(s) {
            Some(t) => Ok(time::format(t).into()),
            None => Err(Problem::Text(time_error(s, "2006-01-02T15:04:05Z07:00"))),
        },
        (Shape::MicroTime, Value::String(s)) => match time::parse(s) {
            Some(t) => Ok(time::format_micro(t).into()),
            None => Err(Problem::Text(time_error(
                s,
                "2006-01-02T15:04:05.000000Z07:00",
            ))),
        },
        (Shape::Duration, Value::String(s)) => duration::parse(s)
            .map(|n| duration::format(n).into())
            .map_err(|e| Problem::Text(e.to_string())),
        (Shape::Bytes, Value::String(s)) => bytes(s),
        _ => Err(Problem::Type(value)),
    }
}

fn quantity(text: &str) -> Result<Value, Problem> {
    Quantity::parse(text)
        .map(|q| q.to_string().into())
        .map_err(|e| Problem::Text(e.to_string()))
}

fn time_error(s: &str, layout: &str) -> String {
    format!(
        "parsing time {} as {}: cannot parse {} as \"2006\"",
        quote(s),
        quote(layout),
        quote(s)
    )
}

/// Bytes are checked, and written again without line breaks.
fn bytes(s: &str) -> Result<Value, Problem> {
    let clean: String = if s.contains(['\n', '\r']) {
        s.chars().filter(|c| !matches!(c, '\n' | '\r')).collect()
    } else {
        s.to_owned()
    };
    match STANDARD.decode(&clean) {
        Ok(_) => Ok(clean.into()),
        Err(e) => {
            let at = match e {
                base64::DecodeError::InvalidByte(at, _)
                | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(at) => at,
                base64::DecodeError::InvalidPadding => clean.trim_end_matches('=').len(),
            };
            Err(Problem::Text(format!(
                "illegal base64 data at input byte {at}"
            )))
        }
    }
}
