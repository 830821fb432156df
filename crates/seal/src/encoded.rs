//! The compact form of a Seal token, as the contract gives it (`k8s_gateway::encode`).

use serde::{Deserialize, Serialize};

use crate::{Bytes32, Commitment, NodeId, NodePublicKey, ObjectId};

/// The first byte: another one is another layout.
const ENCODING: u8 = 1;
/// Longer than any token of a valid node name.
const LONGEST: usize = 512;

/// A Seal token in the form that Nautilus takes. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedToken {
    /// The token's object.
    pub token: ObjectId,
    /// The stake that backs it.
    pub stake: ObjectId,
    /// The stake's owner on the chain.
    pub owner: Bytes32,
    /// The cluster that it is good for.
    pub cluster: ObjectId,
    /// The node's name.
    pub node: NodeId,
    /// The node's key.
    pub node_key: NodePublicKey,
    /// What the secret opens.
    pub commitment: Commitment,
    /// The `k8s_gateway::PERMISSION_` bits.
    pub permissions: u64,
    /// When it was made or last renewed, milliseconds since 1970.
    pub issued_at_ms: u64,
    /// From then on it is void, milliseconds since 1970.
    pub expires_at_ms: u64,
    /// 0, and one more by each renewal.
    pub generation: u64,
    /// It is void for good.
    pub revoked: bool,
    /// It was used with its present commitment.
    pub consumed: bool,
}

/// Why bytes are not an encoded token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncodedToken {
    /// Too many bytes.
    #[error("an encoded Seal token has at most {LONGEST} bytes")]
    TooLong,
    /// The first byte names a layout that this version does not know.
    #[error("an encoded Seal token of layout {0} is not known here: layout {ENCODING} is")]
    UnknownEncoding(u8),
    /// Not the layout's bytes, or more than those.
    #[error("these bytes are no encoded Seal token")]
    Malformed,
    /// The node's name or key can't be one.
    #[error("the encoded Seal token names no valid node")]
    InvalidNode,
}

/// The Move struct `k8s_gateway::EncodedToken`, field by field.
#[derive(Serialize, Deserialize)]
struct Layout {
    encoding: u8,
    token: [u8; 32],
    stake: [u8; 32],
    owner: [u8; 32],
    cluster: [u8; 32],
    node: String,
    node_key: Vec<u8>,
    commitment: Vec<u8>,
    permissions: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    generation: u64,
    flags: u8,
}

const REVOKED: u8 = 1;
const CONSUMED: u8 = 2;

impl EncodedToken {
    /// Decodes exactly the bytes that the contract makes; nothing may follow them.
    ///
    /// # Errors
    /// [`InvalidEncodedToken`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidEncodedToken> {
        use InvalidEncodedToken as Invalid;
        if bytes.len() > LONGEST {
            return Err(Invalid::TooLong);
        }
        match bytes.first() {
            Some(&ENCODING) => {}
            Some(&other) => return Err(Invalid::UnknownEncoding(other)),
            None => return Err(Invalid::Malformed),
        }
        let layout: Layout = bcs::from_bytes(bytes).map_err(|_| Invalid::Malformed)?;
        if layout.flags & !(REVOKED | CONSUMED) != 0 {
            return Err(Invalid::Malformed);
        }
        let commitment = layout.commitment.as_slice().try_into();
        Ok(Self {
            token: ObjectId(layout.token),
            stake: ObjectId(layout.stake),
            owner: Bytes32(layout.owner),
            cluster: ObjectId(layout.cluster),
            node: layout.node.parse().map_err(|_| Invalid::InvalidNode)?,
            node_key: NodePublicKey::from_bytes(&layout.node_key)
                .map_err(|_| Invalid::InvalidNode)?,
            commitment: Commitment(Bytes32(commitment.map_err(|_| Invalid::Malformed)?)),
            permissions: layout.permissions,
            issued_at_ms: layout.issued_at_ms,
            expires_at_ms: layout.expires_at_ms,
            generation: layout.generation,
            revoked: layout.flags & REVOKED != 0,
            consumed: layout.flags & CONSUMED != 0,
        })
    }

    /// As the contract encodes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let layout = Layout {
            encoding: ENCODING,
            token: self.token.0,
            stake: self.stake.0,
            owner: self.owner.0,
            cluster: self.cluster.0,
            node: self.node.as_str().to_owned(),
            node_key: self.node_key.as_bytes().to_vec(),
            commitment: self.commitment.as_bytes().to_vec(),
            permissions: self.permissions,
            issued_at_ms: self.issued_at_ms,
            expires_at_ms: self.expires_at_ms,
            generation: self.generation,
            flags: (u8::from(self.revoked) * REVOKED) | (u8::from(self.consumed) * CONSUMED),
        };
        // The layout has nothing that BCS can't encode.
        bcs::to_bytes(&layout).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "encoded/tests.rs"]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
