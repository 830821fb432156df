//! The functions of the module `enclave_registry`, statement by statement as in
//! `enclave_registry.move`.

use super::Parameter::{Mut, Ref, Value};
use super::staking::function;
use super::{Function, PACKAGE_VERSION};
use crate::abort::enclave_registry as code;
use crate::execute::call::{Call, Failure, Returns};
use crate::layout::enclave_registry::{
    Cluster, ClusterCap, ClusterCreated, ClusterMigrated, Enclave, EnclaveRegistered,
    EnclaveRevoked, Endpoint, EndpointRegistered, EndpointRemoved, Measurement,
    MeasurementApproved, MeasurementRetired,
};
use crate::layout::framework::Clock;
use crate::types::{Ty, encode};

const KINDS: u8 = 6;
const LONGEST_NAME: usize = 63;
const LONGEST_SOURCE: usize = 256;
const LONGEST_URL: usize = 256;
const PUBLIC_KEY_LENGTH: usize = 32;
const KEY_HASH_LENGTH: usize = 32;
const MOST_MEASUREMENTS: usize = 64;
const MOST_ENDPOINTS: usize = 32;

const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");
const CAP: Ty = Ty::Package("enclave_registry", "ClusterCap");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(create_cluster(Value(Ty::String)) ctx -> [CLUSTER, CAP]),
    function!(share_cluster(Value(CLUSTER)) -> []),
    function!(approve_measurement(
        Ref(CAP), Mut(CLUSTER), Value(Ty::U8), Value(Ty::Bytes), Value(Ty::String), Ref(Ty::Clock)
    ) -> []),
    function!(retire_measurement(
        Ref(CAP), Mut(CLUSTER), Value(Ty::U8), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(register_endpoint(
        Ref(CAP), Mut(CLUSTER), Value(Ty::String), Value(Ty::Bytes), Value(Ty::Bytes),
        Value(Ty::U8), Ref(Ty::Clock)
    ) -> []),
    function!(remove_endpoint(Ref(CAP), Mut(CLUSTER), Value(Ty::String), Ref(Ty::Clock)) -> []),
    function!(register_enclave(
        Ref(CAP), Ref(CLUSTER), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::U8), Ref(Ty::Clock)
    ) ctx -> [ENCLAVE]),
    function!(share_enclave(Value(ENCLAVE)) -> []),
    function!(revoke_enclave(Ref(CAP), Ref(CLUSTER), Mut(ENCLAVE), Ref(Ty::Clock)) -> []),
    function!(is_trusted(Ref(CLUSTER), Ref(ENCLAVE)) -> [Ty::Bool]),
    function!(measurement(Ref(ENCLAVE)) -> [Ty::Bytes]),
    function!(public_key(Ref(ENCLAVE)) -> [Ty::Bytes]),
    function!(migrate(Ref(CAP), Mut(CLUSTER)) -> []),
    function!(is_allowed(Ref(CLUSTER), Value(Ty::U8), Value(Ty::Bytes)) -> [Ty::Bool]),
    function!(name(Ref(CLUSTER)) -> [Ty::String]),
];

fn create_cluster(call: &mut Call<'_>) -> Returns {
    let name: String = call.get(0)?;
    call.assert(is_name(&name), code::INVALID_NAME)?;
    let cluster = Cluster {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        name: name.clone(),
        measurements: Vec::new(),
        endpoints: Vec::new(),
    };
    let cap = ClusterCap {
        id: call.fresh_id(),
        cluster_id: cluster.id,
    };
    call.emit(&ClusterCreated {
        cluster_id: cluster.id,
        cap_id: cap.id,
        name,
        creator: call.sender(),
    });
    Ok(vec![encode(&cluster), encode(&cap)])
}

fn share_cluster(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    call.share(&cluster)?;
    Ok(vec![])
}

fn approve_measurement(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let kind: u8 = call.get(2)?;
    let measurement: Vec<u8> = call.get(3)?;
    let source: String = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    call.assert(kind < KINDS, code::UNKNOWN_KIND)?;
    call.assert(is_measurement(&measurement), code::INVALID_MEASUREMENT)?;
    call.assert(source.len() <= LONGEST_SOURCE, code::TEXT_TOO_LONG)?;
    match find(&mut cluster, kind, &measurement) {
        Some(entry) => {
            call.assert(entry.retired, code::ALREADY_APPROVED)?;
            entry.retired = false;
            entry.source.clone_from(&source);
            entry.approved_at_ms = now;
        }
        None => {
            call.assert(cluster.measurements.len() < MOST_MEASUREMENTS, code::FULL)?;
            cluster.measurements.push(Measurement {
                kind,
                bytes: measurement.clone(),
                source: source.clone(),
                approved_at_ms: now,
                retired: false,
            });
        }
    }
    call.emit(&MeasurementApproved {
        cluster_id: cluster.id,
        kind,
        measurement,
        source,
        approved_at_ms: now,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn retire_measurement(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let kind: u8 = call.get(2)?;
    let measurement: Vec<u8> = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    let entry = find(&mut cluster, kind, &measurement).ok_or(call.abort(code::NOT_APPROVED))?;
    call.assert(!entry.retired, code::NOT_APPROVED)?;
    entry.retired = true;
    call.emit(&MeasurementRetired {
        cluster_id: cluster.id,
        kind,
        measurement,
        at_ms: now,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn register_endpoint(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let url: String = call.get(2)?;
    let tls_key_hash: Vec<u8> = call.get(3)?;
    let measurement: Vec<u8> = call.get(4)?;
    let kind: u8 = call.get(5)?;
    let now = call.get::<Clock>(6)?.timestamp_ms;
    call.assert(
        !url.is_empty() && url.len() <= LONGEST_URL,
        code::INVALID_URL,
    )?;
    call.assert(
        tls_key_hash.len() == KEY_HASH_LENGTH,
        code::INVALID_KEY_HASH,
    )?;
    call.assert(allows(&cluster, kind, &measurement), code::NOT_APPROVED)?;
    let endpoint = Endpoint {
        url: url.clone(),
        tls_key_hash: tls_key_hash.clone(),
        measurement: measurement.clone(),
        kind,
        registered_at_ms: now,
    };
    match cluster.endpoints.iter_mut().find(|known| known.url == url) {
        Some(known) => *known = endpoint,
        None => {
            call.assert(cluster.endpoints.len() < MOST_ENDPOINTS, code::FULL)?;
            cluster.endpoints.push(endpoint);
        }
    }
    call.emit(&EndpointRegistered {
        cluster_id: cluster.id,
        url,
        tls_key_hash,
        measurement,
        kind,
        registered_at_ms: now,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn remove_endpoint(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let url: String = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    let before = cluster.endpoints.len();
    cluster.endpoints.retain(|known| known.url != url);
    call.assert(cluster.endpoints.len() < before, code::UNKNOWN_ENDPOINT)?;
    call.emit(&EndpointRemoved {
        cluster_id: cluster.id,
        url,
        at_ms: now,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn register_enclave(call: &mut Call<'_>) -> Returns {
    let cluster = governed(call)?;
    let public_key: Vec<u8> = call.get(2)?;
    let measurement: Vec<u8> = call.get(3)?;
    let kind: u8 = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    call.assert(
        public_key.len() == PUBLIC_KEY_LENGTH,
        code::INVALID_PUBLIC_KEY,
    )?;
    call.assert(allows(&cluster, kind, &measurement), code::NOT_APPROVED)?;
    let enclave = Enclave {
        id: call.fresh_id(),
        cluster_id: cluster.id,
        public_key: public_key.clone(),
        measurement: measurement.clone(),
        kind,
        registered_at_ms: now,
        revoked: false,
    };
    call.emit(&EnclaveRegistered {
        enclave_id: enclave.id,
        cluster_id: cluster.id,
        public_key,
        measurement,
        kind,
        registered_at_ms: now,
    });
    Ok(vec![encode(&enclave)])
}

fn share_enclave(call: &mut Call<'_>) -> Returns {
    let enclave: Enclave = call.get(0)?;
    call.share(&enclave)?;
    Ok(vec![])
}

fn revoke_enclave(call: &mut Call<'_>) -> Returns {
    let cluster = governed(call)?;
    let mut enclave: Enclave = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(enclave.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(!enclave.revoked, code::ALREADY_REVOKED)?;
    enclave.revoked = true;
    call.emit(&EnclaveRevoked {
        enclave_id: enclave.id,
        cluster_id: cluster.id,
        at_ms: now,
    });
    call.set(2, &enclave)?;
    Ok(vec![])
}

fn is_trusted(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let enclave: Enclave = call.get(1)?;
    Ok(vec![encode(&trusts(&cluster, &enclave))])
}

fn measurement(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Enclave>(0)?.measurement)])
}

fn public_key(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Enclave>(0)?.public_key)])
}

/// `is_trusted`, for the other modules too.
pub(super) fn trusts(cluster: &Cluster, enclave: &Enclave) -> bool {
    enclave.cluster_id == cluster.id
        && !enclave.revoked
        && allows(cluster, enclave.kind, &enclave.measurement)
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let cap: ClusterCap = call.get(0)?;
    let mut cluster: Cluster = call.get(1)?;
    call.assert(cap.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(cluster.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    cluster.version = PACKAGE_VERSION;
    call.emit(&ClusterMigrated {
        cluster_id: cluster.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn is_allowed(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let kind: u8 = call.get(1)?;
    let measurement: Vec<u8> = call.get(2)?;
    Ok(vec![encode(&allows(&cluster, kind, &measurement))])
}

fn name(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Cluster>(0)?.name)])
}

/// The cluster (argument 1) after checking its version and the capability (argument 0).
fn governed(call: &Call<'_>) -> Result<Cluster, Failure> {
    let cap: ClusterCap = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    call.assert(cluster.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(cap.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    Ok(cluster)
}

fn find<'c>(cluster: &'c mut Cluster, kind: u8, bytes: &[u8]) -> Option<&'c mut Measurement> {
    cluster
        .measurements
        .iter_mut()
        .find(|entry| entry.kind == kind && entry.bytes == bytes)
}

fn allows(cluster: &Cluster, kind: u8, bytes: &[u8]) -> bool {
    cluster
        .measurements
        .iter()
        .any(|entry| entry.kind == kind && entry.bytes == bytes && !entry.retired)
}

fn is_measurement(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 32 | 48 | 64) && bytes.iter().any(|byte| *byte != 0)
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= LONGEST_NAME
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}
