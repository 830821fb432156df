//! The file: its permissions, its lock, and what is said about a bad one.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use log_redb::RedbLog;
use redb::{Database, TableDefinition};
use store::{Log, LogError, SnapshotId};
use tempfile::tempdir;

async fn refused(path: &Path) -> LogError {
    RedbLog::open(path)
        .await
        .err()
        .expect("the log must not open")
}

async fn filled(path: &Path, batches: u64) {
    let log = RedbLog::open(path).await.unwrap();
    for sequence in 1..=batches {
        log.append(sequence, Bytes::from(vec![sequence as u8; 5000]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn batches_are_kept_in_order_and_only_the_next_is_taken() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 3).await;
    let log = RedbLog::open(&path).await.unwrap();
    assert_eq!(log.state().await.unwrap().last, 3);
    for wrong in [0, 3, 5] {
        let error = log
            .append(wrong, Bytes::from_static(b"x"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, LogError::NotNext { sequence, last: 3 } if sequence == wrong),
            "{error}"
        );
    }
    let all = log.read(1, 1 << 20).await.unwrap();
    let sequences: Vec<_> = all.iter().map(|batch| batch.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(log.read(2, 1).await.unwrap().len(), 1);
    assert!(log.read(4, 1).await.unwrap().is_empty());
    tokio::time::timeout(Duration::from_secs(5), log.wait_past(2))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_snapshot_replaces_batches_and_older_snapshots() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 5).await;
    let log = RedbLog::open(&path).await.unwrap();
    let id = |sequence, attempt| SnapshotId { sequence, attempt };
    let chunk = |text: &'static str| Bytes::from_static(text.as_bytes());
    log.write_chunk(id(3, 1), 0, chunk("given up"))
        .await
        .unwrap();
    for (snapshot, text) in [(id(3, 2), "three"), (id(4, 3), "four")] {
        log.write_chunk(snapshot, 0, chunk(text)).await.unwrap();
        log.write_chunk(snapshot, 1, chunk(text)).await.unwrap();
        assert_eq!(
            log.read_chunk(snapshot, 1).await.unwrap(),
            Some(chunk(text))
        );
        log.commit_snapshot(snapshot, chunk("manifest"))
            .await
            .unwrap();
        log.truncate(snapshot).await.unwrap();
        assert_eq!(
            log.read(1, 1 << 20).await.unwrap()[0].sequence,
            snapshot.sequence + 1
        );
    }
    for gone in [id(3, 1), id(3, 2)] {
        assert_eq!(log.read_chunk(gone, 0).await.unwrap(), None);
    }
    drop(log);
    let log = RedbLog::open(&path).await.unwrap();
    let state = log.state().await.unwrap();
    assert_eq!(state.last, 5);
    assert_eq!(state.snapshot, Some((id(4, 3), chunk("manifest"))));
    assert_eq!(
        log.read_chunk(id(4, 3), 1).await.unwrap(),
        Some(chunk("four"))
    );
    log.write_chunk(id(5, 4), 0, chunk("five")).await.unwrap();
    log.commit_snapshot(id(5, 4), chunk("all")).await.unwrap();
    log.truncate(id(5, 4)).await.unwrap();
    assert_eq!(log.state().await.unwrap().last, 5);
    log.append(6, chunk("six")).await.unwrap();
}

#[tokio::test]
async fn the_file_is_its_owners_only() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 1).await;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(RedbLog::open(&path).await.unwrap());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_log_is_open_once() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let log = RedbLog::open(&path).await.unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, LogError::InUse { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("state.redb is in use by another process")
    );
    drop(log);
    RedbLog::open(&path).await.unwrap();
}

#[tokio::test]
async fn an_absent_folder_and_a_folder_in_the_files_place_are_said() {
    let folder = tempdir().unwrap();
    let error = refused(&folder.path().join("absent/state.redb")).await;
    assert!(
        matches!(
            error,
            LogError::Io {
                action: "locking",
                ..
            }
        ),
        "{error}"
    );
    let path = folder.path().join("folder.redb");
    fs::create_dir(&path).unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, LogError::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_writable_is_said() {
    let folder = tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        // Root may write anywhere, except to a file system that refuses it.
        let error = refused(Path::new("/proc/daas-state.redb")).await;
        assert!(
            matches!(error, LogError::NotWritable { .. } | LogError::Io { .. }),
            "{error}"
        );
        return;
    }
    let error = refused(&folder.path().join("state.redb")).await;
    assert!(matches!(error, LogError::NotWritable { .. }), "{error}");
}

#[tokio::test]
async fn truncation_is_said() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 200).await;
    let whole = fs::read(&path).unwrap();
    for length in [whole.len() - 4096, whole.len() / 2, 5000, 100, 0] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refused(&path).await;
        println!("{length}: {error}");
        assert!(
            matches!(error, LogError::Truncated { .. }),
            "{length}: {error:?}"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            length as u64,
            "a bad file is left as it is"
        );
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(
        RedbLog::open(&path)
            .await
            .unwrap()
            .state()
            .await
            .unwrap()
            .last,
        200
    );
}

#[tokio::test]
async fn a_flipped_byte_is_said_or_changes_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 50).await;
    let batches = RedbLog::open(&path)
        .await
        .unwrap()
        .read(1, usize::MAX)
        .await
        .unwrap();
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(refused(&path).await, LogError::Corrupted { .. }));
    fs::write(&path, b"this was never a log, but it has some text in it").unwrap();
    assert!(matches!(refused(&path).await, LogError::Corrupted { .. }));
    let mut said = 0;
    let step = whole.len() / 40;
    for place in (0..whole.len()).step_by(step) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        match RedbLog::open(&path).await {
            Ok(log) => {
                // It was a byte that holds nothing.
                assert_eq!(log.read(1, usize::MAX).await.unwrap(), batches);
            }
            Err(error) => {
                said += 1;
                assert!(
                    fs::read(&path).unwrap() == damaged,
                    "a bad file is left as it is"
                );
                assert!(
                    matches!(
                        error,
                        LogError::Corrupted { .. }
                            | LogError::Truncated { .. }
                            | LogError::OtherVersion { .. }
                    ),
                    "{error:?}"
                );
            }
        }
    }
    println!(
        "{said} of {} flipped bytes were refused by the file itself",
        whole.len() / step
    );
    assert!(said > 5);
}

#[tokio::test]
async fn another_version_is_said() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 1).await;
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(TableDefinition::<&str, &[u8]>::new("meta"))
            .unwrap()
            .insert("format", &[9_u8][..])
            .unwrap();
        transaction.commit().unwrap();
    }
    let error = refused(&path).await;
    assert!(matches!(error, LogError::OtherVersion { .. }), "{error}");
    assert!(error.to_string().contains("format version 9"));
}

#[tokio::test]
async fn what_a_crash_left_while_making_the_file_is_no_obstacle() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    fs::write(folder.path().join("state.redb.new"), "half").unwrap();
    filled(&path, 1).await;
    assert!(!folder.path().join("state.redb.new").exists());
    let age = fs::metadata(&path).unwrap().modified().unwrap();
    assert!(SystemTime::now().duration_since(age).unwrap() < Duration::from_secs(60));
}

#[tokio::test]
async fn who_waits_for_the_log_gets_it_when_it_is_released() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    filled(&path, 1).await;
    let held = RedbLog::open(&path).await.unwrap();
    let waiting = tokio::spawn(RedbLog::open_when_free(path.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    held.append(2, Bytes::from_static(b"x")).await.unwrap();
    drop(held);
    let taken = tokio::time::timeout(Duration::from_secs(10), waiting);
    let log = taken.await.unwrap().unwrap().unwrap();
    assert_eq!(log.state().await.unwrap().last, 2);
}
