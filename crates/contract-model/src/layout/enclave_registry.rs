//! Layouts of the module `enclave_registry`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// The simulated provider: no protection; for development.
pub const KIND_SIMULATED: u8 = 0;
/// AWS Nitro Enclaves.
pub const KIND_NITRO: u8 = 1;
/// AMD SEV-SNP.
pub const KIND_SEV_SNP: u8 = 2;
/// Intel TDX.
pub const KIND_TDX: u8 = 3;
/// Intel SGX.
pub const KIND_SGX: u8 = 4;
/// TPM 2.0.
pub const KIND_TPM: u8 = 5;

/// A cluster takes requests and new tokens.
pub const CLUSTER_OPEN: u8 = 0;
/// A cluster takes no new requests and no new tokens.
pub const CLUSTER_SUSPENDED: u8 = 1;
/// The same, and no new enclaves; for good.
pub const CLUSTER_CLOSED: u8 = 2;

/// An enclave that was registered by the cluster's capability.
pub const BY_CAPABILITY: u8 = 0;
/// By an attestation document that the chain verified.
pub const BY_ATTESTATION: u8 = 1;
/// By the vouching of trusted enclaves.
pub const BY_VOUCHING: u8 = 2;

/// [`RegistrationStatement::intent`].
pub const INTENT_REGISTRATION: u8 = 16;
/// [`VouchingStatement::intent`].
pub const INTENT_VOUCHING: u8 = 17;

/// A cluster: who owns it, what its control plane may run and where it is. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// Its name, not necessarily unique.
    pub name: String,
    /// One of the `CLUSTER_` constants.
    pub status: u8,
    /// Who may grant permissions; its maker first.
    pub owners: Vec<Address>,
    /// From the approval of a measurement to when it counts, at least, in milliseconds.
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

/// Governs one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCap {
    /// The object's id.
    pub id: Address,
    /// The cluster that it governs.
    pub cluster_id: Address,
}

/// A measurement on the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// The measurement: 32, 48 or 64 bytes.
    pub bytes: Vec<u8>,
    /// What a document that the chain verifies must show.
    pub registers: Vec<Register>,
    /// The source commit that it was built from, or another description.
    pub source: String,
    /// When it was (last) approved, in Unix milliseconds.
    pub approved_at_ms: u64,
    /// From then on it counts.
    pub active_at_ms: u64,
    /// It is no longer allowed.
    pub retired: bool,
}

/// A platform configuration register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Its index.
    pub index: u8,
    /// What it must be: 48 bytes.
    pub value: Vec<u8>,
}

/// An instance of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens, `https://host:port`. Unique in the cluster.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// When it was (last) registered, in Unix milliseconds.
    pub registered_at_ms: u64,
    /// The enclave that was registered with it.
    pub enclave_id: Option<Address>,
}

/// What a cluster keeps of an enclave that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The enclave.
    pub enclave_id: Address,
    /// Its Ed25519 public key.
    pub public_key: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// When it was registered, in Unix milliseconds.
    pub registered_at_ms: u64,
}

/// A control plane's keys, made inside the TEE. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclave {
    /// The object's id.
    pub id: Address,
    /// Its cluster.
    pub cluster_id: Address,
    /// The Ed25519 public key.
    pub public_key: Vec<u8>,
    /// The X25519 public key, or empty.
    pub encryption_key: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// One of the `BY_` constants.
    pub proof: u8,
    /// When it was registered, in Unix milliseconds.
    pub registered_at_ms: u64,
    /// Nothing that it signed counts.
    pub revoked: bool,
}

/// What the user data of an attestation document is the blake2b-256 of (as BCS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationStatement {
    /// [`INTENT_REGISTRATION`].
    pub intent: u8,
    /// The cluster.
    pub cluster_id: Address,
    /// Who sends the registration.
    pub sender: Address,
    /// The cluster's `registrations`.
    pub nonce: u64,
    /// Ed25519.
    pub public_key: Vec<u8>,
    /// X25519, or empty.
    pub encryption_key: Vec<u8>,
    /// Where it listens.
    pub url: String,
    /// SHA-256 of its TLS key.
    pub tls_key_hash: Vec<u8>,
}

/// What a trusted enclave signs (as BCS, Ed25519) once it has verified another one's evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchingStatement {
    /// [`INTENT_VOUCHING`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The cluster.
    pub cluster_id: Address,
    /// Who sends the registration.
    pub sender: Address,
    /// The cluster's `registrations`.
    pub nonce: u64,
    /// One of the `KIND_` constants.
    pub kind: u8,
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
    /// SHA-256 of its TLS key.
    pub tls_key_hash: Vec<u8>,
}

/// A cluster was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ClusterCreated {
    pub cluster_id: Address,
    pub cap_id: Address,
    pub name: String,
    pub creator: Address,
}

/// A cluster was opened, suspended or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StatusChanged {
    pub cluster_id: Address,
    pub status: u8,
}

/// The terms on which measurements and enclaves come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TermsChanged {
    pub cluster_id: Address,
    pub notice_ms: u64,
    pub quorum: u64,
    pub attested_only: bool,
}

/// A cluster has another owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OwnerAdded {
    pub cluster_id: Address,
    pub owner: Address,
}

/// A cluster has an owner less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OwnerRemoved {
    pub cluster_id: Address,
    pub owner: Address,
}

/// A measurement was put on the allow-list, or brought back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct MeasurementApproved {
    pub cluster_id: Address,
    pub kind: u8,
    pub measurement: Vec<u8>,
    pub registers: Vec<Register>,
    pub source: String,
    pub approved_at_ms: u64,
    pub active_at_ms: u64,
}

/// A measurement is no longer allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct MeasurementRetired {
    pub cluster_id: Address,
    pub kind: u8,
    pub measurement: Vec<u8>,
    pub at_ms: u64,
}

/// An endpoint was registered, or registered anew under the same URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EndpointRegistered {
    pub cluster_id: Address,
    pub url: String,
    pub tls_key_hash: Vec<u8>,
    pub measurement: Vec<u8>,
    pub kind: u8,
    pub registered_at_ms: u64,
    pub enclave_id: Option<Address>,
}

/// An endpoint was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EndpointRemoved {
    pub cluster_id: Address,
    pub url: String,
    pub at_ms: u64,
}

/// An enclave's keys were registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EnclaveRegistered {
    pub enclave_id: Address,
    pub cluster_id: Address,
    pub public_key: Vec<u8>,
    pub encryption_key: Vec<u8>,
    pub measurement: Vec<u8>,
    pub kind: u8,
    pub proof: u8,
    pub registered_at_ms: u64,
}

/// An enclave was revoked; its endpoints are gone with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EnclaveRevoked {
    pub enclave_id: Address,
    pub cluster_id: Address,
    pub at_ms: u64,
}

/// The cluster was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ClusterMigrated {
    pub cluster_id: Address,
    pub version: u64,
}

super::move_types!("enclave_registry":
    objects { Cluster, ClusterCap, Enclave }
    events {
        ClusterCreated, StatusChanged, TermsChanged, OwnerAdded, OwnerRemoved,
        MeasurementApproved, MeasurementRetired, EndpointRegistered, EndpointRemoved,
        ClusterMigrated, EnclaveRegistered, EnclaveRevoked,
    }
    values { Measurement, Register, Endpoint, Member, RegistrationStatement, VouchingStatement }
);
