//! What owners and delegators do with a stake: calls of `staking`, `unbonding`, `delegation`, `node_keys`.

use sui_sdk_types::Address;

use super::{DELEGATION, NODE_KEYS, STAKING, UNBONDING};
use crate::call::Call;
use crate::{ChainError, Deployment};

/// Adds to an active stake of the sender. In the rewards it weighs from the next epoch on.
#[must_use]
pub fn top_up(deployment: &Deployment, stake: Address, amount: u64) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "top up a stake", move |tx| {
        let coin = tx.split_gas(amount);
        let arguments = vec![tx.object(pool)?, tx.object(stake)?, coin];
        tx.call(STAKING, "top_up", arguments);
        Ok(())
    })
    .changes(pool)
    .changes(stake)
    .spends(amount)
}

/// Asks for a stake back: the unbonding period begins.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn request_unstake(deployment: &Deployment, stake: Address) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "request unstaking", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.clock()?,
        ];
        tx.call(UNBONDING, "request_unstake", arguments);
        Ok(())
    })
    .changes(pool)
    .changes(rewards)
    .changes(stake)
    .with_clock())
}

/// Asks for a part of a stake back. What remains has to be the tier's minimum. The sender gets the
/// `unbonding::Unbonding`, with which [`redeem`] takes it out after the unbonding period.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn unstake_part(
    deployment: &Deployment,
    stake: Address,
    amount: u64,
) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "unstake a part", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.pure(&amount),
            tx.clock()?,
        ];
        let part = tx.call(UNBONDING, "unstake", arguments);
        tx.keep(vec![part]);
        Ok(())
    })
    .changes(pool)
    .changes(rewards)
    .changes(stake)
    .with_clock())
}

/// Takes a stake back once the unbonding period is over and no case is pending against it.
#[must_use]
pub fn withdraw(deployment: &Deployment, stake: Address) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "withdraw a stake", move |tx| {
        let arguments = vec![tx.object(pool)?, tx.object(stake)?, tx.clock()?];
        let coin = tx.call(UNBONDING, "withdraw", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .changes(pool)
    .changes(stake)
    .with_clock()
}

/// Takes out a part of a stake, of an owner or a delegator, once its unbonding period is over and no case
/// is pending against the stake.
#[must_use]
pub fn redeem(deployment: &Deployment, stake: Address, part: Address) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "redeem a part of a stake", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(stake)?,
            tx.object(part)?,
            tx.clock()?,
        ];
        let coin = tx.call(UNBONDING, "redeem", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .changes(pool)
    .changes(stake)
    .changes(part)
    .with_clock()
}

/// Frees a stake of the sender whose sentence is over.
#[must_use]
pub fn unjail(deployment: &Deployment, stake: Address) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "free a jailed stake", move |tx| {
        let arguments = vec![tx.object(pool)?, tx.object(stake)?, tx.clock()?];
        tx.call(STAKING, "unjail", arguments);
        Ok(())
    })
    .reads(pool)
    .changes(stake)
    .with_clock()
}

/// What a node's key is rotated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationRequest {
    /// The Seal token.
    pub token: Address,
    /// The token's stake.
    pub stake: Address,
    /// The node's new Ed25519 public key.
    pub new_key: [u8; 32],
    /// Its signature over the `node_keys::RotationStatement`.
    pub proof: [u8; 64],
    /// blake2b-256 over the secret, the node id and the new key (see `seal`).
    pub commitment: [u8; 32],
}

/// Gives the node of the sender's token a new key, at most once a day.
#[must_use]
pub fn rotate_key(deployment: &Deployment, request: RotationRequest) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    let (stake, token) = (request.stake, request.token);
    Call::new(deployment, "rotate a node's key", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(gateway)?,
            tx.object(stake)?,
            tx.object(token)?,
            tx.pure(&request.new_key.to_vec()),
            tx.pure(&request.proof.to_vec()),
            tx.pure(&request.commitment.to_vec()),
            tx.clock()?,
        ];
        tx.call(NODE_KEYS, "rotate", arguments);
        Ok(())
    })
    .reads(pool)
    .changes(gateway)
    .changes(stake)
    .changes(token)
    .with_clock()
}

/// Delegates to an enrolled stake in good standing. The sender gets the `delegation::Delegation`.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn delegate(deployment: &Deployment, stake: Address, amount: u64) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "delegate", move |tx| {
        let coin = tx.split_gas(amount);
        let arguments = vec![
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            coin,
            tx.clock()?,
        ];
        let delegation = tx.call(DELEGATION, "delegate", arguments);
        tx.keep(vec![delegation]);
        Ok(())
    })
    .changes(pool)
    .changes(rewards)
    .changes(stake)
    .with_clock()
    .spends(amount))
}

/// Takes an amount out of a delegation of the sender, or all if there is no more. The sender gets an
/// `unbonding::Unbonding`, with which [`redeem`] takes it out after the unbonding period.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn undelegate(
    deployment: &Deployment,
    stake: Address,
    delegation: Address,
    amount: u64,
) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "undelegate", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.object(delegation)?,
            tx.pure(&amount),
            tx.clock()?,
        ];
        let part = tx.call(DELEGATION, "undelegate", arguments);
        tx.keep(vec![part]);
        Ok(())
    })
    .changes(pool)
    .changes(rewards)
    .changes(stake)
    .changes(delegation)
    .with_clock())
}

/// Pays out what a delegation of the sender has earned.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn claim_delegation(
    deployment: &Deployment,
    stake: Address,
    delegation: Address,
) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(
        Call::new(deployment, "claim a delegation's rewards", move |tx| {
            let arguments = vec![
                tx.object(rewards)?,
                tx.object(stake)?,
                tx.object(delegation)?,
                tx.clock()?,
            ];
            let coin = tx.call(DELEGATION, "claim", arguments);
            tx.keep(vec![coin]);
            Ok(())
        })
        .changes(rewards)
        .reads(stake)
        .changes(delegation)
        .with_clock(),
    )
}

/// Does away with an empty delegation of the sender.
#[must_use]
pub fn close_delegation(deployment: &Deployment, delegation: Address) -> Call {
    Call::new(deployment, "close a delegation", move |tx| {
        let delegation = tx.object(delegation)?;
        tx.call(DELEGATION, "close", vec![delegation]);
        Ok(())
    })
    .changes(delegation)
}

/// Changes what the sender takes of the rewards of their stake's delegators, in basis points.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn set_commission(
    deployment: &Deployment,
    stake: Address,
    commission: u64,
) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "set the commission", move |tx| {
        let arguments = vec![
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.pure(&commission),
            tx.clock()?,
        ];
        tx.call(DELEGATION, "set_commission", arguments);
        Ok(())
    })
    .reads(pool)
    .changes(rewards)
    .changes(stake)
    .with_clock())
}
