//! A log in memory, for tests: durable for as long as a clone of it lives, and able to fail on demand.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Log, LogError, LogState, SnapshotId, StoredBatch};

/// A log in memory. Clones share their content, so a store can be closed and opened again on it. Its content is
/// open to tests that tamper with it.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    content: Mutex<MemoryContent>,
    last: watch::Sender<u64>,
    gate: watch::Sender<bool>,
}

/// What a [`MemoryLog`] holds.
#[derive(Clone, Default)]
pub struct MemoryContent {
    /// The batches by sequence number.
    pub batches: BTreeMap<u64, Bytes>,
    /// The chunks of all snapshots.
    pub chunks: BTreeMap<(SnapshotId, u32), Bytes>,
    /// The newest committed snapshot's manifest.
    pub manifest: Option<(SnapshotId, Bytes)>,
    /// When set, appends fail.
    pub failing: bool,
}

impl MemoryContent {
    fn last(&self) -> u64 {
        let snapshot = self.manifest.as_ref().map_or(0, |(id, _)| id.sequence);
        let batch = self.batches.keys().next_back().copied().unwrap_or(0);
        batch.max(snapshot)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::of(MemoryContent::default())
    }

    /// A log with this content.
    #[must_use]
    pub fn of(content: MemoryContent) -> Self {
        let last = content.last();
        Self {
            shared: Arc::new(Shared {
                content: Mutex::new(content),
                last: watch::Sender::new(last),
                gate: watch::Sender::new(true),
            }),
        }
    }

    /// A copy of the content as it is now, as somebody who copies the disk would take it.
    #[must_use]
    pub fn content(&self) -> MemoryContent {
        self.shared.content.lock().clone()
    }

    /// Makes appends fail from now on, or work again.
    pub fn set_failing(&self, failing: bool) {
        self.shared.content.lock().failing = failing;
    }

    /// Holds appends back until released, as a slow disk does.
    pub fn hold(&self) {
        self.shared.gate.send_replace(false);
    }

    /// Lets appends through again.
    pub fn release(&self) {
        self.shared.gate.send_replace(true);
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn state(&self) -> Result<LogState, LogError> {
        let content = self.shared.content.lock();
        Ok(LogState {
            last: content.last(),
            snapshot: content.manifest.clone(),
        })
    }

    async fn append(&self, sequence: u64, sealed: Bytes) -> Result<(), LogError> {
        let mut gate = self.shared.gate.subscribe();
        gate.wait_for(|open| *open)
            .await
            .map_err(|_| LogError::Closed)?;
        {
            let mut content = self.shared.content.lock();
            if content.failing {
                return Err(LogError::Io {
                    action: "append",
                    place: "memory".to_owned(),
                    source: "told to fail".into(),
                });
            }
            let last = content.last();
            if sequence != last + 1 {
                return Err(LogError::NotNext { sequence, last });
            }
            content.batches.insert(sequence, sealed);
        }
        self.shared.last.send_replace(sequence);
        Ok(())
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<StoredBatch>, LogError> {
        let content = self.shared.content.lock();
        let mut bytes = 0;
        let batches = content
            .batches
            .range(from..)
            .take_while(|(_, sealed)| {
                let before = bytes;
                bytes += sealed.len();
                before == 0 || bytes <= limit
            })
            .map(|(sequence, sealed)| StoredBatch {
                sequence: *sequence,
                sealed: sealed.clone(),
            })
            .collect();
        Ok(batches)
    }

    async fn wait_past(&self, sequence: u64) -> Result<(), LogError> {
        let mut last = self.shared.last.subscribe();
        last.wait_for(|last| *last > sequence)
            .await
            .map_err(|_| LogError::Closed)?;
        Ok(())
    }

    async fn write_chunk(&self, id: SnapshotId, index: u32, sealed: Bytes) -> Result<(), LogError> {
        self.shared
            .content
            .lock()
            .chunks
            .insert((id, index), sealed);
        Ok(())
    }

    async fn commit_snapshot(&self, id: SnapshotId, manifest: Bytes) -> Result<(), LogError> {
        self.shared.content.lock().manifest = Some((id, manifest));
        Ok(())
    }

    async fn read_chunk(&self, id: SnapshotId, index: u32) -> Result<Option<Bytes>, LogError> {
        Ok(self.shared.content.lock().chunks.get(&(id, index)).cloned())
    }

    async fn truncate(&self, id: SnapshotId) -> Result<(), LogError> {
        let mut content = self.shared.content.lock();
        content.batches = content.batches.split_off(&(id.sequence + 1));
        content.chunks.retain(|(of, _), _| *of == id);
        Ok(())
    }
}
