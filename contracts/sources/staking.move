// SPDX-License-Identifier: Apache-2.0

/// Stakes in three tiers: node (workers), user and admin (of clusters).
///
/// A stake is a shared object of its own, so that everybody concerned reads it alone: its owner, a
/// control plane, whoever slashes it. It goes from active to unbonding to withdrawn, or is slashed
/// out from either of the first two. What is slashed goes to the pool's treasury; no MIST is made or
/// lost.
module k3s_daas::staking;

use std::string::String;
use sui::balance::{Self, Balance};
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::event;
use sui::sui::SUI;

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// No such tier.
const EUnknownTier: u64 = 1;
/// The amount is below the tier's minimum.
const EBelowMinimum: u64 = 2;
/// The sender does not own the stake.
const ENotOwner: u64 = 3;
/// The stake is not active.
const ENotActive: u64 = 4;
/// The stake is still locked up.
const EStillLocked: u64 = 5;
/// The stake is not unbonding.
const ENotUnbonding: u64 = 6;
/// The unbonding period is not over.
const EStillUnbonding: u64 = 7;
/// The stake is withdrawn or slashed out: nothing to slash.
const ENotSlashable: u64 = 8;
/// An amount of zero.
const EZeroAmount: u64 = 9;
/// The treasury holds less.
const ETreasuryTooSmall: u64 = 10;
/// A parameter is out of its bounds.
const EOutOfBounds: u64 = 11;
/// A text is longer than allowed.
const ETextTooLong: u64 = 12;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 13;
/// Governance has stopped new stake.
const EPaused: u64 = 14;

// === Tiers and statuses ===

const TIER_NODE: u8 = 0;
const TIER_USER: u8 = 1;
const TIER_ADMIN: u8 = 2;
const TIERS: u8 = 3;

const STATUS_ACTIVE: u8 = 0;
const STATUS_UNBONDING: u8 = 1;
const STATUS_WITHDRAWN: u8 = 2;
const STATUS_SLASHED_OUT: u8 = 3;

// === Parameters and their bounds ===

const MIST_PER_SUI: u64 = 1_000_000_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

const LEAST_MINIMUM: u64 = 1_000_000; // 0.001 SUI
const GREATEST_MINIMUM: u64 = 1_000_000 * MIST_PER_SUI;
const LONGEST_LOCKUP_MS: u64 = 365 * DAY_MS;
const SHORTEST_UNBONDING_MS: u64 = MINUTE_MS;
const LONGEST_UNBONDING_MS: u64 = 90 * DAY_MS;
const LONGEST_REASON: u64 = 256;

// === Objects ===

/// Governs the pool's parameters and treasury, and the gateway.
public struct AdminCap has key, store {
    id: UID,
}

/// May slash.
public struct SlashCap has key, store {
    id: UID,
}

/// A tier's parameters.
public struct TierParams has copy, drop, store {
    /// The least stake that counts, in MIST.
    minimum: u64,
    /// How long a stake can't be asked back, in milliseconds from staking.
    lockup_ms: u64,
}

/// The one pool: parameters, totals and the treasury. Shared.
public struct StakingPool has key {
    id: UID,
    version: u64,
    /// By tier number.
    tiers: vector<TierParams>,
    /// From the request to the withdrawal, in milliseconds.
    unbonding_ms: u64,
    /// MIST in active stakes.
    total_active: u64,
    /// MIST in unbonding stakes.
    total_unbonding: u64,
    /// MIST slashed so far.
    total_slashed: u64,
    /// How many stakes were ever made.
    stakes_created: u64,
    /// Slashed MIST not yet taken out by governance.
    treasury: Balance<SUI>,
    /// Whether new stake and new tokens are stopped.
    paused: bool,
}

/// One stake. Shared.
public struct Stake has key {
    id: UID,
    /// Who staked and who alone can withdraw.
    owner: address,
    tier: u8,
    status: u8,
    balance: Balance<SUI>,
    /// MIST slashed from it so far.
    slashed: u64,
    staked_at_ms: u64,
    /// Before this it can't be asked back.
    locked_until_ms: u64,
    /// While unbonding: when it can be withdrawn; otherwise 0.
    withdrawable_at_ms: u64,
}

// === Events ===

public struct PoolCreated has copy, drop {
    pool_id: ID,
    tiers: vector<TierParams>,
    unbonding_ms: u64,
}

public struct TierChanged has copy, drop {
    pool_id: ID,
    tier: u8,
    minimum: u64,
    lockup_ms: u64,
}

public struct UnbondingChanged has copy, drop {
    pool_id: ID,
    unbonding_ms: u64,
}

public struct Staked has copy, drop {
    stake_id: ID,
    owner: address,
    tier: u8,
    amount: u64,
    staked_at_ms: u64,
    locked_until_ms: u64,
}

public struct ToppedUp has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
    balance: u64,
}

public struct UnstakeRequested has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
    withdrawable_at_ms: u64,
}

public struct Withdrawn has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
}

public struct Slashed has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
    remaining: u64,
    status: u8,
    reason: String,
    at_ms: u64,
}

public struct TreasuryWithdrawn has copy, drop {
    pool_id: ID,
    amount: u64,
    remaining: u64,
}

public struct TreasuryFunded has copy, drop {
    pool_id: ID,
    amount: u64,
    balance: u64,
}

public struct PauseChanged has copy, drop {
    pool_id: ID,
    paused: bool,
}

public struct PoolMigrated has copy, drop {
    pool_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    transfer::transfer(AdminCap { id: object::new(ctx) }, ctx.sender());
    transfer::transfer(SlashCap { id: object::new(ctx) }, ctx.sender());
    let pool = StakingPool {
        id: object::new(ctx),
        version: VERSION,
        tiers: vector[
            TierParams { minimum: MIST_PER_SUI, lockup_ms: DAY_MS },
            TierParams { minimum: MIST_PER_SUI / 10, lockup_ms: DAY_MS },
            TierParams { minimum: 10 * MIST_PER_SUI, lockup_ms: 7 * DAY_MS },
        ],
        unbonding_ms: 14 * DAY_MS,
        total_active: 0,
        total_unbonding: 0,
        total_slashed: 0,
        stakes_created: 0,
        treasury: balance::zero(),
        paused: false,
    };
    event::emit(PoolCreated {
        pool_id: object::id(&pool),
        tiers: pool.tiers,
        unbonding_ms: pool.unbonding_ms,
    });
    transfer::share_object(pool);
}

// === For stakers ===

/// Stakes the whole coin. The result must be shared in the same transaction.
public fun stake(
    pool: &mut StakingPool,
    coin: Coin<SUI>,
    tier: u8,
    clock: &Clock,
    ctx: &mut TxContext,
): Stake {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(!pool.paused, EPaused);
    assert!(tier < TIERS, EUnknownTier);
    let params = pool.tiers[tier as u64];
    let amount = coin.value();
    assert!(amount >= params.minimum, EBelowMinimum);
    let now = clock.timestamp_ms();
    let stake = Stake {
        id: object::new(ctx),
        owner: ctx.sender(),
        tier,
        status: STATUS_ACTIVE,
        balance: coin.into_balance(),
        slashed: 0,
        staked_at_ms: now,
        locked_until_ms: now + params.lockup_ms,
        withdrawable_at_ms: 0,
    };
    pool.total_active = pool.total_active + amount;
    pool.stakes_created = pool.stakes_created + 1;
    event::emit(Staked {
        stake_id: object::id(&stake),
        owner: stake.owner,
        tier,
        amount,
        staked_at_ms: now,
        locked_until_ms: stake.locked_until_ms,
    });
    stake
}

/// Shares a new stake.
#[allow(lint(share_owned))]
public fun share(stake: Stake) {
    transfer::share_object(stake);
}

/// Adds a coin to an active stake of the sender. The lock-up stays as it is.
public fun top_up(pool: &mut StakingPool, stake: &mut Stake, coin: Coin<SUI>, ctx: &TxContext) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(!pool.paused, EPaused);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_ACTIVE, ENotActive);
    let amount = coin.value();
    assert!(amount > 0, EZeroAmount);
    stake.balance.join(coin.into_balance());
    pool.total_active = pool.total_active + amount;
    event::emit(ToppedUp {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount,
        balance: stake.balance.value(),
    });
}

/// Asks an active stake of the sender back. From now on it does not count; it can be slashed until
/// it is withdrawn.
public fun request_unstake(
    pool: &mut StakingPool,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_ACTIVE, ENotActive);
    let now = clock.timestamp_ms();
    assert!(now >= stake.locked_until_ms, EStillLocked);
    let amount = stake.balance.value();
    stake.status = STATUS_UNBONDING;
    stake.withdrawable_at_ms = now + pool.unbonding_ms;
    pool.total_active = pool.total_active - amount;
    pool.total_unbonding = pool.total_unbonding + amount;
    event::emit(UnstakeRequested {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount,
        withdrawable_at_ms: stake.withdrawable_at_ms,
    });
}

/// Takes out what is left of a stake of the sender whose unbonding period is over.
public fun withdraw(
    pool: &mut StakingPool,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_UNBONDING, ENotUnbonding);
    assert!(clock.timestamp_ms() >= stake.withdrawable_at_ms, EStillUnbonding);
    let amount = stake.balance.value();
    stake.status = STATUS_WITHDRAWN;
    stake.withdrawable_at_ms = 0;
    pool.total_unbonding = pool.total_unbonding - amount;
    event::emit(Withdrawn { stake_id: object::id(stake), owner: stake.owner, amount });
    coin::from_balance(stake.balance.withdraw_all(), ctx)
}

// === Slashing ===

/// Takes `amount` MIST, or all that there is, from an active or unbonding stake into the treasury.
public fun slash(
    _: &SlashCap,
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    reason: String,
    clock: &Clock,
) {
    pool.take_from(stake, amount, reason, clock);
}

/// As `slash`, for the modules that have a right to it; what was taken.
public(package) fun take_from(
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    reason: String,
    clock: &Clock,
): u64 {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(amount > 0, EZeroAmount);
    assert!(reason.length() <= LONGEST_REASON, ETextTooLong);
    assert!(stake.is_slashable(), ENotSlashable);
    let held = stake.balance.value();
    let taken = amount.min(held);
    if (stake.status == STATUS_ACTIVE) {
        pool.total_active = pool.total_active - taken;
    } else {
        pool.total_unbonding = pool.total_unbonding - taken;
    };
    pool.total_slashed = pool.total_slashed + taken;
    pool.treasury.join(stake.balance.split(taken));
    stake.slashed = stake.slashed + taken;
    if (taken == held) {
        stake.status = STATUS_SLASHED_OUT;
        stake.withdrawable_at_ms = 0;
    };
    event::emit(Slashed {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount: taken,
        remaining: held - taken,
        status: stake.status,
        reason,
        at_ms: clock.timestamp_ms(),
    });
    taken
}

/// Pays a reward out of the treasury.
public(package) fun pay(pool: &mut StakingPool, amount: u64): Balance<SUI> {
    assert!(pool.version == VERSION, EWrongVersion);
    event::emit(TreasuryWithdrawn {
        pool_id: object::id(pool),
        amount,
        remaining: pool.treasury.value() - amount,
    });
    pool.treasury.split(amount)
}

/// Adds to the treasury.
public(package) fun fund(pool: &mut StakingPool, balance: Balance<SUI>) {
    assert!(pool.version == VERSION, EWrongVersion);
    let amount = balance.value();
    pool.treasury.join(balance);
    event::emit(TreasuryFunded {
        pool_id: object::id(pool),
        amount,
        balance: pool.treasury.value(),
    });
}

// === Governance ===

/// Changes a tier's parameters. Locks already in force stay; the minimum holds for every stake.
public(package) fun set_tier(
    pool: &mut StakingPool,
    tier: u8,
    minimum: u64,
    lockup_ms: u64,
) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(tier < TIERS, EUnknownTier);
    assert!(minimum >= LEAST_MINIMUM && minimum <= GREATEST_MINIMUM, EOutOfBounds);
    assert!(lockup_ms <= LONGEST_LOCKUP_MS, EOutOfBounds);
    *&mut pool.tiers[tier as u64] = TierParams { minimum, lockup_ms };
    event::emit(TierChanged { pool_id: object::id(pool), tier, minimum, lockup_ms });
}

/// Changes the unbonding period of requests to come.
public(package) fun set_unbonding(pool: &mut StakingPool, unbonding_ms: u64) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(
        unbonding_ms >= SHORTEST_UNBONDING_MS && unbonding_ms <= LONGEST_UNBONDING_MS,
        EOutOfBounds,
    );
    pool.unbonding_ms = unbonding_ms;
    event::emit(UnbondingChanged { pool_id: object::id(pool), unbonding_ms });
}

/// Stops new stake and new tokens, or allows them again.
public(package) fun set_paused(pool: &mut StakingPool, paused: bool) {
    assert!(pool.version == VERSION, EWrongVersion);
    pool.paused = paused;
    event::emit(PauseChanged { pool_id: object::id(pool), paused });
}

/// Takes slashed MIST out of the treasury.
public fun withdraw_treasury(
    _: &AdminCap,
    pool: &mut StakingPool,
    amount: u64,
    ctx: &mut TxContext,
): Coin<SUI> {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(amount > 0, EZeroAmount);
    assert!(amount <= pool.treasury.value(), ETreasuryTooSmall);
    event::emit(TreasuryWithdrawn {
        pool_id: object::id(pool),
        amount,
        remaining: pool.treasury.value() - amount,
    });
    coin::take(&mut pool.treasury, amount, ctx)
}

/// Hands the pool to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, pool: &mut StakingPool) {
    assert!(pool.version < VERSION, ENotAnUpgrade);
    pool.version = VERSION;
    event::emit(PoolMigrated { pool_id: object::id(pool), version: VERSION });
}

// === Views ===

/// Whether the stake is of the tier, active, and holds the tier's minimum or more.
public fun has_sufficient_stake(pool: &StakingPool, stake: &Stake, tier: u8): bool {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(tier < TIERS, EUnknownTier);
    stake.tier == tier &&
    stake.status == STATUS_ACTIVE &&
    stake.balance.value() >= pool.tiers[tier as u64].minimum
}

/// The least stake of the tier that counts, in MIST.
public fun minimum(pool: &StakingPool, tier: u8): u64 {
    assert!(tier < TIERS, EUnknownTier);
    pool.tiers[tier as u64].minimum
}

/// Whether the stake counts, its amount apart.
public fun is_active(stake: &Stake): bool { stake.status == STATUS_ACTIVE }

/// Whether there is anything to slash.
public fun is_slashable(stake: &Stake): bool {
    stake.status == STATUS_ACTIVE || stake.status == STATUS_UNBONDING
}

public fun owner(stake: &Stake): address { stake.owner }

public fun tier(stake: &Stake): u8 { stake.tier }

public fun status(stake: &Stake): u8 { stake.status }

public fun amount(stake: &Stake): u64 { stake.balance.value() }

public fun locked_until_ms(stake: &Stake): u64 { stake.locked_until_ms }

public fun withdrawable_at_ms(stake: &Stake): u64 { stake.withdrawable_at_ms }

public fun treasury(pool: &StakingPool): u64 { pool.treasury.value() }

public fun is_paused(pool: &StakingPool): bool { pool.paused }

public fun unbonding_ms(pool: &StakingPool): u64 { pool.unbonding_ms }

public fun tier_node(): u8 { TIER_NODE }

public fun tier_user(): u8 { TIER_USER }

public fun tier_admin(): u8 { TIER_ADMIN }

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(pool: &mut StakingPool, version: u64) {
    pool.version = version;
}
