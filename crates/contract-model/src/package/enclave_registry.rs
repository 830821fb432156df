//! The functions of the module `enclave_registry`, statement by statement as in
//! `enclave_registry.move`.

mod enclaves;

use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::staking::function;
use super::{Function, PACKAGE_VERSION};
use crate::abort::enclave_registry as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{
    CLUSTER_CLOSED, CLUSTER_OPEN, Cluster, ClusterCap, ClusterCreated, ClusterMigrated, Enclave,
    Endpoint, EndpointRegistered, EndpointRemoved, KIND_NITRO, Measurement, MeasurementApproved,
    MeasurementRetired, OwnerAdded, OwnerRemoved, Register, StatusChanged, TermsChanged,
};
use crate::layout::framework::Clock;
use crate::types::{Ty, encode};
pub(super) use enclaves::{Registration, register_attested};
use enclaves::{
    needed, register_enclave, register_vouched, registrations, revoke_enclave, share_enclave,
};

const KINDS: u8 = 6;
const DAY_MS: u64 = 86_400_000;
const LONGEST_NAME: usize = 63;
const LONGEST_SOURCE: usize = 256;
const LONGEST_URL: usize = 256;
const KEY_HASH_LENGTH: usize = 32;
const REGISTER_LENGTH: usize = 48;
const MOST_REGISTERS: usize = 16;
const MOST_MEASUREMENTS: usize = 64;
const MOST_ENDPOINTS: usize = 32;
const MOST_ENCLAVES: u64 = 32;
const MOST_OWNERS: usize = 16;
const LONGEST_NOTICE_MS: u64 = 30 * DAY_MS;
const LONGEST_WAIT_MS: u64 = 365 * DAY_MS;

const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");
const ENDPOINT: Ty = Ty::Package("enclave_registry", "Endpoint");
const ENDPOINTS: Ty = Ty::List("enclave_registry", "Endpoint");
const CAP: Ty = Ty::Package("enclave_registry", "ClusterCap");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(create_cluster(Value(Ty::String)) ctx -> [CLUSTER, CAP]),
    function!(share_cluster(Value(CLUSTER)) -> []),
    function!(set_status(Ref(CAP), Mut(CLUSTER), Value(Ty::U8)) -> []),
    function!(set_terms(
        Ref(CAP), Mut(CLUSTER), Value(Ty::U64), Value(Ty::U64), Value(Ty::Bool)
    ) -> []),
    function!(add_owner(Ref(CAP), Mut(CLUSTER), Value(Ty::Address)) -> []),
    function!(remove_owner(Ref(CAP), Mut(CLUSTER), Value(Ty::Address)) -> []),
    function!(approve_measurement(
        Ref(CAP), Mut(CLUSTER), Value(Ty::U8), Value(Ty::Bytes), Value(Ty::String),
        Value(Ty::U64), Ref(Ty::Clock)
    ) -> []),
    function!(approve_image(
        Ref(CAP), Mut(CLUSTER), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::BytesList),
        Value(Ty::String), Value(Ty::U64), Ref(Ty::Clock)
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
        Ref(CAP), Mut(CLUSTER), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::Bytes),
        Value(Ty::U8), Ref(Ty::Clock)
    ) ctx -> [ENCLAVE]),
    function!(register_vouched(
        Mut(CLUSTER), Value(Ty::U8), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::Bytes),
        Value(Ty::Bytes), Value(Ty::String), Value(Ty::Bytes), Value(Ty::U64), Value(Ty::Ids),
        Value(Ty::BytesList), Ref(Ty::Clock)
    ) ctx -> [ENCLAVE]),
    function!(share_enclave(Value(ENCLAVE)) -> []),
    function!(revoke_enclave(Ref(CAP), Mut(CLUSTER), Mut(ENCLAVE), Ref(Ty::Clock)) -> []),
    function!(migrate(Ref(CAP), Mut(CLUSTER)) -> []),
    function!(is_trusted(Ref(CLUSTER), Ref(ENCLAVE)) -> [Ty::Bool]),
    function!(is_active(
        Ref(CLUSTER), Value(Ty::U8), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> [Ty::Bool]),
    function!(discover(Ref(CLUSTER)) -> [ENDPOINTS]),
    function!(needed(Ref(CLUSTER)) -> [Ty::U64]),
    function!(name(Ref(CLUSTER)) -> [Ty::String]),
    function!(is_open(Ref(CLUSTER)) -> [Ty::Bool]),
    function!(is_owner(Ref(CLUSTER), Value(Ty::Address)) -> [Ty::Bool]),
    function!(registrations(Ref(CLUSTER)) -> [Ty::U64]),
    function!(url(Ref(ENDPOINT)) -> [Ty::String]),
    function!(tls_key_hash(Ref(ENDPOINT)) -> [Ty::Bytes]),
    function!(measurement(Ref(ENCLAVE)) -> [Ty::Bytes]),
    function!(public_key(Ref(ENCLAVE)) -> [Ty::Bytes]),
    function!(encryption_key(Ref(ENCLAVE)) -> [Ty::Bytes]),
];

fn create_cluster(call: &mut Call<'_>) -> Returns {
    let name: String = call.get(0)?;
    call.assert(is_name(&name), code::INVALID_NAME)?;
    let cluster = Cluster {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        name: name.clone(),
        status: CLUSTER_OPEN,
        owners: vec![call.sender()],
        notice_ms: 0,
        quorum: 1,
        attested_only: false,
        measurements: Vec::new(),
        endpoints: Vec::new(),
        members: Vec::new(),
        registrations: 0,
        interface: None,
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

fn set_status(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let status: u8 = call.get(2)?;
    call.assert(status <= CLUSTER_CLOSED, code::OUT_OF_BOUNDS)?;
    call.assert(cluster.status != CLUSTER_CLOSED, code::CLOSED)?;
    call.assert(cluster.status != status, code::UNCHANGED)?;
    cluster.status = status;
    call.emit(&StatusChanged {
        cluster_id: cluster.id,
        status,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn set_terms(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let notice_ms: u64 = call.get(2)?;
    let quorum: u64 = call.get(3)?;
    let attested_only: bool = call.get(4)?;
    let notice = (cluster.notice_ms..=LONGEST_NOTICE_MS).contains(&notice_ms);
    call.assert(notice, code::OUT_OF_BOUNDS)?;
    call.assert((1..=MOST_ENCLAVES).contains(&quorum), code::OUT_OF_BOUNDS)?;
    let stays = attested_only || !cluster.attested_only;
    call.assert(stays, code::OUT_OF_BOUNDS)?;
    cluster.notice_ms = notice_ms;
    cluster.quorum = quorum;
    cluster.attested_only = attested_only;
    call.emit(&TermsChanged {
        cluster_id: cluster.id,
        notice_ms,
        quorum,
        attested_only,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn add_owner(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let owner: Address = call.get(2)?;
    call.assert(!cluster.owners.contains(&owner), code::UNCHANGED)?;
    call.assert(cluster.owners.len() < MOST_OWNERS, code::FULL)?;
    cluster.owners.push(owner);
    call.emit(&OwnerAdded {
        cluster_id: cluster.id,
        owner,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn remove_owner(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let owner: Address = call.get(2)?;
    call.assert(cluster.owners.contains(&owner), code::UNCHANGED)?;
    cluster.owners.retain(|known| *known != owner);
    call.emit(&OwnerRemoved {
        cluster_id: cluster.id,
        owner,
    });
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn approve_measurement(call: &mut Call<'_>) -> Returns {
    let approval = Approval {
        kind: call.get(2)?,
        measurement: call.get(3)?,
        registers: Vec::new(),
        source: call.get(4)?,
        active_at_ms: call.get(5)?,
    };
    let now = call.get::<Clock>(6)?.timestamp_ms;
    approve(call, approval, now)
}

fn approve_image(call: &mut Call<'_>) -> Returns {
    let indices: Vec<u8> = call.get(3)?;
    let values: Vec<Vec<u8>> = call.get(4)?;
    let fits = indices.len() == values.len() && indices.len() <= MOST_REGISTERS;
    call.assert(fits, code::INVALID_MEASUREMENT)?;
    let mut registers: Vec<Register> = Vec::new();
    for (index, value) in indices.into_iter().zip(values) {
        let twice = registers.iter().any(|known| known.index == index);
        call.assert(!twice, code::INVALID_MEASUREMENT)?;
        call.assert(value.len() == REGISTER_LENGTH, code::INVALID_MEASUREMENT)?;
        registers.push(Register { index, value });
    }
    for index in 0..3 {
        let shown = registers
            .iter()
            .any(|known| known.index == index && known.value.iter().any(|byte| *byte != 0));
        call.assert(shown, code::INVALID_MEASUREMENT)?;
    }
    let approval = Approval {
        kind: KIND_NITRO,
        measurement: call.get(2)?,
        registers,
        source: call.get(5)?,
        active_at_ms: call.get(6)?,
    };
    let now = call.get::<Clock>(7)?.timestamp_ms;
    approve(call, approval, now)
}

struct Approval {
    kind: u8,
    measurement: Vec<u8>,
    registers: Vec<Register>,
    source: String,
    active_at_ms: u64,
}

fn approve(call: &mut Call<'_>, approval: Approval, now: u64) -> Returns {
    let mut cluster = governed(call)?;
    let Approval {
        kind,
        measurement,
        registers,
        source,
        active_at_ms,
    } = approval;
    call.assert(kind < KINDS, code::UNKNOWN_KIND)?;
    call.assert(is_measurement(&measurement), code::INVALID_MEASUREMENT)?;
    call.assert(source.len() <= LONGEST_SOURCE, code::TEXT_TOO_LONG)?;
    let latest = add(now, LONGEST_WAIT_MS)?;
    call.assert(active_at_ms <= latest, code::OUT_OF_BOUNDS)?;
    let active_at_ms = active_at_ms.max(add(now, cluster.notice_ms)?);
    let entry = Measurement {
        kind,
        bytes: measurement.clone(),
        registers: registers.clone(),
        source: source.clone(),
        approved_at_ms: now,
        active_at_ms,
        retired: false,
    };
    match find(&mut cluster, kind, &measurement) {
        Some(known) => {
            call.assert(known.retired, code::ALREADY_APPROVED)?;
            *known = entry;
        }
        None => {
            call.assert(cluster.measurements.len() < MOST_MEASUREMENTS, code::FULL)?;
            cluster.measurements.push(entry);
        }
    }
    call.emit(&MeasurementApproved {
        cluster_id: cluster.id,
        kind,
        measurement,
        registers,
        source,
        approved_at_ms: now,
        active_at_ms,
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
    let endpoint = Endpoint {
        url: call.get(2)?,
        tls_key_hash: call.get(3)?,
        measurement: call.get(4)?,
        kind: call.get(5)?,
        registered_at_ms: call.get::<Clock>(6)?.timestamp_ms,
        enclave_id: None,
    };
    call.assert(!cluster.attested_only, code::ATTESTED_ONLY)?;
    let now = endpoint.registered_at_ms;
    let active = allows(&cluster, endpoint.kind, &endpoint.measurement, now);
    call.assert(active, code::NOT_APPROVED)?;
    put_endpoint(call, &mut cluster, endpoint)?;
    call.set(1, &cluster)?;
    Ok(vec![])
}

fn put_endpoint(
    call: &mut Call<'_>,
    cluster: &mut Cluster,
    endpoint: Endpoint,
) -> Result<(), Failure> {
    let url = &endpoint.url;
    let named = !url.is_empty() && url.len() <= LONGEST_URL;
    call.assert(named, code::INVALID_URL)?;
    let hashed = endpoint.tls_key_hash.len() == KEY_HASH_LENGTH;
    call.assert(hashed, code::INVALID_KEY_HASH)?;
    let known = cluster.endpoints.iter_mut();
    match known.into_iter().find(|known| known.url == endpoint.url) {
        Some(known) => *known = endpoint.clone(),
        None => {
            call.assert(cluster.endpoints.len() < MOST_ENDPOINTS, code::FULL)?;
            cluster.endpoints.push(endpoint.clone());
        }
    }
    call.emit(&EndpointRegistered {
        cluster_id: cluster.id,
        url: endpoint.url,
        tls_key_hash: endpoint.tls_key_hash,
        measurement: endpoint.measurement,
        kind: endpoint.kind,
        registered_at_ms: endpoint.registered_at_ms,
        enclave_id: endpoint.enclave_id,
    });
    Ok(())
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

fn is_trusted(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let enclave: Enclave = call.get(1)?;
    Ok(vec![encode(&trusts(&cluster, &enclave))])
}

fn is_active(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let kind: u8 = call.get(1)?;
    let measurement: Vec<u8> = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    Ok(vec![encode(&allows(&cluster, kind, &measurement, now))])
}

fn discover(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let endpoints = cluster.endpoints.iter();
    let trusted: Vec<&Endpoint> = endpoints
        .filter(|e| allows(&cluster, e.kind, &e.measurement, e.registered_at_ms))
        .collect();
    Ok(vec![encode(&trusted)])
}

fn name(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Cluster>(0)?.name)])
}

fn is_open(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    Ok(vec![encode(&(cluster.status == CLUSTER_OPEN))])
}

fn is_owner(call: &mut Call<'_>) -> Returns {
    let cluster: Cluster = call.get(0)?;
    let who: Address = call.get(1)?;
    Ok(vec![encode(&cluster.owners.contains(&who))])
}

fn url(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Endpoint>(0)?.url)])
}

fn tls_key_hash(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Endpoint>(0)?.tls_key_hash)])
}

fn measurement(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Enclave>(0)?.measurement)])
}

fn public_key(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Enclave>(0)?.public_key)])
}

fn encryption_key(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Enclave>(0)?.encryption_key)])
}

/// `is_trusted`, for the other modules too.
pub(super) fn trusts(cluster: &Cluster, enclave: &Enclave) -> bool {
    enclave.cluster_id == cluster.id
        && !enclave.revoked
        && allows(
            cluster,
            enclave.kind,
            &enclave.measurement,
            enclave.registered_at_ms,
        )
}

/// `check`, for the other modules too: aborts in this one.
pub(super) fn check(call: &Call<'_>, cluster: &Cluster, cap: &ClusterCap) -> Result<(), Failure> {
    let abort = |code| Err(call.abort_in("enclave_registry", code));
    if cluster.version != PACKAGE_VERSION {
        return abort(code::WRONG_VERSION);
    }
    if cap.cluster_id != cluster.id {
        return abort(code::WRONG_CLUSTER);
    }
    Ok(())
}

/// The cluster (argument 1) after checking its version and the capability (argument 0).
fn governed(call: &Call<'_>) -> Result<Cluster, Failure> {
    let cap: ClusterCap = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    check(call, &cluster, &cap)?;
    Ok(cluster)
}

fn find<'c>(cluster: &'c mut Cluster, kind: u8, bytes: &[u8]) -> Option<&'c mut Measurement> {
    cluster
        .measurements
        .iter_mut()
        .find(|entry| entry.kind == kind && entry.bytes == bytes)
}

/// Whether the measurement counted at that time, by what the allow-list says now.
fn allows(cluster: &Cluster, kind: u8, bytes: &[u8], at_ms: u64) -> bool {
    let mut measurements = cluster.measurements.iter();
    measurements.any(|entry| entry.kind == kind && entry.bytes == bytes && counts(entry, at_ms))
}

fn counts(entry: &Measurement, at_ms: u64) -> bool {
    !entry.retired && at_ms >= entry.active_at_ms
}

fn is_measurement(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 32 | 48 | 64) && bytes.iter().any(|byte| *byte != 0)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && super::is_label(name)
}
