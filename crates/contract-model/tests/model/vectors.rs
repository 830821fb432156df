//! `tests/vectors/layouts.json`: one encoded example of every object and event. Whoever decodes
//! these types on their own tests against that file. `UPDATE_VECTORS=1` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use contract_model::layout::MoveType;
use contract_model::layout::anchors::*;
use contract_model::layout::delegation::*;
use contract_model::layout::enclave_registry::*;
use contract_model::layout::framework::{Table, UpgradeCap};
use contract_model::layout::k8s_gateway::*;
use contract_model::layout::k8s_interface::*;
use contract_model::layout::node_keys::*;
use contract_model::layout::params::*;
use contract_model::layout::rewards::*;
use contract_model::layout::slashing::*;
use contract_model::layout::staking::*;
use contract_model::layout::unbonding::*;
use contract_model::layout::upgrades::*;
use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    /// BCS in hexadecimal.
    bcs: String,
    /// The fields, as serde names them; addresses in hexadecimal, bytes as arrays.
    value: serde_json::Value,
}

fn id(byte: u8) -> Address {
    Address::new([byte; 32])
}

struct Vectors(BTreeMap<String, Vector>);

impl Vectors {
    fn add<T: MoveType + PartialEq + std::fmt::Debug>(&mut self, value: T) {
        let bytes = bcs::to_bytes(&value).unwrap();
        assert_eq!(bcs::from_bytes::<T>(&bytes).unwrap(), value);
        let vector = Vector {
            bcs: hex::encode(bytes),
            value: serde_json::to_value(&value).unwrap(),
        };
        let name = format!("{}::{}", T::MODULE, T::NAME);
        assert!(self.0.insert(name, vector).is_none());
    }
}

fn vectors() -> BTreeMap<String, Vector> {
    let mut all = Vectors(BTreeMap::new());
    staking(&mut all);
    gateway(&mut all);
    registry(&mut all);
    slashing(&mut all);
    anchors(&mut all);
    params(&mut all);
    rewards(&mut all);
    all.0
}

fn delegation_rules() -> DelegationRules {
    DelegationRules {
        most_commission: 2_000,
        commission_step: 100,
        minimum: 100_000_000,
    }
}

/// Delegation, queues, standing, keys.
fn leaving(all: &mut Vectors) {
    all.add(DelegationRulesChanged {
        pool_id: id(3),
        delegation: delegation_rules(),
    });
    all.add(StakeBalances {
        stake_id: id(4),
        balance: 216,
        fresh: 217,
        fresh_epoch: 218,
        delegated: 219,
        shares: 220_000,
        fresh_shares: 221_000,
        shares_epoch: 222,
        queued: 223,
        queue_shares: 224_000,
        generation: 225,
    });
    all.add(PartUnstaked {
        stake_id: id(4),
        owner: id(5),
        amount: 226,
        balance: 227,
    });
    all.add(CommissionChanged {
        stake_id: id(4),
        commission: 228,
        at_ms: 229,
    });
    all.add(Accused {
        stake_id: id(4),
        cases: 230,
    });
    all.add(Jailed {
        stake_id: id(4),
        owner: id(5),
        until_ms: 231,
        jailings: 232,
        at_ms: 233,
    });
    all.add(Unjailed {
        stake_id: id(4),
        owner: id(5),
        at_ms: 234,
    });
    all.add(Tombstoned {
        stake_id: id(4),
        owner: id(5),
        at_ms: 235,
    });
    all.add(KeyRetired {
        stake_id: id(4),
        key: vec![8; 32],
        at_ms: 236,
    });
    all.add(SealTokenRekeyed {
        token_id: id(6),
        stake_id: id(4),
        node_key: vec![9; 32],
        commitment: vec![10; 32],
        generation: 237,
    });
    all.add(RotationStatement {
        intent: INTENT_ROTATION,
        token_id: id(6),
        generation: 238,
        old_key: vec![8; 32],
        new_key: vec![9; 32],
    });
    all.add(Unbonding {
        id: id(11),
        stake_id: id(4),
        shares: 239_000,
        generation: 240,
        withdrawable_at_ms: 241,
    });
    all.add(UnbondingBegun {
        unbonding_id: id(11),
        stake_id: id(4),
        owner: id(5),
        shares: 242_000,
        generation: 243,
        withdrawable_at_ms: 244,
    });
    all.add(UnbondingRedeemed {
        unbonding_id: id(11),
        stake_id: id(4),
        amount: 245,
    });
    all.add(Delegation {
        id: id(12),
        stake_id: id(4),
        shares: 246_000,
        epoch: 247,
        earns: true,
        per_share: 248_000,
        owed: 249,
    });
    all.add(Delegated {
        delegation_id: id(12),
        stake_id: id(4),
        delegator: id(13),
        amount: 250,
        shares: 251_000,
        epoch: 252,
    });
    all.add(DelegationSettled {
        delegation_id: id(12),
        stake_id: id(4),
        shares: 253_000,
        earns: false,
        per_share: 254_000,
        owed: 255,
    });
    all.add(Undelegated {
        delegation_id: id(12),
        stake_id: id(4),
        amount: 256,
        shares: 257_000,
    });
    all.add(DelegationClaimed {
        delegation_id: id(12),
        stake_id: id(4),
        amount: 258,
    });
    all.add(DelegationClosed {
        delegation_id: id(12),
    });
    all.add(DelegationsStarted {
        stake_id: id(4),
        epoch: 259,
        per_share: 260_000,
    });
    all.add(OutageStatement {
        intent: INTENT_OUTAGE,
        timestamp_ms: 261,
        cluster_id: id(14),
        period: 262,
        failed: 263,
        total: 264,
    });
    all.add(OutageDeclared {
        docket_id: id(15),
        cluster_id: id(14),
        period: 265,
        failed: 266,
        total: 267,
        at_ms: 268,
    });
}

fn staking(all: &mut Vectors) {
    let tiers = vec![
        TierParams {
            minimum: 1_000_000_000,
            lockup_ms: 86_400_000,
        },
        TierParams {
            minimum: 2,
            lockup_ms: 3,
        },
    ];
    all.add(AdminCap { id: id(1) });
    all.add(SlashCap { id: id(2) });
    all.add(StakingPool {
        id: id(3),
        version: 1,
        tiers: tiers.clone(),
        unbonding_ms: 60_000,
        delegation: delegation_rules(),
        total_active: 4,
        total_unbonding: 5,
        total_slashed: 6,
        stakes_created: 7,
        treasury: 8,
        paused: true,
    });
    all.add(Stake {
        id: id(4),
        owner: id(5),
        tier: TIER_ADMIN,
        status: STATUS_UNBONDING,
        balance: 10,
        slashed: 11,
        staked_at_ms: 12,
        locked_until_ms: 13,
        withdrawable_at_ms: 14,
        fresh: 201,
        fresh_epoch: 202,
        delegated: Shared {
            balance: 203,
            shares: 204_000,
            generation: 0,
        },
        fresh_shares: 205_000,
        shares_epoch: 206,
        commission: 207,
        commission_set_at_ms: 208,
        queue: Shared {
            balance: 209,
            shares: 210_000,
            generation: 1,
        },
        cases: 211,
        jailed_until_ms: 212,
        jailings: 213,
        released_at_ms: 214,
        tombstoned: true,
        former_keys: vec![FormerKey {
            key: vec![7; 32],
            retired_at_ms: 215,
        }],
    });
    leaving(all);
    all.add(PoolCreated {
        pool_id: id(3),
        tiers,
        unbonding_ms: 60_000,
        delegation: delegation_rules(),
    });
    all.add(TierChanged {
        pool_id: id(3),
        tier: 1,
        minimum: 15,
        lockup_ms: 16,
    });
    all.add(UnbondingChanged {
        pool_id: id(3),
        unbonding_ms: 17,
    });
    all.add(Staked {
        stake_id: id(4),
        owner: id(5),
        tier: 0,
        amount: 18,
        staked_at_ms: 19,
        locked_until_ms: 20,
    });
    all.add(ToppedUp {
        stake_id: id(4),
        owner: id(5),
        amount: 21,
        balance: 22,
    });
    all.add(UnstakeRequested {
        stake_id: id(4),
        owner: id(5),
        amount: 23,
        withdrawable_at_ms: 24,
    });
    all.add(Withdrawn {
        stake_id: id(4),
        owner: id(5),
        amount: 25,
    });
    all.add(Slashed {
        stake_id: id(4),
        owner: id(5),
        amount: 26,
        remaining: 27,
        status: STATUS_ACTIVE,
        reason: "downtime".to_owned(),
        at_ms: 28,
    });
    all.add(TreasuryWithdrawn {
        pool_id: id(3),
        amount: 29,
        remaining: 30,
    });
    all.add(TreasuryFunded {
        pool_id: id(3),
        amount: 47,
        balance: 48,
    });
    all.add(PoolMigrated {
        pool_id: id(3),
        version: 2,
    });
}

fn gateway(all: &mut Vectors) {
    let rules = GatewayRules {
        shortest_ttl_ms: 304,
        longest_ttl_ms: 305,
        system_factor: 306,
        oldest_statement_ms: 307,
    };
    all.add(Gateway {
        id: id(6),
        version: 1,
        nodes: Table { id: id(7), size: 1 },
        stakes: Table { id: id(8), size: 1 },
        tokens_created: 31,
        rules: rules.clone(),
    });
    all.add(rules.clone());
    all.add(GatewayRulesChanged {
        gateway_id: id(6),
        rules: rules.clone(),
    });
    all.add(SealTokenConsumed {
        token_id: id(9),
        enclave_id: id(18),
        generation: 300,
        at_ms: 301,
    });
    all.add(ConsumptionStatement {
        intent: INTENT_CONSUMPTION,
        timestamp_ms: 302,
        cluster_id: id(10),
        token_id: id(9),
        generation: 303,
        commitment: vec![12; 32],
    });
    all.add(SealToken {
        id: id(9),
        stake_id: id(4),
        owner: id(5),
        cluster_id: id(10),
        node_id: "worker-0".to_owned(),
        node_key: vec![11; 32],
        commitment: vec![12; 32],
        permissions: PERMISSION_JOIN | PERMISSION_WORKLOADS,
        endpoint: "https://control.example:6443".to_owned(),
        issued_at_ms: 32,
        expires_at_ms: 33,
        revoked: true,
        generation: 34,
        consumed_at_ms: 308,
        consumed_by: Some(id(18)),
    });
    all.add(GatewayCreated {
        gateway_id: id(6),
        rules,
    });
    all.add(SealTokenCreated {
        token_id: id(9),
        stake_id: id(4),
        owner: id(5),
        cluster_id: id(10),
        node_id: "worker-0".to_owned(),
        node_key: vec![11; 32],
        commitment: vec![12; 32],
        permissions: 7,
        endpoint: String::new(),
        issued_at_ms: 35,
        expires_at_ms: 36,
    });
    all.add(SealTokenRenewed {
        token_id: id(9),
        stake_id: id(4),
        commitment: vec![13; 32],
        permissions: 3,
        issued_at_ms: 37,
        expires_at_ms: 38,
        generation: 39,
    });
    all.add(SealTokenRevoked {
        token_id: id(9),
        stake_id: id(4),
        reason: REVOKED_UNBACKED,
        at_ms: 40,
    });
    all.add(GatewayMigrated {
        gateway_id: id(6),
        version: 2,
    });
}

fn registry(all: &mut Vectors) {
    let measurement = Measurement {
        kind: KIND_NITRO,
        bytes: vec![14; 48],
        registers: vec![Register {
            index: 8,
            value: vec![20; 48],
        }],
        source: "commit 0123".to_owned(),
        approved_at_ms: 41,
        active_at_ms: 309,
        retired: false,
    };
    let endpoint = Endpoint {
        url: "https://control.example:6443".to_owned(),
        tls_key_hash: vec![15; 32],
        measurement: vec![14; 48],
        kind: KIND_NITRO,
        registered_at_ms: 42,
        enclave_id: Some(id(18)),
    };
    all.add(Cluster {
        id: id(10),
        version: 1,
        name: "home".to_owned(),
        status: CLUSTER_SUSPENDED,
        owners: vec![id(5)],
        notice_ms: 310,
        quorum: 2,
        attested_only: true,
        measurements: vec![measurement],
        endpoints: vec![endpoint],
        members: vec![Member {
            enclave_id: id(18),
            public_key: vec![19; 32],
            measurement: vec![14; 48],
            kind: KIND_NITRO,
            registered_at_ms: 311,
        }],
        registrations: 312,
        interface: Some(id(150)),
    });
    all.add(StatusChanged {
        cluster_id: id(10),
        status: CLUSTER_SUSPENDED,
    });
    all.add(TermsChanged {
        cluster_id: id(10),
        notice_ms: 313,
        quorum: 3,
        attested_only: true,
    });
    all.add(OwnerAdded {
        cluster_id: id(10),
        owner: id(5),
    });
    all.add(OwnerRemoved {
        cluster_id: id(10),
        owner: id(5),
    });
    all.add(RegistrationStatement {
        intent: INTENT_REGISTRATION,
        cluster_id: id(10),
        sender: id(5),
        nonce: 314,
        public_key: vec![19; 32],
        encryption_key: vec![21; 32],
        url: "https://control.example:6443".to_owned(),
        tls_key_hash: vec![15; 32],
    });
    all.add(VouchingStatement {
        intent: INTENT_VOUCHING,
        timestamp_ms: 315,
        cluster_id: id(10),
        sender: id(5),
        nonce: 316,
        kind: KIND_TDX,
        measurement: vec![17; 48],
        evidence: vec![22; 32],
        public_key: vec![19; 32],
        encryption_key: Vec::new(),
        url: "https://control.example:6443".to_owned(),
        tls_key_hash: vec![15; 32],
    });
    interface(all);
    all.add(ClusterCap {
        id: id(16),
        cluster_id: id(10),
    });
    all.add(ClusterCreated {
        cluster_id: id(10),
        cap_id: id(16),
        name: "home".to_owned(),
        creator: id(5),
    });
    all.add(MeasurementApproved {
        cluster_id: id(10),
        kind: KIND_TDX,
        measurement: vec![17; 48],
        registers: Vec::new(),
        source: "commit 4567".to_owned(),
        approved_at_ms: 43,
        active_at_ms: 317,
    });
    all.add(MeasurementRetired {
        cluster_id: id(10),
        kind: KIND_TDX,
        measurement: vec![17; 48],
        at_ms: 44,
    });
    all.add(EndpointRegistered {
        cluster_id: id(10),
        url: "https://control.example:6443".to_owned(),
        tls_key_hash: vec![15; 32],
        measurement: vec![17; 48],
        kind: KIND_TDX,
        registered_at_ms: 45,
        enclave_id: None,
    });
    all.add(EndpointRemoved {
        cluster_id: id(10),
        url: "https://control.example:6443".to_owned(),
        at_ms: 46,
    });
    all.add(Enclave {
        id: id(18),
        cluster_id: id(10),
        public_key: vec![19; 32],
        encryption_key: vec![21; 32],
        measurement: vec![14; 48],
        kind: KIND_NITRO,
        proof: BY_ATTESTATION,
        registered_at_ms: 49,
        revoked: false,
    });
    all.add(EnclaveRegistered {
        enclave_id: id(18),
        cluster_id: id(10),
        public_key: vec![19; 32],
        encryption_key: vec![21; 32],
        measurement: vec![14; 48],
        kind: KIND_NITRO,
        proof: BY_VOUCHING,
        registered_at_ms: 49,
    });
    all.add(EnclaveRevoked {
        enclave_id: id(18),
        cluster_id: id(10),
        at_ms: 50,
    });
    all.add(ClusterMigrated {
        cluster_id: id(10),
        version: 2,
    });
}

fn interface(all: &mut Vectors) {
    all.add(Interface {
        id: id(150),
        version: 1,
        cluster_id: id(10),
        fee: 321,
        timeout_ms: 322,
        payload: 323,
        permissions: Table {
            id: id(151),
            size: 1,
        },
        requests: 324,
        earned: 325,
    });
    all.add(Subject {
        user: id(5),
        namespace: "web".to_owned(),
    });
    all.add(Permission {
        verbs: VERB_READ | VERB_WRITE,
        expires_at_ms: 326,
    });
    all.add(Request {
        id: id(152),
        cluster_id: id(10),
        user: id(5),
        namespace: "web".to_owned(),
        verb: VERB_OPERATE,
        enclave_id: id(18),
        payload: vec![153; 20],
        digest: vec![154; 32],
        fee: 327,
        submitted_at_ms: 328,
        deadline_ms: 329,
        status: REQUEST_ANSWERED,
        code: 200,
        result: vec![155; 32],
    });
    all.add(ResultStatement {
        intent: INTENT_RESULT,
        cluster_id: id(10),
        request_id: id(152),
        digest: vec![154; 32],
        code: 200,
        result: vec![155; 32],
    });
    all.add(InterfaceCreated {
        interface_id: id(150),
        cluster_id: id(10),
        fee: 330,
        timeout_ms: 331,
        payload: 332,
    });
    all.add(InterfaceChanged {
        interface_id: id(150),
        fee: 333,
        timeout_ms: 334,
        payload: 335,
    });
    all.add(PermissionGranted {
        interface_id: id(150),
        user: id(5),
        namespace: "web".to_owned(),
        verbs: 3,
        expires_at_ms: 336,
        by: id(5),
    });
    all.add(PermissionRevoked {
        interface_id: id(150),
        user: id(5),
        namespace: String::new(),
        by: id(5),
    });
    all.add(RequestSubmitted {
        request_id: id(152),
        interface_id: id(150),
        cluster_id: id(10),
        user: id(5),
        namespace: "web".to_owned(),
        verb: VERB_READ,
        enclave_id: id(18),
        payload: vec![153; 20],
        digest: vec![154; 32],
        fee: 337,
        submitted_at_ms: 338,
        deadline_ms: 339,
    });
    all.add(RequestAnswered {
        request_id: id(152),
        interface_id: id(150),
        code: 403,
        result: vec![155; 32],
        fee: 340,
        at_ms: 341,
    });
    all.add(RequestRefunded {
        request_id: id(152),
        interface_id: id(150),
        user: id(5),
        fee: 342,
        at_ms: 343,
    });
    all.add(FeesWithdrawn {
        interface_id: id(150),
        amount: 344,
        remaining: 345,
    });
    all.add(InterfaceMigrated {
        interface_id: id(150),
        version: 2,
    });
    all.add(Upgrades {
        id: id(156),
        version: 1,
        cap: Some(UpgradeCap {
            id: id(157),
            package: id(158),
            version: 1,
            policy: 0,
        }),
        pending: Some(Proposal {
            digest: vec![159; 32],
            ready_at_ms: 346,
        }),
    });
    all.add(UpgradesCreated {
        upgrades_id: id(156),
    });
    all.add(UpgradeCapHeld {
        upgrades_id: id(156),
        cap_id: id(157),
        package_id: id(158),
        version: 1,
        policy: 0,
    });
    all.add(UpgradeProposed {
        upgrades_id: id(156),
        digest: vec![159; 32],
        ready_at_ms: 347,
    });
    all.add(UpgradeCancelled {
        upgrades_id: id(156),
        digest: vec![159; 32],
    });
    all.add(UpgradeAuthorized {
        upgrades_id: id(156),
        digest: vec![159; 32],
    });
    all.add(UpgradeCommitted {
        upgrades_id: id(156),
        package_id: id(158),
        version: 2,
    });
    all.add(UpgradesMigrated {
        upgrades_id: id(156),
        version: 2,
    });
}

fn slashing(all: &mut Vectors) {
    let rules = Rules {
        evidence_window_ms: 51,
        appeal_window_ms: 52,
        bond: 53,
        reporter_share: 54,
        penalties: vec![55, 56, 57, 58],
        period_cap: 59,
        correlated: 60,
        sentence_ms: 269,
    };
    all.add(Docket {
        id: id(20),
        version: 1,
        rules: rules.clone(),
        seen: Table {
            id: id(21),
            size: 1,
        },
        taken: Table {
            id: id(22),
            size: 2,
        },
        outages: Table {
            id: id(140),
            size: 141,
        },
        cases_opened: 61,
    });
    all.add(Case {
        id: id(23),
        stake_id: id(4),
        cluster_id: id(10),
        kind: KIND_EQUIVOCATION,
        period: 62,
        evidence: vec![24; 32],
        reporter: id(25),
        bond: 63,
        penalty: 64,
        reported_at_ms: 65,
        appeal_until_ms: 66,
        proven: true,
        status: CASE_PENDING,
    });
    all.add(EvidenceStatement {
        intent: INTENT_EVIDENCE,
        timestamp_ms: 67,
        cluster_id: id(10),
        stake_id: id(4),
        kind: KIND_DOWNTIME,
        period: 68,
        nonce: 69,
        failed: 1,
        total: 10,
        facts: vec![26; 32],
    });
    all.add(AcquittalStatement {
        intent: INTENT_ACQUITTAL,
        timestamp_ms: 70,
        cluster_id: id(10),
        case_id: id(23),
        evidence: vec![24; 32],
    });
    all.add(DocketCreated {
        docket_id: id(20),
        rules: rules.clone(),
    });
    all.add(RulesChanged {
        docket_id: id(20),
        rules,
    });
    all.add(CaseOpened {
        case_id: id(23),
        stake_id: id(4),
        cluster_id: id(10),
        kind: KIND_CHALLENGE,
        period: 71,
        evidence: vec![24; 32],
        reporter: id(25),
        bond: 72,
        penalty: 73,
        reported_at_ms: 74,
        appeal_until_ms: 75,
        proven: false,
    });
    all.add(CaseExecuted {
        case_id: id(23),
        stake_id: id(4),
        period: 270,
        taken: 76,
        reward: 77,
        bond: 78,
        at_ms: 79,
    });
    all.add(CaseRejected {
        case_id: id(23),
        stake_id: id(4),
        bond: 80,
        by_governance: true,
        at_ms: 81,
    });
    all.add(DocketMigrated {
        docket_id: id(20),
        version: 2,
    });
}

fn anchors(all: &mut Vectors) {
    all.add(Anchors {
        id: id(27),
        version: 1,
        latest: Table {
            id: id(28),
            size: 1,
        },
        oldest_statement_ms: 318,
    });
    all.add(OldestStatementChanged {
        anchors_id: id(27),
        oldest_statement_ms: 319,
    });
    all.add(Anchor {
        epoch: 82,
        term: 83,
        revision: 84,
        root: vec![29; 32],
        measurement: vec![14; 48],
        anchored_at_ms: 85,
        sequence: 86,
    });
    all.add(AnchorStatement {
        intent: INTENT_ANCHOR,
        timestamp_ms: 87,
        cluster_id: id(10),
        epoch: 88,
        term: 89,
        revision: 90,
        root: vec![29; 32],
    });
    all.add(AnchorsCreated {
        anchors_id: id(27),
        oldest_statement_ms: 320,
    });
    all.add(StateAnchored {
        cluster_id: id(10),
        enclave_id: id(18),
        epoch: 91,
        term: 92,
        revision: 93,
        root: vec![29; 32],
        measurement: vec![14; 48],
        anchored_at_ms: 94,
        sequence: 95,
    });
    all.add(AnchorsMigrated {
        anchors_id: id(27),
        version: 2,
    });
}

fn params(all: &mut Vectors) {
    let change = Change {
        number: 96,
        kind: CHANGE_UNBONDING,
        values: vec![97],
        ready_at_ms: 98,
    };
    all.add(Params {
        id: id(30),
        version: 1,
        delay_ms: 99,
        proposed: 100,
        pending: vec![change.clone()],
    });
    all.add(change);
    all.add(ParamsCreated {
        params_id: id(30),
        delay_ms: 99,
    });
    all.add(ChangeProposed {
        params_id: id(30),
        number: 101,
        kind: CHANGE_TIER,
        values: vec![102, 103, 104],
        ready_at_ms: 105,
    });
    all.add(ChangeExecuted {
        params_id: id(30),
        number: 106,
        at_ms: 107,
    });
    all.add(ChangeCancelled {
        params_id: id(30),
        number: 108,
        at_ms: 109,
    });
    all.add(DelayChanged {
        params_id: id(30),
        delay_ms: 110,
    });
    all.add(ParamsMigrated {
        params_id: id(30),
        version: 2,
    });
    all.add(PauseChanged {
        pool_id: id(1),
        paused: true,
    });
}

fn rewards(all: &mut Vectors) {
    all.add(Rewards {
        id: id(31),
        version: 1,
        vault: 111,
        budget: 112,
        escrowed: 113,
        reserved: 114,
        emission: 115,
        emission_carry: 116,
        fee_rate: 117,
        fee_carry: 118,
        ending: vec![119, 120],
        index: 121,
        total_weight: 122,
        updated_at_ms: 123,
        clusters: vec![id(10)],
        earners: Table {
            id: id(32),
            size: 1,
        },
        starts: Table {
            id: id(34),
            size: 271,
        },
    });
    all.add(Earner {
        weight: 124,
        index: 125,
        owed: 126,
        performance: 127,
        reported_at_ms: 128,
        epoch: 129,
        delegated: 272,
        shares: 273_000,
        per_share: 274_000,
    });
    all.add(Escrow {
        id: id(33),
        amount: 130,
        rate: 131,
        begins_at_ms: 132,
        ends_at_ms: 133,
    });
    all.add(PerformanceStatement {
        intent: INTENT_PERFORMANCE,
        timestamp_ms: 134,
        cluster_id: id(10),
        stake_id: id(2),
        performance: 135,
    });
    all.add(RewardsCreated { rewards_id: id(31) });
    all.add(RewardsUpdated {
        rewards_id: id(31),
        budget: 136,
        escrowed: 137,
        reserved: 138,
        emission_carry: 139,
        fee_rate: 140,
        fee_carry: 141,
        ending: vec![142],
        index: 143,
        total_weight: 144,
        updated_at_ms: 145,
    });
    all.add(EmissionChanged {
        rewards_id: id(31),
        emission: 146,
    });
    all.add(ClusterAdmitted {
        rewards_id: id(31),
        cluster_id: id(10),
        admitted: true,
    });
    all.add(BudgetFunded {
        rewards_id: id(31),
        amount: 147,
    });
    all.add(EscrowOpened {
        escrow_id: id(33),
        payer: id(3),
        amount: 148,
        rate: 149,
        begins_at_ms: 150,
        ends_at_ms: 151,
    });
    all.add(EscrowClosed {
        escrow_id: id(33),
        refund: 152,
    });
    all.add(EarnerSettled {
        stake_id: id(2),
        weight: 153,
        index: 154,
        owed: 155,
        performance: 156,
        reported_at_ms: 157,
        epoch: 158,
        delegated: 275,
        shares: 276_000,
        per_share: 277_000,
    });
    all.add(RewardClaimed {
        stake_id: id(2),
        owner: id(3),
        amount: 159,
    });
    all.add(RewardsMigrated {
        rewards_id: id(31),
        version: 2,
    });
}

#[test]
fn layouts_are_those_of_the_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/layouts.json");
    let vectors = vectors();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            &path,
            serde_json::to_string_pretty(&vectors).unwrap() + "\n",
        )
        .unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    let stored: BTreeMap<String, Vector> = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored, vectors);
}

/// `abort.rs` has the Move modules' codes, all of them, under the same names.
#[test]
fn abort_codes_are_those_of_the_move_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rust = std::fs::read_to_string(root.join("src/abort.rs")).unwrap();
    for module in [
        "anchors",
        "params",
        "rewards",
        "staking",
        "k8s_gateway",
        "enclave_registry",
        "slashing",
    ] {
        let source = root.join(format!("../../contracts/sources/{module}.move"));
        let source = std::fs::read_to_string(source).unwrap();
        let in_move: BTreeMap<String, u64> = source
            .lines()
            .filter_map(|line| line.strip_prefix("const E")?.strip_suffix(';'))
            .filter_map(|line| line.split_once(": u64 = "))
            .map(|(name, code)| (screaming(name), code.parse().unwrap()))
            .collect();
        let start = rust.find(&format!("pub mod {module} {{")).unwrap();
        let end = start + rust[start..].find("\n}").unwrap();
        let in_rust: BTreeMap<String, u64> = rust[start..end]
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub const ")?.strip_suffix(';'))
            .filter_map(|line| line.split_once(": u64 = "))
            .map(|(name, code)| (name.to_owned(), code.parse().unwrap()))
            .collect();
        assert_eq!(in_move, in_rust, "{module}");
    }
}

fn screaming(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
