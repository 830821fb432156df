//! `simulated`: the provider without hardware, for development and tests.
//!
//! Its "fuses" are a file with 32 random bytes, outside the control plane's own directory, mode 0600. From
//! it come a device key, certified by the simulated root whose private key is public (see
//! `tee_verify::simulated`), and sealing keys. Whoever reads the file can open what was sealed; that is what
//! hardware prevents and a simulation can't. The measurement is the SHA-384 of the running binary.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha384};
use tee_verify::{Binding, Evidence, Kind, Measurement, simulated};
use zeroize::Zeroizing;

use crate::derive::seal_key;
use crate::{AttestError, Capabilities, Provider, SealKey, SealKeyError, SealPolicy};

/// The simulated device.
pub struct Simulated {
    secret: Zeroizing<[u8; 32]>,
    device: Ed25519KeyPair,
    device_key: [u8; 32],
    certificate: Vec<u8>,
    measurement: Measurement,
}

/// The simulated device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SimulatedError {
    /// The file of the device secret can't be read or made.
    #[error("cannot {action} the simulated device's secret {}", path.display())]
    Secret {
        /// `read` or `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read the file.
    #[error("{} has mode {mode:04o}; it holds a secret: run chmod 600 on it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file doesn't hold 32 bytes.
    #[error("{} is not a device secret of 32 bytes; without the true one nothing sealed with it can be opened", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// The binary can't be read.
    #[error("cannot measure the binary {}", path.display())]
    Measure {
        /// The binary.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Key derivation failed.
    #[error("cannot derive the simulated device's keys")]
    Derive,
}

impl Simulated {
    /// Opens (on first use makes) the device whose secret is the file `device_key`, and measures the running
    /// binary.
    pub fn open(device_key: &Path) -> Result<Self, SimulatedError> {
        Self::open_as(device_key, Path::new("/proc/self/exe"))
    }

    /// As [`Simulated::open`], measuring `binary`.
    pub fn open_as(device_key: &Path, binary: &Path) -> Result<Self, SimulatedError> {
        let measurement = Self::measure(binary)?;
        let secret = load_or_create(device_key)?;
        let seed = derive(&secret, &[b"device key"]).ok_or(SimulatedError::Derive)?;
        let keys = |seed: &[u8; 32]| Ed25519KeyPair::from_seed_unchecked(seed);
        let device = keys(&seed).map_err(|_| SimulatedError::Derive)?;
        let root = keys(&simulated::ROOT_SEED).map_err(|_| SimulatedError::Derive)?;
        let public = <[u8; 32]>::try_from(device.public_key().as_ref());
        let device_public = public.map_err(|_| SimulatedError::Derive)?;
        let certificate = root.sign(&simulated::device_message(&device_public));
        Ok(Self {
            secret,
            device,
            device_key: device_public,
            certificate: certificate.as_ref().to_vec(),
            measurement,
        })
    }

    /// What this provider would report for `binary`: its SHA-384. For the allow-list.
    pub fn measure(binary: &Path) -> Result<Measurement, SimulatedError> {
        let error = |source| SimulatedError::Measure {
            path: binary.to_owned(),
            source,
        };
        let mut file = File::open(binary).map_err(error)?;
        let mut hash = Sha384::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => hash.update(buffer.get(..length).unwrap_or_default()),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(error(source)),
            }
        }
        Measurement::from_bytes(&hash.finalize())
            .map_err(|source| error(io::Error::new(io::ErrorKind::InvalidData, source)))
    }
}

impl Provider for Simulated {
    fn kind(&self) -> Kind {
        Kind::Simulated
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_rooted: false,
            seal: true,
            counter: false,
            runtime_measure: false,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| AttestError::Clock)?;
        let now_ms = u64::try_from(now.as_millis()).map_err(|_| AttestError::Clock)?;
        let mut body = Vec::with_capacity(simulated::BODY);
        body.extend(simulated::MAGIC);
        body.extend(self.device_key);
        body.extend(&self.certificate);
        body.extend(now_ms.to_le_bytes());
        body.extend(binding.as_bytes());
        body.extend(self.measurement.as_bytes());
        let signature = self.device.sign(&simulated::report_message(&body));
        body.extend(signature.as_ref());
        Evidence::new(Kind::Simulated, body).map_err(|error| AttestError::Device {
            kind: Kind::Simulated,
            reason: error.to_string(),
        })
    }

    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError> {
        let (tag, measurement): (&[u8], &[u8]) = match policy {
            SealPolicy::Device => (b"seal/device", &[]),
            SealPolicy::Measurement => (b"seal/measurement", self.measurement.as_bytes()),
        };
        let info = [tag, measurement, label.as_bytes()];
        seal_key(&self.secret[..], b"k3s-daas/tee/simulated/v1", &info).ok_or_else(|| {
            SealKeyError::Device(Kind::Simulated, "no key can be derived".to_owned())
        })
    }
}

fn derive(secret: &[u8; 32], info: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
    crate::derive::derive(secret, b"k3s-daas/tee/simulated/v1", info)
}

fn load_or_create(path: &Path) -> Result<Zeroizing<[u8; 32]>, SimulatedError> {
    match load(path) {
        Err(SimulatedError::Secret { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path).map_err(|source| SimulatedError::Secret {
                action: "create",
                path: path.to_owned(),
                source,
            })?;
            load(path)
        }
        other => other,
    }
}

fn load(path: &Path) -> Result<Zeroizing<[u8; 32]>, SimulatedError> {
    let error = |source| SimulatedError::Secret {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(error)?;
    let mode = file.metadata().map_err(error)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SimulatedError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new([0; 33]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).map_err(error)? {
            0 => break,
            read => length += read,
        }
    }
    bytes
        .get(..length)
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(Zeroizing::new)
        .ok_or_else(|| SimulatedError::Length {
            path: path.to_owned(),
        })
}

/// Writes a fresh secret beside its place and links it there: whole, or not at all, and never over an
/// existing one.
fn create(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut secret = Zeroizing::new([0; 32]);
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut *secret);
    let unique: u64 = rand::random();
    let temporary = directory.join(format!(".device.{unique:016x}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = file
        .write_all(&*secret)
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&temporary, path) {
            // Another process was first; its secret is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    fs::remove_file(&temporary)?;
    written?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tee_verify::{BindingInput, Collateral, Policy, Role, VerifyError, verify};

    use super::*;

    fn binding(nonce: u8) -> Binding {
        Binding::of(&BindingInput {
            cluster: [1; 32],
            role: Role::Server,
            tls_key: [2; 32],
            channel: &[3; 32],
            nonce: [nonce; 32],
        })
    }

    #[test]
    fn its_evidence_verifies_against_its_own_measurement_only() {
        let dir = tempfile::tempdir().unwrap();
        let device = Simulated::open(&dir.path().join("tee/device.key")).unwrap();
        let evidence = device.attest(&binding(4)).unwrap();
        let check = |policy: &Policy, binding: &Binding| {
            verify(
                &evidence,
                &Collateral::default(),
                policy,
                SystemTime::now(),
                binding,
            )
        };
        let policy = Policy::new().allow(Kind::Simulated, device.measurement().clone());
        assert_eq!(
            check(&policy, &binding(4)).unwrap().measurement,
            *device.measurement()
        );
        assert_eq!(check(&policy, &binding(5)), Err(VerifyError::Binding));

        fs::write(dir.path().join("other"), b"other code").unwrap();
        let other = Simulated::measure(&dir.path().join("other")).unwrap();
        let policy = Policy::new().allow(Kind::Simulated, other);
        assert!(matches!(
            check(&policy, &binding(4)),
            Err(VerifyError::MeasurementNotAllowed { .. })
        ));
    }

    #[test]
    fn sealing_keys_survive_and_differ() {
        let dir = tempfile::tempdir().unwrap();
        let (path, binary) = (dir.path().join("device.key"), dir.path().join("binary"));
        fs::write(&binary, b"v1").unwrap();
        let first = Simulated::open_as(&path, &binary).unwrap();
        fs::write(&binary, b"v2").unwrap();
        let second = Simulated::open_as(&path, &binary).unwrap();
        let key =
            |device: &Simulated, policy, label| *device.seal_key(policy, label).unwrap().as_bytes();
        use SealPolicy::{Device, Measurement};
        assert_eq!(key(&first, Device, "a"), key(&second, Device, "a"));
        assert_ne!(key(&first, Device, "a"), key(&first, Device, "b"));
        assert_ne!(key(&first, Measurement, "a"), key(&first, Device, "a"));
        assert_ne!(
            key(&first, Measurement, "a"),
            key(&second, Measurement, "a")
        );
        let elsewhere = Simulated::open_as(&dir.path().join("other.key"), &binary).unwrap();
        assert_ne!(key(&first, Device, "a"), key(&elsewhere, Device, "a"));
    }

    #[test]
    fn the_secret_is_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        Simulated::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let wide = Simulated::open(&path).err().unwrap();
        assert!(matches!(
            wide,
            SimulatedError::Permissions { mode: 0o644, .. }
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for bad in [&b""[..], &[1; 31], &[1; 33]] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(
                Simulated::open(&path),
                Err(SimulatedError::Length { .. })
            ));
        }
    }
}
