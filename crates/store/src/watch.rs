//! Watches: history, then live, with no gap and no duplicate.
//!
//! A watch is registered under the same lock under which revisions are published. What was published before is
//! read from a snapshot of the history, what is published after arrives in the watch's own bounded buffer.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior},
};

use crate::{Event, Revision, WatchError, state::History};

/// What a watch gives.
#[derive(Debug)]
pub enum WatchItem<R> {
    /// A change.
    Event(Arc<Event<R>>),
    /// Every event up to this revision has been given; only from watches with [`Watch::with_progress`].
    Progress(Revision),
}

/// Which keys a watch sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Prefix(Arc<str>),
    Key(Arc<str>),
}

impl Scope {
    fn covers(&self, key: &str) -> bool {
        match self {
            Self::Prefix(prefix) => key.starts_with(&**prefix),
            Self::Key(only) => key == &**only,
        }
    }
}

struct Subscriber<R> {
    id: u64,
    sender: mpsc::Sender<Arc<Event<R>>>,
    lagged: Arc<AtomicBool>,
}

/// All open watches, found by what they watch: an event costs one look-up per distinct length of the watched
/// prefixes, and then its own watchers only.
pub(crate) struct Hub<R> {
    shared: Arc<HubShared<R>>,
}

struct HubShared<R> {
    index: Mutex<Index<R>>,
    /// Everything up to this revision is in the watches' buffers.
    dispatched: AtomicU64,
}

struct Index<R> {
    next: u64,
    closed: bool,
    keys: HashMap<Arc<str>, Vec<Subscriber<R>>>,
    prefixes: HashMap<Arc<str>, Vec<Subscriber<R>>>,
    /// Length of prefix → how many distinct prefixes have it.
    lengths: BTreeMap<usize, usize>,
}

impl<R> Index<R> {
    fn insert(&mut self, scope: &Scope, subscriber: Subscriber<R>) {
        match scope {
            Scope::Key(key) => self.keys.entry(key.clone()).or_default().push(subscriber),
            Scope::Prefix(prefix) => {
                let list = self.prefixes.entry(prefix.clone()).or_default();
                if list.is_empty() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                list.push(subscriber);
            }
        }
    }

    fn remove(&mut self, scope: &Scope, id: u64) {
        let (lists, name) = match scope {
            Scope::Key(key) => (&mut self.keys, key),
            Scope::Prefix(prefix) => (&mut self.prefixes, prefix),
        };
        let Some(list) = lists.get_mut(name) else {
            return;
        };
        if let Some(index) = list.iter().position(|subscriber| subscriber.id == id) {
            list.swap_remove(index);
        }
        if list.is_empty() {
            lists.remove(name);
            if matches!(scope, Scope::Prefix(_)) {
                self.forget_length(name.len());
            }
        }
    }

    fn forget_length(&mut self, length: usize) {
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    fn dispatch(&mut self, event: &Arc<Event<R>>) {
        if !self.keys.is_empty()
            && let Some(list) = self.keys.get_mut(&event.key)
        {
            send(list, event);
            if list.is_empty() {
                self.keys.remove(&event.key);
            }
        }
        let mut emptied: Vec<usize> = Vec::new();
        for &length in self.lengths.keys() {
            let Some(prefix) = event.key.get(..length) else {
                if length > event.key.len() {
                    break;
                }
                continue;
            };
            if let Some(list) = self.prefixes.get_mut(prefix) {
                send(list, event);
                if list.is_empty() {
                    self.prefixes.remove(prefix);
                    emptied.push(length);
                }
            }
        }
        for length in emptied {
            self.forget_length(length);
        }
    }
}

/// Gives the event to each subscriber; one whose buffer is full, or who is gone, is taken off the list.
fn send<R>(list: &mut Vec<Subscriber<R>>, event: &Arc<Event<R>>) {
    list.retain(
        |subscriber| match subscriber.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                subscriber.lagged.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        },
    );
}

impl<R> Hub<R> {
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            shared: Arc::new(HubShared {
                index: Mutex::new(Index {
                    next: 0,
                    closed: false,
                    keys: HashMap::new(),
                    prefixes: HashMap::new(),
                    lengths: BTreeMap::new(),
                }),
                dispatched: AtomicU64::new(revision.0),
            }),
        }
    }

    /// Makes events visible: `publish` replaces the state that readers see, then each event goes to its watchers;
    /// no watch is registered in between.
    pub(crate) fn publish<T>(
        &self,
        revision: Revision,
        events: &[Arc<Event<R>>],
        publish: impl FnOnce() -> T,
    ) -> T {
        let mut index = self.shared.index.lock();
        let published = publish();
        for event in events {
            index.dispatch(event);
        }
        self.shared.dispatched.store(revision.0, Ordering::Release);
        published
    }

    /// Registers a watch; `start` is called under the lock and gives the history up to now, or refuses.
    pub(crate) fn watch<E>(
        &self,
        scope: Scope,
        after: Revision,
        buffer: usize,
        start: impl FnOnce() -> Result<History<R>, E>,
    ) -> Result<Watch<R>, E> {
        let (sender, live) = mpsc::channel(buffer.max(1));
        let lagged = Arc::new(AtomicBool::new(false));
        let (id, history) = {
            let mut index = self.shared.index.lock();
            let history = start()?;
            let id = index.next;
            index.next += 1;
            if !index.closed {
                index.insert(
                    &scope,
                    Subscriber {
                        id,
                        sender,
                        lagged: lagged.clone(),
                    },
                );
            }
            (id, history)
        };
        let batch = history
            .binary_search_by(|batch| {
                if batch.last > after {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Less
                }
            })
            .unwrap_or_else(|place| place);
        Ok(Watch {
            scope,
            id,
            replay: Some(Replay {
                history,
                batch,
                event: 0,
                after,
            }),
            delivered: after,
            live,
            lagged,
            hub: self.shared.clone(),
            progress: None,
        })
    }

    /// Ends all watches after what they have in their buffers.
    pub(crate) fn close(&self) {
        let mut index = self.shared.index.lock();
        index.closed = true;
        index.keys.clear();
        index.prefixes.clear();
        index.lengths.clear();
    }

    /// How many watches are open.
    pub(crate) fn len(&self) -> usize {
        let index = self.shared.index.lock();
        index.keys.values().map(Vec::len).sum::<usize>()
            + index.prefixes.values().map(Vec::len).sum::<usize>()
    }
}

struct Replay<R> {
    history: History<R>,
    batch: usize,
    event: usize,
    after: Revision,
}

impl<R> Replay<R> {
    fn next(&mut self, scope: &Scope) -> Option<Arc<Event<R>>> {
        loop {
            let batch = self.history.get(self.batch)?;
            while let Some(event) = batch.events.get(self.event) {
                self.event += 1;
                if event.revision > self.after && scope.covers(&event.key) {
                    return Some(event.clone());
                }
            }
            self.batch += 1;
            self.event = 0;
        }
    }
}

/// The changes of some keys from a revision on, in order. Dropping it ends it.
///
/// A transaction that changes several of the keys gives several events of one revision; resuming after a revision
/// is exact once an event of a later revision, or progress, has been seen.
pub struct Watch<R> {
    scope: Scope,
    id: u64,
    replay: Option<Replay<R>>,
    /// The revision of the last event given (at first: the one started after).
    delivered: Revision,
    live: mpsc::Receiver<Arc<Event<R>>>,
    lagged: Arc<AtomicBool>,
    hub: Arc<HubShared<R>>,
    progress: Option<Interval>,
}

impl<R> Watch<R> {
    /// Makes the watch give [`WatchItem::Progress`] at this interval when it is at rest and newer revisions than
    /// it last gave exist.
    #[must_use]
    pub fn with_progress(mut self, every: Duration) -> Self {
        let mut interval = tokio::time::interval_at(Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.progress = Some(interval);
        self
    }

    /// The next change. Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self) -> Result<WatchItem<R>, WatchError> {
        if let Some(event) = self.replayed() {
            return Ok(WatchItem::Event(event));
        }
        loop {
            let Some(progress) = &mut self.progress else {
                let event = self.live.recv().await;
                return self.received(event).map(WatchItem::Event);
            };
            tokio::select! {
                biased;
                event = self.live.recv() => return self.received(event).map(WatchItem::Event),
                _ = progress.tick() => {}
            }
            if let Some(revision) = self.progress()
                && revision > self.delivered
            {
                self.delivered = revision;
                return Ok(WatchItem::Progress(revision));
            }
        }
    }

    /// The next change, if there is one right now.
    pub fn try_next(&mut self) -> Result<Option<Arc<Event<R>>>, WatchError> {
        if let Some(event) = self.replayed() {
            return Ok(Some(event));
        }
        match self.live.try_recv() {
            Ok(event) => self.received(Some(event)).map(Some),
            Err(mpsc::error::TryRecvError::Empty) => Ok(None),
            Err(mpsc::error::TryRecvError::Disconnected) => self.received(None).map(Some),
        }
    }

    /// The revision up to which every event has been given, if the watch is at rest: what a bookmark may carry.
    /// `None` while events are waiting or after the watch was cut off.
    #[must_use]
    pub fn progress(&self) -> Option<Revision> {
        let dispatched = self.hub.dispatched.load(Ordering::Acquire);
        if self.replay.is_some() || !self.live.is_empty() || self.lagged.load(Ordering::Acquire) {
            return None;
        }
        Some(Revision(dispatched).max(self.delivered))
    }

    fn replayed(&mut self) -> Option<Arc<Event<R>>> {
        let event = self.replay.as_mut()?.next(&self.scope);
        match &event {
            Some(event) => self.delivered = event.revision,
            None => self.replay = None,
        }
        event
    }

    fn received(&mut self, event: Option<Arc<Event<R>>>) -> Result<Arc<Event<R>>, WatchError> {
        match event {
            Some(event) => {
                self.delivered = event.revision;
                Ok(event)
            }
            None if self.lagged.load(Ordering::Acquire) => Err(WatchError::Lagged),
            None => Err(WatchError::Closed),
        }
    }
}

impl<R> Drop for Watch<R> {
    fn drop(&mut self) {
        self.hub.index.lock().remove(&self.scope, self.id);
    }
}
