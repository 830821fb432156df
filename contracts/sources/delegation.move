// SPDX-License-Identifier: Apache-2.0

/// Delegation: others' stake behind a node's.
///
/// A delegation is shares of what is delegated to one stake. It earns by share from the end of the epoch
/// in which it was made, less the owner's commission; it is slashed with the stake in proportion; it
/// leaves through the stake's queue. Whoever holds the object has all rights to it.
module k3s_daas::delegation;

use k3s_daas::rewards::{Self, Rewards};
use k3s_daas::staking::{Stake, StakingPool};
use k3s_daas::unbonding::{Self, Unbonding};
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::event;
use sui::sui::SUI;

// === Abort codes ===

/// The delegation is to another stake.
const EWrongStake: u64 = 1;
/// The stake does not earn: it is not enrolled.
const ENotEnrolled: u64 = 2;
/// An amount of zero, or of nothing that is left.
const EZeroAmount: u64 = 3;
/// Too little would remain: take all.
const EDust: u64 = 4;
/// There is nothing to claim.
const ENothingOwed: u64 = 5;
/// There is something in it.
const ENotEmpty: u64 = 6;

/// The least that remains of a delegation.
const LEAST_SHARES: u128 = 100_000_000;

// === Objects ===

public struct Delegation has key, store {
    id: UID,
    stake_id: ID,
    shares: u128,
    /// In which it was made.
    epoch: u64,
    /// Whether it earns already, and up to where it is settled.
    earns: bool,
    per_share: u128,
    /// Settled and not yet claimed.
    owed: u64,
}

// === Events ===

public struct Delegated has copy, drop {
    delegation_id: ID,
    stake_id: ID,
    delegator: address,
    amount: u64,
    shares: u128,
    epoch: u64,
}

/// A delegation after a touch.
public struct DelegationSettled has copy, drop {
    delegation_id: ID,
    stake_id: ID,
    shares: u128,
    earns: bool,
    per_share: u128,
    owed: u64,
}

public struct Undelegated has copy, drop {
    delegation_id: ID,
    stake_id: ID,
    amount: u64,
    shares: u128,
}

public struct DelegationClaimed has copy, drop {
    delegation_id: ID,
    stake_id: ID,
    amount: u64,
}

public struct DelegationClosed has copy, drop {
    delegation_id: ID,
}

// === For delegators ===

/// Delegates a coin to an enrolled stake in good standing.
public fun delegate(
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    coin: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
): Delegation {
    rewards.before(stake, clock, ctx);
    assert!(rewards.is_enrolled(object::id(stake)), ENotEnrolled);
    let amount = coin.value();
    let shares = pool.delegate_in(stake, coin.into_balance(), ctx);
    rewards.after(stake, clock, ctx);
    let delegation = Delegation {
        id: object::new(ctx),
        stake_id: object::id(stake),
        shares,
        epoch: ctx.epoch(),
        earns: false,
        per_share: 0,
        owed: 0,
    };
    event::emit(Delegated {
        delegation_id: object::id(&delegation),
        stake_id: delegation.stake_id,
        delegator: ctx.sender(),
        amount,
        shares,
        epoch: delegation.epoch,
    });
    delegation
}

/// Takes an amount out of a delegation, or all if there is no more, through the stake's queue. What it
/// has earned stays claimable.
public fun undelegate(
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    delegation: &mut Delegation,
    amount: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): Unbonding {
    assert!(delegation.stake_id == object::id(stake), EWrongStake);
    rewards.before(stake, clock, ctx);
    delegation.settle(rewards);
    let shares = stake.delegated_shares(amount, delegation.shares);
    assert!(amount > 0 && shares > 0, EZeroAmount);
    let left = delegation.shares - shares;
    assert!(left == 0 || left >= LEAST_SHARES, EDust);
    let fresh = delegation.epoch == ctx.epoch();
    let (taken, queued) = pool.delegate_out(stake, shares, fresh);
    delegation.shares = left;
    rewards.after(stake, clock, ctx);
    event::emit(Undelegated {
        delegation_id: object::id(delegation),
        stake_id: delegation.stake_id,
        amount: taken,
        shares,
    });
    delegation.publish();
    unbonding::begin(pool, stake, queued, clock, ctx)
}

/// Pays out what a delegation has earned.
public fun claim(
    rewards: &mut Rewards,
    stake: &Stake,
    delegation: &mut Delegation,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    assert!(delegation.stake_id == object::id(stake), EWrongStake);
    rewards.before(stake, clock, ctx);
    delegation.settle(rewards);
    rewards.after(stake, clock, ctx);
    let amount = delegation.owed;
    assert!(amount > 0, ENothingOwed);
    delegation.owed = 0;
    event::emit(DelegationClaimed {
        delegation_id: object::id(delegation),
        stake_id: delegation.stake_id,
        amount,
    });
    delegation.publish();
    coin::from_balance(rewards.pay(amount), ctx)
}

/// Does away with a delegation that is empty and has nothing to claim.
public fun close(delegation: Delegation) {
    let Delegation { id, shares, owed, .. } = delegation;
    assert!(shares == 0 && owed == 0, ENotEmpty);
    event::emit(DelegationClosed { delegation_id: id.to_inner() });
    id.delete();
}

// === For stakers ===

/// Changes what the owner of a stake takes of its delegators' rewards, in basis points: freely while
/// there are none, otherwise once a day and upwards by a step. What was earned before is divided as
/// before.
public fun set_commission(
    pool: &StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    commission: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    rewards.before(stake, clock, ctx);
    pool.set_commission(stake, commission, clock, ctx);
    rewards.after(stake, clock, ctx);
}

// === Views ===

public fun stake_id(delegation: &Delegation): ID { delegation.stake_id }

public fun owed(delegation: &Delegation): u64 { delegation.owed }

/// MIST that it is worth now.
public fun worth(delegation: &Delegation, stake: &Stake): u64 {
    assert!(delegation.stake_id == object::id(stake), EWrongStake);
    stake.delegated_worth(delegation.shares)
}

// === Inside ===

/// Takes in what its shares have earned. The stake is settled.
fun settle(delegation: &mut Delegation, rewards: &Rewards) {
    if (!delegation.earns) {
        let start = rewards.start(delegation.stake_id, delegation.epoch);
        if (start.is_none()) return;
        delegation.earns = true;
        delegation.per_share = start.destroy_some();
    };
    let per_share = rewards.per_share(delegation.stake_id);
    let earned = rewards::earned_by(delegation.shares, per_share - delegation.per_share);
    delegation.owed = delegation.owed + earned;
    delegation.per_share = per_share;
}

fun publish(delegation: &Delegation) {
    event::emit(DelegationSettled {
        delegation_id: object::id(delegation),
        stake_id: delegation.stake_id,
        shares: delegation.shares,
        earns: delegation.earns,
        per_share: delegation.per_share,
        owed: delegation.owed,
    });
}
