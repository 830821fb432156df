// SPDX-License-Identifier: Apache-2.0

/// Anchors of the control planes' sealed states.
///
/// A trusted enclave signs where its cluster's log stands: key epoch, leader's term, revision and
/// state root. Anyone may bring the statement here. What is kept only grows, so whoever starts a
/// control plane on an older disk is found out.
module k3s_daas::anchors;

use k3s_daas::enclave_registry::{Cluster, Enclave};
use k3s_daas::staking::AdminCap;
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
/// The enclave is another cluster's, revoked, or runs what is no longer allowed.
const EUntrustedEnclave: u64 = 1;
/// The signature is not the enclave's over this statement.
const EInvalidSignature: u64 = 2;
/// The statement is from the future or too old.
const EStaleStatement: u64 = 3;
/// The root is not 32 bytes.
const EInvalidRoot: u64 = 4;
/// The state is not newer than the one that is anchored.
const ENotNewer: u64 = 5;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 6;
/// A rule is out of its bounds.
const EOutOfBounds: u64 = 7;

// === Intent and bounds ===

/// Apart from the intents of `slashing`.
const INTENT_ANCHOR: u8 = 3;
/// Bounds of how old a statement may be.
const LEAST_STATEMENT_MS: u64 = 60_000;
const GREATEST_STATEMENT_MS: u64 = 86_400_000;
const ROOT_LENGTH: u64 = 32;

// === Objects ===

/// All anchors. Shared.
public struct Anchors has key {
    id: UID,
    version: u64,
    /// By cluster.
    latest: Table<ID, Anchor>,
    /// How old a statement may be.
    oldest_statement_ms: u64,
}

/// Where a cluster's state stood.
public struct Anchor has copy, drop, store {
    /// Of the sealing keys.
    epoch: u64,
    /// Of the leader.
    term: u64,
    revision: u64,
    root: vector<u8>,
    /// What the enclave runs that signed it.
    measurement: vector<u8>,
    anchored_at_ms: u64,
    /// How many there were before.
    sequence: u64,
}

/// What an enclave signs, as BCS.
public struct AnchorStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    epoch: u64,
    term: u64,
    revision: u64,
    root: vector<u8>,
}

// === Events ===

public struct AnchorsCreated has copy, drop {
    anchors_id: ID,
    oldest_statement_ms: u64,
}

public struct OldestStatementChanged has copy, drop {
    anchors_id: ID,
    oldest_statement_ms: u64,
}

public struct StateAnchored has copy, drop {
    cluster_id: ID,
    enclave_id: ID,
    epoch: u64,
    term: u64,
    revision: u64,
    root: vector<u8>,
    measurement: vector<u8>,
    anchored_at_ms: u64,
    sequence: u64,
}

public struct AnchorsMigrated has copy, drop {
    anchors_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let anchors = Anchors {
        id: object::new(ctx),
        version: VERSION,
        latest: table::new(ctx),
        oldest_statement_ms: 600_000,
    };
    event::emit(AnchorsCreated {
        anchors_id: object::id(&anchors),
        oldest_statement_ms: anchors.oldest_statement_ms,
    });
    transfer::share_object(anchors);
}

/// Anchors a cluster's state on an enclave's statement. In one epoch the revision grows and the term
/// does not fall; a new epoch (new sealing keys, as after a restore) may begin anywhere.
public fun anchor(
    anchors: &mut Anchors,
    cluster: &Cluster,
    enclave: &Enclave,
    epoch: u64,
    term: u64,
    revision: u64,
    root: vector<u8>,
    timestamp_ms: u64,
    signature: vector<u8>,
    clock: &Clock,
) {
    assert!(anchors.version == VERSION, EWrongVersion);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= anchors.oldest_statement_ms,
        EStaleStatement,
    );
    assert!(root.length() == ROOT_LENGTH, EInvalidRoot);
    let cluster_id = object::id(cluster);
    let statement = bcs::to_bytes(&AnchorStatement {
        intent: INTENT_ANCHOR,
        timestamp_ms,
        cluster_id,
        epoch,
        term,
        revision,
        root,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );

    let mut anchor = Anchor {
        epoch,
        term,
        revision,
        root,
        measurement: enclave.measurement(),
        anchored_at_ms: now,
        sequence: 0,
    };
    if (anchors.latest.contains(cluster_id)) {
        let latest = &mut anchors.latest[cluster_id];
        assert!(anchor.is_newer_than(latest), ENotNewer);
        anchor.sequence = latest.sequence + 1;
        *latest = anchor;
    } else {
        anchors.latest.add(cluster_id, anchor);
    };
    event::emit(StateAnchored {
        cluster_id,
        enclave_id: object::id(enclave),
        epoch,
        term,
        revision,
        root,
        measurement: anchor.measurement,
        anchored_at_ms: now,
        sequence: anchor.sequence,
    });
}

/// Hands the anchors to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, anchors: &mut Anchors) {
    assert!(anchors.version < VERSION, ENotAnUpgrade);
    anchors.version = VERSION;
    event::emit(AnchorsMigrated { anchors_id: object::id(anchors), version: VERSION });
}

/// Sets how old a statement may be, from `params`.
public(package) fun set_oldest_statement(anchors: &mut Anchors, oldest_statement_ms: u64) {
    assert!(anchors.version == VERSION, EWrongVersion);
    assert!(
        oldest_statement_ms >= LEAST_STATEMENT_MS &&
        oldest_statement_ms <= GREATEST_STATEMENT_MS,
        EOutOfBounds,
    );
    anchors.oldest_statement_ms = oldest_statement_ms;
    event::emit(OldestStatementChanged { anchors_id: object::id(anchors), oldest_statement_ms });
}

fun is_newer_than(anchor: &Anchor, latest: &Anchor): bool {
    anchor.epoch > latest.epoch ||
    (anchor.epoch == latest.epoch &&
     anchor.term >= latest.term &&
     anchor.revision > latest.revision)
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(anchors: &mut Anchors, version: u64) {
    anchors.version = version;
}

#[test_only]
public fun latest_for_testing(anchors: &Anchors, cluster_id: ID): Anchor {
    anchors.latest[cluster_id]
}

#[test_only]
public fun is_newer_for_testing(old: vector<u64>, new: vector<u64>): bool {
    at(new).is_newer_than(&at(old))
}

#[test_only]
fun at(fields: vector<u64>): Anchor {
    Anchor {
        epoch: fields[0],
        term: fields[1],
        revision: fields[2],
        root: vector[],
        measurement: vector[],
        anchored_at_ms: 0,
        sequence: 0,
    }
}
