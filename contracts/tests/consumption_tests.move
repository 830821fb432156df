// SPDX-License-Identifier: Apache-2.0

/// The use of tokens, their rules, what stakes allow, and what clusters' statuses stop.
#[test_only]
module k3s_daas::consumption_tests;

use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, commitment, day, sui, World};
use k3s_daas::k8s_gateway::{
    Self,
    GatewayRulesChanged,
    SealToken,
    SealTokenConsumed
};
use k3s_daas::anchors::{Self, OldestStatementChanged};
use k3s_daas::params;
use k3s_daas::staking::Stake;
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

const ALICE: address = @0xA;
const AT: u64 = 1_000_000;
// Ed25519 by the key whose seed is 32 times 0x07, over the statement that the token of `start` was used.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const SIGNATURE: vector<u8> =
    x"13c4a36192ea37cb290a15dd2dd7c5d7f052baf23a6f49bacd00e56a8fad4417f13f775d13917bfd33da00785b93f3161a87ecb7e48c254084d4f47a4b84f504";

fun start(): (World, Cluster, ClusterCap, Enclave, Stake, SealToken) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let enclave = world.enclave(&cap, &mut cluster, KEY, bytes(48, 1));
    let stake = world.stake(ALICE, sui(), 0);
    let token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    (world, cluster, cap, enclave, stake, token)
}

fun finish(
    world: World,
    cluster: Cluster,
    cap: ClusterCap,
    enclave: Enclave,
    stake: Stake,
    token: SealToken,
) {
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    destroy(stake);
    destroy(token);
    world.end();
}

#[test]
fun a_token_is_used_once_with_each_commitment() {
    let (mut world, cluster, cap, enclave, stake, mut token) = start();
    assert!(!token.is_consumed());
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    assert!(token.is_consumed());
    assert_eq!(events_by_type<SealTokenConsumed>().length(), 1);
    // The same commitment stays used.
    let same = option::some(commitment());
    world.renew(ALICE, &stake, &mut token, same, day());
    assert!(token.is_consumed());
    let new = option::some(bytes(32, 9));
    world.renew(ALICE, &stake, &mut token, new, day());
    assert!(!token.is_consumed());
    finish(world, cluster, cap, enclave, stake, token);
}

#[test]
fun a_token_is_encoded_as_it_is() {
    let (world, cluster, cap, enclave, stake, mut token) = start();
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    assert_eq!(token.cluster_id(), object::id(&cluster));
    assert_eq!(token.node_id(), b"worker-0".to_string());
    let encoded = k8s_gateway::encoding_for_testing(
        object::id(&token),
        object::id(&stake),
        ALICE,
        object::id(&cluster),
        b"worker-0".to_string(),
        token.node_key(),
        commitment(),
        3,
        vector[AT, AT + day()],
        0,
        2,
    );
    assert_eq!(token.encode(), encoded);
    finish(world, cluster, cap, enclave, stake, token);
}

#[test, expected_failure(abort_code = k8s_gateway::EConsumed)]
fun using_a_token_twice_aborts() {
    let (world, cluster, _cap, enclave, _stake, mut token) = start();
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidSignature)]
fun an_unsigned_use_aborts() {
    let (world, cluster, _cap, enclave, _stake, mut token) = start();
    world.consume(&mut token, &cluster, &enclave, AT, bytes(64, 0));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidSignature)]
fun the_use_of_an_earlier_generation_aborts() {
    let (mut world, cluster, _cap, enclave, stake, mut token) = start();
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EUntrustedEnclave)]
fun a_use_that_a_revoked_enclave_saw_aborts() {
    let (world, mut cluster, cap, mut enclave, _stake, mut token) = start();
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongCluster)]
fun a_use_in_another_cluster_aborts() {
    let (mut world, _cluster, _cap, enclave, _stake, mut token) = start();
    let (second, _other) = world.cluster(b"away");
    world.consume(&mut token, &second, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EStaleStatement)]
fun an_old_use_aborts() {
    let (mut world, cluster, _cap, enclave, _stake, mut token) = start();
    world.advance(600_001);
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EStaleStatement)]
fun a_use_in_the_future_aborts() {
    let (world, cluster, _cap, enclave, _stake, mut token) = start();
    world.consume(&mut token, &cluster, &enclave, AT + 1, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ERevoked)]
fun using_a_revoked_token_aborts() {
    let (mut world, cluster, _cap, enclave, _stake, mut token) = start();
    world.revoke(ALICE, &mut token);
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EExpired)]
fun using_an_expired_token_aborts() {
    let (mut world, cluster, _cap, enclave, stake, mut token) = start();
    world.renew(ALICE, &stake, &mut token, option::none(), 60_000);
    world.advance(60_000);
    world.consume(&mut token, &cluster, &enclave, AT + 60_000, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun using_a_token_in_another_version_aborts() {
    let (mut world, cluster, _cap, enclave, _stake, mut token) = start();
    world.gateway_mut().set_version_for_testing(9);
    world.consume(&mut token, &cluster, &enclave, AT, SIGNATURE);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EClusterNotOpen)]
fun minting_for_a_suspended_cluster_aborts() {
    let (mut world, mut cluster, cap, _enclave, _stake, _token) = start();
    cap.set_status(&mut cluster, 1);
    let stake = world.stake(ALICE, sui(), 0);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-1");
    abort 0xdead
}

fun allowed(world: &World, stake: &Stake): u64 {
    world.gateway().permissions_of(world.pool(), stake)
}

use fun allowed as World.allowed;

#[test]
fun what_a_stake_allows_is_by_its_tier_and_amount() {
    let (mut world, cluster, cap, enclave, stake, token) = start();
    let user = world.stake(ALICE, sui(), 1);
    let admin = world.stake(ALICE, 10 * sui(), 2);
    let big = world.stake(ALICE, 10 * sui(), 0);
    assert!(!world.pool().is_paused() && stake.is_slashable());
    assert_eq!(world.allowed(&stake), 1 | 2);
    assert_eq!(world.allowed(&big), 1 | 2 | 4);
    assert_eq!(world.allowed(&user), k8s_gateway::permission_use());
    assert_eq!(world.allowed(&admin), 8 | k8s_gateway::permission_operate());
    world.set_tier(1, 2 * sui(), 0);
    assert_eq!(world.allowed(&user), 0);
    destroy(user);
    destroy(admin);
    destroy(big);
    finish(world, cluster, cap, enclave, stake, token);
}

// === The rules ===

fun change(world: &mut World, values: vector<u64>): u64 {
    let number = world.propose(6, values);
    world.advance(2 * day());
    number
}

#[test]
fun the_rules_are_governed() {
    let (mut world, cluster, cap, enclave, stake, mut token) = start();
    let number = change(&mut world, vector[60_000, 30 * day(), 1, day()]);
    world.execute_gateway(number);
    assert_eq!(events_by_type<GatewayRulesChanged>().length(), 1);
    world.renew(ALICE, &stake, &mut token, option::none(), 30 * day());
    // A factor of one: every node's stake is enough for the cluster's own workloads.
    assert_eq!(token.permissions(), 7);
    let number = world.propose(7, vector[60_000]);
    world.advance(2 * day());
    world.execute_anchors(number);
    assert_eq!(events_by_type<OldestStatementChanged>().length(), 1);
    assert_eq!(world.params().delay_ms(), 2 * day());
    finish(world, cluster, cap, enclave, stake, token);
}

#[test, expected_failure(abort_code = k8s_gateway::EOutOfBounds)]
fun a_shorter_time_to_live_than_a_minute_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[59_999, day(), 10, day()]);
    world.execute_gateway(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EOutOfBounds)]
fun a_longest_time_to_live_below_the_shortest_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[120_000, 60_000, 10, day()]);
    world.execute_gateway(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EOutOfBounds)]
fun a_factor_of_zero_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[60_000, day(), 0, day()]);
    world.execute_gateway(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun governing_a_gateway_of_another_version_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[60_000, day(), 10, day()]);
    world.gateway_mut().set_version_for_testing(9);
    world.execute_gateway(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EOutOfBounds)]
fun statements_of_more_than_a_day_abort() {
    let mut world = begin();
    let number = world.propose(7, vector[day() + 1]);
    world.advance(2 * day());
    world.execute_anchors(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EWrongVersion)]
fun governing_anchors_of_another_version_aborts() {
    let mut world = begin();
    let number = world.propose(7, vector[day()]);
    world.advance(2 * day());
    world.anchors_mut().set_version_for_testing(9);
    world.execute_anchors(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongTarget)]
fun a_change_of_the_gateway_by_the_general_function_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[60_000, day(), 10, day()]);
    world.execute_change(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongTarget)]
fun another_change_by_the_gateways_function_aborts() {
    let mut world = begin();
    let number = world.propose(7, vector[day()]);
    world.advance(2 * day());
    world.execute_gateway(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongTarget)]
fun another_change_by_the_anchors_function_aborts() {
    let mut world = begin();
    let number = change(&mut world, vector[60_000, day(), 10, day()]);
    world.execute_anchors(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::ETimelocked)]
fun a_change_of_the_gateway_before_its_time_aborts() {
    let mut world = begin();
    let number = world.propose(6, vector[60_000, day(), 10, day()]);
    world.execute_gateway(number);
    abort 0xdead
}
