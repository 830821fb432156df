//! A retired measurement ends a key epoch: what ran it knows the root, and is to open nothing that is written from then
//! on, whoever retired it and with whatever tool.

use std::collections::BTreeSet;
use std::sync::Arc;

use chain::objects::Cluster;
use chain::{Address, ChainError, Deployment};
use registry::Stored;
use store::Store;

use crate::keyring::{Keyring, KeyringError};
use crate::vault::{Vault, VaultError};
use crate::witnesses::Witnesses;

/// The vault's record of the retirements after which a new epoch has begun.
const RECORD: &str = "retired";

/// A key epoch could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum RetirementError {
    /// The allow-list can't be read.
    #[error("the allow-list can't be read")]
    Chain(#[from] ChainError),
    /// The keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The record.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Begins key epochs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Retirements {
    pub(crate) vault: Vault,
    pub(crate) witnesses: Witnesses,
    pub(crate) deployment: Deployment,
    pub(crate) cluster: Address,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) store: Store<Stored>,
}

impl Retirements {
    /// Begins a new epoch if something was retired since the last one; whether it did.
    ///
    /// # Errors
    /// [`RetirementError`].
    pub(crate) async fn follow(&self) -> Result<bool, RetirementError> {
        let retired = self.retired().await?;
        if retired.is_subset(&self.recorded()?) {
            return Ok(false);
        }
        tracing::warn!("a measurement was retired: a new key epoch begins");
        self.rotate_after(&retired).await?;
        Ok(true)
    }

    /// Begins a new epoch in any case; its number.
    ///
    /// # Errors
    /// [`RetirementError`].
    pub(crate) async fn rotate(&self) -> Result<u32, RetirementError> {
        let retired = self.retired().await?;
        self.rotate_after(&retired).await
    }

    async fn rotate_after(&self, retired: &BTreeSet<String>) -> Result<u32, RetirementError> {
        let cluster = self.cluster.to_string();
        let epoch = self.keyring.rotate(&self.store, &cluster).await?;
        let record = retired.iter().cloned().collect::<Vec<_>>().join("\n");
        self.vault.put(RECORD, record.as_bytes()).await?;
        Ok(epoch)
    }

    fn recorded(&self) -> Result<BTreeSet<String>, RetirementError> {
        let record = self.vault.get(RECORD)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&record);
        Ok(text.lines().map(str::to_owned).collect())
    }

    async fn retired(&self) -> Result<BTreeSet<String>, RetirementError> {
        let cluster = self.witnesses.cluster(&self.deployment, self.cluster);
        Ok(retired_in(&cluster.await?))
    }
}

/// Each retirement has a name of its own, also when a measurement was brought back in between.
fn retired_in(cluster: &Cluster) -> BTreeSet<String> {
    let retired = cluster.measurements.iter().filter(|m| m.retired);
    retired
        .map(|m| {
            format!(
                "{} {} {}",
                m.kind.as_str(),
                hex::encode(&m.bytes),
                m.approved_at_ms
            )
        })
        .collect()
}
