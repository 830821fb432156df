//! Where the contracts are on this ledger: the descriptor that configuration files carry.

use contract_model::{Genesis, World};
use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Owner};

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
    /// `upgrades::Upgrades`.
    pub upgrades: SharedObject,
    /// `staking::AdminCap`, owned by the publisher.
    pub admin_cap: Address,
    /// `staking::SlashCap`, owned by the publisher.
    pub slash_cap: Address,
}

impl Deployment {
    /// Of a package that genesis published.
    pub(crate) fn of(chain: String, made: &Genesis, world: &World) -> Self {
        let shared = |id| {
            let owner = world.get(id).map(|object| *object.owner());
            SharedObject {
                id,
                initial_shared_version: match owner {
                    Some(Owner::Shared(version)) => version,
                    _ => 0,
                },
            }
        };
        Self {
            chain,
            package: made.package,
            original_package: made.package,
            staking_pool: shared(made.pool),
            gateway: shared(made.gateway),
            docket: shared(made.docket),
            anchors: shared(made.anchors),
            params: shared(made.params),
            rewards: shared(made.rewards),
            upgrades: shared(made.upgrades),
            admin_cap: made.admin_cap,
            slash_cap: made.slash_cap,
        }
    }
}
