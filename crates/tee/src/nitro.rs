//! `nitro`: AWS Nitro Enclaves, through the Nitro Secure Module.
//!
//! The module signs attestation documents over what it is given, and measures the image into PCR 0–2. It has no
//! sealing and no counter: every start of an enclave is a hand-over of keys from one that runs.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};
use aws_nitro_enclaves_nsm_api::driver::nsm_process_request;
use sha2::{Digest as _, Sha384};
use tee_verify::{Binding, Evidence, Kind, Measurement};

use crate::{AttestError, Capabilities, OpenError, Provider, SealKey, SealKeyError, SealPolicy};

/// PCRs that the measurement is made of.
const IMAGE: std::ops::RangeInclusive<u16> = 0..=2;

/// Who answers the secure module's requests: the device, or in tests something that behaves as it does.
pub trait Nsm: Send + Sync + 'static {
    /// One request, one response.
    fn process(&self, request: Request) -> Response;
}

/// The device, `/dev/nsm`.
pub struct NsmDevice(File);

impl NsmDevice {
    /// Opens the device file.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map(Self)
    }
}

impl Nsm for NsmDevice {
    fn process(&self, request: Request) -> Response {
        nsm_process_request(self.0.as_raw_fd(), request)
    }
}

/// The provider.
pub struct Nitro {
    module: Box<dyn Nsm>,
    measurement: Measurement,
}

fn refused(code: &ErrorCode) -> String {
    format!("the secure module answers {code:?}")
}

impl Nitro {
    /// Over a secure module; reads what it measured.
    ///
    /// # Errors
    /// [`OpenError::Device`].
    pub fn open(module: impl Nsm) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Device {
            kind: Kind::Nitro,
            reason,
        };
        let mut hash = Sha384::new();
        for index in IMAGE {
            match module.process(Request::DescribePCR { index }) {
                Response::DescribePCR { lock, data } if data.len() == 48 => {
                    // What could still be extended would not be the image's.
                    if !lock {
                        return Err(failed(format!("PCR {index} is not locked")));
                    }
                    hash.update(&data);
                }
                Response::Error(code) => return Err(failed(refused(&code))),
                _ => return Err(failed("an unexpected answer".to_owned())),
            }
        }
        let measurement =
            Measurement::from_bytes(&hash.finalize()).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            module: Box::new(module),
            measurement,
        })
    }
}

impl Provider for Nitro {
    fn kind(&self) -> Kind {
        Kind::Nitro
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
            kind: Kind::Nitro,
            reason,
        };
        let request = Request::Attestation {
            user_data: Some(binding.as_bytes().to_vec().into()),
            nonce: None,
            public_key: None,
        };
        match self.module.process(request) {
            Response::Attestation { document } => {
                Evidence::new(Kind::Nitro, document).map_err(|error| failed(error.to_string()))
            }
            Response::Error(code) => Err(failed(refused(&code))),
            _ => Err(failed("an unexpected answer".to_owned())),
        }
    }

    fn seal_key(&self, _policy: SealPolicy, _label: &str) -> Result<SealKey, SealKeyError> {
        Err(SealKeyError::Unsupported(Kind::Nitro))
    }
}
