// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::anchors_tests;

use k3s_daas::anchors::{Self, AnchorsMigrated, StateAnchored};
use k3s_daas::enclave_registry::{Cluster, ClusterCap, Enclave};
use k3s_daas::fixture::{begin, bytes, World};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;

// Ed25519 by the key whose seed is 32 times 0x07, for (epoch, term, revision) and the cluster of
// `start`.
const KEY: vector<u8> = x"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const AT_1_1_10: vector<u8> =
    x"58203d910beb2dd7e6739d7e0d34702eb966eb97b45d4adec1bc2e51b8d40c94a7ffa66f9b6dc32d3f26c80cb7379a50345932a97b04729ec431811616326c04";
const AT_1_1_11: vector<u8> =
    x"2a05236801f69a3791581a5f8d0d018ce798ef46b98386a2d6102346fa0d7e746a9bfee0d20e31012b86ceb7e9d484c3389e774bde48ef5c9f51e993d540fa07";
const AT_1_1_9: vector<u8> =
    x"4d6d5e7e798689ae70397d9d6f50c9c2a420e43f7798b31bdec8d831dfd254b06e398825107941948cf7f4df992cf2368c529dd84b451f7630d11d6f18aec806";
const AT_2_1_1: vector<u8> =
    x"374c1ef16aaca3ac7051b8eaacac79a9eb818e1104ff6169086204df30055cf5ad6f0dea553b07879f5034222ed5670bf21047e076ce03009b287098059f3c0f";

fun start(): (World, Cluster, ClusterCap, Enclave) {
    let mut world = begin();
    let (mut cluster, cap) = world.cluster(b"home");
    world.approve(&cap, &mut cluster, 0, bytes(48, 1));
    let enclave = world.enclave(&cap, &mut cluster, KEY, bytes(48, 1));
    (world, cluster, cap, enclave)
}

#[test]
fun anchors_grow() {
    let (mut world, cluster, cap, enclave) = start();
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    world.anchor(&cluster, &enclave, 1, 1, 11, AT_1_1_11);
    // New sealing keys begin anew.
    world.anchor(&cluster, &enclave, 2, 1, 1, AT_2_1_1);
    assert_eq!(events_by_type<StateAnchored>().length(), 3);
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    world.end();
}

#[test]
fun newer_is_a_later_epoch_or_a_later_revision_of_no_earlier_term() {
    assert!(anchors::is_newer_for_testing(vector[1, 5, 9], vector[2, 0, 0]));
    assert!(anchors::is_newer_for_testing(vector[1, 5, 9], vector[1, 5, 10]));
    assert!(anchors::is_newer_for_testing(vector[1, 5, 9], vector[1, 6, 10]));
    assert!(!anchors::is_newer_for_testing(vector[1, 5, 9], vector[1, 5, 9]));
    assert!(!anchors::is_newer_for_testing(vector[1, 5, 9], vector[1, 6, 9]));
    assert!(!anchors::is_newer_for_testing(vector[1, 5, 9], vector[1, 4, 10]));
    assert!(!anchors::is_newer_for_testing(vector[1, 5, 9], vector[0, 9, 99]));
}

#[test]
fun migration_brings_old_anchors_in() {
    let (mut world, cluster, cap, enclave) = start();
    world.anchors_mut().set_version_for_testing(0);
    world.migrate_anchors();
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    assert_eq!(events_by_type<AnchorsMigrated>().length(), 1);
    destroy(cluster);
    destroy(cap);
    destroy(enclave);
    world.end();
}

#[test, expected_failure(abort_code = anchors::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let mut world = begin();
    world.migrate_anchors();
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::ENotNewer)]
fun an_older_state_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    world.anchor(&cluster, &enclave, 1, 1, 9, AT_1_1_9);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::ENotNewer)]
fun the_same_state_again_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EInvalidSignature)]
fun a_statement_of_another_state_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.anchor(&cluster, &enclave, 1, 1, 12, AT_1_1_11);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EUntrustedEnclave)]
fun a_statement_of_a_revoked_enclave_aborts() {
    let (mut world, mut cluster, cap, mut enclave) = start();
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EUntrustedEnclave)]
fun a_statement_on_another_cluster_aborts() {
    let (mut world, _cluster, _cap, enclave) = start();
    let (second, _other) = world.cluster(b"away");
    world.anchor(&second, &enclave, 1, 1, 10, AT_1_1_10);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EStaleStatement)]
fun an_old_statement_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.advance(600_001);
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EInvalidRoot)]
fun a_short_root_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.anchor_with(&cluster, &enclave, 1, 1, 10, bytes(31, 7), AT_1_1_10);
    abort 0xdead
}

#[test, expected_failure(abort_code = anchors::EWrongVersion)]
fun anchoring_in_another_version_aborts() {
    let (mut world, cluster, _cap, enclave) = start();
    world.anchors_mut().set_version_for_testing(2);
    world.anchor(&cluster, &enclave, 1, 1, 10, AT_1_1_10);
    abort 0xdead
}
