//! What this server's own operations take and give, as JSON bodies of `POST`s under `/daas/v1/`. A refusal has a
//! [`seal::wire::Refusal`] body.

use keys::recovery::SealedShare;
use serde::{Deserialize, Serialize};
use tee_verify::{Collateral, Evidence};

/// What this instance is: anybody may ask. `{}` → [`Instance`].
pub const INSTANCE: &str = "/daas/v1/instance";
/// Says that the chain may have something new about this instance, so that it looks: anybody may. `{}` → `{}`.
pub const ENCLAVE: &str = "/daas/v1/enclave";
/// Anchors the state now. Administrators. `{}` → [`Anchored`].
pub const ANCHOR: &str = "/daas/v1/anchor";
/// Begins a new key epoch. Administrators. `{}` → [`Rotated`].
pub const ROTATE: &str = "/daas/v1/keys/rotate";
/// Puts a recovery plan in force. Administrators. [`PlanRequest`] → [`Shares`].
pub const PLAN: &str = "/daas/v1/recovery/plan";
/// The public part of the key ring, for recovering an enclave, which has no disk. Administrators. `{}` →
/// [`keys::PublicRing`].
pub const RING: &str = "/daas/v1/keys/ring";
/// Gives one share to an instance that waits for them. [`ShareRequest`] → [`ShareResponse`].
pub const SHARE: &str = "/daas/v1/recovery/share";
/// Hands the keys to an attested instance. [`HandoverRequest`] → [`keys::handover::Grant`].
pub const HANDOVER: &str = "/daas/v1/handover";

/// An instance of the control plane. Over an attested connection this is the instance's own word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Kind of TEE.
    pub tee: String,
    /// What it runs.
    pub measurement: String,
    /// The public key that it signs statements with, Ed25519 in hexadecimal.
    pub signing_key: String,
    /// The object that the key is registered as on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclave: Option<String>,
    /// The address that pays for anchors: it needs SUI.
    pub wallet: String,
    /// Key epoch.
    pub epoch: u32,
    /// The newest revision.
    pub revision: u64,
    /// The state root, in hexadecimal.
    pub root: String,
    /// The last anchor of this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<Anchored>,
    /// Revisions that no anchor covers.
    pub exposed_revisions: u64,
    /// Seconds since the last anchor, 0 while it covers everything.
    pub exposed_seconds: u64,
    /// Why the state can't be anchored, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_failing: Option<String>,
    /// How many of how many shares recover the keys, once there is a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPlan>,
}

/// A recovery plan in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPlan {
    /// How many are needed.
    pub threshold: usize,
    /// How many there are.
    pub shares: usize,
}

/// A point of the state that the chain knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchored {
    /// Of the sealing keys.
    pub epoch: u64,
    /// Of this instance's lead.
    pub term: u64,
    /// The store's revision.
    pub revision: u64,
    /// The state root, in hexadecimal.
    pub root: String,
    /// How many anchors of the cluster there were before.
    pub sequence: u64,
    /// When, by the chain's clock, milliseconds since 1970.
    pub anchored_at_ms: u64,
}

/// A new key epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// Its number; the ones before are gone.
    pub epoch: u32,
}

/// Asks for a recovery plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// How many shares are to be needed.
    pub threshold: usize,
    /// The custodians' public keys, in hexadecimal.
    pub custodians: Vec<String>,
}

/// The shares of a plan, each for one custodian's eyes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shares {
    /// In the order of the custodians.
    pub shares: Vec<SealedShare>,
}

/// Gives an open share.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareRequest {
    /// [`keys::recovery::Share::to_bytes`] in base64. Zeroed by who reads it.
    pub share: String,
    /// The key ring, where the instance has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<keys::PublicRing>,
}

/// How far the recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareResponse {
    /// Shares that are there.
    pub have: usize,
    /// Shares that are needed.
    pub need: usize,
}

/// Asks for the keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandoverRequest {
    /// The HPKE key that was made inside the asking instance, in hexadecimal.
    pub public_key: String,
    /// Evidence of it, bound to the key and to this connection (role `Peer`).
    pub evidence: Evidence,
    /// What the verifier needs besides.
    #[serde(default)]
    pub collateral: Collateral,
}
