// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::slashing_tests;

use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, day, sui, World};
use k3s_daas::slashing::{
    Self,
    Case,
    CaseExecuted,
    CaseOpened,
    CaseRejected,
    DocketMigrated,
    RulesChanged
};
use k3s_daas::staking::{Self, Stake, TreasuryFunded};
use std::unit_test::{assert_eq, destroy};
use sui::coin::Coin;
use sui::event::events_by_type;
use sui::sui::SUI;
use sui::test_scenario;

const ALICE: address = @0xA;
const REPORTER: address = @0xEE;
const BOND: u64 = 100_000_000;
const PENALTIES: vector<u64> = vector[100, 5_000, 1_000, 500];

// Ed25519 by the key whose seed is 32 times 0x07, over the statements of `report` and of the appeal
// against it that the ids of `start` lead to.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const EVIDENCE: vector<u8> =
    x"be4a9fb1e61dce408c6a28b49ded812435cb198eaed2cc9ac11859569480c311e8420e92c128d4f2605292d2c104e02637f6ccf4ee51877d94c8e91292c1ee00";
const ACQUITTAL: vector<u8> =
    x"eb36db9102dfa394b279c84b4afd2c57d7e6c3fd61c308a4c6f33d1e183449164c97b0d705d204070c52cf834317f68b80e53e5df78b54be16deb994270dee0c";

/// A world, a cluster with an allowed measurement, Alice's stake of 10 SUI, an enclave.
fun start(): (World, Cluster, ClusterCap, Stake, Enclave) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let stake = world.stake(ALICE, 10 * sui(), 0);
    let enclave = world.enclave(&cap, &cluster, KEY, bytes(48, 1));
    (world, cluster, cap, stake, enclave)
}

fun finish(world: World, cluster: Cluster, cap: ClusterCap, stake: Stake, enclave: Enclave) {
    destroy(cluster);
    destroy(cap);
    destroy(stake);
    destroy(enclave);
    world.end();
}

/// A world, a cluster, a stake of 10 SUI, and a case against it.
fun accused(kind: u8): (World, Cluster, Stake, Case) {
    let (mut world, cluster, cap, stake, enclave) = start();
    let case = world.case(&stake, &cluster, kind, 1);
    destroy(cap);
    destroy(enclave);
    (world, cluster, stake, case)
}

fun end(world: World, cluster: Cluster, stake: Stake, case: Case) {
    destroy(cluster);
    destroy(stake);
    destroy(case);
    world.end();
}

#[test]
fun signed_evidence_opens_a_case() {
    let (mut world, cluster, cap, stake, enclave) = start();
    let case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    assert_eq!(case.status(), 0);
    assert_eq!(case.penalty(), sui() / 10);
    assert_eq!(case.bond(), BOND);
    assert_eq!(case.appeal_until_ms(), world.now() + 7 * day());
    assert_eq!(events_by_type<CaseOpened>().length(), 1);
    case.share_case();
    finish(world, cluster, cap, stake, enclave);
}

#[test]
fun a_signed_acquittal_rejects_a_case() {
    let (mut world, cluster, cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, ACQUITTAL);
    assert_eq!(case.status(), 2);
    assert_eq!(case.bond(), 0);
    assert_eq!(world.pool().treasury(), BOND);
    assert_eq!(events_by_type<CaseRejected>().length(), 1);
    assert_eq!(events_by_type<TreasuryFunded>().length(), 1);
    destroy(case);
    finish(world, cluster, cap, stake, enclave);
}

#[test]
fun executing_slashes_and_pays_the_reporter() {
    let mut scenario = test_scenario::begin(ALICE);
    let (mut world, cluster, mut stake, mut case) = accused(3);
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    // 5 % of 10 SUI; 5 % of that is the reporter's.
    assert_eq!(case.status(), 1);
    assert_eq!(stake.amount(), 10 * sui() - sui() / 2);
    assert_eq!(world.pool().treasury(), sui() / 2 - sui() / 40);
    assert_eq!(events_by_type<CaseExecuted>().length(), 1);
    scenario.next_tx(REPORTER);
    let coin = scenario.take_from_address<Coin<SUI>>(REPORTER);
    assert_eq!(coin.value(), BOND + sui() / 40);
    destroy(coin);
    end(world, cluster, stake, case);
    scenario.end();
}

#[test]
fun a_period_takes_no_more_than_its_cap() {
    let (mut world, cluster, mut stake, mut first) = accused(1);
    let mut second = world.case(&stake, &cluster, 1, 1);
    let mut other = world.case(&stake, &cluster, 1, 2);
    world.advance(7 * day());
    world.execute(&mut first, &mut stake);
    assert_eq!(stake.amount(), 5 * sui());
    // The second of the same period finds the cap of half the stake reached; its reporter has the
    // bond back. Another period has a cap of its own.
    world.execute(&mut second, &mut stake);
    assert_eq!(stake.amount(), 5 * sui());
    assert_eq!(second.bond(), 0);
    world.execute(&mut other, &mut stake);
    assert_eq!(stake.amount(), 5 * sui() / 2);
    destroy(second);
    destroy(other);
    end(world, cluster, stake, first);
}

#[test]
fun executing_reaches_unbonding_stake_and_spares_what_is_gone() {
    let (mut world, cluster, mut stake, mut case) = accused(1);
    let mut late = world.case(&stake, &cluster, 2, 2);
    world.advance(7 * day());
    world.unstake(ALICE, &mut stake);
    world.execute(&mut case, &mut stake);
    assert_eq!(stake.amount(), 5 * sui());
    world.advance(14 * day());
    assert_eq!(world.withdraw(ALICE, &mut stake), 5 * sui());
    world.execute(&mut late, &mut stake);
    assert_eq!(late.status(), 1);
    destroy(late);
    end(world, cluster, stake, case);
}

#[test]
fun governance_vetoes() {
    let (mut world, cluster, stake, mut case) = accused(0);
    world.veto(&mut case);
    assert_eq!(case.status(), 2);
    assert_eq!(world.pool().treasury(), BOND);
    end(world, cluster, stake, case);
}

#[test]
fun rules_change() {
    let mut world = begin();
    world.set_rules(10_000, 10_000, 1, 0, vector[0, 1, 2, 10_000], 10_000, 0);
    assert_eq!(events_by_type<RulesChanged>().length(), 1);
    world.end();
}

#[test]
fun migration_brings_an_old_docket_in() {
    let mut world = begin();
    world.docket_mut().set_version_for_testing(0);
    world.migrate_docket();
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 5_000, 2_000);
    assert_eq!(events_by_type<DocketMigrated>().length(), 1);
    world.end();
}

#[test, expected_failure(abort_code = slashing::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_docket();
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EReplayed)]
fun reporting_the_same_evidence_twice_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _first = world.report(&stake, &cluster, &enclave, EVIDENCE);
    let _second = world.report(&stake, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun unsigned_evidence_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report(&stake, &cluster, &enclave, bytes(64, 0));
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun evidence_of_another_statement_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    // Signed for one failed node, reported for two.
    let _case = world.report_with(&stake, &cluster, &enclave, 0, 2, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun evidence_against_another_stake_aborts() {
    let (mut world, cluster, _cap, _stake, enclave) = start();
    let other = world.stake(@0xB, sui(), 0);
    let _case = world.report(&other, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_acquittal_is_no_evidence() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report(&stake, &cluster, &enclave, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun evidence_of_a_revoked_enclave_aborts() {
    let (mut world, cluster, cap, stake, mut enclave) = start();
    world.revoke_enclave(&cap, &cluster, &mut enclave);
    let _case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun evidence_of_another_clusters_enclave_aborts() {
    let (mut world, _cluster, _cap, stake, enclave) = start();
    let (second, _other) = world.cluster(b"away");
    let _case = world.report(&stake, &second, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun old_evidence_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    world.advance(3 * day() + 1);
    let _case = world.report_with(&stake, &cluster, &enclave, 0, 1, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun evidence_from_the_future_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report_with(&stake, &cluster, &enclave, 0, 1, 1_000_001, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUnknownKind)]
fun an_unknown_kind_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report_with(&stake, &cluster, &enclave, 4, 1, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongTier)]
fun accusing_a_users_stake_aborts() {
    let (mut world, cluster, _cap, _stake, enclave) = start();
    let user = world.stake(ALICE, sui(), 1);
    let _case = world.report(&user, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotSlashable)]
fun accusing_what_is_slashed_out_aborts() {
    let (mut world, cluster, _cap, mut stake, enclave) = start();
    world.slash(&mut stake, 10 * sui());
    let _case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ECorrelatedOutage)]
fun a_correlated_outage_is_nobodys_fault() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report_with(&stake, &cluster, &enclave, 0, 3, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun only_a_downtime_can_be_correlated() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report_with(&stake, &cluster, &enclave, 1, 10, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EBondTooSmall)]
fun a_small_bond_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let _case = world.report_with(&stake, &cluster, &enclave, 0, 1, 1_000_000, EVIDENCE, BOND - 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun reporting_in_another_version_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    world.docket_mut().set_version_for_testing(2);
    let _case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_appeal_without_a_signature_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun an_acquittal_from_before_the_report_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &cluster, &enclave, 999_999, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EAppealOver)]
fun an_appeal_too_late_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.advance(7 * day());
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongCluster)]
fun an_appeal_by_another_cluster_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    let (second, _other) = world.cluster(b"away");
    world.appeal(&mut case, &second, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun an_appeal_by_a_revoked_enclave_aborts() {
    let (mut world, cluster, cap, stake, mut enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.revoke_enclave(&cap, &cluster, &mut enclave);
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun an_appeal_after_a_veto_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.veto(&mut case);
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun an_appeal_in_another_version_aborts() {
    let (mut world, cluster, _cap, stake, enclave) = start();
    let mut case = world.report(&stake, &cluster, &enclave, EVIDENCE);
    world.docket_mut().set_version_for_testing(2);
    world.appeal(&mut case, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EAppealOpen)]
fun executing_early_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.advance(7 * day() - 1);
    world.execute(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun executing_twice_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    world.execute(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun executing_a_vetoed_case_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.veto(&mut case);
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongStake)]
fun executing_on_another_stake_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    let mut other = world.stake(@0xB, sui(), 0);
    world.advance(7 * day());
    world.execute(&mut case, &mut other);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun executing_in_another_version_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.docket_mut().set_version_for_testing(2);
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EWrongVersion)]
fun rejecting_on_a_pool_of_another_version_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    world.pool_mut().set_version_for_testing(2);
    world.veto(&mut case);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun vetoing_twice_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    world.veto(&mut case);
    world.veto(&mut case);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EAppealOver)]
fun vetoing_late_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    world.advance(7 * day());
    world.veto(&mut case);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun vetoing_in_another_version_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    world.docket_mut().set_version_for_testing(2);
    world.veto(&mut case);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun setting_rules_in_another_version_aborts() {
    let mut world = begin();
    world.docket_mut().set_version_for_testing(2);
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_short_evidence_window_aborts() {
    let mut world = begin();
    world.set_rules(9_999, day(), BOND, 500, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_short_appeal_window_aborts() {
    let mut world = begin();
    world.set_rules(day(), 9_999, BOND, 500, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun windows_longer_than_the_unbonding_period_abort() {
    let mut world = begin();
    world.set_rules(7 * day(), 7 * day() + 1, BOND, 500, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun no_bond_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), 0, 500, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_large_reporters_share_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 5_001, PENALTIES, 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_penalty_for_each_kind_is_needed() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, vector[1, 2, 3], 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_penalty_above_the_whole_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, vector[1, 2, 3, 10_001], 5_000, 2_000);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_cap_above_the_whole_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 10_001, 2_000);
    abort 0xdead
}
