// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::params_tests;

use k3s_daas::fixture::{begin, day, sui, World};
use k3s_daas::k8s_gateway;
use k3s_daas::params::{
    Self,
    ChangeCancelled,
    ChangeExecuted,
    ChangeProposed,
    DelayChanged,
    ParamsMigrated
};
use k3s_daas::rewards::EmissionChanged;
use k3s_daas::staking::{Self, DelegationRulesChanged, PauseChanged};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

const ALICE: address = @0xA1;
const RULES: vector<u64> = vector[
    86_400_000,
    86_400_000,
    1,
    500,
    1,
    2,
    3,
    4,
    5_000,
    2_000,
    1_000,
];

/// Proposes, waits for the timelock, executes.
fun change(world: &mut World, kind: u8, values: vector<u64>) {
    let number = world.propose(kind, values);
    world.advance(2 * day());
    world.execute_change(number);
}

#[test]
fun every_kind_of_change_takes_effect() {
    let mut world = begin();
    change(&mut world, 0, vector[1, sui(), 5]);
    assert_eq!(world.pool().minimum(1), sui());
    change(&mut world, 2, RULES);
    assert_eq!(world.docket_mut().windows_ms(), 2 * day());
    change(&mut world, 1, vector[2 * day()]);
    assert_eq!(world.pool().unbonding_ms(), 2 * day());
    change(&mut world, 4, vector[sui()]);
    assert_eq!(events_by_type<EmissionChanged>().length(), 1);
    change(&mut world, 5, vector[3_000, 200, sui()]);
    assert_eq!(events_by_type<DelegationRulesChanged>().length(), 1);
    change(&mut world, 3, vector[day()]);
    assert_eq!(events_by_type<DelayChanged>().length(), 1);
    assert_eq!(events_by_type<ChangeProposed>().length(), 6);
    assert_eq!(events_by_type<ChangeExecuted>().length(), 6);
    // The new delay holds.
    let number = world.propose(1, vector[3 * day()]);
    world.advance(day());
    world.execute_change(number);
    assert_eq!(world.params_mut().pending_for_testing(), 0);
    world.end();
}

#[test]
fun changes_are_executed_in_any_order_until_the_grace_period_ends() {
    let mut world = begin();
    let first = world.propose(1, vector[20 * day()]);
    let second = world.propose(1, vector[30 * day()]);
    world.advance(16 * day());
    world.execute_change(second);
    world.execute_change(first);
    assert_eq!(world.pool().unbonding_ms(), 20 * day());
    world.end();
}

#[test]
fun a_cancelled_change_is_gone() {
    let mut world = begin();
    let number = world.propose(1, vector[day()]);
    world.cancel(number);
    assert_eq!(world.params_mut().pending_for_testing(), 0);
    assert_eq!(events_by_type<ChangeCancelled>().length(), 1);
    world.end();
}

#[test]
fun a_pause_stops_nothing_that_leads_out() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    let (cluster, cap) = world.cluster(b"home");
    let mut token = world.mint(ALICE, &stake, &cluster, b"n1");
    world.set_paused(true);
    world.renew(ALICE, &stake, &mut token, option::none(), day());
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), sui());
    world.set_paused(false);
    assert_eq!(events_by_type<PauseChanged>().length(), 2);
    let again = world.stake(ALICE, sui(), 0);
    destroy(again);
    destroy(stake);
    destroy(token);
    destroy(cluster);
    destroy(cap);
    world.end();
}

#[test, expected_failure(abort_code = staking::EPaused)]
fun staking_during_a_pause_aborts() {
    let mut world = begin();
    world.set_paused(true);
    let _stake = world.stake(ALICE, sui(), 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EPaused)]
fun topping_up_during_a_pause_aborts() {
    let mut world = begin();
    let mut stake = world.stake(ALICE, sui(), 0);
    world.set_paused(true);
    world.top_up(ALICE, &mut stake, 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = k8s_gateway::EPaused)]
fun minting_during_a_pause_aborts() {
    let mut world = begin();
    let stake = world.stake(ALICE, sui(), 0);
    let (cluster, _cap) = world.cluster(b"home");
    world.set_paused(true);
    let _token = world.mint(ALICE, &stake, &cluster, b"n1");
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun pausing_a_pool_of_another_version_aborts() {
    let mut world = begin();
    world.pool_mut().set_version_for_testing(2);
    world.set_paused(true);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EUnchanged)]
fun pausing_twice_aborts() {
    let mut world = begin();
    world.set_paused(true);
    world.set_paused(true);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EUnknownKind)]
fun an_unknown_kind_aborts() {
    let mut world = begin();
    world.propose(8, vector[1]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EMalformed)]
fun too_few_values_abort() {
    let mut world = begin();
    world.propose(0, vector[1, 2]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EMalformed)]
fun a_tier_that_is_no_byte_aborts() {
    let mut world = begin();
    world.propose(0, vector[256, sui(), 0]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EFull)]
fun a_seventeenth_pending_change_aborts() {
    let mut world = begin();
    17u64.do!(|_| { world.propose(1, vector[day()]); });
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EUnknownChange)]
fun executing_twice_aborts() {
    let mut world = begin();
    change(&mut world, 1, vector[20 * day()]);
    world.execute_change(0);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EUnknownChange)]
fun cancelling_what_is_not_pending_aborts() {
    let mut world = begin();
    world.cancel(0);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::ETimelocked)]
fun executing_before_the_timelock_aborts() {
    let mut world = begin();
    let number = world.propose(1, vector[20 * day()]);
    world.advance(2 * day() - 1);
    world.execute_change(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EExpired)]
fun executing_after_the_grace_period_aborts() {
    let mut world = begin();
    let number = world.propose(1, vector[20 * day()]);
    world.advance(16 * day() + 1);
    world.execute_change(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EOutOfBounds)]
fun unbonding_shorter_than_a_case_aborts() {
    let mut world = begin();
    change(&mut world, 1, vector[10 * day() - 1]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EOutOfBounds)]
fun a_timelock_below_its_bounds_aborts() {
    let mut world = begin();
    change(&mut world, 3, vector[59_999]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EOutOfBounds)]
fun a_timelock_above_its_bounds_aborts() {
    let mut world = begin();
    change(&mut world, 3, vector[30 * day() + 1]);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EUnknownTier)]
fun changing_an_unknown_tier_aborts() {
    let mut world = begin();
    change(&mut world, 0, vector[3, sui(), 0]);
    abort 0xdead
}

#[test]
fun migration_brings_old_params_in() {
    let mut world = begin();
    world.params_mut().set_version_for_testing(0);
    world.migrate_params();
    change(&mut world, 3, vector[day()]);
    assert_eq!(events_by_type<ParamsMigrated>().length(), 1);
    world.end();
}

#[test, expected_failure(abort_code = params::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_params();
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongVersion)]
fun proposing_in_another_version_aborts() {
    let mut world = begin();
    world.params_mut().set_version_for_testing(2);
    world.propose(1, vector[day()]);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongVersion)]
fun cancelling_in_another_version_aborts() {
    let mut world = begin();
    let number = world.propose(1, vector[day()]);
    world.params_mut().set_version_for_testing(2);
    world.cancel(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongVersion)]
fun executing_in_another_version_aborts() {
    let mut world = begin();
    let number = world.propose(1, vector[day()]);
    world.params_mut().set_version_for_testing(2);
    world.execute_change(number);
    abort 0xdead
}

#[test, expected_failure(abort_code = params::EWrongVersion)]
fun pausing_in_another_version_aborts() {
    let mut world = begin();
    world.params_mut().set_version_for_testing(2);
    world.set_paused(true);
    abort 0xdead
}
