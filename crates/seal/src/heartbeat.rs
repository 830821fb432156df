//! The signed heartbeat of a node.

use serde::{Deserialize, Serialize};

use crate::join::{message, verify};
use crate::{NodeId, NodeKey, NodePublicKey, NodeSignature, ObjectId, ProofRejected};

/// What a node says of itself each 30 s.
///
/// `sequence` grows with every heartbeat of one node, over restarts too (it starts at the wall clock's
/// milliseconds): the receiver refuses one that does not grow, so a recorded heartbeat is worth nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The cluster object's id.
    pub cluster: ObjectId,
    /// The Seal token object's id.
    pub token: ObjectId,
    /// The node's name.
    pub node: NodeId,
    /// Grows strictly.
    pub sequence: u64,
    /// The node's wall clock, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The agent is running and its last sync succeeded.
    pub node_ready: bool,
    /// The container runtime answers.
    pub runtime_ready: bool,
    /// The worker last saw its stake active on the chain.
    pub stake_active: bool,
    /// Pods running on the node.
    pub pods: u32,
    /// The worker's version.
    pub version: String,
}

/// A heartbeat with its signature, as sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHeartbeat {
    /// What is said.
    pub heartbeat: Heartbeat,
    /// By the node's key.
    pub signature: NodeSignature,
}

impl Heartbeat {
    const DOMAIN: &[u8] = b"k3s-daas/seal/heartbeat/v1\0";

    /// Signs with the node's key.
    pub fn sign(self, key: &NodeKey) -> SignedHeartbeat {
        let signature = key.sign(&message(Self::DOMAIN, &self));
        SignedHeartbeat {
            heartbeat: self,
            signature,
        }
    }
}

impl SignedHeartbeat {
    /// Checks the signature by the key recorded in the token.
    pub fn verify(&self, key: &NodePublicKey) -> Result<&Heartbeat, ProofRejected> {
        verify(Heartbeat::DOMAIN, &self.heartbeat, key, &self.signature)?;
        Ok(&self.heartbeat)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn signed_over_all_of_it() {
        let key = NodeKey::generate();
        let beat = Heartbeat {
            cluster: ObjectId([1; 32]),
            token: ObjectId([2; 32]),
            node: "worker-0".parse().unwrap(),
            sequence: 7,
            timestamp_ms: 8,
            node_ready: true,
            runtime_ready: true,
            stake_active: true,
            pods: 2,
            version: "0.1.0".to_owned(),
        };
        let mut signed = beat.sign(&key);
        assert!(signed.verify(&key.public()).is_ok());
        assert!(signed.verify(&NodeKey::generate().public()).is_err());
        signed.heartbeat.node_ready = false;
        assert!(signed.verify(&key.public()).is_err());
    }
}
