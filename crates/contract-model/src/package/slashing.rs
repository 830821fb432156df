//! The functions of the module `slashing`, statement by statement as in `slashing.move`.

use blake2::Digest as _;
use blake2::digest::consts::U32;
use ed25519_dalek::{Signature, VerifyingKey};
use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::trusts;
use super::staking::{function, fund, is_slashable, pay, take_from};
use super::{Function, PACKAGE_VERSION};
use crate::abort::slashing as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{Cluster, Enclave};
use crate::layout::framework::{Clock, Coin};
use crate::layout::slashing::{
    AcquittalStatement, CASE_EXECUTED, CASE_PENDING, CASE_REJECTED, Case, CaseExecuted, CaseOpened,
    CaseRejected, Docket, DocketMigrated, EvidenceStatement, INTENT_ACQUITTAL, INTENT_EVIDENCE,
    KIND_DOWNTIME, Rules, RulesChanged, StakePeriod,
};
use crate::layout::staking::{Stake, StakingPool, TIER_NODE};
use crate::types::{Ty, encode};

const KINDS: usize = 4;
const WHOLE: u64 = 10_000;
const SHORTEST_WINDOW_MS: u64 = 10_000;
const LONGEST_WINDOW_MS: u64 = 60 * 86_400_000;
const GREATEST_BOND: u64 = 1_000_000_000_000;
const GREATEST_REPORTER_SHARE: u64 = 5_000;

const DOCKET: Ty = Ty::Package("slashing", "Docket");
const CASE: Ty = Ty::Package("slashing", "Case");
const STAKE_PERIOD: Ty = Ty::Package("slashing", "StakePeriod");
const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(report(
        Mut(DOCKET), Ref(STAKE), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U8), Value(Ty::U64),
        Value(Ty::U64), Value(Ty::U64), Value(Ty::U64), Value(Ty::Bytes), Value(Ty::U64),
        Value(Ty::Bytes), Value(Ty::Coin), Ref(Ty::Clock)
    ) ctx -> [CASE]),
    function!(share_case(Value(CASE)) -> []),
    function!(appeal(
        Ref(DOCKET), Mut(POOL), Mut(CASE), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64),
        Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(execute(
        Mut(DOCKET), Mut(POOL), Mut(CASE), Mut(STAKE), Ref(Ty::Clock)
    ) ctx -> []),
    function!(veto(Ref(ADMIN_CAP), Ref(DOCKET), Mut(POOL), Mut(CASE), Ref(Ty::Clock)) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(DOCKET)) -> []),
    function!(windows_ms(Ref(DOCKET)) -> [Ty::U64]),
    function!(status(Ref(CASE)) -> [Ty::U8]),
    function!(penalty(Ref(CASE)) -> [Ty::U64]),
    function!(bond(Ref(CASE)) -> [Ty::U64]),
    function!(appeal_until_ms(Ref(CASE)) -> [Ty::U64]),
];

fn report(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let cluster: Cluster = call.get(2)?;
    let enclave: Enclave = call.get(3)?;
    let kind: u8 = call.get(4)?;
    let timestamp_ms: u64 = call.get(10)?;
    let signature: Vec<u8> = call.get(11)?;
    let bond: Coin = call.get(12)?;
    let now = call.get::<Clock>(13)?.timestamp_ms;
    let statement = EvidenceStatement {
        intent: INTENT_EVIDENCE,
        timestamp_ms,
        cluster_id: cluster.id,
        stake_id: stake.id,
        kind,
        period: call.get(5)?,
        nonce: call.get(6)?,
        failed: call.get(7)?,
        total: call.get(8)?,
        facts: call.get(9)?,
    };
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(usize::from(kind) < KINDS, code::UNKNOWN_KIND)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let fresh = timestamp_ms <= now && now - timestamp_ms <= docket.rules.evidence_window_ms;
    call.assert(fresh, code::STALE_EVIDENCE)?;
    call.assert(stake.tier == TIER_NODE, code::WRONG_TIER)?;
    call.assert(is_slashable(&stake), code::NOT_SLASHABLE)?;
    if kind == KIND_DOWNTIME {
        let failed = u128::from(statement.failed) * u128::from(WHOLE);
        let most = u128::from(statement.total) * u128::from(docket.rules.correlated);
        call.assert(failed <= most, code::CORRELATED_OUTAGE)?;
    }
    call.assert(bond.balance >= docket.rules.bond, code::BOND_TOO_SMALL)?;

    let bytes = encode(&statement);
    let evidence = blake2::Blake2b::<U32>::digest(&bytes).to_vec();
    let seen: Option<Address> = call.table_get(&docket.seen, Ty::Bytes, &evidence)?;
    call.assert(seen.is_none(), code::REPLAYED)?;
    let signed = verify(&signature, &enclave.public_key, &bytes);
    call.assert(signed, code::INVALID_SIGNATURE)?;

    let penalty = docket
        .rules
        .penalties
        .get(usize::from(kind))
        .ok_or(Failure::Invariant)?;
    let case = Case {
        id: call.fresh_id(),
        stake_id: stake.id,
        cluster_id: cluster.id,
        kind,
        period: statement.period,
        evidence,
        reporter: call.sender(),
        bond: bond.balance,
        penalty: share_of(stake.balance, *penalty)?,
        reported_at_ms: now,
        appeal_until_ms: add(now, docket.rules.appeal_window_ms)?,
        status: CASE_PENDING,
    };
    call.delete(bond.id);
    call.table_put(&docket.seen, Ty::Bytes, Ty::Id, &case.evidence, &case.id)?;
    docket.seen.size = add(docket.seen.size, 1)?;
    docket.cases_opened = add(docket.cases_opened, 1)?;
    call.emit(&CaseOpened {
        case_id: case.id,
        stake_id: case.stake_id,
        cluster_id: case.cluster_id,
        kind,
        period: case.period,
        evidence: case.evidence.clone(),
        reporter: case.reporter,
        bond: case.bond,
        penalty: case.penalty,
        reported_at_ms: now,
        appeal_until_ms: case.appeal_until_ms,
    });
    call.set(0, &docket)?;
    Ok(vec![encode(&case)])
}

fn share_case(call: &mut Call<'_>) -> Returns {
    let case: Case = call.get(0)?;
    call.share(&case)?;
    Ok(vec![])
}

fn appeal(call: &mut Call<'_>) -> Returns {
    let docket: Docket = call.get(0)?;
    let case: Case = call.get(2)?;
    let cluster: Cluster = call.get(3)?;
    let enclave: Enclave = call.get(4)?;
    let timestamp_ms: u64 = call.get(5)?;
    let signature: Vec<u8> = call.get(6)?;
    let now = call.get::<Clock>(7)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now < case.appeal_until_ms, code::APPEAL_OVER)?;
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
    reject(call, 1, (2, case), false, now)
}

fn execute(call: &mut Call<'_>) -> Returns {
    let mut docket: Docket = call.get(0)?;
    let mut pool: StakingPool = call.get(1)?;
    let mut case: Case = call.get(2)?;
    let mut stake: Stake = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now >= case.appeal_until_ms, code::APPEAL_OPEN)?;
    call.assert(case.stake_id == stake.id, code::WRONG_STAKE)?;

    case.status = CASE_EXECUTED;
    let key = StakePeriod {
        stake_id: case.stake_id,
        period: case.period,
    };
    let before: Option<u64> = call.table_get(&docket.taken, STAKE_PERIOD, &key)?;
    let due = due(&docket, &case, &stake, before.unwrap_or(0))?;
    let taken = if due == 0 {
        0
    } else {
        let reason = kind_name(case.kind).to_owned();
        take_from(call, &mut pool, &mut stake, due, reason, now)?
    };
    if taken > 0 {
        let sum = add(before.unwrap_or(0), taken)?;
        call.table_put(&docket.taken, STAKE_PERIOD, Ty::U64, &key, &sum)?;
        if before.is_none() {
            docket.taken.size = add(docket.taken.size, 1)?;
        }
    }
    let reward = share_of(taken, docket.rules.reporter_share)?;
    let bond = case.bond;
    let mut payment = case.bond;
    case.bond = 0;
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
        taken,
        reward,
        bond,
        at_ms: now,
    });
    call.set(0, &docket)?;
    call.set(1, &pool)?;
    call.set(2, &case)?;
    call.set(3, &stake)?;
    Ok(vec![])
}

fn veto(call: &mut Call<'_>) -> Returns {
    let docket: Docket = call.get(1)?;
    let case: Case = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    call.assert(docket.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(case.status == CASE_PENDING, code::CLOSED)?;
    call.assert(now < case.appeal_until_ms, code::APPEAL_OVER)?;
    reject(call, 2, (3, case), true, now)
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
        && rules.correlated <= WHOLE;
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
    let cap = share_of(add(stake.balance, taken)?, docket.rules.period_cap)?;
    Ok(case
        .penalty
        .min(cap.saturating_sub(taken))
        .min(stake.balance))
}

/// The pool is the argument at `pool_at`, the case comes with its position.
fn reject(
    call: &mut Call<'_>,
    pool_at: usize,
    (case_at, mut case): (usize, Case),
    by_governance: bool,
    now: u64,
) -> Returns {
    let mut pool: StakingPool = call.get(pool_at)?;
    case.status = CASE_REJECTED;
    let bond = case.bond;
    case.bond = 0;
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
