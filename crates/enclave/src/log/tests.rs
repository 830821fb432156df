use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use store::memory::MemoryLog;
use store::{Log, LogError, Options, Raw, SealingKeys, Store, SystemClock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{LogHost, RemoteLog};
use crate::endpoint::Endpoint;

struct Host {
    endpoint: Endpoint,
    shutdown: CancellationToken,
    _dir: TempDir,
}

async fn host(log: &MemoryLog) -> Host {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(dir.path().join("log"));
    let listener = endpoint.listen().await.unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(LogHost::new(Arc::new(log.clone())).serve(listener, shutdown.clone()));
    Host {
        endpoint,
        shutdown,
        _dir: dir,
    }
}

async fn open(host: &Host) -> Store<Raw> {
    let log = RemoteLog::connect(&host.endpoint).await.unwrap();
    let keys = SealingKeys::new("test-cluster", 1, &Zeroizing::new([7; 32]));
    Store::open(log, keys, SystemClock, Options::default())
        .await
        .unwrap()
}

async fn put(store: &Store<Raw>, key: &str, value: &str) -> bool {
    let written = store.transact(|tx| {
        tx.put(key, Raw::from(value), None);
        Ok::<_, Infallible>(())
    });
    written.await.is_ok()
}

#[tokio::test]
async fn a_store_keeps_its_state_with_the_host_and_finds_it_again() {
    let disk = MemoryLog::new();
    let host = host(&disk).await;
    let store = open(&host).await;
    for number in 0..50 {
        assert!(put(&store, &format!("/pods/{number}"), "sealed away").await);
    }
    store.compact(store.revision()).await.unwrap();
    assert!(put(&store, "/pods/last", "x").await);
    drop(store);
    let again = open(&host).await;
    assert_eq!(again.snapshot().count("/pods/"), 51);
    let kept = disk.content();
    let mut sealed = kept.batches.values().chain(kept.chunks.values());
    assert!(!sealed.any(|bytes| bytes.windows(11).any(|w| w == b"sealed away")));
}

#[tokio::test]
async fn a_newer_instance_fences_the_older_one() {
    let disk = MemoryLog::new();
    let host = host(&disk).await;
    let older = open(&host).await;
    assert!(put(&older, "/a", "1").await);
    let newer = open(&host).await;
    assert!(!put(&older, "/a", "lost lead").await);
    assert!(put(&newer, "/b", "2").await);
    assert_eq!(newer.snapshot().count("/"), 2);

    let first = RemoteLog::connect(&host.endpoint).await.unwrap();
    let _second = RemoteLog::connect(&host.endpoint).await.unwrap();
    assert!(first.append(99, Bytes::from_static(b"x")).await.is_err());
}

#[tokio::test]
async fn errors_and_the_end_of_the_connection_come_through() {
    let disk = MemoryLog::new();
    let host = host(&disk).await;
    let log = RemoteLog::connect(&host.endpoint).await.unwrap();
    let refused = log.append(7, Bytes::from_static(b"x")).await;
    assert!(
        matches!(
            refused,
            Err(LogError::NotNext {
                sequence: 7,
                last: 0
            })
        ),
        "{refused:?}"
    );
    log.append(1, Bytes::from_static(b"x")).await.unwrap();
    disk.set_failing(true);
    let failed = log.append(2, Bytes::from_static(b"y")).await;
    assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");

    // A wait that is never answered ends with the host.
    let wait = log.wait_past(100);
    host.shutdown.cancel();
    assert!(wait.await.is_err());
    assert!(log.state().await.is_err());
}

#[tokio::test]
async fn another_version_and_nonsense_are_refused() {
    let disk = MemoryLog::new();
    let host = host(&disk).await;
    for bytes in [
        // A frame of 4 GiB, one shorter than its number, one of rubbish, a question before the greeting.
        b"\xff\xff\xff\xff".as_slice(),
        b"\0\0\0\x01x",
        b"\0\0\0\x0a\0\0\0\0\0\0\0\x01\xff\xff",
        b"\0\0\0\x0a\0\0\0\0\0\0\0\x01\x10\x01",
        b"\0\0\0\x08\0\0\0\0\0\0\0\x01",
    ] {
        let mut stream = host.endpoint.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"", "{bytes:?}");
    }
    assert!(RemoteLog::connect(&host.endpoint).await.is_ok());

    // A host of another version.
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(dir.path().join("log"));
    let listener = endpoint.listen().await.unwrap();
    let other = async {
        let mut stream = listener.accept().await.unwrap();
        let mut hello = [0; 14];
        stream.read_exact(&mut hello).await.unwrap();
        let answer = b"\0\0\0\x0a\0\0\0\0\0\0\0\x01\x38\x09";
        stream.write_all(answer).await.unwrap();
        stream
    };
    let (refused, _stream) = tokio::join!(RemoteLog::connect(&endpoint), other);
    let error = refused.err().unwrap();
    assert!(matches!(error, LogError::OtherVersion { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        use super::frame::{Answer, Frames, Question};
        use tokio_util::codec::Decoder;
        let mut buffer = bytes::BytesMut::from(bytes.as_slice());
        while let Ok(Some(_)) = Frames::<Question, Answer>::new().decode(&mut buffer) {}
    }
}
