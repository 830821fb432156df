//! The package's abort codes, by module, as in the Move sources.

/// Aborts of the module `anchors`.
pub mod anchors {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// The enclave is another cluster's, revoked, or runs what is no longer allowed.
    pub const UNTRUSTED_ENCLAVE: u64 = 1;
    /// The signature is not the enclave's over this statement.
    pub const INVALID_SIGNATURE: u64 = 2;
    /// The statement is from the future or too old.
    pub const STALE_STATEMENT: u64 = 3;
    /// The root is not 32 bytes.
    pub const INVALID_ROOT: u64 = 4;
    /// The state is not newer than the one that is anchored.
    pub const NOT_NEWER: u64 = 5;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 6;
}

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
    /// Governance has stopped new stake.
    pub const PAUSED: u64 = 14;
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
    /// Governance has stopped new tokens.
    pub const PAUSED: u64 = 15;
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
    /// The public key is not 32 bytes.
    pub const INVALID_PUBLIC_KEY: u64 = 13;
    /// The enclave is already revoked.
    pub const ALREADY_REVOKED: u64 = 14;
}

/// Aborts of the module `slashing`.
pub mod slashing {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// No such kind of fault.
    pub const UNKNOWN_KIND: u64 = 1;
    /// The enclave is another cluster's, revoked, or runs what is no longer allowed.
    pub const UNTRUSTED_ENCLAVE: u64 = 2;
    /// The signature is not the enclave's over this statement.
    pub const INVALID_SIGNATURE: u64 = 3;
    /// The statement is from the future or older than the evidence window.
    pub const STALE_EVIDENCE: u64 = 4;
    /// The evidence was reported before.
    pub const REPLAYED: u64 = 5;
    /// The stake is not of the node tier.
    pub const WRONG_TIER: u64 = 6;
    /// The stake is withdrawn or slashed out.
    pub const NOT_SLASHABLE: u64 = 7;
    /// Too many nodes failed together.
    pub const CORRELATED_OUTAGE: u64 = 8;
    /// The bond is too small.
    pub const BOND_TOO_SMALL: u64 = 9;
    /// The case is executed or rejected.
    pub const CLOSED: u64 = 10;
    /// The appeal window is still open.
    pub const APPEAL_OPEN: u64 = 11;
    /// The appeal window is over.
    pub const APPEAL_OVER: u64 = 12;
    /// The stake is not the case's.
    pub const WRONG_STAKE: u64 = 13;
    /// The cluster is not the case's.
    pub const WRONG_CLUSTER: u64 = 14;
    /// A rule is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 15;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 16;
}

/// Aborts of the module `params`.
pub mod params {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// No such kind of change.
    pub const UNKNOWN_KIND: u64 = 1;
    /// The change has not the values that its kind has.
    pub const MALFORMED: u64 = 2;
    /// Too many changes are pending.
    pub const FULL: u64 = 3;
    /// No such change is pending.
    pub const UNKNOWN_CHANGE: u64 = 4;
    /// The change's time has not come.
    pub const TIMELOCKED: u64 = 5;
    /// The change's time is over.
    pub const EXPIRED: u64 = 6;
    /// A value is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 7;
    /// It is already paused, or not paused.
    pub const UNCHANGED: u64 = 8;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 9;
}

/// Aborts of the module `rewards`.
pub mod rewards {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// The cluster is not admitted.
    pub const UNKNOWN_CLUSTER: u64 = 1;
    /// The enclave is another cluster's, revoked, or runs what is no longer allowed.
    pub const UNTRUSTED_ENCLAVE: u64 = 2;
    /// The signature is not the enclave's over this statement.
    pub const INVALID_SIGNATURE: u64 = 3;
    /// The statement is from the future, too old, or not newer than the last.
    pub const STALE_STATEMENT: u64 = 4;
    /// The sender does not own the stake.
    pub const NOT_OWNER: u64 = 5;
    /// The stake is not of the node tier.
    pub const WRONG_TIER: u64 = 6;
    /// The stake is not active.
    pub const NOT_ACTIVE: u64 = 7;
    /// The stake already earns.
    pub const ENROLLED: u64 = 8;
    /// The stake does not earn.
    pub const NOT_ENROLLED: u64 = 9;
    /// The stake earns from the next period on.
    pub const NOT_YET: u64 = 10;
    /// A value is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 11;
    /// An amount of zero.
    pub const ZERO_AMOUNT: u64 = 12;
    /// There is nothing to claim.
    pub const NOTHING_OWED: u64 = 13;
    /// The cluster already is, or is not, admitted.
    pub const UNCHANGED: u64 = 14;
    /// Too many clusters are admitted.
    pub const FULL: u64 = 15;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 16;
}
