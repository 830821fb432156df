//! Why an object can't be decoded, in upstream's words.

use serde_json::Value;

use crate::go::quote;

/// An object that doesn't fit its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A value of the wrong JSON type.
    #[error("json: cannot unmarshal {got} into Go {place} of type {wanted}")]
    Mismatch {
        /// What was found.
        got: String,
        /// Where.
        place: String,
        /// What should be there.
        wanted: String,
    },
    /// A text that doesn't parse (quantities, times, base64).
    #[error("{0}")]
    Text(String),
}

impl DecodeError {
    // upstream: encoding/json#UnmarshalTypeError
    pub(super) fn mismatch(value: &Value, owner: &str, path: &str, wanted: &str) -> Self {
        let got = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
            Value::Number(n) if wanted.starts_with("int") => format!("number {n}"),
            Value::Number(_) => "number".to_owned(),
        };
        let mut fields = String::with_capacity(path.len());
        let mut inside = false;
        for c in path.chars() {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                c if !inside => fields.push(c),
                _ => {}
            }
        }
        let place = if fields.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {owner}.{fields}")
        };
        Self::Mismatch {
            got,
            place,
            wanted: wanted.to_owned(),
        }
    }
}

/// The message of strict decoding: duplicate fields, then unknown ones.
// upstream: apimachinery/pkg/runtime/error.go#strictDecodingError
pub fn strict_error(duplicate: &[String], unknown: &[String]) -> String {
    format!(
        "strict decoding error: {}",
        warnings(duplicate, unknown).join(", ")
    )
}

/// One text for each duplicate or unknown field, as warnings carry them.
pub fn warnings(duplicate: &[String], unknown: &[String]) -> Vec<String> {
    let duplicate = duplicate
        .iter()
        .map(|p| format!("duplicate field {}", quote(p)));
    duplicate
        .chain(
            unknown
                .iter()
                .map(|p| format!("unknown field {}", quote(p))),
        )
        .collect()
}
