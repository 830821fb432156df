// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::upgrades_tests;

use k3s_daas::fixture::{begin, bytes, day, World};
use k3s_daas::upgrades::{
    Self,
    UpgradeAuthorized,
    UpgradeCancelled,
    UpgradeCapHeld,
    UpgradeCommitted,
    UpgradeProposed,
    Upgrades,
    UpgradesMigrated
};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;
use sui::package;
use sui::test_scenario;

const OWNER: address = @0xAD;

fun empty(): (World, Upgrades) {
    let world = begin();
    let mut scenario = test_scenario::begin(OWNER);
    upgrades::init_for_testing(scenario.ctx());
    scenario.next_tx(OWNER);
    let upgrades = scenario.take_shared<Upgrades>();
    destroy(scenario);
    (world, upgrades)
}

/// ... with the capability.
fun start(): (World, Upgrades) {
    let (mut world, mut upgrades) = empty();
    let cap = package::test_publish(object::id_from_address(@0x77), &mut world.ctx(OWNER));
    upgrades::hold(world.admin(), &mut upgrades, cap);
    (world, upgrades)
}

fun propose(world: &World, upgrades: &mut Upgrades, digest: vector<u8>) {
    upgrades::propose(world.admin(), upgrades, world.params(), digest, world.clock());
}

#[test]
fun an_upgrade_waits_for_the_timelock() {
    let (mut world, mut upgrades) = start();
    propose(&world, &mut upgrades, bytes(32, 1));
    world.advance(2 * day());
    let ticket = upgrades::authorize(world.admin(), &mut upgrades, world.clock());
    assert_eq!(*ticket.digest(), bytes(32, 1));
    assert_eq!(ticket.policy(), 0);
    upgrades.commit(package::test_upgrade(ticket));
    assert_eq!(events_by_type<UpgradeCapHeld>().length(), 1);
    assert_eq!(events_by_type<UpgradeProposed>().length(), 1);
    assert_eq!(events_by_type<UpgradeAuthorized>().length(), 1);
    assert_eq!(events_by_type<UpgradeCommitted>().length(), 1);
    // And the next one.
    propose(&world, &mut upgrades, bytes(32, 2));
    upgrades::cancel(world.admin(), &mut upgrades);
    assert_eq!(events_by_type<UpgradeCancelled>().length(), 1);
    destroy(upgrades);
    world.end();
}

#[test, expected_failure(abort_code = upgrades::EHeld)]
fun a_second_capability_aborts() {
    let (mut world, mut upgrades) = start();
    let cap = package::test_publish(object::id_from_address(@0x78), &mut world.ctx(OWNER));
    upgrades::hold(world.admin(), &mut upgrades, cap);
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::ENotHeld)]
fun proposing_without_the_capability_aborts() {
    let (world, mut upgrades) = empty();
    propose(&world, &mut upgrades, bytes(32, 1));
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::ENotHeld)]
fun committing_without_the_capability_aborts() {
    let (mut world, mut upgrades) = empty();
    let mut cap = package::test_publish(object::id_from_address(@0x77), &mut world.ctx(OWNER));
    let receipt = package::test_upgrade(cap.authorize(0, bytes(32, 1)));
    upgrades.commit(receipt);
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::EPending)]
fun proposing_twice_aborts() {
    let (world, mut upgrades) = start();
    propose(&world, &mut upgrades, bytes(32, 1));
    propose(&world, &mut upgrades, bytes(32, 2));
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::EInvalidDigest)]
fun a_short_digest_aborts() {
    let (world, mut upgrades) = start();
    propose(&world, &mut upgrades, bytes(31, 1));
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::ENotPending)]
fun cancelling_nothing_aborts() {
    let (world, mut upgrades) = start();
    upgrades::cancel(world.admin(), &mut upgrades);
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::ENotPending)]
fun authorising_what_was_not_proposed_aborts() {
    let (world, mut upgrades) = start();
    let _ticket = upgrades::authorize(world.admin(), &mut upgrades, world.clock());
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::ETimelocked)]
fun authorising_before_the_timelock_aborts() {
    let (mut world, mut upgrades) = start();
    propose(&world, &mut upgrades, bytes(32, 1));
    world.advance(2 * day() - 1);
    let _ticket = upgrades::authorize(world.admin(), &mut upgrades, world.clock());
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::EExpired)]
fun authorising_after_the_grace_period_aborts() {
    let (mut world, mut upgrades) = start();
    propose(&world, &mut upgrades, bytes(32, 1));
    world.advance(16 * day() + 1);
    let _ticket = upgrades::authorize(world.admin(), &mut upgrades, world.clock());
    abort 0xdead
}

#[test, expected_failure(abort_code = upgrades::EWrongVersion)]
fun proposing_in_another_version_aborts() {
    let (world, mut upgrades) = start();
    upgrades.set_version_for_testing(9);
    propose(&world, &mut upgrades, bytes(32, 1));
    abort 0xdead
}

#[test]
fun migration_brings_old_upgrades_in() {
    let (world, mut upgrades) = start();
    upgrades.set_version_for_testing(0);
    upgrades::migrate(world.admin(), &mut upgrades);
    propose(&world, &mut upgrades, bytes(32, 1));
    assert_eq!(events_by_type<UpgradesMigrated>().length(), 1);
    destroy(upgrades);
    world.end();
}

#[test, expected_failure(abort_code = upgrades::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let (world, mut upgrades) = start();
    upgrades::migrate(world.admin(), &mut upgrades);
    abort 0xdead
}
