// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::slashing_tests;

use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, day, sui, World};
use k3s_daas::k8s_gateway::SealToken;
use k3s_daas::slashing::{
    Self,
    Case,
    CaseExecuted,
    CaseOpened,
    CaseRejected,
    DocketMigrated,
    OutageDeclared,
    RulesChanged
};
use k3s_daas::staking::{Self, Jailed, Stake, Tombstoned, TreasuryFunded, Unjailed};
use std::unit_test::{assert_eq, destroy};
use sui::coin::Coin;
use sui::event::events_by_type;
use sui::sui::SUI;
use sui::test_scenario;

const ALICE: address = @0xA;
const REPORTER: address = @0xEE;
const BOND: u64 = 100_000_000;
const SENTENCE: u64 = 3_600_000;
const PENALTIES: vector<u64> = vector[100, 5_000, 1_000, 500];

// Ed25519 by the key whose seed is 32 times 0x07, over the statements of `report`, of the appeal against
// it and of an outage that the ids of `start` lead to.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const EVIDENCE: vector<u8> =
    x"fa1c382ea97cb77de5ceb0848fd9dc73c5327bf7bfb51257ce5f900af11cb692c0e117d5045f1b610cb8d799a50b8db6e956fc8902f2172267f6ad8cf7b14d0a";
const ACQUITTAL: vector<u8> =
    x"85e90bf11441a7a20b08e0062f2175eb20764d7105150ceb19b4df6b49de2e4970f10f075e04aab7a3fe482d97c07721e5aa96bea354ff3dc6f11237024d3607";
const OUTAGE: vector<u8> =
    x"a716f1dfaf93b578d89b08651cca3d3f72c8ac7f994c3f3ffde5965a55150559bd82a7786ce957e7ad539a9ee8a3ad9f98666ea32653ad2f74e62f5524e28102";

// Heartbeats of the node of `start`, signed by the key whose seed is 32 times 0x08: two for slot 7, one
// for slot 8.
const NODE_KEY: vector<u8> = x"1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca";
const READY: vector<u8> =
    x"6b33732d646161732f7365616c2f6865617274626561742f7631003cbbffe556969e138320c66faeb60c1689b17c3db3f8320b1eb7cb16f4fe871f9bdb5c597e2eca69f0cdcc6701e2b1cb34db56d6cab6d0a6e85dc247c4e8d642026e30070000000000000040420f00000000000101010200000005302e312e30";
const READY_SIGNED: vector<u8> =
    x"670e3259817e0211adfe636fc5fdf3a46a07658472f5a5921ec69b9f24c1189fb6fc89bd73002657581dc526648929323e71cb4d6dbfe159cf2c831401c2ad0f";
const UNREADY: vector<u8> =
    x"6b33732d646161732f7365616c2f6865617274626561742f7631003cbbffe556969e138320c66faeb60c1689b17c3db3f8320b1eb7cb16f4fe871f9bdb5c597e2eca69f0cdcc6701e2b1cb34db56d6cab6d0a6e85dc247c4e8d642026e30070000000000000040420f00000000000001010200000005302e312e30";
const UNREADY_SIGNED: vector<u8> =
    x"574a5ecd1161b8f067fcceff6bb1fd4ac58481b74ce10136dca441157fc7569a28b26e78dac85efe6e4d7223f720e0e6b106cebebbaea3b56199926292a70b0d";
const LATER: vector<u8> =
    x"6b33732d646161732f7365616c2f6865617274626561742f7631003cbbffe556969e138320c66faeb60c1689b17c3db3f8320b1eb7cb16f4fe871f9bdb5c597e2eca69f0cdcc6701e2b1cb34db56d6cab6d0a6e85dc247c4e8d642026e30080000000000000040420f00000000000101010200000005302e312e30";
const LATER_SIGNED: vector<u8> =
    x"6c39182d267f427d76df0d20cfeb0883d1166456d3011b243448163099e7075234f66a49fde6ecb41a70743895cefff8a530d0e626b51ceda08788a160c09b00";

// The key whose seed is 32 times 0x09, and its proof that it replaces the node's.
const NEW_KEY: vector<u8> = x"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618";
const ROTATION: vector<u8> =
    x"4f2f28eed9d15314061a6e1d7d75bab2fded246d4d5d389621d0d17fe213f0c7b9eb4543f0d526ea4bcb58384f7d238233c4f87cd7dbbdbd7e9be8b4d527f206";

/// A world, a cluster with an allowed measurement, Alice's stake of 10 SUI with a token for the cluster,
/// an enclave.
fun start(): (World, Cluster, ClusterCap, Stake, SealToken, Enclave) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let stake = world.stake(ALICE, 10 * sui(), 0);
    let enclave = world.enclave(&cap, &mut cluster, KEY, bytes(48, 1));
    let token = world.mint_with(
        ALICE,
        &stake,
        &cluster,
        b"n0",
        NODE_KEY,
        bytes(32, 2),
        b"",
        day(),
    );
    (world, cluster, cap, stake, token, enclave)
}

fun finish(
    world: World,
    cluster: Cluster,
    cap: ClusterCap,
    stake: Stake,
    token: SealToken,
    enclave: Enclave,
) {
    destroy(cluster);
    destroy(cap);
    destroy(stake);
    destroy(token);
    destroy(enclave);
    world.end();
}

/// A world, a cluster, a stake of 10 SUI, and a case against it.
fun accused(kind: u8): (World, Cluster, Stake, Case) {
    let (mut world, cluster, cap, mut stake, token, enclave) = start();
    let case = world.case(&mut stake, &cluster, kind, 1);
    destroy(cap);
    destroy(token);
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
    let (mut world, cluster, cap, mut stake, token, enclave) = start();
    let case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    assert_eq!(case.status(), 0);
    assert_eq!(case.penalty(), sui() / 10);
    assert_eq!(case.bond(), BOND);
    assert_eq!(case.appeal_until_ms(), world.now() + 7 * day());
    assert_eq!(events_by_type<CaseOpened>().length(), 1);
    case.share_case();
    finish(world, cluster, cap, stake, token, enclave);
}

#[test]
fun a_signed_acquittal_rejects_a_case() {
    let (mut world, cluster, cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
    assert_eq!(case.status(), 2);
    assert_eq!(case.bond(), 0);
    assert_eq!(world.pool().treasury(), BOND);
    assert_eq!(events_by_type<CaseRejected>().length(), 1);
    assert_eq!(events_by_type<TreasuryFunded>().length(), 1);
    destroy(case);
    finish(world, cluster, cap, stake, token, enclave);
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
    let mut second = world.case(&mut stake, &cluster, 1, 1);
    let mut other = world.case(&mut stake, &cluster, 1, 2);
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
fun executing_reaches_unbonding_stake_and_nothing_leaves_before() {
    let (mut world, cluster, mut stake, mut case) = accused(1);
    let mut late = world.case(&mut stake, &cluster, 2, 2);
    assert_eq!(stake.cases(), 2);
    world.advance(7 * day());
    world.unstake(ALICE, &mut stake);
    world.execute(&mut case, &mut stake);
    assert_eq!(stake.amount(), 5 * sui());
    world.advance(14 * day());
    world.execute(&mut late, &mut stake);
    assert_eq!(stake.cases(), 0);
    assert_eq!(world.withdraw(ALICE, &mut stake), 4 * sui());
    destroy(late);
    end(world, cluster, stake, case);
}

#[test, expected_failure(abort_code = staking::EAccused)]
fun a_pending_case_holds_a_withdrawal_back_however_short_the_period_became() {
    let (mut world, _cluster, mut stake, _case) = accused(1);
    world.set_unbonding(60_000);
    world.advance(day());
    world.unstake(ALICE, &mut stake);
    world.advance(60_000);
    world.withdraw(ALICE, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = staking::EAccused)]
fun a_pending_case_holds_the_queue_back() {
    let (mut world, _cluster, mut stake, _case) = accused(1);
    world.advance(day());
    let part = world.unstake_part(ALICE, &mut stake, sui());
    world.advance(14 * day());
    world.redeem(&mut stake, part);
    abort 0xdead
}

#[test]
fun a_slash_reaches_owner_and_queue_in_proportion() {
    let (mut world, cluster, mut stake, mut case) = accused(1);
    world.advance(7 * day());
    let part = world.unstake_part(ALICE, &mut stake, 4 * sui());
    world.execute(&mut case, &mut stake);
    assert_eq!(stake.amount(), 3 * sui());
    assert_eq!(stake.queued(), 2 * sui());
    world.advance(14 * day());
    // Rounded in favour of the pool.
    assert!(world.redeem(&mut stake, part) >= 2 * sui() - 1);
    end(world, cluster, stake, case);
}

#[test]
fun sentences_double_and_are_forgiven() {
    let (mut world, cluster, mut stake, mut first) = accused(3);
    let mut second = world.case(&mut stake, &cluster, 3, 2);
    let mut third = world.case(&mut stake, &cluster, 3, 3);
    world.advance(7 * day());
    world.execute(&mut first, &mut stake);
    assert_eq!(stake.jailed_until_ms(), world.now() + SENTENCE);
    assert!(!world.sufficient(&stake, 0));
    assert_eq!(events_by_type<Jailed>().length(), 1);
    world.advance(SENTENCE);
    world.unjail(ALICE, &mut stake);
    assert!(world.sufficient(&stake, 0));
    assert_eq!(events_by_type<Unjailed>().length(), 1);
    world.execute(&mut second, &mut stake);
    assert_eq!(stake.jailed_until_ms(), world.now() + 2 * SENTENCE);
    world.advance(2 * SENTENCE);
    world.unjail(ALICE, &mut stake);
    world.advance(90 * day());
    world.execute(&mut third, &mut stake);
    assert_eq!(stake.jailed_until_ms(), world.now() + SENTENCE);
    destroy(second);
    destroy(third);
    end(world, cluster, stake, first);
}

#[test]
fun two_heartbeats_for_one_slot_prove_equivocation() {
    let (mut world, cluster, cap, mut stake, token, enclave) = start();
    let mut case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    assert_eq!(stake.amount(), 5 * sui());
    assert!(stake.is_tombstoned() && !world.sufficient(&stake, 0));
    assert_eq!(events_by_type<Tombstoned>().length(), 1);
    // Once is enough.
    let mut again = world.case(&mut stake, &cluster, 1, 4);
    world.advance(7 * day());
    world.execute(&mut again, &mut stake);
    assert_eq!(events_by_type<Tombstoned>().length(), 1);
    destroy(again);
    destroy(case);
    finish(world, cluster, cap, stake, token, enclave);
}

/// A node that equivocated can't hide behind a new key.
#[test]
fun what_a_former_key_signed_stays_evidence() {
    let (mut world, cluster, cap, mut stake, mut token, enclave) = start();
    world.rotate(ALICE, &mut stake, &mut token, NEW_KEY, ROTATION, bytes(32, 3));
    let case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    assert_eq!(stake.cases(), 1);
    destroy(case);
    finish(world, cluster, cap, stake, token, enclave);
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun a_former_key_is_checked_as_the_present_one() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    world.pool().retire_key(&mut stake, KEY, world.clock());
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EProven)]
fun an_acquittal_of_proven_equivocation_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EReplayed)]
fun a_slot_is_one_equivocation() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let _first = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    let _second = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        UNREADY,
        UNREADY_SIGNED,
        READY,
        READY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotEquivocation)]
fun heartbeats_for_two_slots_are_no_equivocation() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        LATER,
        LATER_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotEquivocation)]
fun a_heartbeat_twice_is_no_equivocation() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        READY,
        READY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotEquivocation)]
fun a_heartbeat_of_another_token_is_no_equivocation() {
    let (mut world, cluster, _cap, _stake, _token, _enclave) = start();
    let mut other = world.stake(@0xB, sui(), 0);
    let token = world.mint_with(
        @0xB,
        &other,
        &cluster,
        b"n1",
        NODE_KEY,
        bytes(32, 2),
        b"",
        day(),
    );
    let _case = world.report_equivocation(
        &mut other,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongKey)]
fun heartbeats_by_a_key_that_the_node_never_had_abort() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_unsigned_heartbeat_aborts() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        READY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun old_heartbeats_abort() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    world.advance(3 * day() + 1);
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongToken)]
fun equivocation_of_another_stake_aborts() {
    let (mut world, _cluster, _cap, _stake, token, _enclave) = start();
    let mut other = world.stake(@0xB, sui(), 0);
    let _case = world.report_equivocation(
        &mut other,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun equivocation_in_another_version_aborts() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    world.docket_mut().set_version_for_testing(2);
    let _case = world.report_equivocation(
        &mut stake,
        &token,
        NODE_KEY,
        READY,
        READY_SIGNED,
        UNREADY,
        UNREADY_SIGNED,
    );
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongToken)]
fun evidence_with_another_stakes_token_aborts() {
    let (mut world, cluster, _cap, _stake, token, enclave) = start();
    let mut other = world.stake(@0xB, sui(), 0);
    let _case = world.report(&mut other, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

/// An enclave of a cluster that the owner never joined can't accuse, whatever it signs.
#[test, expected_failure(abort_code = slashing::EWrongCluster)]
fun evidence_of_a_cluster_that_the_stake_never_joined_aborts() {
    let (mut world, _cluster, _cap, mut stake, token, _enclave) = start();
    let (mut second, other) = world.cluster(b"away");
    world.approve(&other, &mut second, 0, bytes(48, 1));
    let rogue = world.enclave(&other, &mut second, KEY, bytes(48, 1));
    let _case = world.report(&mut stake, &token, &second, &rogue, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun evidence_from_after_the_tokens_life_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    world.advance(day() + SENTENCE + 1);
    let _case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun evidence_about_a_period_to_come_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(
        &mut stake,
        &token,
        &cluster,
        &enclave,
        0,
        1,
        1,
        1_000_000,
        EVIDENCE,
        BOND,
    );
    abort 0xdead
}

#[test]
fun a_declared_outage_excuses_downtime() {
    let (mut world, cluster, cap, mut stake, token, enclave) = start();
    let mut down = world.case(&mut stake, &cluster, 0, 0);
    let mut lied = world.case(&mut stake, &cluster, 2, 0);
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    assert_eq!(events_by_type<OutageDeclared>().length(), 1);
    world.advance(7 * day());
    world.execute(&mut down, &mut stake);
    assert_eq!(stake.amount(), 10 * sui());
    assert_eq!(stake.jailed_until_ms(), 0);
    // It excuses nothing else.
    world.execute(&mut lied, &mut stake);
    assert_eq!(stake.amount(), 9 * sui());
    destroy(down);
    destroy(lied);
    finish(world, cluster, cap, stake, token, enclave);
}

#[test, expected_failure(abort_code = slashing::ENotAnOutage)]
fun an_outage_of_few_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.declare_outage(&cluster, &enclave, 0, 2, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotAnOutage)]
fun declaring_an_outage_twice_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_unsigned_outage_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.declare_outage(&cluster, &enclave, 0, 4, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun an_old_outage_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.advance(10 * day() + 1);
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun an_outage_to_come_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.declare_outage(&cluster, &enclave, 1, 3, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun an_outage_by_a_revoked_enclave_aborts() {
    let (mut world, mut cluster, cap, _stake, _token, mut enclave) = start();
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun an_outage_in_another_version_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    world.docket_mut().set_version_for_testing(2);
    world.declare_outage(&cluster, &enclave, 0, 3, 1_000_000, OUTAGE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongStake)]
fun vetoing_with_another_stake_aborts() {
    let (mut world, _cluster, _stake, mut case) = accused(0);
    let mut other = world.stake(@0xB, sui(), 0);
    world.veto(&mut case, &mut other);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongStake)]
fun appealing_with_another_stake_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    let mut other = world.stake(@0xB, sui(), 0);
    world.appeal(&mut case, &mut other, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_long_sentence_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 5_000, 2_000, 30 * day() + 1);
    abort 0xdead
}

#[test]
fun governance_vetoes() {
    let (mut world, cluster, mut stake, mut case) = accused(0);
    world.veto(&mut case, &mut stake);
    assert_eq!(case.status(), 2);
    assert_eq!(world.pool().treasury(), BOND);
    end(world, cluster, stake, case);
}

#[test]
fun rules_change() {
    let mut world = begin();
    world.set_rules(10_000, 10_000, 1, 0, vector[0, 1, 2, 10_000], 10_000, 0, SENTENCE);
    assert_eq!(events_by_type<RulesChanged>().length(), 1);
    world.end();
}

#[test]
fun migration_brings_an_old_docket_in() {
    let mut world = begin();
    world.docket_mut().set_version_for_testing(0);
    world.migrate_docket();
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 5_000, 2_000, SENTENCE);
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
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _first = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    let _second = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun unsigned_evidence_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report(&mut stake, &token, &cluster, &enclave, bytes(64, 0));
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun evidence_of_another_statement_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    // Signed for one failed node, reported for two.
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 0, 0, 2, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun evidence_against_another_stake_aborts() {
    let (mut world, cluster, _cap, _stake, _token, enclave) = start();
    let mut other = world.stake(@0xB, sui(), 0);
    let token = world.mint(@0xB, &other, &cluster, b"n1");
    let _case = world.report(&mut other, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_acquittal_is_no_evidence() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report(&mut stake, &token, &cluster, &enclave, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun evidence_of_a_revoked_enclave_aborts() {
    let (mut world, mut cluster, cap, mut stake, token, mut enclave) = start();
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    let _case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun evidence_of_another_clusters_enclave_aborts() {
    let (mut world, cluster, _cap, mut stake, token, _enclave) = start();
    let (mut second, other) = world.cluster(b"away");
    world.approve(&other, &mut second, 0, bytes(48, 1));
    let rogue = world.enclave(&other, &mut second, KEY, bytes(48, 1));
    let _case = world.report(&mut stake, &token, &cluster, &rogue, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun old_evidence_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    world.advance(3 * day() + 1);
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 0, 0, 1, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun evidence_from_the_future_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 0, 0, 1, 1_000_001, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUnknownKind)]
fun an_unknown_kind_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 4, 0, 1, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongTier)]
fun accusing_a_users_stake_aborts() {
    let (mut world, cluster, _cap, _stake, _token, _enclave) = start();
    let mut user = world.stake(ALICE, sui(), 1);
    let _case = world.case(&mut user, &cluster, 0, 0);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ENotSlashable)]
fun accusing_what_is_slashed_out_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    world.slash(&mut stake, 10 * sui());
    let _case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::ECorrelatedOutage)]
fun a_correlated_outage_is_nobodys_fault() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 0, 0, 3, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun only_a_downtime_can_be_correlated() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 1, 0, 10, 1_000_000, EVIDENCE, BOND);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EBondTooSmall)]
fun a_small_bond_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let _case = world.report_with(&mut stake, &token, &cluster, &enclave, 0, 0, 1, 1_000_000, EVIDENCE, BOND - 1);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun reporting_in_another_version_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    world.docket_mut().set_version_for_testing(2);
    let _case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EInvalidSignature)]
fun an_appeal_without_a_signature_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, EVIDENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EStaleEvidence)]
fun an_acquittal_from_before_the_report_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 999_999, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EAppealOver)]
fun an_appeal_too_late_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.advance(7 * day());
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongCluster)]
fun an_appeal_by_another_cluster_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    let (second, _other) = world.cluster(b"away");
    world.appeal(&mut case, &mut stake, &second, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EUntrustedEnclave)]
fun an_appeal_by_a_revoked_enclave_aborts() {
    let (mut world, mut cluster, cap, mut stake, token, mut enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun an_appeal_after_a_veto_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.veto(&mut case, &mut stake);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun an_appeal_in_another_version_aborts() {
    let (mut world, cluster, _cap, mut stake, token, enclave) = start();
    let mut case = world.report(&mut stake, &token, &cluster, &enclave, EVIDENCE);
    world.docket_mut().set_version_for_testing(2);
    world.appeal(&mut case, &mut stake, &cluster, &enclave, 1_000_000, ACQUITTAL);
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
    world.veto(&mut case, &mut stake);
    world.advance(7 * day());
    world.execute(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongStake)]
fun executing_on_another_stake_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
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
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.pool_mut().set_version_for_testing(2);
    world.veto(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EClosed)]
fun vetoing_twice_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.veto(&mut case, &mut stake);
    world.veto(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EAppealOver)]
fun vetoing_late_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.advance(7 * day());
    world.veto(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun vetoing_in_another_version_aborts() {
    let (mut world, _cluster, mut stake, mut case) = accused(0);
    world.docket_mut().set_version_for_testing(2);
    world.veto(&mut case, &mut stake);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EWrongVersion)]
fun setting_rules_in_another_version_aborts() {
    let mut world = begin();
    world.docket_mut().set_version_for_testing(2);
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_short_evidence_window_aborts() {
    let mut world = begin();
    world.set_rules(9_999, day(), BOND, 500, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_short_appeal_window_aborts() {
    let mut world = begin();
    world.set_rules(day(), 9_999, BOND, 500, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun windows_longer_than_the_unbonding_period_abort() {
    let mut world = begin();
    world.set_rules(7 * day(), 7 * day() + 1, BOND, 500, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun no_bond_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), 0, 500, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_large_reporters_share_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 5_001, PENALTIES, 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_penalty_for_each_kind_is_needed() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, vector[1, 2, 3], 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_penalty_above_the_whole_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, vector[1, 2, 3, 10_001], 5_000, 2_000, SENTENCE);
    abort 0xdead
}

#[test, expected_failure(abort_code = slashing::EOutOfBounds)]
fun a_cap_above_the_whole_aborts() {
    let mut world = begin();
    world.set_rules(day(), day(), BOND, 500, PENALTIES, 10_001, 2_000, SENTENCE);
    abort 0xdead
}
