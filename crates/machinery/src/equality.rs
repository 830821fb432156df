//! Semantic equality of JSON objects.
// upstream: apimachinery/pkg/api/equality/semantic.go, third_party/forked/golang/reflect/deep_equal.go

use serde_json::Value;

/// Equality as upstream's `Semantic.DeepEqual` sees it through Go structs: a null, an empty list
/// and an empty object (nil slices and maps) are as good as absent; numbers are equal by value.
/// Empty strings, zeros and `false` differ from absent ones.
pub fn semantic(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.iter().all(|(k, v)| match y.get(k) {
                Some(w) => semantic(v, w),
                None => is_empty(v),
            }) && y.iter().all(|(k, v)| x.contains_key(k) || is_empty(v))
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(v, w)| semantic(v, w))
        }
        (Value::Number(x), Value::Number(y)) => {
            x == y || (x.as_f64() == y.as_f64() && x.as_i64() == y.as_i64())
        }
        _ => a == b || (is_empty(a) && is_empty(b)),
    }
}

/// As [`semantic`] for fields that may be absent.
pub fn semantic_opt(a: Option<&Value>, b: Option<&Value>) -> bool {
    semantic(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null))
}

/// Whether a value is null, an empty list or an object of nothing but such.
pub fn is_empty(v: &Value) -> bool {
    match v {
        Value::Null => true,
        Value::Array(a) => a.is_empty(),
        Value::Object(m) => m.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nil_and_empty_are_one() {
        assert!(semantic(&json!({"a": null, "b": [], "c": {}}), &json!({})));
        assert!(semantic(&json!({"a": 1}), &json!({"a": 1.0})) == (1.0 as i64 != 1));
        assert!(!semantic(&json!({"a": ""}), &json!({})));
        assert!(!semantic(&json!([1, 2]), &json!([2, 1])));
    }
}
