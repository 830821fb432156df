//! Proof of possession of the node key, bound to one connection and one request.

use serde::{Deserialize, Serialize};

use crate::{Bytes32, NodeId, NodeKey, NodePublicKey, NodeSignature, ObjectId};

/// A signature does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by the node's key over this message")]
pub struct ProofRejected;

/// What a node signs to join.
///
/// The challenge makes it single-use, the channel's exporter ties it to the TLS connection on which
/// the control plane was attested (relaying it over another connection changes the exporter), the
/// digests tie it to the keys that are to be certified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinProof {
    /// The cluster object's id.
    pub cluster: ObjectId,
    /// The Seal token object's id.
    pub token: ObjectId,
    /// The node's name.
    pub node: NodeId,
    /// The server's challenge.
    pub challenge: Bytes32,
    /// TLS exporter of the connection (RFC 9266 style, label of this protocol).
    pub channel: Bytes32,
    /// SHA-256 of the client certificate request (DER).
    pub client_csr: Bytes32,
    /// SHA-256 of the serving certificate request (DER).
    pub serving_csr: Bytes32,
}

/// What a node signs to renew its certificates; as [`JoinProof`], but it needs no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RenewProof(pub JoinProof);

impl JoinProof {
    const DOMAIN: &[u8] = b"k3s-daas/seal/join/v1\0";

    /// Signs with the node's key.
    pub fn sign(&self, key: &NodeKey) -> NodeSignature {
        key.sign(&message(Self::DOMAIN, self))
    }

    /// Checks the signature by the key recorded in the token.
    pub fn verify(&self, key: &NodePublicKey, by: &NodeSignature) -> Result<(), ProofRejected> {
        verify(Self::DOMAIN, self, key, by)
    }
}

impl RenewProof {
    const DOMAIN: &[u8] = b"k3s-daas/seal/renew/v1\0";

    /// Signs with the node's key.
    pub fn sign(&self, key: &NodeKey) -> NodeSignature {
        key.sign(&message(Self::DOMAIN, &self.0))
    }

    /// Checks the signature by the key recorded in the token.
    pub fn verify(&self, key: &NodePublicKey, by: &NodeSignature) -> Result<(), ProofRejected> {
        verify(Self::DOMAIN, &self.0, key, by)
    }
}

/// `domain ‖ BCS(body)`. BCS of these types cannot fail; were it to, the message stays bound to its
/// domain and no verifier accepts it, because the verifier refuses the empty body.
pub(crate) fn message(domain: &[u8], body: &impl Serialize) -> Vec<u8> {
    let mut message = domain.to_vec();
    message.extend(bcs::to_bytes(body).unwrap_or_default());
    message
}

pub(crate) fn verify(
    domain: &[u8],
    body: &impl Serialize,
    key: &NodePublicKey,
    signature: &NodeSignature,
) -> Result<(), ProofRejected> {
    let message = message(domain, body);
    if message.len() > domain.len() && key.verifies(&message, signature) {
        Ok(())
    } else {
        Err(ProofRejected)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn proof() -> JoinProof {
        JoinProof {
            cluster: ObjectId([1; 32]),
            token: ObjectId([2; 32]),
            node: "worker-0".parse().unwrap(),
            challenge: Bytes32([3; 32]),
            channel: Bytes32([4; 32]),
            client_csr: Bytes32([5; 32]),
            serving_csr: Bytes32([6; 32]),
        }
    }

    #[test]
    fn every_field_is_signed() {
        let key = NodeKey::generate();
        let signature = proof().sign(&key);
        proof().verify(&key.public(), &signature).unwrap();
        let changed: [fn(&mut JoinProof); 7] = [
            |p| p.cluster.0[0] ^= 1,
            |p| p.token.0[0] ^= 1,
            |p| p.node = "worker-1".parse().unwrap(),
            |p| p.challenge.0[0] ^= 1,
            |p| p.channel.0[0] ^= 1,
            |p| p.client_csr.0[0] ^= 1,
            |p| p.serving_csr.0[0] ^= 1,
        ];
        for change in changed {
            let mut other = proof();
            change(&mut other);
            assert_eq!(other.verify(&key.public(), &signature), Err(ProofRejected));
        }
    }

    #[test]
    fn join_and_renew_do_not_stand_in_for_each_other() {
        let key = NodeKey::generate();
        let join = proof().sign(&key);
        let renew = RenewProof(proof()).sign(&key);
        assert!(RenewProof(proof()).verify(&key.public(), &join).is_err());
        assert!(proof().verify(&key.public(), &renew).is_err());
        let other = NodeKey::generate().public();
        assert!(proof().verify(&other, &join).is_err());
    }
}
