//! The store against a simple model, over random histories.
//!
//! The model keeps every state that ever was as a plain map, and every event as a list. After each step sequence the
//! store must agree on the state at every revision that isn't compacted, on what each watch has seen, and on what is
//! refused.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, sample::Index};
use store::{AtError, EventKind, ManualClock, Options, Raw, Revision, Watch, memory::MemoryLog};

use crate::common::{Raws, clock, describe, open_with, text};

const NAMES: [&str; 8] = ["/a/1", "/a/2", "/a/3", "/ab", "/b/1", "/b/2", "/b/10", "/c"];
const PREFIXES: [&str; 6] = ["", "/a", "/a/", "/b/1", "/b/", "/c"];

#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8, Option<u16>),
    Delete(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Transaction(Vec<Change>),
    /// Several that arrive while the log is busy: they become one batch.
    Burst(Vec<Vec<Change>>),
    Refused(Vec<Change>),
    Watch(usize, Index),
    WatchKey(usize, Index),
    Poll(Index),
    Compact(Index),
    Snapshot,
    Reopen,
    Advance(u16),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..NAMES.len(), any::<u8>(), proptest::option::weighted(0.2, 1..500_u16))
            .prop_map(|(name, value, ttl)| Change::Put(name, value, ttl)),
        1 => (0..NAMES.len()).prop_map(Change::Delete),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(change(), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => changes().prop_map(Step::Transaction),
        4 => proptest::collection::vec(changes(), 1..6).prop_map(Step::Burst),
        1 => changes().prop_map(Step::Refused),
        3 => (0..PREFIXES.len(), any::<Index>()).prop_map(|(prefix, from)| Step::Watch(prefix, from)),
        1 => (0..NAMES.len(), any::<Index>()).prop_map(|(name, from)| Step::WatchKey(name, from)),
        2 => any::<Index>().prop_map(Step::Poll),
        2 => any::<Index>().prop_map(Step::Compact),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
        2 => (1..300_u16).prop_map(Step::Advance),
    ]
}

/// Value, revision, revision of creation, expiry.
type Item = (String, u64, u64, Option<u64>);
type State = BTreeMap<String, Item>;
type Seen = (u64, EventKind, String, String);

struct Model {
    states: Vec<State>,
    events: Vec<Seen>,
    compacted: u64,
}

impl Model {
    fn revision(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    fn apply(&mut self, changes: &[Change], now: u64) {
        let before = self.states.last().unwrap().clone();
        let revision = self.revision() + 1;
        let mut after = before.clone();
        let mut order: Vec<&str> = Vec::new();
        let mut last = BTreeMap::new();
        for change in changes {
            match *change {
                Change::Put(name, value, ttl) => {
                    let key = NAMES[name];
                    let created = before.get(key).map_or(revision, |item| item.2);
                    let expires = ttl.map(|ttl| now + u64::from(ttl) * 1000);
                    after.insert(
                        key.to_owned(),
                        (value.to_string(), revision, created, expires),
                    );
                    order.retain(|other| *other != key);
                    order.push(key);
                }
                Change::Delete(name) => {
                    let key = NAMES[name];
                    if after.remove(key).is_some() {
                        last.insert(key, "last".to_owned());
                        order.retain(|other| *other != key);
                        order.push(key);
                    }
                }
            }
        }
        let events: Vec<Seen> = order
            .into_iter()
            .filter_map(|key| {
                let kind = match (before.contains_key(key), after.contains_key(key)) {
                    (false, true) => EventKind::Created,
                    (true, true) => EventKind::Updated,
                    (true, false) => EventKind::Deleted,
                    (false, false) => return None,
                };
                let value = after
                    .get(key)
                    .map_or_else(|| last[key].clone(), |item| item.0.clone());
                Some((revision, kind, key.to_owned(), value))
            })
            .collect();
        if events.is_empty() {
            return;
        }
        self.events.extend(events);
        self.states.push(after);
    }

    /// What the expirer does at `now`: one transaction, in the order of expiry.
    fn expire(&mut self, now: u64) {
        let state = self.states.last().unwrap();
        let mut due: Vec<(u64, u64, String)> = state
            .iter()
            .filter_map(|(key, item)| Some((item.3?, item.1, key.clone())))
            .filter(|(at, ..)| *at <= now)
            .collect();
        due.sort();
        if due.is_empty() {
            return;
        }
        let revision = self.revision() + 1;
        let mut after = state.clone();
        for (_, _, key) in due {
            let (value, ..) = after.remove(&key).unwrap();
            self.events.push((revision, EventKind::Deleted, key, value));
        }
        self.states.push(after);
    }
}

struct Watching {
    watch: Watch<Raw>,
    covers: Box<dyn Fn(&str) -> bool>,
    after: u64,
    seen: Vec<Seen>,
}

impl Watching {
    fn poll(&mut self) {
        while let Some(event) = self.watch.try_next().unwrap() {
            self.seen.push(describe(&event));
        }
    }

    fn check(&mut self, model: &Model) {
        self.poll();
        let expected: Vec<_> = model
            .events
            .iter()
            .filter(|event| event.0 > self.after && (self.covers)(&event.2))
            .cloned()
            .collect();
        assert_eq!(self.seen, expected);
        assert_eq!(self.watch.progress(), Some(Revision(model.revision())));
    }
}

fn options() -> Options {
    Options {
        compact: false,
        max_batch_bytes: 600,
        snapshot_chunk_bytes: 64,
        ..Options::default()
    }
}

async fn transact(store: &Raws, changes: &[Change], refuse: bool) -> Result<Revision, ()> {
    let result = store
        .transact(|tx| {
            for change in changes {
                match *change {
                    Change::Put(name, value, ttl) => {
                        let value = value.to_string();
                        let ttl = ttl.map(|ttl| Duration::from_secs(ttl.into()));
                        tx.put(NAMES[name], Raw::from(value.as_str()), ttl);
                    }
                    Change::Delete(name) => {
                        tx.delete(NAMES[name], Raw::from("last"));
                    }
                }
            }
            if refuse { Err(std::fmt::Error) } else { Ok(()) }
        })
        .await;
    match result {
        Ok(((), revision)) => Ok(revision),
        Err(store::TransactError::Refused(_)) => Err(()),
        Err(error) => panic!("{error}"),
    }
}

struct Run {
    log: MemoryLog,
    clock: ManualClock,
    store: Raws,
    model: Model,
    watches: Vec<Watching>,
}

impl Run {
    fn now(&self) -> u64 {
        store::Clock::now(&self.clock).0
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Transaction(changes) => {
                self.model.apply(changes, self.now());
                let revision = transact(&self.store, changes, false).await.unwrap();
                assert_eq!(revision.0, self.model.revision());
            }
            Step::Burst(transactions) => {
                self.log.hold();
                let mut waiting = Vec::new();
                for changes in transactions {
                    self.model.apply(changes, self.now());
                    let expected = self.model.revision();
                    let (store, changes) = (self.store.clone(), changes.clone());
                    waiting.push((
                        expected,
                        tokio::spawn(async move { transact(&store, &changes, false).await }),
                    ));
                    // On one thread, the task runs until it waits.
                    tokio::task::yield_now().await;
                }
                self.log.release();
                for (expected, waiting) in waiting {
                    assert_eq!(waiting.await.unwrap().unwrap().0, expected);
                }
            }
            Step::Refused(changes) => {
                assert!(transact(&self.store, changes, true).await.is_err());
            }
            Step::Watch(prefix, from) => {
                let prefix = PREFIXES[*prefix];
                let after = from.index(self.model.revision() as usize + 2) as u64;
                let watch = self.store.watch(prefix, Revision(after));
                self.watching(watch, after, move |key| key.starts_with(prefix));
            }
            Step::WatchKey(name, from) => {
                let name = NAMES[*name];
                let after = from.index(self.model.revision() as usize + 2) as u64;
                let watch = self.store.watch_key(name, Revision(after));
                self.watching(watch, after, move |key| key == name);
            }
            Step::Poll(which) => {
                if !self.watches.is_empty() {
                    let which = which.index(self.watches.len());
                    self.watches[which].poll();
                }
            }
            Step::Compact(to) => {
                let to = to.index(self.model.revision() as usize + 2) as u64;
                let allowed = to > self.model.compacted && to <= self.model.revision();
                assert_eq!(self.store.compact(Revision(to)).await.is_ok(), allowed);
                if allowed {
                    self.model.compacted = to;
                }
            }
            Step::Snapshot => self.store.write_snapshot().await.unwrap(),
            Step::Reopen => {
                for watching in &mut self.watches {
                    watching.check(&self.model);
                }
                self.watches.clear();
                let head = self.store.head();
                self.store.close().await;
                let options = Options {
                    expect: Some(head.into()),
                    ..options()
                };
                self.store = open_with(&self.log, &self.clock, options).await;
                assert_eq!(self.store.head(), head);
            }
            Step::Advance(seconds) => {
                let before = self.model.revision();
                self.clock.advance(Duration::from_secs((*seconds).into()));
                let now = self.now();
                self.model.expire(now);
                if self.model.revision() > before {
                    let expected = Revision(self.model.revision());
                    self.store
                        .wait_for(expected, Duration::from_secs(5))
                        .await
                        .unwrap();
                }
            }
        }
    }

    fn watching(
        &mut self,
        watch: Result<Watch<Raw>, AtError>,
        after: u64,
        covers: impl Fn(&str) -> bool + 'static,
    ) {
        match watch {
            Ok(watch) => {
                assert!(after >= self.model.compacted && after <= self.model.revision());
                self.watches.push(Watching {
                    watch,
                    covers: Box::new(covers),
                    after,
                    seen: Vec::new(),
                });
            }
            Err(AtError::Compacted(_)) => assert!(after < self.model.compacted),
            Err(AtError::Future(_)) => assert!(after > self.model.revision()),
        }
    }

    fn check(&mut self) {
        assert_eq!(self.store.revision().0, self.model.revision());
        assert_eq!(self.store.compacted().0, self.model.compacted);
        for watching in &mut self.watches {
            watching.check(&self.model);
        }
        for (revision, state) in self.model.states.iter().enumerate() {
            let at = self.store.snapshot_at(Revision(revision as u64));
            if (revision as u64) < self.model.compacted {
                assert!(matches!(at, Err(AtError::Compacted(_))));
                continue;
            }
            let at = at.unwrap();
            for prefix in PREFIXES {
                let expected: Vec<_> = state
                    .iter()
                    .filter(|(key, _)| key.starts_with(prefix))
                    .collect();
                let found: Vec<(String, Item)> = at
                    .range(prefix, None)
                    .map(|entry| {
                        let item = (
                            text(&entry.value),
                            entry.revision.0,
                            entry.created.0,
                            entry.expires.map(|at| at.0),
                        );
                        (entry.key.to_string(), item)
                    })
                    .collect();
                assert_eq!(
                    found
                        .iter()
                        .map(|(key, item)| (key, item))
                        .collect::<Vec<_>>(),
                    expected
                );
            }
            for name in NAMES {
                assert_eq!(at.get(name).is_some(), state.contains_key(name));
            }
        }
    }
}

async fn run(steps: &[Step]) {
    let log = MemoryLog::new();
    let clock = clock();
    let store = open_with(&log, &clock, options()).await;
    let mut run = Run {
        log,
        clock,
        store,
        model: Model {
            states: vec![State::new()],
            events: Vec::new(),
            compacted: 0,
        },
        watches: Vec::new(),
    };
    for step in steps {
        run.step(step).await;
    }
    run.check();
    run.step(&Step::Reopen).await;
    run.check();
    assert_eq!(run.store.stats().watches, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_a_simple_model(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps));
    }
}
