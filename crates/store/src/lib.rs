//! A multi-version store in memory over a sealed log.
//!
//! All reads, lists and watches work on state in memory, [`Snapshot`]s of which are free. All writes go through
//! [`Store::transact`]; they are packed into batches, sealed, appended to a [`Log`], and published in order once
//! they are durable. What is on disk is ciphertext that can be neither read, nor changed, reordered, cut or mixed
//! with another history unseen ([`SealError`] has one variant for each); that a whole older copy was put in its
//! place shows when the store is opened with the point that it must reach ([`Options::expect`]).
//!
//! Guarantees:
//! - a write is acknowledged and visible only when it is durable;
//! - revisions are dense, and published in order;
//! - a snapshot at a revision is exact, for as long as the revision is not compacted;
//! - a watch gives each change once and in order, or ends with an error that says why it can't.
//!
//! Left to others: what a record means, and where the keys come from.

mod clock;
mod entry;
mod error;
mod head;
mod log;
pub mod memory;
mod options;
mod payload;
mod record;
mod revision;
mod seal;
mod state;
mod store;
mod transaction;
mod watch;

pub use clock::{Clock, ManualClock, Millis, SystemClock};
pub use entry::{Entry, Event, EventKind};
pub use error::{
    AtError, CompactError, Compacted, Future, OpenError, RewriteError, SnapshotError,
    TransactError, WaitError, WatchError, WriteError,
};
pub use head::{Anchor, Head};
pub use log::{Log, LogError, LogState, SnapshotId, StoredBatch};
pub use options::Options;
pub use record::{Raw, Record, RecordError};
pub use revision::Revision;
pub use seal::{BatchHash, Piece, SealError, SealingKeys};
pub use state::{Range, Snapshot};
pub use store::{Stats, Store};
pub use transaction::Transaction;
pub use watch::{Watch, WatchItem};
