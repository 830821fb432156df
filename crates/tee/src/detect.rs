//! Which trusted execution environment this process runs in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tee_verify::Kind;

use crate::nitro::{Nitro, NsmDevice};
use crate::sgx::Sgx;
use crate::snp::{KeyDeriver, SevGuest, Snp};
use crate::tdx::Tdx;
use crate::tsm::Tsm;
use crate::{OpenError, Provider, Simulated, sgx, tsm};

/// The simulated device's secret below its directory.
const DEVICE_KEY: &str = "device.key";

/// Where the devices are. Tests name others than the system's.
#[derive(Debug, Clone)]
pub struct Devices {
    /// The Nitro secure module.
    pub nsm: PathBuf,
    /// The kernel's reports of confidential guests.
    pub tsm: PathBuf,
    /// The SNP guest device, for derived keys.
    pub sev_guest: PathBuf,
    /// The TDX guest device.
    pub tdx_guest: PathBuf,
    /// Gramine's files.
    pub gramine: PathBuf,
    /// The TPM's resource manager.
    pub tpm: PathBuf,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            nsm: "/dev/nsm".into(),
            tsm: tsm::ROOT.into(),
            sev_guest: "/dev/sev-guest".into(),
            tdx_guest: "/dev/tdx_guest".into(),
            gramine: sgx::ROOT.into(),
            tpm: "/dev/tpmrm0".into(),
        }
    }
}

/// The environments whose devices are here, strongest first.
///
/// An enclave that nothing but the measured image can enter comes before a whole guest, and both before a measured
/// boot, which protects no memory. `simulated` is never found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Strongest first.
    pub found: Vec<Kind>,
}

impl Detection {
    /// Looks for the devices; opens none.
    #[must_use]
    pub fn probe(devices: &Devices) -> Self {
        let guest = devices.tsm.is_dir();
        let tpm = cfg!(feature = "tpm") && devices.tpm.exists();
        let present = [
            (Kind::Nitro, devices.nsm.exists()),
            (Kind::Sgx, devices.gramine.join("quote").exists()),
            (Kind::Snp, guest && devices.sev_guest.exists()),
            (Kind::Tdx, guest && devices.tdx_guest.exists()),
            (Kind::Tpm, tpm),
        ];
        let found = present.into_iter().filter(|(_, here)| *here);
        Self {
            found: found.map(|(kind, _)| kind).collect(),
        }
    }

    /// The strongest.
    #[must_use]
    pub fn strongest(&self) -> Option<Kind> {
        self.found.first().copied()
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.found.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<&str> = self.found.iter().map(|kind| kind.name()).collect();
        f.write_str(&names.join(", "))
    }
}

/// What opening an environment needs to know.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Refuse `simulated`.
    pub production: bool,
    /// The devices.
    pub devices: Devices,
    /// The simulated device's directory.
    pub simulated: Option<PathBuf>,
    /// Files of collateral (`sgx`, `tdx`, `snp`, `tpm`).
    pub collateral: Vec<PathBuf>,
    /// Directory for what a TPM sealed: ciphertext that only it can open.
    pub sealed: Option<PathBuf>,
}

/// Opens the environment of this kind, or without one the strongest that is here.
///
/// # Errors
/// [`OpenError`]; never falls back to a weaker one than was asked for or found.
pub fn open(kind: Option<Kind>, options: OpenOptions) -> Result<Arc<dyn Provider>, OpenError> {
    let kind = match kind {
        Some(kind) => kind,
        None => Detection::probe(&options.devices)
            .strongest()
            .ok_or(OpenError::NothingFound)?,
    };
    let device = |error: std::io::Error| OpenError::Device {
        kind,
        reason: error.to_string(),
    };
    let OpenOptions {
        production,
        devices,
        simulated,
        collateral,
        sealed,
    } = options;
    Ok(match kind {
        Kind::Simulated if production => return Err(OpenError::Production),
        Kind::Simulated => {
            let directory = simulated.ok_or(OpenError::NoDirectory)?;
            Arc::new(Simulated::open(&directory.join(DEVICE_KEY))?)
        }
        Kind::Nitro => {
            let module = NsmDevice::open(&devices.nsm).map_err(device)?;
            Arc::new(Nitro::open(module)?)
        }
        Kind::Snp => {
            let keys = devices.sev_guest.exists().then_some(SevGuest);
            let keys = keys.map(|keys| Box::new(keys) as Box<dyn KeyDeriver>);
            Arc::new(Snp::open(Tsm::new(devices.tsm), keys, collateral)?)
        }
        Kind::Tdx => Arc::new(Tdx::open(Tsm::new(devices.tsm), collateral)?),
        Kind::Sgx => Arc::new(Sgx::open(devices.gramine, collateral)?),
        Kind::Tpm => tpm(&devices, collateral, sealed)?,
    })
}

#[cfg(feature = "tpm")]
fn tpm(
    devices: &Devices,
    collateral: Vec<PathBuf>,
    sealed: Option<PathBuf>,
) -> Result<Arc<dyn Provider>, OpenError> {
    use crate::tpm::{DeviceFile, Tpm, TpmOptions};
    let device = DeviceFile::open(&devices.tpm).map_err(|error| OpenError::Device {
        kind: Kind::Tpm,
        reason: error.to_string(),
    })?;
    let options = TpmOptions {
        collateral,
        sealed,
        ..TpmOptions::default()
    };
    Ok(Arc::new(Tpm::open(device, options)?))
}

#[cfg(not(feature = "tpm"))]
fn tpm(
    _devices: &Devices,
    _collateral: Vec<PathBuf>,
    _sealed: Option<PathBuf>,
) -> Result<Arc<dyn Provider>, OpenError> {
    Err(OpenError::NotBuilt(Kind::Tpm))
}
