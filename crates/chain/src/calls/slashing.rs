//! Calls of the module `slashing`.

use sui_sdk_types::Address;

use super::SLASHING;
use crate::call::Call;
use crate::objects::{AcquittalStatement, EvidenceStatement, OutageStatement};
use crate::{ChainError, Deployment};

/// Slashes a stake, with the capability `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no rewards.
pub fn slash(
    deployment: &Deployment,
    cap: Address,
    stake: Address,
    amount: u64,
    reason: &str,
) -> Result<Call, ChainError> {
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    let reason = reason.to_owned();
    Ok(Call::new(deployment, "slash a stake", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(stake)?,
            tx.pure(&amount),
            tx.pure(&reason),
            tx.clock()?,
        ];
        tx.call(SLASHING, "slash", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(pool)
    .changes(rewards)
    .changes(stake)
    .with_clock())
}

/// Reports a fault with an enclave's signed statement and a bond. Anyone may. `token` is a Seal token of
/// the accused stake for the statement's cluster.
///
/// [`crate::Executed::created`] gives the id of the case (`slashing::Case`).
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn report_fault(
    deployment: &Deployment,
    enclave: Address,
    token: Address,
    statement: EvidenceStatement,
    signature: [u8; 64],
    bond: u64,
) -> Result<Call, ChainError> {
    let docket = deployment.docket()?;
    let (stake, cluster) = (statement.stake_id, statement.cluster_id);
    Ok(Call::new(deployment, "report a fault", move |tx| {
        let bond = tx.split_gas(bond);
        let arguments = vec![
            tx.object(docket)?,
            tx.object(statement.stake_id)?,
            tx.object(token)?,
            tx.object(statement.cluster_id)?,
            tx.object(enclave)?,
            tx.pure(&statement.kind.code()),
            tx.pure(&statement.period),
            tx.pure(&statement.nonce),
            tx.pure(&statement.failed),
            tx.pure(&statement.total),
            tx.pure(&statement.facts),
            tx.pure(&statement.timestamp_ms),
            tx.pure(&signature.to_vec()),
            bond,
            tx.clock()?,
        ];
        let case = tx.call(SLASHING, "report", arguments);
        tx.call(SLASHING, "share_case", vec![case]);
        Ok(())
    })
    .changes(docket)
    .changes(stake)
    .reads(token)
    .reads(cluster)
    .reads(enclave)
    .with_clock()
    .spends(bond))
}

/// Reports two heartbeats for one slot, each the message that `key` (the token's, or a former one of the
/// node) signed, and the signature; with a bond. Anyone may.
///
/// [`crate::Executed::created`] gives the id of the case (`slashing::Case`).
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn report_equivocation(
    deployment: &Deployment,
    (stake, token): (Address, Address),
    key: [u8; 32],
    first: (Vec<u8>, [u8; 64]),
    second: (Vec<u8>, [u8; 64]),
    bond: u64,
) -> Result<Call, ChainError> {
    let docket = deployment.docket()?;
    Ok(Call::new(deployment, "report an equivocation", move |tx| {
        let bond = tx.split_gas(bond);
        let arguments = vec![
            tx.object(docket)?,
            tx.object(stake)?,
            tx.object(token)?,
            tx.pure(&key.to_vec()),
            tx.pure(&first.0),
            tx.pure(&first.1.to_vec()),
            tx.pure(&second.0),
            tx.pure(&second.1.to_vec()),
            bond,
            tx.clock()?,
        ];
        let case = tx.call(SLASHING, "report_equivocation", arguments);
        tx.call(SLASHING, "share_case", vec![case]);
        Ok(())
    })
    .changes(docket)
    .changes(stake)
    .reads(token)
    .with_clock()
    .spends(bond))
}

/// Makes known, on an enclave's signed statement, that too many nodes failed together in a day for
/// anyone's downtime to be a fault. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn declare_outage(
    deployment: &Deployment,
    enclave: Address,
    statement: OutageStatement,
    signature: [u8; 64],
) -> Result<Call, ChainError> {
    let (docket, cluster) = (deployment.docket()?, statement.cluster_id);
    Ok(Call::new(deployment, "declare an outage", move |tx| {
        let arguments = vec![
            tx.object(docket)?,
            tx.object(statement.cluster_id)?,
            tx.object(enclave)?,
            tx.pure(&statement.period),
            tx.pure(&statement.failed),
            tx.pure(&statement.total),
            tx.pure(&statement.timestamp_ms),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(SLASHING, "declare_outage", arguments);
        Ok(())
    })
    .changes(docket)
    .reads(cluster)
    .reads(enclave)
    .with_clock())
}

/// Appeals a case with an enclave's signed counter-evidence: it is rejected, its bond forfeited.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn appeal_case(
    deployment: &Deployment,
    enclave: Address,
    stake: Address,
    statement: &AcquittalStatement,
    signature: [u8; 64],
) -> Result<Call, ChainError> {
    let (docket, pool) = (deployment.docket()?, deployment.staking_pool.id);
    let (case, cluster, at) = (
        statement.case_id,
        statement.cluster_id,
        statement.timestamp_ms,
    );
    Ok(Call::new(deployment, "appeal a case", move |tx| {
        let arguments = vec![
            tx.object(docket)?,
            tx.object(pool)?,
            tx.object(case)?,
            tx.object(stake)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.pure(&at),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(SLASHING, "appeal", arguments);
        Ok(())
    })
    .reads(docket)
    .changes(pool)
    .changes(case)
    .changes(stake)
    .reads(cluster)
    .reads(enclave)
    .with_clock())
}

/// Executes a case whose appeal window is over. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket or no rewards.
pub fn execute_case(
    deployment: &Deployment,
    case: Address,
    stake: Address,
) -> Result<Call, ChainError> {
    let (docket, pool) = (deployment.docket()?, deployment.staking_pool.id);
    let rewards = deployment.rewards()?;
    Ok(Call::new(deployment, "execute a case", move |tx| {
        let arguments = vec![
            tx.object(docket)?,
            tx.object(pool)?,
            tx.object(rewards)?,
            tx.object(case)?,
            tx.object(stake)?,
            tx.clock()?,
        ];
        tx.call(SLASHING, "execute", arguments);
        Ok(())
    })
    .changes(docket)
    .changes(pool)
    .changes(rewards)
    .changes(case)
    .changes(stake)
    .with_clock())
}

/// Rejects a case as governance, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn veto_case(
    deployment: &Deployment,
    cap: Address,
    case: Address,
    stake: Address,
) -> Result<Call, ChainError> {
    let (docket, pool) = (deployment.docket()?, deployment.staking_pool.id);
    Ok(Call::new(deployment, "veto a case", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(docket)?,
            tx.object(pool)?,
            tx.object(case)?,
            tx.object(stake)?,
            tx.clock()?,
        ];
        tx.call(SLASHING, "veto", arguments);
        Ok(())
    })
    .reads(cap)
    .reads(docket)
    .changes(pool)
    .changes(case)
    .changes(stake)
    .with_clock())
}
