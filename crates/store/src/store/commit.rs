//! The committer: one task that makes batches of what is queued, appends them, and publishes them in order.

use std::{collections::VecDeque, sync::Arc};

use tracing::error;

use super::{
    Shared,
    queue::{Change, Commit, Segment},
};
use crate::{
    Event, Head, Millis, Record, WriteError,
    payload::Writer,
    seal::{Kind, Position},
    state::{BatchEvents, Map},
};

/// How many batches before a snapshot are remembered by their hashes.
const TRAIL: usize = 1024;

/// What is known of the log's batches.
#[derive(Default)]
pub(super) struct LogIndex {
    /// Of the batches that no snapshot replaces, oldest first.
    pub(super) batches: VecDeque<BatchInfo>,
    /// Their size.
    bytes: u64,
    /// Heads before those that are remembered, oldest first.
    pub(super) trail: VecDeque<Head>,
    /// The head that was last anchored, as far as the store was told.
    pub(super) anchored: Option<Head>,
    /// The size of that snapshot.
    pub(super) snapshot_bytes: u64,
    /// The oldest key epoch that something of that snapshot is sealed under; none without a snapshot.
    pub(super) snapshot_epoch: Option<u32>,
}

#[derive(Clone, Copy)]
pub(super) struct BatchInfo {
    pub(super) head: Head,
    pub(super) bytes: u64,
    /// The key epoch that it is sealed under.
    pub(super) epoch: u32,
}

impl LogIndex {
    pub(super) fn size(&self) -> (usize, u64) {
        (self.batches.len(), self.bytes)
    }

    pub(super) fn add(&mut self, head: Head, bytes: u64, epoch: u32) {
        self.batches.push_back(BatchInfo { head, bytes, epoch });
        self.bytes += bytes;
    }

    /// The oldest key epoch that anything in the log is sealed under.
    pub(super) fn oldest_epoch(&self) -> Option<u32> {
        let batches = self.batches.iter().map(|batch| batch.epoch);
        batches.chain(self.snapshot_epoch).min()
    }

    /// Whether the batch with this number, or one that is remembered, has this hash.
    pub(super) fn knows(&self, sequence: Option<u64>, hash: &crate::BatchHash) -> bool {
        let batches = self.batches.iter().map(|batch| &batch.head);
        batches
            .chain(&self.trail)
            .chain(&self.anchored)
            .any(|head| head.hash == *hash && sequence.is_none_or(|number| number == head.sequence))
    }

    /// The heads that a snapshot which replaces the batches up to `sequence` should remember.
    pub(super) fn remembered(&self, sequence: u64) -> VecDeque<Head> {
        let mut heads = self.trail.clone();
        let replaced = self.batches.iter().map(|batch| batch.head);
        heads.extend(replaced.take_while(|head| head.sequence <= sequence));
        heads.drain(..heads.len().saturating_sub(TRAIL));
        if let Some(anchored) = self.anchored
            && heads
                .front()
                .is_some_and(|first| first.sequence > anchored.sequence)
        {
            heads.push_front(anchored);
        }
        heads
    }

    /// Forgets the batches up to `sequence`, except for the heads that are remembered.
    pub(super) fn truncate(&mut self, sequence: u64) {
        self.trail = self.remembered(sequence);
        while let Some(batch) = self.batches.front()
            && batch.head.sequence <= sequence
        {
            self.bytes -= batch.bytes;
            self.batches.pop_front();
        }
    }
}

struct Batch<R> {
    segment: Segment<R>,
    map: Map<R>,
    time: Millis,
}

/// Runs until the store is stopped and everything queued is written, or until an append fails.
pub(super) async fn run<R: Record>(shared: Arc<Shared<R>>) {
    let ended = loop {
        // Looked at first: once the store is stopping, nothing more is queued.
        let stopping = shared.stop.is_cancelled();
        let next = shared.queue.lock().take();
        let Some((segment, map)) = next else {
            if stopping {
                break WriteError::Closed;
            }
            shared.work.notified().await;
            continue;
        };
        let batch = Batch {
            segment,
            map,
            time: shared.clock.now(),
        };
        if let Err((error, commits)) = shared.commit(batch).await {
            error!(
                error = &error as &dyn std::error::Error,
                "the store takes no more writes"
            );
            fail(commits, &error);
            break error;
        }
    };
    shared.end(&ended);
    // After a failure, reads and watches stay until the store is stopped.
    shared.stop.cancelled().await;
    shared.hub.close();
}

fn fail<R>(commits: Vec<Commit<R>>, error: &WriteError) {
    for commit in commits {
        let _ = commit.done.send(Err(error.clone()));
    }
}

impl<R: Record> Shared<R> {
    async fn commit(&self, batch: Batch<R>) -> Result<(), (WriteError, Vec<Commit<R>>)> {
        let before = self.published.load().head;
        let mut revision = before.revision;
        let mut writer = Writer::batch(batch.segment.bytes, batch.time, before.revision.next());
        for commit in &batch.segment.commits {
            match &commit.change {
                Change::Writes {
                    revision: at,
                    writes,
                    values,
                } => {
                    revision = *at;
                    writer.transaction(writes.len());
                    for (write, value) in writes.iter().zip(values) {
                        let entry = &write.entry;
                        writer.write(&entry.key, write.deleted, entry.expires, value.as_ref());
                    }
                }
                Change::Compaction(to) => writer.compaction(*to),
            }
        }
        let position = Position {
            kind: Kind::Batch,
            sequence: before.sequence + 1,
            index: 0,
            previous: before.hash,
        };
        let keys = self.keys.load_full();
        let (sealed, hash) = match keys.seal(position, writer.into_buffer()) {
            Ok(sealed) => sealed,
            Err(error) => {
                return Err((WriteError::Seal(Arc::new(error)), batch.segment.commits));
            }
        };
        let bytes = sealed.len() as u64;
        if let Err(error) = self.log.append(position.sequence, sealed).await {
            return Err((WriteError::Failed(Arc::new(error)), batch.segment.commits));
        }
        let head = Head {
            sequence: position.sequence,
            hash,
            revision,
        };
        self.publish(batch, head, bytes, keys.epoch());
        Ok(())
    }

    fn publish(&self, batch: Batch<R>, head: Head, bytes: u64, epoch: u32) {
        let mut events: Vec<Arc<Event<R>>> = Vec::with_capacity(batch.segment.commits.len());
        let mut compacted = None;
        for commit in &batch.segment.commits {
            match &commit.change {
                Change::Writes { writes, .. } => {
                    events.extend(writes.iter().map(crate::transaction::Write::event));
                    self.expiries.add(writes.iter().map(|write| &write.entry));
                }
                Change::Compaction(to) => compacted = Some(*to),
            }
        }
        let mut next = self.published.load().as_ref().clone();
        next.map = batch.map;
        next.head = head;
        let batch_events = Arc::new(BatchEvents {
            last: head.revision,
            time: batch.time,
            events: events.into_boxed_slice(),
        });
        if !batch_events.events.is_empty() {
            next.history.push_back(batch_events.clone());
        }
        if let Some(to) = compacted {
            next.compact(to);
        }
        let look = next.history.len() == 1
            || head.revision.0 - next.compacted.0 > self.options.retain_revisions;
        self.index.lock().add(head, bytes, epoch);
        // What only the old state still reached is freed after the hub's lock is.
        let _old = self.hub.publish(head.revision, &batch_events.events, || {
            self.published.swap(Arc::new(next))
        });
        self.status
            .send_modify(|status| status.revision = head.revision);
        if look {
            self.retention.notify_one();
        }
        for commit in batch.segment.commits {
            let _ = commit.done.send(Ok(()));
        }
        self.queue.lock().bytes -= batch.segment.bytes;
        self.space.notify_waiters();
    }

    /// No more writes: everybody who waits is told why.
    fn end(&self, why: &WriteError) {
        {
            let mut queue = self.queue.lock();
            queue.ended = Some(why.clone());
            while let Some((segment, _)) = queue.take() {
                fail(segment.commits, why);
            }
            queue.bytes = 0;
        }
        self.space.notify_waiters();
        self.status
            .send_modify(|status| status.ended = Some(why.clone()));
    }
}
