//! The state in memory: each key's versions, in an ordered persistent map.
//!
//! A key's versions are a list, newest first, that is never changed in place: a snapshot holds the map's root and
//! reads whatever that root reaches, however far the store has moved on. Reading a key at revision *n* takes its
//! newest version that is not newer than *n*; a deletion is a version too (a tombstone). Example, with `put a` at 1
//! and 4, `delete a` at 6:
//!
//! ```text
//! a → 6 (tombstone) → 4 → 1        read at 7: none; at 5: the value of 4; at 3: that of 1
//! compact(4): a → 6 (tombstone) → 4    compact(6): a is gone
//! ```

use std::{ops::Bound, sync::Arc};

use imbl::{OrdMap, Vector};

use crate::{Entry, Event, Head, Millis, Revision};

pub(crate) struct Version<R> {
    pub(crate) entry: Entry<R>,
    pub(crate) deleted: bool,
    /// How many versions there are from here on, this one included.
    pub(crate) depth: u64,
    pub(crate) previous: Option<Arc<Version<R>>>,
}

impl<R> Version<R> {
    pub(crate) fn new(entry: Entry<R>, deleted: bool, previous: Option<Arc<Self>>) -> Arc<Self> {
        let depth = previous.as_ref().map_or(0, |version| version.depth) + 1;
        Arc::new(Self {
            entry,
            deleted,
            depth,
            previous,
        })
    }

    pub(crate) fn live(&self) -> Option<&Entry<R>> {
        (!self.deleted).then_some(&self.entry)
    }

    /// The version that a read at `revision` sees, tombstones included.
    pub(crate) fn at(self: &Arc<Self>, revision: Revision) -> Option<&Arc<Self>> {
        let mut version = self;
        while version.entry.revision > revision {
            version = version.previous.as_ref()?;
        }
        Some(version)
    }
}

impl<R> Drop for Version<R> {
    /// A list of any length is freed without recursion.
    fn drop(&mut self) {
        let mut next = self.previous.take();
        while let Some(mut version) = next.and_then(Arc::into_inner) {
            next = version.previous.take();
        }
    }
}

pub(crate) type Map<R> = OrdMap<Arc<str>, Arc<Version<R>>>;

/// The events of one batch, in order.
pub(crate) struct BatchEvents<R> {
    /// The last revision in it.
    pub(crate) last: Revision,
    /// When it was written.
    pub(crate) time: Millis,
    pub(crate) events: Box<[Arc<Event<R>>]>,
}

pub(crate) type History<R> = Vector<Arc<BatchEvents<R>>>;

/// What is durable and visible to readers; replaced as a whole.
pub(crate) struct Published<R> {
    pub(crate) map: Map<R>,
    pub(crate) history: History<R>,
    /// Reads and watches from before this revision are refused.
    pub(crate) compacted: Revision,
    pub(crate) head: Head,
}

impl<R> Published<R> {
    /// Forgets the events up to a revision; the versions are trimmed with [`trim`].
    pub(crate) fn compact(&mut self, to: Revision) {
        while let Some(batch) = self.history.front()
            && batch.last <= to
        {
            self.history.pop_front();
        }
        self.compacted = self.compacted.max(to);
    }
}

impl<R> Clone for Published<R> {
    fn clone(&self) -> Self {
        Self {
            map: self.map.clone(),
            history: self.history.clone(),
            compacted: self.compacted,
            head: self.head,
        }
    }
}

/// Drops the versions of `key` that no read at `compacted` or later can see.
///
/// A list is rebuilt only when at least a third of it is garbage, or when nothing but its newest version survives,
/// so that the work over a key's life is linear in its versions.
pub(crate) fn trim<R>(map: &mut Map<R>, key: &str, compacted: Revision) {
    let Some(newest) = map.get(key) else { return };
    let Some(visible) = newest.at(compacted) else {
        return;
    };
    if newest.deleted && Arc::ptr_eq(newest, visible) {
        map.remove(key);
        return;
    }
    let garbage = visible.depth - 1;
    // A tombstone that is the oldest version says no more than its absence.
    let garbage = garbage + u64::from(visible.deleted);
    let survivors = newest.depth - garbage;
    if garbage == 0 || (garbage * 2 < survivors && survivors > 1) {
        return;
    }
    let mut kept = Vec::with_capacity(usize::try_from(survivors).unwrap_or(0));
    let mut version = Some(newest);
    while let Some(current) = version {
        if kept.len() as u64 == survivors {
            break;
        }
        kept.push(current);
        version = current.previous.as_ref();
    }
    let mut rebuilt = None;
    for version in kept.into_iter().rev() {
        rebuilt = Some(Version::new(
            version.entry.clone(),
            version.deleted,
            rebuilt,
        ));
    }
    if let Some(rebuilt) = rebuilt {
        map.insert(rebuilt.entry.key.clone(), rebuilt);
    }
}

/// The store as it was at one revision. It costs nothing to take or clone, and stays readable for as long as it
/// is held, compaction or not; what it alone still reaches is freed with it.
pub struct Snapshot<R> {
    pub(crate) state: Arc<Published<R>>,
    pub(crate) revision: Revision,
}

impl<R> Clone for Snapshot<R> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            revision: self.revision,
        }
    }
}

impl<R> Snapshot<R> {
    /// The revision that this is the state of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry<R>> {
        self.state.map.get(key)?.at(self.revision)?.live()
    }

    /// The entries whose key starts with `prefix`, in the order of their keys; with `after`, only those whose key
    /// is greater than it. The iterator borrows: nothing is cloned or counted.
    #[must_use]
    pub fn range<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> Range<'a, R> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        Range {
            entries: self.state.map.range::<_, str>((from, Bound::Unbounded)),
            prefix,
            revision: self.revision,
        }
    }

    /// How many entries there are whose key starts with `prefix`. Walks over them.
    #[must_use]
    pub fn count(&self, prefix: &str) -> usize {
        self.range(prefix, None).count()
    }
}

/// The entries under a prefix, see [`Snapshot::range`].
pub struct Range<'a, R> {
    entries:
        imbl::ordmap::RangedIter<'a, Arc<str>, Arc<Version<R>>, imbl::shared_ptr::DefaultSharedPtr>,
    prefix: &'a str,
    revision: Revision,
}

impl<'a, R> Iterator for Range<'a, R> {
    type Item = &'a Entry<R>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, version) = self.entries.next()?;
            if !key.starts_with(self.prefix) {
                return None;
            }
            if let Some(entry) = version.at(self.revision).and_then(|version| version.live()) {
                return Some(entry);
            }
        }
    }
}
