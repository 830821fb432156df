//! Types of expressions.

use std::fmt;
use std::sync::Arc;

use crate::schema::Schema;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Known only when evaluated.
    Dyn,
    /// What a faulty part has, so that it is not reported again.
    Error,
    /// `null_type`
    Null,
    /// `bool`
    Bool,
    /// `int`, 64 bits
    Int,
    /// `uint`, 64 bits
    Uint,
    /// `double`
    Double,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `google.protobuf.Duration`
    Duration,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `list(T)`
    List(Arc<Type>),
    /// `map(K, V)`
    Map(Arc<Type>, Arc<Type>),
    /// `optional_type(T)`
    Optional(Arc<Type>),
    /// `type(T)`
    TypeOf(Arc<Type>),
    /// A library's type, as `kubernetes.Quantity`.
    Opaque(&'static str),
    /// An object of a schema.
    Object(Schema),
    /// An object that a mutation makes: `Object`, `Object.spec`, …, `JSONPatch`.
    Struct(Arc<str>),
    /// A type parameter of a declaration, or a variable while checking.
    Param(u32),
}

impl Type {
    /// `list(T)`
    pub fn list(element: Type) -> Self {
        Type::List(Arc::new(element))
    }

    /// `map(K, V)`
    pub fn map(key: Type, value: Type) -> Self {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// `optional_type(T)`
    pub fn optional(of: Type) -> Self {
        Type::Optional(Arc::new(of))
    }

    /// `kubernetes.Quantity`
    pub fn quantity() -> Self {
        Type::Opaque(crate::opaque::QUANTITY)
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }
}

/// As in upstream's errors.
///
/// upstream: github.com/google/cel-go/checker/format.go#FormatCELType
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Error => f.write_str("!error!"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(of) => write!(f, "optional_type({of})"),
            Type::TypeOf(of) => write!(f, "type({of})"),
            Type::Opaque(name) => f.write_str(name),
            Type::Object(schema) => f.write_str(schema.name()),
            Type::Struct(name) => f.write_str(name),
            Type::Param(_) => f.write_str("dyn"),
        }
    }
}
