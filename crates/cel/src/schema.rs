//! Types by structural schemas, and how JSON of a schema is seen by expressions.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/cel/common/schemas.go#SchemaDeclType, pkg/cel/types.go#DeclType,
//! pkg/cel/escaping.go

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::types::Type;

/// Largest request: what an unbounded value may be.
///
/// upstream: pkg/cel/limits.go#DefaultMaxRequestSizeBytes
pub const MAX_REQUEST_SIZE: u64 = 3 * 1024 * 1024;
const MIN_STRING_SIZE: u64 = 2;
const MIN_BOOL_SIZE: u64 = 4;
const MIN_NUMBER_SIZE: u64 = 1;
const MIN_DURATION_SIZE: u64 = 4;
const DATE_SIZE: u64 = 12;
const DATETIME_SIZE: u64 = 22;
const MAX_DURATION_SIZE: u64 = 32;

/// Deepest schema that is looked at.
const MAX_DEPTH: usize = 128;

/// How list elements are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListType {
    /// By place.
    Atomic,
    /// By value: the order doesn't matter.
    Set,
    /// By these keys: the order doesn't matter.
    Map(Vec<String>),
}

/// A property of an object.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) json: String,
    pub(crate) schema: Schema,
}

#[derive(Debug)]
pub(crate) enum Shape {
    IntOrString,
    Bool,
    Int,
    Double,
    String,
    Bytes,
    Date,
    DateTime,
    Duration,
    List {
        items: Schema,
        kind: ListType,
    },
    Map {
        values: Schema,
    },
    /// Fields by the names that expressions use.
    Object(BTreeMap<String, Field>),
    /// A part without a schema.
    Dyn,
    /// A value that isn't JSON: only its type is known.
    Typed(Type),
}

#[derive(Debug)]
struct Node {
    name: String,
    shape: Shape,
    nullable: bool,
    /// Most elements, properties or bytes.
    max_elements: u64,
    /// Smallest size as JSON, in bytes.
    min_size: u64,
}

/// What expressions know of a value by its schema. Cheap to clone.
#[derive(Clone)]
pub struct Schema(Arc<Node>);

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// Schemas are types by name: one is only equal to itself.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.name == other.0.name && same_fields(&self.0.shape, &other.0.shape))
    }
}

fn same_fields(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Object(a), Shape::Object(b)) => {
            a.len() == b.len()
                && a.keys().eq(b.keys())
                && a.values()
                    .zip(b.values())
                    .all(|(a, b)| a.schema.cel_type() == b.schema.cel_type())
        }
        _ => true,
    }
}

impl Schema {
    /// The types of a structural schema (OpenAPI v3 as JSON); `None` when a part has no type that expressions can have.
    ///
    /// `root`: the value is a whole object, whose `apiVersion`, `kind` and `metadata` are known even when not specified.
    /// The same holds for nodes with `x-kubernetes-embedded-resource`.
    pub fn structural(schema: &Json, root: bool) -> Option<Self> {
        structural(schema, root, "selfType", 0)
    }

    /// An object with these fields, whose names are escaped here.
    pub fn object(name: &str, fields: impl IntoIterator<Item = (String, Schema)>) -> Self {
        object(
            name,
            fields
                .into_iter()
                .map(|(json, schema)| (json, schema, false))
                .collect(),
        )
    }

    /// An object with other fields besides, or in place of, its own.
    #[must_use]
    pub fn with_fields(&self, more: impl IntoIterator<Item = (String, Schema)>) -> Self {
        let more: Vec<(String, Schema)> = more.into_iter().collect();
        let mut fields: Vec<(String, Schema)> = match &self.0.shape {
            Shape::Object(own) => own
                .values()
                .filter(|f| !more.iter().any(|(name, _)| *name == f.json))
                .map(|f| (f.json.clone(), f.schema.clone()))
                .collect(),
            _ => Vec::new(),
        };
        fields.extend(more);
        Self::object(&self.0.name, fields)
    }

    /// A value without a schema.
    pub fn dynamic() -> Self {
        node("dyn", Shape::Dyn, MAX_REQUEST_SIZE, 1)
    }

    /// Any value of a type.
    pub fn of_type(of: Type) -> Self {
        node("typed", Shape::Typed(of), MAX_REQUEST_SIZE, 1)
    }

    /// A list.
    pub fn list_of(items: Schema) -> Self {
        let max = items.most_within_request();
        node(
            "list",
            Shape::List {
                items,
                kind: ListType::Atomic,
            },
            max,
            2,
        )
    }

    /// A map with string keys.
    pub fn map_of(values: Schema) -> Self {
        let max = most_properties(values.0.min_size);
        node("map", Shape::Map { values }, max, 2)
    }

    /// `string`, `integer`, `boolean` or `number`, with a format; `None` for anything else.
    pub fn scalar(kind: &str, format: &str) -> Option<Self> {
        structural(
            &serde_json::json!({"type": kind, "format": format}),
            false,
            "scalar",
            0,
        )
        .filter(|s| !matches!(s.0.shape, Shape::Object(_)))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.0.shape
    }

    pub(crate) fn nullable(&self) -> bool {
        self.0.nullable
    }

    /// The smallest size as JSON, in bytes.
    pub(crate) fn min_size(&self) -> u64 {
        self.0.min_size
    }

    pub(crate) fn max_elements(&self) -> u64 {
        self.0.max_elements
    }

    fn most_within_request(&self) -> u64 {
        // upstream: schemas.go#estimateMaxArrayItemsFromMinSize
        (MAX_REQUEST_SIZE - 2) / (self.0.min_size + 1)
    }

    /// The type that expressions see.
    pub fn cel_type(&self) -> Type {
        match &self.0.shape {
            Shape::IntOrString | Shape::Dyn => Type::Dyn,
            Shape::Bool => Type::Bool,
            Shape::Int => Type::Int,
            Shape::Double => Type::Double,
            Shape::String => Type::String,
            Shape::Bytes => Type::Bytes,
            Shape::Date | Shape::DateTime => Type::Timestamp,
            Shape::Duration => Type::Duration,
            Shape::List { items, .. } => Type::list(items.cel_type()),
            Shape::Map { values } => Type::map(Type::String, values.cel_type()),
            Shape::Object(_) => Type::Object(self.clone()),
            Shape::Typed(of) => of.clone(),
        }
    }

    /// A field by the name that an expression uses; a reserved word may stand unescaped.
    ///
    /// upstream: pkg/cel/types.go#DeclTypeProvider.FindStructFieldType
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let Shape::Object(fields) = &self.0.shape else {
            return None;
        };
        fields.get(name).or_else(|| {
            RESERVED
                .contains(&name)
                .then(|| fields.get(&format!("__{name}__")))
                .flatten()
        })
    }

    /// The schema of a property by its name in JSON.
    pub(crate) fn property(&self, json: &str) -> Option<&Schema> {
        match &self.0.shape {
            Shape::Map { values } => Some(values),
            Shape::Object(fields) => fields.get(&escape(json)?).map(|f| &f.schema),
            _ => None,
        }
    }

    /// The schema of elements or values, for estimates.
    pub(crate) fn element(&self) -> Option<&Schema> {
        match &self.0.shape {
            Shape::List { items, .. } => Some(items),
            Shape::Map { values } => Some(values),
            _ => None,
        }
    }
}

fn node(name: &str, shape: Shape, max_elements: u64, min_size: u64) -> Schema {
    Schema(Arc::new(Node {
        name: name.to_owned(),
        shape,
        nullable: false,
        max_elements,
        min_size,
    }))
}

fn most_properties(min_size: u64) -> u64 {
    // upstream: schemas.go#estimateMaxAdditionalPropertiesFromMinSize; 6 for the key's quotes, the colon and the comma
    (MAX_REQUEST_SIZE - 2) / (min_size + 6)
}

/// Fields as (name in JSON, schema, counted in the smallest size).
fn object(name: &str, fields: Vec<(String, Schema, bool)>) -> Schema {
    let mut min_size = 2_u64;
    let mut by_name = BTreeMap::new();
    for (json, schema, counted) in fields {
        if counted {
            min_size = min_size.saturating_add(json.len() as u64 + schema.0.min_size + 4);
        }
        if let Some(escaped) = escape(&json) {
            by_name.insert(escaped, Field { json, schema });
        }
    }
    node(name, Shape::Object(by_name), 0, min_size)
}

fn flag(schema: &Map<String, Json>, name: &str) -> bool {
    schema.get(name).and_then(Json::as_bool).unwrap_or(false)
}

fn limit(schema: &Map<String, Json>, name: &str) -> Option<u64> {
    schema
        .get(name)
        .and_then(Json::as_i64)
        .map(|v| u64::try_from(v).unwrap_or(0))
}

fn structural(schema: &Json, root: bool, name: &str, depth: usize) -> Option<Schema> {
    let schema = schema.as_object()?;
    if depth > MAX_DEPTH {
        return None;
    }
    let nullable = flag(schema, "nullable");
    let shaped = |shape, max: u64, min: u64| {
        Some(Schema(Arc::new(Node {
            name: name.to_owned(),
            shape,
            nullable,
            max_elements: max,
            min_size: if nullable { min.min(4) } else { min },
        })))
    };
    if flag(schema, "x-kubernetes-int-or-string") {
        return shaped(Shape::IntOrString, MAX_REQUEST_SIZE - 2, 1);
    }
    let embedded = |schema: &Json| {
        schema
            .get("x-kubernetes-embedded-resource")
            .and_then(Json::as_bool)
            .unwrap_or(false)
    };
    let kind = if root {
        "object"
    } else {
        schema.get("type").and_then(Json::as_str)?
    };
    match kind {
        "array" => {
            let items = schema.get("items")?;
            let items = structural(items, embedded(items), &format!("{name}.@idx"), depth + 1)?;
            let max = limit(schema, "maxItems").unwrap_or_else(|| items.most_within_request());
            let keys = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Json::as_array)
                .map(|keys| {
                    keys.iter()
                        .filter_map(Json::as_str)
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default();
            let kind = match schema.get("x-kubernetes-list-type").and_then(Json::as_str) {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(keys),
                _ => ListType::Atomic,
            };
            shaped(Shape::List { items, kind }, max, 2)
        }
        "object" => {
            if let Some(values) = schema
                .get("additionalProperties")
                .filter(|v| v.is_object() && !root)
            {
                let values = structural(
                    values,
                    embedded(values),
                    &format!("{name}.@elem"),
                    depth + 1,
                )?;
                let max = limit(schema, "maxProperties")
                    .unwrap_or_else(|| most_properties(values.0.min_size));
                return shaped(Shape::Map { values }, max, 2);
            }
            let mut fields = properties(schema, name, depth);
            if root {
                add_object_meta(&mut fields, name);
            }
            let made = object(name, fields);
            let Ok(mut inner) = Arc::try_unwrap(made.0) else {
                return None;
            };
            inner.nullable = nullable;
            Some(Schema(Arc::new(inner)))
        }
        "string" => {
            let max = limit(schema, "maxLength");
            match schema.get("format").and_then(Json::as_str) {
                Some("byte") => shaped(
                    Shape::Bytes,
                    max.unwrap_or(MAX_REQUEST_SIZE - 2),
                    MIN_STRING_SIZE,
                ),
                Some("duration") => shaped(Shape::Duration, MAX_DURATION_SIZE, MIN_DURATION_SIZE),
                Some("date") => shaped(Shape::Date, DATE_SIZE, DATE_SIZE),
                Some("date-time") => shaped(Shape::DateTime, DATETIME_SIZE, DATETIME_SIZE),
                _ => {
                    let longest = schema
                        .get("enum")
                        .and_then(Json::as_array)
                        .and_then(|values| {
                            values
                                .iter()
                                .filter_map(Json::as_str)
                                .map(|s| s.len() as u64 + 2)
                                .max()
                        });
                    let max = max
                        .map(|m| m.saturating_mul(4))
                        .or(longest)
                        .unwrap_or(MAX_REQUEST_SIZE - 2);
                    shaped(Shape::String, max, MIN_STRING_SIZE)
                }
            }
        }
        "boolean" => shaped(Shape::Bool, 0, MIN_BOOL_SIZE),
        "number" => shaped(Shape::Double, 0, MIN_NUMBER_SIZE),
        "integer" => shaped(Shape::Int, 0, MIN_NUMBER_SIZE),
        _ => None,
    }
}

fn properties(schema: &Map<String, Json>, name: &str, depth: usize) -> Vec<(String, Schema, bool)> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Json::as_array)
        .map(|r| r.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return Vec::new();
    };
    properties
        .iter()
        .filter_map(|(json, property)| {
            let embedded = property
                .get("x-kubernetes-embedded-resource")
                .and_then(Json::as_bool)
                .unwrap_or(false);
            let typed = structural(
                property,
                embedded,
                &format!("{name}.{}", escape(json)?),
                depth + 1,
            )?;
            let counted = required.contains(&json.as_str()) && property.get("default").is_none();
            Some((json.clone(), typed, counted))
        })
        .collect()
}

/// upstream: pkg/apiserver/schema/cel/model/schemas.go#WithTypeAndObjectMeta
fn add_object_meta(fields: &mut Vec<(String, Schema, bool)>, name: &str) {
    let text = || {
        node(
            "string",
            Shape::String,
            MAX_REQUEST_SIZE - 2,
            MIN_STRING_SIZE,
        )
    };
    fields.retain(|(json, _, _)| !matches!(json.as_str(), "apiVersion" | "kind" | "metadata"));
    let meta = object(
        &format!("{name}.metadata"),
        vec![
            ("name".into(), text(), false),
            ("generateName".into(), text(), false),
        ],
    );
    fields.push(("apiVersion".into(), text(), false));
    fields.push(("kind".into(), text(), false));
    fields.push(("metadata".into(), meta, false));
}

const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A property's name as expressions write it; `None` when they cannot.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/cel/escaping.go#Escape
pub fn escape(name: &str) -> Option<String> {
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '_' if chars.peek() == Some(&'_') => {
                chars.next();
                out.push_str("__underscores__");
            }
            '.' => out.push_str("__dot__"),
            '-' => out.push_str("__dash__"),
            '/' => out.push_str("__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => out.push(c),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        for (name, escaped) in [
            ("namespace", Some("__namespace__")),
            ("a.b", Some("a__dot__b")),
            ("a-b/c", Some("a__dash__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("a___b", Some("a__underscores___b")),
            ("1a", None),
            ("ä", None),
            ("", None),
            ("$a", None),
        ] {
            assert_eq!(escape(name).as_deref(), escaped, "{name}");
        }
    }

    #[test]
    fn schemas_without_types_are_none() {
        let none = serde_json::json!({"x-kubernetes-preserve-unknown-fields": true});
        assert!(Schema::structural(&none, false).is_none());
        let list = serde_json::json!({"type": "array", "items": none});
        assert!(Schema::structural(&list, false).is_none());
        let object = serde_json::json!({"type": "object", "properties": {"a": none, "b": {"type": "integer"}}});
        let schema = Schema::structural(&object, true).unwrap();
        assert!(schema.field("a").is_none());
        assert_eq!(schema.field("b").unwrap().schema.cel_type(), Type::Int);
        assert!(schema.field("metadata").is_some());
    }
}
