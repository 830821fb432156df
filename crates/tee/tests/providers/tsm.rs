//! `snp` and `tdx` over an imitation of the kernel's files: `inblob` and `outblob` are pipes, with a thread at their
//! other end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::stat::Mode;
use tee::snp::{KeyDeriver, Snp};
use tee::tdx::Tdx;
use tee::tsm::Tsm;
use tee::{Provider as _, SealPolicy};
use tee_verify::{Kind, Measurement};
use zeroize::Zeroizing;

use crate::binding;

/// What the imitation was asked to sign, request by request.
type Asked = Arc<Mutex<Vec<Vec<u8>>>>;

fn feed(path: PathBuf, content: &[u8]) {
    let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
    pipe.write_all(content).unwrap();
}

/// What the imitation says.
#[derive(Clone)]
struct Says {
    /// The generation at first, and after each write.
    generations: Vec<u64>,
    provider: &'static str,
    blob: fn(&[u8]) -> Vec<u8>,
    auxiliary: Vec<u8>,
}

/// The kernel's part of a directory of reports.
fn kernel(root: &Path, says: Says) -> (Tsm, Asked) {
    let asked = Asked::default();
    let heard = asked.clone();
    let elsewhere = root.with_extension("generation");
    let tsm = Tsm::imitated(root, move |entry| {
        let (entry, says, heard) = (entry.to_owned(), says.clone(), heard.clone());
        let elsewhere = elsewhere.clone();
        let generation = move |entry: &Path, value: u64| {
            fs::write(&elsewhere, format!("{value}\n")).unwrap();
            fs::rename(&elsewhere, entry.join("generation")).unwrap();
        };
        fs::create_dir(&entry)?;
        for name in ["inblob", "outblob"] {
            nix::unistd::mkfifo(&entry.join(name), Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        fs::write(entry.join("provider"), says.provider)?;
        fs::write(entry.join("auxblob"), &says.auxiliary)?;
        let (first, after) = says.generations.split_first().unwrap();
        let after = after.to_vec();
        generation(&entry, *first);
        thread::spawn(move || {
            for value in after {
                let data = fs::read(entry.join("inblob")).unwrap();
                heard.lock().unwrap().push(data.clone());
                generation(&entry, value);
                feed(entry.join("outblob"), &(says.blob)(&data));
            }
        });
        Ok(())
    });
    (tsm, asked)
}

fn report(data: &[u8]) -> Vec<u8> {
    let mut report = vec![0; 0x4a0];
    report[0] = 2;
    report[0x50..0x90].copy_from_slice(data);
    report[0x90..0xc0].fill(7);
    report
}

fn quote(data: &[u8]) -> Vec<u8> {
    let mut quote = vec![0; 1000];
    quote[..8].copy_from_slice(&[4, 0, 2, 0, 0x81, 0, 0, 0]);
    quote[48 + 136..48 + 184].fill(1);
    quote[48 + 328..48 + 520].fill(2);
    quote[48 + 520..48 + 584].copy_from_slice(data);
    quote
}

struct Keys;

impl KeyDeriver for Keys {
    fn derive(&self, measurement: bool) -> Result<Zeroizing<[u8; 32]>, String> {
        Ok(Zeroizing::new([u8::from(measurement) + 1; 32]))
    }
}

fn table(certificate: &[u8]) -> Vec<u8> {
    let mut table = vec![7; 16];
    table.extend(48u32.to_le_bytes());
    table.extend(u32::try_from(certificate.len()).unwrap().to_le_bytes());
    table.extend([0; 24]);
    table.extend(certificate);
    table
}

#[test]
fn snp_reports_carry_the_binding_and_the_hosts_certificates() {
    let root = tempfile::tempdir().unwrap();
    let certificate = tee::testing::certificate();
    let says = Says {
        generations: vec![0, 1],
        provider: "sev_guest\n",
        blob: report,
        auxiliary: table(&certificate),
    };
    let (tsm, asked) = kernel(root.path(), says);
    let snp = Snp::open(tsm, Some(Box::new(Keys)), Vec::new()).unwrap();
    let evidence = snp.attest(&binding(4)).unwrap();
    assert_eq!(evidence.kind, Kind::Snp);
    assert_eq!(evidence.body()[0x50..0x70], binding(4).0);
    assert_eq!(asked.lock().unwrap()[1][..32], binding(4).0);
    assert_eq!(asked.lock().unwrap()[1][32..], [0; 32]);
    assert_eq!(
        *snp.measurement(),
        Measurement::from_bytes(&[7; 48]).unwrap()
    );
    assert_eq!(snp.collateral().unwrap().certificates, [certificate]);

    let key = |policy, label| *snp.seal_key(policy, label).unwrap().as_bytes();
    use SealPolicy::{Device, Measurement as Measured};
    assert_eq!(key(Device, "a"), key(Device, "a"));
    assert_ne!(key(Device, "a"), key(Device, "b"));
    assert_ne!(key(Device, "a"), key(Measured, "a"));
    // The device's own key is never handed out.
    assert_ne!(key(Device, "a"), [1; 32]);
}

#[test]
fn a_report_that_another_process_asked_for_is_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let says = Says {
        generations: vec![3, 5, 6],
        provider: "tdx_guest\n",
        blob: quote,
        auxiliary: Vec::new(),
    };
    let (tsm, asked) = kernel(root.path(), says);
    let tdx = Tdx::open(tsm, Vec::new()).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 2);
    let evidence = tdx.attest(&binding(4)).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 4);
    assert_eq!(evidence.body()[48 + 520..48 + 552], binding(4).0);
    assert!(!tdx.capabilities().seal);
}

#[test]
fn another_drivers_reports_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let says = Says {
        generations: vec![0, 1],
        provider: "tdx_guest\n",
        blob: quote,
        auxiliary: Vec::new(),
    };
    let (tsm, _) = kernel(root.path(), says);
    let error = Snp::open(tsm, None, Vec::new()).err().unwrap();
    assert!(error.to_string().contains("tdx_guest"), "{error}");
}
