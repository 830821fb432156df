//! The keys that this instance is known by on the chain: one that signs statements, one that pays for bringing them.
//!
//! Both are born here and kept in the sealed log. The signing key is registered with the measurement that runs, so each
//! measurement has its own.

use std::sync::{Arc, OnceLock};

use chain::keystore::Key;
use chain::objects::AnchorStatement;
use chain::{Address, Deployment};
use ed25519_dalek::{Signer as _, SigningKey};
use tee::Provider;
use zeroize::Zeroizing;

use super::AnchorError;
use crate::vault::{Vault, VaultError};
use crate::witnesses::Witnesses;

/// Signs as this instance. Cheap to clone; no `Debug`.
#[derive(Clone)]
pub(crate) struct Signer {
    signing: Arc<SigningKey>,
    wallet: Arc<Key>,
    measurement: String,
    enclave: Arc<OnceLock<Address>>,
}

impl Signer {
    /// Loads the keys, or makes them.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(crate) async fn load(vault: &Vault, tee: &dyn Provider) -> Result<Self, VaultError> {
        let measurement = tee.measurement().to_string();
        let signing = seed(vault, &format!("enclave-key/{measurement}")).await?;
        let wallet = seed(vault, "wallet-key").await?;
        Ok(Self {
            signing: Arc::new(SigningKey::from_bytes(&signing)),
            wallet: Arc::new(Key::from_seed(&wallet)),
            measurement,
            enclave: Arc::default(),
        })
    }

    /// The public half of the signing key.
    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// Who pays.
    pub(crate) fn wallet(&self) -> &Key {
        &self.wallet
    }

    /// What this instance runs.
    pub(crate) fn measurement(&self) -> &str {
        &self.measurement
    }

    /// Signs a statement (BCS, Ed25519).
    ///
    /// # Errors
    /// [`AnchorError::Encode`].
    pub(crate) fn sign(&self, statement: &AnchorStatement) -> Result<[u8; 64], AnchorError> {
        let bytes = bcs::to_bytes(statement).map_err(|_| AnchorError::Encode)?;
        Ok(self.signing.sign(&bytes).to_bytes())
    }

    /// The object that this instance's signing key is registered as on the chain, which says so itself.
    ///
    /// # Errors
    /// [`AnchorError::Unregistered`], [`AnchorError::Chain`].
    pub(crate) async fn enclave(
        &self,
        chain: &Witnesses,
        deployment: &Deployment,
    ) -> Result<Address, AnchorError> {
        if let Some(known) = self.enclave.get() {
            return Ok(*known);
        }
        let cluster = chain.cluster(deployment, deployment.cluster()?).await?;
        let public = self.public_key();
        let mut members = cluster.members.iter();
        let found = members
            .find(|member| member.public_key == public)
            .map(|member| member.enclave_id)
            .ok_or_else(|| AnchorError::Unregistered(hex::encode(public)))?;
        Ok(*self.enclave.get_or_init(|| found))
    }

    /// The object, where it has been looked up.
    pub(crate) fn known_enclave(&self) -> Option<Address> {
        self.enclave.get().copied()
    }
}

async fn seed(vault: &Vault, name: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut fresh = Zeroizing::new([0; 32]);
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut *fresh);
    let stored = vault.get_or_put(name, &*fresh).await?;
    let seed = <[u8; 32]>::try_from(stored.as_slice());
    seed.map(Zeroizing::new)
        .map_err(|_| VaultError::Unreadable { name: name.into() })
}
