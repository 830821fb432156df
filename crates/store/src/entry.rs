//! What a reader sees: entries and events.

use std::sync::Arc;

use crate::{Millis, Revision};

/// A key with its value at some revision. Cloning it counts references and copies nothing.
pub struct Entry<R> {
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: Arc<R>,
    /// The revision that wrote this value.
    pub revision: Revision,
    /// The revision that created the key (after its last deletion, if any).
    pub created: Revision,
    /// When the entry is deleted by itself, in milliseconds since 1970.
    pub expires: Option<Millis>,
}

impl<R> Clone for Entry<R> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value.clone(),
            revision: self.revision,
            created: self.created,
            expires: self.expires,
        }
    }
}

impl<R: std::fmt::Debug> std::fmt::Debug for Entry<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("value", &self.value)
            .field("revision", &self.revision)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish()
    }
}

/// What a transaction did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The key was not there before.
    Created,
    /// The key has a new value.
    Updated,
    /// The key is gone; the event's value is the last state that the deletion announced.
    Deleted,
}

/// One change of one key.
#[derive(Debug)]
pub struct Event<R> {
    /// The key.
    pub key: Arc<str>,
    /// The revision of the transaction that made the change.
    pub revision: Revision,
    /// What happened.
    pub kind: EventKind,
    /// The new value; for a deletion the last state that it announced.
    pub value: Arc<R>,
    /// The value before, when there was one.
    pub previous: Option<Arc<R>>,
}
