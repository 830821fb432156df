//! The contract between the store and whatever keeps its sealed batches.
//!
//! A log sees ciphertext only. It keeps batches in the order of their sequence numbers (from 1, dense) and
//! snapshots in chunks. It need not be trusted: everything it gives back is verified. What it must provide is
//! durability and, where several instances share it, fencing: an append succeeds for the one instance that holds
//! the lead and expects the true head, and for nobody else.

use async_trait::async_trait;
use bytes::Bytes;

/// Names a snapshot: the batch after which it stands, and which attempt at it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The last batch whose effects may be in the snapshot.
    pub sequence: u64,
    /// Distinguishes attempts at the same place.
    pub attempt: u64,
}

/// What a log has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The last batch's sequence number; zero when there never was one.
    pub last: u64,
    /// The newest committed snapshot and its sealed manifest.
    pub snapshot: Option<(SnapshotId, Bytes)>,
}

/// A sealed batch as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The sequence number that it is kept under.
    pub sequence: u64,
    /// The sealed batch.
    pub sealed: Bytes,
}

/// An append-only log of sealed batches with snapshots.
///
/// Exactly one caller appends at a time, and never again after a failed append. Dropping the log releases it.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// What there is.
    async fn state(&self) -> Result<LogState, LogError>;

    /// Makes a batch durable as number `sequence`, provided that the last one is `sequence - 1` and this instance
    /// still may write. Returns once the batch survives the loss of power; on an error it may or may not be there.
    async fn append(&self, sequence: u64, sealed: Bytes) -> Result<(), LogError>;

    /// The batches from `sequence` on, in order, about `limit` bytes of them but at least one if there is any.
    async fn read(&self, from: u64, limit: usize) -> Result<Vec<StoredBatch>, LogError>;

    /// Resolves once the log has a batch later than `sequence`, whoever wrote it.
    async fn wait_past(&self, sequence: u64) -> Result<(), LogError>;

    /// Keeps a chunk of a snapshot that is being written. It need not be durable before the commit is.
    async fn write_chunk(&self, id: SnapshotId, index: u32, sealed: Bytes) -> Result<(), LogError>;

    /// Makes a snapshot whose chunks were written the newest, durably, all or nothing.
    async fn commit_snapshot(&self, id: SnapshotId, manifest: Bytes) -> Result<(), LogError>;

    /// A chunk of the newest snapshot.
    async fn read_chunk(&self, id: SnapshotId, index: u32) -> Result<Option<Bytes>, LogError>;

    /// Forgets what the snapshot `id`, which has been committed, replaces: the batches up to and with its sequence,
    /// and all other snapshots, finished or not. May stop half-way in a crash; the next one completes it.
    async fn truncate(&self, id: SnapshotId) -> Result<(), LogError>;
}

/// Why a log could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The append did not continue the log.
    #[error("batch {sequence} does not follow the log's last batch {last}")]
    NotNext {
        /// The batch to append.
        sequence: u64,
        /// The last batch there is.
        last: u64,
    },
    /// Another instance has taken over.
    #[error("this instance no longer holds the log")]
    Fenced,
    /// Another process has the log open.
    #[error("{place} is in use by another process")]
    InUse {
        /// The file.
        place: String,
    },
    /// The log may not be read or written by this user.
    #[error("{place} is not writable")]
    NotWritable {
        /// The file.
        place: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The log is shorter than it says.
    #[error("{place} is truncated")]
    Truncated {
        /// The file.
        place: String,
    },
    /// The log's own structure is damaged.
    #[error("{place} is corrupted: {reason}")]
    Corrupted {
        /// The file.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The log was written by an incompatible version.
    #[error("{place} has format version {found}, this program reads version {supported}")]
    OtherVersion {
        /// The file.
        place: String,
        /// Its version.
        found: String,
        /// The version that is supported.
        supported: String,
    },
    /// There is no more space.
    #[error("there is no space left for {place}")]
    Full {
        /// The file.
        place: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Input or output failed.
    #[error("{action} failed on {place}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or endpoint.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}
