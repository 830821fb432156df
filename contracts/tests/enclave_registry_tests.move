// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::enclave_registry_tests;

use k3s_daas::enclave_registry::{
    Self,
    Cluster,
    ClusterCap,
    ClusterCreated,
    ClusterMigrated,
    EnclaveRegistered,
    EnclaveRevoked,
    EndpointRegistered,
    EndpointRemoved,
    MeasurementApproved,
    MeasurementRetired
};
use k3s_daas::fixture::{begin, bytes, World};
use std::unit_test::{assert_eq, destroy};
use sui::event::events_by_type;
use sui::test_scenario;

const URL: vector<u8> = b"https://control.example:6443";

fun start(): (World, Cluster, ClusterCap) {
    let mut world = begin();
    let (cluster, cap) = world.cluster(b"home");
    (world, cluster, cap)
}

fun finish(world: World, cluster: Cluster, cap: ClusterCap) {
    destroy(cluster);
    destroy(cap);
    world.end();
}

fun measurement(byte: u8): vector<u8> { bytes(48, byte) }

#[test]
fun a_cluster_begins_empty() {
    let (world, cluster, cap) = start();
    assert_eq!(cluster.name(), b"home".to_string());
    assert!(!cluster.is_active(0, measurement(1), world.clock()));
    assert_eq!(events_by_type<ClusterCreated>().length(), 1);
    finish(world, cluster, cap);
}

#[test]
fun sharing_makes_a_cluster_shared() {
    let mut scenario = test_scenario::begin(@0xA);
    let (world, cluster, cap) = start();
    cluster.share_cluster();
    scenario.next_tx(@0xB);
    let cluster = scenario.take_shared<Cluster>();
    assert_eq!(cluster.name(), b"home".to_string());
    test_scenario::return_shared(cluster);
    destroy(cap);
    world.end();
    scenario.end();
}

#[test]
fun measurements_are_approved_retired_and_brought_back() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.approve(&cap, &mut cluster, 1, measurement(1));
    assert!(cluster.is_active(0, measurement(1), world.clock()));
    assert!(!cluster.is_active(0, measurement(2), world.clock()));
    assert!(!cluster.is_active(2, measurement(1), world.clock()));
    world.retire(&cap, &mut cluster, 0, measurement(1));
    assert!(!cluster.is_active(0, measurement(1), world.clock()));
    assert!(cluster.is_active(1, measurement(1), world.clock()));
    world.approve(&cap, &mut cluster, 0, measurement(1));
    assert!(cluster.is_active(0, measurement(1), world.clock()));
    assert_eq!(events_by_type<MeasurementApproved>().length(), 3);
    assert_eq!(events_by_type<MeasurementRetired>().length(), 1);
    finish(world, cluster, cap);
}

#[test]
fun endpoints_are_registered_replaced_and_removed() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.register(&cap, &mut cluster, URL, bytes(32, 1), measurement(1));
    world.register(&cap, &mut cluster, b"https://second", bytes(32, 2), measurement(1));
    world.register(&cap, &mut cluster, URL, bytes(32, 3), measurement(1));
    world.remove(&cap, &mut cluster, URL);
    world.remove(&cap, &mut cluster, b"https://second");
    assert_eq!(events_by_type<EndpointRegistered>().length(), 3);
    assert_eq!(events_by_type<EndpointRemoved>().length(), 2);
    finish(world, cluster, cap);
}

#[test]
fun migration_brings_an_old_cluster_in() {
    let (world, mut cluster, cap) = start();
    cluster.set_version_for_testing(0);
    cap.migrate(&mut cluster);
    world.approve(&cap, &mut cluster, 0, measurement(1));
    assert_eq!(events_by_type<ClusterMigrated>().length(), 1);
    finish(world, cluster, cap);
}

#[test, expected_failure(abort_code = enclave_registry::ENotAnUpgrade)]
fun migrating_twice_aborts() {
    let (_world, mut cluster, cap) = start();
    cap.migrate(&mut cluster);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun migrating_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap) = start();
    let (_second, other) = world.cluster(b"away");
    other.migrate(&mut cluster);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongVersion)]
fun approving_in_another_version_aborts() {
    let (world, mut cluster, cap) = start();
    cluster.set_version_for_testing(2);
    world.approve(&cap, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun approving_with_anothers_capability_aborts() {
    let (mut world, mut cluster, _cap) = start();
    let (_second, other) = world.cluster(b"away");
    world.approve(&other, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun retiring_with_anothers_capability_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let (_second, other) = world.cluster(b"away");
    world.retire(&other, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun registering_with_anothers_capability_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let (_second, other) = world.cluster(b"away");
    world.register(&other, &mut cluster, URL, bytes(32, 1), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun removing_with_anothers_capability_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.register(&cap, &mut cluster, URL, bytes(32, 1), measurement(1));
    let (_second, other) = world.cluster(b"away");
    world.remove(&other, &mut cluster, URL);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidName)]
fun an_empty_name_aborts() {
    let mut world = begin();
    let (_cluster, _cap) = world.cluster(b"");
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidName)]
fun a_long_name_aborts() {
    let mut world = begin();
    let (_cluster, _cap) = world.cluster(bytes(64, 0x61));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidName)]
fun a_name_with_a_space_aborts() {
    let mut world = begin();
    let (_cluster, _cap) = world.cluster(b"my home");
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUnknownKind)]
fun an_unknown_kind_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 6, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun a_measurement_of_another_length_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, bytes(33, 1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidMeasurement)]
fun an_all_zero_measurement_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(0));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EAlreadyApproved)]
fun approving_twice_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.approve(&cap, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ETextTooLong)]
fun a_long_source_aborts() {
    let (world, mut cluster, cap) = start();
    let source = bytes(257, 0x61).to_string();
    cap.approve_measurement(&mut cluster, 0, measurement(1), source, 0, world.clock());
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EFull)]
fun a_full_allow_list_aborts() {
    let (world, mut cluster, cap) = start();
    65u8.do!(|byte| world.approve(&cap, &mut cluster, 0, measurement(byte + 1)));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun retiring_what_was_never_approved_aborts() {
    let (world, mut cluster, cap) = start();
    world.retire(&cap, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun retiring_twice_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.retire(&cap, &mut cluster, 0, measurement(1));
    world.retire(&cap, &mut cluster, 0, measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun registering_what_is_not_approved_aborts() {
    let (world, mut cluster, cap) = start();
    world.register(&cap, &mut cluster, URL, bytes(32, 1), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun registering_what_is_retired_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.retire(&cap, &mut cluster, 0, measurement(1));
    world.register(&cap, &mut cluster, URL, bytes(32, 1), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidUrl)]
fun an_empty_url_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.register(&cap, &mut cluster, b"", bytes(32, 1), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidKeyHash)]
fun a_short_key_hash_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    world.register(&cap, &mut cluster, URL, bytes(31, 1), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EFull)]
fun a_full_list_of_endpoints_aborts() {
    let (world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    33u8.do!(|number| {
        world.register(&cap, &mut cluster, bytes(1, number + 1), bytes(32, 1), measurement(1));
    });
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EUnknownEndpoint)]
fun removing_an_unknown_endpoint_aborts() {
    let (world, mut cluster, cap) = start();
    world.remove(&cap, &mut cluster, URL);
    abort 0xdead
}

#[test]
fun an_enclave_is_trusted_while_it_is_registered_and_its_measurement_allowed() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let mut enclave = world.enclave(&cap, &mut cluster, bytes(32, 9), measurement(1));
    assert_eq!(enclave.public_key(), bytes(32, 9));
    assert!(cluster.is_trusted(&enclave));
    let (second, other) = world.cluster(b"away");
    assert!(!second.is_trusted(&enclave));
    world.retire(&cap, &mut cluster, 0, measurement(1));
    assert!(!cluster.is_trusted(&enclave));
    world.approve(&cap, &mut cluster, 0, measurement(1));
    assert!(cluster.is_trusted(&enclave));
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    assert!(!cluster.is_trusted(&enclave));
    assert_eq!(events_by_type<EnclaveRegistered>().length(), 1);
    assert_eq!(events_by_type<EnclaveRevoked>().length(), 1);
    enclave.share_enclave();
    destroy(second);
    destroy(other);
    finish(world, cluster, cap);
}

#[test, expected_failure(abort_code = enclave_registry::EInvalidPublicKey)]
fun a_short_public_key_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let _enclave = world.enclave(&cap, &mut cluster, bytes(31, 9), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::ENotApproved)]
fun an_enclave_that_runs_what_is_not_approved_aborts() {
    let (mut world, mut cluster, cap) = start();
    let _enclave = world.enclave(&cap, &mut cluster, bytes(32, 9), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun registering_an_enclave_with_anothers_capability_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let (_second, other) = world.cluster(b"away");
    let _enclave = world.enclave(&other, &mut cluster, bytes(32, 9), measurement(1));
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EWrongCluster)]
fun revoking_anothers_enclave_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let mut enclave = world.enclave(&cap, &mut cluster, bytes(32, 9), measurement(1));
    let (mut second, other) = world.cluster(b"away");
    world.revoke_enclave(&other, &mut second, &mut enclave);
    abort 0xdead
}

#[test, expected_failure(abort_code = enclave_registry::EAlreadyRevoked)]
fun revoking_an_enclave_twice_aborts() {
    let (mut world, mut cluster, cap) = start();
    world.approve(&cap, &mut cluster, 0, measurement(1));
    let mut enclave = world.enclave(&cap, &mut cluster, bytes(32, 9), measurement(1));
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    world.revoke_enclave(&cap, &mut cluster, &mut enclave);
    abort 0xdead
}
