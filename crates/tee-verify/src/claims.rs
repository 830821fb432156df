//! What verified evidence says.

use crate::{Binding, Kind, Measurement};

/// The statements of evidence whose signatures hold and which the policy accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The kind of hardware.
    pub kind: Kind,
    /// Whether a vendor's hardware root stands behind it. `false` for `simulated`.
    pub hardware_rooted: bool,
    /// Whether the instance runs in a debug mode (its memory is readable from outside).
    pub debug: bool,
    /// What runs.
    pub measurement: Measurement,
    /// What the evidence is bound to.
    pub binding: Binding,
    /// When the hardware says it was made, milliseconds since 1970.
    pub issued_at_ms: u64,
    /// The device's identity (its public key or chip id).
    pub device: Vec<u8>,
}
