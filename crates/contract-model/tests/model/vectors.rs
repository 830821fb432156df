//! `tests/vectors/layouts.json`: one encoded example of every object and event. Whoever decodes
//! these types on their own tests against that file. `UPDATE_VECTORS=1` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use contract_model::layout::MoveType;
use contract_model::layout::anchors::*;
use contract_model::layout::enclave_registry::*;
use contract_model::layout::framework::Table;
use contract_model::layout::k8s_gateway::*;
use contract_model::layout::params::*;
use contract_model::layout::rewards::*;
use contract_model::layout::slashing::*;
use contract_model::layout::staking::*;
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
    });
    all.add(PoolCreated {
        pool_id: id(3),
        tiers,
        unbonding_ms: 60_000,
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
    all.add(Gateway {
        id: id(6),
        version: 1,
        nodes: Table { id: id(7), size: 1 },
        stakes: Table { id: id(8), size: 1 },
        tokens_created: 31,
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
    });
    all.add(GatewayCreated { gateway_id: id(6) });
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
        source: "commit 0123".to_owned(),
        approved_at_ms: 41,
        retired: false,
    };
    let endpoint = Endpoint {
        url: "https://control.example:6443".to_owned(),
        tls_key_hash: vec![15; 32],
        measurement: vec![14; 48],
        kind: KIND_NITRO,
        registered_at_ms: 42,
    };
    all.add(Cluster {
        id: id(10),
        version: 1,
        name: "home".to_owned(),
        measurements: vec![measurement],
        endpoints: vec![endpoint],
    });
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
        source: "commit 4567".to_owned(),
        approved_at_ms: 43,
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
        measurement: vec![14; 48],
        kind: KIND_NITRO,
        registered_at_ms: 49,
        revoked: false,
    });
    all.add(EnclaveRegistered {
        enclave_id: id(18),
        cluster_id: id(10),
        public_key: vec![19; 32],
        measurement: vec![14; 48],
        kind: KIND_NITRO,
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

fn slashing(all: &mut Vectors) {
    let rules = Rules {
        evidence_window_ms: 51,
        appeal_window_ms: 52,
        bond: 53,
        reporter_share: 54,
        penalties: vec![55, 56, 57, 58],
        period_cap: 59,
        correlated: 60,
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
    });
    all.add(CaseExecuted {
        case_id: id(23),
        stake_id: id(4),
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
    all.add(AnchorsCreated { anchors_id: id(27) });
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
    });
    all.add(Earner {
        weight: 124,
        index: 125,
        owed: 126,
        performance: 127,
        reported_at_ms: 128,
        period: 129,
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
        period: 158,
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
