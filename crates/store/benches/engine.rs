//! What the engine costs without a disk: ranges, transactions, sealing, and the dispatch of events.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use store::{Options, Raw, Revision, SealingKeys, Store, SystemClock, memory::MemoryLog};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

fn main() {
    divan::main();
}

fn store(runtime: &Runtime) -> Store<Raw> {
    let keys = SealingKeys::new("bench", 1, &Zeroizing::new([7; 32]));
    runtime
        .block_on(Store::open(
            MemoryLog::new(),
            keys,
            SystemClock,
            Options::default(),
        ))
        .unwrap()
}

fn key(number: usize) -> String {
    format!("/pods/namespace-{}/web-{number}", number % 100)
}

/// About the size of a small pod.
fn value() -> Raw {
    Raw(Bytes::from(vec![b'x'; 2048]))
}

fn fill(runtime: &Runtime, store: &Store<Raw>, count: usize) {
    for first in (0..count).step_by(100) {
        let filled = store.transact(|tx| {
            for number in first..(first + 100).min(count) {
                tx.put(&key(number), value(), None);
            }
            Ok::<_, Infallible>(())
        });
        runtime.block_on(filled).unwrap();
    }
}

#[divan::bench]
fn range_10k(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let store = store(&runtime);
    fill(&runtime, &store, 10_000);
    let snapshot = store.snapshot();
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .bench_local(|| {
            snapshot
                .range("/pods/", None)
                .map(|entry| black_box(&entry.value).0.len())
                .sum::<usize>()
        });
}

#[divan::bench]
fn get_of_100k(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let store = store(&runtime);
    fill(&runtime, &store, 100_000);
    let snapshot = store.snapshot();
    let key = key(71_234);
    bencher.bench_local(|| snapshot.get(black_box(&key)).unwrap().revision);
}

#[divan::bench(args = [1, 50, 500])]
fn put_in_memory(bencher: Bencher<'_, '_>, writers: usize) {
    let runtime = Runtime::new().unwrap();
    let store = store(&runtime);
    fill(&runtime, &store, 10_000);
    let value = value();
    bencher.counter(ItemsCount::new(writers)).bench_local(|| {
        let writes = (0..writers).map(|number| {
            let (store, value) = (store.clone(), value.clone());
            async move {
                let put = store.transact(|tx| {
                    tx.put(&key(number), value, None);
                    Ok::<_, Infallible>(())
                });
                put.await.unwrap().1
            }
        });
        runtime.block_on(futures::future::join_all(writes))
    });
}

/// One event, with this many watches open on other prefixes and ten on its own.
#[divan::bench(args = [0, 1_000, 10_000])]
fn watch_fan_out(bencher: Bencher<'_, '_>, others: usize) {
    let runtime = Runtime::new().unwrap();
    let store = store(&runtime);
    let others: Vec<_> = (0..others)
        .map(|number| {
            store
                .watch(&format!("/pods/other-{number}/"), Revision::ZERO)
                .unwrap()
        })
        .collect();
    let mut own: Vec<_> = (0..10)
        .map(|_| store.watch("/pods/own/", Revision::ZERO).unwrap())
        .collect();
    let value = value();
    bencher.bench_local(|| {
        let put = store.transact(|tx| {
            tx.put("/pods/own/web", value.clone(), None);
            Ok::<_, Infallible>(())
        });
        runtime.block_on(put).unwrap();
        for watch in &mut own {
            assert!(watch.try_next().unwrap().is_some());
        }
    });
    drop(others);
}
