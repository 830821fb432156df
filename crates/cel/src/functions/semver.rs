//! Semantic versions.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/library/semverlib.go, github.com/blang/semver

use std::cmp::Ordering;
use std::sync::Arc;

use crate::error::EvalError;
use crate::functions::Outcome;
use crate::opaque::Opaque;
use crate::value::Value;

/// A version.
#[derive(Clone, Debug)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    /// Parts of the pre-release; none for a release.
    pre: Vec<String>,
}

impl Version {
    /// Order of precedence: build metadata don't count.
    fn order(&self, other: &Self) -> Ordering {
        let numbers =
            (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch));
        numbers.then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => {
                let parts = self
                    .pre
                    .iter()
                    .zip(&other.pre)
                    .map(|(a, b)| compare_parts(a, b));
                let first = parts.into_iter().find(|o| *o != Ordering::Equal);
                first.unwrap_or_else(|| self.pre.len().cmp(&other.pre.len()))
            }
        })
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        _ => a.cmp(b),
    }
}

fn number(text: &str, what: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {what} number \"{text}\""
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!(
            "{what} number must not contain leading zeroes \"{text}\""
        ));
    }
    text.parse()
        .map_err(|_| format!("{what} number \"{text}\" is too large"))
}

fn parse(text: &str) -> Result<Version, String> {
    if text.is_empty() {
        return Err("Version string empty".into());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".into());
    };
    let (rest, build) = match rest.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (*rest, None),
    };
    let (patch, pre) = match rest.split_once('-') {
        Some((patch, pre)) => (patch, Some(pre)),
        None => (rest, None),
    };
    let allowed =
        |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut parts = Vec::new();
    for part in pre.into_iter().flat_map(|p| p.split('.')) {
        if part.is_empty() {
            return Err("Prerelease is empty".into());
        }
        if !allowed(part) {
            return Err(format!(
                "Invalid character(s) found in prerelease \"{part}\""
            ));
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes \"{part}\""
            ));
        }
        parts.push(part.to_owned());
    }
    for part in build.into_iter().flat_map(|b| b.split('.')) {
        if part.is_empty() {
            return Err("Build meta data is empty".into());
        }
        if !allowed(part) {
            return Err(format!(
                "Invalid character(s) found in build meta data \"{part}\""
            ));
        }
    }
    Ok(Version {
        major: number(major, "Major")?,
        minor: number(minor, "Minor")?,
        patch: number(patch, "Patch")?,
        pre: parts,
    })
}

/// Takes a `v`, missing parts and leading zeroes as they are meant.
///
/// upstream: semverlib.go#normalizeAndParse
fn normalised(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let mut parts: Vec<String> = numbers
        .splitn(3, '.')
        .map(|p| {
            let trimmed = p.trim_start_matches('0');
            if trimmed.is_empty() && !p.is_empty() {
                "0".to_owned()
            } else {
                trimmed.to_owned()
            }
        })
        .collect();
    if rest.is_empty() {
        parts.resize(3, "0".to_owned());
    }
    format!("{}{rest}", parts.join("."))
}

pub(super) fn call<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let parsed = match args {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => parse(text),
        [Value::String(text), Value::Bool(true)] => parse(&normalised(text)),
        _ => return Ok(None),
    };
    Ok(Some(match function {
        "isSemver" => Value::Bool(parsed.is_ok()),
        _ => Value::Opaque(Opaque::Semver(Arc::new(
            parsed.map_err(EvalError::runtime)?,
        ))),
    }))
}

pub(super) fn method<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let Some(Value::Opaque(Opaque::Semver(version))) = args.first() else {
        return Ok(None);
    };
    let part = |n: u64| {
        i64::try_from(n)
            .map(Value::Int)
            .map_err(|_| EvalError::int_overflow())
    };
    Ok(Some(match (function, args.get(1)) {
        ("major", None) => part(version.major)?,
        ("minor", None) => part(version.minor)?,
        ("patch", None) => part(version.patch)?,
        ("isLessThan", Some(Value::Opaque(Opaque::Semver(other)))) => {
            Value::Bool(version.order(other) == Ordering::Less)
        }
        ("isGreaterThan", Some(Value::Opaque(Opaque::Semver(other)))) => {
            Value::Bool(version.order(other) == Ordering::Greater)
        }
        ("compareTo", Some(Value::Opaque(Opaque::Semver(other)))) => {
            Value::Int(version.order(other) as i64)
        }
        _ => return Ok(None),
    }))
}
