//! A search for keys and for a Secret's content: on disk, in logs at their most talkative, and in a core dump.
//!
//! The control plane is a process of its own here: this test binary, started again.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::recovery::Custodian;
use keys::{KeyRing, PublicRing, Purpose, Realm, Scope, cache};
use nautilus::Config;
use nautilus::wire::{ANCHOR, Anchored, PLAN, ROTATE, Rotated, Shares};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tee::{Provider as _, SealPolicy, Simulated};
use tokio_util::sync::CancellationToken;

use crate::world::{SOON, World};

/// Names the configuration of the process that [`a_process_of_its_own`] becomes.
const CONFIG: &str = "DAAS_TEST_SERVER_CONFIG";

/// No test when it is run as one: the control plane, when the test below starts it.
#[test]
fn a_process_of_its_own() {
    let Ok(config) = std::env::var(CONFIG) else {
        return;
    };
    let protection = nautilus::protect_process().unwrap();
    assert!(protection.undumpable);
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(std::io::stderr)
        .init();
    let config: Config = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = runtime.block_on(nautilus::run(config, CancellationToken::new(), || {}));
    panic!("{ran:?}");
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(world: &World, keys: &Value) -> Process {
    let config = world.path("server.json");
    fs::write(&config, keys.to_string()).unwrap();
    let log = File::create(world.path("server.log")).unwrap();
    let working = world.path("working");
    fs::create_dir_all(&working).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaks::a_process_of_its_own", "--nocapture"])
        .env(CONFIG, &config)
        .current_dir(working)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}

/// The keys as the server has them, opened with the device's secret, which this test has and a host has not.
fn ring(world: &World) -> (KeyRing, [u8; 32]) {
    let device = Simulated::open(&world.path("tee").join("device.key")).unwrap();
    let cluster = world.cluster().into_inner();
    let label = format!("daas/root/{}", hex::encode(cluster));
    let key = *device
        .seal_key(SealPolicy::Measurement, &label)
        .unwrap()
        .as_bytes();
    let scope = Scope {
        cluster,
        realm: Realm::Simulated,
    };
    let entry = fs::read_dir(world.path("data").join("keys"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
    let public: PublicRing = serde_json::from_value(file["ring"].clone()).unwrap();
    let sealed = STANDARD
        .decode(file["sealedRoot"].as_str().unwrap())
        .unwrap();
    (cache::open(&scope, &public, &sealed, &key).unwrap(), key)
}

/// Every file below, but what stands for the hardware.
fn search(directory: &Path, needles: &[(String, Vec<u8>)], searched: &mut u64) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if path.file_name().is_some_and(|name| name != "tee") {
                search(&path, needles, searched);
            }
            continue;
        }
        let content = fs::read(&path).unwrap();
        *searched += content.len() as u64;
        for (what, needle) in needles {
            let found = content.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{what} is in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_secret_is_on_disk_in_logs_or_in_a_core() {
    let world = World::new().await;
    fs::create_dir_all(world.path("tee")).unwrap();
    let device = Simulated::open(&world.path("tee").join("device.key")).unwrap();
    world.approve(&device).await;
    let (mut keys, address) = world.keys("data");
    keys["simulatedTeeDir"] = json!(world.path("tee"));
    let mut process = spawn(&world, &keys);
    let serving = async {
        while !world.answers(&address).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON * 2, serving)
        .await
        .expect("it serves");
    world.enroll_at(&address).await;
    let admin = world.admin_at(&address).await;

    let canary = format!("canary-{:032x}", rand::random::<u128>());
    admin.put("canary", &canary).await;
    assert_eq!(admin.get("canary").await, canary);
    let custodians: Vec<_> = (0..2)
        .map(|_| hex::encode(Custodian::new().unwrap().public()))
        .collect();
    let _: Shares = admin
        .post(PLAN, json!({"threshold": 2, "custodians": custodians}))
        .await;
    let before = ring(&world).0;
    let rotated: Rotated = admin.post(ROTATE, json!({})).await;
    let _: Anchored = admin.post(ANCHOR, json!({})).await;
    let (after, device_key) = ring(&world);
    assert_eq!(after.epoch(), rotated.epoch);

    let mut needles = vec![
        ("the canary".to_owned(), canary.clone().into_bytes()),
        (
            "the canary in base64".to_owned(),
            STANDARD.encode(&canary).into_bytes(),
        ),
    ];
    let mut key = |what: &str, bytes: &[u8]| {
        needles.push((what.to_owned(), bytes.to_vec()));
        needles.push((format!("{what} in hex"), hex::encode(bytes).into_bytes()));
        let base64 = STANDARD.encode(bytes);
        needles.push((
            format!("{what} in base64"),
            base64.as_bytes()[..40].to_vec(),
        ));
    };
    key("the device's sealing key", &device_key);
    for purpose in Purpose::ALL {
        key(
            "a key of the first epoch",
            before.key(purpose, 1).unwrap().expose(),
        );
        key(
            "a key of the second epoch",
            after.key(purpose, 2).unwrap().expose(),
        );
    }
    let mut searched = 0;
    search(world.directory.path(), &needles, &mut searched);
    assert!(searched > 100_000, "{searched} bytes are too few");
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    assert!(log.contains("TRACE") && log.contains("a new key epoch has begun"));

    // A core, with every limit on it taken away from outside: there is none.
    let pid = process.0.id().to_string();
    let filter = fs::read_to_string(format!("/proc/{pid}/coredump_filter")).unwrap();
    assert_eq!(filter.trim().trim_start_matches('0'), "", "{filter}");
    let raised = Command::new("prlimit")
        .args(["--pid", &pid, "--core=unlimited:unlimited"])
        .status();
    println!("raised the limit of the core: {raised:?}");
    let server = Pid::from_raw(i32::try_from(process.0.id()).unwrap());
    kill(server, Signal::SIGABRT).unwrap();
    let status = process.0.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    assert!(!status.core_dumped(), "a core was dumped");
    assert_eq!(fs::read_dir(world.path("working")).unwrap().count(), 0);
}
