//! `'%s is %d'.format([…])`
//!
//! upstream: github.com/google/cel-go/ext/formatting.go

use crate::cost::Meter;
use crate::error::EvalError;
use crate::functions::{Outcome, double_text};
use crate::value::{List, Value};

/// Deepest value that is printed.
const MAX_DEPTH: u32 = 100;

/// Most digits behind the point.
const MAX_PRECISION: usize = 1_000;

fn error(message: impl Into<String>) -> EvalError {
    EvalError::runtime(message.into())
}

pub(super) fn format<'a>(meter: &mut Meter, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text), Value::List(values)] = args else {
        return Ok(None);
    };
    let mut out = String::new();
    let mut next = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut precision = None;
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = 0_usize;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                digits = digits.saturating_mul(10).saturating_add(d as usize);
                chars.next();
            }
            if digits > MAX_PRECISION {
                return Err(error(
                    "could not parse formatting clause: precision is too large",
                ));
            }
            precision = Some(digits);
        }
        let Some(verb) = chars.next() else {
            return Err(error("unexpected end of string"));
        };
        let value = values
            .get(next)
            .ok_or_else(|| error(format!("index {next} out of range")))??;
        next += 1;
        clause(meter, &mut out, verb, precision, &value)?;
        meter.allocate(64)?;
    }
    meter.allocate(out.len().saturating_mul(2))?;
    Ok(Some(Value::string(out)))
}

fn clause(
    meter: &mut Meter,
    out: &mut String,
    verb: char,
    precision: Option<usize>,
    value: &Value<'_>,
) -> Result<(), EvalError> {
    let wrong = |what: &str| {
        Err(error(format!(
            "error during formatting: {what}, was given {}",
            value.type_name()
        )))
    };
    match verb {
        's' => return show(meter, out, value, MAX_DEPTH),
        'd' => match value {
            Value::Int(i) => out.push_str(&i.to_string()),
            Value::Uint(u) => out.push_str(&u.to_string()),
            Value::Double(d) if d.is_nan() || d.is_infinite() => out.push_str(&infinity(*d)),
            _ => return wrong("decimal clause can only be used on integers"),
        },
        'f' | 'e' => {
            let d = match value {
                Value::Double(d) => *d,
                #[allow(clippy::cast_precision_loss)]
                Value::Int(i) => *i as f64,
                #[allow(clippy::cast_precision_loss)]
                Value::Uint(u) => *u as f64,
                _ => {
                    return wrong("fixed-point and scientific clauses can only be used on doubles");
                }
            };
            let digits = precision.unwrap_or(6);
            if !d.is_finite() {
                out.push_str(&infinity(d));
            } else if verb == 'f' {
                out.push_str(&format!("{d:.digits$}"));
            } else {
                let text = format!("{d:.digits$e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or(0);
                let sign = if exponent < 0 { '-' } else { '+' };
                out.push_str(&format!("{mantissa}e{sign}{:02}", exponent.abs()));
            }
        }
        'b' => match value {
            Value::Int(i) => out.push_str(&signed(*i, |n| format!("{n:b}"))),
            Value::Uint(u) => out.push_str(&format!("{u:b}")),
            Value::Bool(b) => out.push_str(if *b { "1" } else { "0" }),
            _ => return wrong("only integers and bools can be formatted as binary"),
        },
        'o' => match value {
            Value::Int(i) => out.push_str(&signed(*i, |n| format!("{n:o}"))),
            Value::Uint(u) => out.push_str(&format!("{u:o}")),
            _ => return wrong("octal clause can only be used on integers"),
        },
        'x' | 'X' => {
            let text = match value {
                Value::Int(i) => signed(*i, |n| format!("{n:x}")),
                Value::Uint(u) => format!("{u:x}"),
                Value::String(s) => hex(meter, s.as_bytes())?,
                Value::Bytes(b) => hex(meter, b)?,
                _ => {
                    return wrong(
                        "only integers, byte buffers, and strings can be formatted as hex",
                    );
                }
            };
            out.push_str(&if verb == 'x' {
                text
            } else {
                text.to_ascii_uppercase()
            });
        }
        other => {
            return Err(error(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{other}\""
            )));
        }
    }
    Ok(())
}

fn infinity(d: f64) -> String {
    if d.is_nan() {
        "NaN".into()
    } else if d > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}

fn signed(value: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", digits(value.unsigned_abs()))
}

fn hex(meter: &mut Meter, bytes: &[u8]) -> Result<String, EvalError> {
    meter.allocate(bytes.len().saturating_mul(2))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn show(
    meter: &mut Meter,
    out: &mut String,
    value: &Value<'_>,
    depth: u32,
) -> Result<(), EvalError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(EvalError::CostLimit);
    };
    meter.work(1)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(&b.to_string()),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Uint(u) => out.push_str(&u.to_string()),
        Value::Double(d) if !d.is_finite() => out.push_str(&infinity(*d)),
        Value::Double(d) => out.push_str(&double_text(*d)),
        Value::String(s) => {
            meter.allocate(s.len())?;
            out.push_str(s);
        }
        Value::Bytes(b) => {
            meter.allocate(b.len())?;
            out.push_str(&String::from_utf8_lossy(b));
        }
        Value::Duration(d) => out.push_str(&crate::time::format_duration(*d)),
        Value::Timestamp(t) => out.push_str(&crate::time::format_timestamp(*t)),
        Value::Type(name) => out.push_str(name),
        Value::List(list) => list_text(meter, out, list, depth)?,
        Value::Map(map) => {
            let mut entries = Vec::new();
            for entry in map.entries() {
                let (key, value) = entry?;
                meter.allocate(64)?;
                entries.push((key.key_text(), value));
            }
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push_str(": ");
                show(meter, out, value, depth)?;
            }
            out.push('}');
        }
        other => {
            return Err(error(format!(
                "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {}",
                other.type_name()
            )));
        }
    }
    Ok(())
}

fn list_text(
    meter: &mut Meter,
    out: &mut String,
    list: &List<'_>,
    depth: u32,
) -> Result<(), EvalError> {
    out.push('[');
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        show(meter, out, &value?, depth)?;
    }
    out.push(']');
    Ok(())
}
