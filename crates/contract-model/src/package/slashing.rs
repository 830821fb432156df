//! The functions of the module `slashing`, statement by statement as in `slashing.move`.

use blake2::Digest as _;
use blake2::digest::consts::U32;
use ed25519_dalek::{Signature, VerifyingKey};
use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::trusts;
use super::rewards::{after, before};
use super::staking::{
    accuse, at_stake, close_case, function, fund, had_key, is_slashable, jail, pay, take_from,
    tombstone,
};
use super::{Function, PACKAGE_VERSION};
use crate::abort::slashing as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{Cluster, Enclave};
use crate::layout::framework::{Clock, Coin};
use crate::layout::k8s_gateway::SealToken;
use crate::layout::rewards::Rewards;
use crate::layout::slashing::{
    AcquittalStatement, CASE_EXECUTED, CASE_PENDING, CASE_REJECTED, Case, CaseExecuted, CaseOpened,
    CaseRejected, ClusterPeriod, Docket, DocketCreated, DocketMigrated, EvidenceStatement,
    HEARTBEAT_DOMAIN, INTENT_ACQUITTAL, INTENT_EVIDENCE, INTENT_OUTAGE, KIND_DOWNTIME,
    KIND_EQUIVOCATION, OutageDeclared, OutageStatement, Rules, RulesChanged, StakePeriod,
};
use crate::layout::staking::{Stake, StakingPool, TIER_NODE};
use crate::types::{Ty, encode};

const KINDS: usize = 4;
const DAY_MS: u64 = 86_400_000;
const WHOLE: u64 = 10_000;
const SHORTEST_WINDOW_MS: u64 = 10_000;
const LONGEST_WINDOW_MS: u64 = 60 * 86_400_000;
const GREATEST_BOND: u64 = 1_000_000_000_000;
const GREATEST_REPORTER_SHARE: u64 = 5_000;
const AFTER_TOKEN_MS: u64 = 3_600_000;
const LONGEST_SENTENCE_MS: u64 = 30 * DAY_MS;

const DOCKET: Ty = Ty::Package("slashing", "Docket");
const CASE: Ty = Ty::Package("slashing", "Case");
const STAKE_PERIOD: Ty = Ty::Package("slashing", "StakePeriod");
const CLUSTER_PERIOD: Ty = Ty::Package("slashing", "ClusterPeriod");
const REWARDS: Ty = Ty::Package("rewards", "Rewards");
const TOKEN: Ty = Ty::Package("k8s_gateway", "SealToken");
const SLASH_CAP: Ty = Ty::Package("staking", "SlashCap");
const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(report(
        Mut(DOCKET), Mut(STAKE), Ref(TOKEN), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U8),
        Value(Ty::U64), Value(Ty::U64), Value(Ty::U64), Value(Ty::U64), Value(Ty::Bytes),
        Value(Ty::U64), Value(Ty::Bytes), Value(Ty::Coin), Ref(Ty::Clock)
    ) ctx -> [CASE]),
    function!(report_equivocation(
        Mut(DOCKET), Mut(STAKE), Ref(TOKEN), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::Bytes),
        Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::Coin), Ref(Ty::Clock)
    ) ctx -> [CASE]),
    function!(declare_outage(
        Mut(DOCKET), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64), Value(Ty::U64), Value(Ty::U64),
        Value(Ty::U64), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(share_case(Value(CASE)) -> []),
    function!(appeal(
        Ref(DOCKET), Mut(POOL), Mut(CASE), Mut(STAKE), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64),
        Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(execute(
        Mut(DOCKET), Mut(POOL), Mut(REWARDS), Mut(CASE), Mut(STAKE), Ref(Ty::Clock)
    ) ctx -> []),
    function!(slash(
        Ref(SLASH_CAP), Mut(POOL), Mut(REWARDS), Mut(STAKE), Value(Ty::U64), Value(Ty::String),
        Ref(Ty::Clock)
    ) ctx -> []),
    function!(veto(
        Ref(ADMIN_CAP), Ref(DOCKET), Mut(POOL), Mut(CASE), Mut(STAKE), Ref(Ty::Clock)
    ) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(DOCKET)) -> []),
    function!(windows_ms(Ref(DOCKET)) -> [Ty::U64]),
    function!(status(Ref(CASE)) -> [Ty::U8]),
    function!(penalty(Ref(CASE)) -> [Ty::U64]),
    function!(bond(Ref(CASE)) -> [Ty::U64]),
    function!(appeal_until_ms(Ref(CASE)) -> [Ty::U64]),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let docket = Docket {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        rules: Rules {
            evidence_window_ms: 3 * DAY_MS,
            appeal_window_ms: 7 * DAY_MS,
            bond: 100_000_000,
            reporter_share: 500,
            penalties: vec![100, 5_000, 1_000, 500],
            period_cap: 5_000,
            correlated: 2_000,
            sentence_ms: DAY_MS / 24,
        },
        seen: call.new_table(),
        taken: call.new_table(),
        outages: call.new_table(),
        cases_opened: 0,
    };
    call.emit(&DocketCreated {
        docket_id: docket.id,
        rules: docket.rules.clone(),
    });
    call.share(&docket)
}

fn report(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let token: SealToken = call.get(2)?;
    let cluster: Cluster = call.get(3)?;
    let enclave: Enclave = call.get(4)?;
    let kind: u8 = call.get(5)?;
    let timestamp_ms: u64 = call.get(11)?;
    let signature: Vec<u8> = call.get(12)?;
    let bond: Coin = call.get(13)?;
    let now = call.get::<Clock>(14)?.timestamp_ms;
    let statement = EvidenceStatement {
        intent: INTENT_EVIDENCE,
        timestamp_ms,
        cluster_id: cluster.id,
        stake_id: stake.id,
        kind,
        period: call.get(6)?,
        nonce: call.get(7)?,
        failed: call.get(8)?,
        total: call.get(9)?,
        facts: call.get(10)?,
    };
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(usize::from(kind) < KINDS, code::UNKNOWN_KIND)?;
    call.assert(token.stake_id == stake.id, code::WRONG_TOKEN)?;
    call.assert(token.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    check_fresh(call, &docket, &token, timestamp_ms, now)?;
    let last = timestamp_ms / DAY_MS;
    let windows = add(docket.rules.evidence_window_ms / DAY_MS, 1)?;
    let recent = statement.period <= last && last - statement.period <= windows;
    call.assert(recent, code::STALE_EVIDENCE)?;
    if kind == KIND_DOWNTIME {
        let outage = is_outage(&docket, statement.failed, statement.total);
        call.assert(!outage, code::CORRELATED_OUTAGE)?;
    }

    let bytes = encode(&statement);
    let evidence = blake2::Blake2b::<U32>::digest(&bytes).to_vec();
    let seen: Option<Address> = call.table_get(&docket.seen, Ty::Bytes, &evidence)?;
    call.assert(seen.is_none(), code::REPLAYED)?;
    let signed = verify(&signature, &enclave.public_key, &bytes);
    call.assert(signed, code::INVALID_SIGNATURE)?;
    let fault = Fault {
        cluster_id: cluster.id,
        kind,
        period: statement.period,
        evidence,
        proven: false,
    };
    let case = open(call, &mut docket, &mut stake, fault, &bond, now)?;
    call.set(0, &docket)?;
    call.set(1, &stake)?;
    Ok(vec![encode(&case)])
}

fn report_equivocation(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let token: SealToken = call.get(2)?;
    let key: Vec<u8> = call.get(3)?;
    let first: Vec<u8> = call.get(4)?;
    let first_signature: Vec<u8> = call.get(5)?;
    let second: Vec<u8> = call.get(6)?;
    let second_signature: Vec<u8> = call.get(7)?;
    let bond: Coin = call.get(8)?;
    let now = call.get::<Clock>(9)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(token.stake_id == stake.id, code::WRONG_TOKEN)?;
    let known = key == token.node_key || had_key(&stake, &key);
    call.assert(known, code::WRONG_KEY)?;
    let (sequence, timestamp_ms) = slot(call, &token, &first)?;
    let (other, other_ms) = slot(call, &token, &second)?;
    let two = sequence == other && first != second;
    call.assert(two, code::NOT_EQUIVOCATION)?;
    check_fresh(call, &docket, &token, timestamp_ms, now)?;
    check_fresh(call, &docket, &token, other_ms, now)?;
    let mut named = HEARTBEAT_DOMAIN.to_vec();
    named.extend(encode(&token.id));
    named.extend(encode(&sequence));
    let evidence = blake2::Blake2b::<U32>::digest(&named).to_vec();
    let seen: Option<Address> = call.table_get(&docket.seen, Ty::Bytes, &evidence)?;
    call.assert(seen.is_none(), code::REPLAYED)?;
    let signed = verify(&first_signature, &key, &first);
    call.assert(signed, code::INVALID_SIGNATURE)?;
    let signed = verify(&second_signature, &key, &second);
    call.assert(signed, code::INVALID_SIGNATURE)?;
    let fault = Fault {
        cluster_id: token.cluster_id,
        kind: KIND_EQUIVOCATION,
        period: timestamp_ms / DAY_MS,
        evidence,
        proven: true,
    };
    let case = open(call, &mut docket, &mut stake, fault, &bond, now)?;
    call.set(0, &docket)?;
    call.set(1, &stake)?;
    Ok(vec![encode(&case)])
}

fn declare_outage(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let enclave: Enclave = call.get(2)?;
    let signature: Vec<u8> = call.get(7)?;
    let now = call.get::<Clock>(8)?.timestamp_ms;
    let statement = OutageStatement {
        intent: INTENT_OUTAGE,
        timestamp_ms: call.get(6)?,
        cluster_id: cluster.id,
        period: call.get(3)?,
        failed: call.get(4)?,
        total: call.get(5)?,
    };
    let timestamp_ms = statement.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let fresh = timestamp_ms <= now && now - timestamp_ms <= windows(&docket)?;
    call.assert(fresh, code::STALE_EVIDENCE)?;
    let past = statement.period <= timestamp_ms / DAY_MS;
    call.assert(past, code::STALE_EVIDENCE)?;
    let key = ClusterPeriod {
        cluster_id: cluster.id,
        period: statement.period,
    };
    let known: Option<u64> = call.table_get(&docket.outages, CLUSTER_PERIOD, &key)?;
    let outage = is_outage(&docket, statement.failed, statement.total);
    call.assert(outage && known.is_none(), code::NOT_AN_OUTAGE)?;
    let signed = verify(&signature, &enclave.public_key, &encode(&statement));
    call.assert(signed, code::INVALID_SIGNATURE)?;
    let failed = statement.failed;
    call.table_put(&docket.outages, CLUSTER_PERIOD, Ty::U64, &key, &failed)?;
    docket.outages.size = add(docket.outages.size, 1)?;
    call.emit(&OutageDeclared {
        docket_id: docket.id,
        cluster_id: cluster.id,
        period: statement.period,
        failed,
        total: statement.total,
        at_ms: now,
    });
    call.set(0, &docket)?;
    Ok(vec![])
}

fn share_case(call: &mut Call<'_>) -> Returns {
    let case: Case = call.get(0)?;
    call.share(&case)?;
    Ok(vec![])
}

fn appeal(call: &mut Call<'_>) -> Returns {
    let docket: Docket = call.get(0)?;
    let case: Case = call.get(2)?;
    let stake: Stake = call.get(3)?;
    let cluster: Cluster = call.get(4)?;
    let enclave: Enclave = call.get(5)?;
    let timestamp_ms: u64 = call.get(6)?;
    let signature: Vec<u8> = call.get(7)?;
    let now = call.get::<Clock>(8)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now < case.appeal_until_ms, code::APPEAL_OVER)?;
    call.assert(!case.proven, code::PROVEN)?;
    call.assert(case.stake_id == stake.id, code::WRONG_STAKE)?;
    call.assert(case.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let fresh = timestamp_ms <= now && timestamp_ms >= case.reported_at_ms;
    call.assert(fresh, code::STALE_EVIDENCE)?;
    let statement = encode(&AcquittalStatement {
        intent: INTENT_ACQUITTAL,
        timestamp_ms,
        cluster_id: case.cluster_id,
        case_id: case.id,
        evidence: case.evidence.clone(),
    });
    let signed = verify(&signature, &enclave.public_key, &statement);
    call.assert(signed, code::INVALID_SIGNATURE)?;
    reject(call, 1, false, now)
}

fn execute(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let mut pool: StakingPool = call.get(1)?;
    let mut rewards: Rewards = call.get(2)?;
    let mut case: Case = call.get(3)?;
    let mut stake: Stake = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now >= case.appeal_until_ms, code::APPEAL_OPEN)?;
    call.assert(case.stake_id == stake.id, code::WRONG_STAKE)?;

    before(call, &mut rewards, &stake, now)?;
    case.status = CASE_EXECUTED;
    close_case(call, &mut stake)?;
    let outage = ClusterPeriod {
        cluster_id: case.cluster_id,
        period: case.period,
    };
    let outage: Option<u64> = call.table_get(&docket.outages, CLUSTER_PERIOD, &outage)?;
    let excused = case.kind == KIND_DOWNTIME && outage.is_some();
    let key = StakePeriod {
        stake_id: case.stake_id,
        period: case.period,
    };
    let earlier: Option<u64> = call.table_get(&docket.taken, STAKE_PERIOD, &key)?;
    let due = if excused {
        0
    } else {
        due(&docket, &case, &stake, earlier.unwrap_or(0))?
    };
    let taken = if due == 0 {
        0
    } else {
        let reason = kind_name(case.kind).to_owned();
        take_from(call, &mut pool, &mut stake, due, reason, now)?
    };
    if taken > 0 {
        let sum = add(earlier.unwrap_or(0), taken)?;
        call.table_put(&docket.taken, STAKE_PERIOD, Ty::U64, &key, &sum)?;
        if earlier.is_none() {
            docket.taken.size = add(docket.taken.size, 1)?;
        }
    }
    if case.kind == KIND_EQUIVOCATION {
        tombstone(call, &mut stake, now);
    } else if !excused {
        jail(call, &mut stake, docket.rules.sentence_ms, now)?;
    }
    after(call, &mut rewards, &stake, now)?;
    let reward = share_of(taken, docket.rules.reporter_share)?;
    let bond = std::mem::take(&mut case.bond);
    let mut payment = bond;
    if reward > 0 {
        payment = add(payment, pay(call, &mut pool, reward)?)?;
    }
    let coin = Coin {
        id: call.fresh_id(),
        balance: payment,
    };
    call.send_coin(&coin, case.reporter);
    call.emit(&CaseExecuted {
        case_id: case.id,
        stake_id: case.stake_id,
        period: case.period,
        taken,
        reward,
        bond,
        at_ms: now,
    });
    call.set(0, &docket)?;
    call.set(1, &pool)?;
    call.set(2, &rewards)?;
    call.set(3, &case)?;
    call.set(4, &stake)?;
    Ok(vec![])
}

fn slash(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(1)?;
    let mut rewards: Rewards = call.get(2)?;
    let mut stake: Stake = call.get(3)?;
    let amount: u64 = call.get(4)?;
    let reason: String = call.get(5)?;
    let now = call.get::<Clock>(6)?.timestamp_ms;
    before(call, &mut rewards, &stake, now)?;
    take_from(call, &mut pool, &mut stake, amount, reason, now)?;
    after(call, &mut rewards, &stake, now)?;
    call.set(1, &pool)?;
    call.set(2, &rewards)?;
    call.set(3, &stake)?;
    Ok(vec![])
}

fn veto(call: &mut Call<'_>) -> Returns {
    let docket: Docket = call.get(1)?;
    let case: Case = call.get(3)?;
    let stake: Stake = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now < case.appeal_until_ms, code::APPEAL_OVER)?;
    call.assert(case.stake_id == stake.id, code::WRONG_STAKE)?;
    reject(call, 2, true, now)
}

/// `set_rules`, for `params`.
pub(super) fn set_rules(
    call: &mut Call<'_>,
    docket: &mut Docket,
    pool: &StakingPool,
    rules: Rules,
) -> Result<(), Failure> {
    let window = SHORTEST_WINDOW_MS..=LONGEST_WINDOW_MS;
    if docket.version != PACKAGE_VERSION {
        return Err(call.abort_in("slashing", code::WRONG_VERSION));
    }
    let bounded = window.contains(&rules.evidence_window_ms)
        && window.contains(&rules.appeal_window_ms)
        && rules.evidence_window_ms + rules.appeal_window_ms <= pool.unbonding_ms
        && (1..=GREATEST_BOND).contains(&rules.bond)
        && rules.reporter_share <= GREATEST_REPORTER_SHARE
        && rules.penalties.len() == KINDS
        && rules.penalties.iter().all(|penalty| *penalty <= WHOLE)
        && rules.period_cap <= WHOLE
        && rules.correlated <= WHOLE
        && rules.sentence_ms <= LONGEST_SENTENCE_MS;
    if !bounded {
        return Err(call.abort_in("slashing", code::OUT_OF_BOUNDS));
    }
    docket.rules = rules.clone();
    call.emit(&RulesChanged {
        docket_id: docket.id,
        rules,
    });
    Ok(())
}

/// `windows_ms`: how long a case may take.
pub(super) fn windows(docket: &Docket) -> Result<u64, Failure> {
    add(
        docket.rules.evidence_window_ms,
        docket.rules.appeal_window_ms,
    )
}

fn windows_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&windows(&call.get::<Docket>(0)?)?)])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(1)?;
    call.assert(docket.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    docket.version = PACKAGE_VERSION;
    call.emit(&DocketMigrated {
        docket_id: docket.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &docket)?;
    Ok(vec![])
}

fn status(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Case>(0)?.status)])
}

fn penalty(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Case>(0)?.penalty)])
}

fn bond(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Case>(0)?.bond)])
}

fn appeal_until_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Case>(0)?.appeal_until_ms)])
}

fn due(docket: &Docket, case: &Case, stake: &Stake, taken: u64) -> Result<u64, Failure> {
    if !is_slashable(stake) {
        return Ok(0);
    }
    let held = at_stake(stake)?;
    let cap = share_of(add(held, taken)?, docket.rules.period_cap)?;
    Ok(case.penalty.min(cap.saturating_sub(taken)).min(held))
}

/// That a statement is from within the evidence window and the token's life.
fn check_fresh(
    call: &Call<'_>,
    docket: &Docket,
    token: &SealToken,
    timestamp_ms: u64,
    now: u64,
) -> Result<(), Failure> {
    let fresh = timestamp_ms <= now && now - timestamp_ms <= docket.rules.evidence_window_ms;
    call.assert(fresh, code::STALE_EVIDENCE)?;
    let lived = timestamp_ms <= add(token.expires_at_ms, AFTER_TOKEN_MS)?;
    call.assert(lived, code::STALE_EVIDENCE)
}

/// Whether more nodes failed than can by their own faults.
fn is_outage(docket: &Docket, failed: u64, total: u64) -> bool {
    let failed = u128::from(failed) * u128::from(WHOLE);
    failed > u128::from(total) * u128::from(docket.rules.correlated)
}

/// A heartbeat's sequence and time; that it is one of the token's node.
fn slot(call: &Call<'_>, token: &SealToken, message: &[u8]) -> Result<(u64, u64), Failure> {
    let mut begins = HEARTBEAT_DOMAIN.to_vec();
    begins.extend(encode(&token.cluster_id));
    begins.extend(encode(&token.id));
    begins.extend(encode(&token.node_id));
    let numbers = message.strip_prefix(begins.as_slice()).and_then(|rest| {
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (timestamp_ms, _) = rest.split_first_chunk::<8>()?;
        Some((
            u64::from_le_bytes(*sequence),
            u64::from_le_bytes(*timestamp_ms),
        ))
    });
    numbers.ok_or_else(|| call.abort(code::NOT_EQUIVOCATION))
}

/// What a case is about.
struct Fault {
    cluster_id: Address,
    kind: u8,
    period: u64,
    evidence: Vec<u8>,
    proven: bool,
}

fn open(
    call: &mut Call<'_>,
    docket: &mut Docket,
    stake: &mut Stake,
    fault: Fault,
    bond: &Coin,
    now: u64,
) -> Result<Case, Failure> {
    call.assert(stake.tier == TIER_NODE, code::WRONG_TIER)?;
    call.assert(is_slashable(stake), code::NOT_SLASHABLE)?;
    call.assert(bond.balance >= docket.rules.bond, code::BOND_TOO_SMALL)?;
    let penalty = docket
        .rules
        .penalties
        .get(usize::from(fault.kind))
        .ok_or(Failure::Invariant)?;
    let case = Case {
        id: call.fresh_id(),
        stake_id: stake.id,
        cluster_id: fault.cluster_id,
        kind: fault.kind,
        period: fault.period,
        evidence: fault.evidence,
        reporter: call.sender(),
        bond: bond.balance,
        penalty: share_of(at_stake(stake)?, *penalty)?,
        reported_at_ms: now,
        appeal_until_ms: add(now, docket.rules.appeal_window_ms)?,
        proven: fault.proven,
        status: CASE_PENDING,
    };
    call.delete(bond.id);
    call.table_put(&docket.seen, Ty::Bytes, Ty::Id, &case.evidence, &case.id)?;
    docket.seen.size = add(docket.seen.size, 1)?;
    docket.cases_opened = add(docket.cases_opened, 1)?;
    accuse(call, stake)?;
    call.emit(&CaseOpened {
        case_id: case.id,
        stake_id: case.stake_id,
        cluster_id: case.cluster_id,
        kind: case.kind,
        period: case.period,
        evidence: case.evidence.clone(),
        reporter: case.reporter,
        bond: case.bond,
        penalty: case.penalty,
        reported_at_ms: now,
        appeal_until_ms: case.appeal_until_ms,
        proven: case.proven,
    });
    Ok(case)
}

/// The pool is the argument at `pool_at`; case and stake follow it.
fn reject(call: &mut Call<'_>, pool_at: usize, by_governance: bool, now: u64) -> Returns {
    let (case_at, stake_at) = (pool_at + 1, pool_at + 2);
    let mut pool: StakingPool = call.get(pool_at)?;
    let mut case: Case = call.get(case_at)?;
    let mut stake: Stake = call.get(stake_at)?;
    case.status = CASE_REJECTED;
    close_case(call, &mut stake)?;
    let bond = std::mem::take(&mut case.bond);
    fund(call, &mut pool, bond)?;
    call.emit(&CaseRejected {
        case_id: case.id,
        stake_id: case.stake_id,
        bond,
        by_governance,
        at_ms: now,
    });
    call.set(pool_at, &pool)?;
    call.set(case_at, &case)?;
    call.set(stake_at, &stake)?;
    Ok(vec![])
}

fn share_of(amount: u64, basis_points: u64) -> Result<u64, Failure> {
    let share = u128::from(amount) * u128::from(basis_points) / u128::from(WHOLE);
    u64::try_from(share).map_err(|_| Failure::Arithmetic)
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        KIND_DOWNTIME => "downtime",
        1 => "equivocation",
        2 => "resources",
        _ => "challenge",
    }
}

/// `sui::ed25519::ed25519_verify`: false for whatever is not a signature by the key.
pub(super) fn verify(signature: &[u8], public_key: &[u8], message: &[u8]) -> bool {
    let key = <&[u8; 32]>::try_from(public_key)
        .ok()
        .and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
    let signature = Signature::from_slice(signature).ok();
    match (key, signature) {
        (Some(key), Some(signature)) => key.verify_strict(message, &signature).is_ok(),
        _ => false,
    }
}

/// `sui::hash::blake2b256`
pub(super) fn blake2b256(message: &[u8]) -> Vec<u8> {
    blake2::Blake2b::<U32>::digest(message).to_vec()
}
