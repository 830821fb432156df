//! What verified evidence says.

use serde::{Serialize, Serializer};

use crate::details::Details;
use crate::{Binding, Kind, Measurement};

/// The statements of evidence whose signatures hold and which the policy accepted. In JSON, bytes are
/// hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The kind of hardware.
    pub kind: Kind,
    /// Whether the chain ends at a vendor's root that is compiled in. `false` for `simulated`, and for
    /// every root that the policy brought, whose nature is not known here (as always with a TPM).
    pub hardware_rooted: bool,
    /// Whether the instance runs in a debug mode (its memory is readable from outside).
    pub debug: bool,
    /// What runs; see [`Details`] for what it is made of.
    pub measurement: Measurement,
    /// What the instance had signed: `user_data` (Nitro), report data (SNP, SGX, TDX), qualifying data
    /// (TPM), the binding (simulated).
    #[serde(serialize_with = "bytes")]
    pub report_data: Vec<u8>,
    /// When the hardware says it was made, milliseconds since 1970. Only Nitro and `simulated` say.
    pub issued_at_ms: Option<u64>,
    /// The device's identity (its public key, platform or chip id).
    #[serde(serialize_with = "bytes")]
    pub device: Vec<u8>,
    /// What only this kind says.
    pub details: Details,
}

impl Claims {
    /// The binding in the report data: 32 bytes, and nothing but zeros after them.
    pub fn binding(&self) -> Option<Binding> {
        let (binding, rest) = self.report_data.split_first_chunk::<32>()?;
        rest.iter()
            .all(|byte| *byte == 0)
            .then_some(Binding(*binding))
    }
}

pub(crate) fn bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}
