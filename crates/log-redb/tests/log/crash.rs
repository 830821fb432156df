//! A process that writes is killed at random points; nothing that it had acknowledged may be gone.

use std::{
    collections::HashMap,
    convert::Infallible,
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use store::{BatchHash, Head, Options, Raw, Revision, Store};
use tempfile::tempdir;

use crate::sealed::open;

const CHILD: &str = "DAAS_TEST_CRASH_CHILD";
const WRITERS: u64 = 8;
const KEYS: u64 = 40;

fn options() -> Options {
    Options {
        // Everything happens often: compaction, snapshots, truncation, full batches.
        retain_revisions: 50,
        snapshot_after_bytes: 20_000,
        snapshot_chunk_bytes: 4_000,
        max_batch_bytes: 8_000,
        ..Options::default()
    }
}

/// Not a test of its own: the process that the test below kills. Each acknowledged write is a line in `acks`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_process() {
    let Some(folder) = env::var_os(CHILD) else {
        return;
    };
    let folder = Path::new(&folder);
    let store = open(&folder.join("state.redb"), options()).await;
    let acks = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("acks"))
        .unwrap();
    let acks = Arc::new(Mutex::new(acks));
    let start = store.revision().0;
    let count = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write(
                store.clone(),
                writer,
                start,
                acks.clone(),
                count.clone(),
            ))
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn write(
    store: Store<Raw>,
    writer: u64,
    start: u64,
    acks: Arc<Mutex<File>>,
    count: Arc<AtomicU64>,
) {
    let mut random = StdRng::seed_from_u64(start * WRITERS + writer);
    loop {
        let key = format!("/{writer}/{}", random.random_range(0..KEYS));
        let delete = random.random_ratio(1, 5);
        let number = count.fetch_add(1, Ordering::Relaxed);
        let value = format!(
            "{start}.{number}{}",
            ".".repeat(random.random_range(0..600))
        );
        let (written, revision) = store
            .transact(|tx| {
                if delete {
                    return Ok::<_, Infallible>(tx.delete(&key, Raw::from("")));
                }
                tx.put(&key, Raw(Bytes::from(value.clone())), None);
                Ok(true)
            })
            .await
            .unwrap();
        if !written {
            continue;
        }
        let value = if delete { "-" } else { &value };
        let head = store.head();
        let line = format!(
            "{key} {revision} {value} {} {} {}\n",
            head.sequence, head.revision, head.hash
        );
        acks.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }
}

struct Acked {
    /// Key → revision and value of its last acknowledged write.
    values: HashMap<String, (u64, Option<String>)>,
    head: Option<Head>,
    count: usize,
}

fn acked(folder: &Path) -> Acked {
    let text = fs::read_to_string(folder.join("acks")).unwrap_or_default();
    let mut acked = Acked {
        values: HashMap::new(),
        head: None,
        count: 0,
    };
    // The last line may be cut; it was then not acknowledged to anybody.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    if whole.len() < text.len() {
        fs::write(folder.join("acks"), whole).unwrap();
    }
    for line in whole.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [key, revision, value, sequence, head_revision, hash] = fields[..] else {
            panic!("{line}");
        };
        acked.count += 1;
        let revision: u64 = revision.parse().unwrap();
        let value = (value != "-").then(|| value.to_owned());
        let last = acked.values.entry(key.to_owned()).or_insert((0, None));
        if revision > last.0 {
            *last = (revision, value);
        }
        let head = Head {
            sequence: sequence.parse().unwrap(),
            revision: Revision(head_revision.parse().unwrap()),
            hash: BatchHash(from_hex(hash)),
        };
        if acked.head.is_none_or(|last| head.sequence > last.sequence) {
            acked.head = Some(head);
        }
    }
    acked
}

fn from_hex(hex: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap();
    }
    bytes
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let seed = env::var("DAAS_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("DAAS_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let begin = Instant::now();
    let mut rounds = 0;
    let mut count = 0;
    let mut snapshots = 0;
    while rounds < 12 && begin.elapsed() < Duration::from_secs(10) {
        rounds += 1;
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::writer_process"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..900))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let acked = acked(folder.path());
        // Opening verifies the whole chain, and that it extends the last head that was seen.
        let store = open(
            &path,
            Options {
                expect: acked.head.map(Into::into),
                ..options()
            },
        )
        .await;
        let snapshot = store.snapshot();
        let mut unacknowledged = Vec::new();
        for (key, (revision, value)) in &acked.values {
            assert!(snapshot.revision().0 >= *revision);
            let found = snapshot.get(key).map(|entry| {
                let value = String::from_utf8_lossy(&entry.value.0).into_owned();
                (entry.revision.0, value)
            });
            match (found, value) {
                (None, None) => {}
                (Some((at, found)), Some(value)) if at == *revision => {
                    assert_eq!(found, *value, "{key}")
                }
                (Some((at, _)), _) if at < *revision => {
                    panic!("{key} was acknowledged at {revision} and is back at {at}")
                }
                (found, _) => unacknowledged.push((key, found)),
            }
        }
        // Each writer may have had one write under way that became durable.
        assert!(unacknowledged.len() as u64 <= WRITERS, "{unacknowledged:?}");
        let head = store.head();
        let mut acks = OpenOptions::new()
            .append(true)
            .open(folder.path().join("acks"))
            .unwrap();
        for (key, found) in unacknowledged {
            let (at, value) = found.unwrap_or((head.revision.0, "-".to_owned()));
            writeln!(
                acks,
                "{key} {at} {value} {} {} {}",
                head.sequence, head.revision, head.hash
            )
            .unwrap();
        }
        count = acked.count;
        snapshots += usize::from(store.compacted() > Revision::ZERO);
        store.close().await;
    }
    println!("{rounds} kills, {count} acknowledged writes, {snapshots} reopened after compaction");
    assert!(count > 100, "{count}");
}
