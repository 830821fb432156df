//! Values: JSON that is borrowed, and what expressions make of it.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::ast::Literal;
use crate::error::EvalError;
use crate::opaque::Opaque;
use crate::schema::{ListType, Schema, Shape};
use crate::types::Type;

/// Text that is borrowed or shared.
#[derive(Clone)]
pub enum Text<'a> {
    /// Of a JSON value.
    Borrowed(&'a str),
    /// Made.
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(s) => s,
            Text::Shared(s) => s,
        }
    }
}

/// A list.
#[derive(Clone)]
pub enum List<'a> {
    /// JSON without a schema.
    Json(&'a [Json]),
    /// JSON with the list's schema.
    Typed(&'a [Json], &'a Schema),
    /// Made.
    Owned(Rc<Vec<Value<'a>>>),
}

/// Fields that are found when they are asked for.
pub trait Fields<'a> {
    /// The field's value; `None` when there is no such field.
    fn get(&self, name: &str) -> Option<Result<Value<'a>, EvalError>>;

    /// The fields' names.
    fn names(&self) -> Vec<String>;
}

/// A map or object.
#[derive(Clone)]
pub enum Map<'a> {
    /// JSON without a schema.
    Json(&'a serde_json::Map<String, Json>),
    /// JSON with the schema of the object or map.
    Typed(&'a serde_json::Map<String, Json>, &'a Schema),
    /// Made: by normalised key, the key and the value.
    Owned(Rc<IndexMap<Key, (Value<'a>, Value<'a>)>>),
    /// Fields that are found when they are asked for.
    Fields(Rc<dyn Fields<'a> + 'a>),
}

/// A map's key: numbers are equal across their types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `true`, `false`
    Bool(bool),
    /// `int`, `uint`, and `double` when whole.
    Number(i128),
    /// `string`
    String(Arc<str>),
}

/// An object that a mutation makes.
#[derive(Clone)]
pub struct Struct<'a> {
    /// `Object`, `Object.spec`, `JSONPatch`.
    pub name: Arc<str>,
    /// Fields that were set.
    pub fields: IndexMap<Arc<str>, Value<'a>>,
}

/// A value.
#[derive(Clone)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint`
    Uint(u64),
    /// `double`
    Double(f64),
    /// `string`
    String(Text<'a>),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    /// A point in time.
    Timestamp(crate::time::Time),
    /// `list`
    List(List<'a>),
    /// `map`, or an object
    Map(Map<'a>),
    /// `optional_type`
    Optional(Option<Rc<Value<'a>>>),
    /// A type, as `type(1)`.
    Type(Arc<str>),
    /// A value of a library.
    Opaque(Opaque),
    /// An object that a mutation makes.
    Struct(Rc<Struct<'a>>),
}

impl<'a> Value<'a> {
    /// JSON without a schema.
    pub fn json(value: &'a Json) -> Self {
        match value {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => match n.as_i64() {
                Some(i) => Value::Int(i),
                None => Value::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(s) => Value::String(Text::Borrowed(s)),
            Json::Array(items) => Value::List(List::Json(items)),
            Json::Object(fields) => Value::Map(Map::Json(fields)),
        }
    }

    /// JSON as its schema has it. A value that does not fit fails where it is used.
    ///
    /// # Errors
    /// The value is not of the schema's type.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/cel/common/values.go#UnstructuredToVal
    pub fn try_typed(value: &'a Json, schema: &'a Schema) -> Result<Self, EvalError> {
        let wrong = |message: &str| Err(EvalError::runtime(message));
        if value.is_null() {
            return if schema.nullable() || matches!(schema.shape(), Shape::Dyn | Shape::Typed(_)) {
                Ok(Value::Null)
            } else {
                wrong("invalid data, got null for schema with nullable=false")
            };
        }
        match (schema.shape(), value) {
            (Shape::Dyn | Shape::Typed(_), value) => Ok(Value::json(value)),
            (Shape::IntOrString, Json::String(_) | Json::Number(_)) => match Value::json(value) {
                Value::Double(_) => wrong(
                    "invalid data, expected XIntOrString value to be either a string or integer",
                ),
                value => Ok(value),
            },
            (Shape::IntOrString, _) => {
                wrong("invalid data, expected XIntOrString value to be either a string or integer")
            }
            (Shape::Bool, Json::Bool(b)) => Ok(Value::Bool(*b)),
            (Shape::Bool, _) => {
                wrong("invalid data, expected a boolean for the provided schema with type=boolean")
            }
            (Shape::Int, Json::Number(n)) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => Ok(Value::Int(i)),
                #[allow(clippy::cast_possible_truncation)]
                (None, Some(d)) if d.fract() == 0.0 && d.abs() < 9.0e18 => Ok(Value::Int(d as i64)),
                _ => wrong(
                    "invalid data, expected an integer for the provided schema with type=integer",
                ),
            },
            (Shape::Int, _) => {
                wrong("invalid data, expected an integer for the provided schema with type=integer")
            }
            (Shape::Double, Json::Number(n)) => Ok(Value::Double(n.as_f64().unwrap_or(f64::NAN))),
            (Shape::Double, _) => {
                wrong("invalid data, expected a double for the provided schema with type=number")
            }
            (Shape::String, Json::String(s)) => Ok(Value::String(Text::Borrowed(s))),
            (Shape::Bytes, Json::String(s)) => {
                use base64::Engine;
                base64::engine::general_purpose::STANDARD
                    .decode(s.as_bytes())
                    .map(|b| Value::Bytes(b.into()))
                    .map_err(|e| EvalError::runtime(format!("Invalid base64 string {s}, {e}")))
            }
            (Shape::Duration, Json::String(s)) => crate::time::parse_strfmt_duration(s)
                .map(Value::Duration)
                .ok_or_else(|| {
                    EvalError::runtime(format!("Invalid duration {s}, unable to parse"))
                }),
            (Shape::Date, Json::String(s)) => crate::time::parse_date(s)
                .map(Value::Timestamp)
                .ok_or_else(|| EvalError::runtime(format!("Invalid date formatted string {s}"))),
            (Shape::DateTime, Json::String(s)) => crate::time::parse_timestamp(s)
                .map(Value::Timestamp)
                .ok_or_else(|| {
                    EvalError::runtime(format!("Invalid timestamp formatted string {s}"))
                }),
            (Shape::String | Shape::Bytes | Shape::Duration | Shape::Date | Shape::DateTime, _) => {
                wrong("invalid data, expected a string for the provided schema with type=string")
            }
            (Shape::List { .. }, Json::Array(items)) => Ok(Value::List(List::Typed(items, schema))),
            (Shape::List { .. }, _) => {
                wrong("invalid data, expected an array for the provided schema with type=array")
            }
            (Shape::Map { .. } | Shape::Object(_), Json::Object(fields)) => {
                Ok(Value::Map(Map::Typed(fields, schema)))
            }
            (Shape::Map { .. } | Shape::Object(_), _) => {
                wrong("invalid data, expected a map for the provided schema with type=object")
            }
        }
    }

    /// As [`Value::try_typed`]; a value that does not fit its schema is taken as it is.
    pub fn typed(value: &'a Json, schema: &'a Schema) -> Self {
        Value::try_typed(value, schema).unwrap_or_else(|_| Value::json(value))
    }

    /// Text.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Value::String(Text::Shared(text.into()))
    }

    /// A list of values.
    pub fn list(values: Vec<Value<'a>>) -> Self {
        Value::List(List::Owned(Rc::new(values)))
    }

    /// Fields that are found when they are asked for.
    pub fn fields(fields: impl Fields<'a> + 'a) -> Self {
        Value::Map(Map::Fields(Rc::new(fields)))
    }

    /// `optional.of(value)`, or `optional.none()`.
    pub fn optional(value: Option<Value<'a>>) -> Self {
        Value::Optional(value.map(Rc::new))
    }

    /// `optional.none()`
    pub fn none() -> Self {
        Value::Optional(None)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The value of a bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    pub(crate) fn literal(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Value::Null,
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Int(i) => Value::Int(*i),
            Literal::Uint(u) => Value::Uint(*u),
            Literal::Double(d) => Value::Double(*d),
            Literal::String(s) => Value::String(Text::Shared(s.clone())),
            Literal::Bytes(b) => Value::Bytes(b.clone()),
        }
    }

    /// The name of the value's type at run time.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(Map::Typed(_, schema)) if matches!(schema.shape(), Shape::Object(_)) => {
                schema.name()
            }
            Value::Map(_) => "map",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
            Value::Opaque(o) => o.type_name(),
            Value::Struct(s) => &s.name,
        }
    }

    /// As JSON.
    ///
    /// # Errors
    /// The value has no form in JSON: an optional, a type, a value of a library.
    pub fn to_json(&self) -> Result<Json, EvalError> {
        use base64::Engine;
        Ok(match self {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => (*i).into(),
            Value::Uint(u) => (*u).into(),
            Value::Double(d) => serde_json::Number::from_f64(*d)
                .map(Json::Number)
                .ok_or_else(|| EvalError::runtime(format!("unsupported value: {d}")))?,
            Value::String(s) => Json::String(s.to_string()),
            Value::Bytes(b) => Json::String(base64::engine::general_purpose::STANDARD.encode(b)),
            Value::Duration(d) => Json::String(crate::time::format_duration(*d)),
            Value::Timestamp(t) => Json::String(crate::time::format_timestamp(*t)),
            Value::List(list) => Json::Array(
                list.iter()
                    .map(|v| v.and_then(|v| v.to_json()))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(Map::Json(fields) | Map::Typed(fields, _)) => {
                Json::Object((*fields).clone())
            }
            Value::Map(map) => {
                let mut fields = serde_json::Map::new();
                for entry in map.entries() {
                    let (key, value) = entry?;
                    let Value::String(key) = key else {
                        return Err(EvalError::runtime(format!(
                            "unsupported map key type in JSON: {}",
                            key.type_name()
                        )));
                    };
                    fields.insert(key.to_string(), value.to_json()?);
                }
                Json::Object(fields)
            }
            Value::Struct(s) => {
                let mut fields = serde_json::Map::new();
                for (name, value) in &s.fields {
                    fields.insert(name.to_string(), value.to_json()?);
                }
                Json::Object(fields)
            }
            Value::Optional(_) | Value::Type(_) | Value::Opaque(_) => {
                return Err(EvalError::runtime(format!(
                    "{} has no form in JSON",
                    self.type_name()
                )));
            }
        })
    }

    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Value::Bool(b) => Some(Key::Bool(*b)),
            Value::Int(i) => Some(Key::Number(i128::from(*i))),
            Value::Uint(u) => Some(Key::Number(i128::from(*u))),
            #[allow(clippy::cast_possible_truncation)]
            Value::Double(d) if d.fract() == 0.0 && d.abs() < 1.0e30 => {
                Some(Key::Number(*d as i128))
            }
            Value::String(s) => Some(Key::String(s.deref().into())),
            _ => None,
        }
    }

    /// How a key shows in `no such key: …`.
    pub(crate) fn key_text(&self) -> String {
        match self {
            Value::String(s) => s.to_string(),
            Value::Int(i) => i.to_string(),
            Value::Uint(u) => u.to_string(),
            Value::Double(d) => d.to_string(),
            Value::Bool(b) => b.to_string(),
            other => other.type_name().to_owned(),
        }
    }
}

/// Shows kinds and scalars only: values may be secrets.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "bool({b})"),
            Value::Int(i) => write!(f, "int({i})"),
            Value::Uint(u) => write!(f, "uint({u})"),
            Value::Double(d) => write!(f, "double({d:?})"),
            other => f.write_str(other.type_name()),
        }
    }
}

impl<'a> List<'a> {
    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            List::Json(items) | List::Typed(items, _) => items.len(),
            List::Owned(items) => items.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<Result<Value<'a>, EvalError>> {
        match self {
            List::Json(items) => items.get(index).map(|v| Ok(Value::json(v))),
            List::Typed(items, schema) => items.get(index).map(|v| match schema.element() {
                Some(element) => Value::try_typed(v, element),
                None => Ok(Value::json(v)),
            }),
            List::Owned(items) => items.get(index).cloned().map(Ok),
        }
    }

    /// The elements.
    pub fn iter(&self) -> impl Iterator<Item = Result<Value<'a>, EvalError>> + '_ {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    pub(crate) fn kind(&self) -> &'a ListType {
        match self {
            List::Typed(_, schema) => match schema.shape() {
                Shape::List { kind, .. } => kind,
                _ => &ListType::Atomic,
            },
            _ => &ListType::Atomic,
        }
    }
}

/// A key and its value.
type Pair<'a> = (Value<'a>, Value<'a>);

impl<'a> Map<'a> {
    /// How many entries.
    pub fn len(&self) -> usize {
        match self {
            Map::Json(fields) => fields.len(),
            Map::Typed(fields, schema) => match schema.shape() {
                Shape::Object(_) => fields
                    .keys()
                    .filter(|k| schema.property(k).is_some())
                    .count(),
                _ => fields.len(),
            },
            Map::Owned(entries) => entries.len(),
            Map::Fields(fields) => fields.names().len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key; of an object, of a field by the name that expressions use.
    pub fn get(&self, key: &Value<'_>) -> Option<Result<Value<'a>, EvalError>> {
        match self {
            Map::Owned(entries) => entries.get(&key.key()?).map(|(_, v)| Ok(v.clone())),
            _ => self.field(key.as_str()?),
        }
    }

    /// As [`Map::get`], by a string.
    pub fn field(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        match self {
            Map::Json(fields) => fields.get(name).map(|v| Ok(Value::json(v))),
            Map::Typed(fields, schema) => match schema.shape() {
                Shape::Map { values } => fields.get(name).map(|v| Value::try_typed(v, values)),
                _ => {
                    let field = schema.field(name)?;
                    fields
                        .get(&field.json)
                        .map(|v| Value::try_typed(v, &field.schema))
                }
            },
            Map::Owned(entries) => entries
                .get(&Key::String(name.into()))
                .map(|(_, v)| Ok(v.clone())),
            Map::Fields(fields) => fields.get(name),
        }
    }

    /// Keys and values.
    pub fn entries(&self) -> Vec<Result<Pair<'a>, EvalError>> {
        match self {
            Map::Json(fields) => fields
                .iter()
                .map(|(k, v)| Ok((Value::String(Text::Borrowed(k)), Value::json(v))))
                .collect(),
            Map::Typed(fields, schema) => fields
                .iter()
                .filter_map(|(k, v)| {
                    let property = schema.property(k)?;
                    let key = match schema.shape() {
                        Shape::Object(_) => Value::string(crate::schema::escape(k)?),
                        _ => Value::String(Text::Borrowed(k)),
                    };
                    Some(Value::try_typed(v, property).map(|v| (key, v)))
                })
                .collect(),
            Map::Owned(entries) => entries.values().cloned().map(Ok).collect(),
            Map::Fields(fields) => fields
                .names()
                .into_iter()
                .filter_map(|name| {
                    let value = fields.get(&name)?;
                    Some(value.map(|v| (Value::string(name), v)))
                })
                .collect(),
        }
    }
}

/// Numbers across their types; `None` with NaN.
pub(crate) fn compare_numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Option<Ordering>> {
    let whole = |v: &Value<'_>| match v {
        Value::Int(i) => Some(i128::from(*i)),
        Value::Uint(u) => Some(i128::from(*u)),
        _ => None,
    };
    Some(match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => compare_double(*a, whole(b)?, matches!(b, Value::Int(_))),
        (a, Value::Double(b)) => {
            compare_double(*b, whole(a)?, matches!(a, Value::Int(_))).map(Ordering::reverse)
        }
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    })
}

/// A double against a whole number within its range, which counts as the double nearest to it.
///
/// upstream: github.com/google/cel-go/common/types/compare.go#compareDoubleInt, compareDoubleUint
#[allow(clippy::cast_precision_loss)]
fn compare_double(double: f64, whole: i128, signed: bool) -> Option<Ordering> {
    let (low, high) = if signed {
        (i64::MIN as f64, i64::MAX as f64)
    } else {
        (0.0, u64::MAX as f64)
    };
    if double < low {
        return Some(Ordering::Less);
    }
    if double > high {
        return Some(Ordering::Greater);
    }
    double.partial_cmp(&(whole as f64))
}

/// The type that a name in an expression stands for: `int`, `list`, `google.protobuf.Timestamp`.
pub(crate) fn type_by_name(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "null_type" => Type::Null,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "type" => Type::TypeOf(Arc::new(Type::Dyn)),
        "optional_type" => Type::optional(Type::Dyn),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        other => Type::Opaque(crate::opaque::NAMES.iter().copied().find(|n| *n == other)?),
    })
}
