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

/// A cluster: what its control plane may run and where it is. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// Its name, not necessarily unique.
    pub name: String,
    /// The allow-list, retired ones included, in the order of approval.
    pub measurements: Vec<Measurement>,
    /// The control plane's instances.
    pub endpoints: Vec<Endpoint>,
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
    /// The source commit that it was built from, or another description.
    pub source: String,
    /// When it was (last) approved, in Unix milliseconds.
    pub approved_at_ms: u64,
    /// It is no longer allowed.
    pub retired: bool,
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
}

/// A control plane's signing key, made inside the TEE. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclave {
    /// The object's id.
    pub id: Address,
    /// Its cluster.
    pub cluster_id: Address,
    /// The Ed25519 public key.
    pub public_key: Vec<u8>,
    /// What it runs.
    pub measurement: Vec<u8>,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// When it was registered, in Unix milliseconds.
    pub registered_at_ms: u64,
    /// Nothing that it signed counts.
    pub revoked: bool,
}

/// An enclave's signing key was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EnclaveRegistered {
    pub enclave_id: Address,
    pub cluster_id: Address,
    pub public_key: Vec<u8>,
    pub measurement: Vec<u8>,
    pub kind: u8,
    pub registered_at_ms: u64,
}

/// An enclave's signing key was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EnclaveRevoked {
    pub enclave_id: Address,
    pub cluster_id: Address,
    pub at_ms: u64,
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

/// A measurement was put on the allow-list, or brought back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct MeasurementApproved {
    pub cluster_id: Address,
    pub kind: u8,
    pub measurement: Vec<u8>,
    pub source: String,
    pub approved_at_ms: u64,
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
}

/// An endpoint was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EndpointRemoved {
    pub cluster_id: Address,
    pub url: String,
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
        ClusterCreated, MeasurementApproved, MeasurementRetired, EndpointRegistered,
        EndpointRemoved, ClusterMigrated, EnclaveRegistered, EnclaveRevoked,
    }
    values { Measurement, Endpoint }
);
