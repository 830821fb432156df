//! `metadata.managedFields`.
// upstream: apimachinery/pkg/util/managedfields/internal/managedfields.go

use machinery::ObjectExt;
use serde_json::{Map, Value, json};

use crate::set::Set;

/// What kind of write an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Any other write.
    Update,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Manager's name.
    pub manager: String,
    /// What it did.
    pub operation: Operation,
    /// Version that the fields are told in.
    pub api_version: String,
    /// Time of its last change, empty when not known.
    pub time: String,
    /// Subresource written through, empty for the object itself.
    pub subresource: String,
    /// The fields.
    pub fields: Set,
}

impl Entry {
    /// Whether both are the same manager's; an applier is the same in every version.
    // upstream: #BuildManagerIdentifier
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

/// All entries of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed(pub Vec<Entry>);

impl Managed {
    /// Reads an object's entries; malformed ones are left out.
    pub fn of(object: &Value) -> Self {
        let list = object
            .metadata()
            .and_then(|m| m.get("managedFields"))
            .and_then(Value::as_array);
        let mut out = Vec::new();
        for entry in list.into_iter().flatten() {
            let text = |name: &str| {
                entry
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let operation = match text("operation").as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => continue,
            };
            out.push(Entry {
                manager: text("manager"),
                operation,
                api_version: text("apiVersion"),
                time: text("time"),
                subresource: text("subresource"),
                fields: entry
                    .get("fieldsV1")
                    .map(Set::from_fields_v1)
                    .unwrap_or_default(),
            });
        }
        Self(out)
    }

    /// Writes them to an object in upstream's order, without empty ones.
    // upstream: #sortEncodedManagedFields
    pub fn write(&self, object: &mut Value) {
        let mut entries: Vec<&Entry> = self.0.iter().filter(|e| !e.fields.is_empty()).collect();
        entries.sort_by(|a, b| {
            (
                a.operation,
                &a.time,
                &a.manager,
                &a.api_version,
                &a.subresource,
            )
                .cmp(&(
                    b.operation,
                    &b.time,
                    &b.manager,
                    &b.api_version,
                    &b.subresource,
                ))
        });
        let Some(meta) = object.metadata_mut() else {
            return;
        };
        if entries.is_empty() {
            meta.shift_remove("managedFields");
        } else {
            meta.insert(
                "managedFields".to_owned(),
                entries.into_iter().map(encode).collect(),
            );
        }
    }
}

fn encode(entry: &Entry) -> Value {
    let mut out = Map::new();
    out.insert("manager".to_owned(), entry.manager.as_str().into());
    out.insert("operation".to_owned(), entry.operation.as_str().into());
    out.insert("apiVersion".to_owned(), entry.api_version.as_str().into());
    if !entry.time.is_empty() {
        out.insert("time".to_owned(), entry.time.as_str().into());
    }
    out.insert("fieldsType".to_owned(), json!("FieldsV1"));
    out.insert("fieldsV1".to_owned(), entry.fields.to_fields_v1());
    if !entry.subresource.is_empty() {
        out.insert("subresource".to_owned(), entry.subresource.as_str().into());
    }
    Value::Object(out)
}
