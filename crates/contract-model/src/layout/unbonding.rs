//! Layouts of the module `unbonding`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// A part of a stake's queue. Whoever holds it takes it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbonding {
    /// The object's id.
    pub id: Address,
    /// Whose queue.
    pub stake_id: Address,
    /// Of the queue.
    pub shares: u128,
    /// Of the queue's shares.
    pub generation: u64,
    /// From when it can be redeemed, in Unix milliseconds.
    pub withdrawable_at_ms: u64,
}

/// A part of a stake began to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UnbondingBegun {
    pub unbonding_id: Address,
    pub stake_id: Address,
    pub owner: Address,
    pub shares: u128,
    pub generation: u64,
    pub withdrawable_at_ms: u64,
}

/// A part of a stake left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct UnbondingRedeemed {
    pub unbonding_id: Address,
    pub stake_id: Address,
    pub amount: u64,
}

super::move_types!("unbonding":
    objects { Unbonding }
    events { UnbondingBegun, UnbondingRedeemed }
    values {}
);
