//! How enclaves come in and go.

use sui_sdk_types::Address;

use super::{MOST_ENCLAVES, PACKAGE_VERSION, allows, code, counts, governed, put_endpoint};
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{
    BY_ATTESTATION, BY_CAPABILITY, BY_VOUCHING, CLUSTER_CLOSED, Cluster, Enclave,
    EnclaveRegistered, EnclaveRevoked, Endpoint, INTENT_REGISTRATION, INTENT_VOUCHING, KIND_NITRO,
    Measurement, Member, RegistrationStatement, VouchingStatement,
};
use crate::layout::framework::Clock;
use crate::package::slashing::{blake2b256, verify};
use crate::types::encode;

const MODULE: &str = "enclave_registry";
const PUBLIC_KEY_LENGTH: usize = 32;
const EVIDENCE_LENGTH: usize = 32;
const OLDEST_STATEMENT_MS: u64 = 600_000;

/// Who comes in.
struct Candidate {
    public_key: Vec<u8>,
    encryption_key: Vec<u8>,
    measurement: Vec<u8>,
    kind: u8,
    proof: u8,
}

pub(super) fn register_enclave(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let candidate = Candidate {
        public_key: call.get(2)?,
        encryption_key: call.get(3)?,
        measurement: call.get(4)?,
        kind: call.get(5)?,
        proof: BY_CAPABILITY,
    };
    let now = call.get::<Clock>(6)?.timestamp_ms;
    call.assert(!cluster.attested_only, code::ATTESTED_ONLY)?;
    let enclave = admit(call, &mut cluster, candidate, now)?;
    call.set(1, &cluster)?;
    Ok(vec![encode(&enclave)])
}

pub(super) fn register_vouched(call: &mut Call<'_>) -> Returns {
    let mut cluster: Cluster = call.get(0)?;
    let statement = VouchingStatement {
        intent: INTENT_VOUCHING,
        timestamp_ms: call.get(8)?,
        cluster_id: cluster.id,
        sender: call.sender(),
        nonce: cluster.registrations,
        kind: call.get(1)?,
        measurement: call.get(2)?,
        evidence: call.get(3)?,
        public_key: call.get(4)?,
        encryption_key: call.get(5)?,
        url: call.get(6)?,
        tls_key_hash: call.get(7)?,
    };
    let vouchers: Vec<Address> = call.get(9)?;
    let signatures: Vec<Vec<u8>> = call.get(10)?;
    let now = call.get::<Clock>(11)?.timestamp_ms;
    call.assert(cluster.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check_fresh(call, statement.timestamp_ms, now)?;
    let hashed = statement.evidence.len() == EVIDENCE_LENGTH;
    call.assert(hashed, code::INVALID_EVIDENCE)?;
    let message = encode(&statement);
    let same = vouchers.len() == signatures.len();
    call.assert(same, code::UNTRUSTED_VOUCHER)?;
    for (at, (voucher, signature)) in vouchers.iter().zip(&signatures).enumerate() {
        let first = vouchers.iter().position(|other| other == voucher) == Some(at);
        let mut members = cluster.members.iter();
        let member = members.find(|member| member.enclave_id == *voucher);
        let member = member
            .filter(|member| first && trusts(&cluster, member))
            .ok_or(call.abort(code::UNTRUSTED_VOUCHER))?;
        let signed = verify(signature, &member.public_key, &message);
        call.assert(signed, code::INVALID_SIGNATURE)?;
    }
    let enough = u64::try_from(vouchers.len()).is_ok_and(|count| count >= least(&cluster));
    call.assert(enough, code::NO_QUORUM)?;
    let candidate = Candidate {
        public_key: statement.public_key,
        encryption_key: statement.encryption_key,
        measurement: statement.measurement.clone(),
        kind: statement.kind,
        proof: BY_VOUCHING,
    };
    let enclave = admit(call, &mut cluster, candidate, now)?;
    let endpoint = Endpoint {
        url: statement.url,
        tls_key_hash: statement.tls_key_hash,
        measurement: statement.measurement,
        kind: statement.kind,
        registered_at_ms: now,
        enclave_id: Some(enclave.id),
    };
    put_endpoint(call, &mut cluster, endpoint)?;
    call.set(0, &cluster)?;
    Ok(vec![encode(&enclave)])
}

/// What `register_attested` is given besides the document.
pub(in crate::package) struct Registration {
    pub(in crate::package) public_key: Vec<u8>,
    pub(in crate::package) encryption_key: Vec<u8>,
    pub(in crate::package) url: String,
    pub(in crate::package) tls_key_hash: Vec<u8>,
}

/// `register_attested`, which the module `nitro` calls: its aborts are this module's.
pub(in crate::package) fn register_attested(
    call: &mut Call<'_>,
    cluster: &mut Cluster,
    registers: &[(u8, Vec<u8>)],
    document_at_ms: u64,
    user_data: &[u8],
    registration: Registration,
    now: u64,
) -> Result<Enclave, Failure> {
    let mut call = call.inside(MODULE);
    let call = &mut call;
    call.assert(cluster.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check_fresh(call, document_at_ms, now)?;
    let statement = RegistrationStatement {
        intent: INTENT_REGISTRATION,
        cluster_id: cluster.id,
        sender: call.sender(),
        nonce: cluster.registrations,
        public_key: registration.public_key,
        encryption_key: registration.encryption_key,
        url: registration.url,
        tls_key_hash: registration.tls_key_hash,
    };
    let bound = user_data == blake2b256(&encode(&statement));
    call.assert(bound, code::WRONG_BINDING)?;
    let mut measurements = cluster.measurements.iter();
    let found = measurements
        .find(|entry| entry.kind == KIND_NITRO && counts(entry, now) && shows(entry, registers));
    let found = found.ok_or(call.abort(code::NOT_APPROVED))?;
    let measurement = found.bytes.clone();
    let candidate = Candidate {
        public_key: statement.public_key,
        encryption_key: statement.encryption_key,
        measurement: measurement.clone(),
        kind: KIND_NITRO,
        proof: BY_ATTESTATION,
    };
    let enclave = admit(call, cluster, candidate, now)?;
    let endpoint = Endpoint {
        url: statement.url,
        tls_key_hash: statement.tls_key_hash,
        measurement,
        kind: KIND_NITRO,
        registered_at_ms: now,
        enclave_id: Some(enclave.id),
    };
    put_endpoint(call, cluster, endpoint)?;
    Ok(enclave)
}

pub(super) fn share_enclave(call: &mut Call<'_>) -> Returns {
    let enclave: Enclave = call.get(0)?;
    call.share(&enclave)?;
    Ok(vec![])
}

pub(super) fn revoke_enclave(call: &mut Call<'_>) -> Returns {
    let mut cluster = governed(call)?;
    let mut enclave: Enclave = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(enclave.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(!enclave.revoked, code::ALREADY_REVOKED)?;
    enclave.revoked = true;
    cluster.members.retain(|m| m.enclave_id != enclave.id);
    let id = Some(enclave.id);
    cluster.endpoints.retain(|e| e.enclave_id != id);
    call.emit(&EnclaveRevoked {
        enclave_id: enclave.id,
        cluster_id: cluster.id,
        at_ms: now,
    });
    call.set(1, &cluster)?;
    call.set(2, &enclave)?;
    Ok(vec![])
}

pub(super) fn needed(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&least(&call.get::<Cluster>(0)?))])
}

pub(super) fn registrations(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Cluster>(0)?.registrations)])
}

fn admit(
    call: &mut Call<'_>,
    cluster: &mut Cluster,
    candidate: Candidate,
    now: u64,
) -> Result<Enclave, Failure> {
    let Candidate {
        public_key,
        encryption_key,
        measurement,
        kind,
        proof,
    } = candidate;
    call.assert(cluster.status != CLUSTER_CLOSED, code::CLOSED)?;
    let long = public_key.len() == PUBLIC_KEY_LENGTH;
    call.assert(long, code::INVALID_PUBLIC_KEY)?;
    let long = matches!(encryption_key.len(), 0 | PUBLIC_KEY_LENGTH);
    call.assert(long, code::INVALID_ENCRYPTION_KEY)?;
    let active = allows(cluster, kind, &measurement, now);
    call.assert(active, code::NOT_APPROVED)?;
    let known = cluster.members.iter().any(|m| m.public_key == public_key);
    call.assert(!known, code::KEY_IN_USE)?;
    let room = u64::try_from(cluster.members.len()).is_ok_and(|count| count < MOST_ENCLAVES);
    call.assert(room, code::FULL)?;
    let enclave = Enclave {
        id: call.fresh_id(),
        cluster_id: cluster.id,
        public_key: public_key.clone(),
        encryption_key: encryption_key.clone(),
        measurement: measurement.clone(),
        kind,
        proof,
        registered_at_ms: now,
        revoked: false,
    };
    cluster.members.push(Member {
        enclave_id: enclave.id,
        public_key: public_key.clone(),
        measurement: measurement.clone(),
        kind,
        registered_at_ms: now,
    });
    cluster.registrations = add(cluster.registrations, 1)?;
    call.emit(&EnclaveRegistered {
        enclave_id: enclave.id,
        cluster_id: cluster.id,
        public_key,
        encryption_key,
        measurement,
        kind,
        proof,
        registered_at_ms: now,
    });
    Ok(enclave)
}

fn check_fresh(call: &Call<'_>, timestamp_ms: u64, now: u64) -> Result<(), Failure> {
    let fresh = timestamp_ms <= now && now - timestamp_ms <= OLDEST_STATEMENT_MS;
    call.assert(fresh, code::STALE_STATEMENT)
}

fn trusts(cluster: &Cluster, member: &Member) -> bool {
    allows(
        cluster,
        member.kind,
        &member.measurement,
        member.registered_at_ms,
    )
}

/// A majority of the trusted ones, and at least the quorum.
fn least(cluster: &Cluster) -> u64 {
    let members = cluster.members.iter();
    let trusted = members.filter(|member| trusts(cluster, member)).count();
    let majority = u64::try_from(trusted / 2 + 1).unwrap_or(u64::MAX);
    majority.max(cluster.quorum)
}

fn shows(entry: &Measurement, registers: &[(u8, Vec<u8>)]) -> bool {
    let shown = |index| registers.iter().find(|(known, _)| *known == index);
    !entry.registers.is_empty()
        && entry.registers.iter().all(|register| {
            shown(register.index).is_some_and(|(_, value)| *value == register.value)
        })
}
