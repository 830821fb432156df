//! The package's abort codes, by module, as in the Move sources.

/// Aborts of the module `staking`.
pub mod staking {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// No such tier.
    pub const UNKNOWN_TIER: u64 = 1;
    /// The amount is below the tier's minimum.
    pub const BELOW_MINIMUM: u64 = 2;
    /// The sender does not own the stake.
    pub const NOT_OWNER: u64 = 3;
    /// The stake is not active.
    pub const NOT_ACTIVE: u64 = 4;
    /// The stake is still locked up.
    pub const STILL_LOCKED: u64 = 5;
    /// The stake is not unbonding.
    pub const NOT_UNBONDING: u64 = 6;
    /// The unbonding period is not over.
    pub const STILL_UNBONDING: u64 = 7;
    /// The stake is withdrawn or slashed out: nothing to slash.
    pub const NOT_SLASHABLE: u64 = 8;
    /// An amount of zero.
    pub const ZERO_AMOUNT: u64 = 9;
    /// The treasury holds less.
    pub const TREASURY_TOO_SMALL: u64 = 10;
    /// A parameter is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 11;
    /// A text is longer than allowed.
    pub const TEXT_TOO_LONG: u64 = 12;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 13;
}

/// Aborts of the module `k8s_gateway`.
pub mod k8s_gateway {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// The sender does not own the stake or the token.
    pub const NOT_OWNER: u64 = 1;
    /// The stake is not an active, sufficient stake of the node tier.
    pub const INSUFFICIENT_STAKE: u64 = 2;
    /// The node id is empty, too long, or has characters that a node's name can't have.
    pub const INVALID_NODE_ID: u64 = 3;
    /// The node key is not 32 bytes.
    pub const INVALID_NODE_KEY: u64 = 4;
    /// The commitment is not 32 bytes.
    pub const INVALID_COMMITMENT: u64 = 5;
    /// The time to live is out of its bounds.
    pub const INVALID_TTL: u64 = 6;
    /// The endpoint is too long.
    pub const INVALID_ENDPOINT: u64 = 7;
    /// A live token of another stake, or another of this stake, holds the node's name.
    pub const NODE_ID_TAKEN: u64 = 8;
    /// The stake already backs a live token.
    pub const STAKE_IN_USE: u64 = 9;
    /// The stake is not the token's.
    pub const WRONG_STAKE: u64 = 10;
    /// The token is revoked.
    pub const REVOKED: u64 = 11;
    /// The token expired and its node name or stake went to another token.
    pub const SUPERSEDED: u64 = 12;
    /// The token's stake is sufficient, so only its owner or governance may revoke it.
    pub const STILL_BACKED: u64 = 13;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 14;
}

/// Aborts of the module `enclave_registry`.
pub mod enclave_registry {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// The capability is another cluster's.
    pub const WRONG_CLUSTER: u64 = 1;
    /// The name is empty, too long or has characters that it can't have.
    pub const INVALID_NAME: u64 = 2;
    /// No such kind of TEE.
    pub const UNKNOWN_KIND: u64 = 3;
    /// The measurement has no valid length or is all zero.
    pub const INVALID_MEASUREMENT: u64 = 4;
    /// The measurement is already allowed.
    pub const ALREADY_APPROVED: u64 = 5;
    /// The measurement is not on the allow-list, or is retired.
    pub const NOT_APPROVED: u64 = 6;
    /// The allow-list or the list of endpoints is full.
    pub const FULL: u64 = 7;
    /// The URL is empty or too long.
    pub const INVALID_URL: u64 = 8;
    /// The TLS key hash is not 32 bytes.
    pub const INVALID_KEY_HASH: u64 = 9;
    /// No such endpoint.
    pub const UNKNOWN_ENDPOINT: u64 = 10;
    /// A text is longer than allowed.
    pub const TEXT_TOO_LONG: u64 = 11;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 12;
}
