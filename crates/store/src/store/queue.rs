//! The writers' side: transactions run under the queue's lock and wait for the committer.

use std::{collections::VecDeque, mem, pin::pin};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::Shared;
use crate::{
    Entry, Millis, Record, Revision, TransactError, Transaction, WriteError,
    payload::OVERHEAD,
    state::{Map, Version, trim},
    transaction::Write,
};

/// The state that the next transaction sees, and what lies between it and the published state.
pub(super) struct Queue<R> {
    pub(super) map: Map<R>,
    /// The last revision given out.
    pub(super) revision: Revision,
    /// Full batches, each with the state after it.
    full: VecDeque<(Segment<R>, Map<R>)>,
    /// The batch that is being filled.
    open: Segment<R>,
    /// The bytes of all of these, and of the batch being committed.
    pub(super) bytes: usize,
    pub(super) ended: Option<WriteError>,
    pub(super) closed: bool,
}

/// What one batch will hold.
pub(super) struct Segment<R> {
    pub(super) commits: Vec<Commit<R>>,
    pub(super) bytes: usize,
}

impl<R> Default for Segment<R> {
    fn default() -> Self {
        Self {
            commits: Vec::new(),
            bytes: 0,
        }
    }
}

pub(super) struct Commit<R> {
    pub(super) change: Change<R>,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

// Nearly all are writes; an allocation for each would only please the rare compaction.
#[allow(clippy::large_enum_variant)]
pub(super) enum Change<R> {
    Writes {
        revision: Revision,
        writes: SmallVec<[Write<R>; 1]>,
        /// The encoded values; `None` for a deletion that announces the value as it was.
        values: SmallVec<[Option<Bytes>; 1]>,
    },
    Compaction(Revision),
}

enum Outcome<T, E> {
    Refused(E, Revision),
    Unchanged(T, Revision),
    Queued(T, Revision, Done),
}

/// Resolves when a commit is published, or can't be.
pub(super) type Done = oneshot::Receiver<Result<(), WriteError>>;

impl<R> Queue<R> {
    pub(super) fn new(map: Map<R>, revision: Revision) -> Self {
        Self {
            map,
            revision,
            full: VecDeque::new(),
            open: Segment::default(),
            bytes: 0,
            ended: None,
            closed: false,
        }
    }

    fn usable(&self) -> Result<(), WriteError> {
        match &self.ended {
            Some(error) => Err(error.clone()),
            None if self.closed => Err(WriteError::Closed),
            None => Ok(()),
        }
    }

    /// What the next batch is to hold, and the state after it.
    pub(super) fn take(&mut self) -> Option<(Segment<R>, Map<R>)> {
        if let Some(full) = self.full.pop_front() {
            return Some(full);
        }
        if self.open.commits.is_empty() {
            return None;
        }
        Some((mem::take(&mut self.open), self.map.clone()))
    }

    /// Starts another batch if this many bytes don't fit into the open one. Must come before the commit is applied
    /// to the state.
    fn make_room(&mut self, bytes: usize, limit: usize) {
        if !self.open.commits.is_empty() && self.open.bytes + bytes > limit {
            let full = mem::take(&mut self.open);
            self.full.push_back((full, self.map.clone()));
        }
    }

    fn push(&mut self, change: Change<R>, bytes: usize) -> Done {
        let (done, receiver) = oneshot::channel();
        self.open.commits.push(Commit { change, done });
        self.open.bytes += bytes;
        self.bytes += bytes;
        receiver
    }

    /// Applies a compaction of these keys and queues it.
    pub(super) fn compact<'a>(
        &mut self,
        keys: impl Iterator<Item = &'a str>,
        to: Revision,
        limit: usize,
    ) -> Result<Done, WriteError> {
        self.usable()?;
        self.make_room(OVERHEAD, limit);
        for key in keys {
            trim(&mut self.map, key, to);
        }
        Ok(self.push(Change::Compaction(to), OVERHEAD))
    }
}

impl<R: Record> Queue<R> {
    fn run<T, E>(
        &mut self,
        now: Millis,
        limit: usize,
        change: impl FnOnce(&mut Transaction<'_, R>) -> Result<T, E>,
    ) -> Result<Outcome<T, E>, WriteError> {
        let revision = self.revision.next();
        let mut transaction = Transaction {
            base: &self.map,
            revision,
            now,
            writes: SmallVec::new(),
        };
        let result = match change(&mut transaction) {
            Ok(result) => result,
            Err(refusal) => return Ok(Outcome::Refused(refusal, self.revision)),
        };
        let writes = transaction.writes;
        if writes.is_empty() {
            return Ok(Outcome::Unchanged(result, self.revision));
        }
        let values: SmallVec<[Option<Bytes>; 1]> = writes.iter().map(Write::encode).collect();
        let bytes = OVERHEAD
            + writes
                .iter()
                .zip(&values)
                .map(|(write, value)| {
                    OVERHEAD + write.entry.key.len() + value.as_ref().map_or(0, Bytes::len)
                })
                .sum::<usize>();
        if bytes > limit {
            return Err(WriteError::TooLarge { bytes, limit });
        }
        self.make_room(bytes, limit);
        self.revision = revision;
        for write in &writes {
            apply(&mut self.map, write.entry.clone(), write.deleted);
        }
        let change = Change::Writes {
            revision,
            writes,
            values,
        };
        let done = self.push(change, bytes);
        Ok(Outcome::Queued(result, revision, done))
    }
}

/// Puts a version on top of its key's.
pub(super) fn apply<R>(map: &mut Map<R>, entry: Entry<R>, deleted: bool) {
    let key = entry.key.clone();
    let previous = map.get(&key).cloned();
    map.insert(key, Version::new(entry, deleted, previous));
}

impl<R: Record> Shared<R> {
    pub(super) async fn transact<T, E>(
        &self,
        change: impl FnOnce(&mut Transaction<'_, R>) -> Result<T, E>,
    ) -> Result<(T, Revision), TransactError<E>> {
        let mut change = Some(change);
        let outcome = loop {
            let mut space = pin!(self.space.notified());
            space.as_mut().enable();
            if let Some(outcome) = self.try_transact(&mut change)? {
                break outcome;
            }
            space.await;
        };
        match outcome {
            Outcome::Queued(result, revision, done) => {
                self.work.notify_one();
                settled(done).await?;
                Ok((result, revision))
            }
            Outcome::Unchanged(result, seen) => {
                self.reach(seen).await?;
                Ok((result, seen))
            }
            Outcome::Refused(refusal, seen) => {
                self.reach(seen).await?;
                Err(TransactError::Refused(refusal))
            }
        }
    }

    /// Runs the change unless the queue is full.
    fn try_transact<T, E, F>(
        &self,
        change: &mut Option<F>,
    ) -> Result<Option<Outcome<T, E>>, WriteError>
    where
        F: FnOnce(&mut Transaction<'_, R>) -> Result<T, E>,
    {
        let mut queue = self.queue.lock();
        queue.usable()?;
        if queue.bytes >= self.options.max_queued_bytes {
            return Ok(None);
        }
        let Some(change) = change.take() else {
            return Ok(None);
        };
        queue
            .run(self.clock.now(), self.options.max_batch_bytes, change)
            .map(Some)
    }

    /// Waits until what a transaction saw is durable.
    async fn reach(&self, revision: Revision) -> Result<(), WriteError> {
        if self.published.load().head.revision >= revision {
            return Ok(());
        }
        let mut status = self.status.subscribe();
        let status = status
            .wait_for(|status| status.revision >= revision || status.ended.is_some())
            .await
            .map_err(|_| WriteError::Closed)?;
        match &status.ended {
            Some(error) if status.revision < revision => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Waits for the committer's word about a commit.
pub(super) async fn settled(done: Done) -> Result<(), WriteError> {
    done.await.unwrap_or(Err(WriteError::Closed))
}
