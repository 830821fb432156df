// SPDX-License-Identifier: Apache-2.0

/// Clusters: what their control planes may run, and where they are.
///
/// Whoever talks to a control plane reads its cluster here: the allow-list of measurements, and the
/// registered endpoints with the hash of their TLS keys. A cluster is governed by its own
/// capability alone.
module k3s_daas::enclave_registry;

use std::string::String;
use sui::clock::Clock;
use sui::event;

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
/// The measurement has no valid length or is all zero.
const EInvalidMeasurement: u64 = 4;
/// The measurement is already allowed.
const EAlreadyApproved: u64 = 5;
/// The measurement is not on the allow-list, or is retired.
const ENotApproved: u64 = 6;
/// The allow-list or the list of endpoints is full.
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

// === Kinds and bounds ===

/// Simulated, Nitro, SEV-SNP, TDX, SGX, TPM: 0 to 5.
const KINDS: u8 = 6;

const LONGEST_NAME: u64 = 63;
const LONGEST_SOURCE: u64 = 256;
const LONGEST_URL: u64 = 256;
const KEY_HASH_LENGTH: u64 = 32;
const PUBLIC_KEY_LENGTH: u64 = 32;
const MOST_MEASUREMENTS: u64 = 64;
const MOST_ENDPOINTS: u64 = 32;

// === Objects ===

/// A cluster. Shared.
public struct Cluster has key {
    id: UID,
    version: u64,
    name: String,
    /// Retired ones included, in the order of approval.
    measurements: vector<Measurement>,
    endpoints: vector<Endpoint>,
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
    /// The source commit that it was built from, or another description.
    source: String,
    approved_at_ms: u64,
    retired: bool,
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
}

/// A control plane's signing key, made inside the TEE. Shared.
public struct Enclave has key {
    id: UID,
    cluster_id: ID,
    /// Ed25519.
    public_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    registered_at_ms: u64,
    revoked: bool,
}

// === Events ===

public struct ClusterCreated has copy, drop {
    cluster_id: ID,
    cap_id: ID,
    name: String,
    creator: address,
}

public struct MeasurementApproved has copy, drop {
    cluster_id: ID,
    kind: u8,
    measurement: vector<u8>,
    source: String,
    approved_at_ms: u64,
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
    measurement: vector<u8>,
    kind: u8,
    registered_at_ms: u64,
}

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
        measurements: vector[],
        endpoints: vector[],
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

// === The allow-list ===

/// Puts a measurement on the allow-list, or brings a retired one back.
public fun approve_measurement(
    cap: &ClusterCap,
    cluster: &mut Cluster,
    kind: u8,
    measurement: vector<u8>,
    source: String,
    clock: &Clock,
) {
    cluster.check(cap);
    assert!(kind < KINDS, EUnknownKind);
    assert!(is_measurement(&measurement), EInvalidMeasurement);
    assert!(source.length() <= LONGEST_SOURCE, ETextTooLong);
    let now = clock.timestamp_ms();
    let found = cluster.find_measurement(kind, &measurement);
    if (found.is_some()) {
        let entry = &mut cluster.measurements[found.destroy_some()];
        assert!(entry.retired, EAlreadyApproved);
        entry.retired = false;
        entry.source = source;
        entry.approved_at_ms = now;
    } else {
        assert!(cluster.measurements.length() < MOST_MEASUREMENTS, EFull);
        cluster.measurements.push_back(Measurement {
            kind,
            bytes: measurement,
            source,
            approved_at_ms: now,
            retired: false,
        });
    };
    event::emit(MeasurementApproved {
        cluster_id: object::id(cluster),
        kind,
        measurement,
        source,
        approved_at_ms: now,
    });
}

/// Takes a measurement off the allow-list. Endpoints that run it stay listed and are no longer to
/// be trusted.
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
    assert!(url.length() > 0 && url.length() <= LONGEST_URL, EInvalidUrl);
    assert!(tls_key_hash.length() == KEY_HASH_LENGTH, EInvalidKeyHash);
    assert!(cluster.is_allowed(kind, measurement), ENotApproved);
    let now = clock.timestamp_ms();
    let endpoint = Endpoint { url, tls_key_hash, measurement, kind, registered_at_ms: now };
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
    });
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

// === Signing keys ===

/// Registers the signing key of an enclave that runs an allowed measurement. The result must be
/// shared in the same transaction.
public fun register_enclave(
    cap: &ClusterCap,
    cluster: &Cluster,
    public_key: vector<u8>,
    measurement: vector<u8>,
    kind: u8,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    cluster.check(cap);
    assert!(public_key.length() == PUBLIC_KEY_LENGTH, EInvalidPublicKey);
    assert!(cluster.is_allowed(kind, measurement), ENotApproved);
    let enclave = Enclave {
        id: object::new(ctx),
        cluster_id: object::id(cluster),
        public_key,
        measurement,
        kind,
        registered_at_ms: clock.timestamp_ms(),
        revoked: false,
    };
    event::emit(EnclaveRegistered {
        enclave_id: object::id(&enclave),
        cluster_id: enclave.cluster_id,
        public_key,
        measurement,
        kind,
        registered_at_ms: enclave.registered_at_ms,
    });
    enclave
}

/// Shares a new enclave.
#[allow(lint(share_owned))]
public fun share_enclave(enclave: Enclave) {
    transfer::share_object(enclave);
}

/// Nothing that the key signed counts any longer.
public fun revoke_enclave(
    cap: &ClusterCap,
    cluster: &Cluster,
    enclave: &mut Enclave,
    clock: &Clock,
) {
    cluster.check(cap);
    assert!(enclave.cluster_id == object::id(cluster), EWrongCluster);
    assert!(!enclave.revoked, EAlreadyRevoked);
    enclave.revoked = true;
    event::emit(EnclaveRevoked {
        enclave_id: object::id(enclave),
        cluster_id: enclave.cluster_id,
        at_ms: clock.timestamp_ms(),
    });
}

/// Whether what the enclave signs counts: it is of the cluster, not revoked, and its measurement is
/// still allowed.
public fun is_trusted(cluster: &Cluster, enclave: &Enclave): bool {
    enclave.cluster_id == object::id(cluster) &&
    !enclave.revoked &&
    cluster.is_allowed(enclave.kind, enclave.measurement)
}

public fun measurement(enclave: &Enclave): vector<u8> { enclave.measurement }

public fun public_key(enclave: &Enclave): vector<u8> { enclave.public_key }

/// Hands the cluster to this version of the package and shuts the older ones out.
public fun migrate(cap: &ClusterCap, cluster: &mut Cluster) {
    assert!(cap.cluster_id == object::id(cluster), EWrongCluster);
    assert!(cluster.version < VERSION, ENotAnUpgrade);
    cluster.version = VERSION;
    event::emit(ClusterMigrated { cluster_id: object::id(cluster), version: VERSION });
}

// === Views ===

/// Whether a measurement is on the allow-list and not retired.
public fun is_allowed(cluster: &Cluster, kind: u8, measurement: vector<u8>): bool {
    cluster
        .measurements
        .any!(|entry| entry.kind == kind && entry.bytes == measurement && !entry.retired)
}

public fun name(cluster: &Cluster): String { cluster.name }

// === Inside ===

fun check(cluster: &Cluster, cap: &ClusterCap) {
    assert!(cluster.version == VERSION, EWrongVersion);
    assert!(cap.cluster_id == object::id(cluster), EWrongCluster);
}

fun find_measurement(cluster: &Cluster, kind: u8, measurement: &vector<u8>): Option<u64> {
    cluster.measurements.find_index!(|entry| entry.kind == kind && &entry.bytes == measurement)
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
