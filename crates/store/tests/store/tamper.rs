//! Whatever is done to the log, it is seen, and said by its own error.

use std::convert::Infallible;

use bytes::Bytes;
use store::{
    Anchor, BatchHash, Head, OpenError, Options, Piece, Raw, Revision, SealError, SealingKeys,
    Store, SystemClock,
    memory::{MemoryContent, MemoryLog},
};
use zeroize::Zeroizing;

use crate::common::{Raws, get, keys, open, put};

async fn reopen(content: MemoryContent) -> Result<Raws, OpenError> {
    reopen_with(content, keys(), None).await
}

async fn reopen_with(
    content: MemoryContent,
    keys: SealingKeys,
    expect: Option<Head>,
) -> Result<Raws, OpenError> {
    let options = Options {
        expect: expect.map(Into::into),
        ..Options::default()
    };
    Store::open(MemoryLog::of(content), keys, SystemClock, options).await
}

async fn seal_error(content: MemoryContent) -> SealError {
    match reopen(content).await {
        Err(OpenError::Verify(error)) => error,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}

/// Five batches with a write each.
async fn five() -> (MemoryContent, Vec<Head>) {
    let log = MemoryLog::new();
    let store = open(&log).await;
    let mut heads = Vec::new();
    for number in 1..=5 {
        put(&store, &format!("/{number}"), "v").await;
        heads.push(store.head());
    }
    (log.content(), heads)
}

fn flip(bytes: &Bytes, place: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    Bytes::from(bytes)
}

#[tokio::test]
async fn the_true_log_opens_with_the_same_root() {
    let (content, heads) = five().await;
    for expect in heads.iter().copied().map(Some).chain([None]) {
        let store = reopen_with(content.clone(), keys(), expect).await.unwrap();
        assert_eq!(store.head(), heads[4]);
        assert_eq!(store.revision(), Revision(5));
    }
}

#[tokio::test]
async fn any_flipped_byte_is_seen() {
    let (content, _) = five().await;
    let length = content.batches[&3].len();
    for place in 0..length {
        let mut content = content.clone();
        let batch = flip(&content.batches[&3], place);
        content.batches.insert(3, batch);
        let error = seal_error(content).await;
        let expected = match place {
            0..4 => SealError::NotSealed(Piece::Batch(3)),
            4 => SealError::OtherVersion {
                piece: Piece::Batch(3),
                found: 0,
            },
            _ => SealError::Damaged(Piece::Batch(3)),
        };
        assert_eq!(error, expected, "byte {place}");
    }
}

#[tokio::test]
async fn a_shortened_batch_is_seen() {
    let (content, _) = five().await;
    for length in 0..content.batches[&5].len() {
        let mut content = content.clone();
        let batch = content.batches[&5].slice(..length);
        content.batches.insert(5, batch);
        let error = seal_error(content).await;
        assert!(
            matches!(
                error,
                SealError::CutShort(Piece::Batch(5)) | SealError::Damaged(Piece::Batch(5))
            ),
            "{length}: {error}"
        );
    }
}

#[tokio::test]
async fn a_removed_batch_is_missing() {
    let (content, _) = five().await;
    for gone in 1..=4 {
        let mut content = content.clone();
        content.batches.remove(&gone);
        assert_eq!(seal_error(content).await, SealError::Missing(gone));
    }
}

#[tokio::test]
async fn a_removed_batch_whose_followers_were_moved_up_is_seen() {
    let (content, _) = five().await;
    let mut moved = content.clone();
    moved.batches = [(1, 1), (2, 3), (3, 4), (4, 5)]
        .map(|(to, from)| (to, content.batches[&from].clone()))
        .into();
    let error = seal_error(moved).await;
    assert_eq!(
        error,
        SealError::Misplaced {
            place: Piece::Batch(2),
            found: 3
        }
    );
}

#[tokio::test]
async fn swapped_batches_are_misplaced() {
    let (content, _) = five().await;
    let mut swapped = content.clone();
    swapped.batches.insert(2, content.batches[&3].clone());
    swapped.batches.insert(3, content.batches[&2].clone());
    assert_eq!(
        seal_error(swapped).await,
        SealError::Misplaced {
            place: Piece::Batch(2),
            found: 3
        }
    );
}

#[tokio::test]
async fn a_duplicated_batch_is_seen() {
    let (content, _) = five().await;
    for place in [3, 6] {
        let mut copied = content.clone();
        copied.batches.insert(place, content.batches[&2].clone());
        assert_eq!(
            seal_error(copied).await,
            SealError::Duplicated { found: 2, place }
        );
    }
}

#[tokio::test]
async fn a_batch_of_another_history_is_foreign() {
    let (content, _) = five().await;
    let (other, _) = five().await;
    let mut mixed = content.clone();
    mixed.batches.insert(4, other.batches[&4].clone());
    assert_eq!(seal_error(mixed).await, SealError::Foreign(Piece::Batch(4)));
    let mut mixed = content.clone();
    mixed.batches.insert(1, other.batches[&1].clone());
    // The first has the same predecessor; it is the second that then doesn't follow.
    assert_eq!(seal_error(mixed).await, SealError::Foreign(Piece::Batch(2)));
}

#[tokio::test]
async fn a_forged_batch_is_not_authentic() {
    let (content, _) = five().await;
    let mut batch = content.batches[&5].to_vec();
    let end = batch.len() - 32;
    batch[end - 20] ^= 1;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &batch[..end]);
    batch[end..].copy_from_slice(digest.as_ref());
    let mut forged = content.clone();
    forged.batches.insert(5, Bytes::from(batch));
    assert_eq!(seal_error(forged).await, SealError::Forged(Piece::Batch(5)));
}

#[tokio::test]
async fn a_wrong_key_epoch_or_cluster_is_said() {
    let (content, _) = five().await;
    let key = |byte: u8| Zeroizing::new([byte; 32]);
    let expect = [
        (
            SealingKeys::new("test-cluster", 1, &key(8)),
            SealError::WrongKey {
                piece: Piece::Batch(1),
                epoch: 1,
            },
        ),
        (
            SealingKeys::new("test-cluster", 2, &key(7)),
            SealError::UnknownEpoch {
                piece: Piece::Batch(1),
                epoch: 1,
            },
        ),
        (
            SealingKeys::new("other-cluster", 1, &key(7)),
            SealError::WrongCluster(Piece::Batch(1)),
        ),
    ];
    for (keys, expected) in expect {
        let Err(OpenError::Verify(error)) = reopen_with(content.clone(), keys, None).await else {
            panic!("it must not open with {expected}");
        };
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn a_rolled_back_log_opens_only_when_nothing_better_is_known() {
    let (content, heads) = five().await;
    let mut older = content.clone();
    older.batches.split_off(&4);
    assert_eq!(reopen(older.clone()).await.unwrap().revision(), Revision(3));
    for known in &heads[..3] {
        reopen_with(older.clone(), keys(), Some(*known))
            .await
            .unwrap();
    }
    for known in &heads[3..] {
        let error = reopen_with(older.clone(), keys(), Some(*known))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(error, OpenError::RolledBack { found: Revision(3), expected, .. } if expected == known.revision),
            "{error}"
        );
    }
    let error = reopen_with(MemoryContent::default(), keys(), Some(heads[0]))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, OpenError::RolledBack { sequence: 0, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_forked_log_is_refused() {
    let (content, heads) = five().await;
    let mut older = content.clone();
    older.batches.split_off(&4);
    let log = MemoryLog::of(older);
    let store = open(&log).await;
    for _ in 0..3 {
        put(&store, "/other", "x").await;
    }
    let error = reopen_with(log.content(), keys(), Some(heads[4]))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            OpenError::Forked {
                revision: Revision(5)
            }
        ),
        "{error}"
    );
    reopen_with(log.content(), keys(), Some(heads[2]))
        .await
        .unwrap();
    // The same sequence was sealed twice under one key; that must not have shared a nonce's key.
    let salt = |content: &MemoryContent| content.batches[&4].slice(24..56);
    assert_ne!(salt(&log.content()), salt(&content));
}

/// A log with a snapshot of many chunks, and three batches after it.
async fn with_snapshot() -> (MemoryContent, Vec<Head>) {
    let log = MemoryLog::new();
    let options = Options {
        snapshot_chunk_bytes: 40,
        ..Options::default()
    };
    let store: Raws = Store::open(log.clone(), keys(), SystemClock, options)
        .await
        .unwrap();
    let mut heads = Vec::new();
    for number in 0..20 {
        put(&store, &format!("/{number}"), "some value").await;
        heads.push(store.head());
    }
    store.compact(Revision(17)).await.unwrap();
    store.write_snapshot().await.unwrap();
    assert!(log.content().chunks.len() > 3);
    (log.content(), heads)
}

#[tokio::test]
async fn a_snapshot_is_verified_like_the_log() {
    let (content, heads) = with_snapshot().await;
    let store = reopen(content.clone()).await.unwrap();
    assert_eq!(store.revision(), Revision(20));
    assert_eq!(store.compacted(), Revision(17));
    assert_eq!(store.snapshot().count("/"), 20);

    let id = content.manifest.clone().unwrap().0;
    assert_eq!(id.sequence, 17);
    let chunk = |index| content.chunks[&(id, index)].clone();
    let replaced = |index, with: Option<Bytes>| {
        let mut content = content.clone();
        match with {
            Some(bytes) => content.chunks.insert((id, index), bytes),
            None => content.chunks.remove(&(id, index)),
        };
        content
    };
    assert_eq!(
        seal_error(replaced(1, None)).await,
        SealError::MissingChunk {
            sequence: 17,
            index: 1
        }
    );
    assert_eq!(
        seal_error(replaced(1, Some(flip(&chunk(1), 130)))).await,
        SealError::Damaged(Piece::Chunk(17, 1))
    );
    assert_eq!(
        seal_error(replaced(1, Some(chunk(2)))).await,
        SealError::Misplaced {
            place: Piece::Chunk(17, 1),
            found: 17
        }
    );

    // A chunk of another history's snapshot at the same place.
    let (other, _) = with_snapshot().await;
    let other_id = other.manifest.clone().unwrap().0;
    assert_eq!(
        seal_error(replaced(1, Some(other.chunks[&(other_id, 1)].clone()))).await,
        SealError::Foreign(Piece::Chunk(17, 1))
    );

    let mut manifest = content.clone();
    let sealed = manifest.manifest.take().unwrap().1;
    manifest.manifest = Some((id, flip(&sealed, 200)));
    assert_eq!(
        seal_error(manifest).await,
        SealError::Damaged(Piece::Manifest(17))
    );

    // Without the snapshot, the batches that it replaced are missing.
    let mut without = content.clone();
    without.manifest = None;
    assert_eq!(seal_error(without).await, SealError::Missing(1));

    // That the batches after it are gone, only an anchor shows.
    let mut cut = content.clone();
    cut.batches.clear();
    assert_eq!(reopen(cut.clone()).await.unwrap().revision(), Revision(17));
    let error = reopen_with(cut, keys(), Some(heads[19]))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::RolledBack { .. }), "{error}");

    // Anchors from before the snapshot are remembered; forged and later ones are refused.
    for head in &heads {
        reopen_with(content.clone(), keys(), Some(*head))
            .await
            .unwrap();
    }
    for place in [3, 16, 18] {
        let wrong = Head {
            hash: BatchHash([1; 32]),
            ..heads[place]
        };
        let error = reopen_with(content.clone(), keys(), Some(wrong))
            .await
            .err()
            .unwrap();
        assert!(matches!(error, OpenError::Forked { .. }), "{error}");
    }
}

#[tokio::test]
async fn chunks_of_two_snapshots_at_one_place_do_not_mix() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    for number in 0..3 {
        put(&store, &format!("/{number}"), "some value").await;
    }
    store.compact(Revision(3)).await.unwrap();
    let before = log.content();
    let mut snapshots = Vec::new();
    for _ in 0..2 {
        let log = MemoryLog::of(before.clone());
        open(&log).await.write_snapshot().await.unwrap();
        snapshots.push(log.content());
    }
    let [mut first, second] = <[MemoryContent; 2]>::try_from(snapshots).ok().unwrap();
    let (id, other) = (
        first.manifest.clone().unwrap().0,
        second.manifest.clone().unwrap().0,
    );
    assert_eq!(id.sequence, other.sequence);
    first
        .chunks
        .insert((id, 0), second.chunks[&(other, 0)].clone());
    assert_eq!(seal_error(first).await, SealError::OtherChunks(id.sequence));
}

#[tokio::test]
async fn a_snapshot_inside_a_batch_needs_the_rest_of_the_batch() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    put(&store, "/first", "v").await;
    log.hold();
    let writers: Vec<_> = (0..10)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, &format!("/{number}"), "v").await })
        })
        .collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    log.release();
    for writer in writers {
        writer.await.unwrap();
    }
    store.compact(Revision(7)).await.unwrap();
    store.write_snapshot().await.unwrap();
    store.close().await;
    let reopened = open(&log).await;
    assert_eq!(reopened.compacted(), Revision(7));
    assert_eq!(reopened.revision(), Revision(11));
    assert_eq!(reopened.snapshot().count("/"), 11);
    assert_eq!(reopened.snapshot_at(Revision(7)).unwrap().count("/"), 7);
    let content = log.content();
    let first = *content.batches.keys().next().unwrap();
    let mut cut = content.clone();
    cut.batches.clear();
    assert_eq!(seal_error(cut).await, SealError::Missing(first));
}

#[tokio::test]
async fn keys_rotate_while_the_store_runs() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    put(&store, "/old", "1").await;
    let second = Zeroizing::new([9; 32]);
    store.set_keys(keys().with_epoch(2, &second));
    put(&store, "/new", "2").await;
    let both = reopen_with(log.content(), keys().with_epoch(2, &second), None)
        .await
        .unwrap();
    assert_eq!(get(&both, "/old").unwrap(), "1");
    assert_eq!(get(&both, "/new").unwrap(), "2");
    let Err(OpenError::Verify(error)) = reopen_with(log.content(), keys(), None).await else {
        panic!("it must not open without the second epoch's key");
    };
    assert_eq!(
        error,
        SealError::UnknownEpoch {
            piece: Piece::Batch(2),
            epoch: 2
        }
    );
    // Once a snapshot has replaced what the first epoch sealed, its key is not needed any more.
    store.compact(Revision(2)).await.unwrap();
    store.write_snapshot().await.unwrap();
    let only_second = SealingKeys::new("test-cluster", 2, &second);
    let store = reopen_with(log.content(), only_second, None).await.unwrap();
    assert_eq!(get(&store, "/old").unwrap(), "1");
    let written = store
        .transact(|tx| {
            tx.put("/more", Raw::from("3"), None);
            Ok::<_, Infallible>(())
        })
        .await;
    assert_eq!(written.unwrap().1, Revision(3));
}

#[tokio::test]
async fn an_anchor_without_a_number_is_compared_by_revision() {
    let (content, heads) = five().await;
    let open = |content: MemoryContent, anchor: Anchor| async move {
        let options = Options {
            expect: Some(anchor),
            ..Options::default()
        };
        Store::<Raw>::open(MemoryLog::of(content), keys(), SystemClock, options).await
    };
    let anchor = |head: Head| Anchor {
        sequence: None,
        ..Anchor::from(head)
    };
    for head in &heads {
        open(content.clone(), anchor(*head)).await.unwrap();
    }
    let mut older = content.clone();
    older.batches.split_off(&4);
    let error = open(older, anchor(heads[4])).await.err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::RolledBack {
                found: Revision(3),
                ..
            }
        ),
        "{error}"
    );
    let (other, _) = five().await;
    let error = open(other, anchor(heads[4])).await.err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Forked {
                revision: Revision(5)
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_anchor_is_remembered_by_snapshots_when_the_store_was_told() {
    const BATCHES: u64 = 1100;
    for told in [true, false] {
        let log = MemoryLog::new();
        let store = open(&log).await;
        let mut heads = Vec::new();
        for _ in 0..BATCHES {
            put(&store, "/a", "v").await;
            heads.push(store.head());
        }
        if told {
            store.anchored(heads[2]);
        }
        store.compact(Revision(BATCHES)).await.unwrap();
        store.write_snapshot().await.unwrap();
        reopen_with(log.content(), keys(), Some(heads[1000]))
            .await
            .unwrap();
        let with_anchor = reopen_with(log.content(), keys(), Some(heads[2])).await;
        let unknown = reopen_with(log.content(), keys(), Some(heads[3]))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(unknown, OpenError::AnchorForgotten { .. }),
            "{unknown}"
        );
        if !told {
            assert!(matches!(
                with_anchor,
                Err(OpenError::AnchorForgotten { .. })
            ));
            continue;
        }
        // And by those after a restart.
        drop(with_anchor);
        let store = open(&log).await;
        put(&store, "/a", "w").await;
        store.compact(store.revision()).await.unwrap();
        store.write_snapshot().await.unwrap();
        reopen_with(log.content(), keys(), Some(heads[2]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_epoch_is_needed_until_everything_is_rewritten_and_not_after() {
    let log = MemoryLog::new();
    let store = open(&log).await;
    assert_eq!(store.oldest_epoch(), None);
    put(&store, "/old", "1").await;
    store.compact(Revision(1)).await.unwrap();
    store.write_snapshot().await.unwrap();
    assert_eq!(store.oldest_epoch(), Some(1));
    let second = Zeroizing::new([9; 32]);
    assert!(matches!(
        store.rewrite(2).await,
        Err(store::RewriteError::NoSuchEpoch(2))
    ));
    store.set_keys(keys().with_epoch(2, &second));
    put(&store, "/new", "2").await;
    assert_eq!(store.oldest_epoch(), Some(1));
    store.rewrite(2).await.unwrap();
    assert_eq!(store.oldest_epoch(), Some(2));
    // Online: writes go on, and a snapshot that exists already is no obstacle.
    put(&store, "/newer", "3").await;
    store.rewrite(2).await.unwrap();
    store.set_keys(SealingKeys::new("test-cluster", 2, &second));
    put(&store, "/newest", "4").await;
    let reopened = reopen_with(
        log.content(),
        SealingKeys::new("test-cluster", 2, &second),
        None,
    )
    .await
    .unwrap();
    assert_eq!(reopened.oldest_epoch(), Some(2));
    for (key, value) in [
        ("/old", "1"),
        ("/new", "2"),
        ("/newer", "3"),
        ("/newest", "4"),
    ] {
        assert_eq!(get(&reopened, key).unwrap(), value);
    }
    // The first epoch's key opens nothing of it.
    let Err(OpenError::Verify(error)) = reopen_with(log.content(), keys(), None).await else {
        panic!("it must not open with the first epoch's key");
    };
    assert!(matches!(error, SealError::UnknownEpoch { epoch: 2, .. }));
}

#[tokio::test]
async fn a_store_knows_the_points_that_it_has_passed() {
    let (content, heads) = five().await;
    let store = reopen(content).await.unwrap();
    for head in &heads {
        assert!(store.has_passed(&Anchor::from(*head)));
        let unnumbered = Anchor {
            sequence: None,
            ..Anchor::from(*head)
        };
        assert!(store.has_passed(&unnumbered));
    }
    let (_, others) = five().await;
    assert!(!store.has_passed(&Anchor::from(others[2])));
}

/// No key is used for two sealings: not in one history, and not when a rolled-back copy writes the same sequence again.
#[tokio::test]
async fn no_two_sealings_share_a_salt() {
    let mut salts = std::collections::HashSet::new();
    let mut sealings = 0;
    let (content, _) = five().await;
    for _ in 0..3 {
        let log = MemoryLog::of(content.clone());
        let store = open(&log).await;
        for _ in 0..50 {
            put(&store, "/same", "value").await;
        }
        store.compact(Revision(20)).await.unwrap();
        store.write_snapshot().await.unwrap();
        let content = log.content();
        let batches = content.batches.range(6..).map(|(_, sealed)| sealed);
        let chunks = content.chunks.values();
        let manifest = content.manifest.iter().map(|(_, sealed)| sealed);
        for sealed in batches.chain(chunks).chain(manifest) {
            assert!(salts.insert(sealed.slice(24..56)));
            sealings += 1;
        }
    }
    assert!(sealings > 90, "{sealings}");
}
