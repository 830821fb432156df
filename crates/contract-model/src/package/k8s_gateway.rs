//! The functions of the module `k8s_gateway`, statement by statement as in `k8s_gateway.move`.

use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::trusts;
use super::slashing::verify;
use super::staking::{function, is_sufficient};
use super::{Function, PACKAGE_VERSION};
use crate::abort::k8s_gateway as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{CLUSTER_OPEN, Cluster, Enclave};
use crate::layout::framework::{Clock, Table};
use crate::layout::k8s_gateway::{
    Claim, ConsumptionStatement, ENCODING, EncodedToken, Gateway, GatewayCreated, GatewayMigrated,
    GatewayRules, GatewayRulesChanged, INTENT_CONSUMPTION, NodeName, PERMISSION_JOIN,
    PERMISSION_OPERATE, PERMISSION_SYSTEM, PERMISSION_USE, PERMISSION_WORKLOADS, REVOKED_BY_ADMIN,
    REVOKED_BY_OWNER, REVOKED_UNBACKED, SealToken, SealTokenConsumed, SealTokenCreated,
    SealTokenRekeyed, SealTokenRenewed, SealTokenRevoked,
};
use crate::layout::staking::{Stake, StakingPool, TIER_ADMIN, TIER_NODE, TIER_USER};
use crate::types::{Ty, encode};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
const LEAST_TTL_MS: u64 = MINUTE_MS;
const GREATEST_TTL_MS: u64 = 30 * DAY_MS;
const LEAST_FACTOR: u64 = 1;
const GREATEST_FACTOR: u64 = 1_000;
const LONGEST_NODE_ID: usize = 63;
const LONGEST_ENDPOINT: usize = 256;
const KEY_LENGTH: usize = 32;
const COMMITMENT_LENGTH: usize = 32;

const GATEWAY: Ty = Ty::Package("k8s_gateway", "Gateway");
const TOKEN: Ty = Ty::Package("k8s_gateway", "SealToken");
const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const NODE_NAME: Ty = Ty::Package("k8s_gateway", "NodeName");
const CLAIM: Ty = Ty::Package("k8s_gateway", "Claim");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(create_seal_token(
        Mut(GATEWAY), Ref(POOL), Ref(STAKE), Ref(CLUSTER), Value(Ty::String), Value(Ty::Bytes),
        Value(Ty::Bytes), Value(Ty::String), Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> [TOKEN]),
    function!(share_token(Value(TOKEN)) -> []),
    function!(renew_seal_token(
        Mut(GATEWAY), Ref(POOL), Ref(STAKE), Mut(TOKEN), Value(Ty::OptionBytes), Value(Ty::U64),
        Ref(Ty::Clock)
    ) ctx -> []),
    function!(revoke_seal_token(Mut(GATEWAY), Mut(TOKEN), Ref(Ty::Clock)) ctx -> []),
    function!(revoke_unbacked(
        Mut(GATEWAY), Ref(POOL), Ref(STAKE), Mut(TOKEN), Ref(Ty::Clock)
    ) -> []),
    function!(admin_revoke(Ref(ADMIN_CAP), Mut(GATEWAY), Mut(TOKEN), Ref(Ty::Clock)) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(GATEWAY)) -> []),
    function!(consume(
        Ref(GATEWAY), Mut(TOKEN), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64), Value(Ty::Bytes),
        Ref(Ty::Clock)
    ) -> []),
    Function {
        name: "encode",
        body: encode_token,
        ..function!(encode_token(Ref(TOKEN)) -> [Ty::Bytes])
    },
    Function {
        name: "permissions_of",
        body: permissions_of_view,
        ..function!(permissions_of_view(Ref(GATEWAY), Ref(POOL), Ref(STAKE)) -> [Ty::U64])
    },
    function!(permission_use() -> [Ty::U64]),
    function!(permission_operate() -> [Ty::U64]),
    function!(is_consumed(Ref(TOKEN)) -> [Ty::Bool]),
    function!(is_valid(Ref(TOKEN), Ref(POOL), Ref(STAKE), Ref(Ty::Clock)) -> [Ty::Bool]),
    function!(owner(Ref(TOKEN)) -> [Ty::Address]),
    function!(stake_id(Ref(TOKEN)) -> [Ty::Id]),
    function!(cluster_id(Ref(TOKEN)) -> [Ty::Id]),
    function!(node_id(Ref(TOKEN)) -> [Ty::String]),
    function!(node_key(Ref(TOKEN)) -> [Ty::Bytes]),
    function!(permissions(Ref(TOKEN)) -> [Ty::U64]),
    function!(expires_at_ms(Ref(TOKEN)) -> [Ty::U64]),
    function!(is_revoked(Ref(TOKEN)) -> [Ty::Bool]),
    function!(generation(Ref(TOKEN)) -> [Ty::U64]),
    function!(commitment(Ref(TOKEN)) -> [Ty::Bytes]),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let gateway = Gateway {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        nodes: call.new_table(),
        stakes: call.new_table(),
        tokens_created: 0,
        rules: GatewayRules {
            shortest_ttl_ms: MINUTE_MS,
            longest_ttl_ms: 7 * DAY_MS,
            system_factor: 10,
            oldest_statement_ms: 10 * MINUTE_MS,
        },
    };
    call.emit(&GatewayCreated {
        gateway_id: gateway.id,
        rules: gateway.rules.clone(),
    });
    call.share(&gateway)
}

fn create_seal_token(call: &mut Call<'_>) -> Returns {
    let mut gateway: Gateway = call.get(0)?;
    let pool: StakingPool = call.get(1)?;
    let stake: Stake = call.get(2)?;
    let cluster: Cluster = call.get(3)?;
    let node_id: String = call.get(4)?;
    let node_key: Vec<u8> = call.get(5)?;
    let commitment: Vec<u8> = call.get(6)?;
    let endpoint: String = call.get(7)?;
    let ttl_ms: u64 = call.get(8)?;
    let now = call.get::<Clock>(9)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(!pool.paused, code::PAUSED)?;
    call.assert(cluster.status == CLUSTER_OPEN, code::CLUSTER_NOT_OPEN)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    let sufficient = is_sufficient(call, &pool, &stake, TIER_NODE)?;
    call.assert(sufficient, code::INSUFFICIENT_STAKE)?;
    call.assert(is_node_id(&node_id), code::INVALID_NODE_ID)?;
    call.assert(node_key.len() == KEY_LENGTH, code::INVALID_NODE_KEY)?;
    call.assert(
        commitment.len() == COMMITMENT_LENGTH,
        code::INVALID_COMMITMENT,
    )?;
    call.assert(endpoint.len() <= LONGEST_ENDPOINT, code::INVALID_ENDPOINT)?;
    check_ttl(call, &gateway.rules, ttl_ms)?;

    let name = NodeName {
        cluster_id: cluster.id,
        node_id,
    };
    if let Some(claim) = claim_of(call, &gateway.nodes, &name)? {
        call.assert(claim.expires_at_ms <= now, code::NODE_ID_TAKEN)?;
        release(call, &mut gateway, &name)?;
    }
    if let Some(held) = name_of(call, &gateway.stakes, &stake.id)? {
        let claim = claim_of(call, &gateway.nodes, &held)?.ok_or(Failure::Invariant)?;
        call.assert(claim.expires_at_ms <= now, code::STAKE_IN_USE)?;
        release(call, &mut gateway, &held)?;
    }

    let token = SealToken {
        id: call.fresh_id(),
        stake_id: stake.id,
        owner: call.sender(),
        cluster_id: name.cluster_id,
        node_id: name.node_id.clone(),
        node_key,
        commitment,
        permissions: permissions_of(call, &gateway, &pool, &stake)?,
        endpoint,
        issued_at_ms: now,
        expires_at_ms: add(now, ttl_ms)?,
        revoked: false,
        generation: 0,
        consumed_at_ms: 0,
        consumed_by: None,
    };
    let claim = Claim {
        token_id: token.id,
        stake_id: stake.id,
        expires_at_ms: token.expires_at_ms,
    };
    call.table_put(&gateway.nodes, NODE_NAME, CLAIM, &name, &claim)?;
    gateway.nodes.size = add(gateway.nodes.size, 1)?;
    call.table_put(&gateway.stakes, Ty::Id, NODE_NAME, &stake.id, &name)?;
    gateway.stakes.size = add(gateway.stakes.size, 1)?;
    gateway.tokens_created = add(gateway.tokens_created, 1)?;
    call.emit(&SealTokenCreated {
        token_id: token.id,
        stake_id: token.stake_id,
        owner: token.owner,
        cluster_id: token.cluster_id,
        node_id: token.node_id.clone(),
        node_key: token.node_key.clone(),
        commitment: token.commitment.clone(),
        permissions: token.permissions,
        endpoint: token.endpoint.clone(),
        issued_at_ms: token.issued_at_ms,
        expires_at_ms: token.expires_at_ms,
    });
    call.set(0, &gateway)?;
    Ok(vec![encode(&token)])
}

fn share_token(call: &mut Call<'_>) -> Returns {
    let token: SealToken = call.get(0)?;
    call.share(&token)?;
    Ok(vec![])
}

fn renew_seal_token(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(0)?;
    let pool: StakingPool = call.get(1)?;
    let stake: Stake = call.get(2)?;
    let mut token: SealToken = call.get(3)?;
    let commitment: Option<Vec<u8>> = call.get(4)?;
    let ttl_ms: u64 = call.get(5)?;
    let now = call.get::<Clock>(6)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(token.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(token.stake_id == stake.id, code::WRONG_STAKE)?;
    call.assert(!token.revoked, code::REVOKED)?;
    let sufficient = is_sufficient(call, &pool, &stake, TIER_NODE)?;
    call.assert(sufficient, code::INSUFFICIENT_STAKE)?;
    check_ttl(call, &gateway.rules, ttl_ms)?;
    let name = name_in(&token);
    let claim = held_claim(call, &gateway, &name, token.id)?;
    let mut claim = claim.ok_or(call.abort(code::SUPERSEDED))?;
    if let Some(commitment) = commitment {
        call.assert(
            commitment.len() == COMMITMENT_LENGTH,
            code::INVALID_COMMITMENT,
        )?;
        commit(&mut token, commitment);
    }

    token.issued_at_ms = now;
    token.expires_at_ms = add(now, ttl_ms)?;
    token.permissions = permissions_of(call, &gateway, &pool, &stake)?;
    token.generation = add(token.generation, 1)?;
    claim.expires_at_ms = token.expires_at_ms;
    call.table_put(&gateway.nodes, NODE_NAME, CLAIM, &name, &claim)?;
    call.emit(&SealTokenRenewed {
        token_id: token.id,
        stake_id: token.stake_id,
        commitment: token.commitment.clone(),
        permissions: token.permissions,
        issued_at_ms: token.issued_at_ms,
        expires_at_ms: token.expires_at_ms,
        generation: token.generation,
    });
    call.set(3, &token)?;
    Ok(vec![])
}

/// `rekey`, for `node_keys`.
pub(super) fn rekey(
    call: &mut Call<'_>,
    gateway: &Gateway,
    token: &mut SealToken,
    node_key: Vec<u8>,
    commitment: Vec<u8>,
) -> Result<(), Failure> {
    let check = |condition: bool, code| match condition {
        true => Ok(()),
        false => Err(call.abort_in("k8s_gateway", code)),
    };
    check(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(!token.revoked, code::REVOKED)?;
    let held = held_claim(call, gateway, &name_in(token), token.id)?;
    check(held.is_some(), code::SUPERSEDED)?;
    check(node_key.len() == KEY_LENGTH, code::INVALID_NODE_KEY)?;
    let fits = commitment.len() == COMMITMENT_LENGTH;
    check(fits, code::INVALID_COMMITMENT)?;
    token.node_key = node_key;
    commit(token, commitment);
    token.generation = add(token.generation, 1)?;
    call.emit(&SealTokenRekeyed {
        token_id: token.id,
        stake_id: token.stake_id,
        node_key: token.node_key.clone(),
        commitment: token.commitment.clone(),
        generation: token.generation,
    });
    Ok(())
}

fn revoke_seal_token(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(0)?;
    let token: SealToken = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(token.owner == call.sender(), code::NOT_OWNER)?;
    revoke(call, (0, gateway), (1, token), REVOKED_BY_OWNER, now)
}

fn revoke_unbacked(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(0)?;
    let pool: StakingPool = call.get(1)?;
    let stake: Stake = call.get(2)?;
    let token: SealToken = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(token.stake_id == stake.id, code::WRONG_STAKE)?;
    let sufficient = is_sufficient(call, &pool, &stake, TIER_NODE)?;
    call.assert(!sufficient, code::STILL_BACKED)?;
    revoke(call, (0, gateway), (3, token), REVOKED_UNBACKED, now)
}

fn admin_revoke(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(1)?;
    let token: SealToken = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    revoke(call, (1, gateway), (2, token), REVOKED_BY_ADMIN, now)
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut gateway: Gateway = call.get(1)?;
    call.assert(gateway.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    gateway.version = PACKAGE_VERSION;
    call.emit(&GatewayMigrated {
        gateway_id: gateway.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &gateway)?;
    Ok(vec![])
}

fn is_valid(call: &mut Call<'_>) -> Returns {
    let token: SealToken = call.get(0)?;
    let pool: StakingPool = call.get(1)?;
    let stake: Stake = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    let valid = token.stake_id == stake.id
        && !token.revoked
        && now < token.expires_at_ms
        && is_sufficient(call, &pool, &stake, TIER_NODE)?;
    Ok(vec![encode(&valid)])
}

fn owner(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.owner)])
}

fn stake_id(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.stake_id)])
}

fn cluster_id(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.cluster_id)])
}

fn node_id(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.node_id)])
}

fn node_key(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.node_key)])
}

fn permissions(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.permissions)])
}

fn expires_at_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.expires_at_ms)])
}

fn is_revoked(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.revoked)])
}

fn generation(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.generation)])
}

fn commitment(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<SealToken>(0)?.commitment)])
}

/// A new commitment has not been used.
fn commit(token: &mut SealToken, commitment: Vec<u8>) {
    if token.commitment != commitment {
        token.commitment = commitment;
        token.consumed_at_ms = 0;
        token.consumed_by = None;
    }
}

fn consume(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(0)?;
    let mut token: SealToken = call.get(1)?;
    let cluster: Cluster = call.get(2)?;
    let enclave: Enclave = call.get(3)?;
    let timestamp_ms: u64 = call.get(4)?;
    let signature: Vec<u8> = call.get(5)?;
    let now = call.get::<Clock>(6)?.timestamp_ms;
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(token.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let oldest = gateway.rules.oldest_statement_ms;
    let fresh = timestamp_ms <= now && now - timestamp_ms <= oldest;
    call.assert(fresh, code::STALE_STATEMENT)?;
    call.assert(!token.revoked, code::REVOKED)?;
    call.assert(now < token.expires_at_ms, code::EXPIRED)?;
    call.assert(token.consumed_at_ms == 0, code::CONSUMED)?;
    let statement = ConsumptionStatement {
        intent: INTENT_CONSUMPTION,
        timestamp_ms,
        cluster_id: token.cluster_id,
        token_id: token.id,
        generation: token.generation,
        commitment: token.commitment.clone(),
    };
    let signed = verify(&signature, &enclave.public_key, &encode(&statement));
    call.assert(signed, code::INVALID_SIGNATURE)?;
    token.consumed_at_ms = now;
    token.consumed_by = Some(enclave.id);
    call.emit(&SealTokenConsumed {
        token_id: token.id,
        enclave_id: enclave.id,
        generation: token.generation,
        at_ms: now,
    });
    call.set(1, &token)?;
    Ok(vec![])
}

/// `set_rules`, for `params`.
pub(super) fn set_rules(
    call: &mut Call<'_>,
    gateway: &mut Gateway,
    rules: GatewayRules,
) -> Result<(), Failure> {
    let mut call = call.inside("k8s_gateway");
    call.assert(gateway.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let ttl = (LEAST_TTL_MS..=GREATEST_TTL_MS).contains(&rules.shortest_ttl_ms)
        && (rules.shortest_ttl_ms..=GREATEST_TTL_MS).contains(&rules.longest_ttl_ms);
    let factor = (LEAST_FACTOR..=GREATEST_FACTOR).contains(&rules.system_factor);
    let age = (MINUTE_MS..=DAY_MS).contains(&rules.oldest_statement_ms);
    call.assert(ttl && factor && age, code::OUT_OF_BOUNDS)?;
    gateway.rules = rules;
    call.emit(&GatewayRulesChanged {
        gateway_id: gateway.id,
        rules: gateway.rules.clone(),
    });
    Ok(())
}

fn encode_token(call: &mut Call<'_>) -> Returns {
    let token: SealToken = call.get(0)?;
    let encoded = EncodedToken {
        encoding: ENCODING,
        token_id: token.id,
        stake_id: token.stake_id,
        owner: token.owner,
        cluster_id: token.cluster_id,
        node_id: token.node_id,
        node_key: token.node_key,
        commitment: token.commitment,
        permissions: token.permissions,
        issued_at_ms: token.issued_at_ms,
        expires_at_ms: token.expires_at_ms,
        generation: token.generation,
        flags: u8::from(token.revoked) | (u8::from(token.consumed_at_ms > 0) << 1),
    };
    Ok(vec![encode(&encode(&encoded))])
}

fn permissions_of_view(call: &mut Call<'_>) -> Returns {
    let gateway: Gateway = call.get(0)?;
    let pool: StakingPool = call.get(1)?;
    let stake: Stake = call.get(2)?;
    let permissions = permissions_of(call, &gateway, &pool, &stake)?;
    Ok(vec![encode(&permissions)])
}

fn permission_use(_: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&PERMISSION_USE)])
}

fn permission_operate(_: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&PERMISSION_OPERATE)])
}

fn is_consumed(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(
        &(call.get::<SealToken>(0)?.consumed_at_ms > 0),
    )])
}

fn check_ttl(call: &Call<'_>, rules: &GatewayRules, ttl_ms: u64) -> Result<(), Failure> {
    let bounded = (rules.shortest_ttl_ms..=rules.longest_ttl_ms).contains(&ttl_ms);
    call.assert(bounded, code::INVALID_TTL)
}

fn name_in(token: &SealToken) -> NodeName {
    NodeName {
        cluster_id: token.cluster_id,
        node_id: token.node_id.clone(),
    }
}

fn claim_of(call: &Call<'_>, nodes: &Table, name: &NodeName) -> Result<Option<Claim>, Failure> {
    call.table_get(nodes, NODE_NAME, name)
}

fn name_of(call: &Call<'_>, stakes: &Table, stake: &Address) -> Result<Option<NodeName>, Failure> {
    call.table_get(stakes, Ty::Id, stake)
}

/// The claim on `name` if it is `token`'s.
fn held_claim(
    call: &Call<'_>,
    gateway: &Gateway,
    name: &NodeName,
    token: Address,
) -> Result<Option<Claim>, Failure> {
    let claim = claim_of(call, &gateway.nodes, name)?;
    Ok(claim.filter(|claim| claim.token_id == token))
}

fn release(call: &mut Call<'_>, gateway: &mut Gateway, name: &NodeName) -> Result<(), Failure> {
    let claim = claim_of(call, &gateway.nodes, name)?.ok_or(Failure::Invariant)?;
    call.table_remove(&gateway.nodes, NODE_NAME, name)?;
    gateway.nodes.size = gateway.nodes.size.saturating_sub(1);
    call.table_remove(&gateway.stakes, Ty::Id, &claim.stake_id)?;
    gateway.stakes.size = gateway.stakes.size.saturating_sub(1);
    Ok(())
}

/// The arguments come with their positions, where they are put back.
fn revoke(
    call: &mut Call<'_>,
    (gateway_at, mut gateway): (usize, Gateway),
    (token_at, mut token): (usize, SealToken),
    reason: u8,
    now: u64,
) -> Returns {
    call.assert(!token.revoked, code::REVOKED)?;
    token.revoked = true;
    let name = name_in(&token);
    if held_claim(call, &gateway, &name, token.id)?.is_some() {
        release(call, &mut gateway, &name)?;
    }
    call.emit(&SealTokenRevoked {
        token_id: token.id,
        stake_id: token.stake_id,
        reason,
        at_ms: now,
    });
    call.set(gateway_at, &gateway)?;
    call.set(token_at, &token)?;
    Ok(vec![])
}

pub(super) fn permissions_of(
    call: &Call<'_>,
    gateway: &Gateway,
    pool: &StakingPool,
    stake: &Stake,
) -> Result<u64, Failure> {
    if !is_sufficient(call, pool, stake, stake.tier)? {
        return Ok(0);
    }
    match stake.tier {
        TIER_USER => return Ok(PERMISSION_USE),
        TIER_ADMIN => return Ok(PERMISSION_USE | PERMISSION_OPERATE),
        _ => {}
    }
    let tier = pool.tiers.get(usize::from(TIER_NODE));
    let minimum = tier.ok_or(Failure::Invariant)?.minimum;
    let factor = gateway.rules.system_factor;
    let system = minimum.checked_mul(factor).ok_or(Failure::Arithmetic)?;
    let mut permissions = PERMISSION_JOIN | PERMISSION_WORKLOADS;
    if stake.balance >= system {
        permissions |= PERMISSION_SYSTEM;
    }
    Ok(permissions)
}

fn is_node_id(node_id: &str) -> bool {
    let bytes = node_id.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= LONGEST_NODE_ID
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes
            .iter()
            .all(|byte| alphanumeric(byte) || *byte == b'-' || *byte == b'.')
}
