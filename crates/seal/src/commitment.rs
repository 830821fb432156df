//! What a Seal token shows of its secret on the chain.

use std::fmt;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{Bytes32, NodeId, NodePublicKey, Secret};

/// `blake2b-256(domain ‖ len ‖ secret ‖ len ‖ node id ‖ len ‖ node key)`, lengths as little-endian `u64`.
///
/// Hiding, because the secret has 256 bits; binding to one node and one key. The token's sender, node
/// and time are public, so a hash over those alone could be made by anybody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commitment(pub Bytes32);

const DOMAIN: &[u8] = b"k3s-daas/seal/commitment/v1";

impl Commitment {
    /// Commits to `secret` for this node and key.
    pub fn to(secret: &Secret, node: &NodeId, key: &NodePublicKey) -> Self {
        let mut hash = Blake2b::<U32>::new();
        hash.update(DOMAIN);
        for part in [
            &secret.as_bytes()[..],
            node.as_str().as_bytes(),
            key.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(Bytes32(hash.finalize().into()))
    }

    /// Whether `secret` opens this commitment for this node and key. Takes the same time for any answer.
    #[must_use]
    pub fn opens(&self, secret: &Secret, node: &NodeId, key: &NodePublicKey) -> bool {
        let expected = Self::to(secret, node, key);
        expected.0.0.ct_eq(&self.0.0).into()
    }

    /// The bytes that are written on the chain.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::NodeKey;

    #[test]
    fn opens_only_with_all_three() {
        let (secret, key) = (Secret::generate(), NodeKey::generate());
        let node: NodeId = "worker-0".parse().unwrap();
        let commitment = Commitment::to(&secret, &node, &key.public());
        assert!(commitment.opens(&secret, &node, &key.public()));
        assert!(!commitment.opens(&Secret::generate(), &node, &key.public()));
        assert!(!commitment.opens(&secret, &"worker-1".parse().unwrap(), &key.public()));
        assert!(!commitment.opens(&secret, &node, &NodeKey::generate().public()));
    }

    #[test]
    fn encoding_is_pinned() {
        let key = NodeKey::from_seed(&[2; 32]).unwrap();
        let commitment = Commitment::to(
            &Secret::from_bytes(&[1; 32]).unwrap(),
            &"worker-0".parse().unwrap(),
            &key.public(),
        );
        // Changing this value invalidates every token on the chain.
        assert_eq!(commitment.0.to_string(), GOLDEN);
    }

    const GOLDEN: &str = "ad95b9573744594d7a5f21422167a153999f709d9f6af5fdc568cb2cd701a90e";
}
