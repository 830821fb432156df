//! What the disk shows of a store.

use std::{convert::Infallible, fs, path::Path, time::Duration};

use bytes::Bytes;
use log_redb::RedbLog;
use store::{Options, Raw, Revision, SealingKeys, Store, SystemClock};
use tempfile::tempdir;
use zeroize::Zeroizing;

const KEY: [u8; 32] = *b"the-sealing-key-of-these-tests!!";

pub(crate) fn keys() -> SealingKeys {
    SealingKeys::new("cluster-under-test", 1, &Zeroizing::new(KEY))
}

pub(crate) async fn open(path: &Path, options: Options) -> Store<Raw> {
    let log = RedbLog::open(path).await.unwrap();
    Store::open(log, keys(), SystemClock, options)
        .await
        .unwrap()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[tokio::test]
async fn the_disk_shows_no_key_value_cluster_or_sealing_key() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = open(&path, Options::default()).await;
    for number in 0..200 {
        store
            .transact(|tx| {
                let key = format!("/secrets/kube-system/namemark-{number}");
                let value = format!("{{\"data\":\"valuemark-{number}\"}}").repeat(20);
                tx.put(
                    &key,
                    Raw(Bytes::from(value)),
                    Some(Duration::from_secs(3600)),
                );
                Ok::<_, Infallible>(())
            })
            .await
            .unwrap();
    }
    store.compact(Revision(150)).await.unwrap();
    store.write_snapshot().await.unwrap();
    store.close().await;
    drop(store);
    let mut searched = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let content = fs::read(entry.unwrap().path()).unwrap();
        searched += content.len();
        for mark in [
            &b"namemark"[..],
            b"valuemark",
            b"/secrets",
            b"kube-system",
            b"cluster-under-test",
            &KEY,
        ] {
            assert!(
                !contains(&content, mark),
                "{}",
                String::from_utf8_lossy(mark)
            );
        }
    }
    assert!(searched > 100_000, "{searched}");
    let store = open(&path, Options::default()).await;
    assert_eq!(store.compacted(), Revision(150));
    assert_eq!(store.snapshot().count("/secrets/kube-system/namemark"), 200);
}
