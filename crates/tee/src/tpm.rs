//! `tpm`: TPM 2.0 and measured boot. The weakest of the kinds: it says what was booted, and protects no memory.
//!
//! Evidence is a quote by a restricted key that the TPM derives from its endorsement seed, the same each time; whoever
//! trusts it names that key, or the authority that certified it. Sealing keys come from a random secret that the TPM
//! releases only while its PCRs are as they were when it was sealed. The counter is one of its NV indices.
//!
//! Commands go to the device as they are (TPM 2.0 library, part 3); no software of others is in between. Responses are
//! not encrypted on the bus: who can listen between processor and a TPM chip of its own can read an unsealed secret.

mod command;
mod transport;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};
use tee_verify::{Binding, Collateral, Evidence, Kind, Measurement, TpmQuote};
use zeroize::Zeroizing;

pub use self::command::TpmError;
use self::command::{Commands, Sealed};
pub use self::transport::{DeviceFile, Stream, Transport};
use crate::collateral_files::CollateralFiles;
use crate::derive::seal_key;
use crate::{
    AttestError, Capabilities, CollateralError, Counter, CounterError, OpenError, Provider,
    SealKey, SealKeyError, SealPolicy,
};

const DOMAIN: &[u8] = b"k3s-daas/tee/tpm/v1";
/// The most bytes of a boot's log.
const MAX_LOG: usize = 512 * 1024;
/// How often a quote is asked for again when a PCR was extended meanwhile.
const TRIES: usize = 4;

/// What a [`Tpm`] is opened with.
#[derive(Debug, Clone)]
pub struct TpmOptions {
    /// The PCRs (SHA-256 bank) that evidence is about and [`SealPolicy::Measurement`] seals to.
    pub measured: BTreeSet<u8>,
    /// The PCRs that [`SealPolicy::Device`] seals to: firmware, and who may sign what is booted.
    pub device: BTreeSet<u8>,
    /// The NV index of the counter.
    pub counter: u32,
    /// The log of the boot.
    pub event_log: PathBuf,
    /// Certificates of the attestation key and its authorities.
    pub collateral: Vec<PathBuf>,
    /// Directory for what was sealed. Without it there is no sealing.
    pub sealed: Option<PathBuf>,
}

impl Default for TpmOptions {
    fn default() -> Self {
        Self {
            // Firmware, boot loader, secure boot, kernel, initial file system and command line.
            measured: BTreeSet::from([0, 2, 4, 7, 8, 9, 11, 12]),
            device: BTreeSet::from([0, 2, 7]),
            counter: 0x0180_daa5,
            event_log: "/sys/kernel/security/tpm0/binary_bios_measurements".into(),
            collateral: Vec::new(),
            sealed: None,
        }
    }
}

/// The provider.
pub struct Tpm {
    commands: Mutex<Commands>,
    options: TpmOptions,
    files: CollateralFiles,
    attestation_key: Vec<u8>,
    measurement: Measurement,
}

impl Tpm {
    /// Over a device.
    ///
    /// # Errors
    /// [`OpenError::Device`].
    pub fn open(transport: impl Transport, options: TpmOptions) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Device {
            kind: Kind::Tpm,
            reason,
        };
        let mut commands = Commands::new(transport);
        let attestation_key = commands
            .attestation_key()
            .map_err(|error| failed(error.to_string()))?;
        let pcrs = commands
            .read_pcrs(&options.measured)
            .map_err(|error| failed(error.to_string()))?;
        let measurement = TpmQuote::measurement(&pcrs)
            .ok_or_else(|| failed("no PCRs are selected".to_owned()))?;
        Ok(Self {
            commands: Mutex::new(commands),
            files: CollateralFiles::new(options.collateral.clone()),
            options,
            attestation_key,
            measurement,
        })
    }

    /// The DER of the attestation key's `SubjectPublicKeyInfo`: what a verifier's policy names the SHA-256 of.
    #[must_use]
    pub fn attestation_key(&self) -> &[u8] {
        &self.attestation_key
    }

    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn quote(&self, binding: &Binding) -> Result<Vec<u8>, TpmError> {
        let mut commands = self.commands();
        for _ in 0..TRIES {
            let pcrs = commands.read_pcrs(&self.options.measured)?;
            let (attest, signature) = commands.quote(binding.as_bytes(), &self.options.measured)?;
            let digest = Sha256::digest(pcrs.values().copied().collect::<Vec<_>>().concat());
            // The digest of the PCRs is the last of what is attested.
            if attest.ends_with(&digest) {
                let quote = TpmQuote {
                    attest,
                    signature,
                    pcrs,
                };
                return quote.encode().ok_or(TpmError::Malformed("a quote"));
            }
        }
        Err(TpmError::Busy)
    }

    fn secret(&self, policy: SealPolicy) -> Result<Zeroizing<Vec<u8>>, SealFileError> {
        let directory = self
            .options
            .sealed
            .as_ref()
            .ok_or(SealFileError::NoDirectory)?;
        let (name, pcrs) = match policy {
            SealPolicy::Device => ("device.sealed".to_owned(), &self.options.device),
            SealPolicy::Measurement => (
                format!("{}.sealed", self.measurement),
                &self.options.measured,
            ),
        };
        let path = directory.join(name);
        let mut commands = self.commands();
        let sealed = match fs::read(&path) {
            Ok(bytes) => Sealed::decode(&bytes).ok_or(SealFileError::Malformed(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = Zeroizing::new([0; 32]);
                rand::RngCore::fill_bytes(&mut rand::rng(), &mut *secret);
                let sealed = commands.seal(&secret[..], pcrs)?;
                write(directory, &path, &sealed.encode())
                    .map_err(|source| SealFileError::Write { path, source })?;
                sealed
            }
            Err(source) => return Err(SealFileError::Read { path, source }),
        };
        Ok(commands.unseal(&sealed, pcrs)?)
    }
}

/// What was sealed can't be used.
#[derive(Debug, thiserror::Error)]
enum SealFileError {
    #[error("no directory for what is sealed was named")]
    NoDirectory,
    #[error("{} can't be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can't be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not what a TPM sealed", .0.display())]
    Malformed(PathBuf),
    #[error(transparent)]
    Tpm(#[from] TpmError),
}

/// Writes a file whole, or not at all.
fn write(directory: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::create_dir_all(directory)?;
    let temporary = directory.join(format!(".sealed.{:016x}", rand::random::<u64>()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(directory)?.sync_all()
}

impl Provider for Tpm {
    fn kind(&self) -> Kind {
        Kind::Tpm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // The verifier decides by who certified the key.
            hardware_rooted: false,
            seal: self.options.sealed.is_some(),
            counter: true,
            runtime_measure: true,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let failed = |reason: String| AttestError::Device {
            kind: Kind::Tpm,
            reason,
        };
        let body = self
            .quote(binding)
            .map_err(|error| failed(error.to_string()))?;
        Evidence::new(Kind::Tpm, body).map_err(|error| failed(error.to_string()))
    }

    fn collateral(&self) -> Result<Collateral, CollateralError> {
        let mut collateral = self.files.read()?;
        if collateral.certificates.is_empty() && collateral.public_keys.is_empty() {
            collateral.public_keys.push(self.attestation_key.clone());
        }
        // Not every system keeps one, nor lets everybody read it.
        collateral.event_log = fs::read(&self.options.event_log)
            .ok()
            .filter(|log| !log.is_empty() && log.len() <= MAX_LOG);
        Ok(collateral)
    }

    fn counter(&self) -> Option<&dyn Counter> {
        Some(self)
    }

    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError> {
        let secret = self.secret(policy).map_err(|error| match error {
            SealFileError::NoDirectory => SealKeyError::Unsupported(Kind::Tpm),
            other => SealKeyError::Device(Kind::Tpm, other.to_string()),
        })?;
        let tag: &[u8] = match policy {
            SealPolicy::Device => b"device",
            SealPolicy::Measurement => b"measurement",
        };
        seal_key(&secret, DOMAIN, &[tag, label.as_bytes()])
            .ok_or_else(|| SealKeyError::Device(Kind::Tpm, "no key can be derived".to_owned()))
    }
}

impl Counter for Tpm {
    fn read(&self) -> Result<u64, CounterError> {
        let read = self.commands().read_counter(self.options.counter);
        read.map_err(|error| counter_error("read", &error))
    }

    fn increment(&self) -> Result<u64, CounterError> {
        let raised = self.commands().increment_counter(self.options.counter);
        raised.map_err(|error| counter_error("raised", &error))
    }
}

fn counter_error(action: &'static str, error: &TpmError) -> CounterError {
    CounterError {
        kind: Kind::Tpm,
        action,
        reason: error.to_string(),
    }
}

/// The values of PCRs by index.
type Pcrs = BTreeMap<u8, [u8; 32]>;
