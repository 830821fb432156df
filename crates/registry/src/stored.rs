//! The record that the store keeps: an object's bytes, and what selection needs of them.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use machinery::ObjectExt;
use serde_json::Value;
use store::{Record, RecordError, Revision};

use crate::resource::Resource;
use crate::value::path_text;

/// What stands before the digits of the resourceVersion in the stored bytes; metadata begins with it.
const MARK: &[u8] = b"\"metadata\":{\"resourceVersion\":\"";

/// Parsed beside the bytes for selectors.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    /// Values of the resource's selectable fields, in their order.
    pub(crate) fields: Box<[Box<str>]>,
    pub(crate) deleting: bool,
}

impl Selection {
    pub(crate) fn of(resource: &Resource, object: &Value) -> Self {
        let labels = object
            .labels()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or_default().into()))
            .collect();
        // What a definition selects by changes with it: that is looked up when asked for.
        let fixed = resource.custom.is_none();
        let fields = resource
            .fields
            .iter()
            .filter(|_| fixed)
            .map(|field| {
                let text = if field.path.is_empty() {
                    resource.strategy.field_value(object, &field.label)
                } else {
                    path_text(object, &field.path).unwrap_or_else(|| field.default.to_owned())
                };
                text.into_boxed_str()
            })
            .collect();
        Self {
            labels,
            fields,
            deleting: object.deletion_timestamp().is_some(),
        }
    }
}

/// An object in the store.
///
/// The bytes are compact JSON in the storage version, beginning with `kind`, `apiVersion` and `metadata`, whose first
/// member is the `resourceVersion` of the revision that wrote them; so a reader can hand them out as they are.
pub struct Stored {
    json: Bytes,
    version: Range<u32>,
    selection: OnceLock<Selection>,
    /// The compiled schema by which the bytes are as they would be written now; 0: none.
    shape: AtomicU64,
}

impl fmt::Debug for Stored {
    /// Without the content, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Stored({} bytes at {})",
            self.json.len(),
            self.revision()
        )
    }
}

impl Stored {
    /// The object as JSON, its resourceVersion inside.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Parses the bytes.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or(Value::Null)
    }

    /// The revision that wrote it.
    pub fn revision(&self) -> Revision {
        let range = self.version.start as usize..self.version.end as usize;
        let digits = self
            .json
            .get(range)
            .and_then(|d| std::str::from_utf8(d).ok());
        Revision(digits.and_then(|d| d.parse().ok()).unwrap_or_default())
    }

    /// The same object with another resourceVersion.
    pub(crate) fn at(&self, revision: Revision) -> Self {
        let (start, end) = (self.version.start as usize, self.version.end as usize);
        let head = self.json.get(..start).unwrap_or_default();
        let tail = self.json.get(end..).unwrap_or_default();
        Self::splice(head, revision, tail, OnceLock::new())
    }

    fn splice(
        head: &[u8],
        revision: Revision,
        tail: &[u8],
        selection: OnceLock<Selection>,
    ) -> Self {
        let digits = revision.0.to_string();
        let mut json = Vec::with_capacity(head.len() + digits.len() + tail.len());
        json.extend_from_slice(head);
        json.extend_from_slice(digits.as_bytes());
        json.extend_from_slice(tail);
        let start = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(digits.len()).unwrap_or_default();
        Self {
            json: json.into(),
            version: start..start.saturating_add(length),
            selection,
            shape: AtomicU64::new(0),
        }
    }

    /// Whether the bytes are known to be as a compiled schema has them.
    pub(crate) fn has_shape(&self, id: u64) -> bool {
        self.shape.load(Ordering::Relaxed) == id
    }

    /// Notes that they are.
    pub(crate) fn set_shape(&self, id: u64) {
        self.shape.store(id, Ordering::Relaxed);
    }

    /// What selection needs; parsed on first use for records that came from the log.
    pub(crate) fn selection(&self, resource: &Resource) -> &Selection {
        self.selection
            .get_or_init(|| Selection::of(resource, &self.value()))
    }
}

impl Record for Stored {
    fn encode(&self) -> Bytes {
        self.json.clone()
    }

    fn decode(_key: &str, revision: Revision, bytes: Bytes) -> Result<Self, RecordError> {
        let mark =
            find(&bytes, MARK).ok_or_else(|| RecordError::new("not an object of this registry"))?;
        let start = mark + MARK.len();
        let digits = bytes
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let range = |n: usize| {
            u32::try_from(n).map_err(|_| RecordError::new("an object of more than 4 GiB"))
        };
        let stored = Self {
            version: range(start)?..range(start + digits)?,
            json: bytes,
            selection: OnceLock::new(),
            shape: AtomicU64::new(0),
        };
        Ok(if stored.revision() == revision {
            stored
        } else {
            stored.at(revision)
        })
    }

    fn expired(&self, _key: &str, revision: Revision) -> Option<Self> {
        Some(self.at(revision))
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|w| w == mark)
}

/// An object ready to be committed: encoded, but for the revision that it will have.
pub(crate) struct Draft {
    head: Vec<u8>,
    tail: Vec<u8>,
    selection: Selection,
    shape: u64,
}

impl Draft {
    /// Encodes an object in storage form; a resourceVersion in it is left out.
    pub(crate) fn new(resource: &Resource, object: &Value) -> Self {
        let mut head = Vec::with_capacity(96);
        let text = |name: &str| {
            serde_json::to_vec(object.field(name).unwrap_or(&Value::Null)).unwrap_or_default()
        };
        head.extend_from_slice(b"{\"kind\":");
        head.extend_from_slice(&text("kind"));
        head.extend_from_slice(b",\"apiVersion\":");
        head.extend_from_slice(&text("apiVersion"));
        head.push(b',');
        head.extend_from_slice(MARK);
        let mut tail = Vec::with_capacity(1024);
        tail.push(b'"');
        let member = |tail: &mut Vec<u8>, name: &str, value: &Value| {
            tail.push(b',');
            // Writing to a Vec does not fail, and a tree has no key that is not a string.
            let _ = serde_json::to_writer(&mut *tail, name);
            tail.push(b':');
            let _ = serde_json::to_writer(&mut *tail, value);
        };
        for (name, value) in object.metadata().into_iter().flatten() {
            if name != "resourceVersion" {
                member(&mut tail, name, value);
            }
        }
        tail.push(b'}');
        for (name, value) in object.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
                member(&mut tail, name, value);
            }
        }
        tail.push(b'}');
        Self {
            head,
            tail,
            selection: Selection::of(resource, object),
            shape: 0,
        }
    }

    /// The same, known to be as a compiled schema has it.
    pub(crate) fn with_shape(mut self, id: u64) -> Self {
        self.shape = id;
        self
    }

    /// The value of a selectable field by its position.
    pub(crate) fn field(&self, position: usize) -> &str {
        self.selection.fields.get(position).map_or("", |v| v)
    }

    /// The record of a revision.
    pub(crate) fn commit(self, revision: Revision) -> Arc<Stored> {
        let stored = Stored::splice(
            &self.head,
            revision,
            &self.tail,
            OnceLock::from(self.selection),
        );
        stored.set_shape(self.shape);
        Arc::new(stored)
    }

    /// Size of the encoded object.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pods() -> Arc<Resource> {
        Arc::clone(
            crate::table::Table::builtin()
                .find("", "v1", "pods")
                .unwrap(),
        )
    }

    #[test]
    fn rows_of_one_prefix_select_by_the_same_values() {
        let table = crate::table::Table::builtin();
        for a in table.iter() {
            for b in table.iter().filter(|b| a.prefix == b.prefix) {
                let paths =
                    |r: &Resource| r.fields.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
                assert_eq!(
                    paths(a),
                    paths(b),
                    "{a:?} {b:?}: a record's values are kept once"
                );
            }
        }
    }

    #[test]
    fn splices_the_revision() {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n"},
            "metadata": {"name": "\"metadata\":{\"resourceVersion\":\"", "resourceVersion": "3", "labels": {"a": "b"}}});
        let stored = Draft::new(&pods(), &object).commit(Revision(41));
        let mut want = object.clone();
        want["metadata"]["resourceVersion"] = "41".into();
        assert_eq!(stored.value(), want);
        assert_eq!(stored.revision(), Revision(41));
        assert_eq!(&*stored.selection(&pods()).fields[0], "n");
        let again = Stored::decode("/pods/x", Revision(41), stored.encode()).unwrap();
        assert_eq!(again.json(), stored.json());
        assert_eq!(&*again.selection(&pods()).fields[0], "n");
        let moved = Stored::decode("/pods/x", Revision(1000), stored.encode()).unwrap();
        assert_eq!(moved.value()["metadata"]["resourceVersion"], "1000");
        assert!(Stored::decode("/x", Revision(1), Bytes::from_static(b"{}")).is_err());
    }
}
