//! What operations answer with: objects and lists as JSON bytes.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use machinery::Status;
use serde_json::Value;

use crate::resource::Resource;
use crate::stored::Stored;

/// One object, in the version that was asked for.
#[derive(Clone)]
pub struct Object {
    json: Bytes,
    stored: Option<Arc<Stored>>,
}

impl fmt::Debug for Object {
    /// Without the content, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} bytes)", self.json.len())
    }
}

impl Object {
    /// Of a stored record, without a copy of its bytes.
    pub(crate) fn of_stored(stored: Arc<Stored>) -> Self {
        Self {
            json: stored.json().clone(),
            stored: Some(stored),
        }
    }

    /// Of bytes that are not a stored record's (converted, dry run, scale).
    pub(crate) fn of_json(json: Bytes) -> Self {
        Self { json, stored: None }
    }

    /// Of compact JSON that came from elsewhere.
    pub fn from_json(json: Bytes) -> Self {
        Self::of_json(json)
    }

    /// Of a tree.
    pub(crate) fn of_value(value: &Value) -> Self {
        Self::of_json(crate::value::to_bytes(value))
    }

    /// Compact JSON with `apiVersion`, `kind` and `metadata.resourceVersion` inside.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The record in the store that this is, when the bytes are its own.
    pub fn stored(&self) -> Option<&Arc<Stored>> {
        self.stored.as_ref()
    }

    /// Parses the bytes.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or(Value::Null)
    }
}

/// A page of objects.
#[derive(Clone, Debug)]
pub struct ObjectList {
    /// Objects in key order.
    pub items: Vec<Object>,
    /// The list's resourceVersion.
    pub resource_version: u64,
    /// Token for the next page, empty on the last.
    pub continue_token: String,
    /// How many follow, where that is known.
    pub remaining_item_count: Option<i64>,
}

impl ObjectList {
    /// The list object's JSON, the items' bytes spliced in.
    pub fn to_json(&self, resource: &Resource) -> Bytes {
        let size: usize = self.items.iter().map(|o| o.json.len() + 1).sum();
        let mut out = BytesMut::with_capacity(size + 256);
        out.put_slice(b"{\"kind\":\"");
        out.put_slice(resource.list_kind().as_bytes());
        out.put_slice(b"\",\"apiVersion\":\"");
        out.put_slice(resource.api_version().as_bytes());
        out.put_slice(b"\",\"metadata\":{\"resourceVersion\":\"");
        out.put_slice(self.resource_version.to_string().as_bytes());
        out.put_u8(b'"');
        if !self.continue_token.is_empty() {
            out.put_slice(b",\"continue\":\"");
            out.put_slice(self.continue_token.as_bytes());
            out.put_u8(b'"');
        }
        if let Some(n) = self.remaining_item_count {
            out.put_slice(b",\"remainingItemCount\":");
            out.put_slice(n.to_string().as_bytes());
        }
        out.put_slice(b"},\"items\":[");
        for (i, object) in self.items.iter().enumerate() {
            if i > 0 {
                out.put_u8(b',');
            }
            out.put_slice(&object.json);
        }
        out.put_slice(b"]}");
        out.freeze()
    }
}

/// The body of an answer to a write.
#[derive(Clone, Debug)]
pub enum Body {
    /// An object.
    Object(Object),
    /// A Status, for example after a binding or of a deletion that left nothing.
    Status(Status),
}

/// The answer to a write, with its HTTP code (200, 201 or 202).
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP code.
    pub code: u16,
    /// Body.
    pub body: Body,
}

impl Answer {
    /// An object with 200.
    pub(crate) fn ok(object: Object) -> Self {
        Self {
            code: 200,
            body: Body::Object(object),
        }
    }

    /// An object with 201.
    pub(crate) fn created(object: Object) -> Self {
        Self {
            code: 201,
            body: Body::Object(object),
        }
    }

    /// The object, when the body is one.
    pub fn object(&self) -> Option<&Object> {
        match &self.body {
            Body::Object(object) => Some(object),
            Body::Status(_) => None,
        }
    }

    /// The body's JSON.
    pub fn json(&self) -> Bytes {
        match &self.body {
            Body::Object(object) => object.json().clone(),
            Body::Status(status) => serde_json::to_vec(status)
                .map(Bytes::from)
                .unwrap_or_default(),
        }
    }
}
