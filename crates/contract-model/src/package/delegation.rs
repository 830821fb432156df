//! The functions of the module `delegation`, statement by statement as in `delegation.move`.

use super::Function;
use super::Parameter::{Mut, Ref, Value};
use super::rewards::{after, before, earned_by, is_enrolled, pay_out, per_share, start};
use super::staking::{self, delegate_in, delegate_out, function};
use super::{shares, unbonding};
use crate::abort::delegation as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::delegation::{
    Delegated, Delegation, DelegationClaimed, DelegationClosed, DelegationSettled, Undelegated,
};
use crate::layout::framework::{Clock, Coin};
use crate::layout::rewards::Rewards;
use crate::layout::staking::{Stake, StakingPool};
use crate::types::{Ty, encode};

const LEAST_SHARES: u128 = 100_000_000;

const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");
const REWARDS: Ty = Ty::Package("rewards", "Rewards");
const DELEGATION: Ty = Ty::Package("delegation", "Delegation");
const UNBONDING: Ty = Ty::Package("unbonding", "Unbonding");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(delegate(
        Mut(POOL), Mut(REWARDS), Mut(STAKE), Value(Ty::Coin), Ref(Ty::Clock)
    ) ctx -> [DELEGATION]),
    function!(undelegate(
        Mut(POOL), Mut(REWARDS), Mut(STAKE), Mut(DELEGATION), Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> [UNBONDING]),
    function!(claim(
        Mut(REWARDS), Ref(STAKE), Mut(DELEGATION), Ref(Ty::Clock)
    ) ctx -> [Ty::Coin]),
    function!(close(Value(DELEGATION)) -> []),
    function!(set_commission(
        Ref(POOL), Mut(REWARDS), Mut(STAKE), Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> []),
    function!(stake_id(Ref(DELEGATION)) -> [Ty::Id]),
    function!(owed(Ref(DELEGATION)) -> [Ty::U64]),
    function!(worth(Ref(DELEGATION), Ref(STAKE)) -> [Ty::U64]),
];

fn delegate(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut rewards: Rewards = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let coin: Coin = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    before(call, &mut rewards, &stake, now)?;
    let enrolled = is_enrolled(call, &rewards, stake.id)?;
    call.assert(enrolled, code::NOT_ENROLLED)?;
    let shares = delegate_in(call, &mut pool, &mut stake, coin.balance)?;
    call.delete(coin.id);
    after(call, &mut rewards, &stake, now)?;
    let delegation = Delegation {
        id: call.fresh_id(),
        stake_id: stake.id,
        shares,
        epoch: call.epoch(),
        earns: false,
        per_share: 0,
        owed: 0,
    };
    call.emit(&Delegated {
        delegation_id: delegation.id,
        stake_id: delegation.stake_id,
        delegator: call.sender(),
        amount: coin.balance,
        shares,
        epoch: delegation.epoch,
    });
    call.set(0, &pool)?;
    call.set(1, &rewards)?;
    call.set(2, &stake)?;
    Ok(vec![encode(&delegation)])
}

fn undelegate(call: &mut Call<'_>) -> Returns {
    let mut pool: StakingPool = call.get(0)?;
    let mut rewards: Rewards = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let mut delegation: Delegation = call.get(3)?;
    let amount: u64 = call.get(4)?;
    let now = call.get::<Clock>(5)?.timestamp_ms;
    let right = delegation.stake_id == stake.id;
    call.assert(right, code::WRONG_STAKE)?;
    before(call, &mut rewards, &stake, now)?;
    settle(call, &mut delegation, &rewards)?;
    let shares = shares::of(&stake.delegated, amount, delegation.shares)?;
    call.assert(amount > 0 && shares > 0, code::ZERO_AMOUNT)?;
    let left = delegation.shares.checked_sub(shares);
    let left = left.ok_or(Failure::Arithmetic)?;
    call.assert(left == 0 || left >= LEAST_SHARES, code::DUST)?;
    let fresh = delegation.epoch == call.epoch();
    let (taken, queued) = delegate_out(call, &mut pool, &mut stake, shares, fresh)?;
    delegation.shares = left;
    after(call, &mut rewards, &stake, now)?;
    call.emit(&Undelegated {
        delegation_id: delegation.id,
        stake_id: delegation.stake_id,
        amount: taken,
        shares,
    });
    publish(call, &delegation);
    let unbonding = unbonding::begin(call, &pool, &stake, queued, now)?;
    call.set(0, &pool)?;
    call.set(1, &rewards)?;
    call.set(2, &stake)?;
    call.set(3, &delegation)?;
    Ok(vec![encode(&unbonding)])
}

fn claim(call: &mut Call<'_>) -> Returns {
    let mut rewards: Rewards = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let mut delegation: Delegation = call.get(2)?;
    let now = call.get::<Clock>(3)?.timestamp_ms;
    let right = delegation.stake_id == stake.id;
    call.assert(right, code::WRONG_STAKE)?;
    before(call, &mut rewards, &stake, now)?;
    settle(call, &mut delegation, &rewards)?;
    after(call, &mut rewards, &stake, now)?;
    let amount = delegation.owed;
    call.assert(amount > 0, code::NOTHING_OWED)?;
    delegation.owed = 0;
    call.emit(&DelegationClaimed {
        delegation_id: delegation.id,
        stake_id: delegation.stake_id,
        amount,
    });
    publish(call, &delegation);
    pay_out(call, &mut rewards, amount)?;
    let coin = Coin {
        id: call.fresh_id(),
        balance: amount,
    };
    call.set(0, &rewards)?;
    call.set(2, &delegation)?;
    Ok(vec![encode(&coin)])
}

fn close(call: &mut Call<'_>) -> Returns {
    let delegation: Delegation = call.get(0)?;
    let empty = delegation.shares == 0 && delegation.owed == 0;
    call.assert(empty, code::NOT_EMPTY)?;
    call.emit(&DelegationClosed {
        delegation_id: delegation.id,
    });
    call.delete(delegation.id);
    Ok(vec![])
}

fn set_commission(call: &mut Call<'_>) -> Returns {
    let pool: StakingPool = call.get(0)?;
    let mut rewards: Rewards = call.get(1)?;
    let mut stake: Stake = call.get(2)?;
    let commission: u64 = call.get(3)?;
    let now = call.get::<Clock>(4)?.timestamp_ms;
    before(call, &mut rewards, &stake, now)?;
    staking::set_commission(call, &pool, &mut stake, commission, now)?;
    after(call, &mut rewards, &stake, now)?;
    call.set(1, &rewards)?;
    call.set(2, &stake)?;
    Ok(vec![])
}

fn stake_id(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Delegation>(0)?.stake_id)])
}

fn owed(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Delegation>(0)?.owed)])
}

fn worth(call: &mut Call<'_>) -> Returns {
    let delegation: Delegation = call.get(0)?;
    let stake: Stake = call.get(1)?;
    let right = delegation.stake_id == stake.id;
    call.assert(right, code::WRONG_STAKE)?;
    let worth = shares::worth(&stake.delegated, delegation.shares)?;
    Ok(vec![encode(&worth)])
}

/// Takes in what its shares have earned. The stake is settled.
fn settle(call: &Call<'_>, delegation: &mut Delegation, rewards: &Rewards) -> Result<(), Failure> {
    let stake = delegation.stake_id;
    if !delegation.earns {
        let Some(start) = start(call, rewards, stake, delegation.epoch)? else {
            return Ok(());
        };
        delegation.earns = true;
        delegation.per_share = start;
    }
    let per_share = per_share(call, rewards, stake)?;
    let gained = per_share.checked_sub(delegation.per_share);
    let gained = gained.ok_or(Failure::Arithmetic)?;
    delegation.owed = add(delegation.owed, earned_by(delegation.shares, gained)?)?;
    delegation.per_share = per_share;
    Ok(())
}

fn publish(call: &mut Call<'_>, delegation: &Delegation) {
    call.emit(&DelegationSettled {
        delegation_id: delegation.id,
        stake_id: delegation.stake_id,
        shares: delegation.shares,
        earns: delegation.earns,
        per_share: delegation.per_share,
        owed: delegation.owed,
    });
}
