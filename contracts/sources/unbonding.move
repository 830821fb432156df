// SPDX-License-Identifier: Apache-2.0

/// What leads stake out of a node: the whole of it, or parts through its queue.
///
/// The queue is owned in shares, the owner's parts and the delegators' alike: all of it waits for the
/// unbonding period, which is longer than evidence may be old and a case may take, all of it is slashed
/// in proportion meanwhile, and nothing leaves while a case is pending. Rewards are settled first.
module k3s_daas::unbonding;

use k3s_daas::rewards::Rewards;
use k3s_daas::staking::{Stake, StakingPool};
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::event;
use sui::sui::SUI;

// === Abort codes ===

/// The stake is not the one whose queue this is part of.
const EWrongStake: u64 = 1;

// === Objects ===

/// A part of a stake's queue. Whoever holds it takes it out.
public struct Unbonding has key, store {
    id: UID,
    stake_id: ID,
    /// Of the queue, in this generation of them.
    shares: u128,
    generation: u64,
    withdrawable_at_ms: u64,
}

// === Events ===

public struct UnbondingBegun has copy, drop {
    unbonding_id: ID,
    stake_id: ID,
    owner: address,
    shares: u128,
    generation: u64,
    withdrawable_at_ms: u64,
}

public struct UnbondingRedeemed has copy, drop {
    unbonding_id: ID,
    stake_id: ID,
    amount: u64,
}

// === For stakers ===

/// Asks an active stake of the sender back. From now on it does not count; it can be slashed until
/// it is withdrawn.
public fun request_unstake(
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &TxContext,
) {
    rewards.before(stake, clock, ctx);
    pool.begin_exit(stake, clock, ctx);
    rewards.after(stake, clock, ctx);
}

/// Asks a part of an active stake of the sender back. What remains has to be the tier's minimum.
public fun unstake(
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    amount: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): Unbonding {
    rewards.before(stake, clock, ctx);
    let shares = pool.split_off(stake, amount, clock, ctx);
    rewards.after(stake, clock, ctx);
    begin(pool, stake, shares, clock, ctx)
}

/// Takes out what is left of a stake of the sender whose unbonding period is over and against which no
/// case is pending.
public fun withdraw(
    pool: &mut StakingPool,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    let balance = pool.finish_exit(stake, clock, ctx);
    coin::from_balance(balance, ctx)
}

/// Takes out what is left of a part whose unbonding period is over, while no case is pending against its
/// stake.
public fun redeem(
    pool: &mut StakingPool,
    stake: &mut Stake,
    unbonding: Unbonding,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    let Unbonding { id, stake_id, shares, generation, withdrawable_at_ms } = unbonding;
    assert!(stake_id == object::id(stake), EWrongStake);
    let balance = pool.leave_queue(stake, shares, generation, withdrawable_at_ms, clock);
    event::emit(UnbondingRedeemed {
        unbonding_id: id.to_inner(),
        stake_id,
        amount: balance.value(),
    });
    id.delete();
    coin::from_balance(balance, ctx)
}

public fun stake_id(unbonding: &Unbonding): ID { unbonding.stake_id }

public fun withdrawable_at_ms(unbonding: &Unbonding): u64 { unbonding.withdrawable_at_ms }

/// MIST that it would give now.
public fun worth(unbonding: &Unbonding, stake: &Stake): u64 {
    assert!(unbonding.stake_id == object::id(stake), EWrongStake);
    stake.queue_worth(unbonding.shares, unbonding.generation)
}

// === Inside ===

/// A part of the queue, for whoever sends the transaction.
public(package) fun begin(
    pool: &StakingPool,
    stake: &Stake,
    shares: u128,
    clock: &Clock,
    ctx: &mut TxContext,
): Unbonding {
    let unbonding = Unbonding {
        id: object::new(ctx),
        stake_id: object::id(stake),
        shares,
        generation: stake.queue_generation(),
        withdrawable_at_ms: clock.timestamp_ms() + pool.unbonding_ms(),
    };
    event::emit(UnbondingBegun {
        unbonding_id: object::id(&unbonding),
        stake_id: unbonding.stake_id,
        owner: ctx.sender(),
        shares,
        generation: unbonding.generation,
        withdrawable_at_ms: unbonding.withdrawable_at_ms,
    });
    unbonding
}
