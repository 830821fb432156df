//! `snp`: AMD SEV-SNP, through the kernel's reports and, for sealing keys, `/dev/sev-guest`.
//!
//! The measurement is the launch digest. Sealing keys are derived by the secure processor from the chip's own key: the
//! host never sees them, another chip or (by [`SealPolicy::Measurement`]) another guest gets others.

use std::path::PathBuf;
use std::sync::Mutex;

use sev::firmware::guest::{DerivedKey, Firmware, GuestFieldSelect};
use tee_verify::{Binding, Collateral, Evidence, Kind, Measurement};
use zeroize::Zeroizing;

use crate::collateral_files::CollateralFiles;
use crate::derive::seal_key;
use crate::tsm::Tsm;
use crate::{
    AttestError, Capabilities, CollateralError, OpenError, Provider, SealKey, SealKeyError,
    SealPolicy,
};

/// The kernel's name of the driver.
const DRIVER: &str = "sev_guest";
const REPORT: usize = 0x4a0;
const DOMAIN: &[u8] = b"k3s-daas/tee/snp/v1";

/// Who derives keys: the secure processor, or in tests something that behaves as it does.
pub trait KeyDeriver: Send + Sync + 'static {
    /// A key of this chip and the guest's policy; with `measurement`, of this launch digest as well.
    ///
    /// # Errors
    /// In words.
    fn derive(&self, measurement: bool) -> Result<Zeroizing<[u8; 32]>, String>;
}

/// `/dev/sev-guest`.
pub struct SevGuest;

impl KeyDeriver for SevGuest {
    fn derive(&self, measurement: bool) -> Result<Zeroizing<[u8; 32]>, String> {
        let mut fields = GuestFieldSelect::default();
        // The policy says whether debugging is allowed: a guest that it is allowed for gets another key.
        fields.set_guest_policy(true);
        fields.set_measurement(measurement);
        let request = DerivedKey::new(false, fields, 0, 0, 0, None);
        let mut firmware = Firmware::open().map_err(|error| error.to_string())?;
        firmware
            .get_derived_key(Some(1), request)
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())
    }
}

/// The provider.
pub struct Snp {
    tsm: Tsm,
    keys: Option<Box<dyn KeyDeriver>>,
    files: CollateralFiles,
    /// The certificates that came with the last report.
    certificates: Mutex<Vec<Vec<u8>>>,
    measurement: Measurement,
}

impl Snp {
    /// Over the kernel's reports; `keys` is absent where the guest has no `/dev/sev-guest`. `collateral` are files with
    /// certificates that the host does not give.
    ///
    /// # Errors
    /// [`OpenError::Device`].
    pub fn open(
        tsm: Tsm,
        keys: Option<Box<dyn KeyDeriver>>,
        collateral: Vec<PathBuf>,
    ) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Device {
            kind: Kind::Snp,
            reason,
        };
        let report = tsm
            .report(&[0; 64])
            .map_err(|error| failed(error.to_string()))?;
        if report.provider != DRIVER || report.evidence.len() != REPORT {
            return Err(failed(format!(
                "the kernel's driver is {}",
                report.provider
            )));
        }
        let measurement = report
            .evidence
            .get(0x90..0xc0)
            .and_then(|digest| Measurement::from_bytes(digest).ok())
            .ok_or_else(|| failed("no launch digest".to_owned()))?;
        Ok(Self {
            tsm,
            keys,
            files: CollateralFiles::new(collateral),
            certificates: Mutex::new(certificate_table(&report.auxiliary)),
            measurement,
        })
    }
}

/// The certificates of a table of the guest-host protocol (AMD 56421, 4.1.8.1): entries of an id (16 bytes), an offset
/// and a length, up to one that is all zero. What isn't a certificate is left out.
fn certificate_table(table: &[u8]) -> Vec<Vec<u8>> {
    const ENTRY: usize = 24;
    const MOST: usize = 16;
    let mut certificates = Vec::new();
    for entry in table.chunks_exact(ENTRY).take(MOST) {
        if entry.iter().all(|byte| *byte == 0) {
            break;
        }
        let number = |at: usize| {
            let bytes = entry.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*bytes)).ok()
        };
        let content = number(16)
            .zip(number(20))
            .and_then(|(offset, length)| table.get(offset..)?.get(..length));
        let mut parsed = Collateral::default();
        if content.is_some_and(|content| parsed.add(content).is_ok()) {
            certificates.extend(parsed.certificates);
        }
    }
    certificates
}

impl Provider for Snp {
    fn kind(&self) -> Kind {
        Kind::Snp
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_rooted: true,
            seal: self.keys.is_some(),
            counter: false,
            runtime_measure: false,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let failed = |reason: String| AttestError::Device {
            kind: Kind::Snp,
            reason,
        };
        let report = self
            .tsm
            .report(&crate::padded(binding))
            .map_err(|error| failed(error.to_string()))?;
        let certificates = certificate_table(&report.auxiliary);
        if !certificates.is_empty()
            && let Ok(mut last) = self.certificates.lock()
        {
            *last = certificates;
        }
        Evidence::new(Kind::Snp, report.evidence).map_err(|error| failed(error.to_string()))
    }

    fn collateral(&self) -> Result<Collateral, CollateralError> {
        let mut collateral = self.files.read()?;
        if let Ok(certificates) = self.certificates.lock() {
            for certificate in certificates.iter() {
                if !collateral.certificates.contains(certificate) {
                    collateral.certificates.push(certificate.clone());
                }
            }
        }
        Ok(collateral)
    }

    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError> {
        let keys = self
            .keys
            .as_ref()
            .ok_or(SealKeyError::Unsupported(Kind::Snp))?;
        let failed = |reason: String| SealKeyError::Device(Kind::Snp, reason);
        let (tag, measured): (&[u8], bool) = match policy {
            SealPolicy::Device => (b"device", false),
            SealPolicy::Measurement => (b"measurement", true),
        };
        let secret = keys.derive(measured).map_err(failed)?;
        seal_key(&secret[..], DOMAIN, &[tag, label.as_bytes()])
            .ok_or_else(|| failed("no key can be derived".to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_certificates_is_read_whatever_it_holds() {
        assert!(certificate_table(&[]).is_empty());
        assert!(certificate_table(&[0; 4096]).is_empty());
        assert!(certificate_table(&[0xff; 4096]).is_empty());
        let certificate = crate::testing::certificate();
        let mut table = vec![7; 16];
        table.extend(48u32.to_le_bytes());
        table.extend(u32::try_from(certificate.len()).unwrap().to_le_bytes());
        table.extend([0; 24]);
        table.extend(&certificate);
        assert_eq!(certificate_table(&table), [certificate]);
    }
}
