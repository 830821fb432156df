//! Layouts of the module `delegation`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// Shares of what is delegated to one stake. Whoever holds it has all rights to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The object's id.
    pub id: Address,
    /// To which stake.
    pub stake_id: Address,
    /// Of what is delegated to it.
    pub shares: u128,
    /// In which it was made.
    pub epoch: u64,
    /// Whether it earns already.
    pub earns: bool,
    /// Up to where it is settled.
    pub per_share: u128,
    /// Settled and not yet claimed.
    pub owed: u64,
}

/// A delegation was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Delegated {
    pub delegation_id: Address,
    pub stake_id: Address,
    pub delegator: Address,
    pub amount: u64,
    pub shares: u128,
    pub epoch: u64,
}

/// A delegation after a touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelegationSettled {
    pub delegation_id: Address,
    pub stake_id: Address,
    pub shares: u128,
    pub earns: bool,
    pub per_share: u128,
    pub owed: u64,
}

/// A delegation, or a part of it, went into the stake's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Undelegated {
    pub delegation_id: Address,
    pub stake_id: Address,
    pub amount: u64,
    pub shares: u128,
}

/// What a delegation earned was paid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelegationClaimed {
    pub delegation_id: Address,
    pub stake_id: Address,
    pub amount: u64,
}

/// An empty delegation was done away with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelegationClosed {
    pub delegation_id: Address,
}

super::move_types!("delegation":
    objects { Delegation }
    events { Delegated, DelegationSettled, Undelegated, DelegationClaimed, DelegationClosed }
    values {}
);
