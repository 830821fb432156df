//! The contract of a provider.

use tee_verify::{Binding, Evidence, Kind, Measurement};
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
    #[error("the {kind} device could not make evidence")]
    Device {
        /// The provider's kind.
        kind: Kind,
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
    #[error("the {0} device could not derive a key")]
    Device(Kind),
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

    /// The key of this device for `label`: the same each time, another for each label and policy.
    fn seal_key(&self, policy: SealPolicy, label: &str) -> Result<SealKey, SealKeyError>;
}
