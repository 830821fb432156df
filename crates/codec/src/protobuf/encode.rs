//! Trees to messages.
//!
//! What isn't a pointer in Go is written even when it is zero; maps go in the order of their keys.

use schema::{Field, Shape, Type};
use serde_json::{Map, Value};

use super::wire::Writer;
use super::{ProtobufError, special};

type Done = Result<(), ProtobufError>;

/// What is written in the order of field numbers.
enum Part {
    Field(&'static Field),
    /// An inlined message, by its 1-based number.
    Inline(usize),
}

pub(super) fn message(ty: &'static Type, value: &Value, out: &mut Writer) -> Done {
    let map = value
        .as_object()
        .ok_or_else(|| ProtobufError::Value(ty.short_name().to_owned()))?;
    level(ty, 0, map, out)
}

fn level(ty: &'static Type, inline: usize, map: &Map<String, Value>, out: &mut Writer) -> Done {
    let fields = ty
        .fields
        .iter()
        .filter(|f| usize::from(f.inline) == inline && f.tag > 0);
    let mut parts: Vec<(u16, Part)> = fields.map(|f| (f.tag, Part::Field(f))).collect();
    for (i, (parent, tag, _)) in ty.inlines.iter().enumerate() {
        if usize::from(*parent) == inline {
            parts.push((*tag, Part::Inline(i + 1)));
        }
    }
    parts.sort_by_key(|(tag, _)| *tag);
    for (tag, part) in parts {
        match part {
            Part::Field(f) => field(ty, f, map.get(f.name).filter(|v| !v.is_null()), out)?,
            Part::Inline(number) => out.try_message(tag, |w| level(ty, number, map, w))?,
        }
    }
    Ok(())
}

fn field(
    ty: &'static Type,
    field: &'static Field,
    value: Option<&Value>,
    out: &mut Writer,
) -> Done {
    let bad = || ProtobufError::Value(field.name.to_owned());
    match (&field.shape, value) {
        (Shape::List(of), Some(Value::Array(items))) if special::is_wrapped(ty, field) => out
            .try_message(field.tag, |w| {
                items
                    .iter()
                    .try_for_each(|v| one(of, 1, v, w).ok_or_else(bad)?)
            }),
        (Shape::List(_), None) if special::is_wrapped(ty, field) => Ok(()),
        (Shape::List(of), Some(Value::Array(items))) => items
            .iter()
            .try_for_each(|v| one(of, field.tag, v, out).ok_or_else(bad)?),
        (Shape::Map(of), Some(Value::Object(map))) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(k, _)| k.as_str());
            entries.into_iter().try_for_each(|(k, v)| {
                out.try_message(field.tag, |w| {
                    w.text(1, k);
                    match (of, v) {
                        // A list within a map is a message of its own.
                        (Shape::List(of), Value::Array(items)) => w.try_message(2, |w| {
                            items
                                .iter()
                                .try_for_each(|v| one(of, 1, v, w).ok_or_else(bad)?)
                        }),
                        (Shape::List(_), _) => w.try_message(2, |_| Ok(())),
                        _ => one(of, 2, v, w).ok_or_else(bad)?,
                    }
                })
            })
        }
        (Shape::List(_) | Shape::Map(_), None) => Ok(()),
        (shape, Some(value)) => one(shape, field.tag, value, out).ok_or_else(bad)?,
        (_, None) if field.has(Field::POINTER) => Ok(()),
        (shape, None) => {
            zero(shape, field.tag, out);
            Ok(())
        }
    }
}

/// Go's zero value of what isn't a pointer.
fn zero(shape: &Shape, tag: u16, out: &mut Writer) {
    match shape {
        Shape::String => out.text(tag, ""),
        Shape::Bool | Shape::Int32 | Shape::Int64 => out.varint(tag, 0),
        Shape::Double => out.fixed64(tag, 0),
        Shape::IntOrString => int_or_string(tag, 0, 0, "", out),
        Shape::Quantity => out.message(tag, |w| w.text(1, "0")),
        Shape::Duration => out.message(tag, |w| w.varint(1, 0)),
        Shape::Time | Shape::MicroTime | Shape::Raw | Shape::FieldsV1 | Shape::Json => {
            out.message(tag, |_| {})
        }
        Shape::Struct(id) => {
            // An empty object has no value that could be wrong.
            let empty = Map::new();
            if let Some(ty) = id.get() {
                let _ = out.try_message(tag, |w| level(ty, 0, &empty, w));
            }
        }
        Shape::Bytes
        | Shape::SchemaOrArray
        | Shape::SchemaOrBool
        | Shape::SchemaOrStrings
        | Shape::List(_)
        | Shape::Map(_) => {}
    }
}

fn int_or_string(tag: u16, kind: u64, number: i64, text: &str, out: &mut Writer) {
    out.message(tag, |w| {
        w.varint(1, kind);
        w.varint(2, number as u64);
        w.text(3, text);
    });
}

/// One value; `None` when it isn't of the shape.
fn one(shape: &Shape, tag: u16, value: &Value, out: &mut Writer) -> Option<Done> {
    if value.is_null() {
        zero(shape, tag, out);
        return Some(Ok(()));
    }
    match shape {
        Shape::String => out.text(tag, value.as_str()?),
        Shape::Bytes => out.bytes(tag, &special::from_base64(value.as_str()?)?),
        Shape::Bool => out.varint(tag, u64::from(value.as_bool()?)),
        Shape::Int32 | Shape::Int64 => out.varint(tag, value.as_i64()? as u64),
        Shape::Double => out.fixed64(tag, value.as_f64()?.to_bits()),
        Shape::IntOrString => match value {
            Value::String(s) => int_or_string(tag, 1, 0, s, out),
            v => int_or_string(tag, 0, v.as_i64()?, "", out),
        },
        Shape::Quantity => {
            let text = value.as_str()?;
            out.message(tag, |w| w.text(1, text));
        }
        Shape::Time | Shape::MicroTime => {
            let (seconds, nanos) = special::parse_time(shape, value.as_str()?)?;
            out.message(tag, |w| {
                w.varint(1, seconds as u64);
                w.varint(2, nanos as u64);
            });
        }
        Shape::Duration => {
            let nanos = go_duration(value.as_str()?)?;
            out.message(tag, |w| w.varint(1, nanos as u64));
        }
        Shape::Raw | Shape::FieldsV1 | Shape::Json => {
            let raw = value.to_string();
            out.message(tag, |w| w.text(1, &raw));
        }
        Shape::Struct(id) => {
            let ty = id.get()?;
            return Some(out.try_message(tag, |w| message(ty, value, w)));
        }
        Shape::SchemaOrArray => {
            let ty = special::json_schema()?;
            return Some(out.try_message(tag, |w| {
                match value {
                    Value::Array(items) => items
                        .iter()
                        .try_for_each(|v| w.try_message(2, |w| message(ty, v, w))),
                    v => w.try_message(1, |w| message(ty, v, w)),
                }
            }));
        }
        Shape::SchemaOrBool => {
            let ty = special::json_schema()?;
            return Some(out.try_message(tag, |w| match value {
                Value::Bool(b) => {
                    w.varint(1, u64::from(*b));
                    Ok(())
                }
                v => {
                    w.varint(1, 1);
                    w.try_message(2, |w| message(ty, v, w))
                }
            }));
        }
        Shape::SchemaOrStrings => {
            let ty = special::json_schema()?;
            return Some(out.try_message(tag, |w| match value {
                Value::Array(items) => {
                    items
                        .iter()
                        .filter_map(Value::as_str)
                        .for_each(|s| w.text(2, s));
                    Ok(())
                }
                v => w.try_message(1, |w| message(ty, v, w)),
            }));
        }
        Shape::List(_) | Shape::Map(_) => return None,
    }
    Some(Ok(()))
}

/// Nanoseconds of a canonical Go duration.
fn go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (number, after) = rest.split_at(digits);
        let letters = after
            .bytes()
            .take_while(|b| !b.is_ascii_digit() && *b != b'.')
            .count();
        let (unit, next) = after.split_at(letters);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        total = total.checked_add(
            whole
                .parse::<i64>()
                .ok()
                .map(i128::from)?
                .checked_mul(scale)?,
        )?;
        let mut step = scale;
        for b in fraction.bytes().take(13) {
            step /= 10;
            total += i128::from(b.checked_sub(b'0')?) * step;
        }
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}
