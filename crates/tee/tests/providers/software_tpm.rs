//! `tpm` against swtpm: quotes, secrets that PCRs seal, the counter.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tee::tpm::{Stream, Tpm, TpmOptions, Transport as _};
use tee::{Provider as _, SealPolicy};
use tee_verify::{Details, Kind, Policy, VerifyError};

use crate::{binding, judge};

/// A software TPM whose state is a directory; it ends with this.
struct Software {
    child: Child,
    directory: tempfile::TempDir,
}

impl Software {
    /// `None`, and a word about it, where swtpm isn't installed.
    fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().display();
        let setup = Command::new("swtpm_setup")
            .args(["--tpm2", "--tpmstate", &state.to_string()])
            .args(["--pcr-banks", "sha256", "--overwrite"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match setup {
            Ok(status) => assert!(status.success(), "swtpm_setup: {status}"),
            Err(_) => {
                println!("skipped: swtpm is not installed (scripts/deps.sh test)");
                return None;
            }
        }
        let child = run(directory.path());
        Some(Self { child, directory })
    }

    /// Off and on again: PCRs are reset, everything else is kept.
    fn reboot(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = run(self.directory.path());
    }

    fn connect(&self) -> Stream<UnixStream> {
        let socket = self.directory.path().join("socket");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => return Stream(stream),
                Err(error) if Instant::now() > until => panic!("swtpm: {error}"),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn options(&self) -> TpmOptions {
        TpmOptions {
            event_log: self.directory.path().join("event-log"),
            sealed: Some(self.directory.path().join("sealed")),
            ..TpmOptions::default()
        }
    }

    fn open(&self) -> Tpm {
        Tpm::open(self.connect(), self.options()).unwrap()
    }

    /// What booting something else does.
    fn extend(&self, pcr: u32, content: &[u8]) {
        let mut command = vec![0x80, 0x02, 0, 0, 0, 65, 0, 0, 1, 0x82];
        command.extend(pcr.to_be_bytes());
        command.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0]);
        command.extend([0, 0, 0, 1, 0, 0x0b]);
        command.extend(Sha256::digest(content));
        let response = self.connect().transmit(&command).unwrap();
        assert_eq!(response[6..10], [0; 4]);
    }
}

fn run(directory: &Path) -> Child {
    let socket = directory.join("socket");
    let _ = std::fs::remove_file(&socket);
    Command::new("swtpm")
        .args(["socket", "--tpm2", "--tpmstate"])
        .arg(format!("dir={}", directory.display()))
        .arg("--server")
        .arg(format!("type=unixio,path={}", socket.display()))
        .args(["--flags", "not-need-init,startup-clear"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Software {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn policy(tpm: &Tpm) -> Policy {
    Policy::new()
        .allow(Kind::Tpm, tpm.measurement().clone())
        .trust_root(Kind::Tpm, Sha256::digest(tpm.attestation_key()).into())
}

#[test]
fn a_quote_is_of_the_key_the_pcrs_and_the_binding() {
    let Some(mut software) = Software::start() else {
        return;
    };
    let tpm = software.open();
    let policy = policy(&tpm);
    let claims = judge(&tpm, &policy, &binding(4)).unwrap();
    let Details::Tpm(details) = &claims.details else {
        panic!("{claims:?}");
    };
    let quoted: BTreeSet<u8> = details.pcrs.keys().copied().collect();
    assert_eq!(quoted, software.options().measured);
    assert_eq!(judge(&tpm, &policy, &binding(5)), Err(VerifyError::Binding));
    let nobodys = Policy::new().allow(Kind::Tpm, tpm.measurement().clone());
    assert_eq!(
        judge(&tpm, &nobodys, &binding(4)),
        Err(VerifyError::Root(Kind::Tpm))
    );
    drop(tpm);

    // Another system is booted.
    software.extend(4, b"another boot loader");
    let other = software.open();
    assert!(matches!(
        judge(&other, &policy, &binding(4)),
        Err(VerifyError::MeasurementNotAllowed { .. })
    ));
    drop(other);

    // The key is the same after a restart.
    software.reboot();
    judge(&software.open(), &policy, &binding(4)).unwrap();
}

#[test]
fn a_sealed_key_comes_back_with_the_same_pcrs_only() {
    let Some(mut software) = Software::start() else {
        return;
    };
    let key = |software: &Software, policy| {
        let tpm = software.open();
        tpm.seal_key(policy, "store").map(|key| *key.as_bytes())
    };
    use SealPolicy::{Device, Measurement};
    let (device, measured) = (
        key(&software, Device).unwrap(),
        key(&software, Measurement).unwrap(),
    );
    assert_ne!(device, measured);
    software.reboot();
    assert_eq!(key(&software, Device).unwrap(), device);
    assert_eq!(key(&software, Measurement).unwrap(), measured);

    // Another kernel: the device's key stays, the measurement's is another one.
    software.extend(9, b"another kernel");
    assert_eq!(key(&software, Device).unwrap(), device);
    assert_ne!(key(&software, Measurement).unwrap(), measured);
    // Other firmware: nothing is given out, and nothing is overwritten.
    software.extend(0, b"other firmware");
    let refused = key(&software, Device).unwrap_err();
    assert!(
        refused.to_string().contains("PCRs have changed"),
        "{refused}"
    );
    software.reboot();
    assert_eq!(key(&software, Device).unwrap(), device);
    assert_eq!(key(&software, Measurement).unwrap(), measured);

    // On the disk there is nothing of it.
    for file in std::fs::read_dir(software.options().sealed.unwrap()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(
            !content
                .windows(32)
                .any(|part| part == device || part == measured)
        );
    }
    // What another TPM sealed is of no use.
    let other = Software::start().unwrap();
    let options = TpmOptions {
        sealed: software.options().sealed,
        ..other.options()
    };
    let other = Tpm::open(other.connect(), options).unwrap();
    assert!(other.seal_key(Device, "store").is_err());
}

#[test]
fn the_counter_only_grows() {
    let Some(mut software) = Software::start() else {
        return;
    };
    let tpm = software.open();
    let counter = tpm.counter().unwrap();
    let first = counter.read().unwrap();
    assert_eq!(counter.read().unwrap(), first);
    assert_eq!(counter.increment().unwrap(), first + 1);
    drop(tpm);
    software.reboot();
    let tpm = software.open();
    let counter = tpm.counter().unwrap();
    assert_eq!(counter.read().unwrap(), first + 1);
    assert_eq!(counter.increment().unwrap(), first + 2);
}

#[test]
fn many_attestations_leave_nothing_loaded() {
    let Some(software) = Software::start() else {
        return;
    };
    let tpm = software.open();
    let policy = policy(&tpm);
    // A TPM has room for three objects.
    for _ in 0..8 {
        judge(&tpm, &policy, &binding(4)).unwrap();
        tpm.seal_key(SealPolicy::Device, "x").unwrap();
    }
}
