// SPDX-License-Identifier: Apache-2.0

/// A cluster's interface to its users on the chain: who may do what in which namespace, and requests
/// that come by the chain.
///
/// A cluster is one thing, `enclave_registry::Cluster`: its owners, its status, what it runs. It has
/// at most one `Interface`, which holds what concerns its users. A request carries a ciphertext for
/// an enclave's key, which nobody else can read, and a fee. The enclave's signed answer records the
/// digest of the result and earns the fee; without one in time, the fee goes back.
module k3s_daas::k8s_interface;

use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::k8s_gateway::{Self, Gateway};
use k3s_daas::staking::{Stake, StakingPool};
use std::string::String;
use sui::balance::{Self, Balance};
use sui::bcs;
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::ed25519;
use sui::event;
use sui::hash;
use sui::sui::SUI;
use sui::table::{Self, Table};

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// The interface or the request is another cluster's.
const EWrongCluster: u64 = 1;
/// The cluster has an interface already.
const EExists: u64 = 2;
/// A value is out of its bounds.
const EOutOfBounds: u64 = 3;
/// The sender is no owner of the cluster.
const ENotOwner: u64 = 4;
/// The namespace is no valid name.
const EInvalidNamespace: u64 = 5;
/// There is no such permission.
const EUnknownPermission: u64 = 6;
/// The stake is not the sender's, or not sufficient for this.
const EInsufficientStake: u64 = 7;
/// The sender has no permission for this here and now.
const ENotPermitted: u64 = 8;
/// The cluster is suspended or closed.
const EClusterNotOpen: u64 = 9;
/// The enclave is another cluster's, revoked, or runs what is no longer allowed.
const EUntrustedEnclave: u64 = 10;
/// The enclave has no key to encrypt to.
const ENoEncryptionKey: u64 = 11;
/// The payload is empty or too long.
const EInvalidPayload: u64 = 12;
/// The digest is not the payload's.
const EWrongDigest: u64 = 13;
/// The fee is not what the interface asks.
const EWrongFee: u64 = 14;
/// The request is answered or refunded.
const ENotPending: u64 = 15;
/// The time for the answer is over.
const ETooLate: u64 = 16;
/// The time for the answer is not over.
const ETooEarly: u64 = 17;
/// The signature is not the enclave's over this statement.
const EInvalidSignature: u64 = 18;
/// The digest of the result is not 32 bytes.
const EInvalidResult: u64 = 19;
/// The interface has earned less.
const EEarnedTooLittle: u64 = 20;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 21;
/// Governance has stopped new requests.
const EPaused: u64 = 22;

// === Verbs, statuses and bounds ===

/// get, list, watch
const VERB_READ: u64 = 1;
/// create, update, patch, delete
const VERB_WRITE: u64 = 2;
/// exec, attach, port-forward, logs: what a stake of the admin tier is needed for
const VERB_OPERATE: u64 = 4;
const VERBS: u64 = 7;

const PENDING: u8 = 0;
const ANSWERED: u8 = 1;
const REFUNDED: u8 = 2;

/// Apart from the intents of the other modules.
const INTENT_RESULT: u8 = 19;

const GREATEST_FEE: u64 = 1_000_000_000_000; // 1,000 SUI
const SHORTEST_TIMEOUT_MS: u64 = 10_000;
const LONGEST_TIMEOUT_MS: u64 = 7 * 86_400_000;
/// Below what Sui takes as one argument (16 KiB).
const GREATEST_PAYLOAD: u64 = 16_000;
const LONGEST_NAMESPACE: u64 = 63;
const DIGEST_LENGTH: u64 = 32;

// === Objects ===

/// A cluster's interface. Shared.
public struct Interface has key {
    id: UID,
    version: u64,
    cluster_id: ID,
    /// MIST for a request.
    fee: u64,
    /// From a request to when its fee can be asked back.
    timeout_ms: u64,
    /// The most bytes of a payload.
    payload: u64,
    permissions: Table<Subject, Permission>,
    /// How many requests were ever submitted.
    requests: u64,
    /// MIST of answered requests that the cluster has not taken out.
    earned: Balance<SUI>,
}

/// Who, and where: a user in a namespace, or in all of them (an empty name).
public struct Subject has copy, drop, store {
    user: address,
    namespace: String,
}

/// What a subject may do, until when.
public struct Permission has copy, drop, store {
    /// `VERB_` bits.
    verbs: u64,
    expires_at_ms: u64,
}

/// A request. Shared.
public struct Request has key {
    id: UID,
    cluster_id: ID,
    user: address,
    namespace: String,
    /// One of the `VERB_` bits.
    verb: u64,
    /// To whose key the payload is encrypted.
    enclave_id: ID,
    payload: vector<u8>,
    /// blake2b-256 of the payload.
    digest: vector<u8>,
    fee: Balance<SUI>,
    submitted_at_ms: u64,
    /// From then on the fee can be asked back, and no answer counts.
    deadline_ms: u64,
    status: u8,
    /// What the enclave says of the outcome, as an HTTP status; 0 before.
    code: u64,
    /// SHA-256 of the encrypted result; empty before.
    result: vector<u8>,
}

/// What an enclave signs, as BCS.
public struct ResultStatement has copy, drop {
    intent: u8,
    cluster_id: ID,
    request_id: ID,
    digest: vector<u8>,
    code: u64,
    result: vector<u8>,
}

// === Events ===

public struct InterfaceCreated has copy, drop {
    interface_id: ID,
    cluster_id: ID,
    fee: u64,
    timeout_ms: u64,
    payload: u64,
}

public struct InterfaceChanged has copy, drop {
    interface_id: ID,
    fee: u64,
    timeout_ms: u64,
    payload: u64,
}

public struct PermissionGranted has copy, drop {
    interface_id: ID,
    user: address,
    namespace: String,
    verbs: u64,
    expires_at_ms: u64,
    by: address,
}

public struct PermissionRevoked has copy, drop {
    interface_id: ID,
    user: address,
    namespace: String,
    by: address,
}

/// The payload is in the request.
public struct RequestSubmitted has copy, drop {
    request_id: ID,
    interface_id: ID,
    cluster_id: ID,
    user: address,
    namespace: String,
    verb: u64,
    enclave_id: ID,
    payload: vector<u8>,
    digest: vector<u8>,
    fee: u64,
    submitted_at_ms: u64,
    deadline_ms: u64,
}

public struct RequestAnswered has copy, drop {
    request_id: ID,
    interface_id: ID,
    code: u64,
    result: vector<u8>,
    fee: u64,
    at_ms: u64,
}

public struct RequestRefunded has copy, drop {
    request_id: ID,
    interface_id: ID,
    user: address,
    fee: u64,
    at_ms: u64,
}

public struct FeesWithdrawn has copy, drop {
    interface_id: ID,
    amount: u64,
    remaining: u64,
}

public struct InterfaceMigrated has copy, drop {
    interface_id: ID,
    version: u64,
}

// === The cluster's side ===

/// Makes the cluster's interface. It must be shared in the same transaction.
public fun create_interface(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    fee: u64,
    timeout_ms: u64,
    payload: u64,
    ctx: &mut TxContext,
): Interface {
    cluster.check(cap);
    assert!(!cluster.has_interface(), EExists);
    check_bounds(fee, timeout_ms, payload);
    let interface = Interface {
        id: object::new(ctx),
        version: VERSION,
        cluster_id: object::id(cluster),
        fee,
        timeout_ms,
        payload,
        permissions: table::new(ctx),
        requests: 0,
        earned: balance::zero(),
    };
    cluster.set_interface(object::id(&interface));
    event::emit(InterfaceCreated {
        interface_id: object::id(&interface),
        cluster_id: interface.cluster_id,
        fee,
        timeout_ms,
        payload,
    });
    interface
}

/// Shares a new interface.
#[allow(lint(share_owned))]
public fun share_interface(interface: Interface) {
    transfer::share_object(interface);
}

/// Changes what later requests cost, how long they wait and how long they may be.
public fun configure(
    cap: &ClusterCap,
    cluster: &Cluster,
    interface: &mut Interface,
    fee: u64,
    timeout_ms: u64,
    payload: u64,
) {
    cluster.check(cap);
    interface.check(cluster);
    check_bounds(fee, timeout_ms, payload);
    interface.fee = fee;
    interface.timeout_ms = timeout_ms;
    interface.payload = payload;
    event::emit(InterfaceChanged {
        interface_id: object::id(interface),
        fee,
        timeout_ms,
        payload,
    });
}

/// Gives a user permission in a namespace, or in all (an empty name), in place of what they had
/// there. Owners of the cluster may.
public fun grant(
    interface: &mut Interface,
    cluster: &Cluster,
    user: address,
    namespace: String,
    verbs: u64,
    expires_at_ms: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    interface.check(cluster);
    assert!(cluster.is_owner(ctx.sender()), ENotOwner);
    assert!(is_namespace(&namespace), EInvalidNamespace);
    assert!(verbs > 0 && verbs <= VERBS, EOutOfBounds);
    assert!(expires_at_ms > clock.timestamp_ms(), EOutOfBounds);
    let subject = Subject { user, namespace };
    let permission = Permission { verbs, expires_at_ms };
    if (interface.permissions.contains(subject)) {
        *&mut interface.permissions[subject] = permission;
    } else {
        interface.permissions.add(subject, permission);
    };
    event::emit(PermissionGranted {
        interface_id: object::id(interface),
        user,
        namespace,
        verbs,
        expires_at_ms,
        by: ctx.sender(),
    });
}

/// Takes a user's permission in a namespace away. Owners of the cluster may.
public fun revoke(
    interface: &mut Interface,
    cluster: &Cluster,
    user: address,
    namespace: String,
    ctx: &TxContext,
) {
    interface.check(cluster);
    assert!(cluster.is_owner(ctx.sender()), ENotOwner);
    let subject = Subject { user, namespace };
    assert!(interface.permissions.contains(subject), EUnknownPermission);
    interface.permissions.remove(subject);
    event::emit(PermissionRevoked {
        interface_id: object::id(interface),
        user,
        namespace,
        by: ctx.sender(),
    });
}

/// Takes out what answered requests have earned.
public fun withdraw_fees(
    cap: &ClusterCap,
    cluster: &Cluster,
    interface: &mut Interface,
    amount: u64,
    ctx: &mut TxContext,
): Coin<SUI> {
    cluster.check(cap);
    interface.check(cluster);
    assert!(amount > 0 && amount <= interface.earned.value(), EEarnedTooLittle);
    let coin = coin::from_balance(interface.earned.split(amount), ctx);
    event::emit(FeesWithdrawn {
        interface_id: object::id(interface),
        amount,
        remaining: interface.earned.value(),
    });
    coin
}

/// Hands the interface to this version of the package and shuts the older ones out.
public fun migrate(cap: &ClusterCap, cluster: &Cluster, interface: &mut Interface) {
    cluster.check(cap);
    assert!(interface.cluster_id == object::id(cluster), EWrongCluster);
    assert!(interface.version < VERSION, ENotAnUpgrade);
    interface.version = VERSION;
    event::emit(InterfaceMigrated { interface_id: object::id(interface), version: VERSION });
}

// === For users ===

/// Submits a request: a payload that only the enclave can read, with its digest and the fee. The
/// sender needs a permission, and a sufficient stake of the user or admin tier. The result must be
/// shared in the same transaction.
public fun submit(
    interface: &mut Interface,
    cluster: &Cluster,
    gateway: &Gateway,
    pool: &StakingPool,
    stake: &Stake,
    enclave: &Enclave,
    namespace: String,
    verb: u64,
    payload: vector<u8>,
    digest: vector<u8>,
    fee: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
): Request {
    interface.check(cluster);
    assert!(!pool.is_paused(), EPaused);
    assert!(cluster.is_open(), EClusterNotOpen);
    assert!(verb == VERB_READ || verb == VERB_WRITE || verb == VERB_OPERATE, EOutOfBounds);
    let user = ctx.sender();
    let needed = if (verb == VERB_OPERATE) k8s_gateway::permission_operate()
    else k8s_gateway::permission_use();
    assert!(
        stake.owner() == user && gateway.permissions_of(pool, stake) & needed != 0,
        EInsufficientStake,
    );
    let now = clock.timestamp_ms();
    assert!(interface.is_permitted(user, namespace, verb, now), ENotPermitted);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    assert!(!enclave.encryption_key().is_empty(), ENoEncryptionKey);
    assert!(payload.length() > 0 && payload.length() <= interface.payload, EInvalidPayload);
    assert!(digest == hash::blake2b256(&payload), EWrongDigest);
    assert!(fee.value() == interface.fee, EWrongFee);
    let request = Request {
        id: object::new(ctx),
        cluster_id: interface.cluster_id,
        user,
        namespace,
        verb,
        enclave_id: object::id(enclave),
        payload,
        digest,
        fee: fee.into_balance(),
        submitted_at_ms: now,
        deadline_ms: now + interface.timeout_ms,
        status: PENDING,
        code: 0,
        result: vector[],
    };
    interface.requests = interface.requests + 1;
    event::emit(RequestSubmitted {
        request_id: object::id(&request),
        interface_id: object::id(interface),
        cluster_id: request.cluster_id,
        user,
        namespace,
        verb,
        enclave_id: request.enclave_id,
        payload,
        digest,
        fee: interface.fee,
        submitted_at_ms: now,
        deadline_ms: request.deadline_ms,
    });
    request
}

/// Shares a new request.
#[allow(lint(share_owned))]
public fun share_request(request: Request) {
    transfer::share_object(request);
}

// === For anyone ===

/// Records an enclave's answer, by its signature. Any trusted enclave of the cluster may answer: one
/// that failed is stood in for. The fee is earned.
public fun answer(
    interface: &mut Interface,
    request: &mut Request,
    cluster: &Cluster,
    enclave: &Enclave,
    code: u64,
    result: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    interface.check(cluster);
    assert!(request.cluster_id == interface.cluster_id, EWrongCluster);
    assert!(request.status == PENDING, ENotPending);
    let now = clock.timestamp_ms();
    assert!(now < request.deadline_ms, ETooLate);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    assert!(result.length() == DIGEST_LENGTH, EInvalidResult);
    let statement = bcs::to_bytes(&ResultStatement {
        intent: INTENT_RESULT,
        cluster_id: request.cluster_id,
        request_id: object::id(request),
        digest: request.digest,
        code,
        result,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    let fee = request.fee.withdraw_all();
    request.status = ANSWERED;
    request.code = code;
    request.result = result;
    event::emit(RequestAnswered {
        request_id: object::id(request),
        interface_id: object::id(interface),
        code,
        result,
        fee: fee.value(),
        at_ms: now,
    });
    interface.earned.join(fee);
}

/// Gives the fee of a request that was not answered in time back to its user. Nothing stops this but
/// another version of the package.
public fun refund(
    interface: &Interface,
    request: &mut Request,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    assert!(interface.version == VERSION, EWrongVersion);
    assert!(request.cluster_id == interface.cluster_id, EWrongCluster);
    assert!(request.status == PENDING, ENotPending);
    let now = clock.timestamp_ms();
    assert!(now >= request.deadline_ms, ETooEarly);
    let fee = request.fee.withdraw_all();
    request.status = REFUNDED;
    event::emit(RequestRefunded {
        request_id: object::id(request),
        interface_id: object::id(interface),
        user: request.user,
        fee: fee.value(),
        at_ms: now,
    });
    if (fee.value() == 0) fee.destroy_zero()
    else transfer::public_transfer(coin::from_balance(fee, ctx), request.user);
}

// === Views ===

/// Whether the user has a permission for the verb in the namespace, or in all, at that time.
public fun is_permitted(
    interface: &Interface,
    user: address,
    namespace: String,
    verb: u64,
    at_ms: u64,
): bool {
    interface.permits(Subject { user, namespace }, verb, at_ms) ||
    interface.permits(Subject { user, namespace: b"".to_string() }, verb, at_ms)
}

public fun fee(interface: &Interface): u64 { interface.fee }

public fun earned(interface: &Interface): u64 { interface.earned.value() }

public fun request_status(request: &Request): u8 { request.status }

public fun request_result(request: &Request): vector<u8> { request.result }

// === Inside ===

fun check(interface: &Interface, cluster: &Cluster) {
    assert!(interface.version == VERSION, EWrongVersion);
    assert!(interface.cluster_id == object::id(cluster), EWrongCluster);
}

fun check_bounds(fee: u64, timeout_ms: u64, payload: u64) {
    assert!(
        fee <= GREATEST_FEE &&
        timeout_ms >= SHORTEST_TIMEOUT_MS &&
        timeout_ms <= LONGEST_TIMEOUT_MS &&
        payload > 0 &&
        payload <= GREATEST_PAYLOAD,
        EOutOfBounds,
    );
}

fun permits(interface: &Interface, subject: Subject, verb: u64, at_ms: u64): bool {
    if (!interface.permissions.contains(subject)) return false;
    let permission = &interface.permissions[subject];
    permission.verbs & verb != 0 && at_ms < permission.expires_at_ms
}

/// Empty (all namespaces), or lower-case letters, digits and `-`, as a Kubernetes namespace's name.
fun is_namespace(namespace: &String): bool {
    let bytes = namespace.as_bytes();
    bytes.length() <= LONGEST_NAMESPACE &&
    bytes.all!(|byte| {
        let byte = *byte;
        (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2d
    })
}

// === Tests ===

#[test_only]
public fun set_version_for_testing(interface: &mut Interface, version: u64) {
    interface.version = version;
}

#[test_only]
public fun permission_for_testing(
    interface: &Interface,
    user: address,
    namespace: String,
): Permission {
    interface.permissions[Subject { user, namespace }]
}

#[test_only]
public fun statement_for_testing(
    request: &Request,
    code: u64,
    result: vector<u8>,
): vector<u8> {
    bcs::to_bytes(&ResultStatement {
        intent: INTENT_RESULT,
        cluster_id: request.cluster_id,
        request_id: object::id(request),
        digest: request.digest,
        code,
        result,
    })
}
