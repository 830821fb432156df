//! Messages to trees.

use schema::{Field, Shape, Type};
use serde_json::{Map, Number, Value};

use super::wire::Reader;
use super::{ProtobufError, special};

/// Deepest nesting of messages.
const MAX_DEPTH: usize = 120;

type Read = Result<Value, ProtobufError>;

pub(super) fn message(ty: &'static Type, bytes: &[u8], depth: usize) -> Read {
    let mut found = Map::new();
    level(ty, 0, bytes, depth, &mut found)?;
    // In the order of declaration, without what Go's JSON leaves out.
    let mut out = Map::with_capacity(found.len());
    for field in ty.fields {
        if let Some(value) = found.remove(field.name)
            && (field.has(Field::POINTER) || field.has(Field::ALWAYS) || !special::is_zero(&value))
        {
            out.insert(field.name.to_owned(), value);
        }
    }
    Ok(Value::Object(out))
}

fn level(
    ty: &'static Type,
    inline: usize,
    bytes: &[u8],
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    if depth > MAX_DEPTH {
        return Err(ProtobufError::Depth);
    }
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.key()? {
        let field = ty
            .fields
            .iter()
            .find(|f| u32::from(f.tag) == tag && usize::from(f.inline) == inline);
        if let Some(f) = field {
            read_field(ty, f, wire, &mut reader, depth, out)?;
            continue;
        }
        let inner = ty.inlines.iter().position(|(parent, number, _)| {
            usize::from(*parent) == inline && u32::from(*number) == tag
        });
        match (inner, wire) {
            (Some(i), 2) => level(ty, i + 1, reader.bytes()?, depth + 1, out)?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(())
}

fn read_field(
    ty: &'static Type,
    field: &'static Field,
    wire: u8,
    reader: &mut Reader<'_>,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    match &field.shape {
        Shape::List(of) => {
            let list = out
                .entry(field.name)
                .or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = list else {
                return Ok(());
            };
            if special::is_wrapped(ty, field) {
                items(of, reader.bytes()?, depth, field.name, list)?;
            } else if wire == 2 && matches!(of, Shape::Int32 | Shape::Int64 | Shape::Bool) {
                // Packed numbers are allowed by the format.
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    list.push(one(of, 0, &mut packed, depth, field.name)?);
                }
            } else {
                list.push(one(of, wire, reader, depth, field.name)?);
            }
        }
        Shape::Map(of) => {
            expect(wire, 2, field.name)?;
            let (key, value) = entry(of, reader.bytes()?, depth, field.name)?;
            let map = out
                .entry(field.name)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(key, value);
            }
        }
        shape => {
            let value = one(shape, wire, reader, depth, field.name)?;
            out.insert(field.name.to_owned(), value);
        }
    }
    Ok(())
}

/// A message of a repeated field 1.
fn items(
    of: &'static Shape,
    bytes: &[u8],
    depth: usize,
    name: &str,
    out: &mut Vec<Value>,
) -> Result<(), ProtobufError> {
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.key()? {
        if tag == 1 {
            out.push(one(of, wire, &mut reader, depth, name)?);
        } else {
            reader.skip(wire)?;
        }
    }
    Ok(())
}

fn entry(
    of: &'static Shape,
    bytes: &[u8],
    depth: usize,
    name: &str,
) -> Result<(String, Value), ProtobufError> {
    let mut key = String::new();
    let mut value = None;
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.key()? {
        match tag {
            1 => {
                expect(wire, 2, name)?;
                key = reader.text()?.to_owned();
            }
            2 => {
                value = Some(match of {
                    Shape::List(of) => {
                        expect(wire, 2, name)?;
                        let mut list = Vec::new();
                        items(of, reader.bytes()?, depth, name, &mut list)?;
                        Value::Array(list)
                    }
                    _ => one(of, wire, &mut reader, depth, name)?,
                });
            }
            _ => reader.skip(wire)?,
        }
    }
    let value = value.unwrap_or_else(|| match of {
        Shape::String | Shape::Bytes => "".into(),
        Shape::Bool => false.into(),
        Shape::Int32 | Shape::Int64 => 0.into(),
        Shape::Quantity => "0".into(),
        Shape::Struct(_) => Value::Object(Map::new()),
        _ => Value::Null,
    });
    Ok((key, value))
}

fn expect(wire: u8, wanted: u8, name: &str) -> Result<(), ProtobufError> {
    if wire == wanted {
        Ok(())
    } else {
        Err(ProtobufError::WireType {
            wire,
            field: name.to_owned(),
        })
    }
}

fn one(shape: &'static Shape, wire: u8, reader: &mut Reader<'_>, depth: usize, name: &str) -> Read {
    let bad = || ProtobufError::Value(name.to_owned());
    let wanted = match shape {
        Shape::Bool | Shape::Int32 | Shape::Int64 => 0,
        Shape::Double => 1,
        _ => 2,
    };
    expect(wire, wanted, name)?;
    match shape {
        Shape::Bool => return Ok((reader.varint()? != 0).into()),
        Shape::Int32 => return Ok((reader.varint()? as i32).into()),
        Shape::Int64 => return Ok((reader.varint()? as i64).into()),
        Shape::Double => {
            let number = f64::from_bits(reader.fixed64()?);
            return Number::from_f64(number).map(Value::Number).ok_or_else(bad);
        }
        Shape::String => return Ok(reader.text()?.into()),
        _ => {}
    }
    let bytes = reader.bytes()?;
    match shape {
        Shape::Bytes => Ok(special::to_base64(bytes).into()),
        Shape::Struct(id) => match id.get() {
            Some(ty) => message(ty, bytes, depth + 1),
            None => Ok(Value::Null),
        },
        _ => special_message(shape, bytes, depth, name),
    }
}

/// The fields that the special messages have.
#[derive(Default)]
struct Parts<'a> {
    numbers: [u64; 3],
    bytes: [Option<&'a [u8]>; 4],
    repeated: Vec<&'a [u8]>,
}

fn special_message(shape: &'static Shape, bytes: &[u8], depth: usize, name: &str) -> Read {
    let bad = || ProtobufError::Value(name.to_owned());
    let mut parts = Parts::default();
    let mut reader = Reader::new(bytes);
    let empty = bytes.is_empty();
    while let Some((tag, wire)) = reader.key()? {
        let at = tag as usize;
        match wire {
            0 => {
                let value = reader.varint()?;
                if let Some(slot) = parts.numbers.get_mut(at) {
                    *slot = value;
                }
            }
            2 => {
                let value = reader.bytes()?;
                if let Some(slot) = parts.bytes.get_mut(at) {
                    *slot = Some(value);
                }
                if at == 2 {
                    parts.repeated.push(value);
                }
            }
            _ => reader.skip(wire)?,
        }
    }
    let [_, first, second] = parts.numbers;
    let [_, one, two, three] = parts.bytes;
    let schema = |b: &[u8]| match special::json_schema() {
        Some(ty) => message(ty, b, depth + 1),
        None => Ok(Value::Null),
    };
    match shape {
        Shape::Quantity => Ok(match text(one)? {
            "" => "0".into(),
            text => text.into(),
        }),
        Shape::IntOrString if first == 1 => Ok(text(three)?.into()),
        Shape::IntOrString => Ok((second as i32).into()),
        Shape::Time | Shape::MicroTime if empty => Ok(Value::Null),
        Shape::Time | Shape::MicroTime => special::format_time(shape, first as i64, second as i32)
            .map(Value::from)
            .ok_or_else(bad),
        Shape::Duration => Ok(format_duration(first as i64).into()),
        Shape::Raw | Shape::FieldsV1 | Shape::Json => match one {
            None | Some([]) => Ok(Value::Null),
            Some(raw) => crate::json::decode_value(raw).map_err(|_| bad()),
        },
        Shape::SchemaOrArray => match one {
            Some(raw) => schema(raw),
            None => parts.repeated.into_iter().map(schema).collect(),
        },
        Shape::SchemaOrBool => match two {
            Some(raw) => schema(raw),
            None => Ok((first != 0).into()),
        },
        Shape::SchemaOrStrings => match one {
            Some(raw) => schema(raw),
            None => parts
                .repeated
                .into_iter()
                .map(|b| text(Some(b)).map(Value::from))
                .collect(),
        },
        _ => Err(bad()),
    }
}

fn text(bytes: Option<&[u8]>) -> Result<&str, ProtobufError> {
    std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| ProtobufError::Utf8)
}

/// Go's text of a duration.
fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let part = |value: u64, unit: u64, name: &str| {
        let digits = unit.ilog10() as usize;
        let tail = format!("{:0digits$}", value % unit);
        match tail.trim_end_matches('0') {
            "" => format!("{}{name}", value / unit),
            tail => format!("{}.{tail}{name}", value / unit),
        }
    };
    let text = match n {
        0 => return "0s".to_owned(),
        1..=999 => format!("{n}ns"),
        1_000..=999_999 => part(n, 1_000, "µs"),
        1_000_000..=999_999_999 => part(n, 1_000_000, "ms"),
        _ => {
            let seconds = part(n % 60_000_000_000, 1_000_000_000, "s");
            match (n / 3_600_000_000_000, n / 60_000_000_000 % 60) {
                (0, 0) => seconds,
                (0, m) => format!("{m}m{seconds}"),
                (h, m) => format!("{h}h{m}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}
