//! The contract of a provider.

use std::io;
use std::path::PathBuf;

use tee_verify::{Binding, Collateral, Evidence, Kind, Measurement};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a kind of hardware can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A vendor's hardware root stands behind the evidence.
    pub hardware_rooted: bool,
    /// It derives keys that survive a restart ([`Provider::seal_key`]).
    pub seal: bool,
    /// It has a counter that only grows.
    pub counter: bool,
    /// Further code can be measured at run time.
    pub runtime_measure: bool,
}

/// To what a sealing key is tied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealPolicy {
    /// Any code of ours on this device: survives an upgrade.
    Device,
    /// This measurement on this device only.
    Measurement,
}

/// A key that only this device (and code) can derive again. Zeroed when dropped, no `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl SealKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Evidence could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The device refused or failed.
    #[error("the {kind} device could not make evidence: {reason}")]
    Device {
        /// The provider's kind.
        kind: Kind,
        /// What it says.
        reason: String,
    },
    /// The wall clock is before 1970.
    #[error("the wall clock is before 1970")]
    Clock,
}

/// A sealing key could not be derived.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The hardware has no sealing; keys must be handed over by an attested peer.
    #[error("{0} has no sealing")]
    Unsupported(Kind),
    /// The device refused or failed.
    #[error("the {0} device could not derive a key: {1}")]
    Device(Kind, String),
}

/// The collateral could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollateralError {
    /// A file that the configuration names.
    #[error("the collateral file {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} holds no collateral", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: tee_verify::CollateralError,
    },
}

/// The counter could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} device's counter could not be {action}: {reason}")]
pub struct CounterError {
    /// The provider's kind.
    pub kind: Kind,
    /// `read` or `raised`.
    pub action: &'static str,
    /// What the device says.
    pub reason: String,
}

/// A counter in the hardware that survives everything and only grows.
pub trait Counter: Send + Sync {
    /// Its value.
    fn read(&self) -> Result<u64, CounterError>;

    /// Raises it by one, and returns the new value.
    fn increment(&self) -> Result<u64, CounterError>;
}

/// A trusted execution environment, seen from inside.
pub trait Provider: Send + Sync + 'static {
    /// Which kind.
    fn kind(&self) -> Kind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What runs here, as the hardware measures it.
    fn measurement(&self) -> &Measurement;

    /// Fresh evidence over `binding`.
    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError>;

    /// What a verifier needs besides the evidence and can't have compiled in: certificates of this very chip, what the
    /// vendor says of the platform. Public, and trusted by nobody.
    fn collateral(&self) -> Result<Collateral, CollateralError> {
        Ok(Collateral::default())
    }

    /// The hardware's counter that only grows, where it has one.
    fn counter(&self) -> Option<&dyn Counter> {
        None
    }

    /// The key of this device for `label`: the same each time, another for each label and policy.
    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError>;
}
