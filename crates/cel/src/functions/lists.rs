//! Functions on lists, and sets.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/lists.go, github.com/google/cel-go/ext/{lists,sets}.go

use std::cmp::Ordering;

use crate::cost::Meter;
use crate::error::EvalError;
use crate::functions::Outcome;
use crate::functions::operators::{self, compare, contained, equal};
use crate::value::{List, Value};

fn values<'a>(meter: &mut Meter, list: &List<'a>) -> Result<Vec<Value<'a>>, EvalError> {
    meter.allocate_values(list.len())?;
    list.iter().collect()
}

pub(super) fn call<'a>(meter: &mut Meter, function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    if let ("lists.range", [Value::Int(n)]) = (function, args) {
        let count = usize::try_from(*n).unwrap_or(0);
        meter.allocate_values(count)?;
        return Ok(Some(Value::list((0..*n).map(Value::Int).collect())));
    }
    let [Value::List(list), rest @ ..] = args else {
        return Ok(None);
    };
    match (function, rest) {
        ("isSorted", []) => {
            let items = values(meter, list)?;
            for pair in items.windows(2) {
                let [a, b] = pair else { continue };
                match compare(a, b) {
                    Some(Some(Ordering::Greater)) => return Ok(Some(Value::Bool(false))),
                    Some(_) => {}
                    None => return Ok(None),
                }
            }
            Ok(Some(Value::Bool(true)))
        }
        ("sum", []) => sum(meter, list),
        ("min" | "max", []) => extreme(list, function),
        ("math.greatest" | "math.least", []) => Ok(None),
        ("indexOf" | "lastIndexOf", [sought]) => {
            let mut found = -1;
            for (i, value) in list.iter().enumerate() {
                if equal(meter, &value?, sought)? {
                    found = i64::try_from(i).unwrap_or(i64::MAX);
                    if function == "indexOf" {
                        break;
                    }
                }
            }
            Ok(Some(Value::Int(found)))
        }
        ("join", []) => join(meter, list, ""),
        ("join", [Value::String(separator)]) => join(meter, list, separator),
        ("slice", [Value::Int(start), Value::Int(end)]) => {
            slice(meter, list, *start, *end).map(Some)
        }
        ("distinct", []) => {
            let mut kept: Vec<Value<'a>> = Vec::new();
            for value in values(meter, list)? {
                let mut known = false;
                for other in &kept {
                    if equal(meter, other, &value)? {
                        known = true;
                        break;
                    }
                }
                if !known {
                    kept.push(value);
                }
            }
            Ok(Some(Value::list(kept)))
        }
        ("reverse", []) => {
            let mut items = values(meter, list)?;
            items.reverse();
            Ok(Some(Value::list(items)))
        }
        ("sort", []) => sort(meter, list),
        ("first", []) => Ok(Some(Value::optional(list.get(0).transpose()?))),
        ("last", []) => {
            let last = list
                .len()
                .checked_sub(1)
                .and_then(|i| list.get(i))
                .transpose()?;
            Ok(Some(Value::optional(last)))
        }
        ("flatten", []) => flatten(meter, list, 1).map(Some),
        ("flatten", [Value::Int(depth)]) => match u32::try_from(*depth) {
            Ok(depth) => flatten(meter, list, depth).map(Some),
            Err(_) => Err(EvalError::runtime("level must be non-negative")),
        },
        ("sets.contains", [Value::List(other)]) => {
            subset(meter, other, list).map(|v| Some(Value::Bool(v)))
        }
        ("sets.equivalent", [Value::List(other)]) => {
            let same = subset(meter, other, list)? && subset(meter, list, other)?;
            Ok(Some(Value::Bool(same)))
        }
        ("sets.intersects", [Value::List(other)]) => {
            for value in list.iter() {
                if contained(meter, &value?, &Value::List(other.clone()))? {
                    return Ok(Some(Value::Bool(true)));
                }
            }
            Ok(Some(Value::Bool(false)))
        }
        _ => Ok(None),
    }
}

fn sum<'a>(meter: &mut Meter, list: &List<'a>) -> Outcome<'a> {
    let mut total: Option<Value<'a>> = None;
    for value in list.iter() {
        let value = value?;
        if !matches!(
            value,
            Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_)
        ) {
            return Ok(None);
        }
        total = match total {
            None => Some(value),
            Some(so_far) => match operators::call(meter, "_+_", &[so_far, value])? {
                Some(sum) => Some(sum),
                None => return Ok(None),
            },
        };
    }
    Ok(Some(total.unwrap_or(Value::Int(0))))
}

fn extreme<'a>(list: &List<'a>, function: &str) -> Outcome<'a> {
    let wanted = if function == "min" {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let mut best: Option<Value<'a>> = None;
    for value in list.iter() {
        let value = value?;
        let better = match &best {
            None => true,
            Some(best) => match compare(&value, best) {
                Some(order) => order == Some(wanted),
                None => return Ok(None),
            },
        };
        if better {
            best = Some(value);
        }
    }
    best.map(Some)
        .ok_or_else(|| EvalError::runtime(format!("{function} called on empty list")))
}

fn join<'a>(meter: &mut Meter, list: &List<'a>, separator: &str) -> Outcome<'a> {
    let mut out = String::new();
    for (i, value) in list.iter().enumerate() {
        let Value::String(part) = value? else {
            return Ok(None);
        };
        meter.allocate(part.len() + separator.len())?;
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(&part);
    }
    Ok(Some(Value::string(out)))
}

fn slice<'a>(
    meter: &mut Meter,
    list: &List<'a>,
    start: i64,
    end: i64,
) -> Result<Value<'a>, EvalError> {
    if start < 0 || end < 0 {
        return Err(EvalError::runtime(format!(
            "cannot slice({start}, {end}), negative indexes not supported"
        )));
    }
    if start > end {
        return Err(EvalError::runtime(format!(
            "cannot slice({start}, {end}), start index must be less than or equal to end index"
        )));
    }
    let (from, to) = (
        usize::try_from(start).unwrap_or(usize::MAX),
        usize::try_from(end).unwrap_or(usize::MAX),
    );
    if to > list.len() {
        return Err(EvalError::runtime(format!(
            "cannot slice({start}, {end}), list is length {}",
            list.len()
        )));
    }
    meter.allocate_values(to - from)?;
    let part = (from..to)
        .filter_map(|i| list.get(i))
        .collect::<Result<_, _>>()?;
    Ok(Value::list(part))
}

fn sort<'a>(meter: &mut Meter, list: &List<'a>) -> Outcome<'a> {
    let mut items = values(meter, list)?;
    let Some(first) = items.first() else {
        return Ok(Some(Value::list(items)));
    };
    let kind = first.type_name().to_owned();
    if items.iter().any(|v| v.type_name() != kind) {
        return Err(EvalError::runtime("list elements must have the same type"));
    }
    if compare(first, first).is_none() {
        return Err(EvalError::runtime(format!(
            "list elements must be comparable, {kind} is not"
        )));
    }
    meter.work(items.len())?;
    items.sort_by(|a, b| compare(a, b).flatten().unwrap_or(Ordering::Equal));
    Ok(Some(Value::list(items)))
}

fn flatten<'a>(meter: &mut Meter, list: &List<'a>, depth: u32) -> Result<Value<'a>, EvalError> {
    let mut current = values(meter, list)?;
    for _ in 0..depth {
        if !current.iter().any(|v| matches!(v, Value::List(_))) {
            break;
        }
        let mut next = Vec::new();
        for value in current {
            match value {
                Value::List(inner) => next.extend(values(meter, &inner)?),
                other => {
                    meter.allocate_values(1)?;
                    next.push(other);
                }
            }
        }
        current = next;
    }
    Ok(Value::list(current))
}

/// Whether all of `part` are in `whole`.
fn subset(meter: &mut Meter, part: &List<'_>, whole: &List<'_>) -> Result<bool, EvalError> {
    for value in part.iter() {
        if !contained(meter, &value?, &Value::List(whole.clone()))? {
            return Ok(false);
        }
    }
    Ok(true)
}
