//! What the view keeps of a token and a stake.

use chain::Address;
use chain::objects::{SealToken, Stake, StakeStatus, Tier};

/// A Seal token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenState {
    /// Its stake.
    pub stake: Address,
    /// The stake's owner.
    pub owner: Address,
    /// Its cluster.
    pub cluster: Address,
    /// Its node's name.
    pub node: String,
    /// Its node's key.
    pub node_key: Vec<u8>,
    /// The commitment.
    pub commitment: Vec<u8>,
    /// `PERMISSION_` bits.
    pub permissions: u64,
    /// When it expires, milliseconds since 1970.
    pub expires_at_ms: u64,
    /// It is void for good.
    pub revoked: bool,
    /// How often it was renewed.
    pub generation: u64,
}

/// A stake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakeState {
    /// Who staked.
    pub owner: Address,
    /// What for.
    pub tier: Tier,
    /// Where it is in its life.
    pub status: StakeStatus,
    /// MIST of its owner's own.
    pub balance: u64,
    /// MIST slashed so far.
    pub slashed: u64,
    /// While jailed: the end of the sentence; otherwise 0.
    pub jailed_until_ms: u64,
    /// It never counts again.
    pub tombstoned: bool,
}

impl From<&SealToken> for TokenState {
    fn from(token: &SealToken) -> Self {
        Self {
            stake: token.stake_id,
            owner: token.owner,
            cluster: token.cluster_id,
            node: token.node_id.clone(),
            node_key: token.node_key.clone(),
            commitment: token.commitment.clone(),
            permissions: token.permissions,
            expires_at_ms: token.expires_at_ms,
            revoked: token.revoked,
            generation: token.generation,
        }
    }
}

impl From<&Stake> for StakeState {
    fn from(stake: &Stake) -> Self {
        Self {
            owner: stake.owner,
            tier: stake.tier,
            status: stake.status,
            balance: stake.balance,
            slashed: stake.slashed,
            jailed_until_ms: stake.jailed_until_ms,
            tombstoned: stake.tombstoned,
        }
    }
}

/// A stake's life goes one way; an event that arrives after a fresher read doesn't take it back.
pub(crate) fn advance(status: &mut StakeStatus, to: StakeStatus) {
    if to.code() > status.code() {
        *status = to;
    }
}
