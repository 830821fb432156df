//! Layouts of the module `k8s_interface`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::Table;

/// get, list, watch
pub const VERB_READ: u64 = 1;
/// create, update, patch, delete
pub const VERB_WRITE: u64 = 2;
/// exec, attach, port-forward, logs
pub const VERB_OPERATE: u64 = 4;

/// A request waits for its answer.
pub const REQUEST_PENDING: u8 = 0;
/// A request is answered. Final.
pub const REQUEST_ANSWERED: u8 = 1;
/// A request's fee went back. Final.
pub const REQUEST_REFUNDED: u8 = 2;

/// [`ResultStatement::intent`].
pub const INTENT_RESULT: u8 = 19;

/// A cluster's interface to its users. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// Its cluster.
    pub cluster_id: Address,
    /// MIST for a request.
    pub fee: u64,
    /// From a request to when its fee can be asked back, in milliseconds.
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

/// Who, and where: the key of [`Interface::permissions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Who.
    pub user: Address,
    /// The namespace, or empty for all.
    pub namespace: String,
}

/// What a subject may do, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// `VERB_` bits.
    pub verbs: u64,
    /// In Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A request. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The object's id.
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
    /// In Unix milliseconds.
    pub submitted_at_ms: u64,
    /// From then on the fee can be asked back.
    pub deadline_ms: u64,
    /// One of the `REQUEST_` constants.
    pub status: u8,
    /// What the enclave says of the outcome, as an HTTP status.
    pub code: u64,
    /// SHA-256 of the encrypted result.
    pub result: Vec<u8>,
}

/// What an enclave signs (as BCS, Ed25519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultStatement {
    /// [`INTENT_RESULT`].
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

/// A cluster's interface was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InterfaceCreated {
    pub interface_id: Address,
    pub cluster_id: Address,
    pub fee: u64,
    pub timeout_ms: u64,
    pub payload: u64,
}

/// An interface's terms were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InterfaceChanged {
    pub interface_id: Address,
    pub fee: u64,
    pub timeout_ms: u64,
    pub payload: u64,
}

/// A user has a permission, in place of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PermissionGranted {
    pub interface_id: Address,
    pub user: Address,
    pub namespace: String,
    pub verbs: u64,
    pub expires_at_ms: u64,
    pub by: Address,
}

/// A user has a permission no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PermissionRevoked {
    pub interface_id: Address,
    pub user: Address,
    pub namespace: String,
    pub by: Address,
}

/// A request was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RequestSubmitted {
    pub request_id: Address,
    pub interface_id: Address,
    pub cluster_id: Address,
    pub user: Address,
    pub namespace: String,
    pub verb: u64,
    pub enclave_id: Address,
    pub payload: Vec<u8>,
    pub digest: Vec<u8>,
    pub fee: u64,
    pub submitted_at_ms: u64,
    pub deadline_ms: u64,
}

/// A request was answered, its fee earned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RequestAnswered {
    pub request_id: Address,
    pub interface_id: Address,
    pub code: u64,
    pub result: Vec<u8>,
    pub fee: u64,
    pub at_ms: u64,
}

/// A request's fee went back to its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RequestRefunded {
    pub request_id: Address,
    pub interface_id: Address,
    pub user: Address,
    pub fee: u64,
    pub at_ms: u64,
}

/// The cluster took out what it earned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct FeesWithdrawn {
    pub interface_id: Address,
    pub amount: u64,
    pub remaining: u64,
}

/// The interface was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InterfaceMigrated {
    pub interface_id: Address,
    pub version: u64,
}

super::move_types!("k8s_interface":
    objects { Interface, Request }
    events {
        InterfaceCreated, InterfaceChanged, PermissionGranted, PermissionRevoked, RequestSubmitted,
        RequestAnswered, RequestRefunded, FeesWithdrawn, InterfaceMigrated,
    }
    values { Subject, Permission, ResultStatement }
);
