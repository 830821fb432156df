//! Objects of the modules `k8s_interface` and `upgrades`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::Table;

/// `k8s_interface::VERB_READ`: get, list, watch.
pub const VERB_READ: u64 = 1;
/// `k8s_interface::VERB_WRITE`: create, update, patch, delete.
pub const VERB_WRITE: u64 = 2;
/// `k8s_interface::VERB_OPERATE`: exec, attach, port-forward, logs.
pub const VERB_OPERATE: u64 = 4;

/// Where a request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum RequestStatus {
    /// It waits for its answer.
    Pending = 0,
    /// It is answered. Final.
    Answered = 1,
    /// Its fee went back. Final.
    Refunded = 2,
}

/// `k8s_interface::Interface`: a cluster's interface to its users. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// Its cluster.
    pub cluster_id: Address,
    /// MIST for a request.
    pub fee: u64,
    /// From a request to when its fee can be asked back, milliseconds.
    pub timeout_ms: u64,
    /// The most bytes of a payload.
    pub payload: u64,
    /// [`Subject`] → [`Permission`].
    pub permissions: Table,
    /// How many requests were ever submitted.
    pub requests: u64,
    /// MIST of answered requests that were not taken out.
    pub earned: u64,
}

/// `k8s_interface::Subject`: who, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Who.
    pub user: Address,
    /// The namespace, or empty for all.
    pub namespace: String,
}

/// `k8s_interface::Permission`: what a subject may do, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// `VERB_` bits.
    pub verbs: u64,
    /// Milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// `k8s_interface::Request`: a request that came by the chain. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Object id.
    pub id: Address,
    /// The cluster.
    pub cluster_id: Address,
    /// Who asked.
    pub user: Address,
    /// In which namespace.
    pub namespace: String,
    /// One of the `VERB_` bits.
    pub verb: u64,
    /// To whose key the payload is encrypted.
    pub enclave_id: Address,
    /// The ciphertext.
    pub payload: Vec<u8>,
    /// blake2b-256 of the payload.
    pub digest: Vec<u8>,
    /// MIST.
    pub fee: u64,
    /// Milliseconds since 1970.
    pub submitted_at_ms: u64,
    /// From then on the fee can be asked back, milliseconds since 1970.
    pub deadline_ms: u64,
    /// Where it is in its life.
    pub status: RequestStatus,
    /// What the enclave says of the outcome, as an HTTP status; 0 before.
    pub code: u64,
    /// SHA-256 of the encrypted result; empty before.
    pub result: Vec<u8>,
}

/// `k8s_interface::ResultStatement`: what an enclave signs, as BCS with Ed25519, to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultStatement {
    /// [`ResultStatement::INTENT`].
    pub intent: u8,
    /// The cluster.
    pub cluster_id: Address,
    /// The request.
    pub request_id: Address,
    /// The request's digest.
    pub digest: Vec<u8>,
    /// As in [`Request`].
    pub code: u64,
    /// As in [`Request`].
    pub result: Vec<u8>,
}

impl ResultStatement {
    /// The intent of an answer: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 19;
}

/// `0x2::package::UpgradeCap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeCap {
    /// Object id.
    pub id: Address,
    /// The package that it upgrades.
    pub package: Address,
    /// The package's version, from 1.
    pub version: u64,
    /// What an upgrade may change.
    pub policy: u8,
}

/// `upgrades::Upgrades`: holds the package's upgrade capability. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrades {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// The capability, once it was handed in.
    pub cap: Option<UpgradeCap>,
    /// The proposed upgrade.
    pub pending: Option<Proposal>,
}

/// `upgrades::Proposal`: a proposed upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Of the modules and dependencies: 32 bytes.
    pub digest: Vec<u8>,
    /// From when it can be authorised, milliseconds since 1970.
    pub ready_at_ms: u64,
}
