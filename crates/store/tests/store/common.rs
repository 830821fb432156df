//! What the tests share.

use std::{convert::Infallible, time::Duration};

use store::{
    Event, EventKind, ManualClock, Millis, Options, Raw, Revision, SealingKeys, Store, SystemClock,
    Watch, WatchItem, memory::MemoryLog,
};
use zeroize::Zeroizing;

pub(crate) type Raws = Store<Raw>;

pub(crate) fn keys() -> SealingKeys {
    SealingKeys::new("test-cluster", 1, &Zeroizing::new([7; 32]))
}

pub(crate) async fn open(log: &MemoryLog) -> Raws {
    Store::open(log.clone(), keys(), SystemClock, Options::default())
        .await
        .unwrap()
}

pub(crate) async fn open_with(log: &MemoryLog, clock: &ManualClock, options: Options) -> Raws {
    Store::open(log.clone(), keys(), clock.clone(), options)
        .await
        .unwrap()
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(Millis(1_700_000_000_000))
}

pub(crate) async fn put(store: &Raws, key: &str, value: &str) -> Revision {
    put_for(store, key, value, None).await
}

pub(crate) async fn put_for(
    store: &Raws,
    key: &str,
    value: &str,
    ttl: Option<Duration>,
) -> Revision {
    store
        .transact(|tx| {
            tx.put(key, Raw::from(value), ttl);
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap()
        .1
}

pub(crate) async fn delete(store: &Raws, key: &str) -> Revision {
    store
        .transact(|tx| {
            tx.delete(key, Raw::from("last"));
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap()
        .1
}

pub(crate) fn text(raw: &Raw) -> String {
    String::from_utf8(raw.0.to_vec()).unwrap()
}

pub(crate) fn get(store: &Raws, key: &str) -> Option<String> {
    store.snapshot().get(key).map(|entry| text(&entry.value))
}

/// The next event, which must come soon.
pub(crate) async fn event(watch: &mut Watch<Raw>) -> (u64, EventKind, String, String) {
    let next = tokio::time::timeout(Duration::from_secs(5), watch.next());
    match next.await.expect("no event came").unwrap() {
        WatchItem::Event(event) => describe(&event),
        WatchItem::Progress(revision) => panic!("progress {revision} instead of an event"),
    }
}

pub(crate) fn describe(event: &Event<Raw>) -> (u64, EventKind, String, String) {
    (
        event.revision.0,
        event.kind,
        event.key.to_string(),
        text(&event.value),
    )
}
