//! `tdx`: Intel TDX, through the kernel's reports. It has no sealing and no counter.
//!
//! The measurement is SHA-384 over MRTD and the run-time registers. What Intel says of the platform (DCAP collateral)
//! comes from files: a domain doesn't fetch it, its operator does.

use std::path::PathBuf;

use sha2::{Digest as _, Sha384};
use tee_verify::{Binding, Collateral, Evidence, Kind, Measurement};

use crate::collateral_files::CollateralFiles;
use crate::tsm::Tsm;
use crate::{
    AttestError, Capabilities, CollateralError, OpenError, Provider, SealKey, SealKeyError,
    SealPolicy,
};

/// The kernel's name of the driver.
const DRIVER: &str = "tdx_guest";

/// The provider.
pub struct Tdx {
    tsm: Tsm,
    files: CollateralFiles,
    measurement: Measurement,
}

/// MRTD and RTMR0…3 of a quote: its header is of 48 bytes, from version 5 on of 6 more.
fn measured(quote: &[u8]) -> Option<Measurement> {
    let version = u16::from_le_bytes(*quote.first_chunk::<2>()?);
    let body = match version {
        4 => quote.get(48..)?,
        5 => quote.get(54..)?,
        _ => return None,
    };
    let digest = Sha384::new()
        .chain_update(body.get(136..184)?)
        .chain_update(body.get(328..520)?)
        .finalize();
    Measurement::from_bytes(&digest).ok()
}

impl Tdx {
    /// Over the kernel's reports, with files of collateral.
    ///
    /// # Errors
    /// [`OpenError::Device`].
    pub fn open(tsm: Tsm, collateral: Vec<PathBuf>) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Device {
            kind: Kind::Tdx,
            reason,
        };
        let report = tsm
            .report(&[0; 64])
            .map_err(|error| failed(error.to_string()))?;
        if report.provider != DRIVER {
            return Err(failed(format!(
                "the kernel's driver is {}",
                report.provider
            )));
        }
        let measurement =
            measured(&report.evidence).ok_or_else(|| failed("not a quote".to_owned()))?;
        Ok(Self {
            tsm,
            files: CollateralFiles::new(collateral),
            measurement,
        })
    }
}

impl Provider for Tdx {
    fn kind(&self) -> Kind {
        Kind::Tdx
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_rooted: true,
            seal: false,
            counter: false,
            runtime_measure: true,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let failed = |reason: String| AttestError::Device {
            kind: Kind::Tdx,
            reason,
        };
        let report = self
            .tsm
            .report(&crate::padded(binding))
            .map_err(|error| failed(error.to_string()))?;
        Evidence::new(Kind::Tdx, report.evidence).map_err(|error| failed(error.to_string()))
    }

    fn collateral(&self) -> Result<Collateral, CollateralError> {
        self.files.read()
    }

    fn seal_key(&self, _policy: SealPolicy, _label: &str) -> Result<SealKey, SealKeyError> {
        Err(SealKeyError::Unsupported(Kind::Tdx))
    }
}
