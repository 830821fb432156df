// SPDX-License-Identifier: Apache-2.0

/// Stakes in three tiers: node (workers), user and admin (of clusters).
///
/// A stake is a shared object of its own, so that everybody concerned reads it alone: its owner, a
/// control plane, whoever slashes it. It goes from active to unbonding to withdrawn, or is slashed
/// out from either of the first two. What is slashed goes to the pool's treasury; no MIST is made or
/// lost.
///
/// A stake counts for its tier at once and can be slashed at once; in the rewards it weighs from the
/// next epoch on. What others delegated to it, and what it is giving back, stand behind it in shares
/// and are slashed with it in proportion.
///
/// What changes a stake's weight is done by `unbonding`, `delegation` and `slashing`, which settle its
/// rewards first.
module k3s_daas::staking;

use k3s_daas::shares::{Self, Shared};
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
/// The stake is not jailed.
const ENotJailed: u64 = 15;
/// The sentence is not over.
const EStillJailed: u64 = 16;
/// The stake is tombstoned: it never counts again.
const ETombstoned: u64 = 17;
/// The stake is jailed.
const EJailed: u64 = 18;
/// A case against the stake is pending.
const EAccused: u64 = 19;
/// The commission is above the greatest, or rises by more than its step.
const ECommission: u64 = 20;
/// The commission or the key was changed less than a day ago.
const ETooSoon: u64 = 21;
/// The stake is not of the node tier.
const EWrongTier: u64 = 22;

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
const WHOLE: u64 = 10_000; // basis points
const GREATEST_DELEGATION_MINIMUM: u64 = 1_000 * MIST_PER_SUI;
/// A sentence doubles with each jailing, up to this.
const LONGEST_SENTENCE_MS: u64 = 30 * DAY_MS;
const MOST_DOUBLINGS: u64 = 10;
/// After this long in freedom the next sentence is a first one.
const FORGIVEN_AFTER_MS: u64 = 90 * DAY_MS;
/// Former keys that are remembered: one a day for longer than evidence may be old.
const FORMER_KEYS: u64 = 64;

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

/// The bounds of delegation.
public struct DelegationRules has copy, drop, store {
    /// The greatest commission, in basis points.
    most_commission: u64,
    /// How much it may rise in a day, in basis points.
    commission_step: u64,
    /// The least delegation, in MIST.
    minimum: u64,
}

/// The one pool: parameters, totals and the treasury. Shared.
public struct StakingPool has key {
    id: UID,
    version: u64,
    /// By tier number.
    tiers: vector<TierParams>,
    /// From the request to the withdrawal, in milliseconds.
    unbonding_ms: u64,
    delegation: DelegationRules,
    /// MIST in active stakes, and delegated.
    total_active: u64,
    /// MIST in unbonding stakes, and in all queues.
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
    /// The owner's own.
    balance: Balance<SUI>,
    /// MIST slashed so far, others' included.
    slashed: u64,
    staked_at_ms: u64,
    /// Before this it can't be asked back.
    locked_until_ms: u64,
    /// While unbonding: when it can be withdrawn; otherwise 0.
    withdrawable_at_ms: u64,
    /// MIST of the balance that came in `fresh_epoch`: they weigh from the next epoch on.
    fresh: u64,
    fresh_epoch: u64,
    delegated: Shared,
    /// Shares of `delegated` that came in `shares_epoch`.
    fresh_shares: u128,
    shares_epoch: u64,
    /// Of what the delegators earn, in basis points.
    commission: u64,
    commission_set_at_ms: u64,
    /// What is being given back, to its owner and to delegators.
    queue: Shared,
    /// Cases that are pending. Nothing leaves while there is one.
    cases: u64,
    /// While jailed: the end of the sentence; otherwise 0.
    jailed_until_ms: u64,
    /// Sentences so far.
    jailings: u64,
    released_at_ms: u64,
    tombstoned: bool,
    /// Keys that its node had before, the newest last.
    former_keys: vector<FormerKey>,
}

/// A key that a stake's node had.
public struct FormerKey has copy, drop, store {
    key: vector<u8>,
    retired_at_ms: u64,
}

// === Events ===

public struct PoolCreated has copy, drop {
    pool_id: ID,
    tiers: vector<TierParams>,
    unbonding_ms: u64,
    delegation: DelegationRules,
}

public struct DelegationRulesChanged has copy, drop {
    pool_id: ID,
    delegation: DelegationRules,
}

/// What stands behind a stake after a change of it.
public struct StakeBalances has copy, drop {
    stake_id: ID,
    balance: u64,
    fresh: u64,
    fresh_epoch: u64,
    delegated: u64,
    shares: u128,
    fresh_shares: u128,
    shares_epoch: u64,
    queued: u64,
    queue_shares: u128,
    generation: u64,
}

public struct PartUnstaked has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
    balance: u64,
}

public struct CommissionChanged has copy, drop {
    stake_id: ID,
    commission: u64,
    at_ms: u64,
}

public struct Accused has copy, drop {
    stake_id: ID,
    cases: u64,
}

public struct Jailed has copy, drop {
    stake_id: ID,
    owner: address,
    until_ms: u64,
    jailings: u64,
    at_ms: u64,
}

public struct Unjailed has copy, drop {
    stake_id: ID,
    owner: address,
    at_ms: u64,
}

public struct Tombstoned has copy, drop {
    stake_id: ID,
    owner: address,
    at_ms: u64,
}

public struct KeyRetired has copy, drop {
    stake_id: ID,
    key: vector<u8>,
    at_ms: u64,
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
        delegation: DelegationRules {
            most_commission: 2_000,
            commission_step: 100,
            minimum: MIST_PER_SUI / 10,
        },
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
        delegation: pool.delegation,
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
        fresh: amount,
        fresh_epoch: ctx.epoch(),
        delegated: shares::empty(),
        fresh_shares: 0,
        shares_epoch: 0,
        commission: 0,
        commission_set_at_ms: 0,
        queue: shares::empty(),
        cases: 0,
        jailed_until_ms: 0,
        jailings: 0,
        released_at_ms: 0,
        tombstoned: false,
        former_keys: vector[],
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
    stake.publish();
    stake
}

/// Shares a new stake.
#[allow(lint(share_owned))]
public fun share(stake: Stake) {
    transfer::share_object(stake);
}

/// Adds a coin to an active stake of the sender. The lock-up stays as it is; it weighs from the next
/// epoch on.
public fun top_up(pool: &mut StakingPool, stake: &mut Stake, coin: Coin<SUI>, ctx: &TxContext) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(!pool.paused, EPaused);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_ACTIVE, ENotActive);
    assert!(!stake.tombstoned, ETombstoned);
    let amount = coin.value();
    assert!(amount > 0, EZeroAmount);
    if (stake.fresh_epoch != ctx.epoch()) {
        stake.fresh = 0;
        stake.fresh_epoch = ctx.epoch();
    };
    stake.fresh = stake.fresh + amount;
    stake.balance.join(coin.into_balance());
    pool.total_active = pool.total_active + amount;
    event::emit(ToppedUp {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount,
        balance: stake.balance.value(),
    });
    stake.publish();
}

/// Frees a stake of the sender whose sentence is over.
public fun unjail(pool: &StakingPool, stake: &mut Stake, clock: &Clock, ctx: &TxContext) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(!stake.tombstoned, ETombstoned);
    assert!(stake.jailed_until_ms > 0, ENotJailed);
    let now = clock.timestamp_ms();
    assert!(now >= stake.jailed_until_ms, EStillJailed);
    stake.jailed_until_ms = 0;
    stake.released_at_ms = now;
    event::emit(Unjailed { stake_id: object::id(stake), owner: stake.owner, at_ms: now });
}

// === Leaving, for `unbonding` ===

/// Asks an active stake of the sender back. From now on it does not count; it can be slashed until
/// it is withdrawn.
public(package) fun begin_exit(
    pool: &mut StakingPool,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now = pool.check_leaving(stake, clock, ctx);
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

/// Puts a part of an active stake of the sender into the queue; its shares of the queue. What
/// remains has to be the tier's minimum.
public(package) fun split_off(
    pool: &mut StakingPool,
    stake: &mut Stake,
    amount: u64,
    clock: &Clock,
    ctx: &TxContext,
): u128 {
    pool.check_leaving(stake, clock, ctx);
    assert!(amount > 0, EZeroAmount);
    let held = stake.balance.value();
    let minimum = pool.tiers[stake.tier as u64].minimum;
    assert!(amount <= held && held - amount >= minimum, EBelowMinimum);
    // What came last leaves first.
    stake.fresh = stake.fresh - stake.fresh.min(amount);
    let shares = stake.queue.put_anew(stake.balance.split(amount));
    pool.total_active = pool.total_active - amount;
    pool.total_unbonding = pool.total_unbonding + amount;
    event::emit(PartUnstaked {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount,
        balance: held - amount,
    });
    stake.publish();
    shares
}

/// Takes out what is left of a stake of the sender whose unbonding period is over.
public(package) fun finish_exit(
    pool: &mut StakingPool,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &TxContext,
): Balance<SUI> {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_UNBONDING, ENotUnbonding);
    assert!(clock.timestamp_ms() >= stake.withdrawable_at_ms, EStillUnbonding);
    assert!(stake.cases == 0, EAccused);
    let amount = stake.balance.value();
    stake.status = STATUS_WITHDRAWN;
    stake.withdrawable_at_ms = 0;
    stake.fresh = 0;
    pool.total_unbonding = pool.total_unbonding - amount;
    let balance = stake.balance.withdraw_all();
    event::emit(Withdrawn { stake_id: object::id(stake), owner: stake.owner, amount });
    stake.publish();
    balance
}

/// Takes what shares of the queue are worth.
public(package) fun leave_queue(
    pool: &mut StakingPool,
    stake: &mut Stake,
    shares: u128,
    generation: u64,
    withdrawable_at_ms: u64,
    clock: &Clock,
): Balance<SUI> {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(clock.timestamp_ms() >= withdrawable_at_ms, EStillUnbonding);
    assert!(stake.cases == 0, EAccused);
    if (generation != stake.queue.generation()) return balance::zero();
    let balance = stake.queue.take(shares);
    pool.total_unbonding = pool.total_unbonding - balance.value();
    stake.publish();
    balance
}

// === Delegation, for `delegation` ===

/// Adds to what is delegated; the shares for it.
public(package) fun delegate_in(
    pool: &mut StakingPool,
    stake: &mut Stake,
    balance: Balance<SUI>,
    ctx: &TxContext,
): u128 {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(!pool.paused, EPaused);
    assert!(stake.tier == TIER_NODE, EWrongTier);
    assert!(stake.status == STATUS_ACTIVE, ENotActive);
    assert!(!stake.tombstoned, ETombstoned);
    assert!(stake.jailed_until_ms == 0, EJailed);
    let amount = balance.value();
    assert!(amount >= pool.delegation.minimum, EBelowMinimum);
    if (stake.shares_epoch != ctx.epoch()) {
        stake.fresh_shares = 0;
        stake.shares_epoch = ctx.epoch();
    };
    let shares = stake.delegated.put(balance);
    stake.fresh_shares = stake.fresh_shares + shares;
    pool.total_active = pool.total_active + amount;
    stake.publish();
    shares
}

/// Moves what shares of the delegated are worth into the queue: MIST, and shares of the queue.
public(package) fun delegate_out(
    pool: &mut StakingPool,
    stake: &mut Stake,
    shares: u128,
    fresh: bool,
): (u64, u128) {
    assert!(pool.version == VERSION, EWrongVersion);
    let balance = stake.delegated.take(shares);
    if (fresh) stake.fresh_shares = stake.fresh_shares - shares;
    let amount = balance.value();
    pool.total_active = pool.total_active - amount;
    pool.total_unbonding = pool.total_unbonding + amount;
    let queued = stake.queue.put_anew(balance);
    stake.publish();
    (amount, queued)
}

/// Changes what the owner takes of the delegators' rewards: freely while there are none, otherwise
/// once a day and upwards by a step.
public(package) fun set_commission(
    pool: &StakingPool,
    stake: &mut Stake,
    commission: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.tier == TIER_NODE, EWrongTier);
    let rules = pool.delegation;
    assert!(commission <= rules.most_commission, ECommission);
    let now = clock.timestamp_ms();
    if (stake.delegated.shares() > 0) {
        assert!(now >= stake.commission_set_at_ms + DAY_MS, ETooSoon);
        assert!(commission <= stake.commission + rules.commission_step, ECommission);
    };
    stake.commission = commission;
    stake.commission_set_at_ms = now;
    event::emit(CommissionChanged { stake_id: object::id(stake), commission, at_ms: now });
}

// === Slashing, for `slashing` ===

/// Takes `amount` MIST, or all that there is, from what stands behind an active or unbonding stake,
/// in proportion, into the treasury; what was taken.
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
    let held = stake.at_stake();
    assert!(stake.is_slashable() && held > 0, ENotSlashable);
    let taken = amount.min(held);
    // Rounded up for the others, so that the owner never bears less than nothing.
    let delegated = share_up(taken, stake.delegated.value(), held);
    let queued = share_up(taken, stake.queue.value(), held).min(taken - delegated);
    let own = taken - delegated - queued;
    if (stake.status == STATUS_ACTIVE) {
        pool.total_active = pool.total_active - own;
    } else {
        pool.total_unbonding = pool.total_unbonding - own;
    };
    pool.total_active = pool.total_active - delegated;
    pool.total_unbonding = pool.total_unbonding - queued;
    pool.total_slashed = pool.total_slashed + taken;
    pool.treasury.join(stake.balance.split(own));
    pool.treasury.join(stake.delegated.lose(delegated));
    pool.treasury.join(stake.queue.lose(queued));
    stake.slashed = stake.slashed + taken;
    stake.fresh = stake.fresh.min(stake.balance.value());
    if (taken == held) {
        stake.status = STATUS_SLASHED_OUT;
        stake.withdrawable_at_ms = 0;
    };
    event::emit(Slashed {
        stake_id: object::id(stake),
        owner: stake.owner,
        amount: taken,
        remaining: stake.balance.value(),
        status: stake.status,
        reason,
        at_ms: clock.timestamp_ms(),
    });
    stake.publish();
    taken
}

/// Holds back what is leaving, until the case is closed.
public(package) fun accuse(stake: &mut Stake) {
    stake.cases = stake.cases + 1;
    event::emit(Accused { stake_id: object::id(stake), cases: stake.cases });
}

/// A case is closed.
public(package) fun close_case(stake: &mut Stake) {
    stake.cases = stake.cases - 1;
    event::emit(Accused { stake_id: object::id(stake), cases: stake.cases });
}

/// Jails an active stake, for twice as long as the last time.
public(package) fun jail(stake: &mut Stake, sentence_ms: u64, clock: &Clock) {
    if (stake.status != STATUS_ACTIVE || stake.tombstoned || sentence_ms == 0) return;
    let now = clock.timestamp_ms();
    let free = stake.jailed_until_ms == 0;
    if (free && now >= stake.released_at_ms + FORGIVEN_AFTER_MS) stake.jailings = 0;
    let doublings = stake.jailings.min(MOST_DOUBLINGS) as u8;
    let sentence = (sentence_ms << doublings).min(LONGEST_SENTENCE_MS);
    stake.jailings = stake.jailings + 1;
    stake.jailed_until_ms = stake.jailed_until_ms.max(now + sentence);
    event::emit(Jailed {
        stake_id: object::id(stake),
        owner: stake.owner,
        until_ms: stake.jailed_until_ms,
        jailings: stake.jailings,
        at_ms: now,
    });
}

/// The stake never counts again.
public(package) fun tombstone(stake: &mut Stake, clock: &Clock) {
    if (stake.tombstoned) return;
    stake.tombstoned = true;
    event::emit(Tombstoned {
        stake_id: object::id(stake),
        owner: stake.owner,
        at_ms: clock.timestamp_ms(),
    });
}

/// Remembers a key that its node no longer has, at most one a day.
public(package) fun retire_key(
    pool: &StakingPool,
    stake: &mut Stake,
    key: vector<u8>,
    clock: &Clock,
) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.cases == 0, EAccused);
    assert!(!stake.tombstoned, ETombstoned);
    let now = clock.timestamp_ms();
    let count = stake.former_keys.length();
    if (count > 0) {
        assert!(now >= stake.former_keys[count - 1].retired_at_ms + DAY_MS, ETooSoon);
    };
    if (count == FORMER_KEYS) { stake.former_keys.remove(0); };
    stake.former_keys.push_back(FormerKey { key, retired_at_ms: now });
    event::emit(KeyRetired { stake_id: object::id(stake), key, at_ms: now });
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

/// Changes the bounds of delegation.
public(package) fun set_delegation(
    pool: &mut StakingPool,
    most_commission: u64,
    commission_step: u64,
    minimum: u64,
) {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(most_commission <= WHOLE && commission_step <= WHOLE, EOutOfBounds);
    assert!(
        minimum >= LEAST_MINIMUM && minimum <= GREATEST_DELEGATION_MINIMUM,
        EOutOfBounds,
    );
    pool.delegation = DelegationRules { most_commission, commission_step, minimum };
    event::emit(DelegationRulesChanged {
        pool_id: object::id(pool),
        delegation: pool.delegation,
    });
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

/// Whether the stake is of the tier, in good standing, and holds the tier's minimum or more of its
/// owner's own.
public fun has_sufficient_stake(pool: &StakingPool, stake: &Stake, tier: u8): bool {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(tier < TIERS, EUnknownTier);
    stake.tier == tier &&
    stake.is_good() &&
    stake.balance.value() >= pool.tiers[tier as u64].minimum
}

/// The least stake of the tier that counts, in MIST.
public fun minimum(pool: &StakingPool, tier: u8): u64 {
    assert!(tier < TIERS, EUnknownTier);
    pool.tiers[tier as u64].minimum
}

/// Whether it was neither asked back nor slashed out.
public fun is_active(stake: &Stake): bool { stake.status == STATUS_ACTIVE }

/// Whether it is active, and neither jailed nor tombstoned: it counts, its amount apart.
public fun is_good(stake: &Stake): bool {
    stake.status == STATUS_ACTIVE && stake.jailed_until_ms == 0 && !stake.tombstoned
}

/// Whether there is anything to slash.
public fun is_slashable(stake: &Stake): bool {
    stake.status == STATUS_ACTIVE || stake.status == STATUS_UNBONDING
}

public fun owner(stake: &Stake): address { stake.owner }

public fun tier(stake: &Stake): u8 { stake.tier }

public fun status(stake: &Stake): u8 { stake.status }

/// The owner's own.
public fun amount(stake: &Stake): u64 { stake.balance.value() }

public fun delegated(stake: &Stake): u64 { stake.delegated.value() }

public fun queued(stake: &Stake): u64 { stake.queue.value() }

/// All that a slash reaches.
public fun at_stake(stake: &Stake): u64 {
    stake.balance.value() + stake.delegated.value() + stake.queue.value()
}

public fun commission(stake: &Stake): u64 { stake.commission }

public fun cases(stake: &Stake): u64 { stake.cases }

public fun jailed_until_ms(stake: &Stake): u64 { stake.jailed_until_ms }

public fun is_tombstoned(stake: &Stake): bool { stake.tombstoned }

/// Whether its node once had the key.
public fun had_key(stake: &Stake, key: &vector<u8>): bool {
    stake.former_keys.any!(|former| &former.key == key)
}

/// The owner's own that weighs in an epoch.
public(package) fun weighing(stake: &Stake, epoch: u64): u64 {
    let fresh = if (stake.fresh_epoch == epoch) stake.fresh else 0;
    stake.balance.value() - fresh
}

/// The delegators' shares that weigh in an epoch, and what they are worth.
public(package) fun delegated_weighing(stake: &Stake, epoch: u64): (u128, u64) {
    let fresh = if (stake.shares_epoch == epoch) stake.fresh_shares else 0;
    let shares = stake.delegated.shares() - fresh;
    (shares, stake.delegated.worth(shares))
}

/// The epoch of the last delegations.
public(package) fun shares_epoch(stake: &Stake): u64 { stake.shares_epoch }

public(package) fun has_fresh_shares(stake: &Stake): bool { stake.fresh_shares > 0 }

/// What shares of the delegated an amount is, of those that somebody has.
public(package) fun delegated_shares(stake: &Stake, amount: u64, all: u128): u128 {
    stake.delegated.of(amount, all)
}

public(package) fun delegated_worth(stake: &Stake, shares: u128): u64 {
    stake.delegated.worth(shares)
}

public(package) fun queue_worth(stake: &Stake, shares: u128, generation: u64): u64 {
    if (generation == stake.queue.generation()) stake.queue.worth(shares) else 0
}

public(package) fun queue_generation(stake: &Stake): u64 { stake.queue.generation() }

public fun locked_until_ms(stake: &Stake): u64 { stake.locked_until_ms }

public fun withdrawable_at_ms(stake: &Stake): u64 { stake.withdrawable_at_ms }

public fun treasury(pool: &StakingPool): u64 { pool.treasury.value() }

public fun is_paused(pool: &StakingPool): bool { pool.paused }

public fun unbonding_ms(pool: &StakingPool): u64 { pool.unbonding_ms }

public fun tier_node(): u8 { TIER_NODE }

public fun tier_user(): u8 { TIER_USER }

public fun tier_admin(): u8 { TIER_ADMIN }

// === Inside ===

/// That an active stake of the sender may be asked back now; the time.
fun check_leaving(pool: &StakingPool, stake: &Stake, clock: &Clock, ctx: &TxContext): u64 {
    assert!(pool.version == VERSION, EWrongVersion);
    assert!(stake.owner == ctx.sender(), ENotOwner);
    assert!(stake.status == STATUS_ACTIVE, ENotActive);
    let now = clock.timestamp_ms();
    assert!(now >= stake.locked_until_ms, EStillLocked);
    now
}

/// amount * part / whole, rounded up.
fun share_up(amount: u64, part: u64, whole: u64): u64 {
    let product = (amount as u128) * (part as u128);
    product.divide_and_round_up(whole as u128) as u64
}

fun publish(stake: &Stake) {
    event::emit(StakeBalances {
        stake_id: object::id(stake),
        balance: stake.balance.value(),
        fresh: stake.fresh,
        fresh_epoch: stake.fresh_epoch,
        delegated: stake.delegated.value(),
        shares: stake.delegated.shares(),
        fresh_shares: stake.fresh_shares,
        shares_epoch: stake.shares_epoch,
        queued: stake.queue.value(),
        queue_shares: stake.queue.shares(),
        generation: stake.queue.generation(),
    });
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(pool: &mut StakingPool, version: u64) {
    pool.version = version;
}
