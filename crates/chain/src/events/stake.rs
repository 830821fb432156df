//! Events about what stands behind a stake: parts, delegations, sentences, keys.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use crate::objects::DelegationRules;

/// The bounds of delegation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRulesChanged {
    /// The pool.
    pub pool_id: Address,
    /// The bounds now.
    pub delegation: DelegationRules,
}

/// What stands behind a stake after a change of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeBalances {
    /// The stake.
    pub stake_id: Address,
    /// MIST of its owner's own.
    pub balance: u64,
    /// Of it, MIST that came in `fresh_epoch`.
    pub fresh: u64,
    /// See `fresh`.
    pub fresh_epoch: u64,
    /// MIST that others delegated.
    pub delegated: u64,
    /// Their shares.
    pub shares: u128,
    /// Of them, those that came in `shares_epoch`.
    pub fresh_shares: u128,
    /// See `fresh_shares`.
    pub shares_epoch: u64,
    /// MIST that are leaving.
    pub queued: u64,
    /// Shares of the queue.
    pub queue_shares: u128,
    /// Of these shares.
    pub generation: u64,
}

/// Its owner asked for a part of a stake back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartUnstaked {
    /// The stake.
    pub stake_id: Address,
    /// Its owner.
    pub owner: Address,
    /// MIST that leave.
    pub amount: u64,
    /// MIST that remain.
    pub balance: u64,
}

/// The owner's commission changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommissionChanged {
    /// The stake.
    pub stake_id: Address,
    /// Basis points.
    pub commission: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// How many cases are pending against a stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accused {
    /// The stake.
    pub stake_id: Address,
    /// How many.
    pub cases: u64,
}

/// A stake was jailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jailed {
    /// The stake.
    pub stake_id: Address,
    /// Its owner.
    pub owner: Address,
    /// End of the sentence, milliseconds since 1970.
    pub until_ms: u64,
    /// Sentences so far.
    pub jailings: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// Its owner freed a stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unjailed {
    /// The stake.
    pub stake_id: Address,
    /// Its owner.
    pub owner: Address,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// A stake never counts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstoned {
    /// The stake.
    pub stake_id: Address,
    /// Its owner.
    pub owner: Address,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// A stake's node has another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRetired {
    /// The stake.
    pub stake_id: Address,
    /// The key that it had.
    pub key: Vec<u8>,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// A part of a stake began to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbondingBegun {
    /// The part.
    pub unbonding_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// Who has it first.
    pub owner: Address,
    /// Of the queue.
    pub shares: u128,
    /// Of these shares.
    pub generation: u64,
    /// From when it can be redeemed, milliseconds since 1970.
    pub withdrawable_at_ms: u64,
}

/// A part of a stake left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbondingRedeemed {
    /// The part.
    pub unbonding_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// MIST.
    pub amount: u64,
}

/// A delegation was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    /// The delegation.
    pub delegation_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// Who has it first.
    pub delegator: Address,
    /// MIST.
    pub amount: u64,
    /// Shares.
    pub shares: u128,
    /// In which epoch.
    pub epoch: u64,
}

/// A delegation after a touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationSettled {
    /// The delegation.
    pub delegation_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// Shares.
    pub shares: u128,
    /// Whether it earns already.
    pub earns: bool,
    /// Up to where it is settled.
    pub per_share: u128,
    /// Settled and not yet claimed, MIST.
    pub owed: u64,
}

/// A delegation, or a part of it, went into the stake's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelegated {
    /// The delegation.
    pub delegation_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// MIST.
    pub amount: u64,
    /// Shares.
    pub shares: u128,
}

/// What a delegation earned was paid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationClaimed {
    /// The delegation.
    pub delegation_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// MIST.
    pub amount: u64,
}

/// An empty delegation was done away with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationClosed {
    /// The delegation.
    pub delegation_id: Address,
}

/// A token's node has another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealTokenRekeyed {
    /// The token.
    pub token_id: Address,
    /// Its stake.
    pub stake_id: Address,
    /// The node's key now.
    pub node_key: Vec<u8>,
    /// The commitment now.
    pub commitment: Vec<u8>,
    /// One more than before.
    pub generation: u64,
}

/// Too many nodes failed together in a period for anyone's downtime to be a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageDeclared {
    /// The docket.
    pub docket_id: Address,
    /// The cluster.
    pub cluster_id: Address,
    /// The day (UTC), by its number.
    pub period: u64,
    /// How many nodes failed in it.
    pub failed: u64,
    /// How many nodes there were.
    pub total: u64,
    /// When it was declared, milliseconds since 1970.
    pub at_ms: u64,
}

/// From where the delegations of an epoch earn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationsStarted {
    /// The stake.
    pub stake_id: Address,
    /// The epoch.
    pub epoch: u64,
    /// What a share had earned by then.
    pub per_share: u128,
}
