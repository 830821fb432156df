//! The log itself.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table};
use store::{Log, LogError, LogState, SnapshotId, StoredBatch};
use tokio::{sync::watch, task};

use crate::{
    error,
    file::{self, BATCHES, CHUNKS, META, SNAPSHOT},
};

/// How many rows a truncation removes in one transaction, so that an append never waits long for it.
const AT_ONCE: usize = 512;

/// A log in a redb file.
pub struct RedbLog {
    inner: Arc<Inner>,
    last: watch::Sender<u64>,
}

struct Inner {
    path: PathBuf,
    database: Database,
    // Released after the database is closed.
    _lock: File,
}

impl RedbLog {
    /// Opens the log in the file `path`, or makes one. Its folder must exist.
    ///
    /// Fails with [`LogError::InUse`] when another process (or another part of this one) has it open,
    /// [`LogError::NotWritable`], [`LogError::Truncated`], [`LogError::Corrupted`] or [`LogError::OtherVersion`]
    /// when that is so, and never changes a file that it can't read.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let path = path.into();
        let place = path.clone();
        let inner = blocking("opening", &place, move || {
            let lock = file::lock(&path)?;
            let database = file::open(&path)?;
            Ok(Arc::new(Inner {
                path,
                database,
                _lock: lock,
            }))
        })
        .await?;
        let log = Self {
            inner,
            last: watch::Sender::new(0),
        };
        let state = log.state().await?;
        log.last.send_replace(state.last);
        Ok(log)
    }

    /// As [`RedbLog::open`], but waits for as long as another process has the log open. When the waiting is given up, its
    /// thread stays until the lock is free and then lets go of it.
    pub async fn open_when_free(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let path = path.into();
        loop {
            match Self::open(&path).await {
                Err(LogError::InUse { .. }) => {}
                opened => return opened,
            }
            let (free, waiting) = tokio::sync::oneshot::channel();
            let place = path.clone();
            // No blocking task: it could not be ended, and a runtime waits for its tasks.
            let spawned = std::thread::Builder::new()
                .name("log-lock".to_owned())
                .spawn(move || {
                    let _ = free.send(file::wait_for_lock(&place));
                });
            spawned.map_err(|source| error::io("waiting for", &path, source))?;
            waiting.await.map_err(|_| LogError::Closed)??;
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, LogError> {
        let inner = self.inner.clone();
        blocking(action, &self.inner.path, move || {
            work(&inner).map_err(|failure| match failure {
                Failure::Redb(source) => error::any(action, &inner.path, source),
                Failure::Log(error) => error,
            })
        })
        .await
    }
}

/// Runs on a blocking thread. Should redb panic, that is an error as well: it says that a page can't be what it is.
async fn blocking<T: Send + 'static>(
    action: &'static str,
    path: &Path,
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) if failure.is_panic() => Err(error::corrupted(
            path,
            &format!("redb panicked while {action}"),
        )),
        Err(_) => Err(LogError::Closed),
    }
}

enum Failure {
    Redb(redb::Error),
    Log(LogError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// The last batch's number, and where the newest snapshot stands.
fn last(
    batches: &impl ReadableTable<u64, &'static [u8]>,
    snapshot: Option<SnapshotId>,
) -> Result<u64, redb::StorageError> {
    let batch = batches.last()?.map_or(0, |(sequence, _)| sequence.value());
    Ok(batch.max(snapshot.map_or(0, |id| id.sequence)))
}

fn encode(id: SnapshotId, manifest: &[u8]) -> Vec<u8> {
    [
        &id.sequence.to_be_bytes()[..],
        &id.attempt.to_be_bytes(),
        manifest,
    ]
    .concat()
}

fn decode(row: &[u8]) -> Option<(SnapshotId, &[u8])> {
    let (sequence, rest) = row.split_first_chunk()?;
    let (attempt, manifest) = rest.split_first_chunk()?;
    let id = SnapshotId {
        sequence: u64::from_be_bytes(*sequence),
        attempt: u64::from_be_bytes(*attempt),
    };
    Some((id, manifest))
}

impl Inner {
    fn snapshot(
        &self,
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Option<(SnapshotId, Bytes)>, Failure> {
        let Some(row) = meta.get(SNAPSHOT)? else {
            return Ok(None);
        };
        let (id, manifest) = decode(row.value()).ok_or_else(|| {
            Failure::Log(error::corrupted(
                &self.path,
                "its snapshot's row is too short",
            ))
        })?;
        Ok(Some((id, Bytes::copy_from_slice(manifest))))
    }

    fn append(&self, sequence: u64, sealed: &[u8]) -> Result<(), Failure> {
        let transaction = self.database.begin_write()?;
        {
            let snapshot = self.snapshot(&transaction.open_table(META)?)?;
            let mut batches = transaction.open_table(BATCHES)?;
            let last = last(&batches, snapshot.map(|(id, _)| id))?;
            if last.checked_add(1) != Some(sequence) {
                return Err(Failure::Log(LogError::NotNext { sequence, last }));
            }
            batches.insert(sequence, sealed)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Removes the first rows that `obsolete` says so of, some at a time; true when there may be more.
    fn prune(&self, id: SnapshotId) -> Result<bool, Failure> {
        let transaction = self.database.begin_write()?;
        let mut removed = 0;
        {
            let mut batches = transaction.open_table(BATCHES)?;
            while removed < AT_ONCE && first_is(&batches, |sequence: u64| sequence <= id.sequence)?
            {
                batches.pop_first()?;
                removed += 1;
            }
            let mut chunks: Table<(u64, u64, u32), &[u8]> = transaction.open_table(CHUNKS)?;
            let others = chunks.extract_if(|(sequence, attempt, _), _| {
                (sequence, attempt) != (id.sequence, id.attempt)
            })?;
            for row in others.take(AT_ONCE - removed) {
                row?;
                removed += 1;
            }
        }
        transaction.commit()?;
        Ok(removed == AT_ONCE)
    }
}

fn first_is(
    table: &impl ReadableTable<u64, &'static [u8]>,
    obsolete: impl Fn(u64) -> bool,
) -> Result<bool, redb::StorageError> {
    Ok(table
        .first()?
        .is_some_and(|(sequence, _)| obsolete(sequence.value())))
}

#[async_trait]
impl Log for RedbLog {
    async fn state(&self) -> Result<LogState, LogError> {
        self.run("reading", |inner| {
            let transaction = inner.database.begin_read()?;
            let snapshot = inner.snapshot(&transaction.open_table(META)?)?;
            let batches = transaction.open_table(BATCHES)?;
            Ok(LogState {
                last: last(&batches, snapshot.as_ref().map(|(id, _)| *id))?,
                snapshot,
            })
        })
        .await
    }

    async fn append(&self, sequence: u64, sealed: Bytes) -> Result<(), LogError> {
        self.run("appending", move |inner| inner.append(sequence, &sealed))
            .await?;
        self.last.send_replace(sequence);
        Ok(())
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<StoredBatch>, LogError> {
        self.run("reading", move |inner| {
            let transaction = inner.database.begin_read()?;
            let table = transaction.open_table(BATCHES)?;
            let mut batches = Vec::new();
            let mut bytes = 0;
            for row in table.range(from..)? {
                let (sequence, sealed) = row?;
                bytes += sealed.value().len();
                if bytes > limit && !batches.is_empty() {
                    break;
                }
                batches.push(StoredBatch {
                    sequence: sequence.value(),
                    sealed: Bytes::copy_from_slice(sealed.value()),
                });
            }
            Ok(batches)
        })
        .await
    }

    async fn wait_past(&self, sequence: u64) -> Result<(), LogError> {
        let mut last = self.last.subscribe();
        last.wait_for(|last| *last > sequence)
            .await
            .map_err(|_| LogError::Closed)?;
        Ok(())
    }

    async fn write_chunk(&self, id: SnapshotId, index: u32, sealed: Bytes) -> Result<(), LogError> {
        self.run("writing a snapshot", move |inner| {
            let mut transaction = inner.database.begin_write()?;
            // The commit of the snapshot, or of the next batch, makes it durable.
            transaction.set_durability(Durability::None)?;
            transaction
                .open_table(CHUNKS)?
                .insert((id.sequence, id.attempt, index), &sealed[..])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn commit_snapshot(&self, id: SnapshotId, manifest: Bytes) -> Result<(), LogError> {
        self.run("writing a snapshot", move |inner| {
            let transaction = inner.database.begin_write()?;
            transaction
                .open_table(META)?
                .insert(SNAPSHOT, &encode(id, &manifest)[..])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn read_chunk(&self, id: SnapshotId, index: u32) -> Result<Option<Bytes>, LogError> {
        self.run("reading a snapshot", move |inner| {
            let transaction = inner.database.begin_read()?;
            let chunks = transaction.open_table(CHUNKS)?;
            let row = chunks.get((id.sequence, id.attempt, index))?;
            Ok(row.map(|sealed| Bytes::copy_from_slice(sealed.value())))
        })
        .await
    }

    async fn truncate(&self, id: SnapshotId) -> Result<(), LogError> {
        while self.run("truncating", move |inner| inner.prune(id)).await? {}
        Ok(())
    }
}
