//! `matches`, `find`, `findAll`: patterns of linear time.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/regex.go

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use crate::cost::Meter;
use crate::error::EvalError;
use crate::functions::Outcome;
use crate::value::Value;

/// Largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 2 * 1024 * 1024;

/// Most patterns that one evaluation keeps.
const MAX_KEPT: usize = 32;

/// What compiling a pattern counts, beside its length.
const COMPILE_WORK: usize = 2_000;

/// Patterns of one evaluation that are compiled already.
pub(crate) type Patterns = HashMap<String, Regex>;

/// A pattern.
///
/// # Errors
/// It is no pattern, or is too large.
pub(crate) fn compile(pattern: &str) -> Result<Regex, EvalError> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(200)
        .build()
        .map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => EvalError::runtime(
                "error parsing regexp: expression nests too deeply or is too large",
            ),
            _ => EvalError::runtime(format!(
                "error parsing regexp: invalid pattern: `{pattern}`"
            )),
        })
}

fn compiled<'p>(
    meter: &mut Meter,
    patterns: &'p mut Patterns,
    pattern: &str,
) -> Result<&'p Regex, EvalError> {
    if !patterns.contains_key(pattern) {
        meter.work(COMPILE_WORK.saturating_add(pattern.len().saturating_mul(100)))?;
        if patterns.len() >= MAX_KEPT {
            patterns.clear();
        }
        patterns.insert(pattern.to_owned(), compile(pattern)?);
    }
    patterns.get(pattern).ok_or_else(EvalError::no_overload)
}

pub(super) fn call<'a>(
    meter: &mut Meter,
    patterns: &mut Patterns,
    function: &str,
    args: &[Value<'a>],
) -> Outcome<'a> {
    let (Some(Value::String(text)), Some(Value::String(pattern))) = (args.first(), args.get(1))
    else {
        return Ok(None);
    };
    meter.work(text.len())?;
    let regex = compiled(meter, patterns, pattern)?;
    match (function, args.get(2)) {
        ("matches", None) => Ok(Some(Value::Bool(regex.is_match(text)))),
        ("find", None) => Ok(Some(Value::string(
            regex.find(text).map_or("", |m| m.as_str()),
        ))),
        ("findAll", limit) => {
            let most = match limit {
                None => usize::MAX,
                Some(Value::Int(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
                Some(_) => return Ok(None),
            };
            let mut found = Vec::new();
            for hit in regex.find_iter(text).take(most) {
                meter.allocate_values(1)?;
                meter.allocate(hit.len())?;
                found.push(Value::string(hit.as_str()));
            }
            Ok(Some(Value::list(found)))
        }
        _ => Ok(None),
    }
}
