//! `metav1.LabelSelector` objects.

use serde_json::Value;

use super::{Operator, Requirement, Selector};
use crate::field::{Error, ErrorList, Path};
use crate::go::quote;
use crate::validation::{is_label_value, validate_label_name, validate_labels};

/// A LabelSelector object that makes no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelSelectorError {
    /// Unknown operator.
    #[error("{} is not a valid label selector operator", quote(.0))]
    Operator(String),
    /// An expression that isn't valid.
    #[error("{0}")]
    Requirement(String),
    /// A part of a wrong JSON type.
    #[error("malformed label selector")]
    Malformed,
}

/// Makes a selector: null or absent selects nothing, the empty object everything.
// upstream: apimachinery/pkg/apis/meta/v1/helpers.go#LabelSelectorAsSelector
pub fn from_label_selector(selector: Option<&Value>) -> Result<Selector, LabelSelectorError> {
    let selector = match selector {
        None | Some(Value::Null) => return Ok(Selector::nothing()),
        Some(v) => v.as_object().ok_or(LabelSelectorError::Malformed)?,
    };
    let mut out = Vec::new();
    let mut push = |key: &str, op, values| -> Result<(), LabelSelectorError> {
        out.push(
            Requirement::new(key, op, values)
                .map_err(|e| LabelSelectorError::Requirement(e.aggregate()))?,
        );
        Ok(())
    };
    for (key, value) in selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = value.as_str().ok_or(LabelSelectorError::Malformed)?;
        push(key, Operator::Equals, vec![value.to_owned()])?;
    }
    for expression in selector
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |name: &str| {
            expression
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(LabelSelectorError::Operator(other.to_owned())),
        };
        let values = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let values = values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        push(text("key"), operator, values)?;
    }
    Ok(Selector::new(out))
}

/// Validates a LabelSelector object. `allow_invalid_values` lets label values pass that the
/// object had already.
// upstream: apimachinery/pkg/apis/meta/v1/validation/validation.go#ValidateLabelSelector
pub fn validate_label_selector(
    selector: Option<&Value>,
    allow_invalid_values: bool,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let Some(selector) = selector.and_then(Value::as_object) else {
        return errors;
    };
    errors.extend(validate_labels(
        selector.get("matchLabels").and_then(Value::as_object),
        &path.child("matchLabels"),
    ));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for (i, expression) in expressions.into_iter().flatten().enumerate() {
        let path = path.child("matchExpressions").index(i);
        let text = |name: &str| {
            expression
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let values: &[Value] = expression
            .get("values")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice);
        match text("operator") {
            "In" | "NotIn" if values.is_empty() => errors.push(Error::required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(Error::forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(Error::invalid(
                &path.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        errors.extend(validate_label_name(text("key"), &path.child("key")));
        if !allow_invalid_values {
            for (j, value) in values.iter().enumerate() {
                let value = value.as_str().unwrap_or_default();
                for problem in is_label_value(value) {
                    errors.push(Error::invalid(
                        &path.child("values").index(j),
                        value,
                        problem,
                    ));
                }
            }
        }
    }
    errors
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects() {
        let s = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]});
        let selector = from_label_selector(Some(&s)).unwrap();
        assert_eq!(selector.to_string(), "a=b,c in (d)");
        assert!(from_label_selector(None).unwrap().is_nothing());
        assert!(
            from_label_selector(Some(&json!({})))
                .unwrap()
                .is_everything()
        );
        let e = from_label_selector(Some(
            &json!({"matchExpressions": [{"key": "a", "operator": "X"}]}),
        ))
        .unwrap_err();
        assert_eq!(
            e.to_string(),
            "\"X\" is not a valid label selector operator"
        );
    }

    #[test]
    fn validation() {
        let s = json!({"matchExpressions": [{"key": "c", "operator": "In"}, {"key": "d", "operator": "Y"}]});
        let e = validate_label_selector(Some(&s), false, &Path::new("spec").child("selector"));
        assert_eq!(
            e.aggregate(),
            "[spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn', \
             spec.selector.matchExpressions[1].operator: Invalid value: \"Y\": not a valid selector operator]"
        );
    }
}
