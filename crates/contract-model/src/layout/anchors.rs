//! Layouts of the module `anchors`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::Table;

/// [`AnchorStatement::intent`].
pub const INTENT_ANCHOR: u8 = 3;

/// All anchors. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchors {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// Cluster id → [`Anchor`].
    pub latest: Table,
    /// How old a statement may be, in milliseconds.
    pub oldest_statement_ms: u64,
}

/// Where a cluster's state stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Of the sealing keys.
    pub epoch: u64,
    /// Of the leader.
    pub term: u64,
    /// The store's revision.
    pub revision: u64,
    /// The log's head: 32 bytes.
    pub root: Vec<u8>,
    /// What the enclave runs that signed it.
    pub measurement: Vec<u8>,
    /// When it was anchored, in Unix milliseconds.
    pub anchored_at_ms: u64,
    /// How many there were before.
    pub sequence: u64,
}

/// What an enclave signs (as BCS, Ed25519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorStatement {
    /// [`INTENT_ANCHOR`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// As in [`Anchor`].
    pub epoch: u64,
    /// As in [`Anchor`].
    pub term: u64,
    /// As in [`Anchor`].
    pub revision: u64,
    /// As in [`Anchor`].
    pub root: Vec<u8>,
}

/// The anchors were made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AnchorsCreated {
    pub anchors_id: Address,
    pub oldest_statement_ms: u64,
}

/// How old a statement may be was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OldestStatementChanged {
    pub anchors_id: Address,
    pub oldest_statement_ms: u64,
}

/// A cluster's state was anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StateAnchored {
    pub cluster_id: Address,
    pub enclave_id: Address,
    pub epoch: u64,
    pub term: u64,
    pub revision: u64,
    pub root: Vec<u8>,
    pub measurement: Vec<u8>,
    pub anchored_at_ms: u64,
    pub sequence: u64,
}

/// The anchors were handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AnchorsMigrated {
    pub anchors_id: Address,
    pub version: u64,
}

super::move_types!("anchors":
    objects { Anchors }
    events { AnchorsCreated, OldestStatementChanged, StateAnchored, AnchorsMigrated }
    values { Anchor, AnchorStatement }
);
