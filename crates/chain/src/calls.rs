//! One function per entry of the package. Each returns a [`Call`], to be built, signed and sent by
//! a [`crate::Client`].

use sui_sdk_types::Address;

mod interface;
mod registry;
mod rewards;
mod slashing;
mod staking;
mod upgrades;

pub use crate::call::Call;
use crate::objects::{AnchorStatement, ConsumptionStatement, NewParameters, Tier};
use crate::{ChainError, Deployment};
pub use interface::{
    Submission, answer_request, configure_interface, create_interface, grant_permission,
    refund_request, revoke_permission, submit_request, withdraw_fees,
};
pub use registry::{
    Approval, AttestedRegistration, EndpointRegistration, Image, add_owner, approve_image,
    approve_measurement, create_cluster, register_attested, register_enclave,
    register_enclave_with, register_endpoint, register_vouched, remove_endpoint, remove_owner,
    retire_measurement, revoke_enclave, set_cluster_status, set_cluster_terms,
};
pub use rewards::{
    claim_rewards, close_escrow, enroll, fund_rewards, open_escrow, refresh_rewards,
    report_performance, set_rewarded_cluster,
};
pub use slashing::{
    appeal_case, declare_outage, execute_case, report_equivocation, report_fault, slash, veto_case,
};
pub use staking::{
    RotationRequest, claim_delegation, close_delegation, delegate, redeem, request_unstake,
    rotate_key, set_commission, top_up, undelegate, unjail, unstake_part, withdraw,
};
pub use upgrades::{cancel_upgrade, hold_upgrade_cap, propose_upgrade};

const STAKING: &str = "staking";
const UNBONDING: &str = "unbonding";
const DELEGATION: &str = "delegation";
const NODE_KEYS: &str = "node_keys";
const GATEWAY: &str = "k8s_gateway";
const REGISTRY: &str = "enclave_registry";
const INTERFACE: &str = "k8s_interface";
const UPGRADES: &str = "upgrades";
const SLASHING: &str = "slashing";
const ANCHORS: &str = "anchors";
const PARAMS: &str = "params";
const REWARDS: &str = "rewards";

/// What a Seal token is minted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The cluster that it is good for.
    pub cluster: Address,
    /// The node's name.
    pub node_id: String,
    /// The node's Ed25519 public key.
    pub node_key: [u8; 32],
    /// blake2b-256 over the secret, the node id and the node key (see `seal`).
    pub commitment: [u8; 32],
    /// Where the holder means to use it, or empty.
    pub endpoint: String,
    /// How long it is good, milliseconds.
    pub ttl_ms: u64,
}

/// Stakes in the node tier, mints a Seal token and, where the package has rewards, enrolls the stake in
/// them, in one transaction: all happen or nothing.
///
/// [`crate::Executed::created`] gives the ids (`staking::Stake`, `k8s_gateway::SealToken`).
#[must_use]
pub fn stake_and_mint(deployment: &Deployment, amount: u64, token: TokenRequest) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    let (cluster, rewards) = (token.cluster, deployment.rewards.map(|rewards| rewards.id));
    let call = Call::new(deployment, "stake and mint a Seal token", move |tx| {
        let coin = tx.split_gas(amount);
        let (pool_argument, clock) = (tx.object(pool)?, tx.clock()?);
        let tier = tx.pure(&Tier::Node.code());
        let stake = tx.call(STAKING, "stake", vec![pool_argument, coin, tier, clock]);
        let minted = mint(tx, pool, gateway, stake, &token)?;
        tx.call(GATEWAY, "share_token", vec![minted]);
        if let Some(rewards) = rewards {
            let arguments = vec![tx.object(rewards)?, stake, clock];
            tx.call(REWARDS, "enroll", arguments);
        }
        tx.call(STAKING, "share", vec![stake]);
        Ok(())
    })
    .changes(pool)
    .changes(gateway)
    .reads(cluster)
    .with_clock()
    .spends(amount);
    match rewards {
        Some(rewards) => call.changes(rewards),
        None => call,
    }
}

/// Stakes in a tier, without a token.
#[must_use]
pub fn stake(deployment: &Deployment, tier: Tier, amount: u64) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "stake", move |tx| {
        let coin = tx.split_gas(amount);
        let (pool, clock) = (tx.object(pool)?, tx.clock()?);
        let tier = tx.pure(&tier.code());
        let stake = tx.call(STAKING, "stake", vec![pool, coin, tier, clock]);
        tx.call(STAKING, "share", vec![stake]);
        Ok(())
    })
    .changes(pool)
    .with_clock()
    .spends(amount)
}

/// Mints a Seal token for a stake that exists already.
#[must_use]
pub fn create_seal_token(deployment: &Deployment, stake: Address, token: TokenRequest) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    let cluster = token.cluster;
    Call::new(deployment, "mint a Seal token", move |tx| {
        let stake = tx.object(stake)?;
        let minted = mint(tx, pool, gateway, stake, &token)?;
        tx.call(GATEWAY, "share_token", vec![minted]);
        Ok(())
    })
    .reads(pool)
    .reads(stake)
    .reads(cluster)
    .changes(gateway)
    .with_clock()
}

fn mint(
    tx: &mut crate::call::Assembly,
    pool: Address,
    gateway: Address,
    stake: sui_transaction_builder::Argument,
    token: &TokenRequest,
) -> Result<sui_transaction_builder::Argument, crate::ChainError> {
    let arguments = vec![
        tx.object(gateway)?,
        tx.object(pool)?,
        stake,
        tx.object(token.cluster)?,
        tx.pure(&token.node_id),
        tx.pure(&token.node_key.to_vec()),
        tx.pure(&token.commitment.to_vec()),
        tx.pure(&token.endpoint),
        tx.pure(&token.ttl_ms),
        tx.clock()?,
    ];
    Ok(tx.call(GATEWAY, "create_seal_token", arguments))
}

/// Renews a Seal token before it expires, with the same commitment or a new one.
#[must_use]
pub fn renew_seal_token(
    deployment: &Deployment,
    token: Address,
    stake: Address,
    commitment: Option<[u8; 32]>,
    ttl_ms: u64,
) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    Call::new(deployment, "renew a Seal token", move |tx| {
        let arguments = vec![
            tx.object(gateway)?,
            tx.object(pool)?,
            tx.object(stake)?,
            tx.object(token)?,
            tx.pure(&commitment.map(|bytes| bytes.to_vec())),
            tx.pure(&ttl_ms),
            tx.clock()?,
        ];
        tx.call(GATEWAY, "renew_seal_token", arguments);
        Ok(())
    })
    .reads(pool)
    .reads(stake)
    .changes(gateway)
    .changes(token)
    .with_clock()
}

/// Revokes a Seal token of the sender, for good.
#[must_use]
pub fn revoke_seal_token(deployment: &Deployment, token: Address) -> Call {
    let gateway = deployment.gateway.id;
    Call::new(deployment, "revoke a Seal token", move |tx| {
        let arguments = vec![tx.object(gateway)?, tx.object(token)?, tx.clock()?];
        tx.call(GATEWAY, "revoke_seal_token", arguments);
        Ok(())
    })
    .changes(gateway)
    .changes(token)
    .with_clock()
}

/// Revokes anybody's Seal token, with the `AdminCap` `cap` of the sender.
#[must_use]
pub fn admin_revoke_seal_token(deployment: &Deployment, cap: Address, token: Address) -> Call {
    let gateway = deployment.gateway.id;
    Call::new(deployment, "revoke a Seal token as governance", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(gateway)?,
            tx.object(token)?,
            tx.clock()?,
        ];
        tx.call(GATEWAY, "admin_revoke", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(gateway)
    .changes(token)
    .with_clock()
}

/// Revokes anybody's Seal token whose stake does not back it any more. Anyone may.
#[must_use]
pub fn revoke_unbacked_seal_token(deployment: &Deployment, token: Address, stake: Address) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    Call::new(deployment, "revoke an unbacked Seal token", move |tx| {
        let arguments = vec![
            tx.object(gateway)?,
            tx.object(pool)?,
            tx.object(stake)?,
            tx.object(token)?,
            tx.clock()?,
        ];
        tx.call(GATEWAY, "revoke_unbacked", arguments);
        Ok(())
    })
    .reads(pool)
    .reads(stake)
    .changes(gateway)
    .changes(token)
    .with_clock()
}

/// Proposes a change of parameters, with the `AdminCap` `cap` of the sender. Anyone can execute it
/// after the timelock, by the number that `ChangeProposed` carries.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters.
pub fn propose_change(
    deployment: &Deployment,
    cap: Address,
    new: &NewParameters,
) -> Result<Call, ChainError> {
    let (params, kind, values) = (deployment.params()?, new.kind(), new.values());
    Ok(Call::new(deployment, "propose a change", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(params)?,
            tx.pure(&kind),
            tx.pure(&values),
            tx.clock()?,
        ];
        tx.call(PARAMS, "propose", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(params)
    .with_clock())
}

/// Takes back a proposed change, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters.
pub fn cancel_change(
    deployment: &Deployment,
    cap: Address,
    number: u64,
) -> Result<Call, ChainError> {
    let params = deployment.params()?;
    Ok(Call::new(deployment, "cancel a change", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(params)?,
            tx.pure(&number),
            tx.clock()?,
        ];
        tx.call(PARAMS, "cancel", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(params)
    .with_clock())
}

/// Executes a proposed change whose time has come. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters or no docket.
pub fn execute_change(deployment: &Deployment, number: u64) -> Result<Call, ChainError> {
    let (params, docket) = (deployment.params()?, deployment.docket()?);
    let (pool, rewards) = (deployment.staking_pool.id, deployment.rewards()?);
    Ok(Call::new(deployment, "execute a change", move |tx| {
        let arguments = vec![
            tx.object(params)?,
            tx.object(pool)?,
            tx.object(docket)?,
            tx.object(rewards)?,
            tx.pure(&number),
            tx.clock()?,
        ];
        tx.call(PARAMS, "execute", arguments);
        Ok(())
    })
    .changes(params)
    .changes(pool)
    .changes(docket)
    .changes(rewards)
    .with_clock())
}

/// Executes a proposed change of the gateway's rules whose time has come. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters.
pub fn execute_gateway_change(deployment: &Deployment, number: u64) -> Result<Call, ChainError> {
    let (params, gateway) = (deployment.params()?, deployment.gateway.id);
    Ok(execute_on(
        deployment,
        "execute_gateway",
        params,
        gateway,
        number,
    ))
}

/// Executes a proposed change of the anchors' rule whose time has come. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters or no anchors.
pub fn execute_anchors_change(deployment: &Deployment, number: u64) -> Result<Call, ChainError> {
    let (params, anchors) = (deployment.params()?, deployment.anchors()?);
    Ok(execute_on(
        deployment,
        "execute_anchors",
        params,
        anchors,
        number,
    ))
}

fn execute_on(
    deployment: &Deployment,
    function: &'static str,
    params: Address,
    target: Address,
    number: u64,
) -> Call {
    Call::new(deployment, "execute a change", move |tx| {
        let arguments = vec![
            tx.object(params)?,
            tx.object(target)?,
            tx.pure(&number),
            tx.clock()?,
        ];
        tx.call(PARAMS, function, arguments);
        Ok(())
    })
    .changes(params)
    .changes(target)
    .with_clock()
}

/// Records, with an enclave's signed statement, that a node joined with a token. Anyone may.
#[must_use]
pub fn consume_seal_token(
    deployment: &Deployment,
    enclave: Address,
    statement: &ConsumptionStatement,
    signature: [u8; 64],
) -> Call {
    let gateway = deployment.gateway.id;
    let (token, cluster) = (statement.token_id, statement.cluster_id);
    let at = statement.timestamp_ms;
    Call::new(deployment, "record that a Seal token was used", move |tx| {
        let arguments = vec![
            tx.object(gateway)?,
            tx.object(token)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.pure(&at),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(GATEWAY, "consume", arguments);
        Ok(())
    })
    .reads(gateway)
    .changes(token)
    .reads(cluster)
    .reads(enclave)
    .with_clock()
}

/// Stops new stake and new tokens, or allows them again, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no parameters.
pub fn set_paused(deployment: &Deployment, cap: Address, paused: bool) -> Result<Call, ChainError> {
    let (params, pool) = (deployment.params()?, deployment.staking_pool.id);
    Ok(Call::new(deployment, "set the pause", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(params)?,
            tx.object(pool)?,
            tx.pure(&paused),
        ];
        tx.call(PARAMS, "set_paused", arguments);
        Ok(())
    })
    .reads(cap)
    .reads(params)
    .changes(pool))
}

/// Takes slashed SUI out of the treasury, with the `AdminCap` `cap` of the sender.
#[must_use]
pub fn withdraw_treasury(deployment: &Deployment, cap: Address, amount: u64) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "withdraw from the treasury", move |tx| {
        let arguments = vec![tx.object(cap)?, tx.object(pool)?, tx.pure(&amount)];
        let coin = tx.call(STAKING, "withdraw_treasury", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .reads(cap)
    .changes(pool)
}

/// Publishes the package: its compiled modules, and the packages that they depend on (the standard
/// library `0x1` and the framework `0x2`). The sender gets the upgrade capability and what the
/// modules' `init` functions hand out; [`Deployment::of_published`] reads the rest off the result.
#[must_use]
pub fn publish(modules: Vec<Vec<u8>>, dependencies: Vec<Address>) -> Call {
    Call::without_package(Address::ZERO, "publish the package", move |tx| {
        let cap = tx.builder.publish(modules.clone(), dependencies.clone());
        tx.keep(vec![cap]);
        Ok(())
    })
}

/// Sends SUI to an address.
#[must_use]
pub fn transfer(deployment: &Deployment, to: Address, amount: u64) -> Call {
    Call::new(deployment, "transfer SUI", move |tx| {
        let coin = tx.split_gas(amount);
        tx.give(vec![coin], to);
        Ok(())
    })
    .spends(amount)
}

/// Anchors a cluster's state with an enclave's signed statement. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no anchors.
pub fn anchor_state(
    deployment: &Deployment,
    enclave: Address,
    statement: AnchorStatement,
    signature: [u8; 64],
) -> Result<Call, ChainError> {
    let anchors = deployment.anchors()?;
    let cluster = statement.cluster_id;
    Ok(Call::new(deployment, "anchor the state", move |tx| {
        let arguments = vec![
            tx.object(anchors)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.pure(&statement.epoch),
            tx.pure(&statement.term),
            tx.pure(&statement.revision),
            tx.pure(&statement.root),
            tx.pure(&statement.timestamp_ms),
            tx.pure(&signature.to_vec()),
            tx.clock()?,
        ];
        tx.call(ANCHORS, "anchor", arguments);
        Ok(())
    })
    .changes(anchors)
    .reads(cluster)
    .reads(enclave)
    .with_clock())
}
