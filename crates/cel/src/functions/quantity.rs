//! Quantities.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/quantity.go

use machinery::Quantity;
use machinery::quantity::Format;

use crate::error::EvalError;
use crate::functions::Outcome;
use crate::opaque::Opaque;
use crate::value::Value;

pub(super) fn call<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Ok(None);
    };
    let parsed = Quantity::parse(text);
    Ok(Some(match function {
        "isQuantity" => Value::Bool(parsed.is_ok()),
        _ => Value::Opaque(Opaque::Quantity(
            parsed.map_err(|e| EvalError::runtime(e.to_string()))?,
        )),
    }))
}

pub(super) fn method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let Some(Value::Opaque(Opaque::Quantity(quantity))) = args.first() else {
        return Ok(None);
    };
    let made = |q| Value::Opaque(Opaque::Quantity(q));
    let whole = |i: i64| Quantity::from_int(i, Format::DecimalSi);
    Ok(Some(match (function, args.get(1)) {
        ("sign", None) => Value::Int(i64::from(quantity.sign())),
        ("isInteger", None) => Value::Bool(quantity.as_int().is_some()),
        ("asInteger", None) => Value::Int(
            quantity
                .as_int()
                .ok_or_else(|| EvalError::runtime("cannot convert value to integer"))?,
        ),
        ("asApproximateFloat", None) => Value::Double(quantity.as_f64()),
        ("add", Some(Value::Opaque(Opaque::Quantity(other)))) => made(*quantity + *other),
        ("add", Some(Value::Int(i))) => made(*quantity + whole(*i)),
        ("sub", Some(Value::Opaque(Opaque::Quantity(other)))) => made(*quantity - *other),
        ("sub", Some(Value::Int(i))) => made(*quantity - whole(*i)),
        ("isLessThan", Some(Value::Opaque(Opaque::Quantity(other)))) => {
            Value::Bool(quantity < other)
        }
        ("isGreaterThan", Some(Value::Opaque(Opaque::Quantity(other)))) => {
            Value::Bool(quantity > other)
        }
        ("compareTo", Some(Value::Opaque(Opaque::Quantity(other)))) => {
            Value::Int(quantity.cmp(other) as i64)
        }
        _ => return Ok(None),
    }))
}
