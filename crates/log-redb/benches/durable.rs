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

fn main() {
    divan::main();
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
