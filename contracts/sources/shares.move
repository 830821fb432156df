// SPDX-License-Identifier: Apache-2.0

/// MIST that several own together, in shares.
///
/// What is lost is lost by all in proportion, in one step. A thousand virtual shares on one virtual
/// MIST stand beside the real ones, so that whoever comes first can't make a share so dear that the
/// next one's deposit rounds to nothing. All rounding is in favour of those who stay.
module k3s_daas::shares;

use sui::balance::{Self, Balance};
use sui::sui::SUI;

// === Abort codes ===

/// Losses have left next to nothing behind a share.
const EWorthless: u64 = 1;
/// There are not so many shares.
const ETooMany: u64 = 2;

const VIRTUAL: u128 = 1_000;
/// How much less than at first a share may be worth for a deposit.
const GREATEST_FALL: u128 = 1_000_000;

public struct Shared has store {
    balance: Balance<SUI>,
    shares: u128,
    /// How often all shares were void.
    generation: u64,
}

public(package) fun empty(): Shared {
    Shared { balance: balance::zero(), shares: 0, generation: 0 }
}

/// Adds to what is owned; the shares for it.
public(package) fun put(pool: &mut Shared, balance: Balance<SUI>): u128 {
    assert!(!pool.is_worthless(), EWorthless);
    let held = (pool.balance.value() as u128) + 1;
    let all = pool.shares + VIRTUAL;
    let shares = scale(balance.value() as u128, all, held);
    pool.balance.join(balance);
    pool.shares = pool.shares + shares;
    shares
}

/// As `put`, voiding shares that are worth next to nothing.
public(package) fun put_anew(pool: &mut Shared, balance: Balance<SUI>): u128 {
    if (pool.is_worthless()) {
        pool.generation = pool.generation + 1;
        pool.shares = 0;
    };
    pool.put(balance)
}

/// Takes out what some shares are worth.
public(package) fun take(pool: &mut Shared, shares: u128): Balance<SUI> {
    assert!(shares <= pool.shares, ETooMany);
    let amount = pool.worth(shares);
    pool.shares = pool.shares - shares;
    pool.balance.split(amount)
}

/// Takes from all.
public(package) fun lose(pool: &mut Shared, amount: u64): Balance<SUI> {
    pool.balance.split(amount)
}

/// MIST that some shares are worth.
public(package) fun worth(pool: &Shared, shares: u128): u64 {
    let held = pool.balance.value();
    let amount = scale(shares, (held as u128) + 1, pool.shares + VIRTUAL) as u64;
    amount.min(held)
}

/// The least shares that are worth an amount, at most `all`.
public(package) fun of(pool: &Shared, amount: u64, all: u128): u128 {
    if (amount >= pool.worth(all)) return all;
    let held = (pool.balance.value() as u128) + 1;
    (scale(amount as u128, pool.shares + VIRTUAL, held) + 1).min(all)
}

public(package) fun value(pool: &Shared): u64 { pool.balance.value() }

public(package) fun shares(pool: &Shared): u128 { pool.shares }

public(package) fun generation(pool: &Shared): u64 { pool.generation }

fun is_worthless(pool: &Shared): bool {
    let held = (pool.balance.value() as u128) + 1;
    pool.shares + VIRTUAL > held * VIRTUAL * GREATEST_FALL
}

/// a * b / c, rounded down.
fun scale(a: u128, b: u128, c: u128): u128 {
    ((a as u256) * (b as u256) / (c as u256)) as u128
}
