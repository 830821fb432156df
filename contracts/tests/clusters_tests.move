// SPDX-License-Identifier: Apache-2.0

/// How clusters are owned and governed, and how enclaves come in.
#[test_only]
module k3s_daas::clusters_tests;

use k3s_daas::enclave_registry::{
    Self,
    Cluster,
    ClusterCap,
    Enclave,
    EnclaveRegistered,
    OwnerAdded,
    OwnerRemoved,
    StatusChanged,
    TermsChanged
};
use k3s_daas::fixture::{begin, bytes, day, World};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

// Ed25519 by the key whose seed is 32 times 0x07, over the statement of `vouch`.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const SIGNATURE: vector<u8> =
    x"f8e53b4377ce2b4630afa0ff9de2bae55de1f9f9c000071ccc5fd4ebb1fa029b3805f8e474718a6d2ab4db544e7f2c00530baddad4d1693ce4e41fe278534e0a";
const AT: u64 = 1_000_000;
const BOB: address = @0xB;

fun m(byte: u8): vector<u8> { bytes(48, byte) }

/// A cluster with an allowed measurement, and an enclave that runs it.
fun start(): (World, Cluster, ClusterCap, Enclave) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, m(1));
    let enclave = world.enclave(&cap, &mut cluster, KEY, m(1));
    (world, cluster, cap, enclave)
}

fun finish(world: World, cluster: Cluster, cap: ClusterCap, enclave: Enclave) {
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    world.end();
}

// === Owners, status, terms ===

#[test]
fun owners_status_and_terms_are_the_capabilitys() {
    let (world, mut cluster, cap, enclave) = start();
    assert!(cluster.is_open() && cluster.is_owner(@0xAD) && !cluster.is_owner(BOB));
    cap.add_owner(&mut cluster, BOB);
    assert!(cluster.is_owner(BOB));
    cap.remove_owner(&mut cluster, @0xAD);
    assert!(!cluster.is_owner(@0xAD));
    cap.set_status(&mut cluster, 1);
    assert!(!cluster.is_open());
    cap.set_status(&mut cluster, 0);
    assert!(cluster.is_open());
    cap.set_terms(&mut cluster, day(), 2, true);
    assert_eq!(cluster.needed(), 2);
    cap.set_terms(&mut cluster, day(), 1, true);
    assert_eq!(cluster.needed(), 1);
    assert_eq!(cluster.registrations(), 1);
    assert_eq!(enclave.encryption_key(), bytes(32, 5));
    assert_eq!(events_by_type<OwnerAdded>().length(), 1);
    assert_eq!(events_by_type<OwnerRemoved>().length(), 1);
    assert_eq!(events_by_type<StatusChanged>().length(), 2);
    assert_eq!(events_by_type<TermsChanged>().length(), 2);
    finish(world, cluster, cap, enclave);
}

#[test, expected_failure(abort_code = enclave_registry::EUnchanged)]
fun adding_an_owner_twice_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.add_owner(&mut cluster, @0xAD);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUnchanged)]
fun removing_who_is_no_owner_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.remove_owner(&mut cluster, BOB);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EFull)]
fun a_seventeenth_owner_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    16u256.do!(|n| cap.add_owner(&mut cluster, sui::address::from_u256(0x100 + n)));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun adding_an_owner_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let (_second, other) = world.cluster(b"away");
    other.add_owner(&mut cluster, BOB);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun removing_an_owner_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let (_second, other) = world.cluster(b"away");
    other.remove_owner(&mut cluster, @0xAD);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun suspending_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let (_second, other) = world.cluster(b"away");
    other.set_status(&mut cluster, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongVersion)]
fun suspending_in_another_version_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cluster.set_version_for_testing(9);
    cap.set_status(&mut cluster, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun an_unknown_status_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_status(&mut cluster, 3);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUnchanged)]
fun opening_what_is_open_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_status(&mut cluster, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EClosed)]
fun what_is_closed_stays_closed() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_status(&mut cluster, 2);
    cap.set_status(&mut cluster, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EClosed)]
fun a_closed_cluster_takes_no_enclave() {
    let (mut world, mut cluster, cap, _enclave) = start();
    cap.set_status(&mut cluster, 2);
    let _second = world.enclave(&cap, &mut cluster, bytes(32, 9), m(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun a_shorter_notice_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, day(), 1, false);
    cap.set_terms(&mut cluster, day() - 1, 1, false);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun a_notice_above_its_bound_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, 30 * day() + 1, 1, false);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun a_quorum_of_nobody_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, 0, 0, false);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun going_back_from_attested_only_aborts() {
    let (_world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, 0, 1, true);
    cap.set_terms(&mut cluster, 0, 1, false);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun setting_terms_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let (_second, other) = world.cluster(b"away");
    other.set_terms(&mut cluster, 0, 1, false);
    abort 0xdead
}

// === Activation ===

#[test]
fun a_measurement_counts_from_its_time_on() {
    let (mut world, mut cluster, cap, enclave) = start();
    let source = b"commit".to_string();
    cap.approve_measurement(&mut cluster, 0, m(2), source, AT + 5_000, world.clock());
    assert!(!cluster.is_active(0, m(2), world.clock()));
    world.advance(5_000);
    assert!(cluster.is_active(0, m(2), world.clock()));
    // The notice is waited for in any case.
    cap.set_terms(&mut cluster, day(), 1, false);
    cap.approve_measurement(&mut cluster, 0, m(3), source, 0, world.clock());
    world.advance(day() - 1);
    assert!(!cluster.is_active(0, m(3), world.clock()));
    world.advance(1);
    assert!(cluster.is_active(0, m(3), world.clock()));
    finish(world, cluster, cap, enclave);
}

#[test, expected_failure(abort_code = enclave_registry::EOutOfBounds)]
fun an_activation_in_more_than_a_year_aborts() {
    let (world, mut cluster, cap, _enclave) = start();
    let at = AT + 365 * day() + 1;
    cap.approve_measurement(&mut cluster, 0, m(2), b"".to_string(), at, world.clock());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun an_enclave_of_a_measurement_that_does_not_count_yet_aborts() {
    let (mut world, mut cluster, cap, _enclave) = start();
    let source = b"".to_string();
    cap.approve_measurement(&mut cluster, 0, m(2), source, AT + 1, world.clock());
    let _second = world.enclave(&cap, &mut cluster, bytes(32, 9), m(2));
    abort 0xdead
}

#[test]
fun what_was_registered_before_a_new_approval_is_not_trusted() {
    let (mut world, mut cluster, cap, enclave) = start();
    world.register(&cap, &mut cluster, b"https://a", bytes(32, 1), m(1));
    assert!(cluster.is_trusted(&enclave));
    assert_eq!(cluster.discover().length(), 1);
    world.advance(1);
    world.retire(&cap, &mut cluster, 0, m(1));
    assert_eq!(cluster.discover().length(), 0);
    world.approve(&cap, &mut cluster, 0, m(1));
    assert!(!cluster.is_trusted(&enclave));
    assert_eq!(cluster.discover().length(), 0);
    world.register(&cap, &mut cluster, b"https://a", bytes(32, 2), m(1));
    let found = cluster.discover();
    assert_eq!(found[0].url(), b"https://a".to_string());
    assert_eq!(found[0].tls_key_hash(), bytes(32, 2));
    finish(world, cluster, cap, enclave);
}

// === By the capability ===

#[test, expected_failure(abort_code = enclave_registry::EKeyInUse)]
fun a_key_that_a_member_has_aborts() {
    let (mut world, mut cluster, cap, _enclave) = start();
    let _second = world.enclave(&cap, &mut cluster, KEY, m(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EFull)]
fun a_thirty_third_enclave_aborts() {
    let (mut world, mut cluster, cap, _enclave) = start();
    32u8.do!(|n| destroy(world.enclave(&cap, &mut cluster, bytes(32, 100 + n), m(1))));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EAttestedOnly)]
fun the_capabilitys_word_is_not_enough_where_attested_ones_come_in_only() {
    let (mut world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, 0, 1, true);
    let _second = world.enclave(&cap, &mut cluster, bytes(32, 9), m(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EAttestedOnly)]
fun nor_is_it_for_an_endpoint() {
    let (world, mut cluster, cap, _enclave) = start();
    cap.set_terms(&mut cluster, 0, 1, true);
    world.register(&cap, &mut cluster, b"https://a", bytes(32, 1), m(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidEncryptionKey)]
fun a_short_encryption_key_aborts() {
    let (mut world, mut cluster, cap, _enclave) = start();
    let mut ctx = world.ctx(BOB);
    let _second = cap.register_enclave(
        &mut cluster,
        bytes(32, 9),
        bytes(31, 5),
        m(1),
        0,
        world.clock(),
        &mut ctx,
    );
    abort 0xdead
}

// === By attestation ===

/// An allowed image with PCR 0, 1, 2 and 8.
fun with_image(): (World, Cluster, ClusterCap, Enclave) {
    let (world, mut cluster, cap, enclave) = start();
    cap.approve_image(
        &mut cluster,
        m(7),
        vector[0, 1, 2, 8],
        vector[bytes(48, 10), bytes(48, 11), bytes(48, 12), bytes(48, 18)],
        b"commit".to_string(),
        0,
        world.clock(),
    );
    (world, cluster, cap, enclave)
}

/// A document with these registers, as the chain verified it; its user data is what it should be.
fun attest(
    world: &mut World,
    cluster: &mut Cluster,
    indices: vector<u8>,
    values: vector<vector<u8>>,
    at_ms: u64,
    user_data: Option<vector<u8>>,
): Enclave {
    let (url, hash) = (b"https://n".to_string(), bytes(32, 4));
    let right =
        cluster.registration_for_testing(BOB, bytes(32, 9), bytes(32, 5), url, hash);
    let mut ctx = world.ctx(BOB);
    cluster.register_attested(
        indices,
        values,
        at_ms,
        user_data.destroy_with_default(right),
        bytes(32, 9),
        bytes(32, 5),
        url,
        hash,
        world.clock(),
        &mut ctx,
    )
}

/// In another order than they were approved in, and with others.
fun registers(): (vector<u8>, vector<vector<u8>>) {
    (
        vector[8, 4, 2, 1, 0, 3],
        vector[
            bytes(48, 18),
            bytes(48, 0),
            bytes(48, 12),
            bytes(48, 11),
            bytes(48, 10),
            bytes(48, 0),
        ],
    )
}

#[test]
fun a_document_of_an_allowed_image_registers_what_it_is_bound_to() {
    let (mut world, mut cluster, cap, enclave) = with_image();
    cap.set_terms(&mut cluster, 0, 1, true);
    let (indices, values) = registers();
    let attested = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    assert!(cluster.is_trusted(&attested));
    assert_eq!(attested.measurement(), m(7));
    assert_eq!(attested.proof_for_testing(), 1);
    assert_eq!(cluster.discover()[0].url(), b"https://n".to_string());
    assert_eq!(cluster.registrations(), 2);
    assert_eq!(events_by_type<EnclaveRegistered>().length(), 2);
    destroy(attested);
    finish(world, cluster, cap, enclave);
}

#[test]
fun a_revoked_enclaves_endpoint_is_gone() {
    let (mut world, mut cluster, cap, enclave) = with_image();
    let (indices, values) = registers();
    let mut attested = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    world.revoke_enclave(&cap, &mut cluster, &mut attested);
    assert_eq!(cluster.discover().length(), 0);
    assert!(!cluster.is_trusted(&attested));
    destroy(attested);
    finish(world, cluster, cap, enclave);
}

#[test, expected_failure(abort_code = enclave_registry::EWrongBinding)]
fun a_document_for_another_sender_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let url = b"https://n".to_string();
    let other = cluster.registration_for_testing(
        @0xC,
        bytes(32, 9),
        bytes(32, 5),
        url,
        bytes(32, 4),
    );
    let (indices, values) = registers();
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT, option::some(other));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongBinding)]
fun a_document_that_was_used_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let url = b"https://n".to_string();
    let used = cluster.registration_for_testing(
        BOB,
        bytes(32, 9),
        bytes(32, 5),
        url,
        bytes(32, 4),
    );
    let (indices, values) = registers();
    let _first = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT, option::some(used));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EStaleStatement)]
fun an_old_document_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    world.advance(600_001);
    let (indices, values) = registers();
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EStaleStatement)]
fun a_document_of_the_future_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let (indices, values) = registers();
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT + 1, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun a_register_with_another_value_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let (indices, mut values) = registers();
    *&mut values[0] = bytes(48, 19);
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun registers_are_matched_by_index_not_by_position() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let values = vector[bytes(48, 10), bytes(48, 11), bytes(48, 12), bytes(48, 18)];
    let swapped = vector[1, 0, 2, 8];
    let _enclave = attest(&mut world, &mut cluster, swapped, values, AT, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun a_missing_register_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let values = vector[bytes(48, 10), bytes(48, 11), bytes(48, 12)];
    let _enclave = attest(&mut world, &mut cluster, vector[0, 1, 2], values, AT, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun a_debug_enclave_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let (indices, _) = registers();
    let zeros = vector::tabulate!(6, |_| bytes(48, 0));
    let _enclave = attest(&mut world, &mut cluster, indices, zeros, AT, option::none());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongVersion)]
fun attesting_in_another_version_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    cluster.set_version_for_testing(9);
    let (indices, values) = registers();
    let _enclave = attest(&mut world, &mut cluster, indices, values, AT, option::none());
    abort 0xdead
}

fun approve_image(indices: vector<u8>, values: vector<vector<u8>>) {
    let (world, mut cluster, cap, enclave) = start();
    let source = b"".to_string();
    cap.approve_image(&mut cluster, m(7), indices, values, source, 0, world.clock());
    finish(world, cluster, cap, enclave);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_image_of_zeros_aborts() {
    approve_image(vector[0, 1, 2], vector[bytes(48, 0), bytes(48, 0), bytes(48, 0)]);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_image_without_pcr_2_aborts() {
    approve_image(vector[0, 1, 8], vector[bytes(48, 1), bytes(48, 1), bytes(48, 1)]);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_image_with_a_register_twice_aborts() {
    approve_image(vector[0, 1, 2, 2], vector::tabulate!(4, |_| bytes(48, 1)));
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_image_with_a_short_register_aborts() {
    approve_image(vector[0, 1, 2], vector[bytes(48, 1), bytes(48, 1), bytes(47, 1)]);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_image_with_a_value_too_few_aborts() {
    approve_image(vector[0, 1, 2], vector[bytes(48, 1), bytes(48, 1)]);
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun approving_an_image_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let (_second, other) = world.cluster(b"away");
    let values = vector::tabulate!(3, |_| bytes(48, 1));
    let source = b"".to_string();
    other.approve_image(&mut cluster, m(7), vector[0, 1, 2], values, source, 0, world.clock());
    abort 0xdead
}

// === By vouching ===

fun vouch(
    world: &mut World,
    cluster: &mut Cluster,
    evidence: vector<u8>,
    timestamp_ms: u64,
    vouchers: vector<ID>,
    signatures: vector<vector<u8>>,
): Enclave {
    let mut ctx = world.ctx(BOB);
    cluster.register_vouched(
        0,
        m(1),
        evidence,
        bytes(32, 9),
        bytes(32, 5),
        b"https://v".to_string(),
        bytes(32, 4),
        timestamp_ms,
        vouchers,
        signatures,
        world.clock(),
        &mut ctx,
    )
}

#[test]
fun a_majority_lets_another_enclave_in() {
    let (mut world, mut cluster, cap, enclave) = start();
    cap.set_terms(&mut cluster, 0, 1, true);
    assert_eq!(cluster.needed(), 1);
    let ids = vector[object::id(&enclave)];
    let second = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    assert!(cluster.is_trusted(&second));
    assert_eq!(second.proof_for_testing(), 2);
    assert_eq!(cluster.discover()[0].url(), b"https://v".to_string());
    // Of two, both.
    assert_eq!(cluster.needed(), 2);
    destroy(second);
    finish(world, cluster, cap, enclave);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidSignature)]
fun a_replayed_vouching_aborts() {
    let (mut world, mut cluster, cap, enclave) = start();
    let ids = vector[object::id(&enclave)];
    let mut second = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    world.revoke_enclave(&cap, &mut cluster, &mut second);
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidSignature)]
fun a_vouching_for_other_evidence_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 8), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENoQuorum)]
fun nobodys_vouching_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, vector[], vector[]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENoQuorum)]
fun fewer_than_the_quorum_abort() {
    let (mut world, mut cluster, cap, enclave) = start();
    cap.set_terms(&mut cluster, 0, 2, false);
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUntrustedVoucher)]
fun vouching_twice_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    let id = object::id(&enclave);
    let signatures = vector[SIGNATURE, SIGNATURE];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, vector[id, id], signatures);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUntrustedVoucher)]
fun a_voucher_of_elsewhere_aborts() {
    let (mut world, mut cluster, _cap, _enclave) = start();
    let id = object::id(&cluster);
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, vector[id], vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUntrustedVoucher)]
fun a_voucher_that_runs_what_is_retired_aborts() {
    let (mut world, mut cluster, cap, enclave) = start();
    world.retire(&cap, &mut cluster, 0, m(1));
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUntrustedVoucher)]
fun a_voucher_without_a_signature_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EStaleStatement)]
fun an_old_vouching_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    world.advance(600_001);
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidEvidence)]
fun evidence_without_a_digest_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(31, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongVersion)]
fun vouching_in_another_version_aborts() {
    let (mut world, mut cluster, _cap, enclave) = start();
    cluster.set_version_for_testing(9);
    let ids = vector[object::id(&enclave)];
    let _enclave = vouch(&mut world, &mut cluster, bytes(32, 6), AT, ids, vector[SIGNATURE]);
    abort 0xdead
}

// === In the thin wrapper ===

/// The test runner has no verification of documents, as networks that have not enabled it.
#[test, expected_failure(abort_code = 0, location = sui::nitro_attestation)]
fun a_document_that_the_chain_does_not_verify_registers_nothing() {
    let (mut world, mut cluster, _cap, _enclave) = with_image();
    let document =
        sui::nitro_attestation::load_nitro_attestation(x"84", world.clock());
    let mut ctx = world.ctx(BOB);
    let _enclave = k3s_daas::nitro::register(
        &mut cluster,
        document,
        bytes(32, 9),
        bytes(32, 5),
        b"https://n".to_string(),
        bytes(32, 4),
        world.clock(),
        &mut ctx,
    );
    abort 0xdead
}
