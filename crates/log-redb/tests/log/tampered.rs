//! What a host can do to the directory itself: each is refused, with an error of its own; the true copy opens.

use std::{convert::Infallible, fs, path::Path};

use log_redb::RedbLog;
use redb::{Database, ReadableDatabase, TableDefinition};
use store::{Anchor, OpenError, Options, Piece, Raw, SealError, Store, SystemClock};
use tempfile::{TempDir, tempdir};

use crate::sealed::keys;

const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
const FILE: &str = "state.redb";

fn copy(from: &TempDir) -> TempDir {
    let to = tempdir().unwrap();
    fs::copy(from.path().join(FILE), to.path().join(FILE)).unwrap();
    to
}

async fn open(directory: &TempDir, expect: Option<Anchor>) -> Result<Store<Raw>, OpenError> {
    let log = RedbLog::open(directory.path().join(FILE)).await.unwrap();
    let options = Options {
        expect,
        ..Options::default()
    };
    Store::open(log, keys(), SystemClock, options).await
}

async fn put(store: &Store<Raw>, key: &str) {
    store
        .transact(|tx| {
            tx.put(key, Raw::from("value"), None);
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
}

async fn write(directory: &TempDir, keys: &[&str]) -> Anchor {
    let store = open(directory, None).await.unwrap();
    for key in keys {
        put(&store, key).await;
    }
    store.close().await;
    store.head().into()
}

/// Changes rows with redb itself, so that its own checksums are right and only the seals can tell.
fn edit(directory: &TempDir, change: impl FnOnce(&mut redb::Table<'_, u64, &'static [u8]>)) {
    let database = Database::open(directory.path().join(FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(BATCHES).unwrap());
    transaction.commit().unwrap();
}

fn row(directory: &Path, sequence: u64) -> Vec<u8> {
    let database = Database::open(directory.join(FILE)).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = transaction.open_table(BATCHES).unwrap();
    table.get(sequence).unwrap().unwrap().value().to_vec()
}

fn verify_error(error: OpenError) -> SealError {
    match error {
        OpenError::Verify(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_kind_of_tampering_with_the_directory_has_its_own_error() {
    let original = tempdir().unwrap();
    write(&original, &["/1", "/2", "/3"]).await;
    let older = copy(&original);
    let anchor = write(&original, &["/4", "/5"]).await;
    let refused = async |directory: &TempDir| open(directory, Some(anchor)).await.err().unwrap();

    // An older copy in its place.
    assert!(matches!(
        refused(&older).await,
        OpenError::RolledBack { sequence: 3, .. }
    ));
    // A fork: the older copy, gone on by itself, past the anchor.
    let fork = copy(&older);
    write(&fork, &["/x", "/y", "/z"]).await;
    assert!(matches!(refused(&fork).await, OpenError::Forked { .. }));

    let batch = row(copy(&original).path(), 2);
    let flipped = copy(&original);
    let mut altered = batch.clone();
    altered[150] ^= 1;
    edit(&flipped, |table| {
        table.insert(2, altered.as_slice()).unwrap();
    });
    assert_eq!(
        verify_error(refused(&flipped).await),
        SealError::Damaged(Piece::Batch(2))
    );

    let removed = copy(&original);
    edit(&removed, |table| {
        table.remove(2).unwrap();
    });
    assert_eq!(verify_error(refused(&removed).await), SealError::Missing(2));

    let swapped = copy(&original);
    let other = row(copy(&original).path(), 3);
    edit(&swapped, |table| {
        table.insert(2, other.as_slice()).unwrap();
        table.insert(3, batch.as_slice()).unwrap();
    });
    assert_eq!(
        verify_error(refused(&swapped).await),
        SealError::Misplaced {
            place: Piece::Batch(2),
            found: 3
        }
    );

    let duplicated = copy(&original);
    edit(&duplicated, |table| {
        table.insert(4, batch.as_slice()).unwrap();
    });
    assert_eq!(
        verify_error(refused(&duplicated).await),
        SealError::Duplicated { found: 2, place: 4 }
    );

    // A byte of the file, without redb's checksums made right again.
    let damaged = copy(&original);
    let path = damaged.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes
        .windows(batch.len())
        .position(|window| window == batch)
        .unwrap();
    bytes[place + 150] ^= 1;
    fs::write(&path, bytes).unwrap();
    match RedbLog::open(&path).await {
        Err(error) => assert!(
            matches!(error, store::LogError::Corrupted { .. }),
            "{error}"
        ),
        Ok(log) => {
            let options = Options::default();
            let opened = Store::<Raw>::open(log, keys(), SystemClock, options).await;
            assert_eq!(
                verify_error(opened.err().unwrap()),
                SealError::Damaged(Piece::Batch(2))
            );
        }
    }

    let store = open(&original, Some(anchor)).await.unwrap();
    assert_eq!(store.snapshot().count("/"), 5);
}
