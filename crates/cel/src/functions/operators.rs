//! Operators, equality and optionals.
//!
//! upstream: github.com/google/cel-go/common/types

use std::cmp::Ordering;
use std::rc::Rc;

use crate::cost::Meter;
use crate::error::EvalError;
use crate::functions::Outcome;
use crate::schema::ListType;
use crate::value::{List, Text, Value, compare_numbers};

/// Deepest value that is compared.
const MAX_DEPTH: u32 = 300;

pub(super) fn call<'a>(meter: &mut Meter, function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    match (function, args) {
        ("_==_", [a, b]) => equal(meter, a, b).map(|v| Some(Value::Bool(v))),
        ("_!=_", [a, b]) => equal(meter, a, b).map(|v| Some(Value::Bool(!v))),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => {
            let Some(order) = compare(a, b) else {
                return Ok(None);
            };
            Ok(Some(Value::Bool(match (function, order) {
                (_, None) => return Err(EvalError::runtime("NaN values cannot be ordered")),
                ("_<_", Some(o)) => o == Ordering::Less,
                ("_<=_", Some(o)) => o != Ordering::Greater,
                ("_>_", Some(o)) => o == Ordering::Greater,
                (_, Some(o)) => o != Ordering::Less,
            })))
        }
        ("@in", [element, range]) => contained(meter, element, range).map(|v| Some(Value::Bool(v))),
        ("!_", [Value::Bool(b)]) => Ok(Some(Value::Bool(!b))),
        ("-_", [Value::Int(i)]) => i
            .checked_neg()
            .map(|i| Some(Value::Int(i)))
            .ok_or_else(EvalError::int_overflow),
        ("-_", [Value::Double(d)]) => Ok(Some(Value::Double(-d))),
        ("-_", [Value::Duration(d)]) => d
            .checked_neg()
            .map(|d| Some(Value::Duration(d)))
            .ok_or_else(|| EvalError::runtime("duration overflow")),
        ("_+_", [a, b]) => add(meter, a, b),
        ("_-_", [a, b]) => subtract(a, b),
        ("_*_" | "_/_" | "_%_", [a, b]) => multiply(function, a, b),
        ("@optionalValues", [Value::Optional(inner)]) => Ok(Some(Value::list(
            inner.iter().map(|v| Value::clone(v)).collect(),
        ))),
        _ => Ok(None),
    }
}

pub(super) fn optional<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Some(match (function, args) {
        ("optional.none", []) => Value::none(),
        ("optional.of", [value]) => Value::optional(Some(value.clone())),
        ("optional.ofNonZeroValue", [value]) => {
            Value::optional((!is_zero(value)).then(|| value.clone()))
        }
        ("optional.unwrap" | "unwrapOpt", [Value::List(list)]) => {
            let mut values = Vec::new();
            for value in list.iter() {
                match value? {
                    Value::Optional(inner) => values.extend(inner.map(|v| Value::clone(&v))),
                    _ => return Ok(None),
                }
            }
            Value::list(values)
        }
        ("hasValue", [Value::Optional(inner)]) => Value::Bool(inner.is_some()),
        ("value", [Value::Optional(Some(inner))]) => Value::clone(inner),
        ("value", [Value::Optional(None)]) => {
            return Err(EvalError::runtime("optional.none() dereference"));
        }
        _ => return Ok(None),
    }))
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Int(i) => *i == 0,
        Value::Uint(u) => *u == 0,
        Value::Double(d) => *d == 0.0,
        Value::String(s) => s.is_empty(),
        Value::Bytes(b) => b.is_empty(),
        Value::Duration(d) => *d == 0,
        Value::List(l) => l.is_empty(),
        Value::Map(m) => m.is_empty(),
        Value::Optional(inner) => inner.is_none(),
        Value::Struct(s) => s.fields.is_empty(),
        Value::Timestamp(_) | Value::Type(_) | Value::Opaque(_) => false,
    }
}

/// Whether two values are the same; values of different types are not, but numbers are compared across types.
pub(crate) fn equal(meter: &mut Meter, a: &Value<'_>, b: &Value<'_>) -> Result<bool, EvalError> {
    equal_within(meter, a, b, MAX_DEPTH)
}

fn equal_within(
    meter: &mut Meter,
    a: &Value<'_>,
    b: &Value<'_>,
    depth: u32,
) -> Result<bool, EvalError> {
    meter.work(1)?;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(EvalError::CostLimit);
    };
    if let Some(order) = compare_numbers(a, b) {
        return Ok(order == Some(Ordering::Equal));
    }
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => {
            meter.work(a.len().min(b.len()) / 64)?;
            **a == **b
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.work(a.len().min(b.len()) / 64)?;
            a == b
        }
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Opaque(a), Value::Opaque(b)) => a.equals(b),
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal_within(meter, a, b, depth)?,
            (None, None) => true,
            _ => false,
        },
        (Value::List(a), Value::List(b)) => lists_equal(meter, a, b, depth)?,
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for entry in a.entries() {
                let (key, value) = entry?;
                let Some(other) = b.get(&key) else {
                    return Ok(false);
                };
                if !equal_within(meter, &value, &other?, depth)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Struct(a), Value::Struct(b)) => {
            if a.name != b.name || a.fields.len() != b.fields.len() {
                return Ok(false);
            }
            for (name, value) in &a.fields {
                let Some(other) = b.fields.get(name) else {
                    return Ok(false);
                };
                if !equal_within(meter, value, other, depth)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Lists that are sets or maps by their schema are equal whatever their order.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/cel/common/values.go#unstructuredSetList.Equal, unstructuredMapList.Equal
fn lists_equal(
    meter: &mut Meter,
    a: &List<'_>,
    b: &List<'_>,
    depth: u32,
) -> Result<bool, EvalError> {
    if a.len() != b.len() {
        return Ok(false);
    }
    if *a.kind() == ListType::Atomic {
        for (x, y) in a.iter().zip(b.iter()) {
            if !equal_within(meter, &x?, &y?, depth)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let others: Vec<Value<'_>> = b.iter().collect::<Result<_, _>>()?;
    for (i, x) in a.iter().enumerate() {
        let x = x?;
        // The same place first: lists are mostly in the same order.
        let mut found = match others.get(i) {
            Some(y) => equal_within(meter, &x, y, depth)?,
            None => false,
        };
        for y in &others {
            if found {
                break;
            }
            found = equal_within(meter, &x, y, depth)?;
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Order of two values: `None` when they have none, `Some(None)` with NaN.
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Option<Option<Ordering>> {
    if let Some(order) = compare_numbers(a, b) {
        return Some(order);
    }
    Some(Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => (**a).cmp(&**b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => return None,
    }))
}

/// `element in range`
pub(crate) fn contained(
    meter: &mut Meter,
    element: &Value<'_>,
    range: &Value<'_>,
) -> Result<bool, EvalError> {
    match range {
        Value::List(list) => {
            for value in list.iter() {
                if equal(meter, element, &value?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => Ok(map.get(element).transpose()?.is_some()),
        _ => Err(EvalError::no_overload()),
    }
}

fn add<'a>(meter: &mut Meter, a: &Value<'a>, b: &Value<'a>) -> Outcome<'a> {
    let time_overflow = || EvalError::runtime("timestamp overflow");
    Ok(Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            Value::Int(a.checked_add(*b).ok_or_else(EvalError::int_overflow)?)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            Value::Uint(a.checked_add(*b).ok_or_else(uint_overflow)?)
        }
        (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
        (Value::String(a), Value::String(b)) => {
            meter.allocate(a.len() + b.len())?;
            Value::String(Text::Shared(format!("{}{}", &**a, &**b).into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.allocate(a.len() + b.len())?;
            Value::Bytes([&**a, &**b].concat().into())
        }
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(
            a.checked_add(*b)
                .ok_or_else(|| EvalError::runtime("duration overflow"))?,
        ),
        (Value::Timestamp(t), Value::Duration(d)) | (Value::Duration(d), Value::Timestamp(t)) => {
            let sum = t.checked_add(*d).ok_or_else(time_overflow)?;
            Value::Timestamp(sum)
        }
        (Value::List(a), Value::List(b)) => {
            meter.allocate_values(a.len() + b.len())?;
            meter.work(a.len() + b.len())?;
            let mut values: Vec<Value<'a>> = a.iter().collect::<Result<_, _>>()?;
            match a.kind() {
                ListType::Atomic => {
                    for value in b.iter() {
                        values.push(value?);
                    }
                }
                kind => merge(meter, &mut values, b, kind)?,
            }
            Value::List(List::Owned(Rc::new(values)))
        }
        _ => return Ok(None),
    }))
}

/// Adds to a set what it has not; to a map list, entries by their keys.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/cel/common/values.go#unstructuredSetList.Add, unstructuredMapList.Add
fn merge<'a>(
    meter: &mut Meter,
    values: &mut Vec<Value<'a>>,
    more: &List<'a>,
    kind: &ListType,
) -> Result<(), EvalError> {
    for value in more.iter() {
        let value = value?;
        let mut at = None;
        for (i, known) in values.iter().enumerate() {
            let same = match kind {
                ListType::Map(keys) => same_keys(meter, known, &value, keys)?,
                _ => equal(meter, known, &value)?,
            };
            if same {
                at = Some(i);
                break;
            }
        }
        match at.and_then(|i| values.get_mut(i)) {
            Some(known) => *known = value,
            None => values.push(value),
        }
    }
    Ok(())
}

fn same_keys(
    meter: &mut Meter,
    a: &Value<'_>,
    b: &Value<'_>,
    keys: &[String],
) -> Result<bool, EvalError> {
    let (Value::Map(a), Value::Map(b)) = (a, b) else {
        return Ok(false);
    };
    for key in keys {
        let name = crate::schema::escape(key).unwrap_or_default();
        let same = match (a.field(&name).transpose()?, b.field(&name).transpose()?) {
            (Some(a), Some(b)) => equal(meter, &a, &b)?,
            (None, None) => true,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn uint_overflow() -> EvalError {
    EvalError::runtime("unsigned integer overflow")
}

fn subtract<'a>(a: &Value<'a>, b: &Value<'a>) -> Outcome<'a> {
    let duration_overflow = || EvalError::runtime("duration overflow");
    Ok(Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            Value::Int(a.checked_sub(*b).ok_or_else(EvalError::int_overflow)?)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            Value::Uint(a.checked_sub(*b).ok_or_else(uint_overflow)?)
        }
        (Value::Double(a), Value::Double(b)) => Value::Double(a - b),
        (Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(a.checked_sub(*b).ok_or_else(duration_overflow)?)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            let nanos = a.as_nanosecond() - b.as_nanosecond();
            Value::Duration(i64::try_from(nanos).map_err(|_| duration_overflow())?)
        }
        (Value::Timestamp(t), Value::Duration(d)) => t
            .checked_sub(*d)
            .map(Value::Timestamp)
            .ok_or_else(|| EvalError::runtime("timestamp overflow"))?,
        _ => return Ok(None),
    }))
}

fn multiply<'a>(function: &str, a: &Value<'a>, b: &Value<'a>) -> Outcome<'a> {
    Ok(Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && function != "_*_" {
                return Err(by_zero(function));
            }
            let result = match function {
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            Value::Int(result.ok_or_else(EvalError::int_overflow)?)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            if *b == 0 && function != "_*_" {
                return Err(by_zero(function));
            }
            let result = match function {
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            Value::Uint(result.ok_or_else(uint_overflow)?)
        }
        (Value::Double(a), Value::Double(b)) if function != "_%_" => {
            Value::Double(if function == "_*_" { a * b } else { a / b })
        }
        _ => return Ok(None),
    }))
}

fn by_zero(function: &str) -> EvalError {
    EvalError::runtime(if function == "_/_" {
        "division by zero"
    } else {
        "modulus by zero"
    })
}
