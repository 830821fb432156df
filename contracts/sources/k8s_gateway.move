// SPDX-License-Identifier: Apache-2.0

/// Seal tokens: a stake's title to join a cluster as one node.
///
/// A token holds a commitment that only its holder can open; nothing on the chain is a secret. The
/// gateway keeps two promises that a single token can't: a node's name in a cluster belongs to one
/// live token, and a stake backs one live token. A token stops being live by revocation or expiry;
/// whether its stake still suffices is read from the stake.
module k3s_daas::k8s_gateway;

use k3s_daas::enclave_registry::{Cluster, Enclave};
use k3s_daas::staking::{Self, AdminCap, Stake, StakingPool};
use std::string::String;
use sui::bcs;
use sui::clock::Clock;
use sui::ed25519;
use sui::event;
use sui::table::{Self, Table};

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// The sender does not own the stake or the token.
const ENotOwner: u64 = 1;
/// The stake is not an active, sufficient stake of the node tier.
const EInsufficientStake: u64 = 2;
/// The node id is empty, too long, or has characters that a node's name can't have.
const EInvalidNodeId: u64 = 3;
/// The node key is not 32 bytes.
const EInvalidNodeKey: u64 = 4;
/// The commitment is not 32 bytes.
const EInvalidCommitment: u64 = 5;
/// The time to live is out of its bounds.
const EInvalidTtl: u64 = 6;
/// The endpoint is too long.
const EInvalidEndpoint: u64 = 7;
/// A live token holds the node's name.
const ENodeIdTaken: u64 = 8;
/// The stake already backs a live token.
const EStakeInUse: u64 = 9;
/// The stake is not the token's.
const EWrongStake: u64 = 10;
/// The token is revoked.
const ERevoked: u64 = 11;
/// The token expired and its node name or stake went to another token.
const ESuperseded: u64 = 12;
/// The token's stake is sufficient, so only its owner or governance may revoke it.
const EStillBacked: u64 = 13;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 14;
/// Governance has stopped new tokens.
const EPaused: u64 = 15;
/// The cluster is suspended or closed.
const EClusterNotOpen: u64 = 16;
/// The enclave is another cluster's, revoked, or runs what is no longer allowed.
const EUntrustedEnclave: u64 = 17;
/// The signature is not the enclave's over this statement.
const EInvalidSignature: u64 = 18;
/// The statement is from the future or too old.
const EStaleStatement: u64 = 19;
/// The token was used with its present commitment.
const EConsumed: u64 = 20;
/// The cluster is not the token's.
const EWrongCluster: u64 = 21;
/// The token has expired.
const EExpired: u64 = 22;
/// A rule is out of its bounds.
const EOutOfBounds: u64 = 23;

// === Permissions, reasons, bounds ===

/// May join the cluster as a node.
const PERMISSION_JOIN: u64 = 1;
/// May run users' workloads.
const PERMISSION_WORKLOADS: u64 = 2;
/// May run the cluster's own workloads.
const PERMISSION_SYSTEM: u64 = 4;
/// May use clusters as an interface's permissions say: what a stake of the user tier gives.
const PERMISSION_USE: u64 = 8;
/// May be given every verb in an interface: what a stake of the admin tier gives.
const PERMISSION_OPERATE: u64 = 16;

const REVOKED_BY_OWNER: u8 = 0;
const REVOKED_BY_ADMIN: u8 = 1;
const REVOKED_UNBACKED: u8 = 2;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// Bounds of the rules.
const LEAST_TTL_MS: u64 = MINUTE_MS;
const GREATEST_TTL_MS: u64 = 30 * DAY_MS;
const LEAST_FACTOR: u64 = 1;
const GREATEST_FACTOR: u64 = 1_000;
const LEAST_STATEMENT_MS: u64 = MINUTE_MS;
const GREATEST_STATEMENT_MS: u64 = DAY_MS;

/// Apart from the intents of the other modules.
const INTENT_CONSUMPTION: u8 = 18;
/// The first byte of an encoded token.
const ENCODING: u8 = 1;

const LONGEST_NODE_ID: u64 = 63;
const LONGEST_ENDPOINT: u64 = 256;
const KEY_LENGTH: u64 = 32;
const COMMITMENT_LENGTH: u64 = 32;

// === Objects ===

/// The one gateway. Shared.
public struct Gateway has key {
    id: UID,
    version: u64,
    nodes: Table<NodeName, Claim>,
    /// By stake: the name that its token holds.
    stakes: Table<ID, NodeName>,
    tokens_created: u64,
    rules: GatewayRules,
}

/// What `params` governs.
public struct GatewayRules has copy, drop, store {
    /// The least and greatest time to live of a token.
    shortest_ttl_ms: u64,
    longest_ttl_ms: u64,
    /// Times the tier's minimum that `PERMISSION_SYSTEM` needs.
    system_factor: u64,
    /// How old the statement of a consumption may be.
    oldest_statement_ms: u64,
}

/// A node's name within a cluster.
public struct NodeName has copy, drop, store {
    cluster_id: ID,
    node_id: String,
}

/// Which token holds a node name, and until when.
public struct Claim has copy, drop, store {
    token_id: ID,
    stake_id: ID,
    expires_at_ms: u64,
}

/// A stake-backed join token. Shared.
public struct SealToken has key {
    id: UID,
    stake_id: ID,
    owner: address,
    cluster_id: ID,
    node_id: String,
    /// The node's Ed25519 public key.
    node_key: vector<u8>,
    /// blake2b-256 over the secret, the node id and the node key.
    commitment: vector<u8>,
    permissions: u64,
    /// Where the holder means to use it, or empty.
    endpoint: String,
    issued_at_ms: u64,
    expires_at_ms: u64,
    revoked: bool,
    generation: u64,
    /// When it was first used with its present commitment; 0 before.
    consumed_at_ms: u64,
    /// The enclave that says so.
    consumed_by: Option<ID>,
}

/// What an enclave signs (as BCS, Ed25519) when a node has joined with the token.
public struct ConsumptionStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    token_id: ID,
    generation: u64,
    commitment: vector<u8>,
}

/// A token in the form that Nautilus takes: BCS of these fields. The Rust crate `seal` decodes it.
public struct EncodedToken has copy, drop {
    encoding: u8,
    token_id: ID,
    stake_id: ID,
    owner: address,
    cluster_id: ID,
    node_id: String,
    node_key: vector<u8>,
    commitment: vector<u8>,
    permissions: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    generation: u64,
    /// Bit 1: revoked; bit 2: consumed.
    flags: u8,
}

// === Events ===

public struct GatewayCreated has copy, drop {
    gateway_id: ID,
    rules: GatewayRules,
}

public struct GatewayRulesChanged has copy, drop {
    gateway_id: ID,
    rules: GatewayRules,
}

public struct SealTokenCreated has copy, drop {
    token_id: ID,
    stake_id: ID,
    owner: address,
    cluster_id: ID,
    node_id: String,
    node_key: vector<u8>,
    commitment: vector<u8>,
    permissions: u64,
    endpoint: String,
    issued_at_ms: u64,
    expires_at_ms: u64,
}

public struct SealTokenRenewed has copy, drop {
    token_id: ID,
    stake_id: ID,
    commitment: vector<u8>,
    permissions: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    generation: u64,
}

/// Its node has another key.
public struct SealTokenRekeyed has copy, drop {
    token_id: ID,
    stake_id: ID,
    node_key: vector<u8>,
    commitment: vector<u8>,
    generation: u64,
}

public struct SealTokenRevoked has copy, drop {
    token_id: ID,
    stake_id: ID,
    reason: u8,
    at_ms: u64,
}

public struct SealTokenConsumed has copy, drop {
    token_id: ID,
    enclave_id: ID,
    generation: u64,
    at_ms: u64,
}

public struct GatewayMigrated has copy, drop {
    gateway_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let gateway = Gateway {
        id: object::new(ctx),
        version: VERSION,
        nodes: table::new(ctx),
        stakes: table::new(ctx),
        tokens_created: 0,
        rules: GatewayRules {
            shortest_ttl_ms: MINUTE_MS,
            longest_ttl_ms: 7 * DAY_MS,
            system_factor: 10,
            oldest_statement_ms: 10 * MINUTE_MS,
        },
    };
    event::emit(GatewayCreated { gateway_id: object::id(&gateway), rules: gateway.rules });
    transfer::share_object(gateway);
}

// === For stakers ===

/// Makes a token for a node in a cluster, backed by the sender's stake. The result must be shared
/// in the same transaction.
public fun create_seal_token(
    gateway: &mut Gateway,
    pool: &StakingPool,
    stake: &Stake,
    cluster: &Cluster,
    node_id: String,
    node_key: vector<u8>,
    commitment: vector<u8>,
    endpoint: String,
    ttl_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): SealToken {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(!pool.is_paused(), EPaused);
    assert!(cluster.is_open(), EClusterNotOpen);
    assert!(stake.owner() == ctx.sender(), ENotOwner);
    assert!(pool.has_sufficient_stake(stake, staking::tier_node()), EInsufficientStake);
    assert!(is_node_id(&node_id), EInvalidNodeId);
    assert!(node_key.length() == KEY_LENGTH, EInvalidNodeKey);
    assert!(commitment.length() == COMMITMENT_LENGTH, EInvalidCommitment);
    assert!(endpoint.length() <= LONGEST_ENDPOINT, EInvalidEndpoint);
    gateway.check_ttl(ttl_ms);

    let now = clock.timestamp_ms();
    let stake_id = object::id(stake);
    let name = NodeName { cluster_id: object::id(cluster), node_id };
    if (gateway.nodes.contains(name)) {
        assert!(gateway.nodes[name].expires_at_ms <= now, ENodeIdTaken);
        gateway.release(name);
    };
    if (gateway.stakes.contains(stake_id)) {
        let held = gateway.stakes[stake_id];
        assert!(gateway.nodes[held].expires_at_ms <= now, EStakeInUse);
        gateway.release(held);
    };

    let token = SealToken {
        id: object::new(ctx),
        stake_id,
        owner: ctx.sender(),
        cluster_id: name.cluster_id,
        node_id,
        node_key,
        commitment,
        permissions: gateway.permissions_of(pool, stake),
        endpoint,
        issued_at_ms: now,
        expires_at_ms: now + ttl_ms,
        revoked: false,
        generation: 0,
        consumed_at_ms: 0,
        consumed_by: option::none(),
    };
    let token_id = object::id(&token);
    gateway.nodes.add(name, Claim { token_id, stake_id, expires_at_ms: token.expires_at_ms });
    gateway.stakes.add(stake_id, name);
    gateway.tokens_created = gateway.tokens_created + 1;
    event::emit(SealTokenCreated {
        token_id,
        stake_id,
        owner: token.owner,
        cluster_id: token.cluster_id,
        node_id: token.node_id,
        node_key: token.node_key,
        commitment: token.commitment,
        permissions: token.permissions,
        endpoint: token.endpoint,
        issued_at_ms: token.issued_at_ms,
        expires_at_ms: token.expires_at_ms,
    });
    token
}

/// Shares a new token.
#[allow(lint(share_owned))]
public fun share_token(token: SealToken) {
    transfer::share_object(token);
}

/// Gives the sender's token another `ttl_ms` from now, and a new commitment if there is one, which
/// has not been used then. It may have expired, as long as neither its node name nor its stake went to
/// another token.
public fun renew_seal_token(
    gateway: &mut Gateway,
    pool: &StakingPool,
    stake: &Stake,
    token: &mut SealToken,
    commitment: Option<vector<u8>>,
    ttl_ms: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(token.owner == ctx.sender(), ENotOwner);
    assert!(token.stake_id == object::id(stake), EWrongStake);
    assert!(!token.revoked, ERevoked);
    assert!(pool.has_sufficient_stake(stake, staking::tier_node()), EInsufficientStake);
    gateway.check_ttl(ttl_ms);
    let name = token.name();
    assert!(gateway.holds(name, object::id(token)), ESuperseded);
    commitment.do!(|commitment| {
        assert!(commitment.length() == COMMITMENT_LENGTH, EInvalidCommitment);
        if (commitment != token.commitment) {
            token.commitment = commitment;
            token.consumed_at_ms = 0;
            token.consumed_by = option::none();
        };
    });

    let now = clock.timestamp_ms();
    token.issued_at_ms = now;
    token.expires_at_ms = now + ttl_ms;
    token.permissions = gateway.permissions_of(pool, stake);
    token.generation = token.generation + 1;
    gateway.nodes[name].expires_at_ms = token.expires_at_ms;
    event::emit(SealTokenRenewed {
        token_id: object::id(token),
        stake_id: token.stake_id,
        commitment: token.commitment,
        permissions: token.permissions,
        issued_at_ms: token.issued_at_ms,
        expires_at_ms: token.expires_at_ms,
        generation: token.generation,
    });
}

/// Makes the sender's token void and frees its node name and stake.
public fun revoke_seal_token(
    gateway: &mut Gateway,
    token: &mut SealToken,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(token.owner == ctx.sender(), ENotOwner);
    gateway.revoke(token, REVOKED_BY_OWNER, clock);
}

/// Gives a token's node another key, for `node_keys`.
public(package) fun rekey(
    gateway: &Gateway,
    token: &mut SealToken,
    node_key: vector<u8>,
    commitment: vector<u8>,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(!token.revoked, ERevoked);
    assert!(gateway.holds(token.name(), object::id(token)), ESuperseded);
    assert!(node_key.length() == KEY_LENGTH, EInvalidNodeKey);
    assert!(commitment.length() == COMMITMENT_LENGTH, EInvalidCommitment);
    token.node_key = node_key;
    if (commitment != token.commitment) {
        token.commitment = commitment;
        token.consumed_at_ms = 0;
        token.consumed_by = option::none();
    };
    token.generation = token.generation + 1;
    event::emit(SealTokenRekeyed {
        token_id: object::id(token),
        stake_id: token.stake_id,
        node_key,
        commitment,
        generation: token.generation,
    });
}

// === For anyone ===

/// Records, on the statement of an enclave of the token's cluster, that a node joined with the token.
/// A commitment is used once: whoever opens it a second time is told so by the chain.
public fun consume(
    gateway: &Gateway,
    token: &mut SealToken,
    cluster: &Cluster,
    enclave: &Enclave,
    timestamp_ms: u64,
    signature: vector<u8>,
    clock: &Clock,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(token.cluster_id == object::id(cluster), EWrongCluster);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= gateway.rules.oldest_statement_ms,
        EStaleStatement,
    );
    assert!(!token.revoked, ERevoked);
    assert!(now < token.expires_at_ms, EExpired);
    assert!(token.consumed_at_ms == 0, EConsumed);
    let statement = bcs::to_bytes(&ConsumptionStatement {
        intent: INTENT_CONSUMPTION,
        timestamp_ms,
        cluster_id: token.cluster_id,
        token_id: object::id(token),
        generation: token.generation,
        commitment: token.commitment,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    token.consumed_at_ms = now;
    token.consumed_by = option::some(object::id(enclave));
    event::emit(SealTokenConsumed {
        token_id: object::id(token),
        enclave_id: object::id(enclave),
        generation: token.generation,
        at_ms: now,
    });
}

/// Makes a token void whose stake is no longer sufficient.
public fun revoke_unbacked(
    gateway: &mut Gateway,
    pool: &StakingPool,
    stake: &Stake,
    token: &mut SealToken,
    clock: &Clock,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(token.stake_id == object::id(stake), EWrongStake);
    assert!(!pool.has_sufficient_stake(stake, staking::tier_node()), EStillBacked);
    gateway.revoke(token, REVOKED_UNBACKED, clock);
}

// === Governance ===

/// Makes any token void.
public fun admin_revoke(
    _: &AdminCap,
    gateway: &mut Gateway,
    token: &mut SealToken,
    clock: &Clock,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    gateway.revoke(token, REVOKED_BY_ADMIN, clock);
}

/// Hands the gateway to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, gateway: &mut Gateway) {
    assert!(gateway.version < VERSION, ENotAnUpgrade);
    gateway.version = VERSION;
    event::emit(GatewayMigrated { gateway_id: object::id(gateway), version: VERSION });
}

/// Sets the rules, from `params`. They hold for later mints and renewals.
public(package) fun set_rules(
    gateway: &mut Gateway,
    shortest_ttl_ms: u64,
    longest_ttl_ms: u64,
    system_factor: u64,
    oldest_statement_ms: u64,
) {
    assert!(gateway.version == VERSION, EWrongVersion);
    assert!(
        shortest_ttl_ms >= LEAST_TTL_MS &&
        shortest_ttl_ms <= longest_ttl_ms &&
        longest_ttl_ms <= GREATEST_TTL_MS &&
        system_factor >= LEAST_FACTOR &&
        system_factor <= GREATEST_FACTOR &&
        oldest_statement_ms >= LEAST_STATEMENT_MS &&
        oldest_statement_ms <= GREATEST_STATEMENT_MS,
        EOutOfBounds,
    );
    gateway.rules =
        GatewayRules { shortest_ttl_ms, longest_ttl_ms, system_factor, oldest_statement_ms };
    event::emit(GatewayRulesChanged { gateway_id: object::id(gateway), rules: gateway.rules });
}

// === Views ===

/// The token in the form that Nautilus takes.
public fun encode(token: &SealToken): vector<u8> {
    let mut flags = 0;
    if (token.revoked) flags = flags | 1;
    if (token.consumed_at_ms > 0) flags = flags | 2;
    bcs::to_bytes(&EncodedToken {
        encoding: ENCODING,
        token_id: object::id(token),
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
        flags,
    })
}

/// What a stake allows, by its tier and amount: nothing unless it is sufficient.
public fun permissions_of(gateway: &Gateway, pool: &StakingPool, stake: &Stake): u64 {
    let tier = stake.tier();
    if (!pool.has_sufficient_stake(stake, tier)) return 0;
    if (tier == staking::tier_user()) return PERMISSION_USE;
    if (tier == staking::tier_admin()) return PERMISSION_USE | PERMISSION_OPERATE;
    let system = pool.minimum(tier) * gateway.rules.system_factor;
    let mut permissions = PERMISSION_JOIN | PERMISSION_WORKLOADS;
    if (stake.amount() >= system) permissions = permissions | PERMISSION_SYSTEM;
    permissions
}

public fun permission_use(): u64 { PERMISSION_USE }

public fun permission_operate(): u64 { PERMISSION_OPERATE }

/// Whether the token is neither revoked nor expired, and its stake sufficient.
public fun is_valid(token: &SealToken, pool: &StakingPool, stake: &Stake, clock: &Clock): bool {
    token.stake_id == object::id(stake) &&
    !token.revoked &&
    clock.timestamp_ms() < token.expires_at_ms &&
    pool.has_sufficient_stake(stake, staking::tier_node())
}

public fun owner(token: &SealToken): address { token.owner }

public fun stake_id(token: &SealToken): ID { token.stake_id }

public fun cluster_id(token: &SealToken): ID { token.cluster_id }

public fun node_id(token: &SealToken): String { token.node_id }

public fun node_key(token: &SealToken): vector<u8> { token.node_key }

public fun permissions(token: &SealToken): u64 { token.permissions }

public fun expires_at_ms(token: &SealToken): u64 { token.expires_at_ms }

public fun is_revoked(token: &SealToken): bool { token.revoked }

public fun generation(token: &SealToken): u64 { token.generation }

public fun commitment(token: &SealToken): vector<u8> { token.commitment }

public fun is_consumed(token: &SealToken): bool { token.consumed_at_ms > 0 }

// === Inside ===

fun name(token: &SealToken): NodeName {
    NodeName { cluster_id: token.cluster_id, node_id: token.node_id }
}

fun holds(gateway: &Gateway, name: NodeName, token_id: ID): bool {
    gateway.nodes.contains(name) && gateway.nodes[name].token_id == token_id
}

fun release(gateway: &mut Gateway, name: NodeName) {
    let claim = gateway.nodes.remove(name);
    gateway.stakes.remove(claim.stake_id);
}

fun revoke(gateway: &mut Gateway, token: &mut SealToken, reason: u8, clock: &Clock) {
    assert!(!token.revoked, ERevoked);
    token.revoked = true;
    let name = token.name();
    if (gateway.holds(name, object::id(token))) gateway.release(name);
    event::emit(SealTokenRevoked {
        token_id: object::id(token),
        stake_id: token.stake_id,
        reason,
        at_ms: clock.timestamp_ms(),
    });
}

fun check_ttl(gateway: &Gateway, ttl_ms: u64) {
    let rules = &gateway.rules;
    assert!(ttl_ms >= rules.shortest_ttl_ms && ttl_ms <= rules.longest_ttl_ms, EInvalidTtl);
}

/// A DNS-1123 name of lower-case letters, digits, `-` and `.`, as a Kubernetes node's must be.
fun is_node_id(node_id: &String): bool {
    let bytes = node_id.as_bytes();
    let length = bytes.length();
    length > 0 && length <= LONGEST_NODE_ID &&
    is_alphanumeric(bytes[0]) &&
    is_alphanumeric(bytes[length - 1]) &&
    bytes.all!(|byte| is_alphanumeric(*byte) || *byte == 0x2d || *byte == 0x2e)
}

fun is_alphanumeric(byte: u8): bool {
    (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(gateway: &mut Gateway, version: u64) {
    gateway.version = version;
}

#[test_only]
/// The claim on a node's name.
public fun claim_for_testing(gateway: &Gateway, cluster_id: ID, node_id: String): Claim {
    gateway.nodes[NodeName { cluster_id, node_id }]
}

#[test_only]
/// The name that a stake's token holds.
public fun held_for_testing(gateway: &Gateway, stake_id: ID): NodeName {
    gateway.stakes[stake_id]
}

#[test_only]
public fun consumption_for_testing(token: &SealToken, timestamp_ms: u64): vector<u8> {
    bcs::to_bytes(&ConsumptionStatement {
        intent: INTENT_CONSUMPTION,
        timestamp_ms,
        cluster_id: token.cluster_id,
        token_id: object::id(token),
        generation: token.generation,
        commitment: token.commitment,
    })
}

#[test_only]
public fun encoding_for_testing(
    token_id: ID,
    stake_id: ID,
    owner: address,
    cluster_id: ID,
    node_id: String,
    node_key: vector<u8>,
    commitment: vector<u8>,
    permissions: u64,
    times: vector<u64>,
    generation: u64,
    flags: u8,
): vector<u8> {
    bcs::to_bytes(&EncodedToken {
        encoding: ENCODING,
        token_id,
        stake_id,
        owner,
        cluster_id,
        node_id,
        node_key,
        commitment,
        permissions,
        issued_at_ms: times[0],
        expires_at_ms: times[1],
        generation,
        flags,
    })
}
