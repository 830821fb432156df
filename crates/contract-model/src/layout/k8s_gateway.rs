//! Layouts of the module `k8s_gateway`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::Table;

/// May join the cluster as a node.
pub const PERMISSION_JOIN: u64 = 1;
/// May run users' workloads.
pub const PERMISSION_WORKLOADS: u64 = 2;
/// May run the cluster's own workloads: the stake is ten times the tier's minimum or more.
pub const PERMISSION_SYSTEM: u64 = 4;

/// Revoked by its owner.
pub const REVOKED_BY_OWNER: u8 = 0;
/// Revoked by governance.
pub const REVOKED_BY_ADMIN: u8 = 1;
/// Revoked by anyone, its stake no longer being sufficient.
pub const REVOKED_UNBACKED: u8 = 2;

/// The one gateway: which node name and which stake is bound to which token. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// [`NodeName`] → [`Claim`].
    pub nodes: Table,
    /// Stake id → [`NodeName`].
    pub stakes: Table,
    /// How many tokens were ever made.
    pub tokens_created: u64,
}

/// A node's name within a cluster: the key of [`Gateway::nodes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// The cluster.
    pub cluster_id: Address,
    /// The node's name in it.
    pub node_id: String,
}

/// Which token holds a node name, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The token.
    pub token_id: Address,
    /// The token's stake.
    pub stake_id: Address,
    /// From then on anybody may claim the name.
    pub expires_at_ms: u64,
}

/// A stake-backed join token. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealToken {
    /// The object's id.
    pub id: Address,
    /// The stake that backs it.
    pub stake_id: Address,
    /// The stake's owner.
    pub owner: Address,
    /// The cluster that it is good for.
    pub cluster_id: Address,
    /// The node's name.
    pub node_id: String,
    /// The node's Ed25519 public key.
    pub node_key: Vec<u8>,
    /// blake2b-256 over the secret, the node id and the node key.
    pub commitment: Vec<u8>,
    /// The `PERMISSION_` bits.
    pub permissions: u64,
    /// Where the holder means to use it, or empty.
    pub endpoint: String,
    /// When it was made or last renewed, in Unix milliseconds.
    pub issued_at_ms: u64,
    /// From then on it is void.
    pub expires_at_ms: u64,
    /// It is void for good.
    pub revoked: bool,
    /// 0, and one more by each renewal.
    pub generation: u64,
}

/// The gateway was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GatewayCreated {
    pub gateway_id: Address,
}

/// A token was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SealTokenCreated {
    pub token_id: Address,
    pub stake_id: Address,
    pub owner: Address,
    pub cluster_id: Address,
    pub node_id: String,
    pub node_key: Vec<u8>,
    pub commitment: Vec<u8>,
    pub permissions: u64,
    pub endpoint: String,
    pub issued_at_ms: u64,
    pub expires_at_ms: u64,
}

/// A token was renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SealTokenRenewed {
    pub token_id: Address,
    pub stake_id: Address,
    pub commitment: Vec<u8>,
    pub permissions: u64,
    pub issued_at_ms: u64,
    pub expires_at_ms: u64,
    pub generation: u64,
}

/// A token was revoked; `reason` is one of the `REVOKED_` constants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SealTokenRevoked {
    pub token_id: Address,
    pub stake_id: Address,
    pub reason: u8,
    pub at_ms: u64,
}

/// The gateway was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GatewayMigrated {
    pub gateway_id: Address,
    pub version: u64,
}

super::move_types!("k8s_gateway":
    objects { Gateway, SealToken }
    events { GatewayCreated, SealTokenCreated, SealTokenRenewed, SealTokenRevoked, GatewayMigrated }
    values { NodeName, Claim }
);
