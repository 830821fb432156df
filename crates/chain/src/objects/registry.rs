//! Objects of the module `enclave_registry`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::TeeKind;

/// What a cluster takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum ClusterStatus {
    /// Everything.
    Open = 0,
    /// No new requests and no new tokens.
    Suspended = 1,
    /// The same, and no new enclaves. Final.
    Closed = 2,
}

/// How an enclave came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum Proof {
    /// On the word of whoever holds the cluster's capability.
    Capability = 0,
    /// By an attestation document that the chain verified.
    Attestation = 1,
    /// By the vouching of trusted enclaves.
    Vouching = 2,
}

/// `enclave_registry::Cluster`: who owns it, what its control plane may run and where it is. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// Its name, not necessarily unique.
    pub name: String,
    /// What it takes.
    pub status: ClusterStatus,
    /// Who may grant permissions; its maker first.
    pub owners: Vec<Address>,
    /// From the approval of a measurement to when it counts, at least, milliseconds.
    pub notice_ms: u64,
    /// How many enclaves must vouch for another one, at least.
    pub quorum: u64,
    /// Whether only attested and vouched enclaves come in.
    pub attested_only: bool,
    /// The allow-list, retired ones included, in the order of approval.
    pub measurements: Vec<Measurement>,
    /// The control plane's instances.
    pub endpoints: Vec<Endpoint>,
    /// The enclaves that are not revoked.
    pub members: Vec<Member>,
    /// How many enclaves ever came in: the nonce of the next registration.
    pub registrations: u64,
    /// Its `k8s_interface::Interface`.
    pub interface: Option<Address>,
}

impl Cluster {
    /// The measurements that count at this time (milliseconds since 1970).
    pub fn active(&self, now_ms: u64) -> impl Iterator<Item = &Measurement> {
        let counting = move |measurement: &&Measurement| measurement.is_active(now_ms);
        self.measurements.iter().filter(counting)
    }

    /// Whether a measurement is on the allow-list and not retired; it may count only later.
    #[must_use]
    pub fn allows(&self, kind: TeeKind, measurement: &[u8]) -> bool {
        self.measurements
            .iter()
            .any(|allowed| !allowed.retired && allowed.kind == kind && allowed.bytes == measurement)
    }
}

/// `enclave_registry::ClusterCap`: governs one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCap {
    /// Object id.
    pub id: Address,
    /// The cluster that it governs.
    pub cluster_id: Address,
}

/// `enclave_registry::Measurement`: one on the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// Kind of TEE.
    pub kind: TeeKind,
    /// The measurement: 32, 48 or 64 bytes.
    pub bytes: Vec<u8>,
    /// What a document that the chain verifies must show.
    pub registers: Vec<Register>,
    /// The source commit that it was built from, or another description.
    pub source: String,
    /// When it was (last) approved, milliseconds since 1970.
    pub approved_at_ms: u64,
    /// From then on it counts, milliseconds since 1970.
    pub active_at_ms: u64,
    /// It is no longer allowed.
    pub retired: bool,
}

impl Measurement {
    /// Whether it counts at this time (milliseconds since 1970). One that was approved without
    /// notice counts at once, whatever the reader's clock is behind the chain's.
    #[must_use]
    pub fn is_active(&self, now_ms: u64) -> bool {
        let at_once = self.active_at_ms <= self.approved_at_ms;
        !self.retired && (at_once || now_ms >= self.active_at_ms)
    }
}

/// `enclave_registry::Register`: a platform configuration register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Its index.
    pub index: u8,
    /// What it must be: 48 bytes.
    pub value: Vec<u8>,
}

/// `enclave_registry::Endpoint`: an instance of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens, `https://host:port`. Unique in the cluster.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// Kind of TEE.
    pub kind: TeeKind,
    /// When it was (last) registered, milliseconds since 1970.
    pub registered_at_ms: u64,
    /// The enclave that was registered with it.
    pub enclave_id: Option<Address>,
}

/// `enclave_registry::Member`: what a cluster keeps of an enclave that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The enclave.
    pub enclave_id: Address,
    /// Its Ed25519 public key.
    pub public_key: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// Kind of TEE.
    pub kind: TeeKind,
    /// When it was registered, milliseconds since 1970.
    pub registered_at_ms: u64,
}

/// `enclave_registry::Enclave`: a control plane's keys, made inside the TEE. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclave {
    /// Object id.
    pub id: Address,
    /// Its cluster.
    pub cluster_id: Address,
    /// The Ed25519 public key.
    pub public_key: Vec<u8>,
    /// The X25519 public key that requests are encrypted to, or empty.
    pub encryption_key: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// Kind of TEE.
    pub kind: TeeKind,
    /// How it came in.
    pub proof: Proof,
    /// When it was registered, milliseconds since 1970.
    pub registered_at_ms: u64,
    /// Nothing that it signed counts.
    pub revoked: bool,
}

/// `enclave_registry::RegistrationStatement`: what the user data of an attestation document has to be
/// the blake2b-256 of, as BCS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationStatement {
    /// [`RegistrationStatement::INTENT`].
    pub intent: u8,
    /// The cluster.
    pub cluster_id: Address,
    /// Who sends the registration.
    pub sender: Address,
    /// [`Cluster::registrations`].
    pub nonce: u64,
    /// Ed25519.
    pub public_key: Vec<u8>,
    /// X25519, or empty.
    pub encryption_key: Vec<u8>,
    /// Where it listens.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: Vec<u8>,
}

impl RegistrationStatement {
    /// The intent of a registration.
    pub const INTENT: u8 = 16;
}

/// `enclave_registry::VouchingStatement`: what a trusted enclave signs, as BCS with Ed25519, once it
/// has verified another one's evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchingStatement {
    /// [`VouchingStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The cluster.
    pub cluster_id: Address,
    /// Who sends the registration.
    pub sender: Address,
    /// [`Cluster::registrations`].
    pub nonce: u64,
    /// Kind of TEE.
    pub kind: TeeKind,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// SHA-256 of the evidence that was verified.
    pub evidence: Vec<u8>,
    /// Ed25519.
    pub public_key: Vec<u8>,
    /// X25519, or empty.
    pub encryption_key: Vec<u8>,
    /// Where it listens.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: Vec<u8>,
}

impl VouchingStatement {
    /// The intent of a vouching: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 17;
}
