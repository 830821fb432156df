//! A node's key pair (Ed25519).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::Bytes32;

/// The private half: made on a node's first start, kept in a file of mode 0600, zeroed when dropped, no
/// `Debug`.
#[derive(Clone)]
pub struct NodeKey(SigningKey);

/// The bytes are not an Ed25519 key (or a weak one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// A private key is a seed of 32 bytes.
    #[error("an Ed25519 private key is 32 bytes")]
    Seed,
    /// Not a point, or one of small order, with which anybody can sign.
    #[error("not an Ed25519 public key")]
    Public,
}

impl NodeKey {
    /// A fresh key.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut *seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// From the 32 bytes that [`NodeKey::seed`] gave.
    pub fn from_seed(seed: &[u8]) -> Result<Self, InvalidKey> {
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).map_err(|_| InvalidKey::Seed)?);
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The private bytes, to be kept on disk.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> NodePublicKey {
        NodePublicKey(Bytes32(self.0.verifying_key().to_bytes()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> NodeSignature {
        NodeSignature(self.0.sign(message).to_bytes())
    }
}

/// The public half, as recorded in the Seal token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NodePublicKey(Bytes32);

impl NodePublicKey {
    /// From the 32 bytes on the chain; checked when it is used to verify.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| InvalidKey::Public)?;
        Ok(Self(Bytes32(bytes)))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// RFC 8032 with the strict rules: canonical scalar, no key or commitment of small order.
    pub(crate) fn verifies(&self, message: &[u8], signature: &NodeSignature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0.0) else {
            return false;
        };
        key.verify_strict(message, &Signature::from_bytes(&signature.0))
            .is_ok()
    }
}

impl fmt::Display for NodePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A signature by a node key; base64 in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeSignature([u8; 64]);

impl Serialize for NodeSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for NodeSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let mut bytes = [0; 66];
        let length = STANDARD
            .decode_slice(text.as_bytes(), &mut bytes)
            .map_err(|_| de::Error::custom("expected a signature of 64 bytes in base64"))?;
        bytes
            .get(..length)
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom("expected a signature of 64 bytes in base64"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn seed_restores_the_key() {
        let key = NodeKey::generate();
        let again = NodeKey::from_seed(&key.seed()[..]).unwrap();
        assert_eq!(key.public(), again.public());
        assert!(key.public().verifies(b"m", &again.sign(b"m")));
        assert!(!key.public().verifies(b"n", &again.sign(b"m")));
        assert!(NodeKey::from_seed(&[0; 31]).is_err());
    }

    #[test]
    fn a_key_of_small_order_verifies_nothing() {
        // The neutral element: without the strict rules S = 0, R = neutral verifies any message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut forged = [0; 64];
        forged[0] = 1;
        let key = NodePublicKey::from_bytes(&neutral).unwrap();
        assert!(!key.verifies(b"anything", &NodeSignature(forged)));
    }
}
