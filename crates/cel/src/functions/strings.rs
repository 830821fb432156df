//! Functions on text. Places are characters, not bytes.
//!
//! upstream: github.com/google/cel-go/ext/strings.go

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::cost::Meter;
use crate::error::EvalError;
use crate::functions::Outcome;
use crate::value::Value;

fn out_of_range(index: i64) -> EvalError {
    EvalError::runtime(format!("index out of range: {index}"))
}

pub(super) fn call<'a>(meter: &mut Meter, function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    if let ("base64.encode", [Value::Bytes(b)]) = (function, args) {
        meter.allocate(b.len().saturating_mul(2))?;
        return Ok(Some(Value::string(STANDARD.encode(b))));
    }
    let Some(Value::String(text)) = args.first() else {
        return Ok(None);
    };
    let text: &str = text;
    let made = |s: String| Ok(Some(Value::string(s)));
    if !matches!(function, "contains" | "startsWith" | "endsWith" | "charAt") {
        meter.allocate(text.len())?;
    }
    match (function, args.get(1..).unwrap_or_default()) {
        ("contains", [Value::String(part)]) => Ok(Some(Value::Bool(text.contains(&**part)))),
        ("startsWith", [Value::String(part)]) => Ok(Some(Value::Bool(text.starts_with(&**part)))),
        ("endsWith", [Value::String(part)]) => Ok(Some(Value::Bool(text.ends_with(&**part)))),
        ("charAt", [Value::Int(at)]) => {
            let index = usize::try_from(*at).map_err(|_| out_of_range(*at))?;
            let count = text.chars().count();
            match text.chars().nth(index) {
                Some(c) => made(c.to_string()),
                None if index == count => made(String::new()),
                None => Err(out_of_range(*at)),
            }
        }
        ("indexOf" | "lastIndexOf", [Value::String(part), rest @ ..]) => {
            let from = match rest {
                [] => None,
                [Value::Int(n)] => Some(*n),
                _ => return Ok(None),
            };
            find(meter, text, part, from, function == "lastIndexOf").map(|i| Some(Value::Int(i)))
        }
        ("lowerAscii", []) => made(text.to_ascii_lowercase()),
        ("upperAscii", []) => made(text.to_ascii_uppercase()),
        ("trim", []) => made(text.trim().to_owned()),
        ("reverse", []) => made(text.chars().rev().collect()),
        ("replace", [Value::String(old), Value::String(new), rest @ ..]) => {
            let most = match rest {
                [] => usize::MAX,
                [Value::Int(n)] => usize::try_from(*n).unwrap_or(usize::MAX),
                _ => return Ok(None),
            };
            meter.work(text.len())?;
            let hits = text.matches(&**old).take(most).count();
            meter.allocate(hits.saturating_mul(new.len()).saturating_add(text.len()))?;
            made(text.replacen(&**old, new, most))
        }
        ("split", [Value::String(separator), rest @ ..]) => {
            let most = match rest {
                [] => -1,
                [Value::Int(n)] => *n,
                _ => return Ok(None),
            };
            split(meter, text, separator, most).map(Some)
        }
        ("substring", [Value::Int(start)]) => {
            let end = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            substring(text, *start, end).map(Some)
        }
        ("substring", [Value::Int(start), Value::Int(end)]) => {
            substring(text, *start, *end).map(Some)
        }
        ("strings.quote", []) => made(quote(text)),
        ("base64.decode", []) => STANDARD
            .decode(text)
            .or_else(|_| STANDARD_NO_PAD.decode(text))
            .map(|b| Some(Value::Bytes(b.into())))
            .map_err(|e| EvalError::runtime(format!("illegal base64 data: {e}"))),
        // upstream: staging/src/k8s.io/apiserver/pkg/cel/library/jsonpatch.go
        ("jsonpatch.escapeKey", []) => made(text.replace('~', "~0").replace('/', "~1")),
        _ => Ok(None),
    }
}

fn find(
    meter: &mut Meter,
    text: &str,
    part: &str,
    from: Option<i64>,
    last: bool,
) -> Result<i64, EvalError> {
    let chars: Vec<char> = text.chars().collect();
    let part: Vec<char> = part.chars().collect();
    meter.allocate((chars.len() + part.len()).saturating_mul(4))?;
    let count = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let from = match from {
        None if last => count,
        None => 0,
        Some(n) if n < 0 => return Err(out_of_range(n)),
        // Beyond the end nothing is found, as upstream's implementation has it.
        Some(n) if n >= count && !part.is_empty() => return Ok(-1),
        Some(n) => n,
    };
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    if part.is_empty() {
        return Ok(i64::try_from(from.min(chars.len())).unwrap_or(i64::MAX));
    }
    let Some(final_start) = chars.len().checked_sub(part.len()) else {
        return Ok(-1);
    };
    let found = |at: &usize| chars.get(*at..*at + part.len()) == Some(&part);
    meter.work(chars.len())?;
    let at = if last {
        (0..=final_start.min(from)).rev().find(found)
    } else {
        (from..=final_start).find(found)
    };
    Ok(at.and_then(|i| i64::try_from(i).ok()).unwrap_or(-1))
}

fn split<'a>(
    meter: &mut Meter,
    text: &str,
    separator: &str,
    most: i64,
) -> Result<Value<'a>, EvalError> {
    let parts: Vec<String> = match most {
        0 => Vec::new(),
        1 => vec![text.to_owned()],
        _ => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let pieces = if separator.is_empty() {
                text.chars().count().min(most)
            } else {
                text.matches(separator).count().saturating_add(1).min(most)
            };
            meter.allocate_values(pieces.saturating_mul(2))?;
            if separator.is_empty() {
                let mut chars = text.chars();
                let mut parts: Vec<String> = chars
                    .by_ref()
                    .take(pieces.saturating_sub(1))
                    .map(String::from)
                    .collect();
                let rest = chars.as_str();
                if !rest.is_empty() {
                    parts.push(rest.to_owned());
                }
                parts
            } else {
                text.splitn(most, separator).map(str::to_owned).collect()
            }
        }
    };
    Ok(Value::list(parts.into_iter().map(Value::string).collect()))
}

fn substring<'a>(text: &str, start: i64, end: i64) -> Result<Value<'a>, EvalError> {
    let count = text.chars().count();
    if start > end {
        return Err(EvalError::runtime(format!(
            "invalid substring range. start: {start}, end: {end}"
        )));
    }
    let within = |n: i64| {
        usize::try_from(n)
            .ok()
            .filter(|n| *n <= count)
            .ok_or_else(|| out_of_range(n))
    };
    let (start, end) = (within(start)?, within(end)?);
    let part: String = text.chars().skip(start).take(end - start).collect();
    Ok(Value::string(part))
}

/// upstream: github.com/google/cel-go/ext/strings.go#quote
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
