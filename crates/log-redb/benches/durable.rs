//! What a durable write costs: one alone, and many at once in the same batch.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use log_redb::RedbLog;
use store::{Log, Options, Raw, SealingKeys, Store, SystemClock};
use tempfile::tempdir;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// How many writers, and how much sealing may cost of their throughput.
const WRITERS: usize = 100;
const LIMIT: f64 = 0.10;

fn main() {
    divan::main();
    compare();
}

/// A second's writes on a fresh log: how many.
fn writes_in_a_second(keys: SealingKeys) -> f64 {
    let runtime = Runtime::new().unwrap();
    let folder = tempdir().unwrap();
    runtime.block_on(async {
        let log = RedbLog::open(folder.path().join("state.redb"))
            .await
            .unwrap();
        let store: Store<Raw> = Store::open(log, keys, SystemClock, Options::default())
            .await
            .unwrap();
        let begin = std::time::Instant::now();
        let writers = (0..WRITERS).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let value = Raw(Bytes::from(vec![b'x'; 2048]));
                let mut written = 0_u32;
                while begin.elapsed() < std::time::Duration::from_secs(1) {
                    let value = value.clone();
                    let put = store.transact(|tx| {
                        tx.put(&format!("/pods/default/web-{writer}"), value, None);
                        Ok::<_, Infallible>(())
                    });
                    put.await.unwrap();
                    written += 1;
                }
                written
            })
        });
        let mut total = 0.0;
        for writer in writers.collect::<Vec<_>>() {
            total += f64::from(writer.await.unwrap());
        }
        total / begin.elapsed().as_secs_f64()
    })
}

/// Durable writes a second, sealed and in clear, in turns so that the machine's mood strikes both. Fails when sealing
/// costs more than is promised.
fn compare() {
    let key = Zeroizing::new([7; 32]);
    let (mut sealed, mut clear) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        sealed.push(writes_in_a_second(SealingKeys::new("bench", 1, &key)));
        clear.push(writes_in_a_second(SealingKeys::in_clear("bench")));
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    };
    let (sealed, clear) = (median(sealed), median(clear));
    let cost = 1.0 - sealed / clear;
    println!(
        "sealed against clear log, {WRITERS} writers: {sealed:.0}/s against {clear:.0}/s, {:.1} % (at most {:.0} %)",
        cost * 100.0,
        LIMIT * 100.0
    );
    assert!(cost <= LIMIT, "sealing costs {:.1} %", cost * 100.0);
}

/// The log alone, without sealing and the engine, to compare with.
#[divan::bench]
fn append_2k(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let folder = tempdir().unwrap();
    let log = runtime
        .block_on(RedbLog::open(folder.path().join("state.redb")))
        .unwrap();
    let batch = Bytes::from(vec![b'x'; 2048]);
    let mut sequence = 0;
    bencher.bench_local(|| {
        sequence += 1;
        runtime
            .block_on(log.append(sequence, batch.clone()))
            .unwrap();
    });
}

#[divan::bench(args = [1, 10, 100, 1_000])]
fn durable_puts(bencher: Bencher<'_, '_>, writers: usize) {
    let runtime = Runtime::new().unwrap();
    let folder = tempdir().unwrap();
    let keys = SealingKeys::new("bench", 1, &Zeroizing::new([7; 32]));
    let store: Store<Raw> = runtime.block_on(async {
        let log = RedbLog::open(folder.path().join("state.redb"))
            .await
            .unwrap();
        Store::open(log, keys, SystemClock, Options::default())
            .await
            .unwrap()
    });
    let value = Raw(Bytes::from(vec![b'x'; 2048]));
    bencher.counter(ItemsCount::new(writers)).bench_local(|| {
        let writes: Vec<_> = (0..writers)
            .map(|number| {
                let (store, value) = (store.clone(), value.clone());
                runtime.spawn(async move {
                    let put = store.transact(|tx| {
                        tx.put(&format!("/pods/default/web-{number}"), value, None);
                        Ok::<_, Infallible>(())
                    });
                    put.await.unwrap();
                })
            })
            .collect();
        runtime.block_on(async {
            for write in writes {
                write.await.unwrap();
            }
        });
    });
}
