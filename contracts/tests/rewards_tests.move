// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::rewards_tests;

use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, day, sui, World};
use k3s_daas::rewards::{Self, EarnerSettled, EscrowClosed, RewardClaimed, RewardsMigrated};
use k3s_daas::staking::Stake;
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

const ALICE: address = @0xA1;
const EVE: address = @0xE5;
const BEGAN: u64 = 1_000_000;

// Ed25519 by the key whose seed is 32 times 0x07, for the cluster and stake of `start`: the whole
// performance a day after BEGAN, half of it another day later.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const FULL: vector<u8> =
    x"1fbf169d7f645f18f1506cdc08f7cc91895fb9cd1374ce0d1139c8547ff42d5f0c10f347e01a115a75526534dfc8ae28636ea4d6d1d56faddf01260f0bbf6304";
const HALF: vector<u8> =
    x"87938212607931fa4cdcdc6319bb1510c5ceaa6172444e21c766ebb34ba0d1006c9bf5f436c0c8d6347ef14d10fd4ba4ce1f4d316e21b34ec19a2ed98c541000";

/// An enrolled stake, a day later.
fun start(): (World, Cluster, ClusterCap, Enclave, Stake) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let enclave = world.enclave(&cap, &mut cluster, KEY, bytes(48, 1));
    let stake = world.stake(ALICE, sui(), 0);
    world.set_cluster(&cluster, true);
    world.set_emission(sui());
    world.enroll(ALICE, &stake);
    world.advance(day());
    (world, cluster, cap, enclave, stake)
}

fun end(world: World, cluster: Cluster, cap: ClusterCap, enclave: Enclave, stake: Stake) {
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    destroy(stake);
    world.end();
}

/// The vault is the sum of its parts.
fun check(world: &mut World) {
    let parts = world.rewards_mut().parts_for_testing();
    assert_eq!(parts[0] + parts[1] + parts[2], parts[3]);
}

#[test]
fun a_reported_stake_earns_by_time_and_performance() {
    let (mut world, cluster, cap, enclave, stake) = start();
    world.fund_rewards(10 * sui());
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    world.advance(day());
    // Alone it earns all that flows, whatever the performance: a day of emission less rounding.
    world.report_performance(&stake, &cluster, &enclave, 5_000, BEGAN + 2 * day(), HALF);
    let earned = world.claim(ALICE, &stake);
    assert!(earned <= sui() && earned > sui() - 100);
    check(&mut world);
    assert_eq!(events_by_type<RewardClaimed>().length(), 1);
    assert!(events_by_type<EarnerSettled>().length() > 0);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun a_stake_that_left_keeps_what_it_has_earned_and_earns_no_more() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.fund_rewards(10 * sui());
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(day());
    let earned = world.claim(ALICE, &stake);
    assert!(earned <= sui() && earned > sui() - 100);
    check(&mut world);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun a_stake_that_is_no_longer_reported_earns_nothing() {
    let (mut world, cluster, cap, enclave, stake) = start();
    world.fund_rewards(10 * sui());
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    world.advance(2 * day() + 1);
    world.refresh(&stake);
    let parts = world.rewards_mut().parts_for_testing();
    // What it would have earned is back in the budget.
    assert!(parts[0] >= 10 * sui() - 100);
    check(&mut world);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun a_slash_weighs_at_once() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    assert_eq!(world.rewards_mut().weight_for_testing(), sui());
    world.slash(&mut stake, sui() / 4);
    assert_eq!(world.rewards_mut().weight_for_testing(), sui() * 3 / 4);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun a_top_up_weighs_from_the_next_epoch_on() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    world.top_up(ALICE, &mut stake, 5 * sui());
    world.refresh(&stake);
    assert_eq!(world.rewards_mut().weight_for_testing(), sui());
    // What came last leaves first, at no cost to what was there.
    let part = world.unstake_part(ALICE, &mut stake, sui());
    assert_eq!(world.rewards_mut().weight_for_testing(), sui());
    world.advance(day());
    world.refresh(&stake);
    assert_eq!(world.rewards_mut().weight_for_testing(), 5 * sui());
    destroy(part);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun unstaking_a_part_weighs_at_once() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.top_up(ALICE, &mut stake, sui());
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    world.advance(day());
    world.refresh(&stake);
    assert_eq!(world.rewards_mut().weight_for_testing(), 2 * sui());
    let part = world.unstake_part(ALICE, &mut stake, sui());
    assert_eq!(world.rewards_mut().weight_for_testing(), sui());
    destroy(part);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun fees_flow_from_the_escrow_and_the_rest_is_refunded() {
    let (mut world, cluster, cap, enclave, stake) = start();
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    // To the end of this period's successor: two days less BEGAN.
    let escrow = world.open_escrow(EVE, 2 * sui(), 1);
    let other = world.open_escrow(EVE, sui(), 0);
    world.advance(day());
    let refund = world.close_escrow(EVE, escrow);
    assert!(refund < sui() && refund > sui() * 98 / 100);
    let earned = world.claim(ALICE, &stake);
    assert!(earned <= 3 * sui() - refund && earned > 3 * sui() - refund - 100);
    // What ended on its own has nothing left.
    assert_eq!(world.close_escrow(EVE, other), 0);
    check(&mut world);
    assert_eq!(events_by_type<EscrowClosed>().length(), 2);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun fees_that_nobody_earns_go_to_the_budget() {
    let mut world = begin();
    let escrow = world.open_escrow(EVE, sui(), 0);
    world.advance(2 * day());
    assert_eq!(world.close_escrow(EVE, escrow), 0);
    let parts = world.rewards_mut().parts_for_testing();
    assert!(parts[0] > sui() - 10);
    check(&mut world);
    world.end();
}

#[test]
fun a_cluster_is_admitted_and_dismissed() {
    let (mut world, cluster, cap, enclave, stake) = start();
    world.set_cluster(&cluster, false);
    world.set_cluster(&cluster, true);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun migration_brings_old_rewards_in() {
    let mut world = begin();
    world.rewards_mut().set_version_for_testing(0);
    world.migrate_rewards();
    world.fund_rewards(1);
    assert_eq!(events_by_type<RewardsMigrated>().length(), 1);
    world.end();
}

#[test, expected_failure(abort_code = rewards::EUnknownCluster)]
fun a_report_of_a_cluster_that_is_not_admitted_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.set_cluster(&_cluster, false);
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EUntrustedEnclave)]
fun a_report_of_a_revoked_enclave_aborts() {
    let (mut world, mut _cluster, _cap, _enclave, _stake) = start();
    let mut revoked = _enclave;
    world.revoke_enclave(&_cap, &mut _cluster, &mut revoked);
    world.report_performance(&_stake, &_cluster, &revoked, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EInvalidSignature)]
fun a_report_of_another_performance_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.report_performance(&_stake, &_cluster, &_enclave, 9_999, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EStaleStatement)]
fun a_report_from_the_future_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day() + 1, FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EStaleStatement)]
fun an_old_report_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.advance(600_001);
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EStaleStatement)]
fun a_report_brought_twice_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EOutOfBounds)]
fun more_than_the_whole_performance_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.report_performance(&_stake, &_cluster, &_enclave, 10_001, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EOutOfBounds)]
fun an_escrow_that_lasts_too_long_aborts() {
    let mut world = begin();
    let _escrow = world.open_escrow(EVE, 1, 61);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EOutOfBounds)]
fun too_much_emission_aborts() {
    let mut world = begin();
    world.set_emission(1_000_000 * sui() + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EZeroAmount)]
fun an_empty_escrow_aborts() {
    let mut world = begin();
    let _escrow = world.open_escrow(EVE, 0, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EZeroAmount)]
fun funding_nothing_aborts() {
    let mut world = begin();
    world.fund_rewards(0);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotOwner)]
fun enrolling_anothers_stake_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    world.enroll(EVE, &stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotOwner)]
fun claiming_anothers_rewards_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.claim(EVE, &_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongTier)]
fun enrolling_a_users_stake_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 1);
    world.enroll(ALICE, &stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotActive)]
fun enrolling_an_unbonding_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.enroll(ALICE, &stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EEnrolled)]
fun enrolling_twice_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.enroll(ALICE, &_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotEnrolled)]
fun claiming_without_enrolling_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    world.claim(ALICE, &stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotYet)]
fun a_report_in_the_epoch_of_enrolling_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    let stake = world.stake(ALICE, sui(), 0);
    world.enroll(ALICE, &stake);
    world.report_performance(&stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENothingOwed)]
fun claiming_nothing_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.claim(ALICE, &_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EUnchanged)]
fun admitting_twice_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.set_cluster(&_cluster, true);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EFull)]
fun a_seventeenth_cluster_aborts() {
    let mut world = begin();
    17u8.do!(|n| world.set_cluster_id(object::id_from_bytes(bytes(32, n)), true));
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_rewards();
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun reporting_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.rewards_mut().set_version_for_testing(2);
    world.report_performance(&_stake, &_cluster, &_enclave, 10_000, BEGAN + day(), FULL);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun claiming_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.rewards_mut().set_version_for_testing(2);
    world.claim(ALICE, &_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun enrolling_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.rewards_mut().set_version_for_testing(2);
    world.enroll(ALICE, &_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun refreshing_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.rewards_mut().set_version_for_testing(2);
    world.refresh(&_stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun admitting_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, _stake) = start();
    world.rewards_mut().set_version_for_testing(2);
    world.set_cluster(&_cluster, false);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun funding_in_another_version_aborts() {
    let mut world = begin();
    world.rewards_mut().set_version_for_testing(2);
    world.fund_rewards(1);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun prepaying_in_another_version_aborts() {
    let mut world = begin();
    world.rewards_mut().set_version_for_testing(2);
    let _escrow = world.open_escrow(EVE, 1, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun emitting_in_another_version_aborts() {
    let mut world = begin();
    world.rewards_mut().set_version_for_testing(2);
    world.set_emission(1);
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun refunding_in_another_version_aborts() {
    let mut world = begin();
    let escrow = world.open_escrow(EVE, 1, 1);
    world.rewards_mut().set_version_for_testing(2);
    world.close_escrow(EVE, escrow);
    abort 0xdead
}
