//! Compaction, in memory and of the log.
//!
//! Giving up history and writing snapshots are two things. A compaction drops versions and events, and is itself an
//! operation in the log, so that it holds after a restart and on a follower. A snapshot of the state at the compacted
//! revision is written only now and then, when the batches that it replaces outweigh it; the batches after it remain,
//! and with them all the history that may still be asked for.

use std::{collections::HashSet, sync::Arc};

use tracing::{debug, warn};

use super::{Shared, queue::settled};
use crate::{
    BatchHash, CompactError, Compacted, Future, Millis, Record, Revision, RewriteError,
    SealingKeys, Snapshot, SnapshotError, SnapshotId,
    payload::{Manifest, Writer},
    seal::{Kind, Position, hash},
    state::Published,
};

/// The most events whose keys are trimmed under the queue's lock at a time.
const AT_ONCE: usize = 4096;

/// Keeps to the options' retention until the store stops.
pub(super) async fn run<R: Record>(shared: Arc<Shared<R>>) {
    loop {
        let due = shared.next_retention();
        let sleep = due.map(|at| shared.clock.sleep_until(at));
        let due = async {
            match sleep {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.retention.notified() => {}
            () = due => {}
        }
        let state = shared.published.load_full();
        let target = shared.retained_from(&state);
        if target > state.compacted {
            match shared.compact(target).await {
                Ok(()) | Err(CompactError::Compacted(_) | CompactError::Future(_)) => {}
                Err(CompactError::Unavailable(_)) => return,
            }
        }
        if shared.snapshot_is_due()
            && let Err(error) = shared.write_snapshot().await
        {
            warn!(
                error = &error as &dyn std::error::Error,
                "no snapshot was written"
            );
        }
    }
}

impl<R: Record> Shared<R> {
    /// When the oldest events are past their time by a tenth of it, so that compactions come in pieces of some size.
    fn next_retention(&self) -> Option<Millis> {
        let state = self.published.load();
        let oldest = state.history.front()?.time;
        let retain = self.options.retain;
        Some(oldest.after(retain + retain / 10))
    }

    /// The revision that the options say to compact to.
    fn retained_from(&self, state: &Published<R>) -> Revision {
        let cutoff = self.clock.now().before(self.options.retain);
        let by_time = state
            .history
            .iter()
            .take_while(|batch| batch.time <= cutoff)
            .last()
            .map_or(Revision::ZERO, |batch| batch.last);
        let kept = state.head.revision.0 - state.compacted.0;
        let by_count = if kept > self.options.retain_revisions {
            // A tenth more, so that this is not due again at once.
            let keep = self.options.retain_revisions - self.options.retain_revisions / 10;
            Revision(state.head.revision.0.saturating_sub(keep))
        } else {
            Revision::ZERO
        };
        by_time.max(by_count)
    }

    pub(super) async fn compact(&self, to: Revision) -> Result<(), CompactError> {
        let _alone = self.compacting.lock().await;
        let state = self.published.load_full();
        if to > state.head.revision {
            return Err(Future {
                requested: to,
                current: state.head.revision,
            }
            .into());
        }
        // upstream: etcd server/storage/mvcc/kvstore.go#updateCompactRev
        if to <= state.compacted {
            return Err(Compacted {
                requested: to,
                oldest: state.compacted,
            }
            .into());
        }
        let mut keys: HashSet<&str> = HashSet::new();
        let mut last = None;
        for batch in &state.history {
            keys.extend(
                batch
                    .events
                    .iter()
                    .take_while(|event| event.revision <= to)
                    .map(|event| &*event.key),
            );
            let done = batch.last >= to;
            if done || keys.len() >= AT_ONCE {
                let limit = self.options.max_batch_bytes;
                let until = batch.last.min(to);
                last = Some(self.queue.lock().compact(keys.drain(), until, limit)?);
                self.work.notify_one();
                tokio::task::yield_now().await;
            }
            if done {
                break;
            }
        }
        if let Some(last) = last {
            settled(last).await?;
        }
        Ok(())
    }

    fn snapshot_is_due(&self) -> bool {
        let compacted = self.published.load().compacted;
        let index = self.index.lock();
        let behind: u64 = index
            .batches
            .iter()
            .take_while(|batch| batch.head.revision <= compacted)
            .map(|batch| batch.bytes)
            .sum();
        behind >= self.options.snapshot_after_bytes.max(index.snapshot_bytes)
    }

    /// Gives up the history so far and replaces the log with a snapshot, until nothing in it is sealed under an epoch
    /// before `epoch`.
    pub(super) async fn rewrite(&self, epoch: u32) -> Result<(), RewriteError> {
        while self
            .index
            .lock()
            .oldest_epoch()
            .is_some_and(|oldest| oldest < epoch)
        {
            if self.keys.load().epoch() < epoch {
                return Err(RewriteError::NoSuchEpoch(epoch));
            }
            let head = self.published.load().head.revision;
            match self.compact(head).await {
                Ok(()) | Err(CompactError::Compacted(_)) => {}
                Err(CompactError::Future(_)) => continue,
                Err(CompactError::Unavailable(error)) => return Err(error.into()),
            }
            self.write_snapshot().await?;
        }
        Ok(())
    }

    pub(super) async fn write_snapshot(&self) -> Result<(), SnapshotError> {
        let _alone = self.compacting.lock().await;
        let state = self.published.load_full();
        let (at, trail) = {
            let index = self.index.lock();
            let at = index
                .batches
                .iter()
                .map(|batch| batch.head)
                .take_while(|head| {
                    head.revision <= state.compacted && head.sequence <= state.head.sequence
                });
            let Some(at) = at.last() else {
                debug!("there is nothing that a snapshot would replace");
                return Ok(());
            };
            (at, index.remembered(at.sequence))
        };
        let id = SnapshotId {
            sequence: at.sequence,
            attempt: self.clock.now().0,
        };
        let snapshot = Snapshot {
            revision: state.compacted,
            state,
        };
        // One epoch for the whole of it, whatever is rotated meanwhile.
        let keys = self.keys.load_full();
        let mut writing = Writing {
            shared: self,
            keys: keys.clone(),
            id,
            previous: at.hash,
            chunks: 0,
            bytes: 0,
            hashes: Vec::new(),
        };
        let full = self.options.snapshot_chunk_bytes;
        let mut chunk = Writer::chunk(full);
        let mut entries = 0;
        for entry in snapshot.range("", None) {
            chunk.entry(entry, &entry.value.encode());
            entries += 1;
            if chunk.len() >= full {
                writing.chunk(chunk).await?;
                chunk = Writer::chunk(full);
            }
        }
        writing.chunk(chunk).await?;
        let manifest = Manifest {
            revision: snapshot.revision,
            base: at.revision,
            chunks: writing.chunks,
            entries,
            bytes: writing.bytes,
            digest: hash(CHUNKS, &writing.hashes),
            trail,
        };
        let position = writing.position(Kind::Manifest, 0);
        let (sealed, _) = keys.seal(position, manifest.encode())?;
        self.log.commit_snapshot(id, sealed).await?;
        {
            let mut index = self.index.lock();
            index.truncate(at.sequence);
            index.snapshot_bytes = manifest.bytes;
            index.snapshot_epoch = Some(keys.epoch());
        }
        self.log.truncate(id).await?;
        Ok(())
    }
}

/// The domain of the digest over a snapshot's chunks.
pub(super) const CHUNKS: &[u8] = b"daas store chunks v1\0";

struct Writing<'a, R> {
    shared: &'a Shared<R>,
    keys: Arc<SealingKeys>,
    id: SnapshotId,
    previous: BatchHash,
    chunks: u32,
    bytes: u64,
    hashes: Vec<u8>,
}

impl<R: Record> Writing<'_, R> {
    fn position(&self, kind: Kind, index: u32) -> Position {
        Position {
            kind,
            sequence: self.id.sequence,
            index,
            previous: self.previous,
        }
    }

    async fn chunk(&mut self, chunk: Writer) -> Result<(), SnapshotError> {
        let position = self.position(Kind::Chunk, self.chunks);
        let (sealed, hash) = self.keys.seal(position, chunk.into_buffer())?;
        self.bytes += sealed.len() as u64;
        self.hashes.extend_from_slice(&hash.0);
        self.shared
            .log
            .write_chunk(self.id, self.chunks, sealed)
            .await?;
        self.chunks += 1;
        Ok(())
    }
}
