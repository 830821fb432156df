//! Conversions between types, and parts of times.
//!
//! upstream: github.com/google/cel-go/common/types, ConvertToType of each

use std::sync::Arc;

use crate::error::EvalError;
use crate::functions::{Outcome, double_text};
use crate::opaque::Opaque;
use crate::value::Value;

pub(super) fn call<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let [value] = args else {
        return Ok(None);
    };
    match function {
        "type" => return Ok(Some(Value::Type(value.type_name().into()))),
        "dyn" => return Ok(Some(value.clone())),
        _ => {}
    }
    if function == value.type_name() {
        return Ok(Some(value.clone()));
    }
    match function {
        "bool" => to_bool(value),
        "bytes" => Ok(match value {
            Value::String(s) => Some(Value::Bytes(s.as_bytes().into())),
            _ => None,
        }),
        "double" => to_double(value),
        "int" => to_int(value),
        "uint" => to_uint(value),
        "string" => to_string(value),
        "duration" => to_duration(value),
        _ => to_timestamp(value),
    }
}

fn to_bool<'a>(value: &Value<'a>) -> Outcome<'a> {
    let Value::String(s) = value else {
        return Ok(None);
    };
    match &**s {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Some(Value::Bool(true))),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Some(Value::Bool(false))),
        other => Err(EvalError::runtime(format!(
            "strconv.ParseBool: parsing {}: invalid syntax",
            machinery::go::quote(other)
        ))),
    }
}

#[allow(clippy::cast_precision_loss)]
fn to_double<'a>(value: &Value<'a>) -> Outcome<'a> {
    Ok(Some(Value::Double(match value {
        Value::Int(i) => *i as f64,
        Value::Uint(u) => *u as f64,
        Value::String(s) => s.parse().map_err(|_| {
            EvalError::runtime(format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                machinery::go::quote(s)
            ))
        })?,
        _ => return Ok(None),
    })))
}

#[allow(clippy::cast_possible_truncation)]
fn to_int<'a>(value: &Value<'a>) -> Outcome<'a> {
    Ok(Some(Value::Int(match value {
        Value::Uint(u) => i64::try_from(*u).map_err(|_| EvalError::int_overflow())?,
        Value::Double(d)
            if *d > -9_223_372_036_854_775_808.0 && *d < 9_223_372_036_854_775_807.0 =>
        {
            *d as i64
        }
        Value::Double(_) => return Err(EvalError::int_overflow()),
        Value::String(s) => s
            .parse()
            .map_err(|e: std::num::ParseIntError| number_error("ParseInt", s, &e))?,
        Value::Timestamp(t) => t.as_second(),
        Value::Duration(d) => *d,
        _ => return Ok(None),
    })))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn to_uint<'a>(value: &Value<'a>) -> Outcome<'a> {
    let overflow = || EvalError::runtime("unsigned integer overflow");
    Ok(Some(Value::Uint(match value {
        Value::Int(i) => u64::try_from(*i).map_err(|_| overflow())?,
        Value::Double(d) if *d >= 0.0 && *d < 18_446_744_073_709_551_615.0 => *d as u64,
        Value::Double(_) => return Err(overflow()),
        Value::String(s) => s
            .parse()
            .map_err(|e: std::num::ParseIntError| number_error("ParseUint", s, &e))?,
        _ => return Ok(None),
    })))
}

fn number_error(function: &str, text: &str, error: &std::num::ParseIntError) -> EvalError {
    use std::num::IntErrorKind;
    let why = match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    EvalError::runtime(format!(
        "strconv.{function}: parsing {}: {why}",
        machinery::go::quote(text)
    ))
}

fn to_string<'a>(value: &Value<'a>) -> Outcome<'a> {
    let text: Arc<str> = match value {
        Value::Bool(b) => b.to_string().into(),
        Value::Int(i) => i.to_string().into(),
        Value::Uint(u) => u.to_string().into(),
        Value::Double(d) => double_text(*d).into(),
        Value::Bytes(b) => std::str::from_utf8(b)
            .map_err(|_| EvalError::runtime("invalid UTF-8 in bytes, cannot convert to string"))?
            .into(),
        Value::Timestamp(t) => crate::time::format_timestamp(*t).into(),
        Value::Duration(d) => crate::time::format_duration(*d).into(),
        Value::Opaque(Opaque::Ip(ip)) => ip.to_string().into(),
        Value::Opaque(Opaque::Cidr(c)) => format!("{}/{}", c.address, c.prefix).into(),
        _ => return Ok(None),
    };
    Ok(Some(Value::string(text)))
}

fn to_duration<'a>(value: &Value<'a>) -> Outcome<'a> {
    Ok(Some(Value::Duration(match value {
        Value::Duration(d) => *d,
        Value::Int(i) => *i,
        Value::String(s) => {
            machinery::duration::parse(s).map_err(|e| EvalError::runtime(e.to_string()))?
        }
        _ => return Ok(None),
    })))
}

fn to_timestamp<'a>(value: &Value<'a>) -> Outcome<'a> {
    Ok(Some(Value::Timestamp(match value {
        Value::Timestamp(t) => *t,
        Value::Int(i) => {
            crate::time::from_second(*i).ok_or_else(|| EvalError::runtime("timestamp overflow"))?
        }
        Value::String(s) => crate::time::parse_timestamp(s).ok_or_else(|| {
            EvalError::runtime(format!(
                "parsing time {0} as \"2006-01-02T15:04:05Z07:00\": cannot parse {0}",
                machinery::go::quote(s)
            ))
        })?,
        _ => return Ok(None),
    })))
}

/// `t.getHours()`, `t.getHours('+01:00')`
pub(super) fn time_part<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    Ok(match args {
        [Value::Timestamp(t)] => crate::time::part(*t, jiff::tz::TimeZone::UTC, function),
        [Value::Timestamp(t), Value::String(zone)] => {
            crate::time::part(*t, crate::time::zone(zone)?, function)
        }
        [Value::Duration(d)] => crate::time::duration_part(*d, function),
        _ => None,
    }
    .map(Value::Int))
}
