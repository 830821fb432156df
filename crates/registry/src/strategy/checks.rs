//! Validations that several kinds share.
//!
//! upstream: pkg/apis/core/validation/validation.go, staging/src/k8s.io/apimachinery/pkg/api/validation

use machinery::field::{Error, ErrorList, Path};
use machinery::int_or_string::IntOrString;
use machinery::validation::{
    is_dns1123_label, is_dns1123_subdomain, is_in_range, is_valid_port_name, is_valid_port_num,
};
use serde_json::Value;

use crate::value::Read;

/// One error per problem of a value.
pub(crate) fn problems(errors: &mut ErrorList, path: &Path, value: &Value, problems: Vec<String>) {
    for problem in problems {
        errors.push(Error::invalid(path, value.clone(), problem));
    }
}

/// A text that must be there and one of some.
pub(crate) fn one_of(errors: &mut ErrorList, path: &Path, value: &str, supported: &[&str]) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
    } else if !supported.contains(&value) {
        errors.push(Error::not_supported(path, value, supported));
    }
}

/// A number that may not be negative.
pub(crate) fn non_negative(
    errors: &mut ErrorList,
    object: &Value,
    name: &'static str,
    path: &Path,
) {
    if let Some(number) = object.int(name) {
        errors.extend(machinery::validation::validate_non_negative(
            number,
            &path.child(name),
        ));
    }
}

/// A name that must be there and be a DNS label.
pub(crate) fn label(errors: &mut ErrorList, path: &Path, value: &str) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
    } else {
        problems(errors, path, &value.into(), is_dns1123_label(value));
    }
}

/// A name that, if there, is a DNS subdomain.
pub(crate) fn optional_subdomain(errors: &mut ErrorList, path: &Path, value: &str) {
    if !value.is_empty() {
        problems(errors, path, &value.into(), is_dns1123_subdomain(value));
    }
}

/// upstream: #ValidatePortNumOrName
pub(crate) fn port_number_or_name(errors: &mut ErrorList, path: &Path, port: &Value) {
    match port {
        Value::String(name) => problems(errors, path, port, is_valid_port_name(name)),
        Value::Number(number) => problems(
            errors,
            path,
            port,
            is_valid_port_num(number.as_i64().unwrap_or_default()),
        ),
        _ => errors.push(Error::invalid(
            path,
            0,
            "must be between 1 and 65535, inclusive",
        )),
    }
}

/// A number within bounds.
pub(crate) fn in_range(errors: &mut ErrorList, path: &Path, number: i64, low: i64, high: i64) {
    problems(errors, path, &number.into(), is_in_range(number, low, high));
}

/// upstream: pkg/apis/apps/validation/validation.go#ValidatePositiveIntOrPercent
pub(crate) fn positive_int_or_percent(errors: &mut ErrorList, path: &Path, value: &Value) {
    match value {
        Value::String(text) => problems(
            errors,
            path,
            value,
            machinery::validation::is_valid_percent(text),
        ),
        Value::Number(number) => {
            errors.extend(machinery::validation::validate_non_negative(
                number.as_i64().unwrap_or_default(),
                path,
            ));
        }
        _ => errors.push(Error::invalid(
            path,
            value.clone(),
            "must be an integer or percentage (e.g '5%%')",
        )),
    }
}

/// upstream: pkg/apis/apps/validation/validation.go#IsNotMoreThan100Percent
pub(crate) fn not_above_100_percent(errors: &mut ErrorList, path: &Path, value: &Value) {
    if percent(value).is_some_and(|p| p > 100) {
        errors.push(Error::invalid(
            path,
            value.clone(),
            "must not be greater than 100%",
        ));
    }
}

/// The percentage of a text like `25%`.
pub(crate) fn percent(value: &Value) -> Option<i32> {
    IntOrString::from_value(value)?.percent()
}

/// Whether an int-or-percent is 0.
pub(crate) fn is_zero(value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(value) => percent(value) == Some(0),
    }
}

/// `field is immutable` when a member differs.
pub(crate) fn immutable(
    errors: &mut ErrorList,
    path: &Path,
    new: Option<&Value>,
    old: Option<&Value>,
) {
    if !machinery::equality::semantic_opt(new, old) {
        errors.push(Error::invalid(
            path,
            new.cloned().unwrap_or(Value::Null),
            "field is immutable",
        ));
    }
}
