// SPDX-License-Identifier: Apache-2.0

/// Rewards of nodes.
///
/// Two sources flow by time into one accumulator: the emission budget at the rate that governance
/// set, and users' prepaid fees, each from its payment to its end and refundable until then. What
/// flows is divided by weight: what stands behind a stake since an earlier epoch, its owner's and its
/// delegators', times the performance that an enclave of an admitted cluster attested. Whatever
/// changes a weight settles first and weighs anew. A share is paid for the smaller of the old and the
/// present weight, so that nothing is earned by a stake that is jailed or no longer reported; the rest
/// goes back to the budget.
///
/// Of a stake's earnings the delegators' part, less the owner's commission, goes into an accumulator of
/// its own, by share; a delegation earns from where that stood when its first epoch was over. All
/// rounding is in the pool's favour.
module k3s_daas::rewards;

use k3s_daas::enclave_registry::{Cluster, Enclave};
use k3s_daas::staking::{Self, AdminCap, Stake};
use sui::balance::{Self, Balance};
use sui::bcs;
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::ed25519;
use sui::event;
use sui::sui::SUI;
use sui::table::{Self, Table};

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// The cluster is not admitted.
const EUnknownCluster: u64 = 1;
/// The enclave is another cluster's, revoked, or runs what is no longer allowed.
const EUntrustedEnclave: u64 = 2;
/// The signature is not the enclave's over this statement.
const EInvalidSignature: u64 = 3;
/// The statement is from the future, too old, or not newer than the last.
const EStaleStatement: u64 = 4;
/// The sender does not own the stake.
const ENotOwner: u64 = 5;
/// The stake is not of the node tier.
const EWrongTier: u64 = 6;
/// The stake is not in good standing.
const ENotActive: u64 = 7;
/// The stake already earns.
const EEnrolled: u64 = 8;
/// The stake does not earn.
const ENotEnrolled: u64 = 9;
/// The stake earns from the next epoch on.
const ENotYet: u64 = 10;
/// A value is out of its bounds.
const EOutOfBounds: u64 = 11;
/// An amount of zero.
const EZeroAmount: u64 = 12;
/// There is nothing to claim.
const ENothingOwed: u64 = 13;
/// The cluster already is, or is not, admitted.
const EUnchanged: u64 = 14;
/// Too many clusters are admitted.
const EFull: u64 = 15;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 16;

// === Intent and bounds ===

/// Apart from the intents of `slashing` and `anchors`.
const INTENT_PERFORMANCE: u8 = 4;
/// A period is a day.
const PERIOD_MS: u64 = 86_400_000;
const OLDEST_STATEMENT_MS: u64 = 600_000;
/// A report counts for two periods.
const REPORT_LASTS_MS: u64 = 2 * 86_400_000;
const WHOLE: u64 = 10_000; // basis points
const GREATEST_EMISSION: u64 = 1_000_000_000_000_000; // 1,000,000 SUI in a period
/// An escrow ends at a period's end, at most this many from now.
const LONGEST_ESCROW: u64 = 60;
/// More than the longest escrow has.
const SLOTS: u64 = 64;
const MOST_CLUSTERS: u64 = 16;
/// Rates are in billionths of a MIST in a millisecond.
const NANO: u128 = 1_000_000_000;
/// The accumulator's unit. An earner's weight is never above the total, so weight times what was
/// added to the accumulator is at most what flowed times this, which fits.
const SCALE: u128 = 1_000_000_000_000_000_000;

// === Objects ===

/// All rewards. Shared.
public struct Rewards has key {
    id: UID,
    version: u64,
    /// All MIST of the three parts below.
    vault: Balance<SUI>,
    /// What emission is paid from.
    budget: u64,
    /// Prepaid and not yet flowed.
    escrowed: u64,
    /// Flowed and not yet claimed.
    reserved: u64,
    /// MIST in a period.
    emission: u64,
    /// Billionths of a MIST that did not flow yet.
    emission_carry: u128,
    /// Of all escrows, in billionths of a MIST in a millisecond.
    fee_rate: u128,
    fee_carry: u128,
    /// What of `fee_rate` ends with a period, by its number modulo the length.
    ending: vector<u128>,
    /// How much a unit of weight has earned since the beginning.
    index: u128,
    total_weight: u64,
    updated_at_ms: u64,
    /// Whose enclaves attest performance.
    clusters: vector<ID>,
    /// By stake.
    earners: Table<ID, Earner>,
    /// From where the delegations of a stake and an epoch earn.
    starts: Table<StakeEpoch, u128>,
}

public struct StakeEpoch has copy, drop, store {
    stake_id: ID,
    epoch: u64,
}

/// A stake that earns.
public struct Earner has copy, drop, store {
    weight: u64,
    /// The accumulator up to which it is settled.
    index: u128,
    /// Settled and not yet claimed, the owner's.
    owed: u64,
    /// In basis points.
    performance: u64,
    reported_at_ms: u64,
    /// In which it was enrolled.
    epoch: u64,
    /// The delegators' part of the weight.
    delegated: u64,
    /// Their shares that weigh.
    shares: u128,
    /// How much a share has earned since the beginning.
    per_share: u128,
}

/// A prepaid fee. Its holder can have the rest back.
public struct Escrow has key, store {
    id: UID,
    amount: u64,
    /// In billionths of a MIST in a millisecond.
    rate: u128,
    begins_at_ms: u64,
    ends_at_ms: u64,
}

/// What an enclave signs, as BCS.
public struct PerformanceStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    stake_id: ID,
    performance: u64,
}

// === Events ===

public struct RewardsCreated has copy, drop {
    rewards_id: ID,
}

/// Where the flow stands after a touch.
public struct RewardsUpdated has copy, drop {
    rewards_id: ID,
    budget: u64,
    escrowed: u64,
    reserved: u64,
    emission_carry: u128,
    fee_rate: u128,
    fee_carry: u128,
    ending: vector<u128>,
    index: u128,
    total_weight: u64,
    updated_at_ms: u64,
}

public struct EmissionChanged has copy, drop {
    rewards_id: ID,
    emission: u64,
}

public struct ClusterAdmitted has copy, drop {
    rewards_id: ID,
    cluster_id: ID,
    admitted: bool,
}

public struct BudgetFunded has copy, drop {
    rewards_id: ID,
    amount: u64,
}

public struct EscrowOpened has copy, drop {
    escrow_id: ID,
    payer: address,
    amount: u64,
    rate: u128,
    begins_at_ms: u64,
    ends_at_ms: u64,
}

public struct EscrowClosed has copy, drop {
    escrow_id: ID,
    refund: u64,
}

/// An earner after a touch.
public struct EarnerSettled has copy, drop {
    stake_id: ID,
    weight: u64,
    index: u128,
    owed: u64,
    performance: u64,
    reported_at_ms: u64,
    epoch: u64,
    delegated: u64,
    shares: u128,
    per_share: u128,
}

/// From where the delegations of an epoch earn.
public struct DelegationsStarted has copy, drop {
    stake_id: ID,
    epoch: u64,
    per_share: u128,
}

public struct RewardClaimed has copy, drop {
    stake_id: ID,
    owner: address,
    amount: u64,
}

public struct RewardsMigrated has copy, drop {
    rewards_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let rewards = Rewards {
        id: object::new(ctx),
        version: VERSION,
        vault: balance::zero(),
        budget: 0,
        escrowed: 0,
        reserved: 0,
        emission: 0,
        emission_carry: 0,
        fee_rate: 0,
        fee_carry: 0,
        ending: vector::tabulate!(SLOTS, |_| 0),
        index: 0,
        total_weight: 0,
        updated_at_ms: 0,
        clusters: vector[],
        earners: table::new(ctx),
        starts: table::new(ctx),
    };
    event::emit(RewardsCreated { rewards_id: object::id(&rewards) });
    transfer::share_object(rewards);
}

// === Sources ===

/// Adds a coin to the emission budget.
public fun fund(rewards: &mut Rewards, coin: Coin<SUI>, clock: &Clock) {
    assert!(rewards.version == VERSION, EWrongVersion);
    let amount = coin.value();
    assert!(amount > 0, EZeroAmount);
    rewards.flow(clock.timestamp_ms());
    rewards.vault.join(coin.into_balance());
    rewards.budget = rewards.budget + amount;
    event::emit(BudgetFunded { rewards_id: object::id(rewards), amount });
    rewards.publish();
}

/// Prepays a fee that flows from now to the end of the period that is `periods` after this one.
public fun open_escrow(
    rewards: &mut Rewards,
    coin: Coin<SUI>,
    periods: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): Escrow {
    assert!(rewards.version == VERSION, EWrongVersion);
    assert!(periods <= LONGEST_ESCROW, EOutOfBounds);
    let amount = coin.value();
    assert!(amount > 0, EZeroAmount);
    let now = clock.timestamp_ms();
    rewards.flow(now);
    let last = now / PERIOD_MS + periods;
    let ends_at_ms = (last + 1) * PERIOD_MS;
    let rate = (amount as u128) * NANO / ((ends_at_ms - now) as u128);
    rewards.vault.join(coin.into_balance());
    rewards.escrowed = rewards.escrowed + amount;
    rewards.fee_rate = rewards.fee_rate + rate;
    let slot = last % SLOTS;
    *&mut rewards.ending[slot] = rewards.ending[slot] + rate;
    let escrow = Escrow { id: object::new(ctx), amount, rate, begins_at_ms: now, ends_at_ms };
    event::emit(EscrowOpened {
        escrow_id: object::id(&escrow),
        payer: ctx.sender(),
        amount,
        rate,
        begins_at_ms: now,
        ends_at_ms,
    });
    rewards.publish();
    escrow
}

/// Ends an escrow; what has not flowed of it.
public fun close_escrow(
    rewards: &mut Rewards,
    escrow: Escrow,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    assert!(rewards.version == VERSION, EWrongVersion);
    let now = clock.timestamp_ms();
    rewards.flow(now);
    let Escrow { id, rate, ends_at_ms, amount: _, begins_at_ms: _ } = escrow;
    let mut refund = 0;
    if (now < ends_at_ms) {
        refund = (rate * ((ends_at_ms - now) as u128) / NANO) as u64;
        rewards.fee_rate = rewards.fee_rate - rate;
        let slot = (ends_at_ms / PERIOD_MS - 1) % SLOTS;
        *&mut rewards.ending[slot] = rewards.ending[slot] - rate;
        rewards.escrowed = rewards.escrowed - refund;
    };
    event::emit(EscrowClosed { escrow_id: id.to_inner(), refund });
    id.delete();
    rewards.publish();
    coin::take(&mut rewards.vault, refund, ctx)
}

// === For stakers ===

/// Lets a node stake of the sender earn, once it is reported in a later epoch.
public fun enroll(rewards: &mut Rewards, stake: &Stake, clock: &Clock, ctx: &TxContext) {
    assert!(rewards.version == VERSION, EWrongVersion);
    assert!(stake.owner() == ctx.sender(), ENotOwner);
    assert!(stake.tier() == staking::tier_node(), EWrongTier);
    assert!(stake.is_good(), ENotActive);
    let stake_id = object::id(stake);
    assert!(!rewards.earners.contains(stake_id), EEnrolled);
    let now = clock.timestamp_ms();
    rewards.flow(now);
    let earner = Earner {
        weight: 0,
        index: rewards.index,
        owed: 0,
        performance: 0,
        reported_at_ms: 0,
        epoch: ctx.epoch(),
        delegated: 0,
        shares: 0,
        per_share: 0,
    };
    rewards.earners.add(stake_id, earner);
    earner.publish_earner(stake_id);
    rewards.publish();
}

/// Pays out what a stake of the sender has earned.
public fun claim(
    rewards: &mut Rewards,
    stake: &Stake,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    assert!(rewards.version == VERSION, EWrongVersion);
    assert!(stake.owner() == ctx.sender(), ENotOwner);
    let stake_id = object::id(stake);
    let mut earner = rewards.settle(stake, clock.timestamp_ms(), ctx.epoch());
    let amount = earner.owed;
    assert!(amount > 0, ENothingOwed);
    earner.owed = 0;
    rewards.reserved = rewards.reserved - amount;
    rewards.keep(stake_id, earner);
    event::emit(RewardClaimed { stake_id, owner: ctx.sender(), amount });
    rewards.publish();
    coin::take(&mut rewards.vault, amount, ctx)
}

// === For anyone ===

/// Sets a stake's performance as an enclave attests it.
public fun report_performance(
    rewards: &mut Rewards,
    stake: &Stake,
    cluster: &Cluster,
    enclave: &Enclave,
    performance: u64,
    timestamp_ms: u64,
    signature: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(rewards.version == VERSION, EWrongVersion);
    let cluster_id = object::id(cluster);
    assert!(rewards.clusters.contains(&cluster_id), EUnknownCluster);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    assert!(performance <= WHOLE, EOutOfBounds);
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= OLDEST_STATEMENT_MS,
        EStaleStatement,
    );
    let stake_id = object::id(stake);
    let epoch = ctx.epoch();
    let mut earner = rewards.settle(stake, now, epoch);
    assert!(epoch > earner.epoch, ENotYet);
    assert!(timestamp_ms > earner.reported_at_ms, EStaleStatement);
    let statement = bcs::to_bytes(&PerformanceStatement {
        intent: INTENT_PERFORMANCE,
        timestamp_ms,
        cluster_id,
        stake_id,
        performance,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    earner.performance = performance;
    earner.reported_at_ms = timestamp_ms;
    earner.reweigh(rewards, stake, now, epoch);
    rewards.keep(stake_id, earner);
    rewards.publish();
}

/// Settles a stake and brings its weight up to date, as after a top-up.
public fun refresh(rewards: &mut Rewards, stake: &Stake, clock: &Clock, ctx: &TxContext) {
    assert!(rewards.version == VERSION, EWrongVersion);
    let stake_id = object::id(stake);
    let earner = rewards.settle(stake, clock.timestamp_ms(), ctx.epoch());
    rewards.keep(stake_id, earner);
    rewards.publish();
}

// === For the modules that change a stake ===

/// Settles a stake that is about to change, if it earns.
public(package) fun before(
    rewards: &mut Rewards,
    stake: &Stake,
    clock: &Clock,
    ctx: &TxContext,
) {
    assert!(rewards.version == VERSION, EWrongVersion);
    let stake_id = object::id(stake);
    if (!rewards.earners.contains(stake_id)) return;
    let earner = rewards.settle(stake, clock.timestamp_ms(), ctx.epoch());
    *&mut rewards.earners[stake_id] = earner;
}

/// Weighs a stake that has changed, if it earns.
public(package) fun after(
    rewards: &mut Rewards,
    stake: &Stake,
    clock: &Clock,
    ctx: &TxContext,
) {
    let stake_id = object::id(stake);
    if (!rewards.earners.contains(stake_id)) return;
    let mut earner = rewards.earners[stake_id];
    earner.reweigh(rewards, stake, clock.timestamp_ms(), ctx.epoch());
    rewards.keep(stake_id, earner);
    rewards.publish();
}

/// Whether a stake is enrolled.
public(package) fun is_enrolled(rewards: &Rewards, stake_id: ID): bool {
    rewards.earners.contains(stake_id)
}

/// How much a delegated share of a stake has earned.
public(package) fun per_share(rewards: &Rewards, stake_id: ID): u128 {
    rewards.earners[stake_id].per_share
}

/// From where the delegations of an epoch earn, once it is over and the stake was touched.
public(package) fun start(rewards: &Rewards, stake_id: ID, epoch: u64): Option<u128> {
    let key = StakeEpoch { stake_id, epoch };
    if (rewards.starts.contains(key)) option::some(rewards.starts[key]) else option::none()
}

/// What shares have earned while a share earned `gained`.
public(package) fun earned_by(shares: u128, gained: u128): u64 {
    (shares * gained / SCALE) as u64
}

/// Pays a delegator.
public(package) fun pay(rewards: &mut Rewards, amount: u64): Balance<SUI> {
    rewards.reserved = rewards.reserved - amount;
    rewards.publish();
    rewards.vault.split(amount)
}

// === Governance ===

/// Admits a cluster, whose enclaves may then attest performance, or no longer admits it.
public fun set_cluster(_: &AdminCap, rewards: &mut Rewards, cluster_id: ID, admitted: bool) {
    assert!(rewards.version == VERSION, EWrongVersion);
    let (found, index) = rewards.clusters.index_of(&cluster_id);
    assert!(found != admitted, EUnchanged);
    if (admitted) {
        assert!(rewards.clusters.length() < MOST_CLUSTERS, EFull);
        rewards.clusters.push_back(cluster_id);
    } else {
        rewards.clusters.remove(index);
    };
    event::emit(ClusterAdmitted { rewards_id: object::id(rewards), cluster_id, admitted });
}

/// Changes how much of the budget flows in a period.
public(package) fun set_emission(rewards: &mut Rewards, emission: u64, clock: &Clock) {
    assert!(rewards.version == VERSION, EWrongVersion);
    assert!(emission <= GREATEST_EMISSION, EOutOfBounds);
    rewards.flow(clock.timestamp_ms());
    rewards.emission = emission;
    event::emit(EmissionChanged { rewards_id: object::id(rewards), emission });
    rewards.publish();
}

/// Hands the rewards to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, rewards: &mut Rewards) {
    assert!(rewards.version < VERSION, ENotAnUpgrade);
    rewards.version = VERSION;
    event::emit(RewardsMigrated { rewards_id: object::id(rewards), version: VERSION });
}

// === Inside ===

/// Lets both sources flow up to now. With nobody to earn, fees go to the budget and emission waits.
fun flow(rewards: &mut Rewards, now: u64) {
    let began = rewards.updated_at_ms;
    if (now <= began) return;
    let mut fees = rewards.fee_carry;
    let mut at = began;
    while (at < now && rewards.fee_rate > 0) {
        let period = at / PERIOD_MS;
        let boundary = (period + 1) * PERIOD_MS;
        let until = boundary.min(now);
        fees = fees + rewards.fee_rate * ((until - at) as u128);
        if (until == boundary) {
            let slot = period % SLOTS;
            rewards.fee_rate = rewards.fee_rate - rewards.ending[slot];
            *&mut rewards.ending[slot] = 0;
        };
        at = until;
    };
    let mut flowed = (fees / NANO) as u64;
    rewards.fee_carry = fees % NANO;
    rewards.escrowed = rewards.escrowed - flowed;
    rewards.updated_at_ms = now;
    if (rewards.total_weight == 0) {
        rewards.budget = rewards.budget + flowed;
        return
    };
    let rate = (rewards.emission as u128) * NANO / (PERIOD_MS as u128);
    let emission = rewards.emission_carry + rate * ((now - began) as u128);
    rewards.emission_carry = emission % NANO;
    let emitted = (emission / NANO).min(rewards.budget as u128) as u64;
    rewards.budget = rewards.budget - emitted;
    flowed = flowed + emitted;
    rewards.reserved = rewards.reserved + flowed;
    rewards.index =
        rewards.index + (flowed as u128) * SCALE / (rewards.total_weight as u128);
}

/// The stake's earner, settled up to now, with its present weight; `keep` puts it back.
fun settle(rewards: &mut Rewards, stake: &Stake, now: u64, epoch: u64): Earner {
    let stake_id = object::id(stake);
    assert!(rewards.earners.contains(stake_id), ENotEnrolled);
    rewards.flow(now);
    let mut earner = rewards.earners[stake_id];
    let gained = rewards.index - earner.index;
    let full = ((earner.weight as u128) * gained / SCALE) as u64;
    let (present, _, _) = earner.weigh(stake, now, epoch);
    let weight = earner.weight.min(present);
    let earned = ((weight as u128) * gained / SCALE) as u64;
    rewards.reserved = rewards.reserved - (full - earned);
    rewards.budget = rewards.budget + (full - earned);
    let others = if (earner.shares == 0 || earned == 0) 0
        else (earned as u128) * (earner.delegated as u128) / (earner.weight as u128);
    let others = others * ((WHOLE - stake.commission()) as u128) / (WHOLE as u128);
    if (others > 0) earner.per_share = earner.per_share + others * SCALE / earner.shares;
    earner.owed = earner.owed + (earned - (others as u64));
    earner.index = rewards.index;
    earner.reweigh(rewards, stake, now, epoch);
    earner
}

fun reweigh(earner: &mut Earner, rewards: &mut Rewards, stake: &Stake, now: u64, epoch: u64) {
    let (weight, delegated, shares) = earner.weigh(stake, now, epoch);
    rewards.total_weight = rewards.total_weight - earner.weight + weight;
    earner.weight = weight;
    earner.delegated = delegated;
    earner.shares = shares;
    let began = stake.shares_epoch();
    if (began >= epoch || !stake.has_fresh_shares()) return;
    let key = StakeEpoch { stake_id: object::id(stake), epoch: began };
    if (rewards.starts.contains(key)) return;
    let per_share = earner.per_share;
    rewards.starts.add(key, per_share);
    event::emit(DelegationsStarted { stake_id: key.stake_id, epoch: began, per_share });
}

/// A stake's weight now, the delegators' part of it, and their shares that weigh.
fun weigh(earner: &Earner, stake: &Stake, now: u64, epoch: u64): (u64, u64, u128) {
    let (shares, worth) = stake.delegated_weighing(epoch);
    if (!stake.is_good() || now - earner.reported_at_ms > REPORT_LASTS_MS) return (0, 0, shares);
    let own = weight(stake.weighing(epoch), earner.performance);
    let delegated = weight(worth, earner.performance);
    (own + delegated, delegated, shares)
}

fun weight(amount: u64, performance: u64): u64 {
    ((amount as u128) * (performance as u128) / (WHOLE as u128)) as u64
}

fun keep(rewards: &mut Rewards, stake_id: ID, earner: Earner) {
    *&mut rewards.earners[stake_id] = earner;
    earner.publish_earner(stake_id);
}

fun publish_earner(earner: Earner, stake_id: ID) {
    let Earner {
        weight,
        index,
        owed,
        performance,
        reported_at_ms,
        epoch,
        delegated,
        shares,
        per_share,
    } = earner;
    event::emit(EarnerSettled {
        stake_id,
        weight,
        index,
        owed,
        performance,
        reported_at_ms,
        epoch,
        delegated,
        shares,
        per_share,
    });
}

fun publish(rewards: &Rewards) {
    event::emit(RewardsUpdated {
        rewards_id: object::id(rewards),
        budget: rewards.budget,
        escrowed: rewards.escrowed,
        reserved: rewards.reserved,
        emission_carry: rewards.emission_carry,
        fee_rate: rewards.fee_rate,
        fee_carry: rewards.fee_carry,
        ending: rewards.ending,
        index: rewards.index,
        total_weight: rewards.total_weight,
        updated_at_ms: rewards.updated_at_ms,
    });
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(rewards: &mut Rewards, version: u64) {
    rewards.version = version;
}

#[test_only]
public fun earner_for_testing(rewards: &Rewards, stake_id: ID): Earner {
    rewards.earners[stake_id]
}

#[test_only]
public fun start_for_testing(rewards: &Rewards, stake_id: ID, epoch: u64): u128 {
    rewards.starts[StakeEpoch { stake_id, epoch }]
}

#[test_only]
/// Budget, escrowed, reserved, and the vault.
public fun parts_for_testing(rewards: &Rewards): vector<u64> {
    vector[rewards.budget, rewards.escrowed, rewards.reserved, rewards.vault.value()]
}

#[test_only]
public fun weight_for_testing(rewards: &Rewards): u64 { rewards.total_weight }
