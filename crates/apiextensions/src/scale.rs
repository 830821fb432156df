//! The `scale` subresource of custom objects: an `autoscaling/v1` Scale by the paths of the definition.
// upstream: apiextensions-apiserver/pkg/registry/customresource/{etcd,validator}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Map, Value, json};

use crate::definition::ScalePaths;

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('.').unwrap_or(path).split('.')
}

/// The value at a dotted path; an error when something on the way isn't an object.
fn nested<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let mut at = object;
    let mut walked = String::new();
    for name in parts(path) {
        let Some(map) = at.as_object() else {
            return Err(format!(
                "{walked}: accessor error: {at} is of the type {}, expected map[string]interface{{}}",
                go_type(at)
            ));
        };
        walked.push('.');
        walked.push_str(name);
        match map.get(name) {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn integer(object: &Value, path: &str) -> Result<Option<i64>, String> {
    match nested(object, path)? {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            format!(
                "{path} accessor error: {value} is of the type {}, expected int64",
                go_type(value)
            )
        }),
    }
}

fn text(object: &Value, path: &str) -> Result<Option<String>, String> {
    match nested(object, path)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value) => Err(format!(
            "{path} accessor error: {value} is of the type {}, expected string",
            go_type(value)
        )),
    }
}

/// The Scale of an object, and whether its replicas are set.
pub fn of(object: &Value, paths: &ScalePaths) -> Result<(Value, bool), String> {
    let replicas = integer(object, &paths.spec_replicas)?;
    let actual = integer(object, &paths.status_replicas)?.unwrap_or_default();
    let selector = match &paths.label_selector {
        Some(path) if !path.is_empty() => text(object, path)?,
        _ => None,
    };
    let mut metadata = Map::new();
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object.at(&["metadata", name]) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    if let Some(replicas) = replicas.filter(|r| *r != 0) {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    let mut status = Map::new();
    status.insert("replicas".to_owned(), actual.into());
    if let Some(selector) = selector.filter(|s| !s.is_empty()) {
        status.insert("selector".to_owned(), selector.into());
    }
    let scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status});
    Ok((scale, replicas.is_some()))
}

/// Sets the replicas of an object; false when something on the way isn't an object.
pub fn set(object: &mut Value, paths: &ScalePaths, replicas: i64) -> bool {
    let mut at = object;
    let mut names = parts(&paths.spec_replicas).peekable();
    while let Some(name) = names.next() {
        let Some(map) = at.as_object_mut() else {
            return false;
        };
        if names.peek().is_none() {
            map.insert(name.to_owned(), replicas.into());
            return true;
        }
        at = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    false
}

/// Checks the fields that the paths lead to.
// upstream: validator.go#ValidateScaleSpec, #ValidateScaleStatus
pub fn validate(object: &Value, paths: &ScalePaths, spec_too: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut number = |path: &str| {
        let at = Path::new(path.to_owned());
        match integer(object, path) {
            Err(why) => errors.push(Error::invalid(&at, 0, why)),
            Ok(Some(n)) if n < 0 => {
                errors.push(Error::invalid(&at, n, "should be a non-negative integer"));
            }
            Ok(Some(n)) if n > i64::from(i32::MAX) => {
                let text = format!("should be less than or equal to {}", i32::MAX);
                errors.push(Error::invalid(&at, n, text));
            }
            Ok(_) => {}
        }
    };
    if spec_too {
        number(&paths.spec_replicas);
    }
    number(&paths.status_replicas);
    if let Some(path) = &paths.label_selector
        && let Err(why) = text(object, path)
    {
        errors.push(Error::invalid(&Path::new(path.clone()), "", why));
    }
    errors
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn paths() -> ScalePaths {
        ScalePaths {
            spec_replicas: ".spec.size".into(),
            status_replicas: ".status.size".into(),
            label_selector: Some(".status.selector".into()),
        }
    }

    #[test]
    fn scales() {
        let mut object = json!({"metadata": {"name": "a", "labels": {}}, "spec": {"size": 2}, "status": {"size": 1, "selector": "a=b"}});
        let (scale, set_) = of(&object, &paths()).unwrap();
        assert!(set_);
        assert_eq!(
            scale,
            json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a"},
            "spec": {"replicas": 2}, "status": {"replicas": 1, "selector": "a=b"}})
        );
        assert!(set(&mut object, &paths(), 7));
        assert_eq!(object["spec"]["size"], 7);
        assert!(!of(&json!({}), &paths()).unwrap().1);
        let bad =
            json!({"spec": {"size": -1}, "status": {"size": 3_000_000_000_i64, "selector": 3}});
        let texts: Vec<String> = validate(&bad, &paths(), true)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            [
                ".spec.size: Invalid value: -1: should be a non-negative integer",
                ".status.size: Invalid value: 3000000000: should be less than or equal to 2147483647",
                ".status.selector: Invalid value: \"\": .status.selector accessor error: 3 is of the type int64, expected string"
            ]
        );
    }
}
