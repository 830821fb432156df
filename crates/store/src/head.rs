//! Points of the log: where it ends, and where it is known to have been.

use crate::{BatchHash, Revision};

/// The last batch of a log. Its hash is the state root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number; zero when nothing was written.
    pub sequence: u64,
    /// Its hash, which commits to everything before it.
    pub hash: BatchHash,
    /// The last revision in it or before it.
    pub revision: Revision,
}

/// A point of the history that is known to have been written, for [`crate::Options::expect`]: a state root that was anchored
/// somewhere out of the log's reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The head's revision.
    pub revision: Revision,
    /// The head's hash.
    pub hash: BatchHash,
    /// The head's number, where it is known. Without it, a log that ends with the right revision but another hash is
    /// called forked even if it only lacks a batch without revisions.
    pub sequence: Option<u64>,
}

impl From<Head> for Anchor {
    fn from(head: Head) -> Self {
        Self {
            revision: head.revision,
            hash: head.hash,
            sequence: Some(head.sequence),
        }
    }
}
