// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::node_keys_tests;

use k3s_daas::enclave_registry::Cluster;
use k3s_daas::fixture::{begin, bytes, day, key, sui, World};
use k3s_daas::k8s_gateway::{Self, SealToken, SealTokenRekeyed};
use k3s_daas::node_keys;
use k3s_daas::staking::{Self, KeyRetired, Stake};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

const ALICE: address = @0xA;

// Keys whose seeds are 32 times 0x09 and 0x0a, and their signatures over the two rotations of `start`'s
// token.
const FIRST: vector<u8> = x"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618";
const FIRST_PROOF: vector<u8> =
    x"81d33eaff98a2104fa3041e15507381df70f5be148a38fa826aee966b7bc2ea62c05c1198935265e8b27e2f5cb361bcf94fc22fac1fd8531e7d3c8f565ec7808";
const SECOND: vector<u8> = x"43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c";
const SECOND_PROOF: vector<u8> =
    x"3215c93b38a058ef2466ee5c36105a0533a48be99c91a9c87e9e750fadbf69672c5f6b84580c46148c947dad54cda509c96a9cab44ef6adbab318608273cb706";

fun start(): (World, Cluster, Stake, SealToken) {
    let mut world = begin();
    let (cluster, cap) = world.cluster(b"home");
    let stake = world.stake(ALICE, sui(), 0);
    let token = world.mint_with(ALICE, &stake, &cluster, b"n0", key(), bytes(32, 2), b"", 7 * day());
    destroy(cap);
    (world, cluster, stake, token)
}

fun end(world: World, cluster: Cluster, stake: Stake, token: SealToken) {
    destroy(cluster);
    destroy(stake);
    destroy(token);
    world.end();
}

#[test]
fun a_key_is_rotated_and_the_old_ones_are_remembered() {
    let (mut world, cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    assert_eq!(token.node_key(), FIRST);
    assert_eq!(token.commitment(), bytes(32, 3));
    assert_eq!(token.generation(), 1);
    assert!(stake.had_key(&key()) && !stake.had_key(&FIRST));
    world.advance(day());
    world.rotate(ALICE, &mut stake, &mut token, SECOND, SECOND_PROOF, bytes(32, 4));
    assert!(stake.had_key(&key()) && stake.had_key(&FIRST));
    assert_eq!(events_by_type<SealTokenRekeyed>().length(), 2);
    assert_eq!(events_by_type<KeyRetired>().length(), 2);
    end(world, cluster, stake, token);
}

#[test]
fun the_oldest_of_many_keys_is_forgotten() {
    let (mut world, cluster, mut stake, token) = start();
    65u8.do!(|n| {
        world.pool().retire_key(&mut stake, bytes(32, 100 + n), world.clock());
        world.advance(day());
    });
    assert!(!stake.had_key(&bytes(32, 100)) && stake.had_key(&bytes(32, 101)));
    end(world, cluster, stake, token);
}

#[test, expected_failure(abort_code = node_keys::ENotOwner)]
fun rotating_anothers_key_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(@0xB, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = node_keys::EWrongStake)]
fun rotating_with_another_stake_aborts() {
    let (mut world, _cluster, _stake, mut token) = start();
    let mut other = world.stake(ALICE, sui(), 0);
    world.rotate(ALICE, &mut other, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = node_keys::EKeyUsed)]
fun rotating_to_the_same_key_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, key(), FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = node_keys::EKeyUsed)]
fun rotating_back_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    world.rotate(ALICE, &mut stake, &mut token, key(), FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = node_keys::EInvalidProof)]
fun a_key_that_one_does_not_have_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, SECOND, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = node_keys::EInvalidProof)]
fun a_proof_for_another_generation_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETooSoon)]
fun rotating_twice_a_day_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    world.rotate(ALICE, &mut stake, &mut token, SECOND, SECOND_PROOF, bytes(32, 4));
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EAccused)]
fun rotating_while_accused_aborts() {
    let (mut world, cluster, mut stake, mut token) = start();
    let _case = world.case(&mut stake, &cluster, 0, 0);
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETombstoned)]
fun rotating_when_tombstoned_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    stake.tombstone(world.clock());
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun rotating_in_another_version_of_the_pool_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.pool_mut().set_version_for_testing(2);
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EWrongVersion)]
fun rotating_in_another_version_of_the_gateway_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.gateway_mut().set_version_for_testing(2);
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ERevoked)]
fun rotating_the_key_of_a_revoked_token_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.revoke(ALICE, &mut token);
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::ESuperseded)]
fun rotating_the_key_of_a_superseded_token_aborts() {
    let (mut world, cluster, mut stake, mut token) = start();
    world.advance(7 * day());
    let _new = world.mint(ALICE, &stake, &cluster, b"n0");
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(32, 3));
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EInvalidCommitment)]
fun rotating_with_a_short_commitment_aborts() {
    let (mut world, _cluster, mut stake, mut token) = start();
    world.rotate(ALICE, &mut stake, &mut token, FIRST, FIRST_PROOF, bytes(31, 3));
    abort 0xdead
}
