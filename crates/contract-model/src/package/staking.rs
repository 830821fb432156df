//! The functions of the module `staking`, statement by statement as in `staking.move`.

mod change;

pub(super) use change::*;

use super::Parameter::{Mut, Ref, Value};
use super::{Function, PACKAGE_VERSION};
use crate::abort::staking as code;
use crate::execute::call::{Call, Failure, Returns, add, sub};
use crate::layout::framework::{Clock, Coin};
use crate::layout::staking::{
    AdminCap, DelegationRules, DelegationRulesChanged, PauseChanged, PoolCreated, PoolMigrated,
    STATUS_ACTIVE, STATUS_UNBONDING, Shared, SlashCap, Stake, StakeBalances, Staked, StakingPool,
    TIER_ADMIN, TIER_NODE, TIER_USER, TierChanged, TierParams, ToppedUp, TreasuryFunded,
    TreasuryWithdrawn, UnbondingChanged, Unjailed,
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
const WHOLE: u64 = 10_000;
const GREATEST_DELEGATION_MINIMUM: u64 = 1_000 * MIST_PER_SUI;

const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");

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
    function!(unjail(Ref(POOL), Mut(STAKE), Ref(Ty::Clock)) ctx -> []),
    function!(withdraw_treasury(Ref(ADMIN_CAP), Mut(POOL), Value(Ty::U64)) ctx -> [Ty::Coin]),
    function!(migrate(Ref(ADMIN_CAP), Mut(POOL)) -> []),
    function!(has_sufficient_stake(Ref(POOL), Ref(STAKE), Value(Ty::U8)) -> [Ty::Bool]),
    function!(minimum(Ref(POOL), Value(Ty::U8)) -> [Ty::U64]),
    function!(is_active(Ref(STAKE)) -> [Ty::Bool]),
    renamed("is_good", function!(is_good_view(Ref(STAKE)) -> [Ty::Bool])),
    renamed(
        "is_slashable",
        function!(is_slashable_view(Ref(STAKE)) -> [Ty::Bool]),
    ),
    function!(owner(Ref(STAKE)) -> [Ty::Address]),
    function!(tier(Ref(STAKE)) -> [Ty::U8]),
    function!(status(Ref(STAKE)) -> [Ty::U8]),
    function!(amount(Ref(STAKE)) -> [Ty::U64]),
    function!(delegated(Ref(STAKE)) -> [Ty::U64]),
    function!(queued(Ref(STAKE)) -> [Ty::U64]),
    renamed(
        "at_stake",
        function!(at_stake_view(Ref(STAKE)) -> [Ty::U64]),
    ),
    function!(commission(Ref(STAKE)) -> [Ty::U64]),
    function!(cases(Ref(STAKE)) -> [Ty::U64]),
    function!(jailed_until_ms(Ref(STAKE)) -> [Ty::U64]),
    function!(is_tombstoned(Ref(STAKE)) -> [Ty::Bool]),
    function!(locked_until_ms(Ref(STAKE)) -> [Ty::U64]),
    function!(withdrawable_at_ms(Ref(STAKE)) -> [Ty::U64]),
    function!(treasury(Ref(POOL)) -> [Ty::U64]),
    function!(is_paused(Ref(POOL)) -> [Ty::Bool]),
    function!(unbonding_ms(Ref(POOL)) -> [Ty::U64]),
    function!(tier_node() -> [Ty::U8]),
    function!(tier_user() -> [Ty::U8]),
    function!(tier_admin() -> [Ty::U8]),
];

/// The function under its Move name.
pub(super) const fn renamed(name: &'static str, function: Function) -> Function {
    Function { name, ..function }
}

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let publisher = call.sender();
    let id = call.fresh_id();
    call.give(&AdminCap { id }, publisher);
    let id = call.fresh_id();
    call.give(&SlashCap { id }, publisher);
    let tier = |minimum, days| TierParams {
        minimum,
        lockup_ms: days * DAY_MS,
    };
    let pool = StakingPool {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        tiers: vec![
            tier(MIST_PER_SUI, 1),
            tier(MIST_PER_SUI / 10, 1),
            tier(10 * MIST_PER_SUI, 7),
        ],
        unbonding_ms: 14 * DAY_MS,
        delegation: DelegationRules {
            most_commission: 2_000,
            commission_step: 100,
            minimum: MIST_PER_SUI / 10,
        },
        total_active: 0,
        total_unbonding: 0,
        total_slashed: 0,
        stakes_created: 0,
        treasury: 0,
        paused: false,
    };
    call.emit(&PoolCreated {
        pool_id: pool.id,
        tiers: pool.tiers.clone(),
        unbonding_ms: pool.unbonding_ms,
        delegation: pool.delegation.clone(),
    });
    call.share(&pool)
}

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
        fresh: coin.balance,
        fresh_epoch: call.epoch(),
        delegated: Shared::default(),
        fresh_shares: 0,
        shares_epoch: 0,
        commission: 0,
        commission_set_at_ms: 0,
        queue: Shared::default(),
        cases: 0,
        jailed_until_ms: 0,
        jailings: 0,
        released_at_ms: 0,
        tombstoned: false,
        former_keys: Vec::new(),
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
    publish(call, &stake);
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
    call.assert(!stake.tombstoned, code::TOMBSTONED)?;
    call.assert(coin.balance > 0, code::ZERO_AMOUNT)?;
    if stake.fresh_epoch != call.epoch() {
        stake.fresh = 0;
        stake.fresh_epoch = call.epoch();
    }
    stake.fresh = add(stake.fresh, coin.balance)?;
    stake.balance = add(stake.balance, coin.balance)?;
    call.delete(coin.id);
    pool.total_active = add(pool.total_active, coin.balance)?;
    call.emit(&ToppedUp {
        stake_id: stake.id,
        owner: stake.owner,
        amount: coin.balance,
        balance: stake.balance,
    });
    publish(call, &stake);
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![])
}

fn unjail(call: &mut Call<'_>) -> Returns {
    let pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    call.assert(pool.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(stake.owner == call.sender(), code::NOT_OWNER)?;
    call.assert(!stake.tombstoned, code::TOMBSTONED)?;
    call.assert(stake.jailed_until_ms > 0, code::NOT_JAILED)?;
    call.assert(now >= stake.jailed_until_ms, code::STILL_JAILED)?;
    stake.jailed_until_ms = 0;
    stake.released_at_ms = now;
    call.emit(&Unjailed {
        stake_id: stake.id,
        owner: stake.owner,
        at_ms: now,
    });
    call.set(1, &stake)?;
    Ok(vec![])
}

/// `publish`
fn publish(call: &mut Call<'_>, stake: &Stake) {
    call.emit(&StakeBalances {
        stake_id: stake.id,
        balance: stake.balance,
        fresh: stake.fresh,
        fresh_epoch: stake.fresh_epoch,
        delegated: stake.delegated.balance,
        shares: stake.delegated.shares,
        fresh_shares: stake.fresh_shares,
        shares_epoch: stake.shares_epoch,
        queued: stake.queue.balance,
        queue_shares: stake.queue.shares,
        generation: stake.queue.generation,
    });
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

/// `is_good`
pub(super) fn is_good(stake: &Stake) -> bool {
    stake.status == STATUS_ACTIVE && stake.jailed_until_ms == 0 && !stake.tombstoned
}

fn is_good_view(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&is_good(&call.get::<Stake>(0)?))])
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

/// `set_delegation`, for `params`.
pub(super) fn set_delegation(
    call: &mut Call<'_>,
    pool: &mut StakingPool,
    delegation: DelegationRules,
) -> Result<(), Failure> {
    if pool.version != PACKAGE_VERSION {
        return Err(call.abort_in("staking", code::WRONG_VERSION));
    }
    let bounded = delegation.most_commission <= WHOLE
        && delegation.commission_step <= WHOLE
        && (LEAST_MINIMUM..=GREATEST_DELEGATION_MINIMUM).contains(&delegation.minimum);
    if !bounded {
        return Err(call.abort_in("staking", code::OUT_OF_BOUNDS));
    }
    pool.delegation = delegation.clone();
    call.emit(&DelegationRulesChanged {
        pool_id: pool.id,
        delegation,
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

fn delegated(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.delegated.balance)])
}

fn queued(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.queue.balance)])
}

fn at_stake_view(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&at_stake(&call.get::<Stake>(0)?)?)])
}

fn commission(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.commission)])
}

fn cases(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.cases)])
}

fn jailed_until_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.jailed_until_ms)])
}

fn is_tombstoned(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Stake>(0)?.tombstoned)])
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
    Ok(stake.tier == tier && is_good(stake) && stake.balance >= params.minimum)
}
