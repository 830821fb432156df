//! The package's objects, as the ledger has them.
//!
//! Each type mirrors the BCS layout of the Move struct of the same name, field by field; numbers
//! that stand for something are enums here, encoded alike. [`OnChain`] adds what the ledger knows
//! about the object.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Digest, Owner};

mod interface;
mod registry;
mod stake;

pub use interface::{
    Interface, Permission, Proposal, Request, RequestStatus, ResultStatement, Subject, UpgradeCap,
    Upgrades, VERB_OPERATE, VERB_READ, VERB_WRITE,
};
pub use registry::{
    Cluster, ClusterCap, ClusterStatus, Enclave, Endpoint, Measurement, Member, Proof, Register,
    RegistrationStatement, VouchingStatement,
};

pub use stake::{
    Delegation, DelegationRules, FormerKey, RotationStatement, Shared, Stake, StakingPool,
    TierParams, Unbonding,
};

/// An object's value with its place on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnChain<T> {
    /// The value.
    pub value: T,
    /// Version that was read.
    pub version: u64,
    /// Digest of that version.
    pub digest: Digest,
    /// Who may use it.
    pub owner: Owner,
}

/// A Move struct of the package that lives on the ledger as an object.
pub trait MoveObject: serde::de::DeserializeOwned {
    /// Module that defines it.
    const MODULE: &'static str;
    /// Name of the struct.
    const NAME: &'static str;
    /// What an error calls it.
    const WHAT: &'static str;
}

/// `k8s_gateway::PERMISSION_JOIN`: may join the cluster as a node.
pub const PERMISSION_JOIN: u64 = 1;
/// `k8s_gateway::PERMISSION_WORKLOADS`: may run users' workloads.
pub const PERMISSION_WORKLOADS: u64 = 2;
/// `k8s_gateway::PERMISSION_SYSTEM`: may run the cluster's own workloads.
pub const PERMISSION_SYSTEM: u64 = 4;

/// What a stake is for. The discriminants are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Tier {
    /// Runs a node.
    Node = 0,
    /// Uses the cluster.
    User = 1,
    /// Administers the cluster.
    Admin = 2,
}

/// Where a stake is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum StakeStatus {
    /// It counts.
    Active = 0,
    /// Its owner asked for it back; it no longer counts and can still be slashed.
    Unbonding = 1,
    /// Its owner has it back. Final.
    Withdrawn = 2,
    /// Slashing left nothing of it. Final.
    SlashedOut = 3,
}

/// Kind of a TEE. The discriminants are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum TeeKind {
    /// No protection; for development.
    Simulated = 0,
    /// AWS Nitro Enclaves.
    Nitro = 1,
    /// AMD SEV-SNP.
    SevSnp = 2,
    /// Intel TDX.
    Tdx = 3,
    /// Intel SGX.
    Sgx = 4,
    /// TPM 2.0.
    Tpm = 5,
}

/// Who revoked a Seal token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum Revocation {
    /// Its owner.
    ByOwner = 0,
    /// Governance.
    ByAdmin = 1,
    /// Anyone, its stake no longer being sufficient.
    Unbacked = 2,
}

/// Kind of a fault that a node can be slashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum FaultKind {
    /// No heartbeats for too long.
    Downtime = 0,
    /// Two heartbeats for one slot.
    Equivocation = 1,
    /// Lying about resources.
    Resources = 2,
    /// Failing a challenge.
    Challenge = 3,
}

/// Where a case is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum CaseStatus {
    /// It waits for the appeal window.
    Pending = 0,
    /// Its penalty was taken. Final.
    Executed = 1,
    /// It was rejected. Final.
    Rejected = 2,
}

macro_rules! codes {
    ($($type:ident: $($text:literal = $variant:ident),+;)+) => {$(
        impl $type {
            /// The contract's number.
            #[must_use]
            pub fn code(self) -> u8 {
                self as u8
            }

            /// The one with the contract's number.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|variant| variant.code() == code)
            }

            /// As it is written in configuration and output.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("`{text}` is not one of {}", [$($text),+].join(", "))),
                }
            }
        }
    )+};
}

codes! {
    ClusterStatus: "open" = Open, "suspended" = Suspended, "closed" = Closed;
    Proof: "capability" = Capability, "attestation" = Attestation, "vouching" = Vouching;
    RequestStatus: "pending" = Pending, "answered" = Answered, "refunded" = Refunded;
    Tier: "node" = Node, "user" = User, "admin" = Admin;
    StakeStatus: "active" = Active, "unbonding" = Unbonding, "withdrawn" = Withdrawn,
        "slashedOut" = SlashedOut;
    TeeKind: "simulated" = Simulated, "nitro" = Nitro, "sev-snp" = SevSnp, "tdx" = Tdx,
        "sgx" = Sgx, "tpm" = Tpm;
    FaultKind: "downtime" = Downtime, "equivocation" = Equivocation, "resources" = Resources,
        "challenge" = Challenge;
    CaseStatus: "pending" = Pending, "executed" = Executed, "rejected" = Rejected;
    Revocation: "byOwner" = ByOwner, "byAdmin" = ByAdmin, "unbacked" = Unbacked;
}

/// `0x2::table::Table`: its entries are dynamic fields of `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Parent of the entries.
    pub id: Address,
    /// How many there are.
    pub size: u64,
}

/// `staking::AdminCap`: governs the pool's parameters and treasury, and the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCap {
    /// Object id.
    pub id: Address,
}

/// `staking::SlashCap`: may slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlashCap {
    /// Object id.
    pub id: Address,
}

/// `k8s_gateway::Gateway`: which node name and which stake is bound to which token. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// Node name to claim.
    pub nodes: Table,
    /// Stake id to node name.
    pub stakes: Table,
    /// How many tokens were ever made.
    pub tokens_created: u64,
    /// What governance sets.
    pub rules: GatewayRules,
}

/// `k8s_gateway::GatewayRules`: what governance sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRules {
    /// The least time to live of a token, milliseconds.
    pub shortest_ttl_ms: u64,
    /// The greatest.
    pub longest_ttl_ms: u64,
    /// Times the tier's minimum that [`PERMISSION_SYSTEM`] needs.
    pub system_factor: u64,
    /// How old the statement of a consumption may be, milliseconds.
    pub oldest_statement_ms: u64,
}

/// `k8s_gateway::SealToken`: a stake-backed join token. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealToken {
    /// Object id.
    pub id: Address,
    /// The stake that backs it.
    pub stake_id: Address,
    /// The stake's owner.
    pub owner: Address,
    /// The cluster that it is good for.
    pub cluster_id: Address,
    /// The node's name.
    pub node_id: String,
    /// The node's Ed25519 public key, 32 bytes.
    pub node_key: Vec<u8>,
    /// blake2b-256 over the secret, the node id and the node key.
    pub commitment: Vec<u8>,
    /// The `PERMISSION_` bits.
    pub permissions: u64,
    /// Where the holder means to use it, or empty.
    pub endpoint: String,
    /// When it was made or last renewed, milliseconds since 1970.
    pub issued_at_ms: u64,
    /// From then on it is void.
    pub expires_at_ms: u64,
    /// It is void for good.
    pub revoked: bool,
    /// 0, and one more by each renewal.
    pub generation: u64,
    /// When it was first used with its present commitment, as an enclave says; 0 before.
    pub consumed_at_ms: u64,
    /// The enclave that says so.
    pub consumed_by: Option<Address>,
}

/// `k8s_gateway::ConsumptionStatement`: what an enclave signs, as BCS with Ed25519, when a node has
/// joined with a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumptionStatement {
    /// [`ConsumptionStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The token's cluster.
    pub cluster_id: Address,
    /// The token.
    pub token_id: Address,
    /// Its generation.
    pub generation: u64,
    /// Its commitment.
    pub commitment: Vec<u8>,
}

impl ConsumptionStatement {
    /// The intent of a consumption: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 18;
}

impl SealToken {
    /// Whether it is neither revoked nor expired at this time (milliseconds since 1970). Whether
    /// its stake still backs it is another question: [`StakingPool::has_sufficient_stake`].
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.revoked && now_ms < self.expires_at_ms
    }
}

/// `slashing::Rules`. Shares are in basis points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How old a statement may be, milliseconds.
    pub evidence_window_ms: u64,
    /// How long a case waits, milliseconds.
    pub appeal_window_ms: u64,
    /// The least bond, MIST.
    pub bond: u64,
    /// The reporter's share of what is slashed.
    pub reporter_share: u64,
    /// The penalty's share of the stake, by kind.
    pub penalties: Vec<u64>,
    /// The most that is taken of a stake for one period.
    pub period_cap: u64,
    /// The share of nodes failing together above which a downtime is nobody's fault.
    pub correlated: u64,
    /// For how long a stake is jailed the first time, milliseconds.
    pub sentence_ms: u64,
}

/// `slashing::Docket`: the rules, and what was reported and taken so far. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Docket {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// The rules.
    pub rules: Rules,
    /// Digest of the evidence to case.
    pub seen: Table,
    /// Stake and period to MIST.
    pub taken: Table,
    /// Cluster and period to failed nodes, where downtime was nobody's fault.
    pub outages: Table,
    /// How many cases were ever opened.
    pub cases_opened: u64,
}

/// `slashing::Case`: a reported fault. Shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Object id.
    pub id: Address,
    /// The accused stake.
    pub stake_id: Address,
    /// The cluster whose enclave accuses.
    pub cluster_id: Address,
    /// Kind of the fault.
    pub kind: FaultKind,
    /// Period of the fault.
    pub period: u64,
    /// blake2b-256 of the statement.
    pub evidence: Vec<u8>,
    /// Who reported, and is paid.
    pub reporter: Address,
    /// MIST held until the case is closed.
    pub bond: u64,
    /// MIST to be taken, before the cap.
    pub penalty: u64,
    /// When it was reported, milliseconds since 1970.
    pub reported_at_ms: u64,
    /// From then on it can be executed and no longer be rejected.
    pub appeal_until_ms: u64,
    /// By the node's own signatures.
    pub proven: bool,
    /// Where it is in its life.
    pub status: CaseStatus,
}

/// `slashing::EvidenceStatement`: what an enclave signs, as BCS with Ed25519, to accuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceStatement {
    /// [`EvidenceStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The accused stake.
    pub stake_id: Address,
    /// Kind of the fault.
    pub kind: FaultKind,
    /// Period of the fault.
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

impl EvidenceStatement {
    /// The intent of an accusation: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 1;
}

/// `slashing::AcquittalStatement`: what an enclave signs, as BCS with Ed25519, to acquit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquittalStatement {
    /// [`AcquittalStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The case.
    pub case_id: Address,
    /// The case's evidence.
    pub evidence: Vec<u8>,
}

impl AcquittalStatement {
    /// The intent of an acquittal.
    pub const INTENT: u8 = 2;
}

/// `slashing::OutageStatement`: what an enclave signs, as BCS with Ed25519, to say that many nodes failed
/// together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageStatement {
    /// [`OutageStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The day (UTC), by its number.
    pub period: u64,
    /// How many nodes failed in it.
    pub failed: u64,
    /// How many nodes there were.
    pub total: u64,
}

impl OutageStatement {
    /// The intent of an outage.
    pub const INTENT: u8 = 33;
}

/// `anchors::Anchors`: where all clusters' states stood. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchors {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// Cluster id → [`Anchor`].
    pub latest: Table,
    /// How old a statement may be, milliseconds.
    pub oldest_statement_ms: u64,
}

/// `anchors::Anchor`: where a cluster's state stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Of the sealing keys.
    pub epoch: u64,
    /// Of the leader.
    pub term: u64,
    /// The store's revision.
    pub revision: u64,
    /// The log's head, 32 bytes.
    pub root: Vec<u8>,
    /// What the enclave runs that signed it.
    pub measurement: Vec<u8>,
    /// When it was anchored, milliseconds since 1970.
    pub anchored_at_ms: u64,
    /// How many there were before.
    pub sequence: u64,
}

/// `anchors::AnchorStatement`: what an enclave signs, as BCS with Ed25519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorStatement {
    /// [`AnchorStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// As in [`Anchor`].
    pub epoch: u64,
    /// As in [`Anchor`].
    pub term: u64,
    /// As in [`Anchor`].
    pub revision: u64,
    /// As in [`Anchor`].
    pub root: Vec<u8>,
}

impl AnchorStatement {
    /// The intent of an anchor: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 3;
}

/// `params::Params`: what governs the parameters. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// Object id.
    pub id: Address,
    /// Package version that may use it.
    pub version: u64,
    /// From a proposal to its execution, milliseconds.
    pub delay_ms: u64,
    /// How many changes were ever proposed.
    pub proposed: u64,
    /// In the order of proposal.
    pub pending: Vec<Change>,
}

/// `params::Change`: a proposed change of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counted from 0.
    pub number: u64,
    /// Which parameters, as [`NewParameters::kind`].
    pub kind: u8,
    /// Their new values, as [`NewParameters::values`].
    pub values: Vec<u64>,
    /// From when it can be executed, milliseconds since 1970.
    pub ready_at_ms: u64,
}

/// New parameters, to be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewParameters {
    /// Of a tier.
    Tier {
        /// Which.
        tier: Tier,
        /// The least stake that counts, MIST.
        minimum: u64,
        /// How long a stake cannot be asked back, milliseconds.
        lockup_ms: u64,
    },
    /// The unbonding period of later requests, milliseconds.
    Unbonding(u64),
    /// Of slashing. There are four penalties, by kind.
    Rules(Rules),
    /// The timelock of later changes, milliseconds.
    Delay(u64),
    /// MIST of the rewards' budget that flow in a day.
    Emission(u64),
    /// The bounds of delegation.
    Delegation(DelegationRules),
    /// Of the gateway, for later mints and renewals.
    Gateway(GatewayRules),
    /// How old an anchor's statement may be, milliseconds.
    Anchors(u64),
}

impl NewParameters {
    /// The contract's number.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Tier { .. } => 0,
            Self::Unbonding(_) => 1,
            Self::Rules(_) => 2,
            Self::Delay(_) => 3,
            Self::Emission(_) => 4,
            Self::Delegation(_) => 5,
            Self::Gateway(_) => 6,
            Self::Anchors(_) => 7,
        }
    }

    /// In the contract's order.
    #[must_use]
    pub fn values(&self) -> Vec<u64> {
        match self {
            Self::Tier {
                tier,
                minimum,
                lockup_ms,
            } => vec![u64::from(tier.code()), *minimum, *lockup_ms],
            Self::Unbonding(value)
            | Self::Delay(value)
            | Self::Emission(value)
            | Self::Anchors(value) => vec![*value],
            Self::Gateway(rules) => vec![
                rules.shortest_ttl_ms,
                rules.longest_ttl_ms,
                rules.system_factor,
                rules.oldest_statement_ms,
            ],
            Self::Delegation(rules) => {
                vec![rules.most_commission, rules.commission_step, rules.minimum]
            }
            Self::Rules(rules) => {
                let mut values = vec![
                    rules.evidence_window_ms,
                    rules.appeal_window_ms,
                    rules.bond,
                    rules.reporter_share,
                ];
                values.extend(&rules.penalties);
                values.extend([rules.period_cap, rules.correlated, rules.sentence_ms]);
                values
            }
        }
    }
}

/// `rewards::Rewards`: all rewards. One, shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewards {
    /// Object id.
    pub id: Address,
    /// The package version that may use it.
    pub version: u64,
    /// All MIST of the three parts below.
    pub vault: u64,
    /// What emission is paid from.
    pub budget: u64,
    /// Prepaid and not yet flowed.
    pub escrowed: u64,
    /// Flowed and not yet claimed.
    pub reserved: u64,
    /// MIST in a period.
    pub emission: u64,
    /// Billionths of a MIST that did not flow yet.
    pub emission_carry: u128,
    /// Of all escrows, in billionths of a MIST in a millisecond.
    pub fee_rate: u128,
    /// Billionths of a MIST that did not flow yet.
    pub fee_carry: u128,
    /// What of `fee_rate` ends with a period, by its number modulo the length.
    pub ending: Vec<u128>,
    /// How much a unit of weight has earned since the beginning.
    pub index: u128,
    /// Of all earners.
    pub total_weight: u64,
    /// Up to when the sources have flowed.
    pub updated_at_ms: u64,
    /// Whose enclaves attest performance.
    pub clusters: Vec<Address>,
    /// By stake: [`Earner`].
    pub earners: Table,
    /// By stake and epoch: from where delegations earn.
    pub starts: Table,
}

/// `rewards::Earner`: a stake that earns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earner {
    /// What weighs of the stake times its performance.
    pub weight: u64,
    /// The accumulator up to which it is settled.
    pub index: u128,
    /// Settled and not yet claimed.
    pub owed: u64,
    /// In basis points.
    pub performance: u64,
    /// When an enclave last attested it.
    pub reported_at_ms: u64,
    /// In which it was enrolled.
    pub epoch: u64,
    /// The delegators' part of the weight.
    pub delegated: u64,
    /// Their shares that weigh.
    pub shares: u128,
    /// How much a share has earned since the beginning.
    pub per_share: u128,
}

/// `rewards::Escrow`: a prepaid fee. Its holder can have the rest back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// Object id.
    pub id: Address,
    /// MIST paid.
    pub amount: u64,
    /// In billionths of a MIST in a millisecond.
    pub rate: u128,
    /// From when it flows.
    pub begins_at_ms: u64,
    /// Until when.
    pub ends_at_ms: u64,
}

/// `rewards::PerformanceStatement`: what an enclave signs, as BCS with Ed25519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformanceStatement {
    /// [`PerformanceStatement::INTENT`].
    pub intent: u8,
    /// When it was signed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The enclave's cluster.
    pub cluster_id: Address,
    /// The stake.
    pub stake_id: Address,
    /// In basis points, as in [`Earner`].
    pub performance: u64,
}

impl PerformanceStatement {
    /// The intent of a report: no other signature of the enclave can be taken for one.
    pub const INTENT: u8 = 4;
}

macro_rules! objects {
    ($($module:literal: $($type:ident = $what:literal),+;)+) => {$($(
        impl MoveObject for $type {
            const MODULE: &'static str = $module;
            const NAME: &'static str = stringify!($type);
            const WHAT: &'static str = $what;
        }
    )+)+};
}

objects! {
    "staking": AdminCap = "admin capability", SlashCap = "slash capability",
        StakingPool = "staking pool", Stake = "stake";
    "unbonding": Unbonding = "unbonding part";
    "delegation": Delegation = "delegation";
    "k8s_gateway": Gateway = "gateway", SealToken = "Seal token";
    "enclave_registry": Cluster = "cluster", ClusterCap = "cluster capability",
        Enclave = "enclave";
    "k8s_interface": Interface = "interface", Request = "request";
    "upgrades": Upgrades = "upgrades";
    "slashing": Docket = "docket", Case = "case";
    "anchors": Anchors = "anchors";
    "params": Params = "parameters";
    "rewards": Rewards = "rewards", Escrow = "escrow";
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::events;

    fn round<T: serde::de::DeserializeOwned + Serialize>(bytes: &[u8]) -> serde_json::Value {
        let value: T = bcs::from_bytes(bytes).unwrap();
        assert_eq!(bcs::to_bytes(&value).unwrap(), bytes);
        serde_json::to_value(value).unwrap()
    }

    /// The vectors that contracts, model and client share decode to the values that they name.
    #[test]
    fn shared_vectors_decode() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../contract-model/tests/vectors/layouts.json");
        let vectors: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut checked = 0;
        macro_rules! check {
            ($($module:ident { $($kind:ident::$name:ident),+ $(,)? })+) => {$($(
                let name = concat!(stringify!($module), "::", stringify!($name));
                let vector = vectors.get(name).unwrap_or_else(|| panic!("{name} has no vector"));
                let bytes = hex::decode(vector["bcs"].as_str().unwrap()).unwrap();
                let decoded = round::<$kind::$name>(&bytes);
                for (field, expected) in vector["value"].as_object().unwrap() {
                    let found = &decoded[field];
                    // Codes are names here.
                    let coded = found.is_string() && expected.is_number();
                    let nested = found.is_array() && found.to_string().contains("kind");
                    if !coded && !nested {
                        assert_eq!(found, expected, "{name}.{field}");
                    }
                }
                checked += 1;
            )+)+};
        }
        use crate::objects;
        check! {
            staking {
                objects::AdminCap, objects::SlashCap, objects::StakingPool,
                objects::Stake, events::PoolCreated, events::TierChanged,
                events::UnbondingChanged, events::Staked, events::ToppedUp,
                events::UnstakeRequested, events::Withdrawn, events::Slashed,
                events::TreasuryWithdrawn, events::PoolMigrated,
            }
            k8s_gateway {
                objects::Gateway, objects::SealToken, events::GatewayCreated,
                events::SealTokenCreated, events::SealTokenRenewed, events::SealTokenRevoked,
                events::GatewayMigrated, objects::GatewayRules, objects::ConsumptionStatement,
                events::GatewayRulesChanged, events::SealTokenConsumed,
            }
            enclave_registry {
                objects::Cluster, objects::ClusterCap, objects::Enclave,
                objects::RegistrationStatement, objects::VouchingStatement,
                events::ClusterCreated, events::MeasurementApproved, events::MeasurementRetired,
                events::EndpointRegistered, events::EndpointRemoved, events::ClusterMigrated,
                events::StatusChanged, events::TermsChanged, events::OwnerAdded,
                events::OwnerRemoved, events::EnclaveRegistered, events::EnclaveRevoked,
            }
            k8s_interface {
                objects::Interface, objects::Subject, objects::Permission, objects::Request,
                objects::ResultStatement, events::InterfaceCreated, events::InterfaceChanged,
                events::PermissionGranted, events::PermissionRevoked, events::RequestSubmitted,
                events::RequestAnswered, events::RequestRefunded, events::FeesWithdrawn,
                events::InterfaceMigrated,
            }
            upgrades {
                objects::Upgrades, events::UpgradesCreated, events::UpgradeCapHeld,
                events::UpgradeProposed, events::UpgradeCancelled, events::UpgradeAuthorized,
                events::UpgradeCommitted, events::UpgradesMigrated,
            }
            anchors {
                objects::Anchors, objects::Anchor, objects::AnchorStatement,
                events::AnchorsCreated, events::OldestStatementChanged, events::StateAnchored,
                events::AnchorsMigrated,
            }
        }
        assert_eq!(checked, 71);
    }
}
