//! Calls of the module `rewards`.

use sui_sdk_types::Address;

use super::REWARDS;
use crate::call::Call;
use crate::objects::PerformanceStatement;
use crate::{ChainError, Deployment};

/// Adds to the budget of rewards. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn fund_rewards(deployment: &Deployment, amount: u64) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, "fund the rewards", move |tx| {
        let coin = tx.split_gas(amount);
        let arguments = vec![tx.object(rewards)?, coin, tx.clock()?];
        tx.call(REWARDS, "fund", arguments);
        Ok(())
    })
    .changes(rewards)
    .with_clock()
    .spends(amount))
}

/// Prepays a fee that flows until the end of the day (UTC) that is `periods` after today. The
/// sender gets the `rewards::Escrow`.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn open_escrow(deployment: &Deployment, amount: u64, periods: u64) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, "prepay a fee", move |tx| {
        let coin = tx.split_gas(amount);
        let arguments = vec![tx.object(rewards)?, coin, tx.pure(&periods), tx.clock()?];
        let escrow = tx.call(REWARDS, "open_escrow", arguments);
        tx.keep(vec![escrow]);
        Ok(())
    })
    .changes(rewards)
    .with_clock()
    .spends(amount))
}

/// Ends an escrow of the sender, who gets back what has not flowed.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn close_escrow(deployment: &Deployment, escrow: Address) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, "end an escrow", move |tx| {
        let arguments = vec![tx.object(rewards)?, tx.object(escrow)?, tx.clock()?];
        let coin = tx.call(REWARDS, "close_escrow", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .changes(rewards)
    .changes(escrow)
    .with_clock())
}

/// Lets an active node stake of the sender earn, once its performance is reported on a later day.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn enroll(deployment: &Deployment, stake: Address) -> Result<Call, ChainError> {
    on_earner(deployment, stake, "enroll a stake", "enroll", false)
}

/// Pays out what a stake of the sender has earned.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn claim_rewards(deployment: &Deployment, stake: Address) -> Result<Call, ChainError> {
    on_earner(deployment, stake, "claim rewards", "claim", true)
}

/// Brings the weight of a stake up to date, as after a slash. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn refresh_rewards(deployment: &Deployment, stake: Address) -> Result<Call, ChainError> {
    on_earner(
        deployment,
        stake,
        "refresh a stake's weight",
        "refresh",
        false,
    )
}

fn on_earner(
    deployment: &Deployment,
    stake: Address,
    name: &'static str,
    function: &'static str,
    pays: bool,
) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, name, move |tx| {
        let arguments = vec![tx.object(rewards)?, tx.object(stake)?, tx.clock()?];
        let coin = tx.call(REWARDS, function, arguments);
        if pays {
            tx.keep(vec![coin]);
        }
        Ok(())
    })
    .changes(rewards)
    .reads(stake)
    .with_clock())
}

/// Sets a stake's performance by an enclave's signed statement. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn report_performance(
    deployment: &Deployment,
    enclave: Address,
    statement: &PerformanceStatement,
    signature: [u8; 64],
) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    let (cluster, stake) = (statement.cluster_id, statement.stake_id);
    let (performance, at) = (statement.performance, statement.timestamp_ms);
    Ok(Call::new(deployment, "report performance", move |tx| {
        let arguments = vec![
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.pure(&performance),
            tx.pure(&at),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(REWARDS, "report_performance", arguments);
        Ok(())
    })
    .changes(rewards)
    .reads(stake)
    .reads(cluster)
    .reads(enclave)
    .with_clock())
}

/// Admits a cluster, whose enclaves may then attest performance, or no longer admits it, with the
/// `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn set_rewarded_cluster(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    admitted: bool,
) -> Result<Call, ChainError> {
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, "admit a cluster", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(rewards)?,
            tx.pure(&cluster),
            tx.pure(&admitted),
        ];
        tx.call(REWARDS, "set_cluster", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(rewards))
}
