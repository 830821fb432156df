//! The entries of the module `k8s_interface`.

use sui_sdk_types::Address;

use super::INTERFACE;
use crate::Deployment;
use crate::call::Call;
use crate::objects::ResultStatement;

/// Makes a cluster's interface, with the capability `cap` of the sender.
///
/// [`crate::Executed::created`] gives the id (`k8s_interface::Interface`).
#[must_use]
pub fn create_interface(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    fee: u64,
    timeout_ms: u64,
    payload: u64,
) -> Call {
    Call::new(deployment, "create an interface", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&fee),
            tx.pure(&timeout_ms),
            tx.pure(&payload),
        ];
        let interface = tx.call(INTERFACE, "create_interface", arguments);
        tx.call(INTERFACE, "share_interface", vec![interface]);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
}

/// Changes what later requests cost, how long they wait and how long they may be.
#[must_use]
pub fn configure_interface(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    interface: Address,
    (fee, timeout_ms, payload): (u64, u64, u64),
) -> Call {
    Call::new(deployment, "configure an interface", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.object(interface)?,
            tx.pure(&fee),
            tx.pure(&timeout_ms),
            tx.pure(&payload),
        ];
        tx.call(INTERFACE, "configure", arguments);
        Ok(())
    })
    .reads(cap)
    .reads(cluster)
    .changes(interface)
}

/// Gives a user permission (`VERB_` bits) in a namespace, or in all (an empty name), as an owner of
/// the cluster.
#[must_use]
pub fn grant_permission(
    deployment: &Deployment,
    cluster: Address,
    interface: Address,
    user: Address,
    namespace: &str,
    (verbs, expires_at_ms): (u64, u64),
) -> Call {
    let namespace = namespace.to_owned();
    Call::new(deployment, "grant a permission", move |tx| {
        let arguments = vec![
            tx.object(interface)?,
            tx.object(cluster)?,
            tx.pure(&user),
            tx.pure(&namespace),
            tx.pure(&verbs),
            tx.pure(&expires_at_ms),
            tx.clock()?,
        ];
        tx.call(INTERFACE, "grant", arguments);
        Ok(())
    })
    .changes(interface)
    .reads(cluster)
    .with_clock()
}

/// Takes a user's permission in a namespace away, as an owner of the cluster.
#[must_use]
pub fn revoke_permission(
    deployment: &Deployment,
    cluster: Address,
    interface: Address,
    user: Address,
    namespace: &str,
) -> Call {
    let namespace = namespace.to_owned();
    Call::new(deployment, "revoke a permission", move |tx| {
        let arguments = vec![
            tx.object(interface)?,
            tx.object(cluster)?,
            tx.pure(&user),
            tx.pure(&namespace),
        ];
        tx.call(INTERFACE, "revoke", arguments);
        Ok(())
    })
    .changes(interface)
    .reads(cluster)
}

/// Takes out what answered requests have earned, with the capability `cap` of the sender.
#[must_use]
pub fn withdraw_fees(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    interface: Address,
    amount: u64,
) -> Call {
    Call::new(deployment, "withdraw fees", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.object(interface)?,
            tx.pure(&amount),
        ];
        let coin = tx.call(INTERFACE, "withdraw_fees", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .reads(cap)
    .reads(cluster)
    .changes(interface)
}

/// A request, as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The cluster.
    pub cluster: Address,
    /// Its interface.
    pub interface: Address,
    /// The sender's stake in the user or admin tier.
    pub stake: Address,
    /// To whose key the payload is encrypted.
    pub enclave: Address,
    /// Where.
    pub namespace: String,
    /// One of the `VERB_` bits.
    pub verb: u64,
    /// The ciphertext.
    pub payload: Vec<u8>,
    /// blake2b-256 of the ciphertext.
    pub digest: [u8; 32],
    /// What the interface asks, MIST.
    pub fee: u64,
}

/// Submits a request.
///
/// [`crate::Executed::created`] gives the id (`k8s_interface::Request`).
#[must_use]
pub fn submit_request(deployment: &Deployment, submission: Submission) -> Call {
    let (gateway, pool) = (deployment.gateway.id, deployment.staking_pool.id);
    let Submission {
        cluster,
        interface,
        stake,
        enclave,
        fee,
        ..
    } = submission;
    Call::new(deployment, "submit a request", move |tx| {
        let coin = tx.split_gas(submission.fee);
        let arguments = vec![
            tx.object(interface)?,
            tx.object(cluster)?,
            tx.object(gateway)?,
            tx.object(pool)?,
            tx.object(stake)?,
            tx.object(enclave)?,
            tx.pure(&submission.namespace),
            tx.pure(&submission.verb),
            tx.pure(&submission.payload),
            tx.pure(&submission.digest.to_vec()),
            coin,
            tx.clock()?,
        ];
        let request = tx.call(INTERFACE, "submit", arguments);
        tx.call(INTERFACE, "share_request", vec![request]);
        Ok(())
    })
    .changes(interface)
    .reads(cluster)
    .reads(gateway)
    .reads(pool)
    .reads(stake)
    .reads(enclave)
    .with_clock()
    .spends(fee)
}

/// Answers a request with an enclave's signed statement. Anyone may.
#[must_use]
pub fn answer_request(
    deployment: &Deployment,
    interface: Address,
    enclave: Address,
    statement: ResultStatement,
    signature: [u8; 64],
) -> Call {
    let (request, cluster) = (statement.request_id, statement.cluster_id);
    Call::new(deployment, "answer a request", move |tx| {
        let arguments = vec![
            tx.object(interface)?,
            tx.object(request)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.pure(&statement.code),
            tx.pure(&statement.result),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(INTERFACE, "answer", arguments);
        Ok(())
    })
    .changes(interface)
    .changes(request)
    .reads(cluster)
    .reads(enclave)
    .with_clock()
}

/// Gives the fee of a request that was not answered in time back to its user. Anyone may.
#[must_use]
pub fn refund_request(deployment: &Deployment, interface: Address, request: Address) -> Call {
    Call::new(deployment, "refund a request", move |tx| {
        let arguments = vec![tx.object(interface)?, tx.object(request)?, tx.clock()?];
        tx.call(INTERFACE, "refund", arguments);
        Ok(())
    })
    .reads(interface)
    .changes(request)
    .with_clock()
}
