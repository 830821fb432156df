// SPDX-License-Identifier: Apache-2.0

/// Seal tokens: a stake's title to join a cluster as one node.
///
/// A token holds a commitment that only its holder can open; nothing on the chain is a secret. The
/// gateway keeps two promises that a single token can't: a node's name in a cluster belongs to one
/// live token, and a stake backs one live token. A token stops being live by revocation or expiry;
/// whether its stake still suffices is read from the stake.
module k3s_daas::k8s_gateway;

use k3s_daas::enclave_registry::Cluster;
use k3s_daas::staking::{Self, AdminCap, Stake, StakingPool};
use std::string::String;
use sui::clock::Clock;
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

// === Permissions, reasons, bounds ===

/// May join the cluster as a node.
const PERMISSION_JOIN: u64 = 1;
/// May run users' workloads.
const PERMISSION_WORKLOADS: u64 = 2;
/// May run the cluster's own workloads.
const PERMISSION_SYSTEM: u64 = 4;
/// Times the tier's minimum that `PERMISSION_SYSTEM` needs.
const SYSTEM_FACTOR: u64 = 10;

const REVOKED_BY_OWNER: u8 = 0;
const REVOKED_BY_ADMIN: u8 = 1;
const REVOKED_UNBACKED: u8 = 2;

const SHORTEST_TTL_MS: u64 = 60_000;
const LONGEST_TTL_MS: u64 = 7 * 86_400_000;
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
}

// === Events ===

public struct GatewayCreated has copy, drop {
    gateway_id: ID,
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

public struct SealTokenRevoked has copy, drop {
    token_id: ID,
    stake_id: ID,
    reason: u8,
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
    };
    event::emit(GatewayCreated { gateway_id: object::id(&gateway) });
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
    assert!(stake.owner() == ctx.sender(), ENotOwner);
    assert!(pool.has_sufficient_stake(stake, staking::tier_node()), EInsufficientStake);
    assert!(is_node_id(&node_id), EInvalidNodeId);
    assert!(node_key.length() == KEY_LENGTH, EInvalidNodeKey);
    assert!(commitment.length() == COMMITMENT_LENGTH, EInvalidCommitment);
    assert!(endpoint.length() <= LONGEST_ENDPOINT, EInvalidEndpoint);
    assert!(ttl_ms >= SHORTEST_TTL_MS && ttl_ms <= LONGEST_TTL_MS, EInvalidTtl);

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
        permissions: permissions_of(pool, stake),
        endpoint,
        issued_at_ms: now,
        expires_at_ms: now + ttl_ms,
        revoked: false,
        generation: 0,
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

/// Gives the sender's token another `ttl_ms` from now, and a new commitment if there is one. It may
/// have expired, as long as neither its node name nor its stake went to another token.
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
    assert!(ttl_ms >= SHORTEST_TTL_MS && ttl_ms <= LONGEST_TTL_MS, EInvalidTtl);
    let name = token.name();
    assert!(gateway.holds(name, object::id(token)), ESuperseded);
    commitment.do!(|commitment| {
        assert!(commitment.length() == COMMITMENT_LENGTH, EInvalidCommitment);
        token.commitment = commitment;
    });

    let now = clock.timestamp_ms();
    token.issued_at_ms = now;
    token.expires_at_ms = now + ttl_ms;
    token.permissions = permissions_of(pool, stake);
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

// === For anyone ===

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

// === Views ===

/// Whether the token is neither revoked nor expired, and its stake sufficient.
public fun is_valid(token: &SealToken, pool: &StakingPool, stake: &Stake, clock: &Clock): bool {
    token.stake_id == object::id(stake) &&
    !token.revoked &&
    clock.timestamp_ms() < token.expires_at_ms &&
    pool.has_sufficient_stake(stake, staking::tier_node())
}

public fun owner(token: &SealToken): address { token.owner }

public fun stake_id(token: &SealToken): ID { token.stake_id }

public fun permissions(token: &SealToken): u64 { token.permissions }

public fun expires_at_ms(token: &SealToken): u64 { token.expires_at_ms }

public fun is_revoked(token: &SealToken): bool { token.revoked }

public fun generation(token: &SealToken): u64 { token.generation }

public fun commitment(token: &SealToken): vector<u8> { token.commitment }

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

fun permissions_of(pool: &StakingPool, stake: &Stake): u64 {
    let system = pool.minimum(staking::tier_node()) * SYSTEM_FACTOR;
    let mut permissions = PERMISSION_JOIN | PERMISSION_WORKLOADS;
    if (stake.amount() >= system) permissions = permissions | PERMISSION_SYSTEM;
    permissions
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
