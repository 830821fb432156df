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
    /// A rule is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 7;
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
    /// The stake is not jailed.
    pub const NOT_JAILED: u64 = 15;
    /// The sentence is not over.
    pub const STILL_JAILED: u64 = 16;
    /// The stake is tombstoned: it never counts again.
    pub const TOMBSTONED: u64 = 17;
    /// The stake is jailed.
    pub const JAILED: u64 = 18;
    /// A case against the stake is pending.
    pub const ACCUSED: u64 = 19;
    /// The commission is above the greatest, or rises by more than its step.
    pub const COMMISSION: u64 = 20;
    /// The commission or the key was changed less than a day ago.
    pub const TOO_SOON: u64 = 21;
    /// The stake is not of the node tier.
    pub const WRONG_TIER: u64 = 22;
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
    /// The cluster is suspended or closed.
    pub const CLUSTER_NOT_OPEN: u64 = 16;
    /// The enclave is another cluster's, revoked, or runs what is no longer allowed.
    pub const UNTRUSTED_ENCLAVE: u64 = 17;
    /// The signature is not the enclave's over this statement.
    pub const INVALID_SIGNATURE: u64 = 18;
    /// The statement is from the future or too old.
    pub const STALE_STATEMENT: u64 = 19;
    /// The token was used with its present commitment.
    pub const CONSUMED: u64 = 20;
    /// The cluster is not the token's.
    pub const WRONG_CLUSTER: u64 = 21;
    /// The token has expired.
    pub const EXPIRED: u64 = 22;
    /// A rule is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 23;
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
    /// A value is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 15;
    /// An enclave of the cluster has this key.
    pub const KEY_IN_USE: u64 = 16;
    /// The cluster admits attested enclaves only.
    pub const ATTESTED_ONLY: u64 = 17;
    /// The cluster is closed.
    pub const CLOSED: u64 = 18;
    /// The document or statement is from the future or too old.
    pub const STALE_STATEMENT: u64 = 19;
    /// The document is bound to something else than this registration.
    pub const WRONG_BINDING: u64 = 20;
    /// A voucher is given twice, or is no trusted enclave of the cluster.
    pub const UNTRUSTED_VOUCHER: u64 = 21;
    /// A signature is not the voucher's over this statement.
    pub const INVALID_SIGNATURE: u64 = 22;
    /// Too few vouch.
    pub const NO_QUORUM: u64 = 23;
    /// It is so already.
    pub const UNCHANGED: u64 = 24;
    /// The encryption key is neither empty nor 32 bytes.
    pub const INVALID_ENCRYPTION_KEY: u64 = 25;
    /// The digest of the evidence is not 32 bytes.
    pub const INVALID_EVIDENCE: u64 = 26;
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
    /// The statement is from the future, older than the evidence window, about what is, or later
    /// than the token's life.
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
    /// The token is not the stake's.
    pub const WRONG_TOKEN: u64 = 17;
    /// The messages are not two different heartbeats of the node for one slot.
    pub const NOT_EQUIVOCATION: u64 = 18;
    /// The node never had the key.
    pub const WRONG_KEY: u64 = 19;
    /// The node's own signatures prove the case: governance alone can reject it.
    pub const PROVEN: u64 = 20;
    /// No more than the set share of the nodes failed, or it is known that they did.
    pub const NOT_AN_OUTAGE: u64 = 21;
}

/// Aborts of the module `shares`.
pub mod shares {
    /// Losses have left next to nothing behind a share.
    pub const WORTHLESS: u64 = 1;
    /// There are not so many shares.
    pub const TOO_MANY: u64 = 2;
}

/// Aborts of the module `unbonding`.
pub mod unbonding {
    /// The stake is not the one whose queue this is part of.
    pub const WRONG_STAKE: u64 = 1;
}

/// Aborts of the module `delegation`.
pub mod delegation {
    /// The delegation is to another stake.
    pub const WRONG_STAKE: u64 = 1;
    /// The stake does not earn: it is not enrolled.
    pub const NOT_ENROLLED: u64 = 2;
    /// An amount of zero, or of nothing that is left.
    pub const ZERO_AMOUNT: u64 = 3;
    /// Too little would remain: take all.
    pub const DUST: u64 = 4;
    /// There is nothing to claim.
    pub const NOTHING_OWED: u64 = 5;
    /// There is something in it.
    pub const NOT_EMPTY: u64 = 6;
}

/// Aborts of the module `node_keys`.
pub mod node_keys {
    /// The sender does not own the stake.
    pub const NOT_OWNER: u64 = 1;
    /// The stake is not the token's.
    pub const WRONG_STAKE: u64 = 2;
    /// The key is the present one, or one that the stake had before.
    pub const KEY_USED: u64 = 3;
    /// The proof is not the new key's signature over the rotation.
    pub const INVALID_PROOF: u64 = 4;
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
    /// The change is one for another of the `execute` functions.
    pub const WRONG_TARGET: u64 = 10;
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
    /// The stake is not in good standing.
    pub const NOT_ACTIVE: u64 = 7;
    /// The stake already earns.
    pub const ENROLLED: u64 = 8;
    /// The stake does not earn.
    pub const NOT_ENROLLED: u64 = 9;
    /// The stake earns from the next epoch on.
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

/// Aborts of the module `k8s_interface`.
pub mod k8s_interface {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// The interface or the request is another cluster's.
    pub const WRONG_CLUSTER: u64 = 1;
    /// The cluster has an interface already.
    pub const EXISTS: u64 = 2;
    /// A value is out of its bounds.
    pub const OUT_OF_BOUNDS: u64 = 3;
    /// The sender is no owner of the cluster.
    pub const NOT_OWNER: u64 = 4;
    /// The namespace is no valid name.
    pub const INVALID_NAMESPACE: u64 = 5;
    /// There is no such permission.
    pub const UNKNOWN_PERMISSION: u64 = 6;
    /// The stake is not the sender's, or not sufficient for this.
    pub const INSUFFICIENT_STAKE: u64 = 7;
    /// The sender has no permission for this here and now.
    pub const NOT_PERMITTED: u64 = 8;
    /// The cluster is suspended or closed.
    pub const CLUSTER_NOT_OPEN: u64 = 9;
    /// The enclave is another cluster's, revoked, or runs what is no longer allowed.
    pub const UNTRUSTED_ENCLAVE: u64 = 10;
    /// The enclave has no key to encrypt to.
    pub const NO_ENCRYPTION_KEY: u64 = 11;
    /// The payload is empty or too long.
    pub const INVALID_PAYLOAD: u64 = 12;
    /// The digest is not the payload's.
    pub const WRONG_DIGEST: u64 = 13;
    /// The fee is not what the interface asks.
    pub const WRONG_FEE: u64 = 14;
    /// The request is answered or refunded.
    pub const NOT_PENDING: u64 = 15;
    /// The time for the answer is over.
    pub const TOO_LATE: u64 = 16;
    /// The time for the answer is not over.
    pub const TOO_EARLY: u64 = 17;
    /// The signature is not the enclave's over this statement.
    pub const INVALID_SIGNATURE: u64 = 18;
    /// The digest of the result is not 32 bytes.
    pub const INVALID_RESULT: u64 = 19;
    /// The interface has earned less.
    pub const EARNED_TOO_LITTLE: u64 = 20;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 21;
    /// Governance has stopped new requests.
    pub const PAUSED: u64 = 22;
}

/// Aborts of the module `upgrades`.
pub mod upgrades {
    /// The shared object belongs to another version of the package.
    pub const WRONG_VERSION: u64 = 0;
    /// A capability is held already.
    pub const HELD: u64 = 1;
    /// No capability is held.
    pub const NOT_HELD: u64 = 2;
    /// An upgrade is proposed already.
    pub const PENDING: u64 = 3;
    /// No upgrade is proposed.
    pub const NOT_PENDING: u64 = 4;
    /// The digest is not 32 bytes.
    pub const INVALID_DIGEST: u64 = 5;
    /// The upgrade's time has not come.
    pub const TIMELOCKED: u64 = 6;
    /// The upgrade's time is over.
    pub const EXPIRED: u64 = 7;
    /// The object already has the package's version.
    pub const NOT_AN_UPGRADE: u64 = 8;
}
