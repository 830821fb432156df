// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::k8s_interface_tests;

use k3s_daas::enclave_registry::{Self, Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, day, sui, World};
use k3s_daas::k8s_interface::{
    Self,
    FeesWithdrawn,
    Interface,
    InterfaceChanged,
    InterfaceCreated,
    InterfaceMigrated,
    PermissionGranted,
    PermissionRevoked,
    Request,
    RequestAnswered,
    RequestRefunded,
    RequestSubmitted
};
use k3s_daas::staking::Stake;
use std::unit_test::{assert_eq, destroy};
use sui::coin;
use sui::event::events_by_type;
use sui::hash;
use sui::sui::SUI;
use sui::test_scenario;

const OWNER: address = @0xAD;
const ALICE: address = @0xA;
const BOB: address = @0xB;
const FEE: u64 = 1_000;
const TIMEOUT: u64 = 60_000;
const PAYLOAD: vector<u8> = x"010203";
// Ed25519 by the key whose seed is 32 times 0x07, over the answer to the request of `asked`.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const SIGNATURE: vector<u8> =
    x"4dd5fc8e8c7ed2d39caa942483c92018ff7e55be2349b6c9317b7b97966ca02c496edc502607beabcd85205bd04ef843dc736aa38fd7eb80ec2200ee4f46330b";

public struct Setup {
    world: World,
    cluster: Cluster,
    cap: ClusterCap,
    enclave: Enclave,
    interface: Interface,
    /// Alice's, in the user tier.
    stake: Stake,
}

/// A cluster with an interface, an enclave, and a user who may do everything in `web`.
fun start(): Setup {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let enclave = world.enclave(&cap, &mut cluster, KEY, bytes(48, 1));
    let stake = world.stake(ALICE, sui(), 1);
    let mut ctx = world.ctx(OWNER);
    let mut interface =
        k8s_interface::create_interface(&cap, &mut cluster, FEE, TIMEOUT, 100, &mut ctx);
    let until = world.now() + day();
    interface.grant(&cluster, ALICE, b"web".to_string(), 7, until, world.clock(), &ctx);
    Setup { world, cluster, cap, enclave, interface, stake }
}

fun submit_as(
    setup: &mut Setup,
    sender: address,
    namespace: vector<u8>,
    verb: u64,
    payload: vector<u8>,
    digest: vector<u8>,
    fee: u64,
): Request {
    let mut ctx = setup.world.ctx(sender);
    let coin = coin::mint_for_testing<SUI>(fee, &mut ctx);
    setup.interface.submit(
        &setup.cluster,
        setup.world.gateway(),
        setup.world.pool(),
        &setup.stake,
        &setup.enclave,
        namespace.to_string(),
        verb,
        payload,
        digest,
        coin,
        setup.world.clock(),
        &mut ctx,
    )
}

fun submit(setup: &mut Setup): Request {
    setup.submit_as(ALICE, b"web", 1, PAYLOAD, hash::blake2b256(&PAYLOAD), FEE)
}


fun asked(): (Setup, Request) {
    let mut setup = start();
    let request = setup.submit();
    (setup, request)
}

fun answer(setup: &mut Setup, request: &mut Request, result: vector<u8>, signature: vector<u8>) {
    setup.interface.answer(
        request,
        &setup.cluster,
        &setup.enclave,
        200,
        result,
        signature,
        setup.world.clock(),
    );
}

fun refund(setup: &mut Setup, request: &mut Request) {
    let mut ctx = setup.world.ctx(BOB);
    setup.interface.refund(request, setup.world.clock(), &mut ctx);
}

fun give(
    setup: &mut Setup,
    sender: address,
    user: address,
    namespace: vector<u8>,
    verbs: u64,
    until: u64,
) {
    let ctx = setup.world.ctx(sender);
    let clock = setup.world.clock();
    let namespace = namespace.to_string();
    setup.interface.grant(&setup.cluster, user, namespace, verbs, until, clock, &ctx);
}

fun take(setup: &mut Setup, sender: address, user: address, namespace: vector<u8>) {
    let ctx = setup.world.ctx(sender);
    setup.interface.revoke(&setup.cluster, user, namespace.to_string(), &ctx);
}

#[test]
fun a_request_is_answered_and_its_fee_earned() {
    let (mut setup, mut request) = asked();
    assert_eq!(request.request_status(), 0);
    assert_eq!(setup.interface.fee(), FEE);
    setup.answer(&mut request, bytes(32, 7), SIGNATURE);
    assert_eq!(request.request_status(), 1);
    assert_eq!(request.request_result(), bytes(32, 7));
    assert_eq!(setup.interface.earned(), FEE);
    let mut ctx = setup.world.ctx(OWNER);
    let coin = k8s_interface::withdraw_fees(
        &setup.cap,
        &setup.cluster,
        &mut setup.interface,
        FEE,
        &mut ctx,
    );
    assert_eq!(coin.value(), FEE);
    assert_eq!(setup.interface.earned(), 0);
    assert_eq!(events_by_type<InterfaceCreated>().length(), 1);
    assert_eq!(events_by_type<PermissionGranted>().length(), 1);
    assert_eq!(events_by_type<RequestSubmitted>().length(), 1);
    assert_eq!(events_by_type<RequestAnswered>().length(), 1);
    assert_eq!(events_by_type<FeesWithdrawn>().length(), 1);
    destroy(coin);
    destroy(request);
    destroy(setup);
}

#[test]
fun a_request_that_nobody_answers_is_refunded() {
    let mut scenario = test_scenario::begin(@0x1);
    let (mut setup, mut request) = asked();
    setup.world.advance(TIMEOUT);
    setup.refund(&mut request);
    assert_eq!(request.request_status(), 2);
    assert_eq!(events_by_type<RequestRefunded>().length(), 1);
    scenario.next_tx(ALICE);
    let coin = scenario.take_from_sender<coin::Coin<SUI>>();
    assert_eq!(coin.value(), FEE);
    destroy(coin);
    destroy(request);
    destroy(setup);
    scenario.end();
}

#[test]
fun a_pause_and_a_suspension_do_not_hold_a_fee() {
    let (mut setup, mut request) = asked();
    setup.world.set_paused(true);
    setup.cap.set_status(&mut setup.cluster, 1);
    setup.world.advance(TIMEOUT);
    setup.refund(&mut request);
    assert_eq!(request.request_status(), 2);
    destroy(request);
    destroy(setup);
}

#[test]
fun a_request_that_costs_nothing_is_refunded_without_a_coin() {
    let mut setup = start();
    k8s_interface::configure(&setup.cap, &setup.cluster, &mut setup.interface, 0, TIMEOUT, 100);
    let mut request =
        setup.submit_as(ALICE, b"web", 1, PAYLOAD, hash::blake2b256(&PAYLOAD), 0);
    setup.world.advance(TIMEOUT);
    setup.refund(&mut request);
    assert_eq!(request.request_status(), 2);
    assert_eq!(events_by_type<InterfaceChanged>().length(), 1);
    destroy(request);
    destroy(setup);
}

#[test]
fun permissions_are_by_namespace_verb_and_time() {
    let mut setup = start();
    let at = setup.world.now();
    let web = b"web".to_string();
    let other = b"other".to_string();
    assert!(setup.interface.is_permitted(ALICE, web, 4, at));
    assert!(!setup.interface.is_permitted(ALICE, web, 4, at + day()));
    assert!(!setup.interface.is_permitted(ALICE, other, 4, at));
    assert!(!setup.interface.is_permitted(BOB, web, 1, at));
    setup.give(OWNER, BOB, b"", 1, at + 1);
    assert!(setup.interface.is_permitted(BOB, other, 1, at));
    assert!(!setup.interface.is_permitted(BOB, other, 2, at));
    // In place of the one before.
    setup.give(OWNER, ALICE, b"web", 1, at + 1);
    assert!(!setup.interface.is_permitted(ALICE, web, 4, at));
    setup.take(OWNER, ALICE, b"web");
    assert!(!setup.interface.is_permitted(ALICE, web, 1, at));
    assert_eq!(events_by_type<PermissionRevoked>().length(), 1);
    destroy(setup);
}

#[test]
fun sharing_makes_interfaces_and_requests_shared() {
    let mut scenario = test_scenario::begin(ALICE);
    let (setup, request) = asked();
    let Setup { world, cluster, cap, enclave, interface, stake } = setup;
    interface.share_interface();
    request.share_request();
    scenario.next_tx(BOB);
    let interface = scenario.take_shared<Interface>();
    let request = scenario.take_shared<Request>();
    test_scenario::return_shared(interface);
    test_scenario::return_shared(request);
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    destroy(stake);
    world.end();
    scenario.end();
}

// === The cluster's side ===

#[test, expected_failure(abort_code = k8s_interface::EExists)]
fun a_second_interface_aborts() {
    let mut setup = start();
    let mut ctx = setup.world.ctx(OWNER);
    let _second = k8s_interface::create_interface(
        &setup.cap,
        &mut setup.cluster,
        FEE,
        TIMEOUT,
        100,
        &mut ctx,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun an_interface_with_anothers_capability_aborts() {
    let mut setup = start();
    let (mut second, _other) = setup.world.cluster(b"away");
    let mut ctx = setup.world.ctx(OWNER);
    let _interface = k8s_interface::create_interface(
        &setup.cap,
        &mut second,
        FEE,
        TIMEOUT,
        100,
        &mut ctx,
    );
    abort 0xdead
}

fun configure(fee: u64, timeout_ms: u64, payload: u64) {
    let mut setup = start();
    k8s_interface::configure(
        &setup.cap,
        &setup.cluster,
        &mut setup.interface,
        fee,
        timeout_ms,
        payload,
    );
    destroy(setup);
}

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun a_fee_above_its_bound_aborts() { configure(1_000 * sui() + 1, TIMEOUT, 1); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun a_timeout_below_its_bound_aborts() { configure(0, 9_999, 1); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun a_timeout_above_its_bound_aborts() { configure(0, 7 * day() + 1, 1); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun a_payload_above_its_bound_aborts() { configure(0, TIMEOUT, 16_001); }

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun configuring_with_anothers_capability_aborts() {
    let mut setup = start();
    let (_second, other) = setup.world.cluster(b"away");
    k8s_interface::configure(&other, &setup.cluster, &mut setup.interface, 0, TIMEOUT, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongCluster)]
fun configuring_anothers_interface_aborts() {
    let mut setup = start();
    let (second, other) = setup.world.cluster(b"away");
    k8s_interface::configure(&other, &second, &mut setup.interface, 0, TIMEOUT, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongVersion)]
fun configuring_in_another_version_aborts() {
    let mut setup = start();
    setup.interface.set_version_for_testing(9);
    k8s_interface::configure(&setup.cap, &setup.cluster, &mut setup.interface, 0, TIMEOUT, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EEarnedTooLittle)]
fun withdrawing_more_than_is_earned_aborts() {
    let mut setup = start();
    let mut ctx = setup.world.ctx(OWNER);
    let _coin = k8s_interface::withdraw_fees(
        &setup.cap,
        &setup.cluster,
        &mut setup.interface,
        1,
        &mut ctx,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun withdrawing_with_anothers_capability_aborts() {
    let mut setup = start();
    let (_second, other) = setup.world.cluster(b"away");
    let mut ctx = setup.world.ctx(OWNER);
    let _coin = k8s_interface::withdraw_fees(
        &other,
        &setup.cluster,
        &mut setup.interface,
        1,
        &mut ctx,
    );
    abort 0xdead
}

fun grant(sender: address, namespace: vector<u8>, verbs: u64, until: u64) {
    let mut setup = start();
    setup.give(sender, BOB, namespace, verbs, until);
    destroy(setup);
}

#[test, expected_failure(abort_code = k8s_interface::ENotOwner)]
fun granting_without_owning_the_cluster_aborts() { grant(ALICE, b"web", 1, 2_000_000); }

#[test, expected_failure(abort_code = k8s_interface::EInvalidNamespace)]
fun granting_in_a_namespace_that_can_not_be_aborts() { grant(OWNER, b"Web", 1, 2_000_000); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun granting_nothing_aborts() { grant(OWNER, b"web", 0, 2_000_000); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun granting_unknown_verbs_aborts() { grant(OWNER, b"web", 8, 2_000_000); }

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun granting_what_has_expired_aborts() { grant(OWNER, b"web", 1, 1_000_000); }

#[test, expected_failure(abort_code = k8s_interface::EUnknownPermission)]
fun revoking_what_was_not_granted_aborts() {
    let mut setup = start();
    setup.take(OWNER, BOB, b"web");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENotOwner)]
fun revoking_without_owning_the_cluster_aborts() {
    let mut setup = start();
    setup.take(ALICE, ALICE, b"web");
    abort 0xdead
}

#[test]
fun migration_brings_an_old_interface_in() {
    let mut setup = start();
    setup.interface.set_version_for_testing(0);
    k8s_interface::migrate(&setup.cap, &setup.cluster, &mut setup.interface);
    assert_eq!(events_by_type<InterfaceMigrated>().length(), 1);
    let request = setup.submit();
    destroy(request);
    destroy(setup);
}

#[test, expected_failure(abort_code = k8s_interface::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut setup = start();
    k8s_interface::migrate(&setup.cap, &setup.cluster, &mut setup.interface);
    abort 0xdead
}

// === Submitting ===

#[test, expected_failure(abort_code = k8s_interface::EPaused)]
fun submitting_during_a_pause_aborts() {
    let mut setup = start();
    setup.world.set_paused(true);
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EClusterNotOpen)]
fun submitting_to_a_suspended_cluster_aborts() {
    let mut setup = start();
    setup.cap.set_status(&mut setup.cluster, 1);
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongVersion)]
fun submitting_in_another_version_aborts() {
    let mut setup = start();
    setup.interface.set_version_for_testing(9);
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EOutOfBounds)]
fun an_unknown_verb_aborts() {
    let mut setup = start();
    let digest = hash::blake2b256(&PAYLOAD);
    let _request = setup.submit_as(ALICE, b"web", 3, PAYLOAD, digest, FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInsufficientStake)]
fun submitting_on_anothers_stake_aborts() {
    let mut setup = start();
    let digest = hash::blake2b256(&PAYLOAD);
    let _request = setup.submit_as(BOB, b"web", 1, PAYLOAD, digest, FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInsufficientStake)]
fun operating_on_a_users_stake_aborts() {
    let mut setup = start();
    let digest = hash::blake2b256(&PAYLOAD);
    let _request = setup.submit_as(ALICE, b"web", 4, PAYLOAD, digest, FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInsufficientStake)]
fun submitting_on_a_stake_below_the_minimum_aborts() {
    let mut setup = start();
    setup.world.set_tier(1, 2 * sui(), 0);
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENotPermitted)]
fun submitting_where_nothing_is_permitted_aborts() {
    let mut setup = start();
    let digest = hash::blake2b256(&PAYLOAD);
    let _request = setup.submit_as(ALICE, b"other", 1, PAYLOAD, digest, FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENotPermitted)]
fun submitting_after_the_permission_expired_aborts() {
    let mut setup = start();
    setup.world.advance(day());
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EUntrustedEnclave)]
fun submitting_to_a_revoked_enclave_aborts() {
    let mut setup = start();
    setup.world.revoke_enclave(&setup.cap, &mut setup.cluster, &mut setup.enclave);
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENoEncryptionKey)]
fun submitting_to_an_enclave_without_an_encryption_key_aborts() {
    let Setup { world, mut cluster, cap, enclave, interface, stake } = start();
    let mut world = world;
    let mut ctx = world.ctx(OWNER);
    let silent = enclave_registry::register_enclave(
        &cap,
        &mut cluster,
        bytes(32, 9),
        vector[],
        bytes(48, 1),
        0,
        world.clock(),
        &mut ctx,
    );
    destroy(enclave);
    let mut setup = Setup { world, cluster, cap, enclave: silent, interface, stake };
    let _request = setup.submit();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInvalidPayload)]
fun an_empty_payload_aborts() {
    let mut setup = start();
    let empty = vector[];
    let _request = setup.submit_as(ALICE, b"web", 1, empty, hash::blake2b256(&empty), FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInvalidPayload)]
fun a_payload_above_the_interfaces_bound_aborts() {
    let mut setup = start();
    let long = bytes(101, 1);
    let _request = setup.submit_as(ALICE, b"web", 1, long, hash::blake2b256(&long), FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongDigest)]
fun anothers_digest_aborts() {
    let mut setup = start();
    let _request = setup.submit_as(ALICE, b"web", 1, PAYLOAD, bytes(32, 1), FEE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongFee)]
fun another_fee_than_asked_aborts() {
    let mut setup = start();
    let digest = hash::blake2b256(&PAYLOAD);
    let _request = setup.submit_as(ALICE, b"web", 1, PAYLOAD, digest, FEE - 1);
    abort 0xdead
}

// === Answering, refunding ===

#[test, expected_failure(abort_code = k8s_interface::EInvalidSignature)]
fun an_unsigned_answer_aborts() {
    let (mut setup, mut request) = asked();
    setup.answer(&mut request, bytes(32, 7), bytes(64, 0));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInvalidSignature)]
fun an_answer_with_another_result_aborts() {
    let (mut setup, mut request) = asked();
    setup.answer(&mut request, bytes(32, 8), SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EInvalidResult)]
fun an_answer_without_a_digest_aborts() {
    let (mut setup, mut request) = asked();
    setup.answer(&mut request, bytes(31, 7), SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENotPending)]
fun answering_twice_aborts() {
    let (mut setup, mut request) = asked();
    setup.answer(&mut request, bytes(32, 7), SIGNATURE);
    setup.answer(&mut request, bytes(32, 7), SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ETooLate)]
fun answering_too_late_aborts() {
    let (mut setup, mut request) = asked();
    setup.world.advance(TIMEOUT);
    setup.answer(&mut request, bytes(32, 7), SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EUntrustedEnclave)]
fun a_revoked_enclaves_answer_aborts() {
    let (mut setup, mut request) = asked();
    setup.world.revoke_enclave(&setup.cap, &mut setup.cluster, &mut setup.enclave);
    setup.answer(&mut request, bytes(32, 7), SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongCluster)]
fun answering_through_anothers_interface_aborts() {
    let (mut setup, mut request) = asked();
    let (mut second, other) = setup.world.cluster(b"away");
    let mut ctx = setup.world.ctx(OWNER);
    let mut away =
        k8s_interface::create_interface(&other, &mut second, FEE, TIMEOUT, 100, &mut ctx);
    away.answer(
        &mut request,
        &second,
        &setup.enclave,
        200,
        bytes(32, 7),
        SIGNATURE,
        setup.world.clock(),
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ETooEarly)]
fun refunding_too_early_aborts() {
    let (mut setup, mut request) = asked();
    setup.world.advance(TIMEOUT - 1);
    setup.refund(&mut request);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::ENotPending)]
fun refunding_twice_aborts() {
    let (mut setup, mut request) = asked();
    setup.world.advance(TIMEOUT);
    setup.refund(&mut request);
    setup.refund(&mut request);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_interface::EWrongVersion)]
fun refunding_in_another_version_aborts() {
    let (mut setup, mut request) = asked();
    setup.interface.set_version_for_testing(9);
    setup.refund(&mut request);
    abort 0xdead
}
