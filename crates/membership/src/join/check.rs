//! The checks on the chain, on objects read at this moment.

use async_trait::async_trait;
use chain::objects::{SealToken, Stake, StakingPool, Tier};
use chain::{Address, Client, Deployment};
use seal::wire::{Refusal, RefusalCode};
use seal::{Commitment, NodeId, NodePublicKey, ObjectId, Secret};

use crate::stake::{NotLive, StakeState, TokenState};

/// The chain can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the chain cannot be read: {0}")]
pub struct ChainReadError(pub String);

/// Reads single objects, fresh.
#[async_trait]
pub trait ChainReader: Send + Sync + 'static {
    /// A Seal token.
    async fn token(&self, id: Address) -> Result<Option<SealToken>, ChainReadError>;

    /// A stake.
    async fn stake(&self, id: Address) -> Result<Option<Stake>, ChainReadError>;

    /// The pool with the tiers' parameters.
    async fn pool(&self) -> Result<StakingPool, ChainReadError>;
}

#[async_trait]
impl ChainReader for (Client, Deployment) {
    async fn token(&self, id: Address) -> Result<Option<SealToken>, ChainReadError> {
        let found = self.0.find::<SealToken>(&self.1, id).await;
        found
            .map(|object| object.map(|object| object.value))
            .map_err(|error| ChainReadError(error.to_string()))
    }

    async fn stake(&self, id: Address) -> Result<Option<Stake>, ChainReadError> {
        let found = self.0.find::<Stake>(&self.1, id).await;
        found
            .map(|object| object.map(|object| object.value))
            .map_err(|error| ChainReadError(error.to_string()))
    }

    async fn pool(&self) -> Result<StakingPool, ChainReadError> {
        let id = self.1.staking_pool.id;
        let found = self.0.object::<StakingPool>(&self.1, id).await;
        found
            .map(|object| object.value)
            .map_err(|error| ChainReadError(error.to_string()))
    }
}

/// What a join is checked against, all read at one moment.
pub(crate) struct Backing {
    pub(crate) token: SealToken,
    pub(crate) stake: Stake,
    pub(crate) pool: StakingPool,
}

pub(crate) fn refuse(code: RefusalCode, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

fn unavailable(error: &ChainReadError) -> Refusal {
    tracing::warn!(%error, "a request cannot be decided");
    refuse(
        RefusalCode::ChainUnavailable,
        "the chain cannot be read at the moment, so nothing can be decided; try again",
    )
}

fn not_live(reason: &NotLive) -> Refusal {
    refuse(reason.refusal(), reason.to_string())
}

/// The token and its stake, wherever they stand.
pub(crate) async fn read(chain: &dyn ChainReader, token: ObjectId) -> Result<Backing, Refusal> {
    let id = Address::new(token.0);
    let found = chain.token(id).await.map_err(|error| unavailable(&error))?;
    let token = found.ok_or_else(|| not_live(&NotLive::UnknownToken))?;
    let (stake, pool) = read_stake(chain, token.stake_id).await?;
    Ok(Backing { token, stake, pool })
}

/// A stake and the pool.
pub(crate) async fn read_stake(
    chain: &dyn ChainReader,
    id: Address,
) -> Result<(Stake, StakingPool), Refusal> {
    let found = chain.stake(id).await.map_err(|error| unavailable(&error))?;
    let stake = found.ok_or_else(|| not_live(&NotLive::UnknownStake))?;
    let pool = chain.pool().await.map_err(|error| unavailable(&error))?;
    Ok((stake, pool))
}

/// Whether a stake counts for a tier.
pub(crate) fn check_stake(stake: &Stake, pool: &StakingPool, tier: Tier) -> Result<(), Refusal> {
    let minimum = pool.tier(tier).map_or(u64::MAX, |params| params.minimum);
    crate::stake::judge_stake(&StakeState::from(stake), tier, minimum)
        .map_err(|reason| not_live(&reason))
}

impl Backing {
    /// The token is this node's: its name and its key.
    pub(crate) fn check_node(&self, node: &NodeId, key: &NodePublicKey) -> Result<(), Refusal> {
        if self.token.node_id != node.as_str() {
            let message = "the Seal token was made for another node name";
            return Err(refuse(RefusalCode::WrongNode, message));
        }
        if self.token.node_key != key.as_bytes() {
            let message = "the Seal token was made for another node key";
            return Err(refuse(RefusalCode::WrongNodeKey, message));
        }
        Ok(())
    }

    /// The secret opens the token's commitment.
    pub(crate) fn check_opens(
        &self,
        secret: &Secret,
        node: &NodeId,
        key: &NodePublicKey,
    ) -> Result<(), Refusal> {
        let commitment = <[u8; 32]>::try_from(self.token.commitment.as_slice());
        let opens = commitment
            .map(|bytes| Commitment(seal::Bytes32(bytes)))
            .is_ok_and(|commitment| commitment.opens(secret, node, key));
        if opens {
            Ok(())
        } else {
            let message = "the secret does not open the Seal token's commitment";
            Err(refuse(RefusalCode::CommitmentMismatch, message))
        }
    }

    /// Token and stake count now, belong to one owner, and are for this cluster.
    pub(crate) fn check_live(&self, cluster: Address, now_ms: u64) -> Result<(), Refusal> {
        crate::stake::judge_token(&TokenState::from(&self.token), cluster, now_ms)
            .map_err(|reason| not_live(&reason))?;
        if self.stake.id != self.token.stake_id || self.stake.owner != self.token.owner {
            let message = "the Seal token names a stake of another owner";
            return Err(refuse(RefusalCode::StakeMismatch, message));
        }
        check_stake(&self.stake, &self.pool, Tier::Node)
    }
}
