//! The functions of the module `staking`, statement by statement as in `staking.move`.

use super::Parameter::{Mut, Ref, Value};
use super::{Function, PACKAGE_VERSION};
use crate::abort::staking as code;
use crate::execute::call::{Call, Failure, Returns, add, sub};
use crate::layout::framework::{Clock, Coin};
use crate::layout::staking::{
    PauseChanged, PoolMigrated, STATUS_ACTIVE, STATUS_SLASHED_OUT, STATUS_UNBONDING,
    STATUS_WITHDRAWN, Slashed, Stake, Staked, StakingPool, TIER_ADMIN, TIER_NODE, TIER_USER,
    TierChanged, TierParams, ToppedUp, TreasuryFunded, TreasuryWithdrawn, UnbondingChanged,
    UnstakeRequested, Withdrawn,
};
use crate::types::{Ty, encode};

const TIERS: u8 = 3;
const MIST_PER_SUI: u64 = 1_000_000_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
const LEAST_MINIMUM: u64 = 1_000_000;
const GREATEST_MINIMUM: u64 = 1_000_000 * MIST_PER_SUI;
const LONGEST_LOCKUP_MS: u64 = 365 * DAY_MS;
const SHORTEST_UNBONDING_MS: u64 = MINUTE_MS;
const LONGEST_UNBONDING_MS: u64 = 90 * DAY_MS;
const LONGEST_REASON: usize = 256;

const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const SLASH_CAP: Ty = Ty::Package("staking", "SlashCap");

macro_rules! function {
    ($name:ident ($($parameter:expr),* $(,)?) $($context:ident)? -> [$($return:expr),*]) => {
        Function {
            name: stringify!($name),
            generic: false,
            parameters: &[$($parameter),*],
            context: $crate::package::staking::has_context!($($context)?),
            returns: &[$($return),*],
            body: $name,
        }
    };
}
macro_rules! has_context {
    () => {
        false
    };
    (ctx) => {
        true
    };
}
pub(super) use {function, has_context};

pub(super) const FUNCTIONS: &[Function] = &[
    function!(stake(Mut(POOL), Value(Ty::Coin), Value(Ty::U8), Ref(Ty::Clock)) ctx -> [STAKE]),
    function!(share(Value(STAKE)) -> []),
    function!(top_up(Mut(POOL), Mut(STAKE), Value(Ty::Coin)) ctx -> []),
    function!(request_unstake(Mut(POOL), Mut(STAKE), Ref(Ty::Clock)) ctx -> []),
    function!(withdraw(Mut(POOL), Mut(STAKE), Ref(Ty::Clock)) ctx -> [Ty::Coin]),
    function!(slash(
        Ref(SLASH_CAP), Mut(POOL), Mut(STAKE), Value(Ty::U64), Value(Ty::String), Ref(Ty::Clock)
    ) -> []),
    function!(withdraw_treasury(Ref(ADMIN_CAP), Mut(POOL), Value(Ty::U64)) ctx -> [Ty::Coin]),
    function!(migrate(Ref(ADMIN_CAP), Mut(POOL)) -> []),
    function!(has_sufficient_stake(Ref(POOL), Ref(STAKE), Value(Ty::U8)) -> [Ty::Bool]),
    function!(minimum(Ref(POOL), Value(Ty::U8)) -> [Ty::U64]),
    function!(is_active(Ref(STAKE)) -> [Ty::Bool]),
    Function {
        name: "is_slashable",
        body: is_slashable_view,
        ..function!(is_slashable_view(Ref(STAKE)) -> [Ty::Bool])
    },
    function!(owner(Ref(STAKE)) -> [Ty::Address]),
    function!(tier(Ref(STAKE)) -> [Ty::U8]),
    function!(status(Ref(STAKE)) -> [Ty::U8]),
    function!(amount(Ref(STAKE)) -> [Ty::U64]),
    function!(locked_until_ms(Ref(STAKE)) -> [Ty::U64]),
    function!(withdrawable_at_ms(Ref(STAKE)) -> [Ty::U64]),
    function!(treasury(Ref(POOL)) -> [Ty::U64]),
    function!(is_paused(Ref(POOL)) -> [Ty::Bool]),
    function!(unbonding_ms(Ref(POOL)) -> [Ty::U64]),
    function!(tier_node() -> [Ty::U8]),
    function!(tier_user() -> [Ty::U8]),
    function!(tier_admin() -> [Ty::U8]),
];

fn stake(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let coin: Coin = call.get(1)?;
    let tier: u8 = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(!pool.paused, code::PAUSED)?;
    let params = tier_params(call, &pool, tier)?;
    call.assert(coin.balance >= params.minimum, code::BELOW_MINIMUM)?;
    let stake = Stake {
        id: call.fresh_id(),
        owner: call.sender(),
        tier,
        status: STATUS_ACTIVE,
        balance: coin.balance,
        slashed: 0,
        staked_at_ms: now,
        locked_until_ms: add(now, params.lockup_ms)?,
        withdrawable_at_ms: 0,
    };
    call.delete(coin.id);
    pool.total_active = add(pool.total_active, coin.balance)?;
    pool.stakes_created = add(pool.stakes_created, 1)?;
    call.emit(&Staked {
        stake_id: stake.id,
        owner: stake.owner,
        tier,
        amount: coin.balance,
        staked_at_ms: now,
        locked_until_ms: stake.locked_until_ms,
    });
    call.set(0, &pool)?;
    Ok(vec![encode(&stake)])
}

fn share(call: &mut Call<'_>) -> Returns {
    let stake: Stake = call.get(0)?;
    call.share(&stake)?;
    Ok(vec![])
}

fn top_up(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let coin: Coin = call.get(2)?;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(!pool.paused, code::PAUSED)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(stake.status == STATUS_ACTIVE, code::NOT_ACTIVE)?;
    call.assert(coin.balance > 0, code::ZERO_AMOUNT)?;
    stake.balance = add(stake.balance, coin.balance)?;
    call.delete(coin.id);
    pool.total_active = add(pool.total_active, coin.balance)?;
    call.emit(&ToppedUp {
        stake_id: stake.id,
        owner: stake.owner,
        amount: coin.balance,
        balance: stake.balance,
    });
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![])
}

fn request_unstake(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(stake.status == STATUS_ACTIVE, code::NOT_ACTIVE)?;
    call.assert(now >= stake.locked_until_ms, code::STILL_LOCKED)?;
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
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![])
}

fn withdraw(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(stake.status == STATUS_UNBONDING, code::NOT_UNBONDING)?;
    call.assert(now >= stake.withdrawable_at_ms, code::STILL_UNBONDING)?;
    let amount = stake.balance;
    stake.status = STATUS_WITHDRAWN;
    stake.withdrawable_at_ms = 0;
    pool.total_unbonding = sub(pool.total_unbonding, amount)?;
    call.emit(&Withdrawn {
        stake_id: stake.id,
        owner: stake.owner,
        amount,
    });
    stake.balance = 0;
    let coin = Coin {
        id: call.fresh_id(),
        balance: amount,
    };
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![encode(&coin)])
}

fn slash(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let amount: u64 = call.get(3)?;
    let reason: String = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    take_from(call, &mut pool, &mut stake, amount, reason, now)?;
    call.set(1, &pool)?;
    call.set(2, &stake)?;
    Ok(vec![])
}

/// `take_from`, for the other modules too.
pub(super) fn take_from(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    reason: String,
    now: u64,
) -> Result<u64, Failure> {
    let check = |condition: bool, code| match condition {
        true => Ok(()),
        false => Err(call.abort_in("staking", code)),
    };
    check(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(amount > 0, code::ZERO_AMOUNT)?;
    check(reason.len() <= LONGEST_REASON, code::TEXT_TOO_LONG)?;
    check(is_slashable(stake), code::NOT_SLASHABLE)?;
    let held = stake.balance;
    let taken = amount.min(held);
    if stake.status == STATUS_ACTIVE {
        pool.total_active = sub(pool.total_active, taken)?;
    } else {
        pool.total_unbonding = sub(pool.total_unbonding, taken)?;
    }
    pool.total_slashed = add(pool.total_slashed, taken)?;
    pool.treasury = add(pool.treasury, taken)?;
    stake.balance = sub(held, taken)?;
    stake.slashed = add(stake.slashed, taken)?;
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
    Ok(taken)
}

/// `pay`: MIST out of the treasury.
pub(super) fn pay(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    amount: u64,
) -> Result<u64, Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    pool.treasury = sub(pool.treasury, amount)?;
    call.emit(&TreasuryWithdrawn {
        pool_id: pool.id,
        amount,
        remaining: pool.treasury,
    });
    Ok(amount)
}

/// `fund`: MIST into the treasury.
pub(super) fn fund(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    amount: u64,
) -> Result<(), Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    pool.treasury = add(pool.treasury, amount)?;
    call.emit(&TreasuryFunded {
        pool_id: pool.id,
        amount,
        balance: pool.treasury,
    });
    Ok(())
}

pub(super) fn is_slashable(stake: &Stake) -> bool {
    stake.status == STATUS_ACTIVE || stake.status == STATUS_UNBONDING
}

fn is_active(call: &mut Call<'_>) -> Returns {
    let active = call.get::<Stake>(0)?.status == STATUS_ACTIVE;
    Ok(vec![encode(&active)])
}

fn is_slashable_view(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&is_slashable(&call.get::<Stake>(0)?))])
}

/// `set_tier`, for `params`.
pub(super) fn set_tier(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    tier: u8,
    minimum: u64,
    lockup_ms: u64,
) -> Result<(), Failure> {
    let check = |condition: bool, code| match condition {
        true => Ok(()),
        false => Err(call.abort_in("staking", code)),
    };
    check(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    check(tier < TIERS, code::UNKNOWN_TIER)?;
    check(
        (LEAST_MINIMUM..=GREATEST_MINIMUM).contains(&minimum),
        code::OUT_OF_BOUNDS,
    )?;
    check(lockup_ms <= LONGEST_LOCKUP_MS, code::OUT_OF_BOUNDS)?;
    let params = pool
        .tiers
        .get_mut(usize::from(tier))
        .ok_or(Failure::Invariant)?;
    *params = TierParams { minimum, lockup_ms };
    call.emit(&TierChanged {
        pool_id: pool.id,
        tier,
        minimum,
        lockup_ms,
    });
    Ok(())
}

/// `set_unbonding`, for `params`.
pub(super) fn set_unbonding(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    unbonding_ms: u64,
) -> Result<(), Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    if !(SHORTEST_UNBONDING_MS..=LONGEST_UNBONDING_MS).contains(&unbonding_ms) {
        return Err(call.abort_in("staking", code::OUT_OF_BOUNDS));
    }
    pool.unbonding_ms = unbonding_ms;
    call.emit(&UnbondingChanged {
        pool_id: pool.id,
        unbonding_ms,
    });
    Ok(())
}

/// `set_paused`, for `params`.
pub(super) fn set_paused(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    paused: bool,
) -> Result<(), Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    pool.paused = paused;
    call.emit(&PauseChanged {
        pool_id: pool.id,
        paused,
    });
    Ok(())
}

fn withdraw_treasury(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(1)?;
    let amount: u64 = call.get(2)?;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(amount > 0, code::ZERO_AMOUNT)?;
    call.assert(amount <= pool.treasury, code::TREASURY_TOO_SMALL)?;
    pool.treasury = sub(pool.treasury, amount)?;
    call.emit(&TreasuryWithdrawn {
        pool_id: pool.id,
        amount,
        remaining: pool.treasury,
    });
    let coin = Coin {
        id: call.fresh_id(),
        balance: amount,
    };
    call.set(1, &pool)?;
    Ok(vec![encode(&coin)])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(1)?;
    call.assert(pool.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    pool.version = PACKAGE_VERSION;
    call.emit(&PoolMigrated {
        pool_id: pool.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &pool)?;
    Ok(vec![])
}

fn has_sufficient_stake(call: &mut Call<'_>) -> Returns {
    let pool: StakingPool = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let tier: u8 = call.get(2)?;
    Ok(vec![encode(&is_sufficient(call, &pool, &stake, tier)?)])
}

fn minimum(call: &mut Call<'_>) -> Returns {
    let pool: StakingPool = call.get(0)?;
    let tier: u8 = call.get(1)?;
    Ok(vec![encode(&tier_params(call, &pool, tier)?.minimum)])
}

fn owner(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.owner)])
}

fn tier(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.tier)])
}

fn status(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.status)])
}

fn amount(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.balance)])
}

fn locked_until_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.locked_until_ms)])
}

fn withdrawable_at_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.withdrawable_at_ms)])
}

fn treasury(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<StakingPool>(0)?.treasury)])
}

fn is_paused(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<StakingPool>(0)?.paused)])
}

fn unbonding_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<StakingPool>(0)?.unbonding_ms)])
}

fn tier_node(_: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&TIER_NODE)])
}

fn tier_user(_: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&TIER_USER)])
}

fn tier_admin(_: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&TIER_ADMIN)])
}

/// The tier's parameters; aborts as this module where there is no such tier.
fn tier_params(call: &Call<'_>, pool: &StakingPool, tier: u8) -> Result<TierParams, Failure> {
    match pool.tiers.get(usize::from(tier)) {
        Some(params) if tier < TIERS => Ok(params.clone()),
        _ => Err(call.abort_in("staking", code::UNKNOWN_TIER)),
    }
}

/// `has_sufficient_stake`, for the other modules too.
pub(super) fn is_sufficient(
    call: &Call<'_>,
    pool: &StakingPool,
    stake: &Stake,
    tier: u8,
) -> Result<bool, Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    let params = tier_params(call, pool, tier)?;
    Ok(stake.tier == tier && stake.status == STATUS_ACTIVE && stake.balance >= params.minimum)
}
