//! Objects against a schema, with the texts of upstream's validator, and ratcheting: what an update leaves as it was is
//! not held against it.
// upstream: k8s.io/kube-openapi/pkg/validation/{validate,errors}, apiextensions-apiserver/pkg/apiserver/validation

mod format;
mod walk;

use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

pub use format::{is_known as is_known_format, matches as matches_format};

use crate::schema::Schema;
pub(crate) use walk::correlated;

/// Validates an object.
// upstream: #ValidateCustomResource
pub fn validate(path: &Path, value: &Value, schema: &Schema) -> ErrorList {
    told(path, walk::value("", value, schema, None))
}

/// Validates a change: errors of parts that are equal to what they were, and can be told to be the same part, are left out.
// upstream: #ValidateCustomResourceUpdate
pub fn validate_update(
    path: &Path,
    value: &Value,
    old: Option<&Value>,
    schema: &Schema,
) -> ErrorList {
    told(path, walk::value("", value, schema, Some(old)))
}

// upstream: #kubeOpenAPIResultToFieldErrors
fn told(path: &Path, found: walk::Found) -> ErrorList {
    let base = path.to_string();
    let is_root = base == "<nil>";
    found
        .errors
        .into_iter()
        .map(|(at, error)| {
            let field = match at {
                None => base.clone(),
                Some(at) if at.is_empty() => base.clone(),
                Some(at) if is_root => at,
                Some(at) => format!("{base}.{at}"),
            };
            Error { field, ..error }
        })
        .collect::<Vec<_>>()
        .into()
}

/// Whether errors are such that rules aren't evaluated.
// upstream: registry/customresource/strategy.go#hasBlockingErr
pub fn blocks_rules(errors: &ErrorList) -> bool {
    use machinery::field::ErrorKind;
    errors.iter().any(|e| {
        matches!(
            e.kind,
            ErrorKind::NotSupported
                | ErrorKind::Required
                | ErrorKind::TooLong
                | ErrorKind::TooMany
                | ErrorKind::TypeInvalid
        )
    })
}

/// The error that then stands for them.
pub fn rules_not_checked() -> Error {
    Error::invalid(
        &Path::root(),
        "null",
        "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(schema: Value, value: Value) -> Vec<String> {
        let schema = Schema::parse(&schema).unwrap();
        validate(&Path::root(), &value, &schema)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn one(property: Value, value: Value) -> String {
        texts(
            json!({"type": "object", "properties": {"x": property}}),
            json!({ "x": value }),
        )
        .join(" | ")
    }

    // upstream: apiserver/validation/validation_test.go#TestValidateCustomResource and what servers answer
    #[test]
    fn messages() {
        assert_eq!(
            one(json!({"type": "integer"}), json!("a")),
            "x: Invalid value: \"string\": x in body must be of type integer: \"string\""
        );
        assert_eq!(
            one(json!({"type": "string"}), Value::Null),
            "x: Invalid value: \"null\": x in body must be of type string: \"null\""
        );
        assert_eq!(
            one(json!({"type": "string", "nullable": true}), Value::Null),
            ""
        );
        assert_eq!(
            one(json!({"type": "integer", "minimum": 3}), json!(2)),
            "x: Invalid value: 2: x in body should be greater than or equal to 3"
        );
        assert_eq!(
            one(
                json!({"type": "number", "maximum": 3, "exclusiveMaximum": true}),
                json!(3.0)
            ),
            "x: Invalid value: 3: x in body should be less than 3"
        );
        assert_eq!(
            one(json!({"type": "integer", "multipleOf": 3}), json!(4)),
            "x: Invalid value: 4: x in body should be a multiple of 3"
        );
        assert_eq!(
            one(json!({"type": "string", "maxLength": 2}), json!("äöü")),
            "x: Too long: may not be more than 2 bytes"
        );
        assert_eq!(
            one(json!({"type": "string", "minLength": 2}), json!("a")),
            "x: Invalid value: \"a\": x in body should be at least 2 chars long"
        );
        assert_eq!(
            one(json!({"type": "string", "pattern": "^a+$"}), json!("b")),
            "x: Invalid value: \"b\": x in body should match '^a+$'"
        );
        assert_eq!(
            one(json!({"type": "string", "enum": ["a", "b"]}), json!("c")),
            "x: Unsupported value: \"c\": supported values: \"a\", \"b\""
        );
        assert_eq!(
            one(json!({"type": "string", "format": "date"}), json!("c")),
            "x: Invalid value: \"c\": x in body must be of type date: \"c\""
        );
        assert_eq!(
            one(
                json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
                json!(["a", "b"])
            ),
            "x: Too many: 2: must have at most 1 item"
        );
        assert_eq!(
            one(
                json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
                json!([])
            ),
            "x: Invalid value: 0: x in body should have at least 1 items"
        );
        assert_eq!(
            one(
                json!({"type": "array", "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}}}),
                json!([{"n": "a"}, {}])
            ),
            "x[1].n: Required value"
        );
        assert_eq!(
            one(
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                json!({"k": 1})
            ),
            "x.k: Invalid value: \"integer\": x.k in body must be of type string: \"integer\""
        );
        assert_eq!(
            one(json!({"x-kubernetes-int-or-string": true}), json!({"k": 1})),
            "x: Invalid value: \"object\": x in body must be of type integer,string: \"object\""
        );
    }

    #[test]
    fn junctors() {
        assert_eq!(
            one(
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
                json!({})
            ),
            "<nil>: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found none valid | x.a: Required value"
        );
        assert_eq!(
            one(
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"]}, {"required": ["a"]}]}),
                json!({"a": ""})
            ),
            "<nil>: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found 2 valid alternatives"
        );
        assert_eq!(
            one(
                json!({"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]}),
                json!(3)
            ),
            "<nil>: Invalid value: \"\": \"x\" must validate at least one schema (anyOf) | x: Invalid value: 3: x in body should be greater than or equal to 5"
        );
        assert_eq!(
            one(json!({"type": "integer", "not": {"minimum": 5}}), json!(6)),
            "<nil>: Invalid value: \"\": \"x\" must not validate the schema (not)"
        );
    }

    // upstream: apiserver/validation/ratcheting_test.go
    #[test]
    fn ratchets() {
        let schema = Schema::parse(&json!({"type": "object", "properties": {
            "a": {"type": "string", "maxLength": 2}, "b": {"type": "string", "maxLength": 2},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object",
                "properties": {"k": {"type": "string"}, "v": {"type": "string", "maxLength": 1}}}},
            "list": {"type": "array", "items": {"type": "string", "maxLength": 1}}}}))
        .unwrap();
        let texts = |old: Value, new: Value| -> Vec<String> {
            validate_update(&Path::root(), &new, Some(&old), &schema)
                .iter()
                .map(|e| e.field.clone())
                .collect()
        };
        assert!(texts(json!({"a": "long"}), json!({"a": "long", "b": "x"})).is_empty());
        assert_eq!(texts(json!({"a": "long"}), json!({"a": "longer"})), ["a"]);
        assert_eq!(
            texts(
                json!({"map": [{"k": "1", "v": "long"}]}),
                json!({"map": [{"k": "0", "v": "long"}, {"k": "1", "v": "long"}]})
            ),
            ["map[0].v"]
        );
        assert_eq!(
            texts(json!({"list": ["long"]}), json!({"list": ["long", "b"]})),
            ["list[0]"]
        );
        assert!(
            texts(
                json!({"list": ["long"]}),
                json!({"list": ["long"], "b": "n"})
            )
            .is_empty()
        );
    }
}
