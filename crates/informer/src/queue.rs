//! A queue of keys: each at most once in it, none worked on twice at a time, with delays and
//! back-off.
// upstream: k8s.io/client-go/util/workqueue/{queue,delaying_queue,rate_limiting_queue}.go

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Backoff;

/// Keys to work on. A clone is the same queue.
pub struct WorkQueue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for WorkQueue<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    backoff: Backoff,
}

struct State<K> {
    ready: VecDeque<K>,
    /// In the queue, or to be put there when the work on it is done.
    dirty: HashSet<K>,
    working: HashSet<K>,
    /// By time, with a number that keeps entries apart.
    later: BTreeSet<(Instant, u64)>,
    waiting: HashMap<u64, K>,
    earliest: HashMap<K, (Instant, u64)>,
    next_number: u64,
    failures: HashMap<K, u32>,
}

impl<K> Default for State<K> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            working: HashSet::new(),
            later: BTreeSet::new(),
            waiting: HashMap::new(),
            earliest: HashMap::new(),
            next_number: 0,
            failures: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new(Backoff::default())
    }
}

impl<K: Clone + Eq + Hash> WorkQueue<K> {
    /// An empty queue whose failed keys wait as `backoff` says.
    #[must_use]
    pub fn new(backoff: Backoff) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Notify::new(),
                backoff,
            }),
        }
    }

    /// Puts a key into the queue, unless it is there already. While it is worked on, it comes again
    /// afterwards.
    pub fn add(&self, key: K) {
        if self.shared.state.lock().add(key) {
            self.shared.changed.notify_one();
        }
    }

    /// Puts a key into the queue after `delay`; an earlier time asked for before stays.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = Instant::now() + delay;
        let mut state = self.shared.state.lock();
        match state.earliest.get(&key) {
            Some((earlier, _)) if *earlier <= at => return,
            Some(&(later, number)) => {
                state.later.remove(&(later, number));
                state.waiting.remove(&number);
            }
            None => {}
        }
        let number = state.next_number;
        state.next_number += 1;
        state.later.insert((at, number));
        state.waiting.insert(number, key.clone());
        state.earliest.insert(key, (at, number));
        drop(state);
        // Whoever waits may have to wake earlier.
        self.shared.changed.notify_one();
    }

    /// Puts a key that failed into the queue again after a pause that grows with its failures.
    pub fn add_rate_limited(&self, key: K) {
        let pause = {
            let mut state = self.shared.state.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            let pause = self.shared.backoff.pause(*failures);
            *failures = failures.saturating_add(1);
            pause
        };
        self.add_after(key, pause);
    }

    /// Forgets a key's failures.
    pub fn forget(&self, key: &K) {
        self.shared.state.lock().failures.remove(key);
    }

    /// How often in a row a key has failed.
    #[must_use]
    pub fn failures(&self, key: &K) -> u32 {
        self.shared
            .state
            .lock()
            .failures
            .get(key)
            .copied()
            .unwrap_or_default()
    }

    /// How many keys are ready to be worked on.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready.len()
    }

    /// Whether no key is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next key. [`WorkQueue::done`] must follow. Dropping the future loses nothing.
    pub async fn next(&self) -> K {
        loop {
            let changed = self.shared.changed.notified();
            let wake = {
                let mut state = self.shared.state.lock();
                state.move_due(Instant::now());
                if let Some(key) = state.take() {
                    let more = !state.ready.is_empty() || !state.later.is_empty();
                    drop(state);
                    if more {
                        // The one permit of `Notify` may have stood for several keys.
                        self.shared.changed.notify_one();
                    }
                    return key;
                }
                state.later.first().map(|(at, _)| *at)
            };
            match wake {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Says that the work on a key is over; if it was added meanwhile, it is ready again.
    pub fn done(&self, key: &K) {
        let again = {
            let mut state = self.shared.state.lock();
            state.working.remove(key);
            let again = state.dirty.contains(key);
            if again {
                state.ready.push_back(key.clone());
            }
            again
        };
        if again {
            self.shared.changed.notify_one();
        }
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    /// Whether there is a new key ready.
    fn add(&mut self, key: K) -> bool {
        if !self.dirty.insert(key.clone()) || self.working.contains(&key) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }

    fn move_due(&mut self, now: Instant) {
        while let Some(&(at, number)) = self.later.first() {
            if at > now {
                return;
            }
            self.later.pop_first();
            if let Some(key) = self.waiting.remove(&number) {
                self.earliest.remove(&key);
                self.add(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_in_the_queue_once_and_comes_again_when_added_during_the_work() {
        let queue = WorkQueue::default();
        queue.add(1);
        queue.add(1);
        assert_eq!(queue.next().await, 1);
        queue.add(1);
        assert!(queue.is_empty(), "not while it is worked on");
        queue.done(&1);
        assert_eq!(queue.next().await, 1);
        queue.done(&1);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn delayed_keys_come_in_time_and_the_earliest_time_counts() {
        let queue = WorkQueue::default();
        let start = Instant::now();
        queue.add_after("b", Duration::from_secs(20));
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("b", Duration::from_secs(5));
        queue.add_after("b", Duration::from_secs(30));
        assert_eq!(queue.next().await, "b");
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_pause_longer_each_time_until_forgotten() {
        let queue = WorkQueue::new(Backoff::new(
            Duration::from_secs(1),
            Duration::from_secs(60),
        ));
        let mut pauses = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            queue.add_rate_limited(());
            queue.next().await;
            queue.done(&());
            pauses.push(start.elapsed().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4]);
        assert_eq!(queue.failures(&()), 3);
        queue.forget(&());
        assert_eq!(queue.failures(&()), 0);
    }

    #[tokio::test]
    async fn several_workers_share_all_keys() {
        let queue = WorkQueue::default();
        let done = Arc::new(Mutex::new(HashSet::new()));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (queue, done) = (queue.clone(), done.clone());
                tokio::spawn(async move {
                    loop {
                        let key = queue.next().await;
                        done.lock().insert(key);
                        tokio::task::yield_now().await;
                        queue.done(&key);
                    }
                })
            })
            .collect();
        for key in 0..1000 {
            queue.add(key);
        }
        while done.lock().len() < 1000 {
            tokio::task::yield_now().await;
        }
        for worker in workers {
            worker.abort();
        }
    }
}
