//! The rules: when a token or a stake counts.

use chain::Address;
use chain::objects::{PERMISSION_JOIN, StakeStatus, Tier};
use pki::UserRole;
use seal::wire::RefusalCode;

use super::{StakeState, TokenState};

/// Why an identity is not backed (any more).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLive {
    /// The view hasn't caught up with the chain yet.
    #[error("the stakes have not been read from the chain yet")]
    NotSynced,
    /// The chain hasn't been heard of for too long.
    #[error("the chain has not been heard of for too long, so no stake is known to be live")]
    Stale,
    /// The certificate doesn't name what backs it, or names it wrongly.
    #[error("the certificate does not correspond to what backs it: {0}")]
    Certificate(&'static str),
    /// The token isn't on the chain.
    #[error("there is no such Seal token")]
    UnknownToken,
    /// The stake isn't on the chain.
    #[error("there is no such stake")]
    UnknownStake,
    /// The token is for another cluster.
    #[error("the Seal token is for another cluster")]
    OtherCluster,
    /// Revoked.
    #[error("the Seal token was revoked")]
    Revoked,
    /// Expired.
    #[error("the Seal token has expired")]
    Expired,
    /// It doesn't permit joining.
    #[error("the Seal token does not permit joining")]
    NotPermitted,
    /// The stake belongs to somebody else than the identity.
    #[error("the stake belongs to another address")]
    OtherOwner,
    /// The stake is of a tier that doesn't give this identity.
    #[error("the stake is of the {0} tier")]
    OtherTier(Tier),
    /// The owner is taking it back, or has.
    #[error("the stake is {0}")]
    Inactive(StakeStatus),
    /// It serves a sentence, or its owner has not freed it yet.
    #[error("the stake is jailed (until {until_ms} ms since 1970, and until its owner frees it)")]
    Jailed {
        /// End of the sentence.
        until_ms: u64,
    },
    /// It equivocated.
    #[error("the stake is tombstoned: it never counts again")]
    Tombstoned,
    /// Slashing left too little.
    #[error("the stake was slashed to {balance} MIST, {minimum} are needed")]
    Slashed {
        /// What is left.
        balance: u64,
        /// What the tier demands.
        minimum: u64,
    },
    /// Below the minimum.
    #[error("the stake of {balance} MIST is below the tier's minimum of {minimum}")]
    Insufficient {
        /// What there is.
        balance: u64,
        /// What the tier demands.
        minimum: u64,
    },
}

impl NotLive {
    /// The code that the join protocol has for it.
    pub fn refusal(&self) -> RefusalCode {
        match self {
            Self::NotSynced | Self::Stale => RefusalCode::NotReady,
            Self::Certificate(_) => RefusalCode::Malformed,
            Self::UnknownToken => RefusalCode::TokenNotFound,
            Self::UnknownStake => RefusalCode::StakeNotFound,
            Self::OtherCluster => RefusalCode::WrongCluster,
            Self::Revoked => RefusalCode::TokenRevoked,
            Self::Expired => RefusalCode::TokenExpired,
            Self::NotPermitted => RefusalCode::NotPermitted,
            Self::OtherOwner | Self::OtherTier(_) => RefusalCode::StakeMismatch,
            Self::Inactive(StakeStatus::SlashedOut)
            | Self::Slashed { .. }
            | Self::Jailed { .. }
            | Self::Tombstoned => RefusalCode::StakeSlashed,
            Self::Inactive(_) => RefusalCode::StakeInactive,
            Self::Insufficient { .. } => RefusalCode::StakeInsufficient,
        }
    }

    /// A CamelCase reason, for conditions, annotations and events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSynced => "StakeViewNotSynced",
            Self::Stale => "StakeViewStale",
            _ => self.refusal().as_str(),
        }
    }
}

/// A token by itself: of this cluster, permitted, not revoked, not expired.
pub(crate) fn token(token: &TokenState, cluster: Address, now_ms: u64) -> Result<(), NotLive> {
    if token.revoked {
        Err(NotLive::Revoked)
    } else if now_ms >= token.expires_at_ms {
        Err(NotLive::Expired)
    } else if token.cluster != cluster {
        Err(NotLive::OtherCluster)
    } else if token.permissions & PERMISSION_JOIN == 0 {
        Err(NotLive::NotPermitted)
    } else {
        Ok(())
    }
}

/// A stake by itself: of the tier, in good standing, at or above the tier's minimum.
///
/// The same as `staking::has_sufficient_stake`, with the reason.
pub(crate) fn stake(stake: &StakeState, tier: Tier, minimum: u64) -> Result<(), NotLive> {
    if stake.status != StakeStatus::Active {
        return Err(NotLive::Inactive(stake.status));
    }
    if stake.tombstoned {
        return Err(NotLive::Tombstoned);
    }
    if stake.jailed_until_ms > 0 {
        return Err(NotLive::Jailed {
            until_ms: stake.jailed_until_ms,
        });
    }
    if stake.tier != tier {
        return Err(NotLive::OtherTier(stake.tier));
    }
    let balance = stake.balance;
    match (balance >= minimum, stake.slashed > 0) {
        (true, _) => Ok(()),
        (false, true) => Err(NotLive::Slashed { balance, minimum }),
        (false, false) => Err(NotLive::Insufficient { balance, minimum }),
    }
}

/// The rights that a stake gives its owner: who runs a node is an operator.
pub fn role_of(tier: Tier) -> UserRole {
    match tier {
        Tier::User => UserRole::User,
        Tier::Node => UserRole::Operator,
        Tier::Admin => UserRole::Admin,
    }
}
