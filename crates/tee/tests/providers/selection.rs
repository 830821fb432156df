//! Which environment is taken.

use std::fs;
use std::path::Path;

use tee::{Detection, Devices, OpenError, OpenOptions, open};
use tee_verify::Kind;

fn devices(root: &Path) -> Devices {
    Devices {
        nsm: root.join("nsm"),
        tsm: root.join("tsm"),
        sev_guest: root.join("sev-guest"),
        tdx_guest: root.join("tdx_guest"),
        gramine: root.join("attestation"),
        tpm: root.join("tpmrm0"),
    }
}

#[test]
fn the_strongest_that_is_there() {
    let root = tempfile::tempdir().unwrap();
    let devices = devices(root.path());
    let found = || Detection::probe(&devices).found;
    assert_eq!(found(), []);
    fs::write(&devices.tpm, []).unwrap();
    assert_eq!(found(), [Kind::Tpm]);
    fs::write(&devices.tdx_guest, []).unwrap();
    assert_eq!(found(), [Kind::Tpm]);
    fs::create_dir(&devices.tsm).unwrap();
    assert_eq!(found(), [Kind::Tdx, Kind::Tpm]);
    fs::write(&devices.sev_guest, []).unwrap();
    fs::create_dir(&devices.gramine).unwrap();
    fs::write(devices.gramine.join("quote"), []).unwrap();
    fs::write(&devices.nsm, []).unwrap();
    let detection = Detection::probe(&devices);
    assert_eq!(detection.strongest(), Some(Kind::Nitro));
    assert_eq!(detection.to_string(), "nitro, sgx, snp, tdx, tpm");
}

#[test]
fn no_weaker_one_is_taken_instead() {
    let root = tempfile::tempdir().unwrap();
    let options = |production| OpenOptions {
        production,
        devices: devices(root.path()),
        simulated: Some(root.path().join("simulated")),
        ..OpenOptions::default()
    };
    assert!(matches!(
        open(None, options(false)).err().unwrap(),
        OpenError::NothingFound
    ));
    assert!(matches!(
        open(Some(Kind::Simulated), options(true)).err().unwrap(),
        OpenError::Production
    ));
    assert!(!root.path().join("simulated").exists());
    for kind in [Kind::Nitro, Kind::Snp, Kind::Tdx, Kind::Sgx, Kind::Tpm] {
        let error = open(Some(kind), options(false)).err().unwrap();
        assert!(matches!(error, OpenError::Device { kind: of, .. } if of == kind));
    }
    // A file is no secure module, and what is there besides doesn't matter.
    fs::write(root.path().join("nsm"), []).unwrap();
    assert!(matches!(
        open(None, options(false)).err().unwrap(),
        OpenError::Device {
            kind: Kind::Nitro,
            ..
        }
    ));
    let simulated = open(Some(Kind::Simulated), options(false)).unwrap();
    assert_eq!(simulated.kind(), Kind::Simulated);
}
