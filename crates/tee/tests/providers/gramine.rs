//! `sgx` over an imitation of Gramine's files.

use std::fs;

use tee::sgx::Sgx;
use tee::{Provider as _, SealPolicy};
use tee_verify::{Kind, Measurement};

use crate::binding;

fn files() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut quote = vec![0; 2000];
    quote[..8].copy_from_slice(&[3, 0, 2, 0, 0, 0, 0, 0]);
    quote[112..144].fill(5);
    fs::create_dir(root.path().join("keys")).unwrap();
    for (name, content) in [
        ("attestation_type", &b"dcap\n"[..]),
        ("user_report_data", &[]),
        ("quote", &quote),
        ("keys/_sgx_mrenclave", &[1; 16]),
        ("keys/_sgx_mrsigner", &[2; 16]),
    ] {
        fs::write(root.path().join(name), content).unwrap();
    }
    root
}

#[test]
fn quotes_are_over_the_binding() {
    let root = files();
    let sgx = Sgx::open(root.path(), Vec::new()).unwrap();
    assert_eq!(sgx.attest(&binding(4)).unwrap().kind, Kind::Sgx);
    let asked = fs::read(root.path().join("user_report_data")).unwrap();
    assert_eq!(asked.len(), 64);
    assert_eq!(asked[..32], binding(4).0);
    assert_eq!(asked[32..], [0; 32]);
    assert_eq!(
        *sgx.measurement(),
        Measurement::from_bytes(&[5; 32]).unwrap()
    );
}

#[test]
fn sealing_keys_are_of_the_enclave_or_its_signer() {
    let root = files();
    let sgx = Sgx::open(root.path(), Vec::new()).unwrap();
    let key = |policy, label| *sgx.seal_key(policy, label).unwrap().as_bytes();
    use SealPolicy::{Device, Measurement};
    assert_eq!(key(Device, "a"), key(Device, "a"));
    assert_ne!(key(Device, "a"), key(Measurement, "a"));
    assert_ne!(key(Device, "a"), key(Device, "b"));
    fs::write(root.path().join("keys/_sgx_mrenclave"), [0; 16]).unwrap();
    assert!(sgx.seal_key(Measurement, "a").is_err());
    fs::write(root.path().join("keys/_sgx_mrenclave"), [1; 15]).unwrap();
    assert!(sgx.seal_key(Measurement, "a").is_err());
}

#[test]
fn collateral_is_read_anew_each_time() {
    let root = files();
    let file = root.path().join("vcek.der");
    let sgx = Sgx::open(root.path(), vec![file.clone()]).unwrap();
    assert!(sgx.collateral().is_err());
    let certificate = tee::testing::certificate();
    fs::write(&file, &certificate).unwrap();
    assert_eq!(sgx.collateral().unwrap().certificates, [certificate]);
    fs::write(&file, b"{}").unwrap();
    assert!(sgx.collateral().is_err());
}

#[test]
fn without_dcap_there_is_no_attestation() {
    let root = files();
    fs::write(root.path().join("attestation_type"), "epid").unwrap();
    let error = Sgx::open(root.path(), Vec::new()).err().unwrap();
    assert!(error.to_string().contains("dcap"), "{error}");
}
