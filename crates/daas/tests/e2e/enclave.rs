//! The enclave image: the same bytes wherever it is made, and a first process that brings its world up.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};

use crate::system::{DAAS, text};

/// What a build needs besides the program.
fn inputs(directory: &Path, listen: &str) {
    fs::create_dir_all(directory).unwrap();
    let id = format!("0x{}", "1".repeat(64));
    let shared = json!({ "id": id, "initialSharedVersion": 1 });
    let deployment = json!({
        "chain": "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S", "package": id, "originalPackage": id,
        "stakingPool": shared, "gateway": shared, "cluster": id,
    });
    let server = json!({
        "dataDir": "/var/daas", "listen": listen, "chainUrl": "http://127.0.0.1:9000",
        "deployment": "/etc/daas/deployment.json",
    });
    let enclave = json!({
        "relays": [{ "name": "api", "listen": "vsock://any:6443", "connect": "tcp://127.0.0.1:6443" }],
    });
    for (name, content) in [
        ("deployment.json", deployment),
        ("server.yaml", server),
        ("enclave.yaml", enclave),
    ] {
        fs::write(directory.join(name), content.to_string()).unwrap();
    }
    let mut kernel = vec![0; 4096];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    fs::write(directory.join("bzImage"), kernel).unwrap();
}

fn image(directory: &Path, program: &Path) -> (Vec<u8>, Value) {
    let at = |name: &str| directory.join(name);
    let out = Command::new(DAAS)
        .args(["--output", "json", "enclave", "image", "--kernel"])
        .arg(at("bzImage"))
        .arg("--program")
        .arg(program)
        .arg("--server-config")
        .arg(at("server.yaml"))
        .arg("--enclave-config")
        .arg(at("enclave.yaml"))
        .arg("--deployment")
        .arg(at("deployment.json"))
        .arg("--out")
        .arg(at("daas.eif"))
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out));
    let image = fs::read(at("daas.eif")).unwrap();
    fs::remove_file(at("daas.eif")).unwrap();
    (image, serde_json::from_slice(&out.stdout).unwrap())
}

#[test]
fn two_builds_of_an_image_are_equal_and_every_input_is_measured() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = other.path().join("deeper");
    inputs(one.path(), "127.0.0.1:6443");
    std::thread::sleep(Duration::from_millis(10));
    inputs(&other, "127.0.0.1:6443");
    // Another path, another time and another mode of the program's file are all the same.
    let moved = other.join("program");
    fs::copy(DAAS, &moved).unwrap();
    fs::set_permissions(&moved, fs::Permissions::from_mode(0o600)).unwrap();
    let (first, measured) = image(one.path(), Path::new(DAAS));
    let (second, measured_again) = image(&other, &moved);
    assert!(first == second, "the images differ");
    assert_eq!(measured, measured_again);

    inputs(&other, "127.0.0.1:7443");
    let (_, changed) = image(&other, &moved);
    let register = |of: &Value, name: &str| of["Measurements"][name].as_str().unwrap().to_owned();
    for (name, same) in [("PCR0", false), ("PCR1", true), ("PCR2", false)] {
        let equal = register(&measured, name) == register(&changed, name);
        assert_eq!(
            equal, same,
            "{name} when the server's configuration changes"
        );
        assert_eq!(register(&measured, name).len(), 96);
    }
}

#[test]
fn what_can_not_work_inside_is_refused_when_the_image_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&Path), expected: &str| {
        inputs(directory.path(), "127.0.0.1:6443");
        change(directory.path());
        let at = |name: &str| directory.path().join(name);
        let out = Command::new(DAAS)
            .args(["enclave", "image", "--kernel"])
            .arg(at("bzImage"))
            .arg("--program")
            .arg(if at("program").exists() {
                at("program")
            } else {
                DAAS.into()
            })
            .arg("--server-config")
            .arg(at("server.yaml"))
            .arg("--enclave-config")
            .arg(at("enclave.yaml"))
            .arg("--deployment")
            .arg(at("deployment.json"))
            .arg("--out")
            .arg(at("daas.eif"))
            .output()
            .unwrap();
        assert!(!out.status.success(), "{expected}");
        assert!(text(&out).contains(expected), "{}", text(&out));
        assert!(!at("daas.eif").exists());
    };
    let write = |name: &'static str, content: &'static [u8]| {
        move |directory: &Path| fs::write(directory.join(name), content).unwrap()
    };
    refused(&write("bzImage", b"not a kernel"), "bzImage");
    refused(&write("program", b"#!/bin/sh"), "ELF");
    fs::remove_file(directory.path().join("program")).unwrap();
    refused(&write("deployment.json", b"{}"), "deployment.json");
    let past = br#"{"relays": [{"name": "out", "listen": "tcp://127.0.0.1:1", "connect": "tcp://10.0.0.1:1"}]}"#;
    refused(&write("enclave.yaml", past), "relay out");
}

/// A process that is ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first process of new namespaces does all that it does in an enclave but greet a host.
#[test]
fn the_first_process_mounts_raises_loopback_and_runs_the_server() {
    let root = tempfile::tempdir().unwrap();
    for directory in ["dev", "proc", "run", "sys", "tmp", "var", "etc/daas"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::copy(DAAS, root.path().join("daas")).unwrap();
    std::os::unix::fs::symlink("daas", root.path().join("init")).unwrap();
    let config =
        json!({ "heartbeat": false, "run": ["sample-server", "--listen", "127.0.0.1:8080"] });
    fs::write(
        root.path().join("etc/daas/enclave.yaml"),
        config.to_string(),
    )
    .unwrap();

    let mut init = Command::new("unshare")
        .args([
            "--fork",
            "--kill-child",
            "--pid",
            "--mount",
            "--net",
            "chroot",
        ])
        .arg(root.path())
        // What a kernel hands on that it does not know itself.
        .args(["/init", "nomodules", "--unknown"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map(Ended)
        .unwrap();
    let mut line = Vec::new();
    let stdout = init.0.stdout.as_mut().unwrap();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "it ended");
        line.push(byte[0]);
    }
    assert!(String::from_utf8_lossy(&line).contains("127.0.0.1:8080"));

    let namespaces = init.0.id();
    let children =
        fs::read_to_string(format!("/proc/{namespaces}/task/{namespaces}/children")).unwrap();
    let first: i32 = children.trim().parse().unwrap();
    let answer = std::thread::spawn(move || {
        let network = fs::File::open(format!("/proc/{first}/ns/net")).unwrap();
        setns(&network, CloneFlags::CLONE_NEWNET).unwrap();
        let mut stream = TcpStream::connect("127.0.0.1:8080").unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
    .join()
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mounts = fs::read_to_string(format!("/proc/{first}/mounts")).unwrap();
    for at in [
        "/dev devtmpfs",
        "/proc proc",
        "/sys sysfs",
        "/run tmpfs",
        "/tmp tmpfs",
    ] {
        assert!(mounts.contains(at), "{at}: {mounts}");
    }

    // Asked to stop, it stops the server, and ends with it.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    let asked = Instant::now();
    while init.0.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
