// SPDX-License-Identifier: Apache-2.0

/// Governance of the numbers.
///
/// Every parameter is changed through the one object here: the holder of the `AdminCap` proposes a
/// change, which everybody sees, and after the timelock anyone executes it, within its grace
/// period. The modules keep their own numbers and check their bounds; only this module can set them.
/// The pause takes effect at once and stops new stake and new tokens, never what leads out.
module k3s_daas::params;

use k3s_daas::anchors::Anchors;
use k3s_daas::k8s_gateway::Gateway;
use k3s_daas::rewards::Rewards;
use k3s_daas::slashing::Docket;
use k3s_daas::staking::{AdminCap, StakingPool};
use sui::clock::Clock;
use sui::event;

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// No such kind of change.
const EUnknownKind: u64 = 1;
/// The change has not the values that its kind has.
const EMalformed: u64 = 2;
/// Too many changes are pending.
const EFull: u64 = 3;
/// No such change is pending.
const EUnknownChange: u64 = 4;
/// The change's time has not come.
const ETimelocked: u64 = 5;
/// The change's time is over.
const EExpired: u64 = 6;
/// A value is out of its bounds.
const EOutOfBounds: u64 = 7;
/// It is already paused, or not paused.
const EUnchanged: u64 = 8;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 9;
/// The change is one for another of the `execute` functions.
const EWrongTarget: u64 = 10;

// === Kinds and bounds ===

/// tier, minimum, lock-up
const TIER: u8 = 0;
/// unbonding period
const UNBONDING: u8 = 1;
/// evidence window, appeal window, bond, reporter's share, four penalties, cap, correlated
/// outage, first sentence
const RULES: u8 = 2;
#[allow(unused_const)]
/// timelock
const DELAY: u8 = 3;
/// MIST of rewards in a period
const EMISSION: u8 = 4;
/// greatest commission, its step in a day, least delegation
const DELEGATION: u8 = 5;
/// shortest and longest time to live, system factor, oldest statement; by `execute_gateway`
const GATEWAY: u8 = 6;
/// oldest statement; by `execute_anchors`
const ANCHORS: u8 = 7;
const KINDS: u8 = 8;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
const SHORTEST_DELAY_MS: u64 = MINUTE_MS;
const LONGEST_DELAY_MS: u64 = 30 * DAY_MS;
/// How long a change can be executed once its time has come.
const GRACE_MS: u64 = 14 * DAY_MS;
const MOST_PENDING: u64 = 16;

// === Objects ===

/// What governs the parameters. Shared.
public struct Params has key {
    id: UID,
    version: u64,
    /// From a proposal to its execution, in milliseconds.
    delay_ms: u64,
    /// How many changes were ever proposed.
    proposed: u64,
    /// In the order of proposal.
    pending: vector<Change>,
}

/// A proposed change.
public struct Change has copy, drop, store {
    number: u64,
    kind: u8,
    values: vector<u64>,
    ready_at_ms: u64,
}

// === Events ===

public struct ParamsCreated has copy, drop {
    params_id: ID,
    delay_ms: u64,
}

public struct ChangeProposed has copy, drop {
    params_id: ID,
    number: u64,
    kind: u8,
    values: vector<u64>,
    ready_at_ms: u64,
}

public struct ChangeExecuted has copy, drop {
    params_id: ID,
    number: u64,
    at_ms: u64,
}

public struct ChangeCancelled has copy, drop {
    params_id: ID,
    number: u64,
    at_ms: u64,
}

public struct DelayChanged has copy, drop {
    params_id: ID,
    delay_ms: u64,
}

public struct ParamsMigrated has copy, drop {
    params_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let params = Params {
        id: object::new(ctx),
        version: VERSION,
        delay_ms: 2 * DAY_MS,
        proposed: 0,
        pending: vector[],
    };
    event::emit(ParamsCreated {
        params_id: object::id(&params),
        delay_ms: params.delay_ms,
    });
    transfer::share_object(params);
}

// === Changes ===

/// Proposes a change; its number. Bounds are checked when it is executed.
public fun propose(
    _: &AdminCap,
    params: &mut Params,
    kind: u8,
    values: vector<u64>,
    clock: &Clock,
): u64 {
    assert!(params.version == VERSION, EWrongVersion);
    assert!(kind < KINDS, EUnknownKind);
    assert!(values.length() == length_of(kind), EMalformed);
    assert!(kind != TIER || values[0] <= 255, EMalformed);
    assert!(params.pending.length() < MOST_PENDING, EFull);
    let number = params.proposed;
    let ready_at_ms = clock.timestamp_ms() + params.delay_ms;
    params.proposed = number + 1;
    params.pending.push_back(Change { number, kind, values, ready_at_ms });
    event::emit(ChangeProposed {
        params_id: object::id(params),
        number,
        kind,
        values,
        ready_at_ms,
    });
    number
}

/// Withdraws a pending change.
public fun cancel(_: &AdminCap, params: &mut Params, number: u64, clock: &Clock) {
    assert!(params.version == VERSION, EWrongVersion);
    params.take(number);
    event::emit(ChangeCancelled {
        params_id: object::id(params),
        number,
        at_ms: clock.timestamp_ms(),
    });
}

/// Executes a change whose time has come, of any kind but those that have a function of their own.
/// Anyone may.
public fun execute(
    params: &mut Params,
    pool: &mut StakingPool,
    docket: &mut Docket,
    rewards: &mut Rewards,
    number: u64,
    clock: &Clock,
) {
    let change = params.due(number, clock);
    assert!(change.kind != GATEWAY && change.kind != ANCHORS, EWrongTarget);
    let values = change.values;
    if (change.kind == TIER) {
        pool.set_tier(values[0] as u8, values[1], values[2]);
    } else if (change.kind == UNBONDING) {
        // Never shortened below what a case takes.
        assert!(
            values[0] >= pool.unbonding_ms() || values[0] >= docket.windows_ms(),
            EOutOfBounds,
        );
        pool.set_unbonding(values[0]);
    } else if (change.kind == RULES) {
        docket.set_rules(
            pool,
            values[0],
            values[1],
            values[2],
            values[3],
            vector[values[4], values[5], values[6], values[7]],
            values[8],
            values[9],
            values[10],
        );
    } else if (change.kind == EMISSION) {
        rewards.set_emission(values[0], clock);
    } else if (change.kind == DELEGATION) {
        pool.set_delegation(values[0], values[1], values[2]);
    } else {
        params.set_delay(values[0]);
    };
    params.executed(number, clock);
}

/// Executes a change of the gateway's rules whose time has come. Anyone may.
public fun execute_gateway(
    params: &mut Params,
    gateway: &mut Gateway,
    number: u64,
    clock: &Clock,
) {
    let change = params.due(number, clock);
    assert!(change.kind == GATEWAY, EWrongTarget);
    let values = change.values;
    gateway.set_rules(values[0], values[1], values[2], values[3]);
    params.executed(number, clock);
}

/// Executes a change of the anchors' rule whose time has come. Anyone may.
public fun execute_anchors(
    params: &mut Params,
    anchors: &mut Anchors,
    number: u64,
    clock: &Clock,
) {
    let change = params.due(number, clock);
    assert!(change.kind == ANCHORS, EWrongTarget);
    anchors.set_oldest_statement(change.values[0]);
    params.executed(number, clock);
}

// === The pause ===

/// Stops new stake and new tokens, or allows them again, at once. Unstaking, withdrawing, renewing,
/// reporting and appealing go on.
public fun set_paused(_: &AdminCap, params: &Params, pool: &mut StakingPool, paused: bool) {
    assert!(params.version == VERSION, EWrongVersion);
    assert!(pool.is_paused() != paused, EUnchanged);
    pool.set_paused(paused);
}

/// Hands the object to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, params: &mut Params) {
    assert!(params.version < VERSION, ENotAnUpgrade);
    params.version = VERSION;
    event::emit(ParamsMigrated { params_id: object::id(params), version: VERSION });
}

// === Views ===

/// The timelock, in milliseconds.
public fun delay_ms(params: &Params): u64 { params.delay_ms }

// === Inside ===

fun length_of(kind: u8): u64 {
    if (kind == TIER || kind == DELEGATION) 3
    else if (kind == RULES) 11
    else if (kind == GATEWAY) 4
    else 1
}

/// Takes a change out whose time has come.
fun due(params: &mut Params, number: u64, clock: &Clock): Change {
    assert!(params.version == VERSION, EWrongVersion);
    let change = params.take(number);
    let now = clock.timestamp_ms();
    assert!(now >= change.ready_at_ms, ETimelocked);
    assert!(now - change.ready_at_ms <= GRACE_MS, EExpired);
    change
}

fun executed(params: &Params, number: u64, clock: &Clock) {
    let at_ms = clock.timestamp_ms();
    event::emit(ChangeExecuted { params_id: object::id(params), number, at_ms });
}

fun take(params: &mut Params, number: u64): Change {
    let found = params.pending.find_index!(|change| change.number == number);
    assert!(found.is_some(), EUnknownChange);
    params.pending.remove(found.destroy_some())
}

fun set_delay(params: &mut Params, delay_ms: u64) {
    assert!(delay_ms >= SHORTEST_DELAY_MS && delay_ms <= LONGEST_DELAY_MS, EOutOfBounds);
    params.delay_ms = delay_ms;
    event::emit(DelayChanged { params_id: object::id(params), delay_ms });
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
public fun set_version_for_testing(params: &mut Params, version: u64) {
    params.version = version;
}

#[test_only]
/// Without bounds, as a genesis may.
public fun set_delay_for_testing(params: &mut Params, delay_ms: u64) {
    params.delay_ms = delay_ms;
    event::emit(DelayChanged { params_id: object::id(params), delay_ms });
}

#[test_only]
public fun pending_for_testing(params: &Params): u64 { params.pending.length() }
