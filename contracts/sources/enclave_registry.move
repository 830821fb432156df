// SPDX-License-Identifier: Apache-2.0

/// Clusters: who owns them, what their control planes may run, and where they are.
///
/// Whoever talks to a control plane reads its cluster here: the allow-list of measurements, and the
/// registered endpoints with the hash of their TLS keys. A cluster is governed by its own
/// capability alone. Its enclaves (the control planes' signing keys) come in by one of three proofs:
/// the capability, a Nitro attestation document that the chain itself verified (module `nitro`), or
/// the vouching of a majority of the enclaves that are trusted already.
module k3s_daas::enclave_registry;

use std::string::String;
use sui::bcs;
use sui::clock::Clock;
use sui::ed25519;
use sui::event;
use sui::hash;

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// The capability is another cluster's.
const EWrongCluster: u64 = 1;
/// The name is empty, too long or has characters that it can't have.
const EInvalidName: u64 = 2;
/// No such kind of TEE.
const EUnknownKind: u64 = 3;
/// The measurement, or a register of it, has no valid length or is all zero.
const EInvalidMeasurement: u64 = 4;
/// The measurement is already allowed.
const EAlreadyApproved: u64 = 5;
/// The measurement is not on the allow-list, not yet active, or retired.
const ENotApproved: u64 = 6;
/// The allow-list or a list of endpoints, enclaves or owners is full.
const EFull: u64 = 7;
/// The URL is empty or too long.
const EInvalidUrl: u64 = 8;
/// The TLS key hash is not 32 bytes.
const EInvalidKeyHash: u64 = 9;
/// No such endpoint.
const EUnknownEndpoint: u64 = 10;
/// A text is longer than allowed.
const ETextTooLong: u64 = 11;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 12;
/// The public key is not 32 bytes.
const EInvalidPublicKey: u64 = 13;
/// The enclave is already revoked.
const EAlreadyRevoked: u64 = 14;
/// A value is out of its bounds.
const EOutOfBounds: u64 = 15;
/// An enclave of the cluster has this key.
const EKeyInUse: u64 = 16;
/// The cluster admits attested enclaves only.
const EAttestedOnly: u64 = 17;
/// The cluster is closed.
const EClosed: u64 = 18;
/// The document or statement is from the future or too old.
const EStaleStatement: u64 = 19;
/// The document is bound to something else than this registration.
const EWrongBinding: u64 = 20;
/// A voucher is given twice, or is no trusted enclave of the cluster.
const EUntrustedVoucher: u64 = 21;
/// A signature is not the voucher's over this statement.
const EInvalidSignature: u64 = 22;
/// Too few vouch.
const ENoQuorum: u64 = 23;
/// It is so already.
const EUnchanged: u64 = 24;
/// The encryption key is neither empty nor 32 bytes.
const EInvalidEncryptionKey: u64 = 25;
/// The digest of the evidence is not 32 bytes.
const EInvalidEvidence: u64 = 26;

// === Kinds, statuses, proofs and bounds ===

/// Simulated, Nitro, SEV-SNP, TDX, SGX, TPM: 0 to 5.
const KINDS: u8 = 6;
const NITRO: u8 = 1;

/// Takes requests and new tokens.
const OPEN: u8 = 0;
#[allow(unused_const)]
/// Takes no new requests and no new tokens.
const SUSPENDED: u8 = 1;
/// The same, and no new enclaves; for good.
const CLOSED: u8 = 2;

/// Registered by the capability.
const BY_CAPABILITY: u8 = 0;
/// By an attestation document that the chain verified.
const BY_ATTESTATION: u8 = 1;
/// By the vouching of trusted enclaves.
const BY_VOUCHING: u8 = 2;

/// Apart from the intents of the other modules.
const INTENT_REGISTRATION: u8 = 16;
const INTENT_VOUCHING: u8 = 17;

const DAY_MS: u64 = 86_400_000;
const LONGEST_NAME: u64 = 63;
const LONGEST_SOURCE: u64 = 256;
const LONGEST_URL: u64 = 256;
const KEY_HASH_LENGTH: u64 = 32;
const PUBLIC_KEY_LENGTH: u64 = 32;
const LENGTH_OF_EVIDENCE: u64 = 32;
const REGISTER_LENGTH: u64 = 48;
const MOST_REGISTERS: u64 = 16;
const MOST_MEASUREMENTS: u64 = 64;
const MOST_ENDPOINTS: u64 = 32;
const MOST_ENCLAVES: u64 = 32;
const MOST_OWNERS: u64 = 16;
const LONGEST_NOTICE_MS: u64 = 30 * DAY_MS;
const LONGEST_WAIT_MS: u64 = 365 * DAY_MS;
/// How old a document or a statement may be.
const OLDEST_STATEMENT_MS: u64 = 600_000;

// === Objects ===

/// A cluster. Shared.
public struct Cluster has key {
    id: UID,
    version: u64,
    name: String,
    status: u8,
    /// Who may grant permissions besides the holder of the capability; its maker first.
    owners: vector<address>,
    /// From the approval of a measurement to when it counts, at least. It never gets shorter.
    notice_ms: u64,
    /// How many enclaves must vouch, at least; a majority of the trusted ones in any case.
    quorum: u64,
    /// Whether only attested and vouched enclaves come in. It stays so.
    attested_only: bool,
    /// Retired ones included, in the order of approval.
    measurements: vector<Measurement>,
    endpoints: vector<Endpoint>,
    /// The enclaves that are not revoked.
    members: vector<Member>,
    /// How many enclaves ever came in: the nonce of the next registration.
    registrations: u64,
    /// The `k8s_interface::Interface` of the cluster, once there is one.
    interface: Option<ID>,
}

/// Governs one cluster.
public struct ClusterCap has key, store {
    id: UID,
    cluster_id: ID,
}

/// A measurement on the allow-list.
public struct Measurement has copy, drop, store {
    kind: u8,
    bytes: vector<u8>,
    /// What a document that the chain verifies must show, for Nitro; empty where none may.
    registers: vector<Register>,
    /// The source commit that it was built from, or another description.
    source: String,
    approved_at_ms: u64,
    /// From then on it counts.
    active_at_ms: u64,
    retired: bool,
}

/// A platform configuration register (PCR), by its index.
public struct Register has copy, drop, store {
    index: u8,
    value: vector<u8>,
}

/// An instance of the control plane.
public struct Endpoint has copy, drop, store {
    /// Unique in the cluster.
    url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    tls_key_hash: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    registered_at_ms: u64,
    /// The enclave that was registered with it, if one was.
    enclave_id: Option<ID>,
}

/// What the cluster keeps of an enclave that is not revoked.
public struct Member has copy, drop, store {
    enclave_id: ID,
    public_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    registered_at_ms: u64,
}

/// A control plane's keys, made inside the TEE. Shared.
public struct Enclave has key {
    id: UID,
    cluster_id: ID,
    /// Ed25519.
    public_key: vector<u8>,
    /// X25519, for what is encrypted to it; or empty.
    encryption_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    /// How it came in.
    proof: u8,
    registered_at_ms: u64,
    revoked: bool,
}

/// What the user data of an attestation document is the hash of (blake2b-256 of the BCS).
public struct RegistrationStatement has copy, drop {
    intent: u8,
    cluster_id: ID,
    /// Who sends the registration.
    sender: address,
    /// The cluster's `registrations`.
    nonce: u64,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
}

/// What a trusted enclave signs (as BCS, Ed25519) once it has verified another one's evidence.
public struct VouchingStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    sender: address,
    nonce: u64,
    kind: u8,
    measurement: vector<u8>,
    /// SHA-256 of the evidence that was verified.
    evidence: vector<u8>,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
}

// === Events ===

public struct ClusterCreated has copy, drop {
    cluster_id: ID,
    cap_id: ID,
    name: String,
    creator: address,
}

public struct StatusChanged has copy, drop {
    cluster_id: ID,
    status: u8,
}

public struct TermsChanged has copy, drop {
    cluster_id: ID,
    notice_ms: u64,
    quorum: u64,
    attested_only: bool,
}

public struct OwnerAdded has copy, drop {
    cluster_id: ID,
    owner: address,
}

public struct OwnerRemoved has copy, drop {
    cluster_id: ID,
    owner: address,
}

public struct MeasurementApproved has copy, drop {
    cluster_id: ID,
    kind: u8,
    measurement: vector<u8>,
    registers: vector<Register>,
    source: String,
    approved_at_ms: u64,
    active_at_ms: u64,
}

public struct MeasurementRetired has copy, drop {
    cluster_id: ID,
    kind: u8,
    measurement: vector<u8>,
    at_ms: u64,
}

public struct EndpointRegistered has copy, drop {
    cluster_id: ID,
    url: String,
    tls_key_hash: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    registered_at_ms: u64,
    enclave_id: Option<ID>,
}

public struct EndpointRemoved has copy, drop {
    cluster_id: ID,
    url: String,
    at_ms: u64,
}

public struct EnclaveRegistered has copy, drop {
    enclave_id: ID,
    cluster_id: ID,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    proof: u8,
    registered_at_ms: u64,
}

/// Its endpoints are gone with it.
public struct EnclaveRevoked has copy, drop {
    enclave_id: ID,
    cluster_id: ID,
    at_ms: u64,
}

public struct ClusterMigrated has copy, drop {
    cluster_id: ID,
    version: u64,
}

// === Clusters ===

/// Makes a cluster and the capability that governs it. The cluster must be shared in the same
/// transaction.
public fun create_cluster(name: String, ctx: &mut TxContext): (Cluster, ClusterCap) {
    assert!(is_name(&name), EInvalidName);
    let cluster = Cluster {
        id: object::new(ctx),
        version: VERSION,
        name,
        status: OPEN,
        owners: vector[ctx.sender()],
        notice_ms: 0,
        quorum: 1,
        attested_only: false,
        measurements: vector[],
        endpoints: vector[],
        members: vector[],
        registrations: 0,
        interface: option::none(),
    };
    let cap = ClusterCap { id: object::new(ctx), cluster_id: object::id(&cluster) };
    event::emit(ClusterCreated {
        cluster_id: cap.cluster_id,
        cap_id: object::id(&cap),
        name,
        creator: ctx.sender(),
    });
    (cluster, cap)
}

/// Shares a new cluster.
#[allow(lint(share_owned))]
public fun share_cluster(cluster: Cluster) {
    transfer::share_object(cluster);
}

/// Opens, suspends or closes the cluster. What is closed stays closed.
public fun set_status(cap: &ClusterCap, cluster: &mut Cluster, status: u8) {
    cluster.check(cap);
    assert!(status <= CLOSED, EOutOfBounds);
    assert!(cluster.status != CLOSED, EClosed);
    assert!(cluster.status != status, EUnchanged);
    cluster.status = status;
    event::emit(StatusChanged { cluster_id: object::id(cluster), status });
}

/// Sets the terms on which measurements and enclaves come in. The notice can only get longer, and
/// whoever admits attested enclaves only can't go back.
public fun set_terms(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    notice_ms: u64,
    quorum: u64,
    attested_only: bool,
) {
    cluster.check(cap);
    assert!(notice_ms >= cluster.notice_ms && notice_ms <= LONGEST_NOTICE_MS, EOutOfBounds);
    assert!(quorum >= 1 && quorum <= MOST_ENCLAVES, EOutOfBounds);
    assert!(attested_only || !cluster.attested_only, EOutOfBounds);
    cluster.notice_ms = notice_ms;
    cluster.quorum = quorum;
    cluster.attested_only = attested_only;
    event::emit(TermsChanged {
        cluster_id: object::id(cluster),
        notice_ms,
        quorum,
        attested_only,
    });
}

/// Adds an owner.
public fun add_owner(cap: &ClusterCap, cluster: &mut Cluster, owner: address) {
    cluster.check(cap);
    assert!(!cluster.owners.contains(&owner), EUnchanged);
    assert!(cluster.owners.length() < MOST_OWNERS, EFull);
    cluster.owners.push_back(owner);
    event::emit(OwnerAdded { cluster_id: object::id(cluster), owner });
}

/// Removes an owner.
public fun remove_owner(cap: &ClusterCap, cluster: &mut Cluster, owner: address) {
    cluster.check(cap);
    let (found, index) = cluster.owners.index_of(&owner);
    assert!(found, EUnchanged);
    cluster.owners.remove(index);
    event::emit(OwnerRemoved { cluster_id: object::id(cluster), owner });
}

// === The allow-list ===

/// Puts a measurement on the allow-list, or brings a retired one back. It counts from `active_at_ms`
/// on, or from the end of the cluster's notice where that is later.
public fun approve_measurement(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
    source: String,
    active_at_ms: u64,
    clock: &Clock,
) {
    cluster.approve(cap, kind, measurement, vector[], source, active_at_ms, clock);
}

/// The same for an image of a Nitro enclave, with the registers that its attestation documents must
/// show, by index: PCR 0, 1 and 2, and whichever others (8: the signer) are given.
public fun approve_image(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    measurement: vector<u8>,
    indices: vector<u8>,
    values: vector<vector<u8>>,
    source: String,
    active_at_ms: u64,
    clock: &Clock,
) {
    let count = indices.length();
    assert!(count == values.length() && count <= MOST_REGISTERS, EInvalidMeasurement);
    let mut registers = vector<Register>[];
    count.do!(|at| {
        let (index, value) = (indices[at], values[at]);
        assert!(!registers.any!(|known| known.index == index), EInvalidMeasurement);
        assert!(value.length() == REGISTER_LENGTH, EInvalidMeasurement);
        registers.push_back(Register { index, value });
    });
    // A debug enclave shows zeros.
    3u8.do!(|index| {
        let shown = registers.any!(|known| {
            known.index == index && known.value.any!(|byte| *byte != 0)
        });
        assert!(shown, EInvalidMeasurement);
    });
    cluster.approve(cap, NITRO, measurement, registers, source, active_at_ms, clock);
}

/// Takes a measurement off the allow-list. Endpoints and enclaves that run it stay listed and are no
/// longer to be trusted, not even when it is brought back.
public fun retire_measurement(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
    clock: &Clock,
) {
    cluster.check(cap);
    let found = cluster.find_measurement(kind, &measurement);
    assert!(found.is_some(), ENotApproved);
    let entry = &mut cluster.measurements[found.destroy_some()];
    assert!(!entry.retired, ENotApproved);
    entry.retired = true;
    event::emit(MeasurementRetired {
        cluster_id: object::id(cluster),
        kind,
        measurement,
        at_ms: clock.timestamp_ms(),
    });
}

// === Endpoints ===

/// Registers an instance of the control plane, or registers it anew under the same URL.
public fun register_endpoint(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    url: String,
    tls_key_hash: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    clock: &Clock,
) {
    cluster.check(cap);
    assert!(!cluster.attested_only, EAttestedOnly);
    assert!(cluster.is_active(kind, measurement, clock), ENotApproved);
    cluster.put_endpoint(url, tls_key_hash, measurement, kind, option::none(), clock);
}

/// Removes an instance.
public fun remove_endpoint(cap: &ClusterCap, cluster: &mut Cluster, url: String, clock: &Clock) {
    cluster.check(cap);
    let found = cluster.endpoints.find_index!(|endpoint| endpoint.url == url);
    assert!(found.is_some(), EUnknownEndpoint);
    cluster.endpoints.remove(found.destroy_some());
    event::emit(EndpointRemoved {
        cluster_id: object::id(cluster),
        url,
        at_ms: clock.timestamp_ms(),
    });
}

// === Enclaves ===

/// Registers the keys of an enclave that runs an allowed measurement, on the word of whoever holds
/// the capability. The result must be shared in the same transaction.
public fun register_enclave(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    cluster.check(cap);
    assert!(!cluster.attested_only, EAttestedOnly);
    cluster.admit(public_key, encryption_key, measurement, kind, BY_CAPABILITY, clock, ctx)
}

/// Registers the keys and the endpoint of an enclave for which a majority of the trusted enclaves,
/// and at least the cluster's quorum, vouch: they verified its evidence, of whatever kind of TEE.
/// The result must be shared in the same transaction. Anyone may send it whom they name.
public fun register_vouched(
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
    evidence: vector<u8>,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
    timestamp_ms: u64,
    vouchers: vector<ID>,
    signatures: vector<vector<u8>>,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    assert!(cluster.version == VERSION, EWrongVersion);
    check_fresh(timestamp_ms, clock);
    assert!(evidence.length() == LENGTH_OF_EVIDENCE, EInvalidEvidence);
    let statement = bcs::to_bytes(&VouchingStatement {
        intent: INTENT_VOUCHING,
        timestamp_ms,
        cluster_id: object::id(cluster),
        sender: ctx.sender(),
        nonce: cluster.registrations,
        kind,
        measurement,
        evidence,
        public_key,
        encryption_key,
        url,
        tls_key_hash,
    });
    let count = vouchers.length();
    assert!(count == signatures.length(), EUntrustedVoucher);
    count.do!(|at| {
        let voucher = vouchers[at];
        let (_, first) = vouchers.index_of(&voucher);
        let found = cluster.members.find_index!(|member| member.enclave_id == voucher);
        assert!(first == at && found.is_some(), EUntrustedVoucher);
        let member = &cluster.members[found.destroy_some()];
        assert!(cluster.trusts(member), EUntrustedVoucher);
        assert!(
            ed25519::ed25519_verify(&signatures[at], &member.public_key, &statement),
            EInvalidSignature,
        );
    });
    assert!(count >= cluster.needed(), ENoQuorum);
    let enclave =
        cluster.admit(public_key, encryption_key, measurement, kind, BY_VOUCHING, clock, ctx);
    let id = option::some(object::id(&enclave));
    cluster.put_endpoint(url, tls_key_hash, measurement, kind, id, clock);
    enclave
}

/// What follows once the chain has verified an attestation document (module `nitro`): the registers
/// must be those of an allowed image, and the user data the hash of this registration.
public(package) fun register_attested(
    cluster: &mut Cluster,
    indices: vector<u8>,
    values: vector<vector<u8>>,
    document_at_ms: u64,
    user_data: vector<u8>,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    assert!(cluster.version == VERSION, EWrongVersion);
    check_fresh(document_at_ms, clock);
    let statement = RegistrationStatement {
        intent: INTENT_REGISTRATION,
        cluster_id: object::id(cluster),
        sender: ctx.sender(),
        nonce: cluster.registrations,
        public_key,
        encryption_key,
        url,
        tls_key_hash,
    };
    assert!(user_data == hash::blake2b256(&bcs::to_bytes(&statement)), EWrongBinding);
    let now = clock.timestamp_ms();
    let found = cluster.measurements.find_index!(|entry| {
        entry.kind == NITRO && entry.counts(now) && entry.shows(&indices, &values)
    });
    assert!(found.is_some(), ENotApproved);
    let measurement = cluster.measurements[found.destroy_some()].bytes;
    let enclave =
        cluster.admit(public_key, encryption_key, measurement, NITRO, BY_ATTESTATION, clock, ctx);
    let id = option::some(object::id(&enclave));
    cluster.put_endpoint(url, tls_key_hash, measurement, NITRO, id, clock);
    enclave
}

/// Shares a new enclave.
#[allow(lint(share_owned))]
public fun share_enclave(enclave: Enclave) {
    transfer::share_object(enclave);
}

/// Nothing that the key signed counts any longer, and its endpoints are gone.
public fun revoke_enclave(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    enclave: &mut Enclave,
    clock: &Clock,
) {
    cluster.check(cap);
    assert!(enclave.cluster_id == object::id(cluster), EWrongCluster);
    assert!(!enclave.revoked, EAlreadyRevoked);
    enclave.revoked = true;
    let enclave_id = object::id(enclave);
    cluster.members = cluster.members.filter!(|member| member.enclave_id != enclave_id);
    let id = option::some(enclave_id);
    cluster.endpoints = cluster.endpoints.filter!(|endpoint| endpoint.enclave_id != id);
    event::emit(EnclaveRevoked {
        enclave_id,
        cluster_id: enclave.cluster_id,
        at_ms: clock.timestamp_ms(),
    });
}

/// Hands the cluster to this version of the package and shuts the older ones out.
public fun migrate(cap: &ClusterCap, cluster: &mut Cluster) {
    assert!(cap.cluster_id == object::id(cluster), EWrongCluster);
    assert!(cluster.version < VERSION, ENotAnUpgrade);
    cluster.version = VERSION;
    event::emit(ClusterMigrated { cluster_id: object::id(cluster), version: VERSION });
}

// === Views ===

/// Whether what the enclave signs counts: it is of the cluster, not revoked, and was registered
/// under the present approval of its measurement.
public fun is_trusted(cluster: &Cluster, enclave: &Enclave): bool {
    enclave.cluster_id == object::id(cluster) &&
    !enclave.revoked &&
    cluster.allows(enclave.kind, &enclave.measurement, enclave.registered_at_ms)
}

/// Whether a measurement is on the allow-list, not retired, and counts by now.
public fun is_active(cluster: &Cluster, kind: u8, measurement: vector<u8>, clock: &Clock): bool {
    cluster.allows(kind, &measurement, clock.timestamp_ms())
}

/// The endpoints that run an allowed measurement and were registered under its present approval.
public fun discover(cluster: &Cluster): vector<Endpoint> {
    cluster.endpoints.filter!(|endpoint| {
        cluster.allows(endpoint.kind, &endpoint.measurement, endpoint.registered_at_ms)
    })
}

/// How many trusted enclaves must vouch for another one: a majority, and at least the quorum.
public fun needed(cluster: &Cluster): u64 {
    let trusted = cluster.members.count!(|member| cluster.trusts(member));
    (trusted / 2 + 1).max(cluster.quorum)
}

public fun name(cluster: &Cluster): String { cluster.name }

public fun is_open(cluster: &Cluster): bool { cluster.status == OPEN }

public fun is_owner(cluster: &Cluster, who: address): bool { cluster.owners.contains(&who) }

public fun registrations(cluster: &Cluster): u64 { cluster.registrations }

public fun url(endpoint: &Endpoint): String { endpoint.url }

public fun tls_key_hash(endpoint: &Endpoint): vector<u8> { endpoint.tls_key_hash }

public fun measurement(enclave: &Enclave): vector<u8> { enclave.measurement }

public fun public_key(enclave: &Enclave): vector<u8> { enclave.public_key }

public fun encryption_key(enclave: &Enclave): vector<u8> { enclave.encryption_key }

// === For the package ===

/// Aborts unless the cluster is of this version and the capability is its.
public(package) fun check(cluster: &Cluster, cap: &ClusterCap) {
    assert!(cluster.version == VERSION, EWrongVersion);
    assert!(cap.cluster_id == object::id(cluster), EWrongCluster);
}

/// Whether the cluster has an interface already.
public(package) fun has_interface(cluster: &Cluster): bool { cluster.interface.is_some() }

public(package) fun set_interface(cluster: &mut Cluster, id: ID) {
    cluster.interface = option::some(id);
}

// === Inside ===

fun approve(
    cluster: &mut Cluster,
    cap: &ClusterCap,
    kind: u8,
    measurement: vector<u8>,
    registers: vector<Register>,
    source: String,
    active_at_ms: u64,
    clock: &Clock,
) {
    cluster.check(cap);
    assert!(kind < KINDS, EUnknownKind);
    assert!(is_measurement(&measurement), EInvalidMeasurement);
    assert!(source.length() <= LONGEST_SOURCE, ETextTooLong);
    let now = clock.timestamp_ms();
    assert!(active_at_ms <= now + LONGEST_WAIT_MS, EOutOfBounds);
    let active_at_ms = active_at_ms.max(now + cluster.notice_ms);
    let entry = Measurement {
        kind,
        bytes: measurement,
        registers,
        source,
        approved_at_ms: now,
        active_at_ms,
        retired: false,
    };
    let found = cluster.find_measurement(kind, &measurement);
    if (found.is_some()) {
        let known = &mut cluster.measurements[found.destroy_some()];
        assert!(known.retired, EAlreadyApproved);
        *known = entry;
    } else {
        assert!(cluster.measurements.length() < MOST_MEASUREMENTS, EFull);
        cluster.measurements.push_back(entry);
    };
    event::emit(MeasurementApproved {
        cluster_id: object::id(cluster),
        kind,
        measurement,
        registers,
        source,
        approved_at_ms: now,
        active_at_ms,
    });
}

fun admit(
    cluster: &mut Cluster,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    proof: u8,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    assert!(cluster.status != CLOSED, EClosed);
    assert!(public_key.length() == PUBLIC_KEY_LENGTH, EInvalidPublicKey);
    let length = encryption_key.length();
    assert!(length == 0 || length == PUBLIC_KEY_LENGTH, EInvalidEncryptionKey);
    assert!(cluster.is_active(kind, measurement, clock), ENotApproved);
    assert!(!cluster.members.any!(|member| member.public_key == public_key), EKeyInUse);
    assert!(cluster.members.length() < MOST_ENCLAVES, EFull);
    let enclave = Enclave {
        id: object::new(ctx),
        cluster_id: object::id(cluster),
        public_key,
        encryption_key,
        measurement,
        kind,
        proof,
        registered_at_ms: clock.timestamp_ms(),
        revoked: false,
    };
    let enclave_id = object::id(&enclave);
    let registered_at_ms = enclave.registered_at_ms;
    cluster.members.push_back(Member {
        enclave_id,
        public_key,
        measurement,
        kind,
        registered_at_ms,
    });
    cluster.registrations = cluster.registrations + 1;
    event::emit(EnclaveRegistered {
        enclave_id,
        cluster_id: enclave.cluster_id,
        public_key,
        encryption_key,
        measurement,
        kind,
        proof,
        registered_at_ms,
    });
    enclave
}

fun put_endpoint(
    cluster: &mut Cluster,
    url: String,
    tls_key_hash: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    enclave_id: Option<ID>,
    clock: &Clock,
) {
    assert!(url.length() > 0 && url.length() <= LONGEST_URL, EInvalidUrl);
    assert!(tls_key_hash.length() == KEY_HASH_LENGTH, EInvalidKeyHash);
    let now = clock.timestamp_ms();
    let endpoint =
        Endpoint { url, tls_key_hash, measurement, kind, registered_at_ms: now, enclave_id };
    let found = cluster.endpoints.find_index!(|endpoint| endpoint.url == url);
    if (found.is_some()) {
        *&mut cluster.endpoints[found.destroy_some()] = endpoint;
    } else {
        assert!(cluster.endpoints.length() < MOST_ENDPOINTS, EFull);
        cluster.endpoints.push_back(endpoint);
    };
    event::emit(EndpointRegistered {
        cluster_id: object::id(cluster),
        url,
        tls_key_hash,
        measurement,
        kind,
        registered_at_ms: now,
        enclave_id,
    });
}

fun check_fresh(timestamp_ms: u64, clock: &Clock) {
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= OLDEST_STATEMENT_MS,
        EStaleStatement,
    );
}

fun find_measurement(cluster: &Cluster, kind: u8, measurement: &vector<u8>): Option<u64> {
    cluster.measurements.find_index!(|entry| entry.kind == kind && &entry.bytes == measurement)
}

/// Whether the measurement counted at that time, by what the allow-list says now.
fun allows(cluster: &Cluster, kind: u8, measurement: &vector<u8>, at_ms: u64): bool {
    cluster.measurements.any!(|entry| {
        entry.kind == kind && &entry.bytes == measurement && entry.counts(at_ms)
    })
}

fun counts(entry: &Measurement, at_ms: u64): bool {
    !entry.retired && at_ms >= entry.active_at_ms
}

fun trusts(cluster: &Cluster, member: &Member): bool {
    cluster.allows(member.kind, &member.measurement, member.registered_at_ms)
}

/// Whether a document with these registers is the measurement's: every one that was approved is
/// there, by its index.
fun shows(entry: &Measurement, indices: &vector<u8>, values: &vector<vector<u8>>): bool {
    !entry.registers.is_empty() && entry.registers.all!(|register| {
        let (found, at) = indices.index_of(&register.index);
        found && values[at] == register.value
    })
}

/// A SHA-256, SHA-384 or SHA-512 digest. All zero is what debug modes report.
fun is_measurement(measurement: &vector<u8>): bool {
    let length = measurement.length();
    (length == 32 || length == 48 || length == 64) && measurement.any!(|byte| *byte != 0)
}

/// Lower-case letters, digits and `-`.
fun is_name(name: &String): bool {
    let bytes = name.as_bytes();
    bytes.length() > 0 && bytes.length() <= LONGEST_NAME &&
    bytes.all!(|byte| {
        let byte = *byte;
        (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2d
    })
}

// === Tests ===

#[test_only]
public fun set_version_for_testing(cluster: &mut Cluster, version: u64) {
    cluster.version = version;
}

#[test_only]
public fun registration_for_testing(
    cluster: &Cluster,
    sender: address,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
): vector<u8> {
    hash::blake2b256(
        &bcs::to_bytes(
            &RegistrationStatement {
                intent: INTENT_REGISTRATION,
                cluster_id: object::id(cluster),
                sender,
                nonce: cluster.registrations,
                public_key,
                encryption_key,
                url,
                tls_key_hash,
            },
        ),
    )
}

#[test_only]
public fun proof_for_testing(enclave: &Enclave): u8 { enclave.proof }
