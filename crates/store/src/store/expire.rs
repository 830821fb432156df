//! Expiry: entries whose time is up are deleted by ordinary transactions.

use std::{cmp::Reverse, collections::BinaryHeap, convert::Infallible, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::warn;

use super::Shared;
use crate::{Entry, Millis, Record, Revision, TransactError, Transaction, WriteError};

/// The most entries that one transaction deletes.
const AT_ONCE: usize = 500;

type Expiry = (Millis, Revision, Arc<str>);

/// When entries expire. An entry that was written again since has an item that no longer holds; it is dropped when
/// its time comes.
pub(super) struct Expiries {
    heap: Mutex<BinaryHeap<Reverse<Expiry>>>,
    /// There is an earlier one than before.
    sooner: Notify,
}

impl Expiries {
    pub(super) fn new() -> Self {
        Self {
            heap: Mutex::new(BinaryHeap::new()),
            sooner: Notify::new(),
        }
    }

    pub(super) fn add<'a, R: 'a>(&self, entries: impl Iterator<Item = &'a Entry<R>>) {
        let mut expiring = entries
            .filter_map(|entry| {
                let at = entry.expires?;
                Some(Reverse((at, entry.revision, entry.key.clone())))
            })
            .peekable();
        if expiring.peek().is_none() {
            return;
        }
        let mut heap = self.heap.lock();
        let first = heap.peek().map(|Reverse((at, ..))| *at);
        heap.extend(expiring);
        let sooner = heap.peek().map(|Reverse((at, ..))| *at);
        drop(heap);
        if first != sooner {
            self.sooner.notify_one();
        }
    }

    fn first(&self) -> Option<Millis> {
        self.heap.lock().peek().map(|Reverse((at, ..))| *at)
    }

    fn due(&self, now: Millis) -> Vec<Expiry> {
        let mut heap = self.heap.lock();
        let mut due = Vec::new();
        while due.len() < AT_ONCE
            && let Some(Reverse((at, ..))) = heap.peek()
            && *at <= now
            && let Some(Reverse(expiry)) = heap.pop()
        {
            due.push(expiry);
        }
        due
    }

    fn put_back(&self, expiries: impl Iterator<Item = Expiry>) {
        self.heap.lock().extend(expiries.map(Reverse));
    }
}

/// Runs until the store stops.
pub(super) async fn run<R: Record>(shared: Arc<Shared<R>>) {
    loop {
        let sleep = shared
            .expiries
            .first()
            .map(|at| shared.clock.sleep_until(at));
        let due = async {
            match sleep {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.expiries.sooner.notified() => continue,
            () = due => {}
        }
        let due = shared.expiries.due(shared.clock.now());
        if due.is_empty() {
            continue;
        }
        let limit = shared.options.max_batch_bytes / 2;
        let expired = shared
            .transact(|transaction| Ok::<_, Infallible>(expire(transaction, &due, limit)))
            .await;
        match expired {
            Ok((done, _)) => shared.expiries.put_back(due.into_iter().skip(done)),
            Err(TransactError::Refused(never)) => match never {},
            Err(TransactError::Unavailable(WriteError::Closed)) => return,
            Err(TransactError::Unavailable(error @ WriteError::TooLarge { .. })) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "some entries don't expire"
                );
            }
            Err(TransactError::Unavailable(error)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "entries no longer expire"
                );
                return;
            }
        }
    }
}

/// Deletes what has expired, as much as fits into a batch; how many items were looked at.
fn expire<R: Record>(transaction: &mut Transaction<'_, R>, due: &[Expiry], limit: usize) -> usize {
    let revision = transaction.revision();
    let mut bytes = 0;
    for (done, (at, written, key)) in due.iter().enumerate() {
        let Some(entry) = transaction.get(key) else {
            continue;
        };
        if entry.revision != *written || entry.expires != Some(*at) {
            continue;
        }
        let last = match entry.value.expired(key, revision) {
            Some(last) => {
                bytes += last.encode().len();
                if bytes > limit && done > 0 {
                    return done;
                }
                Arc::new(last)
            }
            None => entry.value.clone(),
        };
        transaction.delete(key, last);
    }
    due.len()
}
