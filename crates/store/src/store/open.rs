//! Opening: the log is read from its newest snapshot on, verified, and replayed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Shared, Status,
    commit::LogIndex,
    compact::CHUNKS,
    expire::Expiries,
    queue::{Queue, apply},
};
use crate::{
    Anchor, Clock, Entry, Event, EventKind, Head, Log, Millis, OpenError, Options, Piece, Record,
    Revision, SealError, SealingKeys, SnapshotId, StoredBatch,
    payload::{Manifest, Operation, Reader, WriteRecord},
    seal::{Kind, Position, claimed_hash, claimed_previous, hash},
    state::{BatchEvents, History, Map, Published, Version, trim},
    watch::Hub,
};

/// How many bytes of batches are read at a time.
const READ: usize = 16 << 20;

pub(super) async fn open<R: Record>(
    log: Arc<dyn Log>,
    keys: SealingKeys,
    clock: Arc<dyn Clock>,
    options: Options,
) -> Result<Shared<R>, OpenError> {
    let found = log.state().await.map_err(OpenError::Log)?;
    let mut replay = Replay::new(&keys, options.expect);
    if let Some((id, manifest)) = &found.snapshot {
        replay.snapshot(&*log, *id, manifest).await?;
    }
    loop {
        let batches = log
            .read(replay.state.head.sequence + 1, READ)
            .await
            .map_err(OpenError::Log)?;
        if batches.is_empty() {
            break;
        }
        for batch in &batches {
            replay.batch(batch)?;
        }
    }
    if found.last > replay.state.head.sequence || replay.from > replay.state.head.revision {
        return Err(OpenError::Verify(SealError::Missing(
            replay.state.head.sequence + 1,
        )));
    }
    replay.reached()?;
    let Replay { state, index, .. } = replay;
    let expiries = Expiries::new();
    expiries.add(state.map.values().filter_map(|version| version.live()));
    let revision = state.head.revision;
    Ok(Shared {
        hub: Hub::new(revision),
        queue: Mutex::new(Queue::new(state.map.clone(), revision)),
        published: ArcSwap::from_pointee(state),
        work: Notify::new(),
        space: Notify::new(),
        status: watch::Sender::new(Status {
            revision,
            ended: None,
        }),
        index: Mutex::new(index),
        expiries,
        retention: Notify::new(),
        compacting: tokio::sync::Mutex::new(()),
        keys: ArcSwap::from_pointee(keys),
        log,
        clock,
        options,
        stop: CancellationToken::new(),
    })
}

struct Replay<'a, R> {
    keys: &'a SealingKeys,
    expect: Option<Anchor>,
    /// The expected batch was met.
    met: bool,
    state: Published<R>,
    index: LogIndex,
    /// Transactions up to here are in the snapshot.
    from: Revision,
}

impl<'a, R: Record> Replay<'a, R> {
    fn new(keys: &'a SealingKeys, expect: Option<Anchor>) -> Self {
        Self {
            keys,
            expect,
            met: expect.is_none_or(|expect| expect.hash == keys.genesis()),
            state: Published {
                map: Map::new(),
                history: History::new(),
                compacted: Revision::ZERO,
                head: Head {
                    sequence: 0,
                    hash: keys.genesis(),
                    revision: Revision::ZERO,
                },
            },
            index: LogIndex::default(),
            from: Revision::ZERO,
        }
    }

    async fn snapshot(
        &mut self,
        log: &dyn Log,
        id: SnapshotId,
        sealed: &Bytes,
    ) -> Result<(), OpenError> {
        let piece = Piece::Manifest(id.sequence);
        let previous = claimed_previous(piece, sealed).map_err(OpenError::Verify)?;
        let mut position = Position {
            kind: Kind::Manifest,
            sequence: id.sequence,
            index: 0,
            previous,
        };
        let (content, _, mut oldest) = self
            .keys
            .open(position, sealed)
            .map_err(OpenError::Verify)?;
        let manifest =
            Manifest::decode(&content).ok_or(OpenError::Verify(SealError::Unreadable(piece)))?;
        position.kind = Kind::Chunk;
        let mut hashes = Vec::new();
        let mut entries = 0;
        for index in 0..manifest.chunks {
            let sealed = log
                .read_chunk(id, index)
                .await
                .map_err(OpenError::Log)?
                .ok_or(OpenError::Verify(SealError::MissingChunk {
                    sequence: id.sequence,
                    index,
                }))?;
            position.index = index;
            let (content, hash, epoch) = self
                .keys
                .open(position, &sealed)
                .map_err(OpenError::Verify)?;
            oldest = oldest.min(epoch);
            hashes.extend_from_slice(&hash.0);
            entries += self.chunk(&content, position.piece())?;
        }
        if hash(CHUNKS, &hashes) != manifest.digest || entries != manifest.entries {
            return Err(OpenError::Verify(SealError::OtherChunks(id.sequence)));
        }
        self.from = manifest.revision;
        self.state.compacted = manifest.revision;
        self.state.head = Head {
            sequence: id.sequence,
            hash: previous,
            revision: manifest.base,
        };
        for head in &manifest.trail {
            self.meet(*head);
        }
        self.index.anchored = self.index.anchored.or(manifest.trail.front().copied());
        self.index.trail = manifest.trail;
        self.index.snapshot_bytes = manifest.bytes;
        self.index.snapshot_epoch = Some(oldest);
        Ok(())
    }

    fn chunk(&mut self, content: &[u8], piece: Piece) -> Result<u64, OpenError> {
        let unreadable = || OpenError::Verify(SealError::Unreadable(piece));
        let mut reader = Reader::new(content).ok_or_else(unreadable)?;
        let mut entries = 0;
        while !reader.is_empty() {
            let record = reader.entry().ok_or_else(unreadable)?;
            let key: Arc<str> = Arc::from(record.key);
            let value = decode(&key, record.revision, record.value)?;
            let entry = Entry {
                key: key.clone(),
                value: Arc::new(value),
                revision: record.revision,
                created: record.created,
                expires: record.expires,
            };
            self.state.map.insert(key, Version::new(entry, false, None));
            entries += 1;
        }
        Ok(entries)
    }

    fn batch(&mut self, batch: &StoredBatch) -> Result<(), OpenError> {
        let head = self.state.head;
        let position = Position {
            kind: Kind::Batch,
            sequence: head.sequence + 1,
            index: 0,
            previous: head.hash,
        };
        let piece = position.piece();
        if batch.sequence != position.sequence {
            return Err(OpenError::Verify(SealError::Missing(position.sequence)));
        }
        let (content, hash, epoch) = self
            .keys
            .open(position, &batch.sealed)
            .map_err(|error| OpenError::Verify(self.explain(error, batch)))?;
        let unreadable = || OpenError::Verify(SealError::Unreadable(piece));
        let (time, first, mut reader) = Reader::batch(&content).ok_or_else(unreadable)?;
        if first != head.revision.next() {
            return Err(unreadable());
        }
        let mut revision = head.revision;
        let mut events = Vec::new();
        while !reader.is_empty() {
            match reader.operation().ok_or_else(unreadable)? {
                Operation::Transaction(writes) => {
                    revision = revision.next();
                    if revision > self.from {
                        for write in writes {
                            events.push(self.write(revision, &write, piece)?);
                        }
                    }
                }
                Operation::Compaction(to) => self.compact(to, &events),
            }
        }
        self.state.head = Head {
            sequence: position.sequence,
            hash,
            revision,
        };
        self.remember(time, events);
        self.meet(self.state.head);
        self.index
            .add(self.state.head, batch.sealed.len() as u64, epoch);
        Ok(())
    }

    fn write(
        &mut self,
        revision: Revision,
        write: &WriteRecord<'_>,
        piece: Piece,
    ) -> Result<Arc<Event<R>>, OpenError> {
        let before = self.state.map.get(write.key);
        let key = before.map_or_else(|| Arc::from(write.key), |version| version.entry.key.clone());
        let before = before.and_then(|version| version.live()).cloned();
        let value = match (write.value, &before) {
            (Some(value), _) => Arc::new(decode(&key, revision, value)?),
            (None, Some(before)) => before.value.clone(),
            (None, None) => return Err(OpenError::Verify(SealError::Unreadable(piece))),
        };
        let entry = Entry {
            key: key.clone(),
            value: value.clone(),
            revision,
            created: before.as_ref().map_or(revision, |before| before.created),
            expires: write.expires,
        };
        apply(&mut self.state.map, entry, write.deleted);
        Ok(Arc::new(Event {
            key,
            revision,
            kind: match (write.deleted, &before) {
                (true, _) => EventKind::Deleted,
                (false, None) => EventKind::Created,
                (false, Some(_)) => EventKind::Updated,
            },
            value,
            previous: before.map(|before| before.value),
        }))
    }

    fn compact(&mut self, to: Revision, current: &[Arc<Event<R>>]) {
        let batches = self
            .state
            .history
            .iter()
            .flat_map(|batch| batch.events.iter());
        for event in batches
            .chain(current)
            .take_while(|event| event.revision <= to)
        {
            trim(&mut self.state.map, &event.key, to);
        }
        self.state.compact(to);
    }

    /// Keeps a batch's events, unless a compaction in the batch itself has given all of them up.
    fn remember(&mut self, time: Millis, events: Vec<Arc<Event<R>>>) {
        let last = self.state.head.revision;
        if !events.is_empty() && last > self.state.compacted {
            self.state.history.push_back(Arc::new(BatchEvents {
                last,
                time,
                events: events.into_boxed_slice(),
            }));
        }
    }

    /// A batch in the wrong place may be one that was read before.
    fn explain(&self, error: SealError, batch: &StoredBatch) -> SealError {
        let SealError::Misplaced { found, .. } = error else {
            return error;
        };
        let earlier = self
            .index
            .batches
            .iter()
            .find(|earlier| earlier.head.sequence == found)
            .map(|earlier| earlier.head.hash);
        let hash = claimed_hash(Piece::Batch(batch.sequence), &batch.sealed).ok();
        if earlier.is_some() && earlier == hash {
            return SealError::Duplicated {
                found,
                place: batch.sequence,
            };
        }
        error
    }

    /// Compares a head with the expected one.
    fn meet(&mut self, head: Head) {
        if self.expect.is_some_and(|expect| expect.hash == head.hash) {
            self.index.anchored = Some(head);
            self.met = true;
        }
    }

    fn reached(&self) -> Result<(), OpenError> {
        let Some(expect) = self.expect.filter(|_| !self.met) else {
            return Ok(());
        };
        let head = self.state.head;
        let behind = match expect.sequence {
            Some(sequence) => sequence > head.sequence,
            None => expect.revision > head.revision,
        };
        if behind {
            return Err(OpenError::RolledBack {
                found: head.revision,
                sequence: head.sequence,
                expected: expect.revision,
            });
        }
        match self.oldest_remembered() {
            Some(oldest) if expect.revision < oldest.revision => Err(OpenError::AnchorForgotten {
                expected: expect.revision,
                oldest: oldest.revision,
            }),
            _ => Err(OpenError::Forked {
                revision: expect.revision,
            }),
        }
    }

    /// From which head on every one is known. An anchored head may be remembered apart, before the others.
    fn oldest_remembered(&self) -> Option<&Head> {
        let trail = &self.index.trail;
        let mut oldest = trail.back()?;
        for head in trail.iter().rev().skip(1) {
            if head.sequence + 1 != oldest.sequence {
                break;
            }
            oldest = head;
        }
        Some(oldest)
    }
}

fn decode<R: Record>(key: &Arc<str>, revision: Revision, value: &[u8]) -> Result<R, OpenError> {
    // A copy of its own, so that no value keeps a whole batch in memory.
    R::decode(key, revision, Bytes::copy_from_slice(value)).map_err(|source| OpenError::Record {
        key: key.clone(),
        revision,
        source,
    })
}
