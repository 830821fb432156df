//! Types whose messages aren't their JSON's shape.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schema::{Field, Shape, Type};
use serde_json::Value;

/// A list that is a message of its own: `Verbs` of discovery.
pub(super) fn is_wrapped(ty: &Type, field: &Field) -> bool {
    field.name == "verbs" && ty.name.ends_with(".APIResource")
}

/// The struct that JSON schemas are.
pub(super) fn json_schema() -> Option<&'static Type> {
    schema::definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
}

/// Whether Go's zero value of this is left out of JSON where nothing else is said.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(m) => m.is_empty(),
    }
}

/// Seconds and nanoseconds of a time's text; microseconds are kept of a `MicroTime` only.
pub(super) fn parse_time(shape: &Shape, text: &str) -> Option<(i64, i32)> {
    let time: Timestamp = text.parse().ok()?;
    // Before 1970 the fraction counts from the second below, as in Go.
    let nanos = time.as_nanosecond();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let fraction = i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    match shape {
        Shape::MicroTime => Some((seconds, fraction / 1000 * 1000)),
        _ => Some((seconds, 0)),
    }
}

/// A time's text.
pub(super) fn format_time(shape: &Shape, seconds: i64, nanos: i32) -> Option<String> {
    let time = Timestamp::new(seconds, nanos).ok()?;
    let layout = if matches!(shape, Shape::MicroTime) {
        "%Y-%m-%dT%H:%M:%S.%6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Some(time.strftime(layout).to_string())
}

/// Bytes of base64.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 of bytes.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
