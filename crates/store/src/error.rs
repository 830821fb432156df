//! Errors, one enum per operation.

use std::{sync::Arc, time::Duration};

use crate::{LogError, Revision, SealError};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[source] LogError),
    /// Something in the log is not what this store wrote there.
    #[error("the log does not verify")]
    Verify(#[source] SealError),
    /// The log ends before the expected point: it is an older copy.
    #[error(
        "the log was rolled back: it ends at revision {found} (batch {sequence}), but revision {expected} is known to have been written"
    )]
    RolledBack {
        /// The last revision found.
        found: Revision,
        /// The last batch found.
        sequence: u64,
        /// The revision that must be there.
        expected: Revision,
    },
    /// The log reaches the expected point with another content: two instances have extended the same history.
    #[error(
        "the log was forked: its state at revision {revision} is not the one that is known to have been written"
    )]
    Forked {
        /// The revision of the expected point.
        revision: Revision,
    },
    /// The expected point lies so far before the newest snapshot that the log can no longer be shown to extend it.
    #[error(
        "the log remembers its state roots from revision {oldest} on, so it can't be shown to extend that of revision {expected}"
    )]
    AnchorForgotten {
        /// The revision of the expected point.
        expected: Revision,
        /// The oldest revision whose state root is remembered.
        oldest: Revision,
    },
    /// A record was authentic but could not be decoded.
    #[error("the record of {key} at revision {revision} could not be decoded")]
    Record {
        /// Its key.
        key: Arc<str>,
        /// Its revision.
        revision: Revision,
        /// Why.
        #[source]
        source: crate::RecordError,
    },
}

/// Why a transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The closure refused.
    #[error(transparent)]
    Refused(E),
    /// The store can't write (any more).
    #[error(transparent)]
    Unavailable(#[from] WriteError),
}

/// Why the store can't write.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// An append failed, now or earlier. Whether its batch reached the log is unknown until the log is opened
    /// again; nothing of it was published.
    #[error("the store takes no more writes because an append to its log failed")]
    Failed(#[source] Arc<LogError>),
    /// A batch could not be sealed.
    #[error("the store takes no more writes because a batch could not be sealed")]
    Seal(#[source] Arc<SealError>),
    /// A transaction is larger than a batch may be.
    #[error(
        "a transaction of {bytes} bytes is larger than the {limit} bytes that a batch may have"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// The revision asked for has been compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {requested} has been compacted, the oldest available is {oldest}")]
pub struct Compacted {
    /// What was asked for.
    pub requested: Revision,
    /// The oldest revision that can be read or watched from.
    pub oldest: Revision,
}

/// The revision asked for has not been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {requested} is in the future, the current one is {current}")]
pub struct Future {
    /// What was asked for.
    pub requested: Revision,
    /// The latest published revision.
    pub current: Revision,
}

/// Why the store has no state for a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// It is gone.
    #[error(transparent)]
    Compacted(#[from] Compacted),
    /// It is not there yet.
    #[error(transparent)]
    Future(#[from] Future),
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The consumer was slower than the events and its buffer overflowed. Everything up to here was delivered; a
    /// new watch may go on from the last revision received.
    #[error("the watch was cut off because its consumer lagged behind")]
    Lagged,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why waiting for a revision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time is up.
    #[error("revision {requested} was not reached within {waited:?}, the current one is {current}")]
    Timeout {
        /// What was waited for.
        requested: Revision,
        /// The latest published revision.
        current: Revision,
        /// How long.
        waited: Duration,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a compaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The revision has not been reached.
    #[error(transparent)]
    Future(#[from] Future),
    /// It was compacted before.
    #[error(transparent)]
    Compacted(#[from] Compacted),
    /// The store can't write.
    #[error(transparent)]
    Unavailable(#[from] WriteError),
}

/// Why the log was not rewritten. It is as it was, or partly rewritten already; either is whole.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The store does not seal under that epoch yet.
    #[error("the store has no keys of epoch {0} yet")]
    NoSuchEpoch(u32),
    /// The store can't write.
    #[error(transparent)]
    Unavailable(#[from] WriteError),
    /// The snapshot was not written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Why a snapshot was not written to the log. The log is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The log refused it.
    #[error("the log did not take the snapshot")]
    Log(#[from] LogError),
    /// It could not be sealed.
    #[error("the snapshot could not be sealed")]
    Seal(#[from] SealError),
}
