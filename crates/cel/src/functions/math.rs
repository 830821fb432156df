//! `math.…`
//!
//! upstream: github.com/google/cel-go/ext/math.go

use std::cmp::Ordering;

use crate::error::EvalError;
use crate::functions::Outcome;
use crate::value::{Value, compare_numbers};

#[allow(clippy::cast_precision_loss)]
pub(super) fn call<'a>(name: &str, args: &[Value<'a>]) -> Outcome<'a> {
    if matches!(name, "greatest" | "least") {
        return extreme(name, args);
    }
    Ok(Some(match (name, args) {
        ("ceil", [Value::Double(d)]) => Value::Double(d.ceil()),
        ("floor", [Value::Double(d)]) => Value::Double(d.floor()),
        ("round", [Value::Double(d)]) => Value::Double(d.round()),
        ("trunc", [Value::Double(d)]) => Value::Double(d.trunc()),
        ("isInf", [Value::Double(d)]) => Value::Bool(d.is_infinite()),
        ("isNaN", [Value::Double(d)]) => Value::Bool(d.is_nan()),
        ("isFinite", [Value::Double(d)]) => Value::Bool(d.is_finite()),
        ("abs", [Value::Int(i)]) => {
            Value::Int(i.checked_abs().ok_or_else(EvalError::int_overflow)?)
        }
        ("abs", [Value::Uint(u)]) => Value::Uint(*u),
        ("abs", [Value::Double(d)]) => Value::Double(d.abs()),
        ("sign", [Value::Int(i)]) => Value::Int(i.signum()),
        ("sign", [Value::Uint(u)]) => Value::Uint((*u).min(1)),
        ("sign", [Value::Double(d)]) => Value::Double(if d.is_nan() || *d == 0.0 {
            *d
        } else {
            d.signum()
        }),
        ("sqrt", [Value::Int(i)]) => Value::Double((*i as f64).sqrt()),
        ("sqrt", [Value::Uint(u)]) => Value::Double((*u as f64).sqrt()),
        ("sqrt", [Value::Double(d)]) => Value::Double(d.sqrt()),
        ("bitAnd", [Value::Int(a), Value::Int(b)]) => Value::Int(a & b),
        ("bitAnd", [Value::Uint(a), Value::Uint(b)]) => Value::Uint(a & b),
        ("bitOr", [Value::Int(a), Value::Int(b)]) => Value::Int(a | b),
        ("bitOr", [Value::Uint(a), Value::Uint(b)]) => Value::Uint(a | b),
        ("bitXor", [Value::Int(a), Value::Int(b)]) => Value::Int(a ^ b),
        ("bitXor", [Value::Uint(a), Value::Uint(b)]) => Value::Uint(a ^ b),
        ("bitNot", [Value::Int(a)]) => Value::Int(!a),
        ("bitNot", [Value::Uint(a)]) => Value::Uint(!a),
        ("bitShiftLeft" | "bitShiftRight", [value, Value::Int(by)]) => {
            return shift(name, value, *by);
        }
        _ => return Ok(None),
    }))
}

#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]
fn shift<'a>(name: &str, value: &Value<'a>, by: i64) -> Outcome<'a> {
    let left = name == "bitShiftLeft";
    let Ok(by) = u32::try_from(by) else {
        if by < 0 {
            return Err(EvalError::runtime(format!(
                "math.{name}() negative offset: {by}"
            )));
        }
        return Ok(match value {
            Value::Int(_) => Some(Value::Int(0)),
            Value::Uint(_) => Some(Value::Uint(0)),
            _ => None,
        });
    };
    let shifted = |bits: u64| {
        if left {
            bits.checked_shl(by).unwrap_or(0)
        } else {
            bits.checked_shr(by).unwrap_or(0)
        }
    };
    Ok(match value {
        // Integers are shifted as bits: no sign comes in from the left.
        Value::Int(i) => Some(Value::Int(shifted(*i as u64) as i64)),
        Value::Uint(u) => Some(Value::Uint(shifted(*u))),
        _ => None,
    })
}

fn extreme<'a>(name: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let owned: Vec<Value<'a>>;
    let values: &[Value<'a>] = match args {
        [Value::List(list)] => {
            owned = list.iter().collect::<Result<_, _>>()?;
            &owned
        }
        _ => args,
    };
    let wanted = if name == "least" {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let mut best: Option<&Value<'a>> = None;
    for value in values {
        if !matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_)) {
            return Ok(None);
        }
        if best.is_none_or(|b| compare_numbers(value, b).flatten() == Some(wanted)) {
            best = Some(value);
        }
    }
    match best {
        Some(best) => Ok(Some(best.clone())),
        None => Err(EvalError::runtime(format!(
            "math.{name}(list) argument must not be empty"
        ))),
    }
}
