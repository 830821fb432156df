//! Where the package and its shared objects are on a chain.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use crate::{ChainError, Executed};

/// A shared object: its id and the version at which it became shared, which a transaction that
/// uses it has to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedObject {
    /// Object id.
    pub id: Address,
    /// Version at which it became shared.
    pub initial_shared_version: u64,
}

/// A published `k3s_daas` package: what a configuration file carries so that every role talks to
/// the same contracts on the same chain.
///
/// Capabilities are not part of trust: they name which object an administrator's key has to own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// Chain identifier (digest of the genesis checkpoint, base58). A ledger with another one is
    /// refused.
    pub chain: String,
    /// Package id that calls go to.
    pub package: Address,
    /// Package id that types and events are named after: that of the first version. The same as
    /// `package` until the package is upgraded.
    pub original_package: Address,
    /// `staking::StakingPool`.
    pub staking_pool: SharedObject,
    /// `k8s_gateway::Gateway`.
    pub gateway: SharedObject,
    /// `slashing::Docket`, in packages that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docket: Option<SharedObject>,
    /// `anchors::Anchors`, in packages that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchors: Option<SharedObject>,
    /// `params::Params`, in packages that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<SharedObject>,
    /// `rewards::Rewards`, in packages that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<SharedObject>,
    /// `upgrades::Upgrades`, in packages that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<SharedObject>,
    /// `staking::AdminCap`: id of the capability of whoever published the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_cap: Option<Address>,
    /// `staking::SlashCap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slash_cap: Option<Address>,
    /// `enclave_registry::Cluster`, once one was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Address>,
    /// `enclave_registry::ClusterCap` of that cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_cap: Option<Address>,
}

impl Deployment {
    /// Reads a descriptor from a JSON file.
    ///
    /// # Errors
    /// [`ChainError::Deployment`] that names the file and says what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ChainError> {
        let failed = |reason: String| ChainError::Deployment {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
    }

    /// Writes the descriptor as JSON, atomically.
    ///
    /// # Errors
    /// [`ChainError::Deployment`] that names the file and what the file system said.
    pub fn save(&self, path: &Path) -> Result<(), ChainError> {
        let failed = |reason: String| ChainError::Deployment {
            path: path.to_owned(),
            reason,
        };
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| failed(error.to_string()))?;
        text.push(b'\n');
        crate::keystore::write_atomically(path, &text, 0o644)
            .map_err(|error| failed(error.to_string()))
    }

    /// The descriptor of a package that a transaction of [`crate::calls::publish`] published on the
    /// chain with this identifier.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the transaction published something else.
    pub fn of_published(chain: &str, published: &Executed) -> Result<Self, ChainError> {
        let package = published
            .created
            .iter()
            .find(|created| created.object_type == "package")
            .map(|created| created.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "transaction",
                id: published.digest.to_string(),
                reason: "it published no package".to_owned(),
            })?;
        let shared = |name: &'static str| -> Result<SharedObject, ChainError> {
            let id = published.created(name)?;
            let created = published.created.iter().find(|created| created.id == id);
            Ok(SharedObject {
                id,
                initial_shared_version: created.map_or(0, |created| created.version),
            })
        };
        Ok(Self {
            chain: chain.to_owned(),
            package,
            original_package: package,
            staking_pool: shared("staking::StakingPool")?,
            gateway: shared("k8s_gateway::Gateway")?,
            docket: shared("slashing::Docket").ok(),
            anchors: shared("anchors::Anchors").ok(),
            params: shared("params::Params").ok(),
            rewards: shared("rewards::Rewards").ok(),
            upgrades: shared("upgrades::Upgrades").ok(),
            admin_cap: Some(published.created("staking::AdminCap")?),
            slash_cap: Some(published.created("staking::SlashCap")?),
            cluster: None,
            cluster_cap: None,
        })
    }

    /// The docket's id, or an error that says that the package has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the package has no slashing by evidence.
    pub fn docket(&self) -> Result<Address, ChainError> {
        self.docket
            .map(|docket| docket.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: self.package.to_string(),
                reason: "it names no docket".to_owned(),
            })
    }

    /// The anchors' id, or an error that says that the package has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the package has no state anchors.
    pub fn anchors(&self) -> Result<Address, ChainError> {
        self.anchors
            .map(|anchors| anchors.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: self.package.to_string(),
                reason: "it names no anchors".to_owned(),
            })
    }

    /// The id of what governs the parameters, or an error that says that the package has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the package has no governed parameters.
    pub fn params(&self) -> Result<Address, ChainError> {
        self.params
            .map(|params| params.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: self.package.to_string(),
                reason: "it names no parameters".to_owned(),
            })
    }

    /// The id of the rewards, or an error that says that the package has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the package has no rewards.
    pub fn rewards(&self) -> Result<Address, ChainError> {
        self.rewards
            .map(|rewards| rewards.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: self.package.to_string(),
                reason: "it names no rewards".to_owned(),
            })
    }

    /// The id of what holds the upgrade capability, or an error that says that the package has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the package has no timelock on upgrades.
    pub fn upgrades(&self) -> Result<Address, ChainError> {
        self.upgrades
            .map(|upgrades| upgrades.id)
            .ok_or_else(|| ChainError::Unexpected {
                what: "deployment of package",
                id: self.package.to_string(),
                reason: "it names no upgrades".to_owned(),
            })
    }

    /// The cluster's id, or an error that says that the deployment has none.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when no cluster has been created yet.
    pub fn cluster(&self) -> Result<Address, ChainError> {
        self.cluster.ok_or_else(|| ChainError::Unexpected {
            what: "deployment of package",
            id: self.package.to_string(),
            reason: "no cluster has been created yet".to_owned(),
        })
    }
}
