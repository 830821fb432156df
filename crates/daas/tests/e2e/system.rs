//! A system of a test's own: its directory, its ports, its clients.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub(crate) const DAAS: &str = env!("CARGO_BIN_EXE_daas");

/// A data directory with ports of its own. What still runs when it is dropped is stopped.
pub(crate) struct System {
    directory: PathBuf,
    api: u16,
    ledger: u16,
    node_api: u16,
}

impl System {
    pub(crate) fn new(name: &str) -> Self {
        // Short: Unix sockets lie below it.
        let directory = PathBuf::from(format!("/tmp/daas-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Self {
            directory,
            api: free_port(),
            ledger: free_port(),
            node_api: free_port(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Runs `daas <command> --data-dir … <args>`.
    pub(crate) fn daas(&self, command: &[&str], args: &[&str]) -> Output {
        Command::new(DAAS)
            .args(command)
            .arg("--data-dir")
            .arg(&self.directory)
            .args(args)
            // A test's machine may have a disk that is nearly full.
            .env("DAAS_EVICTION_HARD", "nodefs.available<100Mi")
            .output()
            .unwrap()
    }

    /// `daas up --detach` with the test's ports.
    pub(crate) fn up(&self, args: &[&str]) -> Output {
        let api = format!("127.0.0.1:{}", self.api);
        let ledger = format!("127.0.0.1:{}", self.ledger);
        let node_api = self.node_api.to_string();
        let mut all = vec![
            "--detach",
            "--api-listen",
            &api,
            "--ledger-listen",
            &ledger,
            "--node-api-port",
            &node_api,
        ];
        all.extend(args);
        self.daas(&["up"], &all)
    }

    /// The JSON that a command prints with `--output json`.
    pub(crate) fn json(&self, command: &[&str]) -> Value {
        let output = self.daas(command, &["--output", "json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{command:?}: {e}: {}", text(&output)))
    }

    /// Runs kubectl; fails the test when it fails.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_of("kubectl", args)
    }

    pub(crate) fn kubectl_of(&self, program: &str, args: &[&str]) -> String {
        let output = self.try_kubectl(program, args);
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            text(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn try_kubectl(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .arg("--kubeconfig")
            .arg(self.directory.join("kubeconfig"))
            .args(args)
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"))
    }

    /// The process id of a part.
    pub(crate) fn pid(&self, part: &str) -> i32 {
        let parts = self.json(&["status"]);
        let part = parts
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["name"] == part)
            .unwrap_or_else(|| panic!("no part {part}: {parts}"));
        i32::try_from(part["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["up", "ledger", "server", "worker-0"] {
                let path = self.directory.join("logs").join(format!("{log}.log"));
                let all = fs::read_to_string(&path).unwrap_or_default();
                let last: Vec<&str> = all.lines().rev().take(25).collect();
                eprintln!("--- the end of {log}.log");
                for line in last.iter().rev() {
                    eprintln!("{line}");
                }
            }
        }
        self.daas(&["down"], &[]);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Both outputs of a command.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Waits until `what` holds.
pub(crate) fn within(limit: Duration, what: &str, holds: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(
            since.elapsed() < limit,
            "{what}: not within {} s",
            limit.as_secs()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    since.elapsed()
}

/// What a system may leave on a machine.
#[derive(Debug)]
pub(crate) struct Traces(BTreeSet<String>);

impl Traces {
    /// What there is now of `directory`, and of the network.
    pub(crate) fn of(directory: &Path) -> Self {
        let name = directory.to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|p| {
            let arguments = fs::read(p.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&arguments).replace('\0', " ");
            line.contains(name).then(|| format!("process {line}"))
        });
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(name));
        let list = |directory: &str| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.path().display().to_string())
                .collect::<Vec<_>>()
        };
        let found = processes
            .chain(mounts.map(|line| format!("mount {line}")))
            .chain(list("/var/run/netns"))
            .chain(list("/sys/class/net"));
        Self(found.collect())
    }

    /// What is there now and was not there before.
    pub(crate) fn left(&self, directory: &Path) -> Vec<String> {
        let now = Self::of(directory);
        now.0.difference(&self.0).cloned().collect()
    }
}
