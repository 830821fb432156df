//! Evidence as it travels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Kind;

/// The largest body that is looked at. Nitro documents and TDX quotes with their certificate chains are
/// below 16 KiB.
pub const MAX_EVIDENCE: usize = 64 * 1024;

/// Evidence of one kind. In JSON: `{"kind": "simulated", "body": "<base64>"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Which verifier reads the body.
    pub kind: Kind,
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    body: Vec<u8>,
}

/// A body above [`MAX_EVIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("evidence of {0} bytes; at most {MAX_EVIDENCE} are accepted")]
pub struct EvidenceTooLarge(pub usize);

impl Evidence {
    /// Evidence with this body.
    pub fn new(kind: Kind, body: Vec<u8>) -> Result<Self, EvidenceTooLarge> {
        if body.len() > MAX_EVIDENCE {
            return Err(EvidenceTooLarge(body.len()));
        }
        Ok(Self { kind, body })
    }

    /// The body, of the kind's own format.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

fn encode<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(body))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    if text.len() > MAX_EVIDENCE.div_ceil(3) * 4 {
        return Err(de::Error::custom(EvidenceTooLarge(text.len() / 4 * 3)));
    }
    let body = STANDARD
        .decode(text.as_bytes())
        .map_err(|_| de::Error::custom("body is not base64"))?;
    if body.len() > MAX_EVIDENCE {
        return Err(de::Error::custom(EvidenceTooLarge(body.len())));
    }
    Ok(body)
}
