//! Quantities in JSON trees.

use std::cmp::Ordering;

use machinery::quantity::Quantity;
use serde_json::Value;

/// Parses a quantity from a text or a number.
pub(crate) fn parse(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

/// The canonical text.
pub(crate) fn canonical(value: &Value) -> Option<String> {
    parse(value).map(|q| q.to_string())
}

pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    Some(parse(a)?.cmp(&parse(b)?))
}

fn sign(value: &Value) -> Ordering {
    parse(value).map_or(Ordering::Equal, |q| q.cmp(&Quantity::default()))
}

pub(crate) fn is_positive(value: &Value) -> bool {
    sign(value) == Ordering::Greater
}

pub(crate) fn is_negative(value: &Value) -> bool {
    sign(value) == Ordering::Less
}
