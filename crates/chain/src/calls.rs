//! One function per entry of the package. Each returns a [`Call`], to be built, signed and sent by
//! a [`crate::Client`].

use sui_sdk_types::Address;

mod rewards;

pub use crate::call::Call;
use crate::objects::{
    AcquittalStatement, AnchorStatement, EvidenceStatement, NewParameters, TeeKind, Tier,
};
use crate::{ChainError, Deployment};
pub use rewards::{
    claim_rewards, close_escrow, enroll, fund_rewards, open_escrow, refresh_rewards,
    report_performance, set_rewarded_cluster,
};

const STAKING: &str = "staking";
const GATEWAY: &str = "k8s_gateway";
const REGISTRY: &str = "enclave_registry";
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

/// Stakes in the node tier and mints a Seal token, in one transaction: both happen or neither.
///
/// [`crate::Executed::created`] gives the ids (`staking::Stake`, `k8s_gateway::SealToken`).
#[must_use]
pub fn stake_and_mint(deployment: &Deployment, amount: u64, token: TokenRequest) -> Call {
    let (pool, gateway) = (deployment.staking_pool.id, deployment.gateway.id);
    let cluster = token.cluster;
    Call::new(deployment, "stake and mint a Seal token", move |tx| {
        let coin = tx.split_gas(amount);
        let (pool_argument, clock) = (tx.object(pool)?, tx.clock()?);
        let tier = tx.pure(&Tier::Node.code());
        let stake = tx.call(STAKING, "stake", vec![pool_argument, coin, tier, clock]);
        let minted = mint(tx, pool, gateway, stake, &token)?;
        tx.call(GATEWAY, "share_token", vec![minted]);
        tx.call(STAKING, "share", vec![stake]);
        Ok(())
    })
    .changes(pool)
    .changes(gateway)
    .reads(cluster)
    .with_clock()
    .spends(amount)
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

/// Adds to an active stake of the sender.
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
#[must_use]
pub fn request_unstake(deployment: &Deployment, stake: Address) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "request unstaking", move |tx| {
        let arguments = vec![tx.object(pool)?, tx.object(stake)?, tx.clock()?];
        tx.call(STAKING, "request_unstake", arguments);
        Ok(())
    })
    .changes(pool)
    .changes(stake)
    .with_clock()
}

/// Takes a stake back once the unbonding period is over.
#[must_use]
pub fn withdraw(deployment: &Deployment, stake: Address) -> Call {
    let pool = deployment.staking_pool.id;
    Call::new(deployment, "withdraw a stake", move |tx| {
        let arguments = vec![tx.object(pool)?, tx.object(stake)?, tx.clock()?];
        let coin = tx.call(STAKING, "withdraw", arguments);
        tx.keep(vec![coin]);
        Ok(())
    })
    .changes(pool)
    .changes(stake)
    .with_clock()
}

/// Slashes a stake, with the capability `cap` of the sender.
#[must_use]
pub fn slash(
    deployment: &Deployment,
    cap: Address,
    stake: Address,
    amount: u64,
    reason: &str,
) -> Call {
    let pool = deployment.staking_pool.id;
    let reason = reason.to_owned();
    Call::new(deployment, "slash a stake", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(pool)?,
            tx.object(stake)?,
            tx.pure(&amount),
            tx.pure(&reason),
            tx.clock()?,
        ];
        tx.call(STAKING, "slash", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(pool)
    .changes(stake)
    .with_clock()
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

/// A measurement to be put on an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Kind of TEE.
    pub kind: TeeKind,
    /// The measurement: 32, 48 or 64 bytes.
    pub measurement: Vec<u8>,
    /// The source commit that it was built from, or another description.
    pub source: String,
}

/// Creates a cluster with an allow-list, in one transaction; the sender gets its capability.
///
/// [`crate::Executed::created`] gives the ids (`enclave_registry::Cluster`,
/// `enclave_registry::ClusterCap`).
#[must_use]
pub fn create_cluster(deployment: &Deployment, name: &str, allow: Vec<Approval>) -> Call {
    let name = name.to_owned();
    Call::new(deployment, "create a cluster", move |tx| {
        let name = tx.pure(&name);
        let made = tx.call(REGISTRY, "create_cluster", vec![name]).to_nested(2);
        let &[cluster, cap] = made.as_slice() else {
            return Err(tx.impossible());
        };
        for approval in &allow {
            let arguments = vec![
                cap,
                cluster,
                tx.pure(&approval.kind.code()),
                tx.pure(&approval.measurement),
                tx.pure(&approval.source),
                tx.clock()?,
            ];
            tx.call(REGISTRY, "approve_measurement", arguments);
        }
        tx.call(REGISTRY, "share_cluster", vec![cluster]);
        tx.keep(vec![cap]);
        Ok(())
    })
    .with_clock()
}

/// Puts a measurement on a cluster's allow-list, with the capability `cap` of the sender.
#[must_use]
pub fn approve_measurement(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    approval: Approval,
) -> Call {
    Call::new(deployment, "approve a measurement", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&approval.kind.code()),
            tx.pure(&approval.measurement),
            tx.pure(&approval.source),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "approve_measurement", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Takes a measurement off the allow-list.
#[must_use]
pub fn retire_measurement(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    kind: TeeKind,
    measurement: &[u8],
) -> Call {
    let measurement = measurement.to_vec();
    Call::new(deployment, "retire a measurement", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&kind.code()),
            tx.pure(&measurement),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "retire_measurement", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// An instance of the control plane, as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRegistration {
    /// Where it listens, `https://host:port`.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: [u8; 32],
    /// What it runs; it has to be on the allow-list.
    pub measurement: Vec<u8>,
    /// Kind of TEE.
    pub kind: TeeKind,
}

/// Registers an instance of the control plane, or registers it anew under the same URL.
#[must_use]
pub fn register_endpoint(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    endpoint: EndpointRegistration,
) -> Call {
    Call::new(deployment, "register an endpoint", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&endpoint.url),
            tx.pure(&endpoint.tls_key_hash.to_vec()),
            tx.pure(&endpoint.measurement),
            tx.pure(&endpoint.kind.code()),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "register_endpoint", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Removes an instance of the control plane.
#[must_use]
pub fn remove_endpoint(deployment: &Deployment, cap: Address, cluster: Address, url: &str) -> Call {
    let url = url.to_owned();
    Call::new(deployment, "remove an endpoint", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&url),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "remove_endpoint", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Registers the signing key of a control plane that runs an allowed measurement.
///
/// [`crate::Executed::created`] gives the id (`enclave_registry::Enclave`).
#[must_use]
pub fn register_enclave(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    public_key: [u8; 32],
    kind: TeeKind,
    measurement: &[u8],
) -> Call {
    let measurement = measurement.to_vec();
    Call::new(deployment, "register an enclave", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&public_key.to_vec()),
            tx.pure(&measurement),
            tx.pure(&kind.code()),
            tx.clock()?,
        ];
        let enclave = tx.call(REGISTRY, "register_enclave", arguments);
        tx.call(REGISTRY, "share_enclave", vec![enclave]);
        Ok(())
    })
    .reads(cap)
    .reads(cluster)
    .with_clock()
}

/// Revokes a control plane's signing key: nothing that it signed counts any longer.
#[must_use]
pub fn revoke_enclave(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    enclave: Address,
) -> Call {
    Call::new(deployment, "revoke an enclave", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.clock()?,
        ];
        tx.call(REGISTRY, "revoke_enclave", arguments);
        Ok(())
    })
    .reads(cap)
    .reads(cluster)
    .changes(enclave)
    .with_clock()
}

/// Reports a fault with an enclave's signed statement and a bond. Anyone may.
///
/// [`crate::Executed::created`] gives the id of the case (`slashing::Case`).
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn report_fault(
    deployment: &Deployment,
    enclave: Address,
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
    .reads(stake)
    .reads(cluster)
    .reads(enclave)
    .with_clock()
    .spends(bond))
}

/// Appeals a case with an enclave's signed counter-evidence: it is rejected, its bond forfeited.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn appeal_case(
    deployment: &Deployment,
    enclave: Address,
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
    .reads(cluster)
    .reads(enclave)
    .with_clock())
}

/// Executes a case whose appeal window is over. Anyone may.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn execute_case(
    deployment: &Deployment,
    case: Address,
    stake: Address,
) -> Result<Call, ChainError> {
    let (docket, pool) = (deployment.docket()?, deployment.staking_pool.id);
    Ok(Call::new(deployment, "execute a case", move |tx| {
        let arguments = vec![
            tx.object(docket)?,
            tx.object(pool)?,
            tx.object(case)?,
            tx.object(stake)?,
            tx.clock()?,
        ];
        tx.call(SLASHING, "execute", arguments);
        Ok(())
    })
    .changes(docket)
    .changes(pool)
    .changes(case)
    .changes(stake)
    .with_clock())
}

/// Rejects a case as governance, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no docket.
pub fn veto_case(deployment: &Deployment, cap: Address, case: Address) -> Result<Call, ChainError> {
    let (docket, pool) = (deployment.docket()?, deployment.staking_pool.id);
    Ok(Call::new(deployment, "veto a case", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(docket)?,
            tx.object(pool)?,
            tx.object(case)?,
            tx.clock()?,
        ];
        tx.call(SLASHING, "veto", arguments);
        Ok(())
    })
    .reads(cap)
    .reads(docket)
    .changes(pool)
    .changes(case)
    .with_clock())
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
