//! What is wrong is said in one line with what to do, the exit code is not 0, and nothing is left
//! half-made.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::system::{DAAS, System, text};

/// The command failed with a single line that contains each of `words`.
fn refused(output: &Output, words: &[&str]) {
    assert!(!output.status.success(), "{}", text(output));
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line: {said}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} in {said}");
    }
}

fn with_config(role: &str, text: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    Command::new(DAAS)
        .args([role, "--config"])
        .arg(file.path())
        .output()
        .unwrap()
}

const SERVER: &str =
    "dataDir: /tmp/daas-none/server\nchainUrl: http://127.0.0.1:1\ndeployment: /nonexistent\n";
const WORKER: &str = "dataDir: /tmp/daas-none/worker\nnodeName: w\nchainUrl: http://127.0.0.1:1\ndeployment: /nonexistent\n";

#[test]
fn configuration_errors_name_the_key_and_what_would_be_right() {
    refused(
        &with_config("server", &format!("{SERVER}podCdir: x\n")),
        &["podCdir", "podCidr"],
    );
    refused(
        &with_config("server", &format!("{SERVER}listen: 6443\n")),
        &["listen"],
    );
    refused(
        &with_config("server", &format!("{SERVER}listen: [1]\n")),
        &["listen"],
    );
    refused(
        &with_config(
            "server",
            &format!("{SERVER}tee: simulated\nsimulatedTeeDir: /x\nproduction: true\n"),
        ),
        &["tee", "production"],
    );
    refused(&with_config("server", "dataDir: /x\n"), &["missing field"]);
    refused(&with_config("server", "- a\n"), &["mapping"]);
    refused(
        &with_config("worker", &format!("{WORKER}maxPods: many\n")),
        &["maxPods"],
    );
    refused(
        &with_config("worker", &format!("{WORKER}agent: docker\n")),
        &["agent", "native"],
    );
    refused(&with_config("worker", WORKER), &["/nonexistent"]);
    refused(
        &with_config("ledger", "dataDir: /x\npublisher: me\n"),
        &["publisher"],
    );
    assert!(
        !std::path::Path::new("/tmp/daas-none").exists(),
        "nothing half-made"
    );
}

#[test]
fn up_checks_the_machine_before_it_starts_anything() {
    let system = System::new("bad");
    // A port in use.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = system.daas(
        &["up"],
        &[
            "--detach",
            "--ledger-listen",
            &address,
            "--api-listen",
            "127.0.0.1:0",
        ],
    );
    assert!(!output.status.success());
    let said = text(&output);
    assert!(
        said.contains(&address) && said.contains("--ledger-listen"),
        "{said}"
    );
    assert!(!system.path().join("ledger").exists(), "nothing half-made");

    // A data directory that can't be one.
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(DAAS)
        .args(["up", "--detach", "--data-dir"])
        .arg(file.path().join("data"))
        .output()
        .unwrap();
    refused(&output, &["--data-dir", "not writable"]);

    // containerd is not installed.
    let output = Command::new(DAAS)
        .args(["up", "--detach", "--data-dir"])
        .arg(system.path())
        .env("DAAS_PROGRAM_PATH", "/nonexistent")
        .output()
        .unwrap();
    refused(&output, &["containerd", "apt-get install"]);
}

#[test]
fn commands_on_nothing_say_what_to_do() {
    let system = System::new("none");
    refused(&system.daas(&["status"], &[]), &["daas up"]);
    refused(&system.daas(&["unstake"], &[]), &["daas up"]);
    let down = system.daas(&["down"], &[]);
    assert!(down.status.success(), "{}", text(&down));
}
