// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::k8s_gateway_tests;

use k3s_daas::enclave_registry::Cluster;
use k3s_daas::fixture::{begin, bytes, commitment, day, key, sui, World};
use k3s_daas::k8s_gateway::{
    Self,
    GatewayMigrated,
    SealToken,
    SealTokenCreated,
    SealTokenRenewed,
    SealTokenRevoked
};
use k3s_daas::staking::{Self, Stake};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;
use sui::test_scenario;

const ALICE: address = @0xA;
const BOB: address = @0xB;

/// A world, a cluster, and a stake of Alice's.
fun start(): (World, Cluster, Stake) {
    let mut world = begin();
    let (cluster, cap) = world.cluster(b"home");
    destroy(cap);
    let stake = world.stake(ALICE, sui(), 0);
    (world, cluster, stake)
}

/// ... and a token on it.
fun minted(): (World, Cluster, Stake, SealToken) {
    let (mut world, cluster, stake) = start();
    let token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    (world, cluster, stake, token)
}

#[test]
fun a_token_carries_what_it_was_made_with() {
    let (world, cluster, stake, token) = minted();
    assert_eq!(token.owner(), ALICE);
    assert_eq!(token.stake_id(), object::id(&stake));
    assert_eq!(token.commitment(), commitment());
    assert_eq!(token.expires_at_ms(), world.now() + day());
    assert_eq!(token.permissions(), 3);
    assert_eq!(token.generation(), 0);
    assert!(!token.is_revoked());
    assert!(world.valid(&token, &stake));
    assert_eq!(events_by_type<SealTokenCreated>().length(), 1);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun ten_times_the_minimum_permits_the_clusters_own_workloads() {
    let (mut world, cluster, stake) = start();
    let large = world.stake(BOB, 10 * sui(), 0);
    let token = world.mint(BOB, &large, &cluster, b"worker-1");
    assert_eq!(token.permissions(), 7);
    destroy(token);
    destroy(large);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun sharing_makes_a_token_shared() {
    let mut scenario = test_scenario::begin(ALICE);
    let (world, cluster, stake, token) = minted();
    token.share_token();
    scenario.next_tx(BOB);
    let token = scenario.take_shared<SealToken>();
    assert_eq!(token.owner(), ALICE);
    test_scenario::return_shared(token);
    destroy(stake);
    destroy(cluster);
    world.end();
    scenario.end();
}

#[test]
fun a_token_is_valid_until_it_expires() {
    let (mut world, cluster, stake, token) = minted();
    world.advance(day() - 1);
    assert!(world.valid(&token, &stake));
    world.advance(1);
    assert!(!world.valid(&token, &stake));
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun a_token_is_not_valid_with_another_stake_or_without_a_sufficient_one() {
    let (mut world, cluster, mut stake, token) = minted();
    let other = world.stake(BOB, sui(), 0);
    assert!(!world.valid(&token, &other));
    world.slash(&mut stake, 1);
    assert!(!world.valid(&token, &stake));
    destroy(other);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun renewing_extends_and_may_change_the_commitment() {
    let (mut world, cluster, stake, mut token) = minted();
    world.advance(day() / 2);
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    assert_eq!(token.expires_at_ms(), world.now() + day());
    assert_eq!(token.commitment(), commitment());
    assert_eq!(token.generation(), 1);
    world.renew(ALICE, &stake, &mut token, option::some(bytes(32, 9)), 60_000);
    assert_eq!(token.expires_at_ms(), world.now() + 60_000);
    assert_eq!(token.commitment(), bytes(32, 9));
    assert_eq!(token.generation(), 2);
    assert_eq!(events_by_type<SealTokenRenewed>().length(), 2);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun an_expired_token_that_nobody_replaced_can_be_renewed() {
    let (mut world, cluster, stake, mut token) = minted();
    world.advance(3 * day());
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    assert!(world.valid(&token, &stake));
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun renewing_follows_the_stake() {
    let (mut world, cluster, mut stake, mut token) = minted();
    world.top_up(ALICE, &mut stake, 9 * sui());
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    assert_eq!(token.permissions(), 7);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun revoking_frees_the_name_and_the_stake() {
    let (mut world, cluster, stake, mut token) = minted();
    world.revoke(ALICE, &mut token);
    assert!(token.is_revoked());
    assert!(!world.valid(&token, &stake));
    let again = world.mint(ALICE, &stake, &cluster, b"worker-0");
    assert!(world.valid(&again, &stake));
    assert_eq!(events_by_type<SealTokenRevoked>().length(), 1);
    destroy(again);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun governance_revokes_any_token() {
    let (mut world, cluster, stake, mut token) = minted();
    world.admin_revoke(&mut token);
    assert!(token.is_revoked());
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun anyone_revokes_a_token_without_a_sufficient_stake() {
    let (mut world, cluster, mut stake, mut token) = minted();
    world.slash(&mut stake, 1);
    world.revoke_unbacked(&stake, &mut token);
    assert!(token.is_revoked());
    // The name is free for somebody else.
    let other = world.stake(BOB, sui(), 0);
    let theirs = world.mint(BOB, &other, &cluster, b"worker-0");
    destroy(theirs);
    destroy(other);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun an_expired_name_goes_to_whoever_claims_it() {
    let (mut world, cluster, stake, mut token) = minted();
    world.advance(day());
    let other = world.stake(BOB, sui(), 0);
    let theirs = world.mint(BOB, &other, &cluster, b"worker-0");
    // Alice's stake is free too, and her old token's end changes nothing of Bob's.
    let elsewhere = world.mint(ALICE, &stake, &cluster, b"worker-1");
    world.revoke(ALICE, &mut token);
    assert!(world.valid(&theirs, &other));
    assert!(world.valid(&elsewhere, &stake));
    destroy(elsewhere);
    destroy(theirs);
    destroy(other);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun an_expired_token_frees_its_stake_for_another_node() {
    let (mut world, cluster, stake, token) = minted();
    world.advance(day());
    let moved = world.mint(ALICE, &stake, &cluster, b"worker-9");
    let other = world.stake(BOB, sui(), 0);
    let theirs = world.mint(BOB, &other, &cluster, b"worker-0");
    destroy(theirs);
    destroy(other);
    destroy(moved);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun the_same_name_is_free_in_another_cluster() {
    let (mut world, cluster, stake, token) = minted();
    let (second, cap) = world.cluster(b"away");
    let other = world.stake(BOB, sui(), 0);
    let theirs = world.mint(BOB, &other, &second, b"worker-0");
    destroy(theirs);
    destroy(other);
    destroy(cap);
    destroy(second);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun node_names_are_what_kubernetes_takes() {
    let (mut world, cluster, stake) = start();
    let good = vector[b"a", b"0", b"node-1.zone.example", bytes(63, 0x7a)];
    good.do!(|name| {
        let mut token = world.mint(ALICE, &stake, &cluster, name);
        world.revoke(ALICE, &mut token);
        destroy(token);
    });
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test]
fun migration_brings_an_old_gateway_in() {
    let (mut world, cluster, stake) = start();
    world.gateway_mut().set_version_for_testing(0);
    world.migrate_gateway();
    let token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    assert_eq!(events_by_type<GatewayMigrated>().length(), 1);
    destroy(token);
    destroy(stake);
    destroy(cluster);
    world.end();
}

#[test, expected_failure(abort_code = k8s_gateway::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_gateway();
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun minting_in_another_version_aborts() {
    let (mut world, cluster, stake) = start();
    world.gateway_mut().set_version_for_testing(2);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun renewing_in_another_version_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.gateway_mut().set_version_for_testing(2);
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun revoking_in_another_version_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    world.gateway_mut().set_version_for_testing(2);
    world.revoke(ALICE, &mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun revoking_by_governance_in_another_version_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    world.gateway_mut().set_version_for_testing(2);
    world.admin_revoke(&mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun revoking_unbacked_in_another_version_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.gateway_mut().set_version_for_testing(2);
    world.revoke_unbacked(&stake, &mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun minting_on_a_pool_of_another_version_aborts() {
    let (mut world, cluster, stake) = start();
    world.pool_mut().set_version_for_testing(2);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ENotOwner)]
fun minting_on_anothers_stake_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(BOB, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInsufficientStake)]
fun minting_on_a_user_stake_aborts() {
    let mut world = begin();
    let (cluster, _cap) = world.cluster(b"home");
    let stake = world.stake(ALICE, sui(), 1);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInsufficientStake)]
fun minting_on_a_slashed_stake_aborts() {
    let (mut world, cluster, mut stake) = start();
    world.slash(&mut stake, 1);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInsufficientStake)]
fun minting_on_an_unbonding_stake_aborts() {
    let (mut world, cluster, mut stake) = start();
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    let _token = world.mint(ALICE, &stake, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun an_empty_node_id_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, b"");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun a_long_node_id_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, bytes(64, 0x61));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun an_upper_case_node_id_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, b"Worker");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun a_node_id_with_a_separator_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, b"a/b");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun a_node_id_that_begins_with_a_dash_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, b"-a");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeId)]
fun a_node_id_that_ends_with_a_dot_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint(ALICE, &stake, &cluster, b"a.");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidNodeKey)]
fun a_short_node_key_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n",
        bytes(31, 1),
        commitment(),
        b"",
        day(),
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidCommitment)]
fun a_long_commitment_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n",
        key(),
        bytes(33, 1),
        b"",
        day(),
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidEndpoint)]
fun a_long_endpoint_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n",
        key(),
        commitment(),
        bytes(257, 0x61),
        day(),
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidTtl)]
fun a_short_time_to_live_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n",
        key(),
        commitment(),
        b"",
        59_999,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidTtl)]
fun a_long_time_to_live_aborts() {
    let (mut world, cluster, stake) = start();
    let _token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n",
        key(),
        commitment(),
        b"",
        7 * day() + 1,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ENodeIdTaken)]
fun a_live_name_can_not_be_claimed_by_another_stake() {
    let (mut world, cluster, _stake, _token) = minted();
    world.advance(day() - 1);
    let other = world.stake(BOB, sui(), 0);
    let _theirs = world.mint(BOB, &other, &cluster, b"worker-0");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EStakeInUse)]
fun a_stake_can_not_back_two_live_tokens() {
    let (mut world, cluster, stake, _token) = minted();
    let _second = world.mint(ALICE, &stake, &cluster, b"worker-1");
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ENotOwner)]
fun renewing_anothers_token_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.renew(BOB, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongStake)]
fun renewing_with_another_stake_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    let second = world.stake(ALICE, 5 * sui(), 0);
    world.renew(ALICE, &second, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ERevoked)]
fun renewing_a_revoked_token_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.revoke(ALICE, &mut token);
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInsufficientStake)]
fun renewing_on_a_slashed_stake_aborts() {
    let (mut world, _cluster, mut stake, mut token) = minted();
    world.slash(&mut stake, 1);
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidTtl)]
fun renewing_for_too_long_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.renew(ALICE, &stake, &mut token, option::none(), 7 * day() + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidCommitment)]
fun renewing_with_a_short_commitment_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.renew(ALICE, &stake, &mut token, option::some(bytes(31, 9)), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ESuperseded)]
fun renewing_after_the_name_went_to_another_aborts() {
    let (mut world, cluster, stake, mut token) = minted();
    world.advance(day());
    let other = world.stake(BOB, sui(), 0);
    let _theirs = world.mint(BOB, &other, &cluster, b"worker-0");
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ESuperseded)]
fun renewing_after_the_stake_went_to_another_token_aborts() {
    let (mut world, cluster, stake, mut token) = minted();
    world.advance(day());
    let _second = world.mint(ALICE, &stake, &cluster, b"worker-1");
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ENotOwner)]
fun revoking_anothers_token_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    world.revoke(BOB, &mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ERevoked)]
fun revoking_twice_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    world.revoke(ALICE, &mut token);
    world.revoke(ALICE, &mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EStillBacked)]
fun anyone_revoking_a_backed_token_aborts() {
    let (mut world, _cluster, stake, mut token) = minted();
    world.revoke_unbacked(&stake, &mut token);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongStake)]
fun revoking_as_unbacked_with_another_stake_aborts() {
    let (mut world, _cluster, _stake, mut token) = minted();
    let user = world.stake(BOB, sui(), 1);
    world.revoke_unbacked(&user, &mut token);
    abort 0xdead
}
