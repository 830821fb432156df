//! Layouts of the module `slashing`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

use super::framework::Table;

/// No heartbeats for too long.
pub const KIND_DOWNTIME: u8 = 0;
/// Two heartbeats for one slot.
pub const KIND_EQUIVOCATION: u8 = 1;
/// Lying about resources.
pub const KIND_RESOURCES: u8 = 2;
/// Failing a challenge.
pub const KIND_CHALLENGE: u8 = 3;

/// The case waits for the appeal window.
pub const CASE_PENDING: u8 = 0;
/// Its penalty was taken. Final.
pub const CASE_EXECUTED: u8 = 1;
/// It was rejected. Final.
pub const CASE_REJECTED: u8 = 2;

/// [`EvidenceStatement::intent`].
pub const INTENT_EVIDENCE: u8 = 1;
/// [`AcquittalStatement::intent`].
pub const INTENT_ACQUITTAL: u8 = 2;
/// [`OutageStatement::intent`].
pub const INTENT_OUTAGE: u8 = 33;
/// What a node's signature on a heartbeat begins with, as `seal` has it.
pub const HEARTBEAT_DOMAIN: &[u8] = b"k3s-daas/seal/heartbeat/v1\0";

/// The rules of slashing. Shares are in basis points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How old a statement may be, in milliseconds.
    pub evidence_window_ms: u64,
    /// How long a case waits, in milliseconds.
    pub appeal_window_ms: u64,
    /// The least bond, in MIST.
    pub bond: u64,
    /// The reporter's share of what is slashed.
    pub reporter_share: u64,
    /// The penalty's share of the stake, by kind.
    pub penalties: Vec<u64>,
    /// The most that is taken of a stake for one period.
    pub period_cap: u64,
    /// The share of nodes failing together above which a downtime is nobody's fault.
    pub correlated: u64,
    /// For how long a stake is jailed the first time, in milliseconds.
    pub sentence_ms: u64,
}

/// The rules, and what was reported and taken so far. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Docket {
    /// The object's id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// The rules.
    pub rules: Rules,
    /// Digest of the evidence → case id.
    pub seen: Table,
    /// [`StakePeriod`] → MIST.
    pub taken: Table,
    /// [`ClusterPeriod`] → how many nodes failed, where downtime was nobody's fault.
    pub outages: Table,
    /// How many cases were ever opened.
    pub cases_opened: u64,
}

/// A stake and a period: the key of [`Docket::taken`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakePeriod {
    /// The stake.
    pub stake_id: Address,
    /// The period.
    pub period: u64,
}

/// A cluster and a period: the key of [`Docket::outages`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPeriod {
    /// The cluster.
    pub cluster_id: Address,
    /// The period: a day (UTC), by its number.
    pub period: u64,
}

/// A reported fault. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The object's id.
    pub id: Address,
    /// The accused stake.
    pub stake_id: Address,
    /// The cluster whose enclave accuses.
    pub cluster_id: Address,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// The period of the fault.
    pub period: u64,
    /// blake2b-256 of the statement.
    pub evidence: Vec<u8>,
    /// Who reported, and is paid.
    pub reporter: Address,
    /// MIST held until the case is closed.
    pub bond: u64,
    /// MIST to be taken, before the cap.
    pub penalty: u64,
    /// When it was reported, in Unix milliseconds.
    pub reported_at_ms: u64,
    /// From then on it can be executed and no longer be rejected.
    pub appeal_until_ms: u64,
    /// By the node's own signatures.
    pub proven: bool,
    /// One of the `CASE_` constants.
    pub status: u8,
}

/// What an enclave signs (as BCS, Ed25519) to accuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceStatement {
    /// [`INTENT_EVIDENCE`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The accused stake.
    pub stake_id: Address,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// The period of the fault.
    pub period: u64,
    /// Makes two statements differ.
    pub nonce: u64,
    /// How many nodes failed in the period.
    pub failed: u64,
    /// How many nodes there were.
    pub total: u64,
    /// A digest of the facts, which are kept off the chain.
    pub facts: Vec<u8>,
}

/// What an enclave signs (as BCS, Ed25519) to acquit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquittalStatement {
    /// [`INTENT_ACQUITTAL`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The case.
    pub case_id: Address,
    /// The case's evidence.
    pub evidence: Vec<u8>,
}

/// What an enclave signs (as BCS, Ed25519) to say that many nodes failed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageStatement {
    /// [`INTENT_OUTAGE`].
    pub intent: u8,
    /// When it was signed, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The period.
    pub period: u64,
    /// How many nodes failed in the period.
    pub failed: u64,
    /// How many nodes there were.
    pub total: u64,
}

/// Too many nodes failed together in a period for anyone's downtime to be a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OutageDeclared {
    pub docket_id: Address,
    pub cluster_id: Address,
    pub period: u64,
    pub failed: u64,
    pub total: u64,
    pub at_ms: u64,
}

/// The docket was made (once, when the package is published).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DocketCreated {
    pub docket_id: Address,
    pub rules: Rules,
}

/// The rules changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RulesChanged {
    pub docket_id: Address,
    pub rules: Rules,
}

/// A fault was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CaseOpened {
    pub case_id: Address,
    pub stake_id: Address,
    pub cluster_id: Address,
    pub kind: u8,
    pub period: u64,
    pub evidence: Vec<u8>,
    pub reporter: Address,
    pub bond: u64,
    pub penalty: u64,
    pub reported_at_ms: u64,
    pub appeal_until_ms: u64,
    pub proven: bool,
}

/// A case was executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CaseExecuted {
    pub case_id: Address,
    pub stake_id: Address,
    pub period: u64,
    pub taken: u64,
    pub reward: u64,
    pub bond: u64,
    pub at_ms: u64,
}

/// A case was rejected; its bond is in the treasury.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CaseRejected {
    pub case_id: Address,
    pub stake_id: Address,
    pub bond: u64,
    pub by_governance: bool,
    pub at_ms: u64,
}

/// The docket was handed to a new version of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DocketMigrated {
    pub docket_id: Address,
    pub version: u64,
}

super::move_types!("slashing":
    objects { Docket, Case }
    events {
        DocketCreated, RulesChanged, CaseOpened, CaseExecuted, CaseRejected, OutageDeclared,
        DocketMigrated,
    }
    values {
        Rules, StakePeriod, ClusterPeriod, EvidenceStatement, AcquittalStatement, OutageStatement,
    }
);
