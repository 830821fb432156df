//! Layouts of the module `staking`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// The tier of a worker's stake.
pub const TIER_NODE: u8 = 0;
/// The tier of a cluster user's stake.
pub const TIER_USER: u8 = 1;
/// The tier of a cluster administrator's stake.
pub const TIER_ADMIN: u8 = 2;

/// The stake counts.
pub const STATUS_ACTIVE: u8 = 0;
/// Its owner asked for it back; it no longer counts and can still be slashed.
pub const STATUS_UNBONDING: u8 = 1;
/// Its owner has it back. Final.
pub const STATUS_WITHDRAWN: u8 = 2;
/// Slashing left nothing of it. Final.
pub const STATUS_SLASHED_OUT: u8 = 3;

/// Governs the pool's parameters and treasury, and the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCap {
    /// The object's id.
    pub id: Address,
}

/// May slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlashCap {
    /// The object's id.
    pub id: Address,
}

/// A tier's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierParams {
    /// The least stake that counts, in MIST.
    pub minimum: u64,
    /// How long a stake can't be asked back, in milliseconds from staking.
    pub lockup_ms: u64,
}

/// The bounds of delegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRules {
    /// The greatest commission, in basis points.
    pub most_commission: u64,
    /// How much it may rise in a day, in basis points.
    pub commission_step: u64,
    /// The least delegation, in MIST.
    pub minimum: u64,
}

/// The one pool: parameters, totals and the treasury. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakingPool {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// By tier number.
    pub tiers: Vec<TierParams>,
    /// From the request to the withdrawal, in milliseconds.
    pub unbonding_ms: u64,
    /// The bounds of delegation.
    pub delegation: DelegationRules,
    /// MIST in active stakes, and delegated.
    pub total_active: u64,
    /// MIST in unbonding stakes, and in all queues.
    pub total_unbonding: u64,
    /// MIST slashed so far.
    pub total_slashed: u64,
    /// How many stakes were ever made.
    pub stakes_created: u64,
    /// Slashed MIST not yet taken out by governance.
    pub treasury: u64,
    /// Whether new stake and new tokens are stopped.
    pub paused: bool,
}

/// One stake. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stake {
    /// The object's id.
    pub id: Address,
    /// Who staked and who alone can withdraw.
    pub owner: Address,
    /// One of the `TIER_` constants.
    pub tier: u8,
    /// One of the `STATUS_` constants.
    pub status: u8,
    /// MIST of its owner's own.
    pub balance: u64,
    /// MIST slashed so far, others' included.
    pub slashed: u64,
    /// When it was made, in Unix milliseconds.
    pub staked_at_ms: u64,
    /// Before this it can't be asked back.
    pub locked_until_ms: u64,
    /// While unbonding: when it can be withdrawn; otherwise 0.
    pub withdrawable_at_ms: u64,
    /// MIST of the balance that came in `fresh_epoch`: they weigh from the next epoch on.
    pub fresh: u64,
    /// See `fresh`.
    pub fresh_epoch: u64,
    /// What others delegated.
    pub delegated: Shared,
    /// Shares of `delegated` that came in `shares_epoch`.
    pub fresh_shares: u128,
    /// See `fresh_shares`.
    pub shares_epoch: u64,
    /// Of what the delegators earn, in basis points.
    pub commission: u64,
    /// When the commission was set.
    pub commission_set_at_ms: u64,
    /// What is being given back, to its owner and to delegators.
    pub queue: Shared,
    /// Cases that are pending. Nothing leaves while there is one.
    pub cases: u64,
    /// While jailed: the end of the sentence; otherwise 0.
    pub jailed_until_ms: u64,
    /// Sentences so far.
    pub jailings: u64,
    /// When the last sentence ended.
    pub released_at_ms: u64,
    /// It never counts again.
    pub tombstoned: bool,
    /// Keys that its node had before, the newest last.
    pub former_keys: Vec<FormerKey>,
}

/// `shares::Shared`: MIST that several own together, in shares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// MIST.
    pub balance: u64,
    /// All shares, the virtual ones apart.
    pub shares: u128,
    /// How often all shares were void.
    pub generation: u64,
}

/// A key that a stake's node had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    /// Ed25519.
    pub key: Vec<u8>,
    /// When it was replaced.
    pub retired_at_ms: u64,
}

/// The pool was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PoolCreated {
    pub pool_id: Address,
    pub tiers: Vec<TierParams>,
    pub unbonding_ms: u64,
    pub delegation: DelegationRules,
}

/// The bounds of delegation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelegationRulesChanged {
    pub pool_id: Address,
    pub delegation: DelegationRules,
}

/// What stands behind a stake after a change of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StakeBalances {
    pub stake_id: Address,
    pub balance: u64,
    pub fresh: u64,
    pub fresh_epoch: u64,
    pub delegated: u64,
    pub shares: u128,
    pub fresh_shares: u128,
    pub shares_epoch: u64,
    pub queued: u64,
    pub queue_shares: u128,
    pub generation: u64,
}

/// Its owner asked for a part of a stake back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PartUnstaked {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
    pub balance: u64,
}

/// The owner's commission changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CommissionChanged {
    pub stake_id: Address,
    pub commission: u64,
    pub at_ms: u64,
}

/// How many cases are pending against a stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Accused {
    pub stake_id: Address,
    pub cases: u64,
}

/// A stake was jailed: it does not count until its owner frees it after the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Jailed {
    pub stake_id: Address,
    pub owner: Address,
    pub until_ms: u64,
    pub jailings: u64,
    pub at_ms: u64,
}

/// Its owner freed a stake whose sentence was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Unjailed {
    pub stake_id: Address,
    pub owner: Address,
    pub at_ms: u64,
}

/// A stake never counts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Tombstoned {
    pub stake_id: Address,
    pub owner: Address,
    pub at_ms: u64,
}

/// A stake's node has another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct KeyRetired {
    pub stake_id: Address,
    pub key: Vec<u8>,
    pub at_ms: u64,
}

/// A tier's parameters changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TierChanged {
    pub pool_id: Address,
    pub tier: u8,
    pub minimum: u64,
    pub lockup_ms: u64,
}

/// The unbonding period changed (for later requests).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UnbondingChanged {
    pub pool_id: Address,
    pub unbonding_ms: u64,
}

/// A stake was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Staked {
    pub stake_id: Address,
    pub owner: Address,
    pub tier: u8,
    pub amount: u64,
    pub staked_at_ms: u64,
    pub locked_until_ms: u64,
}

/// Its owner added to an active stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ToppedUp {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
    pub balance: u64,
}

/// Its owner asked for a stake back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UnstakeRequested {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
    pub withdrawable_at_ms: u64,
}

/// Its owner took a stake back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Withdrawn {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
}

/// A stake was slashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Slashed {
    pub stake_id: Address,
    pub owner: Address,
    pub amount: u64,
    pub remaining: u64,
    pub status: u8,
    pub reason: String,
    pub at_ms: u64,
}

/// MIST went out of the treasury: to governance, or as a reporter's reward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TreasuryWithdrawn {
    pub pool_id: Address,
    pub amount: u64,
    pub remaining: u64,
}

/// MIST came into the treasury that was not slashed from a stake: a forfeited bond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TreasuryFunded {
    pub pool_id: Address,
    pub amount: u64,
    pub balance: u64,
}

/// New stake and new tokens were stopped, or allowed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PauseChanged {
    pub pool_id: Address,
    pub paused: bool,
}

/// The pool was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PoolMigrated {
    pub pool_id: Address,
    pub version: u64,
}

super::move_types!("staking":
    objects { AdminCap, SlashCap, StakingPool, Stake }
    events {
        PoolCreated, TierChanged, UnbondingChanged, DelegationRulesChanged, Staked, StakeBalances,
        ToppedUp, UnstakeRequested, PartUnstaked, Withdrawn, CommissionChanged, Slashed, Accused,
        Jailed, Unjailed, Tombstoned, KeyRetired, TreasuryWithdrawn, TreasuryFunded, PauseChanged,
        PoolMigrated,
    }
    values { TierParams, DelegationRules, FormerKey }
);
