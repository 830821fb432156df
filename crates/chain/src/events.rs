//! The package's events.
//!
//! Each type mirrors the BCS layout of the Move event of the same name. [`Event::decode`] goes by
//! the event's type; an event that this version does not know is kept as [`Event::Other`], so that
//! an upgraded package does not stop an old reader.

mod stake;

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, StructTag};

use crate::objects::{
    ClusterStatus, DelegationRules, FaultKind, GatewayRules, Proof, Register, Revocation, Rules,
    StakeStatus, TeeKind, Tier, TierParams,
};

pub use stake::{
    Accused, CommissionChanged, Delegated, DelegationClaimed, DelegationClosed,
    DelegationRulesChanged, DelegationSettled, DelegationsStarted, Jailed, KeyRetired,
    OutageDeclared, PartUnstaked, SealTokenRekeyed, StakeBalances, Tombstoned, UnbondingBegun,
    UnbondingRedeemed, Undelegated, Unjailed,
};

macro_rules! events {
    (
        $($module:literal: $(
            $(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }
        )+)+;
        // Those of files of their own.
        $($elsewhere:literal: $($(#[$other_doc:meta])* $other:ident),+;)*
    ) => {
        $($(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

            impl From<$name> for Event {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )+)+
        $($(
            impl From<$other> for Event {
                fn from(event: $other) -> Self {
                    Self::$other(event)
                }
            }
        )+)*

        /// Any event of the package.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "event")]
        #[non_exhaustive]
        pub enum Event {
            $($($(#[$doc])* $name($name),)+)+
            $($($(#[$other_doc])* $other($other),)+)*
            /// One that this version does not know, or whose contents it cannot read.
            Other {
                /// Its type.
                event_type: String,
                /// Its BCS.
                contents: Vec<u8>,
            },
        }

        impl Event {
            /// Decodes an event by its type's module and name. The caller has seen to it that the
            /// package is ours.
            #[must_use]
            pub fn decode(event_type: &StructTag, contents: &[u8]) -> Self {
                let decoded = match (event_type.module().as_str(), event_type.name().as_str()) {
                    $($(
                        ($module, stringify!($name)) => {
                            bcs::from_bytes(contents).map(Self::$name).ok()
                        }
                    )+)+
                    $($(
                        ($elsewhere, stringify!($other)) => {
                            bcs::from_bytes(contents).map(Self::$other).ok()
                        }
                    )+)*
                    _ => None,
                };
                decoded.unwrap_or_else(|| Self::Other {
                    event_type: event_type.to_string(),
                    contents: contents.to_vec(),
                })
            }

            /// `module::Name` of the event.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $($(Self::$name(_) => concat!($module, "::", stringify!($name)),)+)+
                    $($(Self::$other(_) => concat!($elsewhere, "::", stringify!($other)),)+)*
                    Self::Other { event_type, .. } => event_type,
                }
            }
        }
    };
}

events! {
    "staking":
    /// The pool was made, once, when the package was published.
    PoolCreated {
        /// The pool.
        pool_id: Address,
        /// Parameters by tier number.
        tiers: Vec<TierParams>,
        /// Unbonding period, milliseconds.
        unbonding_ms: u64,
        /// The bounds of delegation.
        delegation: DelegationRules,
    }
    /// A tier's parameters changed.
    TierChanged {
        /// The pool.
        pool_id: Address,
        /// The tier.
        tier: Tier,
        /// The least stake that counts, MIST.
        minimum: u64,
        /// Lock-up, milliseconds.
        lockup_ms: u64,
    }
    /// The unbonding period changed, for later requests.
    UnbondingChanged {
        /// The pool.
        pool_id: Address,
        /// Unbonding period, milliseconds.
        unbonding_ms: u64,
    }
    /// A stake was made.
    Staked {
        /// The stake.
        stake_id: Address,
        /// Who staked.
        owner: Address,
        /// What it is for.
        tier: Tier,
        /// MIST.
        amount: u64,
        /// When, milliseconds since 1970.
        staked_at_ms: u64,
        /// Before this it cannot be asked back.
        locked_until_ms: u64,
    }
    /// Its owner added to an active stake.
    ToppedUp {
        /// The stake.
        stake_id: Address,
        /// Its owner.
        owner: Address,
        /// MIST added.
        amount: u64,
        /// MIST that it holds now.
        balance: u64,
    }
    /// Its owner asked for a stake back.
    UnstakeRequested {
        /// The stake.
        stake_id: Address,
        /// Its owner.
        owner: Address,
        /// MIST in it.
        amount: u64,
        /// When it can be withdrawn, milliseconds since 1970.
        withdrawable_at_ms: u64,
    }
    /// Its owner took a stake back.
    Withdrawn {
        /// The stake.
        stake_id: Address,
        /// Its owner.
        owner: Address,
        /// MIST.
        amount: u64,
    }
    /// A stake was slashed.
    Slashed {
        /// The stake.
        stake_id: Address,
        /// Its owner.
        owner: Address,
        /// MIST taken.
        amount: u64,
        /// MIST left.
        remaining: u64,
        /// Its status now.
        status: StakeStatus,
        /// Why.
        reason: String,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// MIST went out of the treasury: to governance, or as a reporter's reward.
    TreasuryWithdrawn {
        /// The pool.
        pool_id: Address,
        /// MIST taken.
        amount: u64,
        /// MIST left.
        remaining: u64,
    }
    /// MIST came into the treasury that was not slashed from a stake: a forfeited bond.
    TreasuryFunded {
        /// The pool.
        pool_id: Address,
        /// MIST that came in.
        amount: u64,
        /// MIST that it holds now.
        balance: u64,
    }
    /// New stake and new tokens were stopped, or allowed again.
    PauseChanged {
        /// The pool.
        pool_id: Address,
        /// Whether they are stopped.
        paused: bool,
    }
    /// The pool was brought to a new version of the package.
    PoolMigrated {
        /// The object.
        pool_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "k8s_gateway":
    /// The gateway was made, once, when the package was published.
    GatewayCreated {
        /// The gateway.
        gateway_id: Address,
        /// What governance sets.
        rules: GatewayRules,
    }
    /// The gateway's rules were changed, for later mints and renewals.
    GatewayRulesChanged {
        /// The gateway.
        gateway_id: Address,
        /// What governance sets.
        rules: GatewayRules,
    }
    /// A node joined with a token, an enclave says.
    SealTokenConsumed {
        /// The token.
        token_id: Address,
        /// The enclave.
        enclave_id: Address,
        /// The token's generation.
        generation: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// A Seal token was made.
    SealTokenCreated {
        /// The token.
        token_id: Address,
        /// The stake that backs it.
        stake_id: Address,
        /// The stake's owner.
        owner: Address,
        /// The cluster that it is good for.
        cluster_id: Address,
        /// The node's name.
        node_id: String,
        /// The node's Ed25519 public key.
        node_key: Vec<u8>,
        /// The commitment.
        commitment: Vec<u8>,
        /// The `PERMISSION_` bits.
        permissions: u64,
        /// Where the holder means to use it, or empty.
        endpoint: String,
        /// When it was made, milliseconds since 1970.
        issued_at_ms: u64,
        /// From then on it is void.
        expires_at_ms: u64,
    }
    /// A Seal token was renewed.
    SealTokenRenewed {
        /// The token.
        token_id: Address,
        /// The stake that backs it.
        stake_id: Address,
        /// The commitment now.
        commitment: Vec<u8>,
        /// The `PERMISSION_` bits now.
        permissions: u64,
        /// When it was renewed, milliseconds since 1970.
        issued_at_ms: u64,
        /// From then on it is void.
        expires_at_ms: u64,
        /// How often it was renewed.
        generation: u64,
    }
    /// A Seal token was revoked.
    SealTokenRevoked {
        /// The token.
        token_id: Address,
        /// The stake that backed it.
        stake_id: Address,
        /// By whom.
        reason: Revocation,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// The gateway was brought to a new version of the package.
    GatewayMigrated {
        /// The object.
        gateway_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "enclave_registry":
    /// A cluster was made.
    ClusterCreated {
        /// The cluster.
        cluster_id: Address,
        /// Its capability.
        cap_id: Address,
        /// Its name.
        name: String,
        /// Who made it.
        creator: Address,
    }
    /// A cluster was opened, suspended or closed.
    #[allow(missing_docs)]
    StatusChanged { cluster_id: Address, status: ClusterStatus }
    /// The terms on which measurements and enclaves come in were changed.
    #[allow(missing_docs)]
    TermsChanged { cluster_id: Address, notice_ms: u64, quorum: u64, attested_only: bool }
    /// A cluster has another owner.
    #[allow(missing_docs)]
    OwnerAdded { cluster_id: Address, owner: Address }
    /// A cluster has an owner less.
    #[allow(missing_docs)]
    OwnerRemoved { cluster_id: Address, owner: Address }
    /// A measurement was put on the allow-list, or brought back to it.
    MeasurementApproved {
        /// The cluster.
        cluster_id: Address,
        /// Kind of TEE.
        kind: TeeKind,
        /// The measurement.
        measurement: Vec<u8>,
        /// What a document that the chain verifies must show.
        registers: Vec<Register>,
        /// What it was built from.
        source: String,
        /// When, milliseconds since 1970.
        approved_at_ms: u64,
        /// From when it counts, milliseconds since 1970.
        active_at_ms: u64,
    }
    /// A measurement is no longer allowed.
    MeasurementRetired {
        /// The cluster.
        cluster_id: Address,
        /// Kind of TEE.
        kind: TeeKind,
        /// The measurement.
        measurement: Vec<u8>,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// An endpoint was registered, or registered anew under the same URL.
    EndpointRegistered {
        /// The cluster.
        cluster_id: Address,
        /// Where it listens.
        url: String,
        /// SHA-256 of its TLS key's SubjectPublicKeyInfo.
        tls_key_hash: Vec<u8>,
        /// What it runs.
        measurement: Vec<u8>,
        /// Kind of TEE.
        kind: TeeKind,
        /// When, milliseconds since 1970.
        registered_at_ms: u64,
        /// The enclave that was registered with it.
        enclave_id: Option<Address>,
    }
    /// An endpoint was removed.
    EndpointRemoved {
        /// The cluster.
        cluster_id: Address,
        /// Where it listened.
        url: String,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// A control plane's signing key was registered.
    EnclaveRegistered {
        /// The enclave.
        enclave_id: Address,
        /// Its cluster.
        cluster_id: Address,
        /// Its Ed25519 public key.
        public_key: Vec<u8>,
        /// Its X25519 public key, or empty.
        encryption_key: Vec<u8>,
        /// What it runs.
        measurement: Vec<u8>,
        /// Kind of TEE.
        kind: TeeKind,
        /// How it came in.
        proof: Proof,
        /// When, milliseconds since 1970.
        registered_at_ms: u64,
    }
    /// A control plane's signing key was revoked.
    EnclaveRevoked {
        /// The enclave.
        enclave_id: Address,
        /// Its cluster.
        cluster_id: Address,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// A cluster was brought to a new version of the package.
    ClusterMigrated {
        /// The object.
        cluster_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "slashing":
    /// The docket was made, once, when the package was published.
    DocketCreated {
        /// The docket.
        docket_id: Address,
        /// Its rules.
        rules: Rules,
    }
    /// The rules of slashing changed.
    RulesChanged {
        /// The docket.
        docket_id: Address,
        /// The rules now.
        rules: Rules,
    }
    /// A fault was reported.
    CaseOpened {
        /// The case.
        case_id: Address,
        /// The accused stake.
        stake_id: Address,
        /// The cluster whose enclave accuses.
        cluster_id: Address,
        /// Kind of the fault.
        kind: FaultKind,
        /// Period of the fault.
        period: u64,
        /// blake2b-256 of the statement.
        evidence: Vec<u8>,
        /// Who reported.
        reporter: Address,
        /// MIST held until the case is closed.
        bond: u64,
        /// MIST to be taken, before the cap.
        penalty: u64,
        /// When, milliseconds since 1970.
        reported_at_ms: u64,
        /// From then on it can be executed and no longer be rejected.
        appeal_until_ms: u64,
        /// By the node's own signatures.
        proven: bool,
    }
    /// A case was executed.
    CaseExecuted {
        /// The case.
        case_id: Address,
        /// The slashed stake.
        stake_id: Address,
        /// Period of the fault.
        period: u64,
        /// MIST taken.
        taken: u64,
        /// The reporter's share of it, MIST.
        reward: u64,
        /// The bond, given back, MIST.
        bond: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// A case was rejected; its bond is in the treasury.
    CaseRejected {
        /// The case.
        case_id: Address,
        /// The accused stake.
        stake_id: Address,
        /// The forfeited bond, MIST.
        bond: u64,
        /// Whether by governance's veto, or by counter-evidence.
        by_governance: bool,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// The docket was brought to a new version of the package.
    DocketMigrated {
        /// The object.
        docket_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "params":
    /// What governs the parameters was made, once, when the package was published.
    ParamsCreated {
        /// The object.
        params_id: Address,
        /// From a proposal to its execution, milliseconds.
        delay_ms: u64,
    }
    /// Governance proposed a change.
    ChangeProposed {
        /// The object.
        params_id: Address,
        /// The change's number.
        number: u64,
        /// As `objects::NewParameters::kind`.
        kind: u8,
        /// As `objects::NewParameters::values`.
        values: Vec<u64>,
        /// From when it can be executed, milliseconds since 1970.
        ready_at_ms: u64,
    }
    /// A change took effect.
    ChangeExecuted {
        /// The object.
        params_id: Address,
        /// The change's number.
        number: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// Governance took a change back.
    ChangeCancelled {
        /// The object.
        params_id: Address,
        /// The change's number.
        number: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
    }
    /// The timelock changed.
    DelayChanged {
        /// The object.
        params_id: Address,
        /// From a proposal to its execution, milliseconds.
        delay_ms: u64,
    }
    /// The object was brought to a new version of the package.
    ParamsMigrated {
        /// The object.
        params_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "rewards":
    /// The object was made (once, when the package is published).
    RewardsCreated {
        /// The object.
        rewards_id: Address,
    }
    /// Where the flow stands after a touch.
    RewardsUpdated {
        /// The object.
        rewards_id: Address,
        /// What emission is paid from, MIST.
        budget: u64,
        /// Prepaid and not yet flowed, MIST.
        escrowed: u64,
        /// Flowed and not yet claimed, MIST.
        reserved: u64,
        /// Billionths of a MIST that did not flow yet.
        emission_carry: u128,
        /// Of all escrows, billionths of a MIST in a millisecond.
        fee_rate: u128,
        /// Billionths of a MIST that did not flow yet.
        fee_carry: u128,
        /// What of the rate ends with a period, by its number modulo the length.
        ending: Vec<u128>,
        /// The accumulator.
        index: u128,
        /// Of all earners.
        total_weight: u64,
        /// Up to when the sources have flowed.
        updated_at_ms: u64,
    }
    /// The emission changed.
    EmissionChanged {
        /// The object.
        rewards_id: Address,
        /// MIST in a day.
        emission: u64,
    }
    /// A cluster was admitted, or no longer is.
    ClusterAdmitted {
        /// The object.
        rewards_id: Address,
        /// The cluster.
        cluster_id: Address,
        /// Whether it is admitted.
        admitted: bool,
    }
    /// The budget was added to.
    BudgetFunded {
        /// The object.
        rewards_id: Address,
        /// MIST.
        amount: u64,
    }
    /// A fee was prepaid.
    EscrowOpened {
        /// The escrow.
        escrow_id: Address,
        /// Who paid.
        payer: Address,
        /// MIST.
        amount: u64,
        /// Billionths of a MIST in a millisecond.
        rate: u128,
        /// From when it flows.
        begins_at_ms: u64,
        /// Until when it flows.
        ends_at_ms: u64,
    }
    /// An escrow was ended.
    EscrowClosed {
        /// The escrow.
        escrow_id: Address,
        /// MIST given back.
        refund: u64,
    }
    /// An earner after a touch.
    EarnerSettled {
        /// The stake.
        stake_id: Address,
        /// Its balance times its performance.
        weight: u64,
        /// The accumulator.
        index: u128,
        /// Settled and not yet claimed, MIST.
        owed: u64,
        /// In basis points.
        performance: u64,
        /// When an enclave last attested it.
        reported_at_ms: u64,
        /// In which it was enrolled.
        epoch: u64,
        /// The delegators' part of the weight.
        delegated: u64,
        /// Their shares that weigh.
        shares: u128,
        /// How much a share has earned since the beginning.
        per_share: u128,
    }
    /// Rewards were paid out.
    RewardClaimed {
        /// The stake.
        stake_id: Address,
        /// Its owner.
        owner: Address,
        /// MIST.
        amount: u64,
    }
    /// The object was handed to a new version of the package.
    RewardsMigrated {
        /// The object.
        rewards_id: Address,
        /// The package version that may use it now.
        version: u64,
    }

    "k8s_interface":
    /// A cluster's interface was made.
    #[allow(missing_docs)]
    InterfaceCreated {
        interface_id: Address, cluster_id: Address, fee: u64, timeout_ms: u64, payload: u64,
    }
    /// An interface's terms were changed.
    #[allow(missing_docs)]
    InterfaceChanged { interface_id: Address, fee: u64, timeout_ms: u64, payload: u64 }
    /// A user has a permission, in place of the one before.
    #[allow(missing_docs)]
    PermissionGranted {
        interface_id: Address, user: Address, namespace: String, verbs: u64, expires_at_ms: u64,
        by: Address,
    }
    /// A user has a permission no longer.
    #[allow(missing_docs)]
    PermissionRevoked { interface_id: Address, user: Address, namespace: String, by: Address }
    /// A request was submitted.
    #[allow(missing_docs)]
    RequestSubmitted {
        request_id: Address, interface_id: Address, cluster_id: Address, user: Address,
        namespace: String, verb: u64, enclave_id: Address, payload: Vec<u8>, digest: Vec<u8>,
        fee: u64, submitted_at_ms: u64, deadline_ms: u64,
    }
    /// A request was answered, its fee earned.
    #[allow(missing_docs)]
    RequestAnswered {
        request_id: Address, interface_id: Address, code: u64, result: Vec<u8>, fee: u64,
        at_ms: u64,
    }
    /// A request's fee went back to its user.
    #[allow(missing_docs)]
    RequestRefunded {
        request_id: Address, interface_id: Address, user: Address, fee: u64, at_ms: u64,
    }
    /// A cluster took out what it earned.
    #[allow(missing_docs)]
    FeesWithdrawn { interface_id: Address, amount: u64, remaining: u64 }
    /// An interface was brought to a new version of the package.
    #[allow(missing_docs)]
    InterfaceMigrated { interface_id: Address, version: u64 }

    "upgrades":
    /// What holds the upgrade capability was made, once, when the package was published.
    #[allow(missing_docs)]
    UpgradesCreated { upgrades_id: Address }
    /// The upgrade capability was handed in.
    #[allow(missing_docs)]
    UpgradeCapHeld {
        upgrades_id: Address, cap_id: Address, package_id: Address, version: u64, policy: u8,
    }
    /// An upgrade was proposed.
    #[allow(missing_docs)]
    UpgradeProposed { upgrades_id: Address, digest: Vec<u8>, ready_at_ms: u64 }
    /// A proposed upgrade was taken back.
    #[allow(missing_docs)]
    UpgradeCancelled { upgrades_id: Address, digest: Vec<u8> }
    /// An upgrade was authorised.
    #[allow(missing_docs)]
    UpgradeAuthorized { upgrades_id: Address, digest: Vec<u8> }
    /// The package was upgraded.
    #[allow(missing_docs)]
    UpgradeCommitted { upgrades_id: Address, package_id: Address, version: u64 }
    /// What holds the upgrade capability was brought to a new version of the package.
    #[allow(missing_docs)]
    UpgradesMigrated { upgrades_id: Address, version: u64 }

    "anchors":
    /// The anchors were made, once, when the package was published.
    AnchorsCreated {
        /// The anchors.
        anchors_id: Address,
        /// How old a statement may be, milliseconds.
        oldest_statement_ms: u64,
    }
    /// How old a statement may be was changed.
    #[allow(missing_docs)]
    OldestStatementChanged { anchors_id: Address, oldest_statement_ms: u64 }
    /// A cluster's state was anchored.
    StateAnchored {
        /// The cluster.
        cluster_id: Address,
        /// The enclave that signed.
        enclave_id: Address,
        /// Of the sealing keys.
        epoch: u64,
        /// Of the leader.
        term: u64,
        /// The store's revision.
        revision: u64,
        /// The log's head.
        root: Vec<u8>,
        /// What the enclave runs.
        measurement: Vec<u8>,
        /// When, milliseconds since 1970.
        anchored_at_ms: u64,
        /// How many there were before.
        sequence: u64,
    }
    /// The anchors were brought to a new version of the package.
    AnchorsMigrated {
        /// The object.
        anchors_id: Address,
        /// The package version that may use it now.
        version: u64,
    };

    "staking":
    /// The bounds of delegation changed.
    DelegationRulesChanged,
    /// What stands behind a stake after a change of it.
    StakeBalances,
    /// Its owner asked for a part of a stake back.
    PartUnstaked,
    /// The owner's commission changed.
    CommissionChanged,
    /// How many cases are pending against a stake.
    Accused,
    /// A stake was jailed: it does not count until its owner frees it after the sentence.
    Jailed,
    /// Its owner freed a stake whose sentence was over.
    Unjailed,
    /// A stake never counts again.
    Tombstoned,
    /// A stake's node has another key.
    KeyRetired;
    "unbonding":
    /// A part of a stake began to leave.
    UnbondingBegun,
    /// A part of a stake left.
    UnbondingRedeemed;
    "delegation":
    /// A delegation was made.
    Delegated,
    /// A delegation after a touch.
    DelegationSettled,
    /// A delegation, or a part of it, went into the stake's queue.
    Undelegated,
    /// What a delegation earned was paid out.
    DelegationClaimed,
    /// An empty delegation was done away with.
    DelegationClosed;
    "k8s_gateway":
    /// A token's node has another key.
    SealTokenRekeyed;
    "slashing":
    /// Too many nodes failed together in a period for anyone's downtime to be a fault.
    OutageDeclared;
    "rewards":
    /// From where the delegations of an epoch earn.
    DelegationsStarted;
}

impl Event {
    /// The stake that it is about, if it is about one.
    #[must_use]
    pub fn stake(&self) -> Option<Address> {
        match self {
            Self::Staked(event) => Some(event.stake_id),
            Self::ToppedUp(event) => Some(event.stake_id),
            Self::UnstakeRequested(event) => Some(event.stake_id),
            Self::Withdrawn(event) => Some(event.stake_id),
            Self::Slashed(event) => Some(event.stake_id),
            Self::PartUnstaked(event) => Some(event.stake_id),
            Self::StakeBalances(event) => Some(event.stake_id),
            Self::CommissionChanged(event) => Some(event.stake_id),
            Self::Accused(event) => Some(event.stake_id),
            Self::Jailed(event) => Some(event.stake_id),
            Self::Unjailed(event) => Some(event.stake_id),
            Self::Tombstoned(event) => Some(event.stake_id),
            Self::KeyRetired(event) => Some(event.stake_id),
            Self::SealTokenRekeyed(event) => Some(event.stake_id),
            Self::SealTokenCreated(event) => Some(event.stake_id),
            Self::SealTokenRenewed(event) => Some(event.stake_id),
            Self::SealTokenRevoked(event) => Some(event.stake_id),
            Self::CaseOpened(event) => Some(event.stake_id),
            Self::CaseExecuted(event) => Some(event.stake_id),
            Self::CaseRejected(event) => Some(event.stake_id),
            _ => None,
        }
    }

    /// The Seal token that it is about, if it is about one.
    #[must_use]
    pub fn token(&self) -> Option<Address> {
        match self {
            Self::SealTokenCreated(event) => Some(event.token_id),
            Self::SealTokenRenewed(event) => Some(event.token_id),
            Self::SealTokenRekeyed(event) => Some(event.token_id),
            Self::SealTokenRevoked(event) => Some(event.token_id),
            Self::SealTokenConsumed(event) => Some(event.token_id),
            _ => None,
        }
    }
}
