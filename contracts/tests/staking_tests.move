// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::staking_tests;

use k3s_daas::fixture::{Self, begin, day, sui};
use k3s_daas::staking::{
    Self,
    PartUnstaked,
    PoolCreated,
    PoolMigrated,
    Slashed,
    Staked,
    TierChanged,
    ToppedUp,
    TreasuryWithdrawn,
    UnbondingChanged,
    UnstakeRequested,
    Withdrawn
};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;
use sui::test_scenario;

const ALICE: address = @0xA;
const BOB: address = @0xB;

const ACTIVE: u8 = 0;
const UNBONDING: u8 = 1;
const WITHDRAWN: u8 = 2;
const SLASHED_OUT: u8 = 3;

#[test]
fun publishing_makes_pool_and_capabilities() {
    let mut scenario = test_scenario::begin(ALICE);
    staking::init_for_testing(scenario.ctx());
    assert_eq!(events_by_type<PoolCreated>().length(), 1);
    scenario.next_tx(ALICE);
    let pool = scenario.take_shared<staking::StakingPool>();
    assert_eq!(pool.minimum(staking::tier_node()), sui());
    assert_eq!(pool.minimum(staking::tier_user()), sui() / 10);
    assert_eq!(pool.minimum(staking::tier_admin()), 10 * sui());
    assert_eq!(pool.unbonding_ms(), 14 * day());
    assert_eq!(pool.treasury(), 0);
    let admin = scenario.take_from_sender<staking::AdminCap>();
    let slash = scenario.take_from_sender<staking::SlashCap>();
    destroy(admin);
    destroy(slash);
    destroy(pool);
    scenario.end();
}

#[test]
fun staking_counts_at_once_and_is_locked() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    assert_eq!(stake.owner(), ALICE);
    assert_eq!(stake.tier(), 0);
    assert_eq!(stake.status(), ACTIVE);
    assert_eq!(stake.amount(), sui());
    assert_eq!(stake.locked_until_ms(), world.now() + day());
    assert_eq!(stake.withdrawable_at_ms(), 0);
    assert!(world.sufficient(&stake, 0));
    assert_eq!(events_by_type<Staked>().length(), 1);
    destroy(stake);
    world.end();
}

#[test]
fun each_tier_has_its_minimum() {
    let mut world = begin();
    let node = world.stake(ALICE, sui(), 0);
    let user = world.stake(ALICE, sui() / 10, 1);
    let admin = world.stake(ALICE, 10 * sui(), 2);
    // A stake counts in its own tier only, however large it is.
    assert!(!world.sufficient(&node, 1) && !world.sufficient(&node, 2));
    assert!(world.sufficient(&user, 1) && !world.sufficient(&user, 0));
    assert!(world.sufficient(&admin, 2) && !world.sufficient(&admin, 1));
    destroy(node);
    destroy(user);
    destroy(admin);
    world.end();
}

#[test]
fun sharing_makes_a_stake_shared() {
    let mut scenario = test_scenario::begin(ALICE);
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    stake.share();
    scenario.next_tx(BOB);
    let stake = scenario.take_shared<staking::Stake>();
    assert_eq!(stake.owner(), ALICE);
    test_scenario::return_shared(stake);
    world.end();
    scenario.end();
}

#[test]
fun topping_up_restores_a_slashed_stake() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.slash(&mut stake, 1);
    assert!(!world.sufficient(&stake, 0));
    world.top_up(ALICE, &mut stake, 1);
    assert!(world.sufficient(&stake, 0));
    assert_eq!(events_by_type<ToppedUp>().length(), 1);
    destroy(stake);
    world.end();
}

#[test]
fun unstaking_ends_what_it_counts_and_pays_after_the_period() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 2 * sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    assert_eq!(stake.status(), UNBONDING);
    assert!(!world.sufficient(&stake, 0));
    assert_eq!(stake.withdrawable_at_ms(), world.now() + 14 * day());
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), 2 * sui());
    assert_eq!(stake.status(), WITHDRAWN);
    assert_eq!(stake.amount(), 0);
    assert_eq!(events_by_type<UnstakeRequested>().length(), 1);
    assert_eq!(events_by_type<Withdrawn>().length(), 1);
    destroy(stake);
    world.end();
}

#[test]
fun slashing_fills_the_treasury_and_governance_empties_it() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.slash(&mut stake, sui());
    assert_eq!(stake.status(), ACTIVE);
    assert_eq!(stake.amount(), 2 * sui());
    assert!(world.sufficient(&stake, 0));
    assert_eq!(world.pool().treasury(), sui());
    assert_eq!(world.withdraw_treasury(sui() - 1), sui() - 1);
    assert_eq!(world.pool().treasury(), 1);
    assert_eq!(events_by_type<Slashed>().length(), 1);
    assert_eq!(events_by_type<TreasuryWithdrawn>().length(), 1);
    destroy(stake);
    world.end();
}

#[test]
fun slashing_reaches_unbonding_stake() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 2 * sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.slash(&mut stake, sui());
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), sui());
    destroy(stake);
    world.end();
}

#[test]
fun slashing_everything_ends_a_stake() {
    let mut world = begin();
    let mut active = world.stake(ALICE, sui(), 0);
    world.slash(&mut active, 18446744073709551615);
    assert_eq!(active.status(), SLASHED_OUT);
    assert_eq!(active.amount(), 0);
    assert_eq!(world.pool().treasury(), sui());
    destroy(active);
    world.end();
}

#[test]
fun parameters_change_for_what_comes_later() {
    let mut world = begin();
    let old = world.stake(ALICE, sui(), 0);
    world.set_tier(0, 2 * sui(), 0);
    world.set_unbonding(day());
    // The lock stays, the minimum holds at once.
    assert_eq!(old.locked_until_ms(), world.now() + day());
    assert!(!world.sufficient(&old, 0));
    let mut new = world.stake(ALICE, 2 * sui(), 0);
    assert_eq!(new.locked_until_ms(), world.now());
    world.unstake(ALICE, &mut new);
    assert_eq!(new.withdrawable_at_ms(), world.now() + day());
    assert_eq!(events_by_type<TierChanged>().length(), 1);
    assert_eq!(events_by_type<UnbondingChanged>().length(), 1);
    destroy(old);
    destroy(new);
    world.end();
}

#[test]
fun migration_brings_an_old_pool_in() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(0);
    world.migrate_pool();
    let stake = world.stake(ALICE, sui(), 0);
    assert_eq!(events_by_type<PoolMigrated>().length(), 1);
    destroy(stake);
    world.end();
}

#[test, expected_failure(abort_code = staking::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_pool();
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EUnknownTier)]
fun staking_in_no_tier_aborts() {
    let mut world = begin();
    let _stake = world.stake(ALICE, sui(), 3);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun staking_below_the_minimum_aborts() {
    let mut world = begin();
    let _stake = world.stake(ALICE, sui() - 1, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun staking_nothing_aborts() {
    let mut world = begin();
    let _stake = world.stake(ALICE, 0, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun staking_in_another_version_aborts() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    let _stake = world.stake(ALICE, sui(), 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun withdrawing_in_another_version_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    world.pool_mut().set_version_for_testing(2);
    world.withdraw(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun slashing_in_another_version_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.pool_mut().set_version_for_testing(2);
    world.slash(&mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun asking_for_sufficiency_in_another_version_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    world.pool_mut().set_version_for_testing(2);
    world.sufficient(&stake, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EUnknownTier)]
fun asking_for_no_tier_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    world.sufficient(&stake, 3);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun topping_up_anothers_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.top_up(BOB, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EZeroAmount)]
fun topping_up_with_nothing_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.top_up(ALICE, &mut stake, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun topping_up_unbonding_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.top_up(ALICE, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun unstaking_anothers_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(BOB, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EStillLocked)]
fun unstaking_a_locked_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day() - 1);
    world.unstake(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun unstaking_twice_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.unstake(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun withdrawing_anothers_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    world.withdraw(BOB, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotUnbonding)]
fun withdrawing_an_active_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(30 * day());
    world.withdraw(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EStillUnbonding)]
fun withdrawing_early_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day() - 1);
    world.withdraw(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotUnbonding)]
fun withdrawing_twice_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    world.withdraw(ALICE, &mut stake);
    world.withdraw(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EZeroAmount)]
fun slashing_nothing_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.slash(&mut stake, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETextTooLong)]
fun slashing_with_a_long_reason_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.slash_for(&mut stake, 1, fixture::bytes(257, 0x61).to_string());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotSlashable)]
fun slashing_a_withdrawn_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    world.withdraw(ALICE, &mut stake);
    world.slash(&mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotSlashable)]
fun slashing_what_is_slashed_out_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.slash(&mut stake, sui());
    world.slash(&mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun unstaking_what_is_slashed_out_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.advance(day());
    world.slash(&mut stake, sui());
    world.unstake(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EUnknownTier)]
fun setting_no_tier_aborts() {
    let mut world = begin();
    world.set_tier(3, sui(), 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun a_minimum_too_low_aborts() {
    let mut world = begin();
    world.set_tier(0, 999_999, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun a_minimum_too_high_aborts() {
    let mut world = begin();
    world.set_tier(0, 1_000_000 * sui() + 1, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun a_lockup_too_long_aborts() {
    let mut world = begin();
    world.set_tier(0, sui(), 365 * day() + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun an_unbonding_period_too_short_aborts() {
    let mut world = begin();
    world.set_unbonding(59_999);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EOutOfBounds)]
fun an_unbonding_period_too_long_aborts() {
    let mut world = begin();
    world.set_unbonding(90 * day() + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETreasuryTooSmall)]
fun taking_more_than_the_treasury_has_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.slash(&mut stake, 5);
    world.withdraw_treasury(6);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EZeroAmount)]
fun taking_nothing_from_the_treasury_aborts() {
    let mut world = begin();
    world.withdraw_treasury(0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun topping_up_in_another_version_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.pool_mut().set_version_for_testing(2);
    world.top_up(ALICE, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun unstaking_in_another_version_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.pool_mut().set_version_for_testing(2);
    world.unstake(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun governing_in_another_version_aborts() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    world.set_unbonding(day());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun setting_a_tier_in_another_version_aborts() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    world.set_tier(0, sui(), 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun taking_the_treasury_in_another_version_aborts() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    world.withdraw_treasury(1);
    abort 0xdead
}

#[test]
fun a_part_leaves_through_the_queue() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.advance(day());
    let part = world.unstake_part(ALICE, &mut stake, 2 * sui());
    assert_eq!(stake.amount(), sui());
    assert_eq!(stake.queued(), 2 * sui());
    assert!(stake.is_good() && world.sufficient(&stake, 0));
    world.advance(14 * day());
    assert_eq!(world.redeem(&mut stake, part), 2 * sui());
    assert_eq!(events_by_type<PartUnstaked>().length(), 1);
    destroy(stake);
    world.end();
}

#[test]
fun what_is_new_weighs_from_the_next_epoch_on() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    assert_eq!(stake.weighing(0), 0);
    assert_eq!(stake.weighing(1), 3 * sui());
    world.advance(day());
    world.top_up(ALICE, &mut stake, sui());
    assert_eq!(stake.weighing(1), 3 * sui());
    assert_eq!(stake.weighing(2), 4 * sui());
    destroy(stake);
    world.end();
}

#[test]
fun a_jailed_stake_leaves_and_is_slashed() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    stake.jail(1_000, world.clock());
    assert!(stake.is_active() && !stake.is_good());
    world.slash(&mut stake, sui());
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), 2 * sui());
    // Nothing is left to jail.
    stake.jail(1_000, world.clock());
    destroy(stake);
    world.end();
}

#[test, expected_failure(abort_code = staking::EBelowMinimum)]
fun unstaking_a_part_that_leaves_too_little_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.advance(day());
    let _part = world.unstake_part(ALICE, &mut stake, 2 * sui() + 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EZeroAmount)]
fun unstaking_no_part_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.advance(day());
    let _part = world.unstake_part(ALICE, &mut stake, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun unstaking_a_part_of_anothers_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.advance(day());
    let _part = world.unstake_part(BOB, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EStillLocked)]
fun unstaking_a_locked_part_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    let _part = world.unstake_part(ALICE, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun unstaking_a_part_of_what_leaves_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, 3 * sui(), 0);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    let _part = world.unstake_part(ALICE, &mut stake, sui());
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotJailed)]
fun freeing_what_is_free_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.unjail(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EStillJailed)]
fun freeing_early_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    stake.jail(1_000, world.clock());
    world.advance(999);
    world.unjail(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ENotOwner)]
fun freeing_anothers_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    stake.jail(1_000, world.clock());
    world.advance(1_000);
    world.unjail(BOB, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETombstoned)]
fun freeing_a_tombstoned_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    stake.tombstone(world.clock());
    world.unjail(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun freeing_in_another_version_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.pool_mut().set_version_for_testing(2);
    world.unjail(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::ETombstoned)]
fun topping_up_a_tombstoned_stake_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    stake.tombstone(world.clock());
    world.top_up(ALICE, &mut stake, sui());
    abort 0xdead
}
