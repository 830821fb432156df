//! The store's settings.

use std::time::Duration;

use crate::Anchor;

/// Settings of a store; the defaults are those of a Kubernetes API server where it has any.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest time that superseded versions and events are kept for. Default: 5 minutes.
    pub retain: Duration,
    /// The most revisions for which superseded versions and events are kept. Default: 100,000.
    pub retain_revisions: u64,
    /// Whether the store compacts by itself, by the two settings above. Default: yes.
    pub compact: bool,
    /// A snapshot is written and the log truncated when this many bytes of batches, and at least as many as the last
    /// snapshot took, lie behind the compacted revision. Default: 64 MiB.
    pub snapshot_after_bytes: u64,
    /// The most plaintext bytes of a batch; a transaction larger than this is refused. Default: 8 MiB.
    pub max_batch_bytes: usize,
    /// Writers wait when this many bytes are queued. Default: 32 MiB.
    pub max_queued_bytes: usize,
    /// The plaintext bytes of a snapshot's chunk. Default: 1 MiB.
    pub snapshot_chunk_bytes: usize,
    /// How many events a watch may be behind before it is cut off. Default: 4,096.
    pub watch_buffer: usize,
    /// A point that the log must reach or extend, else it is not opened.
    pub expect: Option<Anchor>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retain: Duration::from_secs(300),
            retain_revisions: 100_000,
            compact: true,
            snapshot_after_bytes: 64 << 20,
            max_batch_bytes: 8 << 20,
            max_queued_bytes: 32 << 20,
            snapshot_chunk_bytes: 1 << 20,
            watch_buffer: 4096,
            expect: None,
        }
    }
}
