//! Layouts of the module `rewards`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::Table;

/// The intent of a [`PerformanceStatement`].
pub const INTENT_PERFORMANCE: u8 = 4;

/// All rewards. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewards {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// All MIST of the three parts below.
    pub vault: u64,
    /// What emission is paid from.
    pub budget: u64,
    /// Prepaid and not yet flowed.
    pub escrowed: u64,
    /// Flowed and not yet claimed.
    pub reserved: u64,
    /// MIST in a period.
    pub emission: u64,
    /// Billionths of a MIST that did not flow yet.
    pub emission_carry: u128,
    /// Of all escrows, in billionths of a MIST in a millisecond.
    pub fee_rate: u128,
    /// Billionths of a MIST that did not flow yet.
    pub fee_carry: u128,
    /// What of `fee_rate` ends with a period, by its number modulo the length.
    pub ending: Vec<u128>,
    /// How much a unit of weight has earned since the beginning.
    pub index: u128,
    /// Of all earners.
    pub total_weight: u64,
    /// Up to when the sources have flowed.
    pub updated_at_ms: u64,
    /// Whose enclaves attest performance.
    pub clusters: Vec<Address>,
    /// By stake: [`Earner`].
    pub earners: Table,
    /// [`StakeEpoch`] → from where the delegations of a stake and an epoch earn.
    pub starts: Table,
}

/// A stake and an epoch: the key of [`Rewards::starts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeEpoch {
    /// The stake.
    pub stake_id: Address,
    /// The epoch.
    pub epoch: u64,
}

/// A stake that earns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earner {
    /// What weighs of the stake times its performance.
    pub weight: u64,
    /// The accumulator up to which it is settled.
    pub index: u128,
    /// Settled and not yet claimed, the owner's.
    pub owed: u64,
    /// In basis points.
    pub performance: u64,
    /// When an enclave last attested it.
    pub reported_at_ms: u64,
    /// In which it was enrolled.
    pub epoch: u64,
    /// The delegators' part of the weight.
    pub delegated: u64,
    /// Their shares that weigh.
    pub shares: u128,
    /// How much a share has earned since the beginning.
    pub per_share: u128,
}

/// A prepaid fee. Its holder can have the rest back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// The object's id.
    pub id: Address,
    /// MIST paid.
    pub amount: u64,
    /// In billionths of a MIST in a millisecond.
    pub rate: u128,
    /// From when it flows.
    pub begins_at_ms: u64,
    /// Until when.
    pub ends_at_ms: u64,
}

/// What an enclave signs, as BCS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PerformanceStatement {
    pub intent: u8,
    pub timestamp_ms: u64,
    pub cluster_id: Address,
    pub stake_id: Address,
    pub performance: u64,
}

/// The object was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RewardsCreated {
    pub rewards_id: Address,
}

/// Where the flow stands after a touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RewardsUpdated {
    pub rewards_id: Address,
    pub budget: u64,
    pub escrowed: u64,
    pub reserved: u64,
    pub emission_carry: u128,
    pub fee_rate: u128,
    pub fee_carry: u128,
    pub ending: Vec<u128>,
    pub index: u128,
    pub total_weight: u64,
    pub updated_at_ms: u64,
}

/// The emission changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EmissionChanged {
    pub rewards_id: Address,
    pub emission: u64,
}

/// A cluster was admitted, or no longer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ClusterAdmitted {
    pub rewards_id: Address,
    pub cluster_id: Address,
    pub admitted: bool,
}

/// The budget was added to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BudgetFunded {
    pub rewards_id: Address,
    pub amount: u64,
}

/// A fee was prepaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EscrowOpened {
    pub escrow_id: Address,
    pub payer: Address,
    pub amount: u64,
    pub rate: u128,
    pub begins_at_ms: u64,
    pub ends_at_ms: u64,
}

/// An escrow was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EscrowClosed {
    pub escrow_id: Address,
    pub refund: u64,
}

/// An earner after a touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EarnerSettled {
    pub stake_id: Address,
    pub weight: u64,
    pub index: u128,
    pub owed: u64,
    pub performance: u64,
    pub reported_at_ms: u64,
    pub epoch: u64,
    pub delegated: u64,
    pub shares: u128,
    pub per_share: u128,
}

/// From where the delegations of an epoch earn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelegationsStarted {
    pub stake_id: Address,
    pub epoch: u64,
    pub per_share: u128,
}

/// Rewards were paid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RewardClaimed {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
}

/// The object was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RewardsMigrated {
    pub rewards_id: Address,
    pub version: u64,
}

super::move_types!("rewards":
    objects { Rewards, Escrow }
    events {
        RewardsCreated, RewardsUpdated, EmissionChanged, ClusterAdmitted, BudgetFunded,
        EscrowOpened, EscrowClosed, EarnerSettled, DelegationsStarted, RewardClaimed,
        RewardsMigrated,
    }
    values { Earner, StakeEpoch, PerformanceStatement }
);
