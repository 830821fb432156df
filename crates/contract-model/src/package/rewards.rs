//! The functions of the module `rewards`, statement by statement as in `rewards.move`.

use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::trusts;
use super::slashing::verify;
use super::staking::{delegated_weighing, function, is_good, weighing};
use super::{Function, PACKAGE_VERSION};
use crate::abort::rewards as code;
use crate::execute::call::{Call, Failure, Returns, add, sub};
use crate::layout::enclave_registry::{Cluster, Enclave};
use crate::layout::framework::{Clock, Coin};
use crate::layout::rewards::{
    BudgetFunded, ClusterAdmitted, DelegationsStarted, Earner, EarnerSettled, EmissionChanged,
    Escrow, EscrowClosed, EscrowOpened, INTENT_PERFORMANCE, PerformanceStatement, RewardClaimed,
    Rewards, RewardsCreated, RewardsMigrated, RewardsUpdated, StakeEpoch,
};
use crate::layout::staking::{Stake, TIER_NODE};
use crate::types::{Ty, encode};

const PERIOD_MS: u64 = 86_400_000;
const OLDEST_STATEMENT_MS: u64 = 600_000;
const REPORT_LASTS_MS: u64 = 2 * 86_400_000;
const WHOLE: u64 = 10_000;
const GREATEST_EMISSION: u64 = 1_000_000_000_000_000;
const LONGEST_ESCROW: u64 = 60;
const SLOTS: u64 = 64;
const MOST_CLUSTERS: usize = 16;
const NANO: u128 = 1_000_000_000;
const SCALE: u128 = 1_000_000_000_000_000_000;

const REWARDS: Ty = Ty::Package("rewards", "Rewards");
const EARNER: Ty = Ty::Package("rewards", "Earner");
const STAKE_EPOCH: Ty = Ty::Package("rewards", "StakeEpoch");
const ESCROW: Ty = Ty::Package("rewards", "Escrow");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(fund(Mut(REWARDS), Value(Ty::Coin), Ref(Ty::Clock)) -> []),
    function!(open_escrow(
        Mut(REWARDS), Value(Ty::Coin), Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> [ESCROW]),
    function!(close_escrow(Mut(REWARDS), Value(ESCROW), Ref(Ty::Clock)) ctx -> [Ty::Coin]),
    function!(enroll(Mut(REWARDS), Ref(STAKE), Ref(Ty::Clock)) ctx -> []),
    function!(claim(Mut(REWARDS), Ref(STAKE), Ref(Ty::Clock)) ctx -> [Ty::Coin]),
    function!(report_performance(
        Mut(REWARDS), Ref(STAKE), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64), Value(Ty::U64),
        Value(Ty::Bytes), Ref(Ty::Clock)
    ) ctx -> []),
    function!(refresh(Mut(REWARDS), Ref(STAKE), Ref(Ty::Clock)) ctx -> []),
    function!(set_cluster(Ref(ADMIN_CAP), Mut(REWARDS), Value(Ty::Id), Value(Ty::Bool)) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(REWARDS)) -> []),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let rewards = Rewards {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        vault: 0,
        budget: 0,
        escrowed: 0,
        reserved: 0,
        emission: 0,
        emission_carry: 0,
        fee_rate: 0,
        fee_carry: 0,
        ending: vec![0; 64],
        index: 0,
        total_weight: 0,
        updated_at_ms: 0,
        clusters: Vec::new(),
        earners: call.new_table(),
        starts: call.new_table(),
    };
    call.emit(&RewardsCreated {
        rewards_id: rewards.id,
    });
    call.share(&rewards)
}

fn fund(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let coin: Coin = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(coin.balance > 0, code::ZERO_AMOUNT)?;
    flow(&mut rewards, now)?;
    rewards.vault = add(rewards.vault, coin.balance)?;
    rewards.budget = add(rewards.budget, coin.balance)?;
    call.delete(coin.id);
    call.emit(&BudgetFunded {
        rewards_id: rewards.id,
        amount: coin.balance,
    });
    publish(call, &rewards);
    call.set(0, &rewards)?;
    Ok(vec![])
}

fn open_escrow(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let coin: Coin = call.get(1)?;
    let periods: u64 = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(periods <= LONGEST_ESCROW, code::OUT_OF_BOUNDS)?;
    let amount = coin.balance;
    call.assert(amount > 0, code::ZERO_AMOUNT)?;
    flow(&mut rewards, now)?;
    let last = add(now / PERIOD_MS, periods)?;
    let ends_at_ms = end_of(last)?;
    let rate = u128::from(amount) * NANO / u128::from(sub(ends_at_ms, now)?);
    rewards.vault = add(rewards.vault, amount)?;
    rewards.escrowed = add(rewards.escrowed, amount)?;
    rewards.fee_rate = wide_add(rewards.fee_rate, rate)?;
    let slot = slot(&mut rewards, last)?;
    *slot = wide_add(*slot, rate)?;
    call.delete(coin.id);
    let escrow = Escrow {
        id: call.fresh_id(),
        amount,
        rate,
        begins_at_ms: now,
        ends_at_ms,
    };
    call.emit(&EscrowOpened {
        escrow_id: escrow.id,
        payer: call.sender(),
        amount,
        rate,
        begins_at_ms: now,
        ends_at_ms,
    });
    publish(call, &rewards);
    call.set(0, &rewards)?;
    Ok(vec![encode(&escrow)])
}

fn close_escrow(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let escrow: Escrow = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    flow(&mut rewards, now)?;
    let mut refund = 0;
    if now < escrow.ends_at_ms {
        let left = u128::from(escrow.ends_at_ms - now);
        refund = narrow(wide_mul(escrow.rate, left)? / NANO)?;
        rewards.fee_rate = wide_sub(rewards.fee_rate, escrow.rate)?;
        let slot = slot(&mut rewards, sub(escrow.ends_at_ms / PERIOD_MS, 1)?)?;
        *slot = wide_sub(*slot, escrow.rate)?;
        rewards.escrowed = sub(rewards.escrowed, refund)?;
    }
    call.emit(&EscrowClosed {
        escrow_id: escrow.id,
        refund,
    });
    call.delete(escrow.id);
    publish(call, &rewards);
    pay(call, rewards, refund)
}

fn enroll(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(stake.tier == TIER_NODE, code::WRONG_TIER)?;
    call.assert(is_good(&stake), code::NOT_ACTIVE)?;
    let known: Option<Earner> = call.table_get(&rewards.earners, Ty::Id, &stake.id)?;
    call.assert(known.is_none(), code::ENROLLED)?;
    flow(&mut rewards, now)?;
    let earner = Earner {
        weight: 0,
        index: rewards.index,
        owed: 0,
        performance: 0,
        reported_at_ms: 0,
        epoch: call.epoch(),
        delegated: 0,
        shares: 0,
        per_share: 0,
    };
    rewards.earners.size = add(rewards.earners.size, 1)?;
    keep(call, &rewards, stake.id, &earner)?;
    publish(call, &rewards);
    call.set(0, &rewards)?;
    Ok(vec![])
}

fn claim(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    let mut earner = settle(call, &mut rewards, &stake, now)?;
    let amount = earner.owed;
    call.assert(amount > 0, code::NOTHING_OWED)?;
    earner.owed = 0;
    rewards.reserved = sub(rewards.reserved, amount)?;
    keep(call, &rewards, stake.id, &earner)?;
    call.emit(&RewardClaimed {
        stake_id: stake.id,
        owner: call.sender(),
        amount,
    });
    publish(call, &rewards);
    pay(call, rewards, amount)
}

fn report_performance(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let cluster: Cluster = call.get(2)?;
    let enclave: Enclave = call.get(3)?;
    let performance: u64 = call.get(4)?;
    let timestamp_ms: u64 = call.get(5)?;
    let signature: Vec<u8> = call.get(6)?;
    let now = call.get::<Clock>(7)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let admitted = rewards.clusters.contains(&cluster.id);
    call.assert(admitted, code::UNKNOWN_CLUSTER)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    call.assert(performance <= WHOLE, code::OUT_OF_BOUNDS)?;
    let fresh = timestamp_ms <= now && now - timestamp_ms <= OLDEST_STATEMENT_MS;
    call.assert(fresh, code::STALE_STATEMENT)?;
    let mut earner = settle(call, &mut rewards, &stake, now)?;
    call.assert(call.epoch() > earner.epoch, code::NOT_YET)?;
    let newer = timestamp_ms > earner.reported_at_ms;
    call.assert(newer, code::STALE_STATEMENT)?;
    let statement = encode(&PerformanceStatement {
        intent: INTENT_PERFORMANCE,
        timestamp_ms,
        cluster_id: cluster.id,
        stake_id: stake.id,
        performance,
    });
    let signed = verify(&signature, &enclave.public_key, &statement);
    call.assert(signed, code::INVALID_SIGNATURE)?;
    earner.performance = performance;
    earner.reported_at_ms = timestamp_ms;
    reweigh(call, &mut earner, &mut rewards, &stake, now)?;
    keep(call, &rewards, stake.id, &earner)?;
    publish(call, &rewards);
    call.set(0, &rewards)?;
    Ok(vec![])
}

fn refresh(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let earner = settle(call, &mut rewards, &stake, now)?;
    keep(call, &rewards, stake.id, &earner)?;
    publish(call, &rewards);
    call.set(0, &rewards)?;
    Ok(vec![])
}

fn set_cluster(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(1)?;
    let cluster_id: Address = call.get(2)?;
    let admitted: bool = call.get(3)?;
    call.assert(rewards.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let found = rewards.clusters.iter().position(|id| *id == cluster_id);
    call.assert(found.is_some() != admitted, code::UNCHANGED)?;
    match found {
        Some(index) => {
            rewards.clusters.remove(index);
        }
        None => {
            call.assert(rewards.clusters.len() < MOST_CLUSTERS, code::FULL)?;
            rewards.clusters.push(cluster_id);
        }
    }
    call.emit(&ClusterAdmitted {
        rewards_id: rewards.id,
        cluster_id,
        admitted,
    });
    call.set(1, &rewards)?;
    Ok(vec![])
}

/// `set_emission`, for `params`.
pub(super) fn set_emission(
    call: &mut Call<'_>,
    rewards: &mut Rewards,
    emission: u64,
    now: u64,
) -> Result<(), Failure> {
    if rewards.version != PACKAGE_VERSION {
        return Err(call.abort_in("rewards", code::WRONG_VERSION));
    }
    if emission > GREATEST_EMISSION {
        return Err(call.abort_in("rewards", code::OUT_OF_BOUNDS));
    }
    flow(rewards, now)?;
    rewards.emission = emission;
    call.emit(&EmissionChanged {
        rewards_id: rewards.id,
        emission,
    });
    publish(call, rewards);
    Ok(())
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(1)?;
    call.assert(rewards.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    rewards.version = PACKAGE_VERSION;
    call.emit(&RewardsMigrated {
        rewards_id: rewards.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &rewards)?;
    Ok(vec![])
}

fn flow(rewards: &mut Rewards, now: u64) -> Result<(), Failure> {
    let began = rewards.updated_at_ms;
    if now <= began {
        return Ok(());
    }
    let mut fees = rewards.fee_carry;
    let mut at = began;
    while at < now && rewards.fee_rate > 0 {
        let period = at / PERIOD_MS;
        let boundary = end_of(period)?;
        let until = boundary.min(now);
        let flowed = wide_mul(rewards.fee_rate, u128::from(sub(until, at)?))?;
        fees = wide_add(fees, flowed)?;
        if until == boundary {
            let ended = std::mem::take(slot(rewards, period)?);
            rewards.fee_rate = wide_sub(rewards.fee_rate, ended)?;
        }
        at = until;
    }
    let mut flowed = narrow(fees / NANO)?;
    rewards.fee_carry = fees % NANO;
    rewards.escrowed = sub(rewards.escrowed, flowed)?;
    rewards.updated_at_ms = now;
    if rewards.total_weight == 0 {
        rewards.budget = add(rewards.budget, flowed)?;
        return Ok(());
    }
    let rate = u128::from(rewards.emission) * NANO / u128::from(PERIOD_MS);
    let emission = wide_mul(rate, u128::from(now - began))?;
    let emission = wide_add(rewards.emission_carry, emission)?;
    rewards.emission_carry = emission % NANO;
    let emitted = narrow((emission / NANO).min(u128::from(rewards.budget)))?;
    rewards.budget = sub(rewards.budget, emitted)?;
    flowed = add(flowed, emitted)?;
    rewards.reserved = add(rewards.reserved, flowed)?;
    let gained = wide_mul(u128::from(flowed), SCALE)? / u128::from(rewards.total_weight);
    rewards.index = wide_add(rewards.index, gained)?;
    Ok(())
}

/// `before`: settles a stake that is about to change, if it earns.
pub(super) fn before(
    call: &mut Call<'_>,
    rewards: &mut Rewards,
    stake: &Stake,
    now: u64,
) -> Result<(), Failure> {
    if rewards.version != PACKAGE_VERSION {
        return Err(call.abort_in("rewards", code::WRONG_VERSION));
    }
    if !is_enrolled(call, rewards, stake.id)? {
        return Ok(());
    }
    let earner = settle(call, rewards, stake, now)?;
    call.table_put(&rewards.earners, Ty::Id, EARNER, &stake.id, &earner)
}

/// `after`: weighs a stake that has changed, if it earns.
pub(super) fn after(
    call: &mut Call<'_>,
    rewards: &mut Rewards,
    stake: &Stake,
    now: u64,
) -> Result<(), Failure> {
    let known: Option<Earner> = call.table_get(&rewards.earners, Ty::Id, &stake.id)?;
    let Some(mut earner) = known else {
        return Ok(());
    };
    reweigh(call, &mut earner, rewards, stake, now)?;
    keep(call, rewards, stake.id, &earner)?;
    publish(call, rewards);
    Ok(())
}

pub(super) fn is_enrolled(
    call: &Call<'_>,
    rewards: &Rewards,
    stake: Address,
) -> Result<bool, Failure> {
    let known: Option<Earner> = call.table_get(&rewards.earners, Ty::Id, &stake)?;
    Ok(known.is_some())
}

/// How much a delegated share of a stake has earned.
pub(super) fn per_share(
    call: &Call<'_>,
    rewards: &Rewards,
    stake: Address,
) -> Result<u128, Failure> {
    let known: Option<Earner> = call.table_get(&rewards.earners, Ty::Id, &stake)?;
    known
        .map(|earner| earner.per_share)
        .ok_or(Failure::Invariant)
}

/// From where the delegations of an epoch earn.
pub(super) fn start(
    call: &Call<'_>,
    rewards: &Rewards,
    stake_id: Address,
    epoch: u64,
) -> Result<Option<u128>, Failure> {
    let key = StakeEpoch { stake_id, epoch };
    call.table_get(&rewards.starts, STAKE_EPOCH, &key)
}

/// What shares have earned while a share earned `gained`.
pub(super) fn earned_by(shares: u128, gained: u128) -> Result<u64, Failure> {
    narrow(wide_mul(shares, gained)? / SCALE)
}

/// `pay`: pays a delegator.
pub(super) fn pay_out(
    call: &mut Call<'_>,
    rewards: &mut Rewards,
    amount: u64,
) -> Result<(), Failure> {
    rewards.reserved = sub(rewards.reserved, amount)?;
    publish(call, rewards);
    rewards.vault = sub(rewards.vault, amount)?;
    Ok(())
}

fn settle(
    call: &mut Call<'_>,
    rewards: &mut Rewards,
    stake: &Stake,
    now: u64,
) -> Result<Earner, Failure> {
    let known: Option<Earner> = call.table_get(&rewards.earners, Ty::Id, &stake.id)?;
    let Some(mut earner) = known else {
        return Err(call.abort_in("rewards", code::NOT_ENROLLED));
    };
    flow(rewards, now)?;
    let gained = wide_sub(rewards.index, earner.index)?;
    let share = |weight: u64| narrow(wide_mul(u128::from(weight), gained)? / SCALE);
    let full = share(earner.weight)?;
    let (present, _, _) = weigh(&earner, stake, now, call.epoch())?;
    let earned = share(earner.weight.min(present))?;
    rewards.reserved = sub(rewards.reserved, sub(full, earned)?)?;
    rewards.budget = add(rewards.budget, sub(full, earned)?)?;
    let others = if earner.shares == 0 || earned == 0 {
        0
    } else {
        (u128::from(earned) * u128::from(earner.delegated))
            .checked_div(u128::from(earner.weight))
            .ok_or(Failure::Arithmetic)?
    };
    let kept = u128::from(sub(WHOLE, stake.commission)?);
    let others = wide_mul(others, kept)? / u128::from(WHOLE);
    if others > 0 {
        let gained = wide_mul(others, SCALE)?
            .checked_div(earner.shares)
            .ok_or(Failure::Arithmetic)?;
        earner.per_share = wide_add(earner.per_share, gained)?;
    }
    earner.owed = add(earner.owed, sub(earned, narrow(others)?)?)?;
    earner.index = rewards.index;
    reweigh(call, &mut earner, rewards, stake, now)?;
    Ok(earner)
}

fn reweigh(
    call: &mut Call<'_>,
    earner: &mut Earner,
    rewards: &mut Rewards,
    stake: &Stake,
    now: u64,
) -> Result<(), Failure> {
    let epoch = call.epoch();
    let (weight, delegated, shares) = weigh(earner, stake, now, epoch)?;
    rewards.total_weight = add(sub(rewards.total_weight, earner.weight)?, weight)?;
    earner.weight = weight;
    earner.delegated = delegated;
    earner.shares = shares;
    if stake.shares_epoch >= epoch || stake.fresh_shares == 0 {
        return Ok(());
    }
    let key = StakeEpoch {
        stake_id: stake.id,
        epoch: stake.shares_epoch,
    };
    let known: Option<u128> = call.table_get(&rewards.starts, STAKE_EPOCH, &key)?;
    if known.is_some() {
        return Ok(());
    }
    call.table_put(
        &rewards.starts,
        STAKE_EPOCH,
        Ty::U128,
        &key,
        &earner.per_share,
    )?;
    rewards.starts.size = add(rewards.starts.size, 1)?;
    call.emit(&DelegationsStarted {
        stake_id: stake.id,
        epoch: stake.shares_epoch,
        per_share: earner.per_share,
    });
    Ok(())
}

/// A stake's weight now, the delegators' part of it, and their shares that weigh.
fn weigh(
    earner: &Earner,
    stake: &Stake,
    now: u64,
    epoch: u64,
) -> Result<(u64, u64, u128), Failure> {
    let (shares, worth) = delegated_weighing(stake, epoch)?;
    if !is_good(stake) || sub(now, earner.reported_at_ms)? > REPORT_LASTS_MS {
        return Ok((0, 0, shares));
    }
    let weight = |amount: u64| {
        narrow(u128::from(amount) * u128::from(earner.performance) / u128::from(WHOLE))
    };
    let (own, delegated) = (weight(weighing(stake, epoch)?)?, weight(worth)?);
    Ok((add(own, delegated)?, delegated, shares))
}

fn keep(
    call: &mut Call<'_>,
    rewards: &Rewards,
    stake_id: Address,
    earner: &Earner,
) -> Result<(), Failure> {
    call.table_put(&rewards.earners, Ty::Id, EARNER, &stake_id, earner)?;
    call.emit(&EarnerSettled {
        stake_id,
        weight: earner.weight,
        index: earner.index,
        owed: earner.owed,
        performance: earner.performance,
        reported_at_ms: earner.reported_at_ms,
        epoch: earner.epoch,
        delegated: earner.delegated,
        shares: earner.shares,
        per_share: earner.per_share,
    });
    Ok(())
}

fn publish(call: &mut Call<'_>, rewards: &Rewards) {
    call.emit(&RewardsUpdated {
        rewards_id: rewards.id,
        budget: rewards.budget,
        escrowed: rewards.escrowed,
        reserved: rewards.reserved,
        emission_carry: rewards.emission_carry,
        fee_rate: rewards.fee_rate,
        fee_carry: rewards.fee_carry,
        ending: rewards.ending.clone(),
        index: rewards.index,
        total_weight: rewards.total_weight,
        updated_at_ms: rewards.updated_at_ms,
    });
}

/// `coin::take` from the vault of the rewards that are the first argument.
fn pay(call: &mut Call<'_>, mut rewards: Rewards, amount: u64) -> Returns {
    rewards.vault = sub(rewards.vault, amount)?;
    let coin = Coin {
        id: call.fresh_id(),
        balance: amount,
    };
    call.set(0, &rewards)?;
    Ok(vec![encode(&coin)])
}

/// Where what ends with a period is kept.
fn slot(rewards: &mut Rewards, period: u64) -> Result<&mut u128, Failure> {
    usize::try_from(period % SLOTS)
        .ok()
        .and_then(|slot| rewards.ending.get_mut(slot))
        .ok_or(Failure::Invariant)
}

fn end_of(period: u64) -> Result<u64, Failure> {
    add(period, 1)?
        .checked_mul(PERIOD_MS)
        .ok_or(Failure::Arithmetic)
}

fn wide_add(a: u128, b: u128) -> Result<u128, Failure> {
    a.checked_add(b).ok_or(Failure::Arithmetic)
}

fn wide_sub(a: u128, b: u128) -> Result<u128, Failure> {
    a.checked_sub(b).ok_or(Failure::Arithmetic)
}

fn wide_mul(a: u128, b: u128) -> Result<u128, Failure> {
    a.checked_mul(b).ok_or(Failure::Arithmetic)
}

fn narrow(value: u128) -> Result<u64, Failure> {
    u64::try_from(value).map_err(|_| Failure::Arithmetic)
}
