//! The store's interface.

mod commit;
mod compact;
mod expire;
mod open;
mod queue;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Anchor, AtError, Clock, CompactError, Compacted, Future, Head, Log, OpenError, Options, Record,
    Revision, RewriteError, SealingKeys, Snapshot, SnapshotError, TransactError, Transaction,
    WaitError, Watch, WriteError,
    state::Published,
    watch::{Hub, Scope},
};
use commit::LogIndex;
use expire::Expiries;
use queue::Queue;

/// A store. Clones are handles of the same store; it stops when the last one is dropped, after what was queued has
/// been written. Use [`Store::close`] to wait for that.
pub struct Store<R: Record> {
    shared: Arc<Shared<R>>,
    tasks: Arc<Tasks<R>>,
}

impl<R: Record> Clone for Store<R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            tasks: self.tasks.clone(),
        }
    }
}

struct Tasks<R: Record> {
    shared: Arc<Shared<R>>,
    tracker: TaskTracker,
}

impl<R: Record> Drop for Tasks<R> {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// How far the store has come, for those who wait for it.
#[derive(Clone, Default)]
struct Status {
    revision: Revision,
    /// Why there will be no more writes.
    ended: Option<WriteError>,
}

struct Shared<R> {
    published: ArcSwap<Published<R>>,
    hub: Hub<R>,
    queue: Mutex<Queue<R>>,
    /// The committer has work.
    work: Notify,
    /// Writers that wait for the queue to shrink.
    space: Notify,
    status: watch::Sender<Status>,
    index: Mutex<LogIndex>,
    expiries: Expiries,
    /// The retention task should look again.
    retention: Notify,
    compacting: tokio::sync::Mutex<()>,
    keys: ArcSwap<SealingKeys>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    options: Options,
    stop: CancellationToken,
}

/// Counts of a store, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Keys, deleted ones that are not compacted yet included.
    pub keys: usize,
    /// The oldest revision that can be read or watched from.
    pub compacted: Revision,
    /// Open watches.
    pub watches: usize,
    /// Bytes of transactions that wait for the log.
    pub queued_bytes: usize,
    /// Batches in the log that no snapshot replaces.
    pub batches: usize,
    /// Their size.
    pub batch_bytes: u64,
}

impl<R: Record> Store<R> {
    /// Opens the store that `log` holds, or starts a new one in an empty log. The whole log is read and verified,
    /// from its newest snapshot on. Must be called in a Tokio runtime, on which the store's tasks then run.
    pub async fn open(
        log: impl Log,
        keys: SealingKeys,
        clock: impl Clock,
        options: Options,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(open::open(Arc::new(log), keys, Arc::new(clock), options).await?);
        let tracker = TaskTracker::new();
        tracker.spawn(commit::run(shared.clone()));
        tracker.spawn(expire::run(shared.clone()));
        if shared.options.compact {
            tracker.spawn(compact::run(shared.clone()));
        }
        tracker.close();
        Ok(Self {
            tasks: Arc::new(Tasks {
                shared: shared.clone(),
                tracker,
            }),
            shared,
        })
    }

    /// The latest revision that is durable and visible.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shared.published.load().head.revision
    }

    /// The log's last published batch: its hash is the state root.
    #[must_use]
    pub fn head(&self) -> Head {
        self.shared.published.load().head
    }

    /// The oldest revision that can be read or watched from.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.shared.published.load().compacted
    }

    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<R> {
        let state = self.shared.published.load_full();
        Snapshot {
            revision: state.head.revision,
            state,
        }
    }

    /// The store as it was at a revision.
    pub fn snapshot_at(&self, revision: Revision) -> Result<Snapshot<R>, AtError> {
        let state = self.shared.published.load_full();
        check(&state, revision)?;
        Ok(Snapshot { state, revision })
    }

    /// Runs `change` on the store's newest state, alone, and makes what it wrote durable. Returns what it returned
    /// and the revision of its writes, which then are visible; when it wrote nothing, no revision is used, and the
    /// one returned is that of the state it saw.
    ///
    /// `change` runs under the lock that all writers share, so it must be short and do nothing but compute. It
    /// may see writes that are not durable yet; whatever it decides is returned only when all it could see is.
    ///
    /// A call that is dropped while it waits may still write: once `change` has run, its writes are queued.
    pub async fn transact<T, E>(
        &self,
        change: impl FnOnce(&mut Transaction<'_, R>) -> Result<T, E>,
    ) -> Result<(T, Revision), TransactError<E>> {
        self.shared.transact(change).await
    }

    /// The changes of all keys that start with `prefix`, after a revision.
    pub fn watch(&self, prefix: &str, after: Revision) -> Result<Watch<R>, AtError> {
        self.shared.watch(Scope::Prefix(Arc::from(prefix)), after)
    }

    /// The changes of one key, after a revision.
    pub fn watch_key(&self, key: &str, after: Revision) -> Result<Watch<R>, AtError> {
        self.shared.watch(Scope::Key(Arc::from(key)), after)
    }

    /// Waits until a revision is visible.
    pub async fn wait_for(&self, revision: Revision, timeout: Duration) -> Result<(), WaitError> {
        if self.revision() >= revision {
            return Ok(());
        }
        let mut status = self.shared.status.subscribe();
        let reached =
            status.wait_for(|status| status.revision >= revision || status.ended.is_some());
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(status)) if status.revision >= revision => Ok(()),
            Ok(_) => Err(WaitError::Closed),
            Err(_) => Err(WaitError::Timeout {
                requested: revision,
                current: self.revision(),
                waited: timeout,
            }),
        }
    }

    /// Gives up the history before `revision`: reads at and watches from earlier revisions are refused from then on.
    pub async fn compact(&self, revision: Revision) -> Result<(), CompactError> {
        self.shared.compact(revision).await
    }

    /// Writes a snapshot of the state at the compacted revision to the log and truncates the log before it. The
    /// store does so by itself when [`Options::snapshot_after_bytes`] says so.
    pub async fn write_snapshot(&self) -> Result<(), SnapshotError> {
        self.shared.write_snapshot().await
    }

    /// Seals with these keys from the next batch on. They must contain the keys of all epochs that the log still
    /// needs.
    pub fn set_keys(&self, keys: SealingKeys) {
        self.shared.keys.store(Arc::new(keys));
    }

    /// Brings everything in the log under key epochs from `epoch` on, so that the keys of those before it can go: the
    /// history so far is given up, as by [`Store::compact`], and a snapshot replaces the log.
    pub async fn rewrite(&self, epoch: u32) -> Result<(), RewriteError> {
        self.shared.rewrite(epoch).await
    }

    /// The oldest key epoch that something in the log is sealed under; none in an empty log.
    #[must_use]
    pub fn oldest_epoch(&self) -> Option<u32> {
        self.shared.index.lock().oldest_epoch()
    }

    /// Whether the log is known to have passed through a point: at once true for any that it remembers (those since
    /// its newest snapshot, about a thousand before, and the anchored one). False is no proof of a fork for a point
    /// that lies before these.
    #[must_use]
    pub fn has_passed(&self, point: &Anchor) -> bool {
        self.shared.index.lock().knows(point.sequence, &point.hash)
    }

    /// Says that a head was anchored where the log can't reach it. Every snapshot remembers it from then on, so that
    /// the log can be shown to extend that anchor however old it gets.
    pub fn anchored(&self, head: Head) {
        self.shared.index.lock().anchored = Some(head);
    }

    /// Resolves, with the reason, once the store takes no more writes.
    pub async fn ended(&self) -> WriteError {
        let mut status = self.shared.status.subscribe();
        match status.wait_for(|status| status.ended.is_some()).await {
            Ok(status) => status.ended.clone().unwrap_or(WriteError::Closed),
            Err(_) => WriteError::Closed,
        }
    }

    /// Counts, for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.shared.published.load();
        let (batches, batch_bytes) = self.shared.index.lock().size();
        Stats {
            keys: state.map.len(),
            compacted: state.compacted,
            watches: self.shared.hub.len(),
            queued_bytes: self.shared.queue.lock().bytes,
            batches,
            batch_bytes,
        }
    }

    /// Refuses new writes, writes what is queued, ends all watches and stops the store's tasks. The log is released
    /// when the last handle is dropped.
    pub async fn close(&self) {
        self.shared.stop();
        self.tasks.tracker.wait().await;
    }
}

impl<R: Record> Shared<R> {
    fn stop(&self) {
        self.queue.lock().closed = true;
        self.stop.cancel();
        self.work.notify_one();
        self.space.notify_waiters();
    }

    fn watch(&self, scope: Scope, after: Revision) -> Result<Watch<R>, AtError> {
        self.hub.watch(scope, after, self.options.watch_buffer, || {
            let state = self.published.load();
            check(&state, after)?;
            Ok(state.history.clone())
        })
    }
}

fn check<R>(state: &Published<R>, requested: Revision) -> Result<(), AtError> {
    if requested < state.compacted {
        return Err(Compacted {
            requested,
            oldest: state.compacted,
        }
        .into());
    }
    if requested > state.head.revision {
        return Err(Future {
            requested,
            current: state.head.revision,
        }
        .into());
    }
    Ok(())
}
