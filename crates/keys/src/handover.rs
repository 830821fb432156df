//! Handing the keys to another instance: HPKE (RFC 9180; X25519, HKDF-SHA-256, AES-256-GCM) to a key that was made
//! inside that instance and that its evidence is bound to.
//!
//! The giver verifies the evidence first ([`binding_key`] is what it must be bound to); this module only does the
//! cryptography. Either side refuses what is of another cluster or realm.

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::encoding::Base64;
use crate::ring::{KeyRing, PublicRing};
use crate::{KeyError, Scope};

pub(crate) fn suite() -> &'static dyn Hpke {
    DH_KEM_X25519_HKDF_SHA256_AES_256
}

/// The length of a public key.
pub(crate) const PUBLIC: usize = 32;

/// What the receiver's evidence has in place of a TLS key: the SHA-256 of its HPKE key.
#[must_use]
pub fn binding_key(public: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, public).as_ref());
    hash
}

/// An instance that is to be given the keys. Its private key never leaves it and is good once.
pub struct Recipient {
    public: Vec<u8>,
    private: HpkePrivateKey,
}

/// The keys on their way: nobody but the recipient can open them, and only for the connection that they were made
/// on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The ring's public part.
    pub ring: PublicRing,
    encapsulated: Base64,
    sealed: Base64,
}

impl Recipient {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn new() -> Result<Self, KeyError> {
        let (public, private) = suite()
            .generate_key_pair()
            .map_err(|_| KeyError::System("making an HPKE key"))?;
        Ok(Self {
            public: public.0,
            private,
        })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Takes the keys. `channel` is what both sides know the connection by (the TLS exporter).
    ///
    /// # Errors
    /// [`KeyError::OtherRealm`], [`KeyError::OtherCluster`]; [`KeyError::NotForThisInstance`] when it was made for
    /// another key or another connection; those of [`KeyRing::open`].
    pub fn open(
        self,
        expected: &Scope,
        channel: &[u8; 32],
        grant: &Grant,
    ) -> Result<KeyRing, KeyError> {
        let scope = grant.ring.scope()?;
        expected.expect(&scope)?;
        let encapsulated = EncapsulatedSecret(grant.encapsulated.0.clone());
        let root = suite()
            .open(
                &encapsulated,
                &info(&scope, &self.public),
                channel,
                &grant.sealed.0,
                &self.private,
            )
            .map(Zeroizing::new)
            .map_err(|_| KeyError::NotForThisInstance)?;
        KeyRing::open(expected, &grant.ring, &root)
    }
}

/// Encrypts the ring's root to a recipient whose evidence was verified.
///
/// # Errors
/// [`KeyError::Malformed`] when `public` is no key, [`KeyError::System`].
pub fn grant(ring: &KeyRing, public: &[u8], channel: &[u8; 32]) -> Result<Grant, KeyError> {
    if public.len() != PUBLIC {
        return Err(KeyError::Malformed("the recipient's key"));
    }
    let (encapsulated, sealed) = suite()
        .seal(
            &info(&ring.scope(), public),
            channel,
            &ring.root_bytes(),
            &HpkePublicKey(public.to_vec()),
        )
        .map_err(|_| KeyError::Malformed("the recipient's key"))?;
    Ok(Grant {
        ring: ring.public()?,
        encapsulated: Base64(encapsulated.0),
        sealed: Base64(sealed),
    })
}

fn info(scope: &Scope, public: &[u8]) -> Vec<u8> {
    [
        b"k3s-daas/keys/handover/v1".as_slice(),
        &scope.encode(),
        public,
    ]
    .concat()
}
