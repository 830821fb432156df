//! A transaction while its closure runs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{Entry, Event, EventKind, Millis, Record, Revision, state::Map};

/// What a closure given to [`crate::Store::transact`] works on: the store as it will be once everything queued
/// before is durable. Writes take effect only if the closure returns `Ok`.
pub struct Transaction<'a, R> {
    pub(crate) base: &'a Map<R>,
    pub(crate) revision: Revision,
    pub(crate) now: Millis,
    pub(crate) writes: SmallVec<[Write<R>; 1]>,
}

pub(crate) struct Write<R> {
    pub(crate) entry: Entry<R>,
    pub(crate) deleted: bool,
    /// The entry before the transaction, if there was one.
    pub(crate) before: Option<Entry<R>>,
}

impl<R> Write<R> {
    pub(crate) fn event(&self) -> Arc<Event<R>> {
        Arc::new(Event {
            key: self.entry.key.clone(),
            revision: self.entry.revision,
            kind: match (self.deleted, &self.before) {
                (true, _) => EventKind::Deleted,
                (false, None) => EventKind::Created,
                (false, Some(_)) => EventKind::Updated,
            },
            value: self.entry.value.clone(),
            previous: self.before.as_ref().map(|entry| entry.value.clone()),
        })
    }
}

impl<R: Record> Write<R> {
    /// What the log keeps as the value: nothing for a deletion that announces the value as it was.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let unchanged = self.deleted
            && self
                .before
                .as_ref()
                .is_some_and(|before| Arc::ptr_eq(&before.value, &self.entry.value));
        (!unchanged).then(|| self.entry.value.encode())
    }
}

impl<R> Transaction<'_, R> {
    /// The revision that this transaction's writes will have.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The time of the transaction, by the store's clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The entry of a key, this transaction's own writes included.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry<R>> {
        if let Some(write) = self.write(key) {
            return (!write.deleted).then_some(&write.entry);
        }
        self.base.get(key)?.live()
    }

    /// The entries whose key starts with `prefix`, in the order of their keys, as they were before this
    /// transaction's own writes. Runs under the head lock: for small ranges only.
    pub fn range<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = &'b Entry<R>> {
        self.base
            .range::<_, str>((
                std::ops::Bound::Included(prefix),
                std::ops::Bound::Unbounded,
            ))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter_map(|(_, version)| version.live())
    }

    /// Writes a value. With `ttl` the entry is deleted by itself when that time has passed; without, an earlier
    /// time to live is taken off.
    pub fn put(&mut self, key: &str, value: impl Into<Arc<R>>, ttl: Option<Duration>) {
        let (key, before) = self.place(key);
        let created = before.as_ref().map_or(self.revision, |entry| entry.created);
        let entry = Entry {
            key,
            value: value.into(),
            revision: self.revision,
            created,
            expires: ttl.map(|ttl| self.now.after(ttl)),
        };
        self.writes.push(Write {
            entry,
            deleted: false,
            before,
        });
    }

    /// Deletes a key; `last` is the state that the `Deleted` event carries. False, and nothing is written, when
    /// there is no such key.
    pub fn delete(&mut self, key: &str, last: impl Into<Arc<R>>) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let (key, before) = self.place(key);
        // Created and deleted by the same transaction: it never was.
        let Some(before) = before else { return true };
        let entry = Entry {
            key,
            value: last.into(),
            revision: self.revision,
            created: before.created,
            expires: None,
        };
        self.writes.push(Write {
            entry,
            deleted: true,
            before: Some(before),
        });
        true
    }

    fn write(&self, key: &str) -> Option<&Write<R>> {
        self.writes.iter().find(|write| &*write.entry.key == key)
    }

    /// Takes back an earlier write of the key, and gives the key's shared name and its entry before this
    /// transaction.
    fn place(&mut self, key: &str) -> (Arc<str>, Option<Entry<R>>) {
        if let Some(index) = self
            .writes
            .iter()
            .position(|write| &*write.entry.key == key)
        {
            let write = self.writes.remove(index);
            return (write.entry.key, write.before);
        }
        match self.base.get(key) {
            Some(version) => (version.entry.key.clone(), version.live().cloned()),
            None => (Arc::from(key), None),
        }
    }
}
