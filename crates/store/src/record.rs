//! What the store keeps under a key.

use bytes::Bytes;

use crate::Revision;

/// A value of the store. The store keeps it behind an `Arc`, hands it to readers without copying, and writes its
/// encoded form to the log.
pub trait Record: Sized + Send + Sync + 'static {
    /// The bytes from which [`Record::decode`] makes the same record again. Called once per write; should be a
    /// cheap clone of bytes that the record already holds.
    fn encode(&self) -> Bytes;

    /// The record as it was written under `key` by the transaction of `revision`. Called when a log is replayed.
    fn decode(key: &str, revision: Revision, bytes: Bytes) -> Result<Self, RecordError>;

    /// The last state that the `Deleted` event of an expiry announces, when it differs from the record as it
    /// stood (Kubernetes stamps the deletion's revision into the object). `None` announces it unchanged.
    fn expired(&self, _key: &str, _revision: Revision) -> Option<Self> {
        None
    }
}

/// Bytes that could not be read as a record.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RecordError {
    reason: String,
}

impl RecordError {
    /// An error that says why. The reason must not quote the record's content.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// A record that is its bytes and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl Record for Raw {
    fn encode(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(_key: &str, _revision: Revision, bytes: Bytes) -> Result<Self, RecordError> {
        Ok(Self(bytes))
    }
}

impl From<&str> for Raw {
    fn from(value: &str) -> Self {
        Self(Bytes::copy_from_slice(value.as_bytes()))
    }
}
