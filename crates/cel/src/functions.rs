//! The functions: dispatch by name and by the values' types, and what each costs.

pub(crate) mod authz;
pub(crate) mod convert;
pub(crate) mod format;
pub(crate) mod lists;
pub(crate) mod math;
pub(crate) mod net;
pub(crate) mod operators;
pub(crate) mod printf;
pub(crate) mod quantity;
pub(crate) mod regex;
pub(crate) mod semver;
pub(crate) mod strings;
pub(crate) mod url;

use crate::cost::{Meter, pattern, traversal};
use crate::error::EvalError;
use crate::value::Value;

/// A call's outcome; `None` when the function has no overload for the values.
pub(crate) type Outcome<'a> = Result<Option<Value<'a>>, EvalError>;

/// How a value counts: characters, bytes, elements; anything else is 1.
///
/// upstream: github.com/google/cel-go/interpreter/runtimecost.go#actualSize
pub(crate) fn size(value: &Value<'_>) -> u64 {
    match value {
        Value::String(s) => s.chars().count() as u64,
        Value::Bytes(b) => b.len() as u64,
        Value::List(l) => l.len() as u64,
        Value::Map(m) => m.len() as u64,
        Value::Optional(Some(inner)) => size(inner),
        _ => 1,
    }
}

/// Calls a function.
pub(crate) fn call<'a>(
    meter: &mut Meter,
    patterns: &mut regex::Patterns,
    function: &str,
    member: bool,
    args: &[Value<'a>],
) -> Result<Value<'a>, EvalError> {
    charge_before(meter, function, args)?;
    let outcome = dispatch(meter, patterns, function, member, args)?;
    let Some(value) = outcome else {
        let types: Vec<&str> = args.iter().map(Value::type_name).collect();
        return Err(if function.starts_with(['_', '@', '-', '!']) {
            EvalError::no_overload()
        } else {
            EvalError::runtime(format!(
                "no such overload: {function}({})",
                types.join(", ")
            ))
        });
    };
    if function == "join" {
        meter.charge(traversal(size(&value).saturating_mul(2)))?;
    }
    Ok(value)
}

/// What a call costs by the sizes of its arguments.
///
/// upstream: cel-go's interpreter/runtimecost.go#costCall, staging/src/k8s.io/apiserver/pkg/cel/library/cost.go#CallCost
fn charge_before(meter: &mut Meter, function: &str, args: &[Value<'_>]) -> Result<(), EvalError> {
    let of = |i: usize| args.get(i).map_or(0, size);
    let text = |i: usize| matches!(args.get(i), Some(Value::String(_) | Value::Bytes(_)));
    let cost = match function {
        "check" => 350_000,
        "startsWith"
        | "endsWith"
        | "bytes"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "url"
        | "isURL"
        | "quantity"
        | "isQuantity"
        | "ip"
        | "isIP"
        | "cidr"
        | "isCIDR"
        | "semver"
        | "isSemver"
        | "charAt"
        | "jsonpatch.escapeKey"
        | "strings.quote"
        | "base64.encode"
        | "base64.decode" => traversal(of(0)),
        "string" if text(0) => traversal(of(0)),
        "reverse" if text(0) => traversal(of(0)),
        "replace" | "split" => traversal(of(0).saturating_mul(2)),
        "ip.isCanonical" => traversal(of(0).saturating_mul(2)),
        "isSorted" | "sum" | "max" | "min" | "first" | "last" | "slice" | "reverse" | "flatten" => {
            of(0)
        }
        "indexOf" | "lastIndexOf" if text(0) => {
            traversal(of(0)).saturating_mul(traversal(of(1)).max(1))
        }
        "indexOf" | "lastIndexOf" => of(0),
        "distinct" | "sort" => of(0).saturating_mul(of(0).ilog2_or_one()),
        "lists.range" => match args.first() {
            Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
            _ => 1,
        },
        "sets.contains" | "sets.intersects" => of(0).saturating_mul(of(1)),
        "sets.equivalent" => of(0).saturating_mul(of(1)).saturating_mul(2),
        "matches" | "find" | "findAll" => {
            traversal(of(0).saturating_add(1)).saturating_mul(pattern(of(1)))
        }
        "contains" => traversal(of(0)).saturating_mul(traversal(of(1))),
        "validate" => match args.first() {
            Some(Value::Opaque(crate::opaque::Opaque::Format(named))) => named.cost(of(1)),
            _ => 1,
        },
        "@in" => match args.get(1) {
            Some(Value::List(list)) => list.len() as u64,
            _ => 1,
        },
        "_==_" | "_!=_" => traversal(of(0).min(of(1))),
        "_<_" | "_<=_" | "_>_" | "_>=_" if text(0) => traversal(of(0).min(of(1))),
        "_+_" if text(0) => traversal(of(0).saturating_add(of(1))),
        "format" => traversal(of(0)),
        "containsIP" | "containsCIDR" => net::contains_cost(args),
        _ => 1,
    };
    meter.charge(cost)
}

trait Log2 {
    fn ilog2_or_one(self) -> Self;
}

impl Log2 for u64 {
    fn ilog2_or_one(self) -> Self {
        self.checked_ilog2().map_or(1, |l| u64::from(l) + 1)
    }
}

fn dispatch<'a>(
    meter: &mut Meter,
    patterns: &mut regex::Patterns,
    function: &str,
    member: bool,
    args: &[Value<'a>],
) -> Outcome<'a> {
    if function.starts_with(['_', '@', '-', '!']) {
        return operators::call(meter, function, args);
    }
    match function {
        "matches" | "find" | "findAll" => regex::call(meter, patterns, function, args),
        "bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint"
        | "type" | "dyn" => convert::call(function, args),
        "size" => Ok(match args {
            [Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)] => args
                .first()
                .map(|v| Value::Int(i64::try_from(size(v)).unwrap_or(i64::MAX))),
            _ => None,
        }),
        "optional.of"
        | "optional.ofNonZeroValue"
        | "optional.none"
        | "optional.unwrap"
        | "unwrapOpt"
        | "hasValue"
        | "value" => operators::optional(function, args),
        "format" if member => printf::format(meter, args),
        _ => {
            if let Some(name) = function.strip_prefix("math.") {
                return math::call(name, args);
            }
            if function.starts_with("format.") || function == "validate" {
                return format::call(meter, function, args);
            }
            match args.first() {
                Some(Value::Timestamp(_) | Value::Duration(_)) if member => {
                    convert::time_part(function, args)
                }
                Some(Value::Opaque(_)) if member => opaque_method(function, args),
                Some(Value::List(_)) => lists::call(meter, function, args),
                _ => {
                    if let Some(value) = net::call(function, args)? {
                        return Ok(Some(value));
                    }
                    match function {
                        "lists.range" => lists::call(meter, function, args),
                        "url" | "isURL" => url::call(function, args),
                        "quantity" | "isQuantity" => quantity::call(function, args),
                        "semver" | "isSemver" => semver::call(function, args),
                        _ => strings::call(meter, function, args),
                    }
                }
            }
        }
    }
}

fn opaque_method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    use crate::opaque::Opaque;
    match args.first() {
        Some(Value::Opaque(Opaque::Url(_))) => url::method(function, args),
        Some(Value::Opaque(Opaque::Quantity(_))) => quantity::method(function, args),
        Some(Value::Opaque(Opaque::Semver(_))) => semver::method(function, args),
        Some(Value::Opaque(Opaque::Ip(_) | Opaque::Cidr(_))) => net::method(function, args),
        _ => authz::method(function, args),
    }
}

/// Like strconv's `FormatFloat(d, 'g', -1, 64)`.
#[allow(clippy::float_cmp)]
pub(crate) fn double_text(d: f64) -> String {
    if d.is_nan() {
        return "NaN".into();
    }
    if d.is_infinite() {
        return if d > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        };
    }
    let scientific = format!("{d:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // upstream: strconv/ftoa.go#formatDigits; the shortest form switches at 21 digits
    if d != 0.0 && !(-4..21).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{d}")
}
