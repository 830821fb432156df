//! The functions of the module `unbonding`, statement by statement as in `unbonding.move`.

use super::Function;
use super::Parameter::{Mut, Ref, Value};
use super::rewards::{after, before};
use super::shares;
use super::staking::{begin_exit, finish_exit, function, leave_queue, split_off};
use crate::abort::unbonding as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::framework::{Clock, Coin};
use crate::layout::rewards::Rewards;
use crate::layout::staking::{Stake, StakingPool};
use crate::layout::unbonding::{Unbonding, UnbondingBegun, UnbondingRedeemed};
use crate::types::{Ty, encode};

const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const REWARDS: Ty = Ty::Package("rewards", "Rewards");
const UNBONDING: Ty = Ty::Package("unbonding", "Unbonding");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(request_unstake(Mut(POOL), Mut(REWARDS), Mut(STAKE), Ref(Ty::Clock)) ctx -> []),
    function!(unstake(
        Mut(POOL), Mut(REWARDS), Mut(STAKE), Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> [UNBONDING]),
    function!(withdraw(Mut(POOL), Mut(STAKE), Ref(Ty::Clock)) ctx -> [Ty::Coin]),
    function!(redeem(
        Mut(POOL), Mut(STAKE), Value(UNBONDING), Ref(Ty::Clock)
    ) ctx -> [Ty::Coin]),
    function!(stake_id(Ref(UNBONDING)) -> [Ty::Id]),
    function!(withdrawable_at_ms(Ref(UNBONDING)) -> [Ty::U64]),
    function!(worth(Ref(UNBONDING), Ref(STAKE)) -> [Ty::U64]),
];

fn request_unstake(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut rewards: Rewards = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    before(call, &mut rewards, &stake, now)?;
    begin_exit(call, &mut pool, &mut stake, now)?;
    after(call, &mut rewards, &stake, now)?;
    call.set(0, &pool)?;
    call.set(1, &rewards)?;
    call.set(2, &stake)?;
    Ok(vec![])
}

fn unstake(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut rewards: Rewards = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let amount: u64 = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    before(call, &mut rewards, &stake, now)?;
    let shares = split_off(call, &mut pool, &mut stake, amount, now)?;
    after(call, &mut rewards, &stake, now)?;
    let unbonding = begin(call, &pool, &stake, shares, now)?;
    call.set(0, &pool)?;
    call.set(1, &rewards)?;
    call.set(2, &stake)?;
    Ok(vec![encode(&unbonding)])
}

fn withdraw(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    let balance = finish_exit(call, &mut pool, &mut stake, now)?;
    let coin = Coin {
        id: call.fresh_id(),
        balance,
    };
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![encode(&coin)])
}

fn redeem(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut stake: Stake = call.get(1)?;
    let unbonding: Unbonding = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    call.assert(unbonding.stake_id == stake.id, code::WRONG_STAKE)?;
    let part = (unbonding.shares, unbonding.generation);
    let ready = unbonding.withdrawable_at_ms;
    let balance = leave_queue(call, &mut pool, &mut stake, part, ready, now)?;
    call.emit(&UnbondingRedeemed {
        unbonding_id: unbonding.id,
        stake_id: unbonding.stake_id,
        amount: balance,
    });
    call.delete(unbonding.id);
    let coin = Coin {
        id: call.fresh_id(),
        balance,
    };
    call.set(0, &pool)?;
    call.set(1, &stake)?;
    Ok(vec![encode(&coin)])
}

fn stake_id(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Unbonding>(0)?.stake_id)])
}

fn withdrawable_at_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Unbonding>(0)?.withdrawable_at_ms)])
}

fn worth(call: &mut Call<'_>) -> Returns {
    let unbonding: Unbonding = call.get(0)?;
    let stake: Stake = call.get(1)?;
    call.assert(unbonding.stake_id == stake.id, code::WRONG_STAKE)?;
    let worth = if unbonding.generation == stake.queue.generation {
        shares::worth(&stake.queue, unbonding.shares)?
    } else {
        0
    };
    Ok(vec![encode(&worth)])
}

/// A part of the queue, for whoever sends the transaction.
pub(super) fn begin(
    call: &mut Call<'_>,
    pool: &StakingPool,
    stake: &Stake,
    shares: u128,
    now: u64,
) -> Result<Unbonding, Failure> {
    let unbonding = Unbonding {
        id: call.fresh_id(),
        stake_id: stake.id,
        shares,
        generation: stake.queue.generation,
        withdrawable_at_ms: add(now, pool.unbonding_ms)?,
    };
    call.emit(&UnbondingBegun {
        unbonding_id: unbonding.id,
        stake_id: unbonding.stake_id,
        owner: call.sender(),
        shares,
        generation: unbonding.generation,
        withdrawable_at_ms: unbonding.withdrawable_at_ms,
    });
    Ok(unbonding)
}
