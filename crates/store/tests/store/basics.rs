//! Reads, writes, watches, expiry and compaction, each by example.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use store::{
    AtError, Compacted, EventKind, Options, Raw, Record, RecordError, Revision, Store,
    TransactError, WaitError, WatchError, WatchItem, WriteError, memory::MemoryLog,
};

use crate::common::{
    clock, delete, describe, event, get, keys, open, open_with, put, put_for, text,
};

#[tokio::test]
async fn writes_are_read_back_at_each_revision_and_after_reopening() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    assert_eq!(put(&store, "/a", "1").await, Revision(1));
    assert_eq!(put(&store, "/b", "2").await, Revision(2));
    assert_eq!(put(&store, "/a", "3").await, Revision(3));
    assert_eq!(delete(&store, "/b").await, Revision(4));
    assert_eq!(put(&store, "/b", "5").await, Revision(5));
    for store in [store.clone(), {
        store.close().await;
        open(&log).await
    }] {
        let read = |revision| {
            let snapshot = store.snapshot_at(Revision(revision)).unwrap();
            let range: Vec<_> = snapshot
                .range("/", None)
                .map(|entry| {
                    format!(
                        "{}={}@{}/{}",
                        entry.key,
                        text(&entry.value),
                        entry.revision,
                        entry.created
                    )
                })
                .collect();
            range.join(" ")
        };
        assert_eq!(read(0), "");
        assert_eq!(read(1), "/a=1@1/1");
        assert_eq!(read(2), "/a=1@1/1 /b=2@2/2");
        assert_eq!(read(3), "/a=3@3/1 /b=2@2/2");
        assert_eq!(read(4), "/a=3@3/1");
        assert_eq!(read(5), "/a=3@3/1 /b=5@5/5");
        assert!(matches!(
            store.snapshot_at(Revision(6)),
            Err(AtError::Future(_))
        ));
    }
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_a_refused_one_leaves_nothing() {
    let store = open(&MemoryLog::new()).await;
    let ((), revision) = store
        .transact(|tx| {
            tx.put("/a", Raw::from("1"), None);
            assert_eq!(text(&tx.get("/a").unwrap().value), "1");
            tx.put("/a", Raw::from("2"), None);
            tx.put("/gone", Raw::from("x"), None);
            assert!(tx.delete("/gone", Raw::from("x")));
            assert!(tx.get("/gone").is_none());
            assert!(!tx.delete("/never", Raw::from("x")));
            assert_eq!(tx.revision(), Revision(1));
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
    assert_eq!(revision, Revision(1));
    let refused = store
        .transact(|tx| {
            tx.put("/a", Raw::from("3"), None);
            Err::<(), _>(std::fmt::Error)
        })
        .await;
    assert!(matches!(refused, Err(TransactError::Refused(_))));
    let (seen, unchanged) = store
        .transact(|tx| Ok::<_, Infallible>(text(&tx.get("/a").unwrap().value)))
        .await
        .unwrap();
    assert_eq!((seen.as_str(), unchanged), ("2", Revision(1)));
    assert_eq!(store.snapshot().count("/"), 1);
}

#[tokio::test]
async fn ranges_are_bounded_by_prefix_and_continue_after_a_key() {
    let store = open(&MemoryLog::new()).await;
    for key in ["/p/a", "/p/b", "/p/c", "/pp", "/q"] {
        put(&store, key, "").await;
    }
    let snapshot = store.snapshot();
    let keys = |prefix, after| -> Vec<_> {
        snapshot
            .range(prefix, after)
            .map(|entry| entry.key.to_string())
            .collect()
    };
    assert_eq!(keys("/p/", None), ["/p/a", "/p/b", "/p/c"]);
    assert_eq!(keys("/p/", Some("/p/a")), ["/p/b", "/p/c"]);
    assert_eq!(keys("/p/", Some("/a")), ["/p/a", "/p/b", "/p/c"]);
    assert_eq!(keys("/p/", Some("/q")), Vec::<String>::new());
    assert_eq!(snapshot.count("/p"), 4);
}

#[tokio::test]
async fn a_watch_gives_history_then_live_events_of_its_keys_only() {
    let store = open(&MemoryLog::new()).await;
    put(&store, "/a/1", "x").await;
    put(&store, "/b/1", "x").await;
    put(&store, "/a/1", "y").await;
    let mut watch = store.watch("/a/", Revision(1)).unwrap();
    let mut exact = store.watch_key("/a/1", Revision(0)).unwrap();
    assert_eq!(watch.progress(), None);
    delete(&store, "/a/1").await;
    put(&store, "/a/10", "z").await;
    use EventKind::{Created, Deleted, Updated};
    assert_eq!(
        event(&mut watch).await,
        (3, Updated, "/a/1".into(), "y".into())
    );
    assert_eq!(
        event(&mut watch).await,
        (4, Deleted, "/a/1".into(), "last".into())
    );
    assert_eq!(
        event(&mut watch).await,
        (5, Created, "/a/10".into(), "z".into())
    );
    assert_eq!(
        event(&mut exact).await,
        (1, Created, "/a/1".into(), "x".into())
    );
    assert_eq!(
        event(&mut exact).await,
        (3, Updated, "/a/1".into(), "y".into())
    );
    assert_eq!(
        event(&mut exact).await,
        (4, Deleted, "/a/1".into(), "last".into())
    );
    put(&store, "/c", "z").await;
    assert_eq!(watch.progress(), Some(Revision(6)));
    assert!(watch.try_next().unwrap().is_none());
    assert!(matches!(
        store.watch("/", Revision(7)),
        Err(AtError::Future(_))
    ));
    assert_eq!(store.stats().watches, 2);
    drop(watch);
    assert_eq!(store.stats().watches, 1);
    store.close().await;
    assert_eq!(exact.next().await.unwrap_err(), WatchError::Closed);
}

#[tokio::test]
async fn an_idle_watch_reports_progress() {
    let store = open(&MemoryLog::new()).await;
    let mut watch = store
        .watch("/a", Revision(0))
        .unwrap()
        .with_progress(Duration::from_millis(20));
    put(&store, "/b", "").await;
    put(&store, "/b", "").await;
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchItem::Progress(Revision(2))
    ));
    put(&store, "/a", "").await;
    assert_eq!(event(&mut watch).await.0, 3);
}

#[tokio::test]
async fn a_slow_watch_is_cut_off_after_what_it_has() {
    let clock = clock();
    let options = Options {
        watch_buffer: 2,
        ..Options::default()
    };
    let store = open_with(&MemoryLog::new(), &clock, options).await;
    let mut slow = store.watch("/", Revision(0)).unwrap();
    let mut quick = store.watch("/", Revision(0)).unwrap();
    for revision in 1..=4 {
        put(&store, "/a", "").await;
        assert_eq!(event(&mut quick).await.0, revision);
    }
    assert_eq!(event(&mut slow).await.0, 1);
    assert_eq!(event(&mut slow).await.0, 2);
    assert_eq!(slow.progress(), None);
    assert_eq!(slow.next().await.unwrap_err(), WatchError::Lagged);
    assert_eq!(slow.next().await.unwrap_err(), WatchError::Lagged);
    let mut resumed = store.watch("/", Revision(2)).unwrap();
    assert_eq!(event(&mut resumed).await.0, 3);
}

#[tokio::test]
async fn entries_expire_by_the_clock_and_across_restarts() {
    let log = MemoryLog::new();
    let clock = clock();
    let store = open_with(&log, &clock, Options::default()).await;
    put_for(&store, "/event", "x", Some(Duration::from_secs(60))).await;
    put_for(&store, "/kept", "x", Some(Duration::from_secs(60))).await;
    put_for(&store, "/later", "x", Some(Duration::from_secs(90))).await;
    put(&store, "/kept", "y").await;
    let mut watch = store.watch("/", store.revision()).unwrap();
    clock.advance(Duration::from_millis(59_999));
    tokio::task::yield_now().await;
    assert!(get(&store, "/event").is_some());
    clock.advance(Duration::from_millis(1));
    assert_eq!(
        event(&mut watch).await,
        (5, EventKind::Deleted, "/event".into(), "x".into())
    );
    assert_eq!(get(&store, "/kept").unwrap(), "y");
    store.close().await;
    drop(store);
    clock.advance(Duration::from_secs(60));
    let store = open_with(&log, &clock, Options::default()).await;
    store
        .wait_for(Revision(6), Duration::from_secs(5))
        .await
        .unwrap();
    assert!(get(&store, "/later").is_none());
    assert!(get(&store, "/kept").is_some());
}

#[tokio::test]
async fn compaction_refuses_what_is_gone_and_held_snapshots_stay() {
    let log = MemoryLog::new();
    let clock = clock();
    let mut store = open_with(&log, &clock, Options::default()).await;
    for round in 0..5 {
        put(&store, "/a", &format!("a{round}")).await;
        put(&store, "/b", &format!("b{round}")).await;
    }
    delete(&store, "/b").await;
    let held = store.snapshot_at(Revision(3)).unwrap();
    store.compact(Revision(6)).await.unwrap();
    let gone = Compacted {
        requested: Revision(5),
        oldest: Revision(6),
    };
    let log_before = log.content().batches.len();
    for written in [false, false, true, true] {
        assert_eq!(store.compacted(), Revision(6));
        assert_eq!(
            store.snapshot_at(Revision(5)).err(),
            Some(AtError::Compacted(gone))
        );
        assert_eq!(
            store.watch("/", Revision(5)).err(),
            Some(AtError::Compacted(gone))
        );
        let at = store.snapshot_at(Revision(6)).unwrap();
        assert_eq!(text(&at.get("/a").unwrap().value), "a2");
        assert_eq!(text(&at.get("/b").unwrap().value), "b2");
        assert_eq!(at.get("/b").unwrap().created, Revision(2));
        let mut watch = store.watch("/b", Revision(6)).unwrap();
        assert_eq!(event(&mut watch).await.3, "b3");
        assert_eq!(event(&mut watch).await.3, "b4");
        assert_eq!(event(&mut watch).await.1, EventKind::Deleted);
        store.close().await;
        drop(store);
        store = open_with(&log, &clock, Options::default()).await;
        if !written {
            store.write_snapshot().await.unwrap();
        }
    }
    assert!(log.content().batches.len() < log_before);
    assert_eq!(text(&held.get("/a").unwrap().value), "a1");
    assert_eq!(text(&held.get("/b").unwrap().value), "b0");
    store.compact(store.revision()).await.unwrap();
    store.write_snapshot().await.unwrap();
    assert_eq!(store.stats().batches, 0);
    assert_eq!(store.stats().keys, 1);
}

#[tokio::test]
async fn history_is_given_up_by_age_and_by_number() {
    let clock = clock();
    let options = Options {
        retain: Duration::from_secs(100),
        retain_revisions: 100,
        snapshot_after_bytes: 1,
        ..Options::default()
    };
    let log = MemoryLog::new();
    let store = open_with(&log, &clock, options).await;
    for _ in 0..5 {
        put(&store, "/a", "").await;
    }
    clock.advance(Duration::from_secs(60));
    put(&store, "/a", "").await;
    clock.advance(Duration::from_secs(50));
    let mut end = tokio::time::interval(Duration::from_millis(1));
    while store.compacted() != Revision(5) {
        end.tick().await;
    }
    for _ in 0..200 {
        put(&store, "/a", "").await;
    }
    while store.compacted() < Revision(106) || log.content().manifest.is_none() {
        end.tick().await;
    }
    assert!(store.snapshot_at(store.compacted()).is_ok());
}

#[tokio::test]
async fn a_failed_append_poisons_and_publishes_nothing() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    put(&store, "/a", "1").await;
    let mut watch = store.watch("/", Revision(1)).unwrap();
    log.set_failing(true);
    let write = |store: store::Store<Raw>| async move {
        store
            .transact(|tx| {
                tx.put("/a", Raw::from("2"), None);
                Ok::<_, Infallible>(())
            })
            .await
    };
    let writes: Vec<_> = (0..10)
        .map(|_| tokio::spawn(write(store.clone())))
        .collect();
    for outcome in writes {
        let error = outcome.await.unwrap().unwrap_err();
        assert!(
            matches!(error, TransactError::Unavailable(WriteError::Failed(_))),
            "{error}"
        );
    }
    log.set_failing(false);
    let error = write(store.clone()).await.unwrap_err();
    assert!(matches!(
        error,
        TransactError::Unavailable(WriteError::Failed(_))
    ));
    assert!(matches!(store.ended().await, WriteError::Failed(_)));
    assert_eq!(store.revision(), Revision(1));
    assert_eq!(get(&store, "/a").unwrap(), "1");
    assert!(watch.try_next().unwrap().is_none());
    store.close().await;
    assert_eq!(get(&open(&log).await, "/a").unwrap(), "1");
}

#[tokio::test]
async fn nothing_is_visible_before_it_is_durable_and_writers_are_held_back() {
    let log = MemoryLog::new();
    let clock = clock();
    let options = Options {
        max_batch_bytes: 1000,
        max_queued_bytes: 2000,
        ..Options::default()
    };
    let store = open_with(&log, &clock, options).await;
    log.hold();
    let writers: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, &format!("/{number}"), &"v".repeat(300)).await })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let queued = store.stats().queued_bytes;
    assert!((2000..2500).contains(&queued), "{queued}");
    assert_eq!(store.revision(), Revision(0));
    assert_eq!(store.snapshot().count(""), 0);
    log.release();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.push(writer.await.unwrap().0);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=50).collect::<Vec<_>>());
    assert_eq!(store.stats().queued_bytes, 0);
    let too_large = store
        .transact(|tx| {
            tx.put("/large", Raw::from("x".repeat(1000).as_str()), None);
            Ok::<_, Infallible>(())
        })
        .await;
    assert!(matches!(
        too_large,
        Err(TransactError::Unavailable(WriteError::TooLarge { .. }))
    ));
    put(&store, "/after", "").await;
}

#[tokio::test]
async fn what_waits_is_committed_as_one_batch() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    log.hold();
    let writers: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, &format!("/{number}"), "").await })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    log.release();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(log.content().batches.len() <= 3);
    assert_eq!(store.revision(), Revision(100));
}

#[tokio::test]
async fn ten_thousand_watchers_cost_an_event_only_its_own() {
    let store = open(&MemoryLog::new()).await;
    let mut watches: Vec<_> = (0..10_000)
        .map(|number| {
            store
                .watch(&format!("/pods/ns-{number}/"), Revision(0))
                .unwrap()
        })
        .collect();
    for number in [17, 4711] {
        put(&store, &format!("/pods/ns-{number}/web"), "x").await;
    }
    for (number, watch) in watches.iter_mut().enumerate() {
        let got = watch.try_next().unwrap().map(|event| describe(&event).2);
        let expected = [17, 4711]
            .contains(&number)
            .then(|| format!("/pods/ns-{number}/web"));
        assert_eq!(got, expected);
        assert!(watch.try_next().unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watches_started_amid_writes_see_each_revision_once() {
    const WRITES: u64 = 200;
    const WRITERS: u64 = 4;
    let store = open(&MemoryLog::new()).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..WRITES {
                    let revision = put(&store, &format!("/{writer}"), "").await;
                    // Read your own write.
                    let snapshot = store.snapshot();
                    assert!(snapshot.revision() >= revision);
                    assert!(snapshot.get(&format!("/{writer}")).unwrap().revision == revision);
                }
            })
        })
        .collect();
    let mut watchers = Vec::new();
    while store.revision().0 < WRITES * WRITERS && watchers.len() < 100 {
        let after = Revision(store.revision().0 / 2);
        for after in [after, store.revision()] {
            let mut watch = store.watch("/", after).unwrap();
            watchers.push(tokio::spawn(async move {
                for expected in after.0 + 1..=WRITES * WRITERS {
                    assert_eq!(event(&mut watch).await.0, expected);
                }
            }));
        }
        tokio::task::yield_now().await;
    }
    for task in writers.into_iter().chain(watchers) {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_more() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    log.hold();
    let write = tokio::spawn({
        let store = store.clone();
        async move { put(&store, "/a", "x").await }
    });
    let dropped = store.clone();
    let dropped = tokio::spawn(async move { put(&dropped, "/b", "x").await });
    tokio::task::yield_now().await;
    dropped.abort();
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    log.release();
    closing.await.unwrap();
    assert_eq!(write.await.unwrap(), Revision(1));
    let refused = store
        .transact(|tx| {
            tx.put("/c", Raw::from("x"), None);
            Ok::<_, Infallible>(())
        })
        .await;
    assert!(matches!(
        refused,
        Err(TransactError::Unavailable(WriteError::Closed))
    ));
    assert!(matches!(store.ended().await, WriteError::Closed));
    let reopened = open(&log).await;
    assert_eq!(
        reopened.snapshot().count("/"),
        2,
        "a dropped call's queued write is written"
    );
}

/// A record that carries the revision that wrote it, as a Kubernetes object does.
#[derive(Debug)]
struct Stamped(u64);

impl Record for Stamped {
    fn encode(&self) -> Bytes {
        Bytes::from(self.0.to_string())
    }

    fn decode(_key: &str, revision: Revision, bytes: Bytes) -> Result<Self, RecordError> {
        match std::str::from_utf8(&bytes).map(str::parse) {
            Ok(Ok(stamp)) if stamp == revision.0 => Ok(Self(stamp)),
            _ => Err(RecordError::new("the stamp is not the revision")),
        }
    }

    fn expired(&self, _key: &str, revision: Revision) -> Option<Self> {
        Some(Self(revision.0))
    }
}

#[tokio::test]
async fn an_expiry_announces_what_the_record_says_also_after_a_restart() {
    let log = MemoryLog::new();
    let clock = clock();
    let reopen = || async {
        Store::<Stamped>::open(log.clone(), keys(), clock.clone(), Options::default())
            .await
            .unwrap()
    };
    let store = reopen().await;
    store
        .transact(|tx| {
            let revision = tx.revision().0;
            tx.put("/a", Stamped(revision), Some(Duration::from_secs(1)));
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
    clock.advance(Duration::from_secs(1));
    store
        .wait_for(Revision(2), Duration::from_secs(5))
        .await
        .unwrap();
    store.close().await;
    for store in [store, reopen().await] {
        let mut watch = store.watch("/", Revision(1)).unwrap();
        let WatchItem::Event(event) = watch.next().await.unwrap() else {
            panic!("no event");
        };
        assert_eq!((event.kind, event.value.0), (EventKind::Deleted, 2));
        assert_eq!(event.previous.as_ref().unwrap().0, 1);
    }
}

#[tokio::test]
async fn a_change_that_panics_leaves_nothing_and_harms_nobody() {
    let store = open(&MemoryLog::new()).await;
    let panicking = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .transact(|tx| -> Result<(), Infallible> {
                    tx.put("/a", Raw::from("x"), None);
                    panic!("as the test wants");
                })
                .await
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(put(&store, "/b", "y").await, Revision(1));
    assert!(get(&store, "/a").is_none());
}

#[tokio::test]
async fn waiting_for_a_revision_ends_when_it_comes_or_the_time_is_up() {
    let store = open(&MemoryLog::new()).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.wait_for(Revision(2), Duration::from_secs(10)).await }
    });
    put(&store, "/a", "").await;
    put(&store, "/a", "").await;
    waiting.await.unwrap().unwrap();
    let error = store
        .wait_for(Revision(3), Duration::from_millis(10))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        WaitError::Timeout {
            requested: Revision(3),
            current: Revision(2),
            ..
        }
    ));
}
