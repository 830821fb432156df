//! Where the contracts are on this ledger: the descriptor that configuration files carry.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// A shared object and the version at which it became shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedObject {
    /// Object id.
    pub id: Address,
    /// Version at which it became shared.
    pub initial_shared_version: u64,
}

/// The published package. The JSON form is that of the `chain` crate's `Deployment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Chain identifier: digest of the genesis checkpoint, base58.
    pub chain: String,
    /// Package id that calls go to.
    pub package: Address,
    /// Package id that types are named after.
    pub original_package: Address,
    /// `staking::StakingPool`.
    pub staking_pool: SharedObject,
    /// `k8s_gateway::Gateway`.
    pub gateway: SharedObject,
    /// `slashing::Docket`.
    pub docket: SharedObject,
    /// `anchors::Anchors`.
    pub anchors: SharedObject,
    /// `params::Params`.
    pub params: SharedObject,
    /// `rewards::Rewards`.
    pub rewards: SharedObject,
    /// `staking::AdminCap`, owned by the publisher.
    pub admin_cap: Address,
    /// `staking::SlashCap`, owned by the publisher.
    pub slash_cap: Address,
}
