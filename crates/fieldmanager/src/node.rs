//! What is known of a value's type: how it is merged and what its parts are.
// upstream: kube-openapi/pkg/schemaconv, structured-merge-diff/schema/elements.go

use schema::{Field, ListType, Shape, Type};
use serde_json::Value;

use crate::path::PathElement;

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A struct of the table.
    Struct(&'static Type),
    /// A field of such a struct.
    Field(&'static Field),
    /// An element or value of a built-in list or map.
    Shape(&'static Shape),
    /// A custom resource's schema (JSON schema with `x-kubernetes-*`).
    Open(&'a Value),
    /// The metadata of a custom resource and the like: known by the table where the schema says nothing.
    Deduced,
    /// One value that isn't looked into.
    Atomic,
}

/// How a value of the type is merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Relation {
    /// As one value.
    Leaf,
    /// Field by field.
    Map,
    /// Entry by entry, by these keys with their defaults.
    ListByKeys(Vec<(String, Option<Value>)>),
    /// Element by element.
    ListAsSet,
}

impl<'a> Node<'a> {
    /// A kind of the table, or any object merged field by field when it isn't there.
    pub fn builtin(group: &str, version: &str, kind: &str) -> Self {
        schema::lookup(group, version, kind).map_or(Self::Deduced, Self::Struct)
    }

    /// A custom resource.
    pub fn custom(schema: &'a Value) -> Self {
        Self::Open(schema)
    }

    /// The relation for a value that is an object (`Map`), a list or a scalar.
    pub(crate) fn relation(&self, value: &Value) -> Relation {
        let relation = match self {
            Self::Struct(ty) if ty.atomic || ty.scalar.is_some() => Relation::Leaf,
            Self::Struct(_) | Self::Deduced => Relation::Map,
            Self::Field(field) => of_field(field),
            Self::Shape(shape) => of_shape(shape),
            Self::Open(schema) => of_open(schema, value),
            Self::Atomic => Relation::Leaf,
        };
        // A value of another JSON type than declared is one value.
        match (&relation, value) {
            (Relation::Map, Value::Object(_)) => relation,
            (Relation::ListByKeys(_) | Relation::ListAsSet, Value::Array(_)) => relation,
            _ => Relation::Leaf,
        }
    }

    /// Whether a field is declared by name, rather than a map's key.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Open(schema) => {
                schema.get("properties").and_then(|p| p.get(name)).is_some() || known_meta(name)
            }
            Self::Deduced => known_meta(name),
            _ => self.structure().is_some_and(|ty| ty.field(name).is_some()),
        }
    }

    /// Whether the type is a struct that has no such field.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.structure()
            .is_some_and(|ty| !ty.fields.is_empty() && ty.field(name).is_none())
    }

    fn structure(&self) -> Option<&'static Type> {
        match self {
            Self::Struct(ty) => Some(ty),
            Self::Field(field) => direct(&field.shape),
            Self::Shape(shape) => direct(shape),
            _ => None,
        }
    }

    /// The type of a field or of a map's value.
    pub(crate) fn child(&self, name: &str) -> Node<'a> {
        match self {
            Self::Open(schema) => {
                let property = schema.get("properties").and_then(|p| p.get(name));
                let other = schema.get("additionalProperties").filter(|v| v.is_object());
                match property.or(other) {
                    Some(schema) if name != "metadata" || schema.get("properties").is_some() => {
                        Node::Open(schema)
                    }
                    _ if name == "metadata" => meta(),
                    _ => Node::Deduced,
                }
            }
            Self::Deduced if name == "metadata" => meta(),
            Self::Deduced => Node::Deduced,
            _ => match self.structure() {
                Some(ty) => ty.field(name).map_or(Node::Deduced, Node::Field),
                None => match self.shape() {
                    Some(Shape::Map(of)) => Node::Shape(of),
                    _ => Node::Deduced,
                },
            },
        }
    }

    fn shape(&self) -> Option<&'static Shape> {
        match self {
            Self::Field(field) => Some(&field.shape),
            Self::Shape(shape) => Some(shape),
            _ => None,
        }
    }

    /// The type of a list's elements.
    pub(crate) fn element(&self) -> Node<'a> {
        match self {
            Self::Open(schema) => schema.get("items").map_or(Node::Deduced, Node::Open),
            _ => match self.shape() {
                Some(Shape::List(of)) => Node::Shape(of),
                _ => Node::Deduced,
            },
        }
    }

    /// The type behind a step.
    pub(crate) fn step(&self, step: &PathElement) -> Node<'a> {
        match step {
            PathElement::Field(name) => self.child(name),
            _ => self.element(),
        }
    }
}

fn direct(shape: &'static Shape) -> Option<&'static Type> {
    match shape {
        Shape::Struct(id) => id.get(),
        _ => None,
    }
}

fn meta() -> Node<'static> {
    schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        .map_or(Node::Deduced, Node::Struct)
}

fn known_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

fn of_shape(shape: &Shape) -> Relation {
    match shape {
        Shape::Struct(id) => match id.get() {
            Some(ty) if !ty.atomic && ty.scalar.is_none() => Relation::Map,
            _ => Relation::Leaf,
        },
        Shape::Map(_) => Relation::Map,
        _ => Relation::Leaf,
    }
}

fn of_field(field: &'static Field) -> Relation {
    if field.has(Field::ATOMIC_MAP) {
        return Relation::Leaf;
    }
    let Shape::List(of) = &field.shape else {
        return if field.has(Field::GRANULAR_MAP) {
            Relation::Map
        } else {
            of_shape(&field.shape)
        };
    };
    let keyed = |keys: &[&str]| {
        let element = of.element();
        let default = |key: &str| {
            let text = element
                .and_then(|ty| ty.field(key))
                .and_then(|f| f.extra)
                .and_then(|e| e.default);
            text.and_then(|t| serde_json::from_str(t).ok())
        };
        Relation::ListByKeys(keys.iter().map(|k| ((*k).to_owned(), default(k))).collect())
    };
    match field.list_type() {
        Some(ListType::Map) => keyed(field.keys()),
        Some(ListType::Set) => Relation::ListAsSet,
        Some(ListType::Atomic) => Relation::Leaf,
        // Lists that only strategic merge tells about.
        None if field.has(Field::MERGE) && !field.merge_key().is_empty() => {
            keyed(&[field.merge_key()])
        }
        None if field.has(Field::MERGE) => Relation::ListAsSet,
        None => Relation::Leaf,
    }
}

fn of_open(schema: &Value, value: &Value) -> Relation {
    let text = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or_default();
    if value.is_object() {
        return if text("x-kubernetes-map-type") == "atomic" {
            Relation::Leaf
        } else {
            Relation::Map
        };
    }
    match text("x-kubernetes-list-type") {
        "set" => Relation::ListAsSet,
        "map" => {
            let properties = schema.get("items").and_then(|i| i.get("properties"));
            let keys = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array);
            let keys = keys
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|k| {
                    let default = properties
                        .and_then(|p| p.get(k))
                        .and_then(|p| p.get("default"))
                        .cloned();
                    (k.to_owned(), default)
                });
            Relation::ListByKeys(keys.collect())
        }
        _ => Relation::Leaf,
    }
}
