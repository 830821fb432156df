//! One validation error.

use std::fmt;

use serde_json::Value;

use super::Path;
use crate::go::quote;

/// What is wrong with a field.
// upstream: apimachinery/pkg/util/validation/field/errors.go#ErrorType
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A reference to what isn't there.
    NotFound,
    /// Missing.
    Required,
    /// Must be unique.
    Duplicate,
    /// Malformed or out of range.
    Invalid,
    /// Not one of an enumeration.
    NotSupported,
    /// Not allowed under these circumstances.
    Forbidden,
    /// Too many bytes.
    TooLong,
    /// Too many items.
    TooMany,
    /// Validation itself failed.
    Internal,
    /// Of the wrong type.
    TypeInvalid,
}

impl ErrorKind {
    /// The cause type in a Status.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        })
    }
}

/// A validation error of one field; displays as upstream's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// Kind.
    pub kind: ErrorKind,
    /// Path as text.
    pub field: String,
    /// The offending value; `None` when it isn't shown.
    pub value: Option<Value>,
    /// What would be right.
    pub detail: String,
}

impl Error {
    fn make(kind: ErrorKind, path: &Path, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            field: path.to_string(),
            value,
            detail: detail.into(),
        }
    }

    /// `<field>: Required value[: detail]`.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::make(ErrorKind::Required, path, None, detail)
    }

    /// `<field>: Invalid value: <value>: <detail>`.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::make(ErrorKind::Invalid, path, Some(value.into()), detail)
    }

    /// As [`Error::invalid`], of the type.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::make(ErrorKind::TypeInvalid, path, Some(value.into()), detail)
    }

    /// `<field>: Unsupported value: "x": supported values: "a", "b"`, in the order given.
    pub fn not_supported<S: AsRef<str>>(
        path: &Path,
        value: impl Into<Value>,
        supported: &[S],
    ) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| quote(s.as_ref())).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        Self::make(ErrorKind::NotSupported, path, Some(value.into()), detail)
    }

    /// `<field>: Forbidden: <detail>`.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::make(ErrorKind::Forbidden, path, None, detail)
    }

    /// `<field>: Duplicate value: <value>`.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::make(ErrorKind::Duplicate, path, Some(value.into()), "")
    }

    /// `<field>: Not found: <value>`.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::make(ErrorKind::NotFound, path, Some(value.into()), "")
    }

    /// `<field>: Too long: may not be more than <max> bytes`.
    pub fn too_long(path: &Path, max: usize) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::make(
            ErrorKind::TooLong,
            path,
            None,
            format!("may not be more than {max} {unit}"),
        )
    }

    /// `<field>: Too many: <actual>: must have at most <max> items`.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::make(
            ErrorKind::TooMany,
            path,
            Some(actual.into()),
            format!("must have at most {max} {unit}"),
        )
    }

    /// `<field>: Internal error: <err>`.
    pub fn internal(path: &Path, err: impl fmt::Display) -> Self {
        Self::make(ErrorKind::Internal, path, None, err.to_string())
    }

    /// The text without the field.
    // upstream: #Error.ErrorBody
    pub fn body(&self) -> String {
        let mut out = self.kind.to_string();
        if let Some(value) = &self.value {
            out.push_str(": ");
            match value {
                Value::String(s) => out.push_str(&quote(s)),
                // As Go's JSON has it: these three are escaped, and stand in strings only.
                other => out.push_str(
                    &other
                        .to_string()
                        .replace('<', "\\u003c")
                        .replace('>', "\\u003e")
                        .replace('&', "\\u0026"),
                ),
            }
        }
        if !self.detail.is_empty() {
            out.push_str(": ");
            out.push_str(&self.detail);
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let p = Path::new("spec").child("x");
        let text = |e: Error| e.to_string();
        assert_eq!(text(Error::required(&p, "")), "spec.x: Required value");
        assert_eq!(
            text(Error::invalid(&p, -1, "must be >= 0")),
            "spec.x: Invalid value: -1: must be >= 0"
        );
        assert_eq!(
            text(Error::not_supported(&p, "z", &["a", "b"])),
            "spec.x: Unsupported value: \"z\": supported values: \"a\", \"b\""
        );
        assert_eq!(
            text(Error::too_long(&p, 253)),
            "spec.x: Too long: may not be more than 253 bytes"
        );
        assert_eq!(
            text(Error::too_many(&p, 3, 1)),
            "spec.x: Too many: 3: must have at most 1 item"
        );
        assert_eq!(
            text(Error::duplicate(&p, "a")),
            "spec.x: Duplicate value: \"a\""
        );
        assert_eq!(
            text(Error::invalid(&p, serde_json::json!({"a": 1}), "no")),
            "spec.x: Invalid value: {\"a\":1}: no"
        );
        assert_eq!(
            text(Error::invalid(&p, serde_json::json!({"a": "<"}), "no")),
            "spec.x: Invalid value: {\"a\":\"\\u003c\"}: no"
        );
    }
}
