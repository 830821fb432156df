//! Layouts of the module `params`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// A change of a tier: tier, minimum, lock-up.
pub const CHANGE_TIER: u8 = 0;
/// A change of the unbonding period.
pub const CHANGE_UNBONDING: u8 = 1;
/// A change of the rules of slashing.
pub const CHANGE_RULES: u8 = 2;
/// A change of the timelock.
pub const CHANGE_DELAY: u8 = 3;
/// A change of how many MIST of rewards flow in a period.
pub const CHANGE_EMISSION: u8 = 4;
/// A change of the bounds of delegation: greatest commission, its step, least delegation.
pub const CHANGE_DELEGATION: u8 = 5;
/// A [`Change`] of the gateway's rules: shortest and longest time to live, system factor, oldest
/// statement.
pub const CHANGE_GATEWAY: u8 = 6;
/// A [`Change`] of the anchors' rule: oldest statement.
pub const CHANGE_ANCHORS: u8 = 7;

/// What governs the parameters. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// From a proposal to its execution, in milliseconds.
    pub delay_ms: u64,
    /// How many changes were ever proposed.
    pub proposed: u64,
    /// In the order of proposal.
    pub pending: Vec<Change>,
}

/// A proposed change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counted from 0.
    pub number: u64,
    /// One of the `CHANGE_` constants.
    pub kind: u8,
    /// What the kind has.
    pub values: Vec<u64>,
    /// From when it can be executed.
    pub ready_at_ms: u64,
}

/// The object was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ParamsCreated {
    pub params_id: Address,
    pub delay_ms: u64,
}

/// Governance proposed a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ChangeProposed {
    pub params_id: Address,
    pub number: u64,
    pub kind: u8,
    pub values: Vec<u64>,
    pub ready_at_ms: u64,
}

/// A change took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ChangeExecuted {
    pub params_id: Address,
    pub number: u64,
    pub at_ms: u64,
}

/// Governance took a change back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ChangeCancelled {
    pub params_id: Address,
    pub number: u64,
    pub at_ms: u64,
}

/// The timelock changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DelayChanged {
    pub params_id: Address,
    pub delay_ms: u64,
}

/// The object was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ParamsMigrated {
    pub params_id: Address,
    pub version: u64,
}

super::move_types!("params":
    objects { Params }
    events {
        ParamsCreated, ChangeProposed, ChangeExecuted, ChangeCancelled, DelayChanged,
        ParamsMigrated,
    }
    values { Change }
);
