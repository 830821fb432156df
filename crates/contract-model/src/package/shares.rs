//! The module `shares`, which only other modules use, statement by statement as in `shares.move`.

use crate::abort::shares as code;
use crate::execute::call::{Call, Failure, add, sub};
use crate::layout::staking::Shared;

const VIRTUAL: u128 = 1_000;
const GREATEST_FALL: u128 = 1_000_000;

pub(super) fn put(call: &Call<'_>, pool: &mut Shared, amount: u64) -> Result<u128, Failure> {
    if is_worthless(pool)? {
        return Err(call.abort_in("shares", code::WORTHLESS));
    }
    let (all, held) = (all(pool)?, held(pool));
    let shares = scale(u128::from(amount), all, held)?;
    pool.balance = add(pool.balance, amount)?;
    pool.shares = pool.shares.checked_add(shares).ok_or(Failure::Arithmetic)?;
    Ok(shares)
}

pub(super) fn put_anew(call: &Call<'_>, pool: &mut Shared, amount: u64) -> Result<u128, Failure> {
    if is_worthless(pool)? {
        pool.generation = add(pool.generation, 1)?;
        pool.shares = 0;
    }
    put(call, pool, amount)
}

/// What was taken.
pub(super) fn take(call: &Call<'_>, pool: &mut Shared, shares: u128) -> Result<u64, Failure> {
    if shares > pool.shares {
        return Err(call.abort_in("shares", code::TOO_MANY));
    }
    let amount = worth(pool, shares)?;
    pool.shares -= shares;
    pool.balance = sub(pool.balance, amount)?;
    Ok(amount)
}

pub(super) fn worth(pool: &Shared, shares: u128) -> Result<u64, Failure> {
    let amount = scale(shares, held(pool), all(pool)?)?;
    let amount = u64::try_from(amount).map_err(|_| Failure::Arithmetic)?;
    Ok(amount.min(pool.balance))
}

/// The least shares that are worth an amount, at most `most`.
pub(super) fn of(pool: &Shared, amount: u64, most: u128) -> Result<u128, Failure> {
    if amount >= worth(pool, most)? {
        return Ok(most);
    }
    let shares = scale(u128::from(amount), all(pool)?, held(pool))?;
    let shares = shares.checked_add(1).ok_or(Failure::Arithmetic)?;
    Ok(shares.min(most))
}

fn is_worthless(pool: &Shared) -> Result<bool, Failure> {
    let least = held(pool) * VIRTUAL * GREATEST_FALL;
    Ok(all(pool)? > least)
}

fn held(pool: &Shared) -> u128 {
    u128::from(pool.balance) + 1
}

fn all(pool: &Shared) -> Result<u128, Failure> {
    pool.shares.checked_add(VIRTUAL).ok_or(Failure::Arithmetic)
}

/// a * b / c, rounded down, the product having 256 bits. `c` is not zero.
fn scale(a: u128, b: u128, c: u128) -> Result<u128, Failure> {
    const HALF: u128 = u64::MAX as u128;
    if let Some(product) = a.checked_mul(b) {
        return product.checked_div(c).ok_or(Failure::Arithmetic);
    }
    let ((a1, a0), (b1, b0)) = ((a >> 64, a & HALF), (b >> 64, b & HALF));
    let (low, mid, cross) = (a0 * b0, a1 * b0, a0 * b1);
    let carried = (low >> 64) + (mid & HALF) + (cross & HALF);
    let mut high = a1 * b1 + (mid >> 64) + (cross >> 64) + (carried >> 64);
    let mut rest = (carried << 64) | (low & HALF);
    if high >= c {
        return Err(Failure::Arithmetic);
    }
    // Long division, bit by bit: `high` is the remainder, `rest` becomes the quotient.
    for _ in 0..128 {
        let overflows = high >> 127 == 1;
        high = (high << 1) | (rest >> 127);
        rest <<= 1;
        if overflows || high >= c {
            high = high.wrapping_sub(c);
            rest |= 1;
        }
    }
    Ok(rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn products_wider_than_128_bits_are_divided_exactly() {
        assert_eq!(scale(u128::MAX, 7, 7), Ok(u128::MAX));
        assert_eq!(scale(u128::MAX, u128::MAX, u128::MAX), Ok(u128::MAX));
        assert_eq!(scale(1 << 100, 1 << 60, 3), Err(Failure::Arithmetic));
        assert_eq!(scale(1 << 100, 1 << 60, 1 << 50), Ok(1 << 110));
        let third = 113_427_455_640_312_821_154_458_202_477_256_070_485;
        assert_eq!(scale(1 << 100, 1 << 60, 3 << 32), Ok(third));
    }
}
