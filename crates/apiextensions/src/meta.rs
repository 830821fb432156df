//! Type and object metadata of resources, at the root and embedded.
// upstream: apiextensions-apiserver/pkg/apiserver/schema/objectmeta

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{is_dns1035_label, path_segment_name, validate_object_meta};
use machinery::{GroupVersion, ObjectExt, typed};
use serde_json::{Map, Value};

use crate::prune::Trail;
use crate::schema::Schema;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// What is wrong with metadata that can't be read, as text.
pub type Unreadable = String;

/// Makes the metadata of an object what `ObjectMeta` knows; gives the paths of what it doesn't.
///
/// With `lenient`, fields of the wrong type leave instead of being an error, as in objects read from the store.
pub fn coerce_root(object: &mut Value, lenient: bool) -> Result<Vec<String>, Unreadable> {
    let Some(map) = object.as_object_mut() else {
        return Ok(Vec::new());
    };
    let Some(metadata) = map.get_mut("metadata") else {
        return Ok(Vec::new());
    };
    let (typed, unknown) = object_meta(metadata.take(), lenient)?;
    *metadata = typed;
    Ok(unknown
        .into_iter()
        .map(|path| format!("metadata.{path}"))
        .collect())
}

fn object_meta(metadata: Value, lenient: bool) -> Result<(Value, Vec<String>), Unreadable> {
    let Some(ty) = schema::definition(OBJECT_META) else {
        return Ok((metadata, Vec::new()));
    };
    if metadata.is_null() {
        return Ok((Value::Object(Map::new()), Vec::new()));
    }
    match typed::decode(ty, metadata.clone()) {
        Ok(decoded) => Ok((decoded.value, decoded.unknown)),
        Err(error) if !lenient => Err(error.to_string()),
        Err(_) => {
            let mut kept = Map::new();
            for (name, value) in metadata.as_object().into_iter().flatten() {
                let one = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
                if let Ok(decoded) = typed::decode(ty, one)
                    && let Value::Object(map) = decoded.value
                {
                    kept.extend(map);
                }
            }
            Ok((Value::Object(kept), Vec::new()))
        }
    }
}

/// The same for embedded resources; also their `apiVersion` and `kind` must be text.
pub fn coerce(
    path: &Path,
    object: &mut Value,
    schema: &Schema,
    lenient: bool,
) -> Result<Vec<String>, Error> {
    let mut trail = Trail::default();
    coerce_at(path, object, schema, lenient, &mut trail.unknown)?;
    trail.unknown.sort();
    Ok(trail.unknown)
}

fn coerce_at(
    path: &Path,
    value: &mut Value,
    schema: &Schema,
    lenient: bool,
    unknown: &mut Vec<String>,
) -> Result<(), Error> {
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                for name in ["apiVersion", "kind"] {
                    let Some(value) = map.get(name) else { continue };
                    if !value.is_string() {
                        if !lenient {
                            let at = path.child(name);
                            return Err(Error::invalid(&at, value.clone(), "must be a string"));
                        }
                        map.shift_remove(name);
                    }
                }
                if let Some(metadata) = map.get_mut("metadata") {
                    let at = path.child("metadata");
                    let given = metadata.clone();
                    let (typed, more) = object_meta(metadata.take(), lenient)
                        .map_err(|why| Error::invalid(&at, given, why))?;
                    *metadata = typed;
                    unknown.extend(more.into_iter().map(|p| format!("{at}.{p}")));
                }
            }
            for (name, value) in map.iter_mut() {
                if let Some(property) = schema.properties.get(name) {
                    let at = path.child(name.clone());
                    coerce_at(&at, value, property, lenient, unknown)?;
                } else if let Some(values) = schema.values() {
                    let at = path.key(name.as_str());
                    coerce_at(&at, value, values, lenient, unknown)?;
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.element() {
                for (i, item) in items.iter_mut().enumerate() {
                    coerce_at(&path.index(i), item, of, lenient, unknown)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Validates the metadata of embedded resources.
pub fn validate(path: &Path, object: &Value, schema: &Schema) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_at(path, object, schema, &mut errors);
    errors
}

fn validate_at(path: &Path, value: &Value, schema: &Schema, errors: &mut ErrorList) {
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                embedded(path, map, errors);
            }
            for (name, value) in map {
                if let Some(property) = schema.properties.get(name) {
                    validate_at(&path.child(name.clone()), value, property, errors);
                } else if let Some(values) = schema.values() {
                    validate_at(&path.key(name.as_str()), value, values, errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.element() {
                for (i, item) in items.iter().enumerate() {
                    validate_at(&path.index(i), item, of, errors);
                }
            }
        }
        _ => {}
    }
}

fn embedded(path: &Path, map: &Map<String, Value>, errors: &mut ErrorList) {
    for name in ["apiVersion", "kind"] {
        let at = path.child(name);
        match map.get(name) {
            None => errors.push(Error::required(&at, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(Error::invalid(&at, "", "must not be empty"));
            }
            Some(Value::String(text)) if name == "apiVersion" => {
                if let Err(error) = GroupVersion::parse(text) {
                    errors.push(Error::invalid(&at, text.as_str(), error.to_string()));
                }
            }
            Some(Value::String(text)) => {
                let problems = is_dns1035_label(&text.to_lowercase());
                if !problems.is_empty() {
                    let text_of = format!(
                        "may have mixed case, but should otherwise match: {}",
                        problems.join(",")
                    );
                    errors.push(Error::invalid(&at, text.as_str(), text_of));
                }
            }
            Some(other) => errors.push(Error::invalid(&at, other.clone(), "must be a string")),
        }
    }
    let Some(metadata) = map.get("metadata") else {
        return;
    };
    let at = path.child("metadata");
    match object_meta(metadata.clone(), false) {
        Err(why) => errors.push(Error::invalid(&at, metadata.clone(), why)),
        Ok((metadata, _)) => {
            let mut object = Value::Object(Map::from_iter([("metadata".to_owned(), metadata)]));
            if object.name().is_empty() {
                // A name isn't required here.
                object.set_meta_text("name", "fakename");
            }
            let namespaced = !object.namespace().is_empty();
            errors.extend(validate_object_meta(
                &object,
                namespaced,
                path_segment_name,
                &at,
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn root_metadata() {
        let mut object = json!({"metadata": {"name": "a", "odd": 1, "labels": {"a": "b"}}});
        assert_eq!(coerce_root(&mut object, false).unwrap(), ["metadata.odd"]);
        assert_eq!(
            object,
            json!({"metadata": {"name": "a", "labels": {"a": "b"}}})
        );
        let mut object = json!({"metadata": {"name": "a", "labels": 7}});
        assert_eq!(
            coerce_root(&mut object.clone(), false).unwrap_err(),
            "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type map[string]string"
        );
        coerce_root(&mut object, true).unwrap();
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
    }

    #[test]
    fn embedded_resources() {
        let schema = Schema::parse(&json!({"type": "object", "properties": {"t": {"type": "object",
            "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}))
        .unwrap();
        let texts = |value: Value| -> Vec<String> {
            validate(&Path::root(), &value, &schema)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            texts(json!({"t": {"metadata": {"name": "a/b"}}})),
            [
                "t.apiVersion: Required value",
                "t.kind: Required value",
                "t.metadata.name: Invalid value: \"a/b\": may not contain '/'"
            ]
        );
        assert!(texts(json!({"t": {"apiVersion": "v1", "kind": "Pod"}})).is_empty());
    }
}
