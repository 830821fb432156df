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

/// May use clusters: a stake of the user or admin tier.
pub const PERMISSION_USE: u64 = 8;
/// May be given every verb in an interface: a stake of the admin tier.
pub const PERMISSION_OPERATE: u64 = 16;

/// [`ConsumptionStatement::intent`].
pub const INTENT_CONSUMPTION: u8 = 18;
/// [`EncodedToken::encoding`].
pub const ENCODING: u8 = 1;

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
    /// What `params` governs.
    pub rules: GatewayRules,
}

/// What `params` governs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRules {
    /// The least time to live of a token, in milliseconds.
    pub shortest_ttl_ms: u64,
    /// The greatest.
    pub longest_ttl_ms: u64,
    /// Times the tier's minimum that [`PERMISSION_SYSTEM`] needs.
    pub system_factor: u64,
    /// How old the statement of a consumption may be, in milliseconds.
    pub oldest_statement_ms: u64,
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
    /// When it was first used with its present commitment; 0 before.
    pub consumed_at_ms: u64,
    /// The enclave that says so.
    pub consumed_by: Option<Address>,
}

/// What an enclave signs (as BCS, Ed25519) when a node has joined with the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumptionStatement {
    /// [`INTENT_CONSUMPTION`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The token's cluster.
    pub cluster_id: Address,
    /// The token.
    pub token_id: Address,
    /// Its generation.
    pub generation: u64,
    /// Its commitment.
    pub commitment: Vec<u8>,
}

/// A token in the form that Nautilus takes (BCS). The crate `seal` decodes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedToken {
    /// [`ENCODING`].
    pub encoding: u8,
    /// The token.
    pub token_id: Address,
    /// As in [`SealToken`].
    pub stake_id: Address,
    /// As in [`SealToken`].
    pub owner: Address,
    /// As in [`SealToken`].
    pub cluster_id: Address,
    /// As in [`SealToken`].
    pub node_id: String,
    /// As in [`SealToken`].
    pub node_key: Vec<u8>,
    /// As in [`SealToken`].
    pub commitment: Vec<u8>,
    /// As in [`SealToken`].
    pub permissions: u64,
    /// As in [`SealToken`].
    pub issued_at_ms: u64,
    /// As in [`SealToken`].
    pub expires_at_ms: u64,
    /// As in [`SealToken`].
    pub generation: u64,
    /// Bit 1: revoked; bit 2: consumed.
    pub flags: u8,
}

/// The gateway was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GatewayCreated {
    pub gateway_id: Address,
    pub rules: GatewayRules,
}

/// The gateway's rules were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GatewayRulesChanged {
    pub gateway_id: Address,
    pub rules: GatewayRules,
}

/// A node joined with a token, an enclave says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SealTokenConsumed {
    pub token_id: Address,
    pub enclave_id: Address,
    pub generation: u64,
    pub at_ms: u64,
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

/// A token's node has another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SealTokenRekeyed {
    pub token_id: Address,
    pub stake_id: Address,
    pub node_key: Vec<u8>,
    pub commitment: Vec<u8>,
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
    events {
        GatewayCreated, SealTokenCreated, SealTokenRenewed, SealTokenRekeyed, SealTokenRevoked,
        GatewayMigrated, GatewayRulesChanged, SealTokenConsumed,
    }
    values { NodeName, Claim, GatewayRules, ConsumptionStatement, EncodedToken }
);
