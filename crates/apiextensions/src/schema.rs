//! A parsed JSON schema of a custom resource.
// upstream: apiextensions-apiserver/pkg/apis/apiextensions/types_jsonschema.go#JSONSchemaProps

mod pattern;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use pattern::Pattern;

/// A schema, with all that `openAPIV3Schema` can say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // The fields are those of JSON schema, under its names.
pub struct Schema {
    pub id: String,
    #[serde(rename = "$schema")]
    pub schema: String,
    #[serde(rename = "$ref")]
    pub reference: Option<String>,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub format: String,
    pub title: String,
    #[serde(deserialize_with = "present")]
    pub default: Option<Value>,
    pub maximum: Option<f64>,
    pub exclusive_maximum: bool,
    pub minimum: Option<f64>,
    pub exclusive_minimum: bool,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub pattern: Option<Pattern>,
    pub max_items: Option<i64>,
    pub min_items: Option<i64>,
    pub unique_items: bool,
    pub multiple_of: Option<f64>,
    #[serde(rename = "enum")]
    pub enumeration: Vec<Value>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub required: Vec<String>,
    pub items: Option<Items>,
    pub all_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
    pub properties: BTreeMap<String, Schema>,
    pub additional_properties: Option<Additional>,
    pub pattern_properties: BTreeMap<String, Schema>,
    pub dependencies: Option<BTreeMap<String, Value>>,
    pub additional_items: Option<Additional>,
    pub definitions: BTreeMap<String, Schema>,
    pub external_docs: Option<Value>,
    pub example: Option<Value>,
    pub nullable: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub preserve_unknown_fields: Option<bool>,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub embedded_resource: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub int_or_string: bool,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-list-type")]
    pub list_type: Option<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    pub map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    pub validations: Vec<Rule>,
}

/// `default: null` counts as absent, as a pointer to JSON does upstream.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Option::<Value>::deserialize(from).map(|v| v.filter(|v| !v.is_null()))
}

/// What `items` may be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Items {
    /// One schema for all elements.
    One(Box<Schema>),
    /// A schema for each element; not supported in definitions.
    Many(Vec<Schema>),
}

/// What `additionalProperties` may be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Additional {
    /// Allowed or not.
    Allowed(bool),
    /// Allowed when they match.
    Schema(Box<Schema>),
}

/// One of `x-kubernetes-validations`. Serialised as upstream prints the internal type in messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Rule {
    /// The CEL expression.
    #[serde(rename(deserialize = "rule", serialize = "Rule"))]
    pub rule: String,
    /// What is said when it is false.
    #[serde(rename(deserialize = "message", serialize = "Message"))]
    pub message: String,
    /// A CEL expression for what is said.
    #[serde(rename(deserialize = "messageExpression", serialize = "MessageExpression"))]
    pub message_expression: String,
    /// The kind of error: `FieldValueInvalid` and so on.
    #[serde(rename(deserialize = "reason", serialize = "Reason"))]
    pub reason: Option<String>,
    /// The field that the error is about, relative to the rule's place.
    #[serde(rename(deserialize = "fieldPath", serialize = "FieldPath"))]
    pub field_path: String,
    /// Whether `oldSelf` is an optional.
    #[serde(rename(deserialize = "optionalOldSelf", serialize = "OptionalOldSelf"))]
    pub optional_old_self: Option<bool>,
}

impl Rule {
    /// As messages show it.
    pub fn shown(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Schema {
    /// Parses an `openAPIV3Schema`.
    pub fn parse(value: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }

    /// The schema of elements.
    pub fn element(&self) -> Option<&Self> {
        match &self.items {
            Some(Items::One(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The schema of a map's values.
    pub fn values(&self) -> Option<&Self> {
        match &self.additional_properties {
            Some(Additional::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// Whether unknown fields stay.
    pub fn preserves(&self) -> bool {
        self.preserve_unknown_fields == Some(true)
    }

    /// The same schema as that of a resource's root, which is an embedded resource.
    pub fn as_root(&self) -> Self {
        Self {
            embedded_resource: true,
            ..self.clone()
        }
    }

    /// Drops what is only for people, here and below.
    pub fn forget_texts(&mut self) {
        self.description = String::new();
        self.title = String::new();
        self.example = None;
        self.external_docs = None;
        self.properties.values_mut().for_each(Self::forget_texts);
        if let Some(Items::One(items)) = &mut self.items {
            items.forget_texts();
        }
        if let Some(Additional::Schema(values)) = &mut self.additional_properties {
            values.forget_texts();
        }
    }

    /// Whether the schema or one below it satisfies a condition.
    // upstream: apis/apiextensions/validation/validation.go#SchemaHas
    pub fn any(&self, test: &mut dyn FnMut(&Self) -> bool) -> bool {
        if test(self) {
            return true;
        }
        let items: &[Self] = match &self.items {
            Some(Items::One(one)) => std::slice::from_ref(one),
            Some(Items::Many(many)) => many,
            None => &[],
        };
        let lists = [items, &self.all_of, &self.any_of, &self.one_of];
        lists.into_iter().flatten().any(|s| s.any(test))
            || self.not.as_ref().is_some_and(|s| s.any(test))
            || self.properties.values().any(|s| s.any(test))
            || self.values().is_some_and(|s| s.any(test))
            || self.pattern_properties.values().any(|s| s.any(test))
            || self.definitions.values().any(|s| s.any(test))
    }

    /// Whether a default is set anywhere.
    pub fn has_defaults(&self) -> bool {
        self.any(&mut |s| s.default.is_some())
    }

    /// Whether a rule is set anywhere on the structural spine.
    pub fn has_rules(&self) -> bool {
        !self.validations.is_empty()
            || self.element().is_some_and(Self::has_rules)
            || self.values().is_some_and(Self::has_rules)
            || self.properties.values().any(Self::has_rules)
    }
}
