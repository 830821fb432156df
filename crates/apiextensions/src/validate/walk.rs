//! The walk over a value and its schema.
// upstream: kube-openapi/pkg/validation/validate/{schema,schema_props,type,object_validator,slice_validator,validator}.go

use machinery::field::{Error, Path};
use serde_json::Value;

use super::format;
use crate::list_type::canonical;
use crate::schema::{Additional, Schema};

/// Errors, each with the path of its field (`None`: about the whole), and how many checks were made.
#[derive(Default)]
pub(super) struct Found {
    pub(super) errors: Vec<(Option<String>, Error)>,
    matches: usize,
}

impl Found {
    fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.matches += other.matches;
    }

    fn add(&mut self, at: &str, error: Error) {
        self.errors.push((Some(at.to_owned()), error));
    }

    fn invalid(&mut self, at: &str, value: impl Into<Value>, what: std::fmt::Arguments<'_>) {
        let text = format!("{at} in body {what}");
        self.add(at, Error::invalid(&Path::root(), value, text));
    }

    fn composite(&mut self, text: String) {
        self.errors
            .push((None, Error::invalid(&Path::root(), "", text)));
    }
}

/// What the value was before: unknown whether there is such a thing (`None`), or what it was, if anything.
pub(super) type Old<'a> = Option<Option<&'a Value>>;

pub(super) fn value(at: &str, value: &Value, schema: &Schema, old: Old<'_>) -> Found {
    let mut found = Found::default();
    types(at, value, schema, &mut found);
    if value.is_null() {
        enumeration(at, value, schema, &mut found);
        return found;
    }
    junctors(at, value, schema, &mut found);
    match value {
        Value::String(text) => string(at, text, schema, &mut found),
        Value::Number(number) => {
            if let Some(number) = number.as_f64() {
                range(at, value, number, schema, &mut found);
            }
        }
        Value::Array(items) => array(at, items, schema, old, &mut found),
        _ => {}
    }
    enumeration(at, value, schema, &mut found);
    if let Value::Object(map) = value {
        object(at, map, schema, old, &mut found);
    }
    found.matches += 1;
    if !found.errors.is_empty() && matches!(old, Some(Some(old)) if old == value) {
        found.errors.clear();
    }
    found
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn types(at: &str, value: &Value, schema: &Schema, found: &mut Found) {
    let wanted = if schema.int_or_string {
        "integer,string"
    } else {
        schema.kind.as_str()
    };
    if wanted.is_empty() || (value.is_null() && schema.nullable) {
        return;
    }
    let actual = name(value);
    let whole = value.as_f64().is_some_and(|n| n.fract() == 0.0);
    let fits = wanted.split(',').any(|wanted| {
        wanted == actual
            || (wanted == "integer" && actual == "number" && whole)
            || (wanted == "number" && actual == "integer")
    });
    if fits {
        found.matches += 1;
    } else {
        let text = format!("{at} in body must be of type {wanted}: \"{actual}\"");
        found.add(at, Error::type_invalid(&Path::root(), actual, text));
    }
}

fn enumeration(at: &str, value: &Value, schema: &Schema, found: &mut Found) {
    if schema.enumeration.is_empty() {
        return;
    }
    let wanted = canonical(value);
    if schema.enumeration.iter().any(|v| canonical(v) == wanted) {
        found.matches += 1;
        return;
    }
    // As Go prints what is no value.
    let shown = match value {
        Value::Null => "null".into(),
        value => value.clone(),
    };
    let supported: Vec<String> = schema
        .enumeration
        .iter()
        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        .collect();
    found.add(at, Error::not_supported(&Path::root(), shown, &supported));
}

fn string(at: &str, text: &str, schema: &Schema, found: &mut Found) {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(max) = schema.max_length.filter(|max| length > *max) {
        let max = usize::try_from(max).unwrap_or_default();
        found.add(at, Error::too_long(&Path::root(), max));
    }
    if let Some(min) = schema.min_length.filter(|min| length < *min) {
        found.invalid(
            at,
            text,
            format_args!("should be at least {min} chars long"),
        );
    }
    if let Some(pattern) = &schema.pattern
        && !pattern.regex().is_ok_and(|r| r.is_match(text))
    {
        found.invalid(at, text, format_args!("should match '{}'", pattern.text()));
    }
    let stringly = matches!(schema.kind.as_str(), "" | "string");
    if stringly && !schema.format.is_empty() && !format::matches(&schema.format, text) {
        let told = format!(
            "{at} in body must be of type {}: {}",
            schema.format,
            machinery::go::quote(text)
        );
        found.add(at, Error::type_invalid(&Path::root(), text, told));
    }
}

fn range(at: &str, value: &Value, number: f64, schema: &Schema, found: &mut Found) {
    // Go prints a whole float without its fraction.
    let shown = if value.is_f64() && number.fract() == 0.0 && number.abs() < 1e15 {
        #[allow(clippy::cast_possible_truncation)] // Checked above.
        let whole = number as i64;
        Value::from(whole)
    } else {
        value.clone()
    };
    if let Some(factor) = schema.multiple_of
        && (number / factor).fract() != 0.0
    {
        found.invalid(
            at,
            shown.clone(),
            format_args!("should be a multiple of {factor}"),
        );
    }
    if let Some(max) = schema.maximum {
        if schema.exclusive_maximum && number >= max {
            found.invalid(at, shown.clone(), format_args!("should be less than {max}"));
        } else if number > max {
            found.invalid(
                at,
                shown.clone(),
                format_args!("should be less than or equal to {max}"),
            );
        }
    }
    if let Some(min) = schema.minimum {
        if schema.exclusive_minimum && number <= min {
            found.invalid(at, shown, format_args!("should be greater than {min}"));
        } else if number < min {
            found.invalid(
                at,
                shown,
                format_args!("should be greater than or equal to {min}"),
            );
        }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn array(at: &str, items: &[Value], schema: &Schema, old: Old<'_>, found: &mut Found) {
    if let Some(of) = schema.element() {
        for (i, item) in items.iter().enumerate() {
            let before = old.and_then(|old| correlated(schema, old, item));
            found.merge(value(&format!("{at}[{i}]"), item, of, before));
        }
    }
    let length = count(items.len());
    if let Some(min) = schema.min_items.filter(|min| length < *min) {
        found.invalid(at, length, format_args!("should have at least {min} items"));
    }
    if let Some(max) = schema.max_items.filter(|max| length > *max) {
        let max = usize::try_from(max).unwrap_or_default();
        found.add(at, Error::too_many(&Path::root(), items.len(), max));
    }
}

/// The element of the old list with the same keys; only lists by keys can tell.
// upstream: apiserver/pkg/cel/common/equality.go#CorrelatedObject.Index
pub(crate) fn correlated<'a>(
    schema: &Schema,
    old: Option<&'a Value>,
    item: &Value,
) -> Option<Option<&'a Value>> {
    if schema.list_type.as_deref() != Some("map") {
        return None;
    }
    let old = old.and_then(Value::as_array)?;
    let key = |v: &Value, k: &String| {
        let default = || schema.element()?.properties.get(k)?.default.clone();
        v.get(k).cloned().or_else(default)
    };
    let same = |o: &&Value| {
        schema
            .list_map_keys
            .iter()
            .all(|k| key(o, k) == key(item, k))
    };
    Some(old.iter().find(same))
}

fn object(
    at: &str,
    map: &serde_json::Map<String, Value>,
    schema: &Schema,
    old: Old<'_>,
    found: &mut Found,
) {
    let length = count(map.len());
    if let Some(min) = schema.min_properties.filter(|min| length < *min) {
        found.invalid(
            at,
            min,
            format_args!("should have at least {min} properties"),
        );
    }
    if let Some(max) = schema.max_properties.filter(|max| length > *max) {
        let max = usize::try_from(max).unwrap_or_default();
        found.add(at, Error::too_many(&Path::root(), map.len(), max));
    }
    let below = |name: &str| {
        if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}.{name}")
        }
    };
    for name in &schema.required {
        if map.contains_key(name) {
            found.matches += 1;
        } else {
            let at = below(name);
            found.add(&at, Error::required(&Path::root(), ""));
        }
    }
    for (name, item) in map {
        let of = match (schema.properties.get(name), &schema.additional_properties) {
            (Some(property), _) => property,
            (None, Some(Additional::Schema(values))) => values,
            (None, Some(Additional::Allowed(false))) => {
                let at = below(name);
                found.invalid(&at, "", format_args!("is a forbidden property"));
                continue;
            }
            (None, _) => continue,
        };
        let hidden = at.is_empty() && matches!(name.as_str(), "apiVersion" | "kind");
        let before = match old {
            Some(Some(Value::Object(old))) if !hidden => Some(old.get(name)),
            _ => None,
        };
        found.merge(value(&below(name), item, of, before));
    }
}

fn junctors(at: &str, item: &Value, schema: &Schema, found: &mut Found) {
    let quoted = || machinery::go::quote(at);
    if !schema.any_of.is_empty() {
        let mut best: Option<Found> = None;
        let mut succeeded = false;
        for part in &schema.any_of {
            let result = value(at, item, part, None);
            if result.errors.is_empty() {
                succeeded = true;
                found.matches += result.matches;
                break;
            }
            if best.as_ref().is_none_or(|b| result.matches > b.matches) {
                best = Some(result);
            }
        }
        if !succeeded {
            found.composite(format!(
                "{} must validate at least one schema (anyOf)",
                quoted()
            ));
            found.merge(best.unwrap_or_default());
        }
    }
    if !schema.one_of.is_empty() {
        let mut best: Option<Found> = None;
        let mut valid = 0;
        for part in &schema.one_of {
            let result = value(at, item, part, None);
            if result.errors.is_empty() {
                valid += 1;
                best = None;
            } else if valid == 0 && best.as_ref().is_none_or(|b| result.matches > b.matches) {
                best = Some(result);
            }
        }
        if valid != 1 {
            let what = if valid == 0 {
                "Found none valid".to_owned()
            } else {
                format!("Found {valid} valid alternatives")
            };
            found.composite(format!(
                "{} must validate one and only one schema (oneOf). {what}",
                quoted()
            ));
            found.merge(best.unwrap_or_default());
        }
    }
    if !schema.all_of.is_empty() {
        let mut valid = 0;
        for part in &schema.all_of {
            let result = value(at, item, part, None);
            valid += usize::from(result.errors.is_empty());
            found.merge(result);
        }
        if valid != schema.all_of.len() {
            let what = if valid == 0 { ". None validated" } else { "" };
            found.composite(format!(
                "{} must validate all the schemas (allOf){what}",
                quoted()
            ));
        }
    }
    if let Some(not) = &schema.not
        && value(at, item, not, None).errors.is_empty()
    {
        found.composite(format!("{} must not validate the schema (not)", quoted()));
    }
}
