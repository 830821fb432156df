// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::delegation_tests;

use k3s_daas::delegation::{
    Self,
    Delegated,
    DelegationClaimed,
    DelegationClosed,
    DelegationSettled,
    Undelegated
};
use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, day, sui, World};
use k3s_daas::rewards::{Self, DelegationsStarted};
use k3s_daas::shares;
use k3s_daas::staking::{Self, CommissionChanged, DelegationRulesChanged, Stake, StakeBalances};
use k3s_daas::unbonding::{Self, UnbondingBegun, UnbondingRedeemed};
use std::unit_test::{assert_eq, destroy};
use sui::balance;
use sui::event::events_by_type;
use sui::sui::SUI;

const ALICE: address = @0xA1;
const BOB: address = @0xB0;
const CAROL: address = @0xC4;
const BEGAN: u64 = 1_000_000;

// As in `rewards_tests`.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const FULL: vector<u8> =
    x"1fbf169d7f645f18f1506cdc08f7cc91895fb9cd1374ce0d1139c8547ff42d5f0c10f347e01a115a75526534dfc8ae28636ea4d6d1d56faddf01260f0bbf6304";
const HALF: vector<u8> =
    x"87938212607931fa4cdcdc6319bb1510c5ceaa6172444e21c766ebb34ba0d1006c9bf5f436c0c8d6347ef14d10fd4ba4ce1f4d316e21b34ec19a2ed98c541000";

/// An enrolled stake of 1 SUI, reported a day later.
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
    world.fund_rewards(10 * sui());
    world.report_performance(&stake, &cluster, &enclave, 10_000, BEGAN + day(), FULL);
    (world, cluster, cap, enclave, stake)
}

fun end(world: World, cluster: Cluster, cap: ClusterCap, enclave: Enclave, stake: Stake) {
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    destroy(stake);
    world.end();
}

fun near(actual: u64, expected: u64) {
    assert!(actual <= expected && actual + 1_000 > expected);
}

#[test]
fun delegators_share_rewards_less_commission_from_the_next_epoch_on() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.set_commission(ALICE, &mut stake, 1_000);
    assert_eq!(stake.commission(), 1_000);
    let mut bob = world.delegate(BOB, &mut stake, 2 * sui());
    let mut carol = world.delegate(CAROL, &mut stake, sui());
    assert_eq!(stake.delegated(), 3 * sui());
    assert_eq!(bob.worth(&stake), 2 * sui());
    assert_eq!(bob.stake_id(), object::id(&stake));
    world.advance(day());
    world.report_performance(&stake, &cluster, &enclave, 5_000, BEGAN + 2 * day(), HALF);
    // The first day is the owner's alone, the second one everybody's.
    near(world.claim(ALICE, &stake), sui());
    world.advance(day());
    near(world.claim_delegated(&stake, &mut bob), sui() / 2 * 9 / 10);
    near(world.claim_delegated(&stake, &mut carol), sui() / 4 * 9 / 10);
    near(world.claim(ALICE, &stake), sui() / 4 + sui() * 3 / 40);
    assert_eq!(bob.owed(), 0);
    let parts = world.rewards_mut().parts_for_testing();
    assert_eq!(parts[0] + parts[1] + parts[2], parts[3]);
    assert_eq!(events_by_type<Delegated>().length(), 2);
    assert_eq!(events_by_type<DelegationsStarted>().length(), 1);
    assert_eq!(events_by_type<DelegationClaimed>().length(), 2);
    assert_eq!(events_by_type<CommissionChanged>().length(), 1);
    assert!(events_by_type<DelegationSettled>().length() > 0);
    assert!(events_by_type<StakeBalances>().length() > 0);
    destroy(bob);
    destroy(carol);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun delegators_leave_a_stake_that_is_not_reported() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.enroll(ALICE, &stake);
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.advance(day());
    world.refresh(&stake);
    world.advance(day());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    assert_eq!(bob.owed(), 0);
    destroy(part);
    destroy(bob);
    destroy(stake);
    world.end();
}

#[test]
fun a_delegation_weighs_only_in_the_next_epoch() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    let bob = world.delegate(BOB, &mut stake, 2 * sui());
    assert_eq!(world.rewards_mut().weight_for_testing(), sui());
    world.advance(day());
    world.refresh(&stake);
    assert_eq!(world.rewards_mut().weight_for_testing(), 3 * sui());
    destroy(bob);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun delegators_share_slashes() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, 3 * sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    assert_eq!(stake.queued() + stake.delegated(), 3 * sui());
    world.slash(&mut stake, 2 * sui());
    // Half of everything, rounded against whoever leaves.
    assert_eq!(stake.amount(), sui() / 2);
    near(bob.worth(&stake), sui());
    near(part.worth(&stake), sui() / 2);
    assert_eq!(stake.at_stake(), 2 * sui());
    world.advance(14 * day());
    near(world.redeem(&mut stake, part), sui() / 2);
    destroy(bob);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun leaving_goes_through_the_queue_and_takes_what_was_earned_along() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.advance(day());
    world.report_performance(&stake, &cluster, &enclave, 5_000, BEGAN + 2 * day(), HALF);
    world.advance(day());
    let part = world.undelegate(&mut stake, &mut bob, 18446744073709551615);
    assert_eq!(part.withdrawable_at_ms(), world.now() + 14 * day());
    assert_eq!(part.stake_id(), object::id(&stake));
    world.advance(day());
    // A day's half, and nothing since.
    near(world.claim_delegated(&stake, &mut bob), sui() / 2);
    bob.close();
    world.advance(13 * day());
    near(world.redeem(&mut stake, part), sui());
    assert_eq!(events_by_type<Undelegated>().length(), 1);
    assert_eq!(events_by_type<DelegationClosed>().length(), 1);
    assert_eq!(events_by_type<UnbondingBegun>().length(), 1);
    assert_eq!(events_by_type<UnbondingRedeemed>().length(), 1);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun a_delegator_leaves_whatever_became_of_the_owner() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    world.advance(14 * day());
    near(world.redeem(&mut stake, part), sui());
    destroy(bob);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun the_first_delegator_cannot_take_from_the_second() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    let mut first = world.delegate(BOB, &mut stake, sui() / 10);
    // What is left of the first is as dear a share as can be made.
    let part = world.undelegate(&mut stake, &mut first, sui() / 10 - 1_000_000);
    let second = world.delegate(CAROL, &mut stake, sui());
    assert!(second.worth(&stake) >= sui() - 1_000);
    assert!(first.worth(&stake) <= 1_000_000);
    destroy(first);
    destroy(part);
    destroy(second);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun commission_rises_by_steps_and_falls_at_once() {
    let (mut world, cluster, cap, enclave, mut stake) = start();
    world.set_commission(ALICE, &mut stake, 500);
    let bob = world.delegate(BOB, &mut stake, sui());
    world.advance(day());
    world.set_commission(ALICE, &mut stake, 600);
    world.advance(day());
    world.set_commission(ALICE, &mut stake, 0);
    assert_eq!(stake.commission(), 0);
    destroy(bob);
    end(world, cluster, cap, enclave, stake);
}

#[test]
fun rules_of_delegation_change() {
    let mut world = begin();
    world.set_delegation(10_000, 10_000, 1_000_000);
    assert_eq!(events_by_type<DelegationRulesChanged>().length(), 1);
    world.end();
}

#[test]
fun a_worthless_queue_begins_anew() {
    let mut pool = shares::empty();
    let old = pool.put_anew(balance::create_for_testing<SUI>(10 * sui()));
    pool.lose(10 * sui() - 1).destroy_for_testing();
    let new = pool.put_anew(balance::create_for_testing<SUI>(sui()));
    assert_eq!(pool.generation(), 1);
    assert_eq!(pool.shares(), new);
    assert!(old > 0 && pool.worth(new) >= sui() - 1);
    destroy(pool);
}

#[test]
fun shares_of_an_amount_are_worth_it() {
    let mut pool = shares::empty();
    let all = pool.put(balance::create_for_testing<SUI>(7_777_777));
    pool.lose(1_234_567).destroy_for_testing();
    let part = pool.of(1_000_000, all);
    assert!(pool.worth(part) >= 1_000_000 && pool.worth(part) <= 1_000_001);
    assert_eq!(pool.of(18446744073709551615, all), all);
    assert!(pool.value() - pool.worth(all) <= 1);
    destroy(pool);
}

#[test, expected_failure(abort_code = shares::EWorthless)]
fun depositing_where_shares_are_worthless_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let _bob = world.delegate(BOB, &mut stake, 3 * sui());
    world.slash(&mut stake, 4 * sui() - 2);
    let _carol = world.delegate(CAROL, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = shares::ETooMany)]
fun taking_more_shares_than_there_are_aborts() {
    let mut pool = shares::empty();
    let shares = pool.put(balance::create_for_testing<SUI>(1));
    let _balance = pool.take(shares + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::ENothingOwed)]
fun claiming_in_the_first_epoch_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.advance(1_000_000);
    world.claim_delegated(&stake, &mut bob);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::ENotEnrolled)]
fun delegating_to_what_does_not_earn_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::EWrongStake)]
fun undelegating_from_another_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let mut other = world.stake(ALICE, sui(), 0);
    let _part = world.undelegate(&mut other, &mut bob, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::EWrongStake)]
fun claiming_from_another_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let other = world.stake(ALICE, sui(), 0);
    world.claim_delegated(&other, &mut bob);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::EWrongStake)]
fun valuing_at_another_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let bob = world.delegate(BOB, &mut stake, sui());
    let other = world.stake(ALICE, sui(), 0);
    bob.worth(&other);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::EZeroAmount)]
fun undelegating_nothing_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let _part = world.undelegate(&mut stake, &mut bob, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::EDust)]
fun leaving_dust_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let _part = world.undelegate(&mut stake, &mut bob, sui() - 10);
    abort 0xdead
}

#[test, expected_failure(abort_code = delegation::ENotEmpty)]
fun closing_what_holds_something_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.delegate(BOB, &mut stake, sui()).close();
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun delegating_too_little_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let _bob = world.delegate(BOB, &mut stake, sui() / 10 - 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EPaused)]
fun delegating_during_a_pause_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.set_paused(true);
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun delegating_to_what_leaves_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.unstake(ALICE, &mut stake);
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EJailed)]
fun delegating_to_a_jailed_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    stake.jail(1_000, world.clock());
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETombstoned)]
fun delegating_to_a_tombstoned_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    stake.tombstone(world.clock());
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun delegating_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.pool_mut().set_version_for_testing(2);
    let _bob = world.delegate(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun undelegating_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.pool_mut().set_version_for_testing(2);
    let _part = world.undelegate(&mut stake, &mut bob, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = rewards::EWrongVersion)]
fun claiming_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    world.rewards_mut().set_version_for_testing(2);
    world.claim_delegated(&stake, &mut bob);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ECommission)]
fun too_great_a_commission_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.set_commission(ALICE, &mut stake, 2_001);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ECommission)]
fun too_steep_a_commission_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let _bob = world.delegate(BOB, &mut stake, sui());
    world.set_commission(ALICE, &mut stake, 101);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETooSoon)]
fun changing_the_commission_twice_a_day_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let _bob = world.delegate(BOB, &mut stake, sui());
    world.set_commission(ALICE, &mut stake, 1);
    world.set_commission(ALICE, &mut stake, 2);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun setting_anothers_commission_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.set_commission(BOB, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongTier)]
fun a_commission_of_a_users_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 1);
    world.set_commission(ALICE, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun a_commission_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    world.pool_mut().set_version_for_testing(2);
    world.set_commission(ALICE, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun more_than_the_whole_as_commission_aborts() {
    let mut world = begin();
    world.set_delegation(10_001, 1, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun too_small_a_delegation_minimum_aborts() {
    let mut world = begin();
    world.set_delegation(1, 1, 999_999);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun rules_of_delegation_in_another_version_abort() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    world.set_delegation(1, 1, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = unbonding::EWrongStake)]
fun redeeming_from_another_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    let mut other = world.stake(ALICE, sui(), 0);
    world.advance(14 * day());
    world.redeem(&mut other, part);
    abort 0xdead
}

#[test, expected_failure(abort_code = unbonding::EWrongStake)]
fun valuing_a_part_at_another_stake_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    let other = world.stake(ALICE, sui(), 0);
    part.worth(&other);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EStillUnbonding)]
fun redeeming_early_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    world.advance(14 * day() - 1);
    world.redeem(&mut stake, part);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun redeeming_in_another_version_aborts() {
    let (mut world, _cluster, _cap, _enclave, mut stake) = start();
    let mut bob = world.delegate(BOB, &mut stake, sui());
    let part = world.undelegate(&mut stake, &mut bob, sui());
    world.advance(14 * day());
    world.pool_mut().set_version_for_testing(2);
    world.redeem(&mut stake, part);
    abort 0xdead
}
