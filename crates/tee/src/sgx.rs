//! `sgx`: Intel SGX, through the files that Gramine gives to what runs in it (`/dev/attestation`).
//!
//! Report data are written to `user_report_data`, and `quote` is then a quote over them. `keys/_sgx_mrenclave` and
//! `keys/_sgx_mrsigner` are keys that the processor derives for the enclave and for its signer.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tee_verify::{Binding, Collateral, Evidence, Kind, MAX_EVIDENCE, Measurement};
use zeroize::Zeroizing;

use crate::collateral_files::CollateralFiles;
use crate::derive::seal_key;
use crate::{
    AttestError, Capabilities, CollateralError, OpenError, Provider, SealKey, SealKeyError,
    SealPolicy,
};

/// Where Gramine has its files.
pub const ROOT: &str = "/dev/attestation";

const DOMAIN: &[u8] = b"k3s-daas/tee/sgx/v1";
/// Length of a key of the processor.
const KEY: usize = 16;

/// The provider.
pub struct Sgx {
    root: PathBuf,
    files: CollateralFiles,
    measurement: Measurement,
    /// Report data and quote are two files: one quote after the other.
    turn: Mutex<()>,
}

fn read(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(most + 1));
    fs::File::open(path)?
        .take(most as u64 + 1)
        .read_to_end(&mut content)?;
    if content.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

fn quote(root: &Path, data: &[u8; 64]) -> io::Result<Vec<u8>> {
    fs::write(root.join("user_report_data"), data)?;
    read(&root.join("quote"), MAX_EVIDENCE).map(|quote| quote.to_vec())
}

/// MRENCLAVE of a quote of version 3 or 4.
fn measured(quote: &[u8]) -> Option<Measurement> {
    Measurement::from_bytes(quote.get(48 + 64..48 + 96)?).ok()
}

impl Sgx {
    /// Over the files below `root`, with files of collateral.
    ///
    /// # Errors
    /// [`OpenError::Device`].
    pub fn open(root: impl Into<PathBuf>, collateral: Vec<PathBuf>) -> Result<Self, OpenError> {
        let root = root.into();
        let failed = |reason: String| OpenError::Device {
            kind: Kind::Sgx,
            reason,
        };
        let kind = read(&root.join("attestation_type"), 64)
            .map_err(|error| failed(format!("attestation_type: {error}")))?;
        if kind.trim_ascii() != b"dcap" {
            let kind = String::from_utf8_lossy(&kind);
            return Err(failed(format!(
                "Gramine's attestation is {:?}; set sgx.remote_attestation = \"dcap\"",
                kind.trim()
            )));
        }
        let first = quote(&root, &[0; 64]).map_err(|error| failed(error.to_string()))?;
        let measurement = measured(&first).ok_or_else(|| failed("not a quote".to_owned()))?;
        Ok(Self {
            root,
            files: CollateralFiles::new(collateral),
            measurement,
            turn: Mutex::default(),
        })
    }
}

impl Provider for Sgx {
    fn kind(&self) -> Kind {
        Kind::Sgx
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_rooted: true,
            seal: true,
            counter: false,
            runtime_measure: false,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let failed = |reason: String| AttestError::Device {
            kind: Kind::Sgx,
            reason,
        };
        let _turn = self.turn.lock();
        let quote = quote(&self.root, &crate::padded(binding))
            .map_err(|error| failed(error.to_string()))?;
        Evidence::new(Kind::Sgx, quote).map_err(|error| failed(error.to_string()))
    }

    fn collateral(&self) -> Result<Collateral, CollateralError> {
        self.files.read()
    }

    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError> {
        let failed = |reason: String| SealKeyError::Device(Kind::Sgx, reason);
        let name = match policy {
            SealPolicy::Device => "_sgx_mrsigner",
            SealPolicy::Measurement => "_sgx_mrenclave",
        };
        let key = read(&self.root.join("keys").join(name), KEY)
            .map_err(|error| failed(error.to_string()))?;
        if key.len() != KEY || key.iter().all(|byte| *byte == 0) {
            return Err(failed(format!("{name} holds no key")));
        }
        seal_key(&key, DOMAIN, &[name.as_bytes(), label.as_bytes()])
            .ok_or_else(|| failed("no key can be derived".to_owned()))
    }
}
