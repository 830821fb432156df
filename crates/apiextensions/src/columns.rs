//! Cells of `additionalPrinterColumns`.
// upstream: apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go

use serde_json::Value;

use crate::definition::Column;
use crate::json_path::{JsonPath, print};

/// A column with its path parsed.
#[derive(Clone, Debug)]
pub struct Printer {
    column: Column,
    path: Option<JsonPath>,
}

impl Printer {
    /// Columns of a version; those after one whose path can't be read are left out, as upstream does.
    pub fn of(columns: &[Column]) -> Vec<Self> {
        columns
            .iter()
            .map_while(|column| {
                Some(Self {
                    path: Some(JsonPath::parse(&column.json_path).ok()?),
                    column: column.clone(),
                })
            })
            .collect()
    }

    /// What upstream shows when a version has no columns: the age.
    // upstream: apiserver/helpers.go#getOrCreateServingInfoFor, serveDefaultColumnsIfEmpty
    pub fn age() -> Vec<Self> {
        Self::of(&[Column {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            description: AGE.to_owned(),
            json_path: ".metadata.creationTimestamp".to_owned(),
            ..Column::default()
        }])
    }

    /// The column.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// The cell of an object; `age` words how long ago a time was.
    pub fn cell(&self, object: &Value, age: impl FnOnce(&str) -> String) -> Value {
        let found = self.path.as_ref().map(|p| p.find(object));
        let Some(value) = found.and_then(|f| f.first().copied()) else {
            return Value::Null;
        };
        match (self.column.kind.as_str(), value) {
            (_, Value::Null) => Value::Null,
            ("string", value) => print(value).into(),
            ("integer", Value::Number(n)) => {
                #[allow(clippy::cast_possible_truncation)] // As Go's conversion.
                let whole = n.as_i64().or_else(|| n.as_f64().map(|f| f as i64));
                whole.map_or(Value::Null, Value::from)
            }
            ("number", Value::Number(n)) => Value::Number(n.clone()),
            ("boolean", Value::Bool(b)) => (*b).into(),
            ("date", Value::String(text)) if machinery::time::parse(text).is_some() => {
                age(text).into()
            }
            ("date", Value::String(_)) => "<invalid>".into(),
            _ => Value::Null,
        }
    }
}

const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells() {
        let object = json!({"spec": {"s": "x", "i": 3, "f": 2.5, "b": true, "m": {"a": 1}}, "metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}});
        let cell = |kind: &str, path: &str| {
            let column = Column {
                kind: kind.into(),
                json_path: path.into(),
                ..Column::default()
            };
            Printer::of(&[column])[0].cell(&object, |_| "5d".into())
        };
        assert_eq!(cell("string", ".spec.s"), json!("x"));
        assert_eq!(cell("string", ".spec.m"), json!("{\"a\":1}"));
        assert_eq!(cell("integer", ".spec.i"), json!(3));
        assert_eq!(cell("integer", ".spec.f"), json!(2));
        assert_eq!(cell("integer", ".spec.s"), Value::Null);
        assert_eq!(cell("number", ".spec.f"), json!(2.5));
        assert_eq!(cell("boolean", ".spec.b"), json!(true));
        assert_eq!(cell("date", ".metadata.creationTimestamp"), json!("5d"));
        assert_eq!(cell("date", ".spec.s"), json!("<invalid>"));
        assert_eq!(cell("string", ".spec.none"), Value::Null);
    }
}
