//! Layouts of the module `upgrades`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::UpgradeCap;

/// Holds the package's upgrade capability. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrades {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// The capability, once it was handed in.
    pub cap: Option<UpgradeCap>,
    /// The proposed upgrade.
    pub pending: Option<Proposal>,
}

/// A proposed upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Of the modules and dependencies: 32 bytes.
    pub digest: Vec<u8>,
    /// In Unix milliseconds.
    pub ready_at_ms: u64,
}

/// The object was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradesCreated {
    pub upgrades_id: Address,
}

/// The capability was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradeCapHeld {
    pub upgrades_id: Address,
    pub cap_id: Address,
    pub package_id: Address,
    pub version: u64,
    pub policy: u8,
}

/// An upgrade was proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradeProposed {
    pub upgrades_id: Address,
    pub digest: Vec<u8>,
    pub ready_at_ms: u64,
}

/// A proposal was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradeCancelled {
    pub upgrades_id: Address,
    pub digest: Vec<u8>,
}

/// An upgrade was authorised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradeAuthorized {
    pub upgrades_id: Address,
    pub digest: Vec<u8>,
}

/// An upgrade was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradeCommitted {
    pub upgrades_id: Address,
    pub package_id: Address,
    pub version: u64,
}

/// The object was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UpgradesMigrated {
    pub upgrades_id: Address,
    pub version: u64,
}

super::move_types!("upgrades":
    objects { Upgrades }
    events {
        UpgradesCreated, UpgradeCapHeld, UpgradeProposed, UpgradeCancelled, UpgradeAuthorized,
        UpgradeCommitted, UpgradesMigrated,
    }
    values { Proposal }
);
