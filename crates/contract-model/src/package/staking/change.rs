//! What the other modules do with a stake: the `public(package)` functions of `staking.move`.

use super::{is_slashable, publish};
use crate::abort::staking as code;
use crate::execute::call::{Call, Failure, add, sub};
use crate::layout::staking::{
    Accused, CommissionChanged, FormerKey, Jailed, KeyRetired, PartUnstaked, STATUS_ACTIVE,
    STATUS_SLASHED_OUT, STATUS_UNBONDING, STATUS_WITHDRAWN, Slashed, Stake, StakingPool, TIER_NODE,
    Tombstoned, UnstakeRequested, Withdrawn,
};
use crate::package::{PACKAGE_VERSION, shares};

const DAY_MS: u64 = 86_400_000;
const LONGEST_REASON: usize = 256;
const LONGEST_SENTENCE_MS: u64 = 30 * DAY_MS;
const MOST_DOUBLINGS: u64 = 10;
const FORGIVEN_AFTER_MS: u64 = 90 * DAY_MS;
const FORMER_KEYS: usize = 64;

fn check(call: &Call<'_>, condition: bool, code: u64) -> Result<(), Failure> {
    match condition {
        true => Ok(()),
        false => Err(call.abort_in("staking", code)),
    }
}

fn check_leaving(
    call: &Call<'_>,
    pool: &StakingPool,
    stake: &Stake,
    now: u64,
) -> Result<(), Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, stake.owner == call.sender(), code::NOT_OWNER)?;
    check(call, stake.status == STATUS_ACTIVE, code::NOT_ACTIVE)?;
    check(call, now >= stake.locked_until_ms, code::STILL_LOCKED)
}

pub(in crate::package) fn begin_exit(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    now: u64,
) -> Result<(), Failure> {
    check_leaving(call, pool, stake, now)?;
    stake.status = STATUS_UNBONDING;
    stake.withdrawable_at_ms = add(now, pool.unbonding_ms)?;
    pool.total_active = sub(pool.total_active, stake.balance)?;
    pool.total_unbonding = add(pool.total_unbonding, stake.balance)?;
    call.emit(&UnstakeRequested {
        stake_id: stake.id,
        owner: stake.owner,
        amount: stake.balance,
        withdrawable_at_ms: stake.withdrawable_at_ms,
    });
    Ok(())
}

/// The shares of the queue.
pub(in crate::package) fn split_off(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    now: u64,
) -> Result<u128, Failure> {
    check_leaving(call, pool, stake, now)?;
    check(call, amount > 0, code::ZERO_AMOUNT)?;
    let minimum = super::tier_params(call, pool, stake.tier)?.minimum;
    let left = stake.balance.checked_sub(amount);
    let enough = left.is_some_and(|left| left >= minimum);
    check(call, enough, code::BELOW_MINIMUM)?;
    stake.fresh = stake.fresh.saturating_sub(amount);
    stake.balance = sub(stake.balance, amount)?;
    let shares = shares::put_anew(call, &mut stake.queue, amount)?;
    pool.total_active = sub(pool.total_active, amount)?;
    pool.total_unbonding = add(pool.total_unbonding, amount)?;
    call.emit(&PartUnstaked {
        stake_id: stake.id,
        owner: stake.owner,
        amount,
        balance: stake.balance,
    });
    publish(call, stake);
    Ok(shares)
}

/// What comes out.
pub(in crate::package) fn finish_exit(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    now: u64,
) -> Result<u64, Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, stake.owner == call.sender(), code::NOT_OWNER)?;
    check(call, stake.status == STATUS_UNBONDING, code::NOT_UNBONDING)?;
    check(call, now >= stake.withdrawable_at_ms, code::STILL_UNBONDING)?;
    check(call, stake.cases == 0, code::ACCUSED)?;
    let amount = std::mem::take(&mut stake.balance);
    stake.status = STATUS_WITHDRAWN;
    stake.withdrawable_at_ms = 0;
    stake.fresh = 0;
    pool.total_unbonding = sub(pool.total_unbonding, amount)?;
    call.emit(&Withdrawn {
        stake_id: stake.id,
        owner: stake.owner,
        amount,
    });
    publish(call, stake);
    Ok(amount)
}

/// What comes out.
pub(in crate::package) fn leave_queue(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    (shares, generation): (u128, u64),
    withdrawable_at_ms: u64,
    now: u64,
) -> Result<u64, Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, now >= withdrawable_at_ms, code::STILL_UNBONDING)?;
    check(call, stake.cases == 0, code::ACCUSED)?;
    if generation != stake.queue.generation {
        return Ok(0);
    }
    let amount = shares::take(call, &mut stake.queue, shares)?;
    pool.total_unbonding = sub(pool.total_unbonding, amount)?;
    publish(call, stake);
    Ok(amount)
}

/// The shares of the delegated.
pub(in crate::package) fn delegate_in(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
) -> Result<u128, Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, !pool.paused, code::PAUSED)?;
    check(call, stake.tier == TIER_NODE, code::WRONG_TIER)?;
    check(call, stake.status == STATUS_ACTIVE, code::NOT_ACTIVE)?;
    check(call, !stake.tombstoned, code::TOMBSTONED)?;
    check(call, stake.jailed_until_ms == 0, code::JAILED)?;
    let enough = amount >= pool.delegation.minimum;
    check(call, enough, code::BELOW_MINIMUM)?;
    let epoch = call.epoch();
    if stake.shares_epoch != epoch {
        stake.fresh_shares = 0;
        stake.shares_epoch = epoch;
    }
    let shares = shares::put(call, &mut stake.delegated, amount)?;
    stake.fresh_shares = stake
        .fresh_shares
        .checked_add(shares)
        .ok_or(Failure::Arithmetic)?;
    pool.total_active = add(pool.total_active, amount)?;
    publish(call, stake);
    Ok(shares)
}

/// MIST, and shares of the queue.
pub(in crate::package) fn delegate_out(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    shares: u128,
    fresh: bool,
) -> Result<(u64, u128), Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let amount = shares::take(call, &mut stake.delegated, shares)?;
    if fresh {
        let left = stake.fresh_shares.checked_sub(shares);
        stake.fresh_shares = left.ok_or(Failure::Arithmetic)?;
    }
    pool.total_active = sub(pool.total_active, amount)?;
    pool.total_unbonding = add(pool.total_unbonding, amount)?;
    let queued = shares::put_anew(call, &mut stake.queue, amount)?;
    publish(call, stake);
    Ok((amount, queued))
}

pub(in crate::package) fn set_commission(
    call: &mut Call<'_>,
    pool: &StakingPool,
    stake: &mut Stake,
    commission: u64,
    now: u64,
) -> Result<(), Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, stake.owner == call.sender(), code::NOT_OWNER)?;
    check(call, stake.tier == TIER_NODE, code::WRONG_TIER)?;
    let rules = &pool.delegation;
    check(call, commission <= rules.most_commission, code::COMMISSION)?;
    if stake.delegated.shares > 0 {
        let next = add(stake.commission_set_at_ms, DAY_MS)?;
        check(call, now >= next, code::TOO_SOON)?;
        let most = add(stake.commission, rules.commission_step)?;
        check(call, commission <= most, code::COMMISSION)?;
    }
    stake.commission = commission;
    stake.commission_set_at_ms = now;
    call.emit(&CommissionChanged {
        stake_id: stake.id,
        commission,
        at_ms: now,
    });
    Ok(())
}

/// `at_stake`: all that a slash reaches.
pub(in crate::package) fn at_stake(stake: &Stake) -> Result<u64, Failure> {
    add(
        add(stake.balance, stake.delegated.balance)?,
        stake.queue.balance,
    )
}

pub(in crate::package) fn take_from(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    reason: String,
    now: u64,
) -> Result<u64, Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, amount > 0, code::ZERO_AMOUNT)?;
    check(call, reason.len() <= LONGEST_REASON, code::TEXT_TOO_LONG)?;
    let held = at_stake(stake)?;
    check(call, is_slashable(stake) && held > 0, code::NOT_SLASHABLE)?;
    let taken = amount.min(held);
    let delegated = share_up(taken, stake.delegated.balance, held)?;
    let queued = share_up(taken, stake.queue.balance, held)?.min(sub(taken, delegated)?);
    let own = sub(sub(taken, delegated)?, queued)?;
    if stake.status == STATUS_ACTIVE {
        pool.total_active = sub(pool.total_active, own)?;
    } else {
        pool.total_unbonding = sub(pool.total_unbonding, own)?;
    }
    pool.total_active = sub(pool.total_active, delegated)?;
    pool.total_unbonding = sub(pool.total_unbonding, queued)?;
    pool.total_slashed = add(pool.total_slashed, taken)?;
    pool.treasury = add(pool.treasury, taken)?;
    stake.balance = sub(stake.balance, own)?;
    stake.delegated.balance = sub(stake.delegated.balance, delegated)?;
    stake.queue.balance = sub(stake.queue.balance, queued)?;
    stake.slashed = add(stake.slashed, taken)?;
    stake.fresh = stake.fresh.min(stake.balance);
    if taken == held {
        stake.status = STATUS_SLASHED_OUT;
        stake.withdrawable_at_ms = 0;
    }
    call.emit(&Slashed {
        stake_id: stake.id,
        owner: stake.owner,
        amount: taken,
        remaining: stake.balance,
        status: stake.status,
        reason,
        at_ms: now,
    });
    publish(call, stake);
    Ok(taken)
}

pub(in crate::package) fn accuse(call: &mut Call<'_>, stake: &mut Stake) -> Result<(), Failure> {
    stake.cases = add(stake.cases, 1)?;
    call.emit(&Accused {
        stake_id: stake.id,
        cases: stake.cases,
    });
    Ok(())
}

pub(in crate::package) fn close_case(
    call: &mut Call<'_>,
    stake: &mut Stake,
) -> Result<(), Failure> {
    stake.cases = sub(stake.cases, 1)?;
    call.emit(&Accused {
        stake_id: stake.id,
        cases: stake.cases,
    });
    Ok(())
}

pub(in crate::package) fn jail(
    call: &mut Call<'_>,
    stake: &mut Stake,
    sentence_ms: u64,
    now: u64,
) -> Result<(), Failure> {
    if stake.status != STATUS_ACTIVE || stake.tombstoned || sentence_ms == 0 {
        return Ok(());
    }
    let free = stake.jailed_until_ms == 0;
    if free && now >= add(stake.released_at_ms, FORGIVEN_AFTER_MS)? {
        stake.jailings = 0;
    }
    let sentence = (sentence_ms << stake.jailings.min(MOST_DOUBLINGS)).min(LONGEST_SENTENCE_MS);
    stake.jailings = add(stake.jailings, 1)?;
    stake.jailed_until_ms = stake.jailed_until_ms.max(add(now, sentence)?);
    call.emit(&Jailed {
        stake_id: stake.id,
        owner: stake.owner,
        until_ms: stake.jailed_until_ms,
        jailings: stake.jailings,
        at_ms: now,
    });
    Ok(())
}

pub(in crate::package) fn tombstone(call: &mut Call<'_>, stake: &mut Stake, now: u64) {
    if stake.tombstoned {
        return;
    }
    stake.tombstoned = true;
    call.emit(&Tombstoned {
        stake_id: stake.id,
        owner: stake.owner,
        at_ms: now,
    });
}

pub(in crate::package) fn retire_key(
    call: &mut Call<'_>,
    pool: &StakingPool,
    stake: &mut Stake,
    key: Vec<u8>,
    now: u64,
) -> Result<(), Failure> {
    check(call, pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(call, stake.cases == 0, code::ACCUSED)?;
    check(call, !stake.tombstoned, code::TOMBSTONED)?;
    if let Some(last) = stake.former_keys.last() {
        let next = add(last.retired_at_ms, DAY_MS)?;
        check(call, now >= next, code::TOO_SOON)?;
    }
    if stake.former_keys.len() == FORMER_KEYS {
        stake.former_keys.remove(0);
    }
    call.emit(&KeyRetired {
        stake_id: stake.id,
        key: key.clone(),
        at_ms: now,
    });
    stake.former_keys.push(FormerKey {
        key,
        retired_at_ms: now,
    });
    Ok(())
}

pub(in crate::package) fn had_key(stake: &Stake, key: &[u8]) -> bool {
    stake.former_keys.iter().any(|former| former.key == key)
}

/// The owner's own that weighs in an epoch, where the stake is in good standing.
pub(in crate::package) fn weighing(stake: &Stake, epoch: u64) -> Result<u64, Failure> {
    let fresh = if stake.fresh_epoch == epoch {
        stake.fresh
    } else {
        0
    };
    sub(stake.balance, fresh)
}

/// The delegators' shares that weigh in an epoch, and what they are worth.
pub(in crate::package) fn delegated_weighing(
    stake: &Stake,
    epoch: u64,
) -> Result<(u128, u64), Failure> {
    let fresh = if stake.shares_epoch == epoch {
        stake.fresh_shares
    } else {
        0
    };
    let shares = stake.delegated.shares.checked_sub(fresh);
    let shares = shares.ok_or(Failure::Arithmetic)?;
    Ok((shares, shares::worth(&stake.delegated, shares)?))
}

/// amount * part / whole, rounded up.
fn share_up(amount: u64, part: u64, whole: u64) -> Result<u64, Failure> {
    let share = (u128::from(amount) * u128::from(part)).div_ceil(u128::from(whole));
    u64::try_from(share).map_err(|_| Failure::Arithmetic)
}
