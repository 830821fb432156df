// SPDX-License-Identifier: Apache-2.0

/// Slashing on evidence, without a capability.
///
/// Evidence is a statement signed by a trusted enclave of the cluster for which the accused stake has,
/// or had, a Seal token: by minting it the owner has submitted to that cluster's judgement, and to no
/// other's. Or it is two heartbeats for one slot that the node's own key has signed, which needs nobody's
/// word. Anyone may report it, with a bond, which opens a case against a stake of the node tier and holds
/// back all that is leaving it. The case waits for the appeal window; in it, another statement of a trusted
/// enclave (an acquittal) or governance can reject it, and the bond goes to the treasury. Afterwards
/// anyone executes it: the penalty, capped for the stake and the period, goes to the treasury, a share of
/// it and the bond to the reporter. The stake is jailed, for equivocation tombstoned.
///
/// A downtime in a period in which more than a set share of the nodes failed together is nobody's fault:
/// it is refused when the statement says so, and excused when another statement of a trusted enclave does.
module k3s_daas::slashing;

use k3s_daas::enclave_registry::{Cluster, Enclave};
use k3s_daas::k8s_gateway::SealToken;
use k3s_daas::rewards::Rewards;
use k3s_daas::staking::{Self, AdminCap, SlashCap, Stake, StakingPool};
use std::string::String;
use sui::balance::Balance;
use sui::bcs;
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::ed25519;
use sui::event;
use sui::hash;
use sui::sui::SUI;
use sui::table::{Self, Table};

/// The version of the package that may use the shared objects.
const VERSION: u64 = 1;

// === Abort codes ===

/// The shared object belongs to another version of the package.
const EWrongVersion: u64 = 0;
/// No such kind of fault.
const EUnknownKind: u64 = 1;
/// The enclave is another cluster's, revoked, or runs what is no longer allowed.
const EUntrustedEnclave: u64 = 2;
/// The signature is not the enclave's over this statement.
const EInvalidSignature: u64 = 3;
/// The statement is from the future, older than the evidence window, about what is, or later than the
/// token's life.
const EStaleEvidence: u64 = 4;
/// The evidence was reported before.
const EReplayed: u64 = 5;
/// The stake is not of the node tier.
const EWrongTier: u64 = 6;
/// The stake is withdrawn or slashed out.
const ENotSlashable: u64 = 7;
/// Too many nodes failed together.
const ECorrelatedOutage: u64 = 8;
/// The bond is too small.
const EBondTooSmall: u64 = 9;
/// The case is executed or rejected.
const EClosed: u64 = 10;
/// The appeal window is still open.
const EAppealOpen: u64 = 11;
/// The appeal window is over.
const EAppealOver: u64 = 12;
/// The stake is not the case's.
const EWrongStake: u64 = 13;
/// The cluster is not the case's.
const EWrongCluster: u64 = 14;
/// A rule is out of its bounds.
const EOutOfBounds: u64 = 15;
/// The object already has the package's version.
const ENotAnUpgrade: u64 = 16;
/// The token is not the stake's.
const EWrongToken: u64 = 17;
/// The messages are not two different heartbeats of the node for one slot.
const ENotEquivocation: u64 = 18;
/// The node never had the key.
const EWrongKey: u64 = 19;
/// The node's own signatures prove the case: governance alone can reject it.
const EProven: u64 = 20;
/// No more than the set share of the nodes failed, or it is known that they did.
const ENotAnOutage: u64 = 21;

// === Kinds, statuses, intents, bounds ===

/// No heartbeats for too long.
const DOWNTIME: u8 = 0;
/// Two heartbeats for one slot.
const EQUIVOCATION: u8 = 1;
// Lying about resources is 2, failing a challenge 3.
const KINDS: u64 = 4;

const PENDING: u8 = 0;
const EXECUTED: u8 = 1;
const REJECTED: u8 = 2;

/// Kept apart so that no statement can be taken for one of another meaning.
const INTENT_EVIDENCE: u8 = 1;
const INTENT_ACQUITTAL: u8 = 2;
const INTENT_OUTAGE: u8 = 33;
/// What a node's signature on a heartbeat begins with.
const HEARTBEAT: vector<u8> = b"k3s-daas/seal/heartbeat/v1\x00";
/// A statement may be this much later than the end of the token's life.
const AFTER_TOKEN_MS: u64 = 3_600_000;

const WHOLE: u64 = 10_000; // basis points
const SHORTEST_WINDOW_MS: u64 = 10_000;
const DAY_MS: u64 = 86_400_000;
const LONGEST_WINDOW_MS: u64 = 60 * DAY_MS;
const GREATEST_BOND: u64 = 1_000_000_000_000; // 1,000 SUI
const GREATEST_REPORTER_SHARE: u64 = 5_000;
const LONGEST_SENTENCE_MS: u64 = 30 * DAY_MS;

// === Objects ===

/// The rules, and what was reported and taken so far. Shared.
public struct Docket has key {
    id: UID,
    version: u64,
    rules: Rules,
    /// By the digest of the evidence: its case.
    seen: Table<vector<u8>, ID>,
    /// MIST taken.
    taken: Table<StakePeriod, u64>,
    /// Periods in which downtime was nobody's fault, and how many nodes failed.
    outages: Table<ClusterPeriod, u64>,
    cases_opened: u64,
}

public struct Rules has copy, drop, store {
    /// How old a statement may be.
    evidence_window_ms: u64,
    /// How long a case waits.
    appeal_window_ms: u64,
    /// The least bond, in MIST.
    bond: u64,
    /// Of what is slashed, in basis points.
    reporter_share: u64,
    /// Of the stake, by kind, in basis points.
    penalties: vector<u64>,
    /// Of the stake, for one stake and period, in basis points.
    period_cap: u64,
    /// The share of nodes failing together above which a downtime is nobody's fault, in basis points.
    correlated: u64,
    /// For how long a stake is jailed the first time, in milliseconds.
    sentence_ms: u64,
}

/// A period is a day (UTC), by its number.
public struct StakePeriod has copy, drop, store {
    stake_id: ID,
    period: u64,
}

public struct ClusterPeriod has copy, drop, store {
    cluster_id: ID,
    period: u64,
}

/// A reported fault. Shared.
public struct Case has key {
    id: UID,
    stake_id: ID,
    cluster_id: ID,
    kind: u8,
    period: u64,
    /// blake2b-256 of the statement.
    evidence: vector<u8>,
    reporter: address,
    bond: Balance<SUI>,
    /// MIST to be taken, before the cap.
    penalty: u64,
    reported_at_ms: u64,
    appeal_until_ms: u64,
    /// By the node's own signatures.
    proven: bool,
    status: u8,
}

// === Statements, signed as BCS ===

/// What an enclave signs to accuse.
public struct EvidenceStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    stake_id: ID,
    kind: u8,
    period: u64,
    nonce: u64,
    /// Nodes that failed in the period, and nodes that there were.
    failed: u64,
    total: u64,
    /// A digest of the facts, which are kept off the chain.
    facts: vector<u8>,
}

/// What an enclave signs to acquit.
public struct AcquittalStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    case_id: ID,
    evidence: vector<u8>,
}

/// What an enclave signs to say that many nodes failed together.
public struct OutageStatement has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    cluster_id: ID,
    period: u64,
    failed: u64,
    total: u64,
}

// === Events ===

public struct DocketCreated has copy, drop {
    docket_id: ID,
    rules: Rules,
}

public struct RulesChanged has copy, drop {
    docket_id: ID,
    rules: Rules,
}

public struct CaseOpened has copy, drop {
    case_id: ID,
    stake_id: ID,
    cluster_id: ID,
    kind: u8,
    period: u64,
    evidence: vector<u8>,
    reporter: address,
    bond: u64,
    penalty: u64,
    reported_at_ms: u64,
    appeal_until_ms: u64,
    proven: bool,
}

public struct OutageDeclared has copy, drop {
    docket_id: ID,
    cluster_id: ID,
    period: u64,
    failed: u64,
    total: u64,
    at_ms: u64,
}

public struct CaseExecuted has copy, drop {
    case_id: ID,
    stake_id: ID,
    period: u64,
    taken: u64,
    reward: u64,
    bond: u64,
    at_ms: u64,
}

public struct CaseRejected has copy, drop {
    case_id: ID,
    stake_id: ID,
    bond: u64,
    by_governance: bool,
    at_ms: u64,
}

public struct DocketMigrated has copy, drop {
    docket_id: ID,
    version: u64,
}

fun init(ctx: &mut TxContext) {
    let docket = Docket {
        id: object::new(ctx),
        version: VERSION,
        rules: Rules {
            evidence_window_ms: 3 * DAY_MS,
            appeal_window_ms: 7 * DAY_MS,
            bond: 100_000_000,
            reporter_share: 500,
            penalties: vector[100, 5_000, 1_000, 500],
            period_cap: 5_000,
            correlated: 2_000,
            sentence_ms: DAY_MS / 24,
        },
        seen: table::new(ctx),
        taken: table::new(ctx),
        outages: table::new(ctx),
        cases_opened: 0,
    };
    event::emit(DocketCreated { docket_id: object::id(&docket), rules: docket.rules });
    transfer::share_object(docket);
}

// === For anyone ===

/// Opens a case on an enclave's statement. `token` is the stake's, for the cluster of the enclave. The
/// result must be shared in the same transaction.
public fun report(
    docket: &mut Docket,
    stake: &mut Stake,
    token: &SealToken,
    cluster: &Cluster,
    enclave: &Enclave,
    kind: u8,
    period: u64,
    nonce: u64,
    failed: u64,
    total: u64,
    facts: vector<u8>,
    timestamp_ms: u64,
    signature: vector<u8>,
    bond: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
): Case {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!((kind as u64) < KINDS, EUnknownKind);
    assert!(token.stake_id() == object::id(stake), EWrongToken);
    assert!(token.cluster_id() == object::id(cluster), EWrongCluster);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    docket.check_fresh(token, timestamp_ms, clock);
    docket.check_period(period, timestamp_ms);
    if (kind == DOWNTIME) assert!(!docket.is_outage(failed, total), ECorrelatedOutage);

    let statement = bcs::to_bytes(&EvidenceStatement {
        intent: INTENT_EVIDENCE,
        timestamp_ms,
        cluster_id: object::id(cluster),
        stake_id: object::id(stake),
        kind,
        period,
        nonce,
        failed,
        total,
        facts,
    });
    let evidence = hash::blake2b256(&statement);
    assert!(!docket.seen.contains(evidence), EReplayed);
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    docket.open(stake, object::id(cluster), kind, period, evidence, bond, false, clock, ctx)
}

/// Opens a case on two heartbeats for one slot that the node's key has signed: the signed messages and
/// the signatures. `key` is the token's, or one that the node had before. The result must be shared in
/// the same transaction.
public fun report_equivocation(
    docket: &mut Docket,
    stake: &mut Stake,
    token: &SealToken,
    key: vector<u8>,
    first: vector<u8>,
    first_signature: vector<u8>,
    second: vector<u8>,
    second_signature: vector<u8>,
    bond: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
): Case {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(token.stake_id() == object::id(stake), EWrongToken);
    assert!(key == token.node_key() || stake.had_key(&key), EWrongKey);
    let (sequence, timestamp_ms) = slot(token, first);
    let (other, other_ms) = slot(token, second);
    assert!(sequence == other && first != second, ENotEquivocation);
    docket.check_fresh(token, timestamp_ms, clock);
    docket.check_fresh(token, other_ms, clock);
    // A slot is one fault, whatever pairs of heartbeats there are for it.
    let mut named = HEARTBEAT;
    named.append(bcs::to_bytes(&object::id(token)));
    named.append(bcs::to_bytes(&sequence));
    let evidence = hash::blake2b256(&named);
    assert!(!docket.seen.contains(evidence), EReplayed);
    assert!(ed25519::ed25519_verify(&first_signature, &key, &first), EInvalidSignature);
    assert!(ed25519::ed25519_verify(&second_signature, &key, &second), EInvalidSignature);
    let period = timestamp_ms / DAY_MS;
    docket.open(stake, token.cluster_id(), EQUIVOCATION, period, evidence, bond, true, clock, ctx)
}

/// Makes known, on an enclave's statement, that too many nodes failed together in a period for anyone's
/// downtime to be a fault. Cases of it that are pending will take nothing.
public fun declare_outage(
    docket: &mut Docket,
    cluster: &Cluster,
    enclave: &Enclave,
    period: u64,
    failed: u64,
    total: u64,
    timestamp_ms: u64,
    signature: vector<u8>,
    clock: &Clock,
) {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= docket.windows_ms(),
        EStaleEvidence,
    );
    assert!(period <= timestamp_ms / DAY_MS, EStaleEvidence);
    let cluster_id = object::id(cluster);
    let key = ClusterPeriod { cluster_id, period };
    assert!(docket.is_outage(failed, total) && !docket.outages.contains(key), ENotAnOutage);
    let statement = bcs::to_bytes(&OutageStatement {
        intent: INTENT_OUTAGE,
        timestamp_ms,
        cluster_id,
        period,
        failed,
        total,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    docket.outages.add(key, failed);
    event::emit(OutageDeclared {
        docket_id: object::id(docket),
        cluster_id,
        period,
        failed,
        total,
        at_ms: now,
    });
}

/// Shares a new case.
#[allow(lint(share_owned))]
public fun share_case(case: Case) {
    transfer::share_object(case);
}

/// Rejects a case on a trusted enclave's acquittal, within the appeal window.
public fun appeal(
    docket: &Docket,
    pool: &mut StakingPool,
    case: &mut Case,
    stake: &mut Stake,
    cluster: &Cluster,
    enclave: &Enclave,
    timestamp_ms: u64,
    signature: vector<u8>,
    clock: &Clock,
) {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(case.status == PENDING, EClosed);
    let now = clock.timestamp_ms();
    assert!(now < case.appeal_until_ms, EAppealOver);
    assert!(!case.proven, EProven);
    assert!(case.stake_id == object::id(stake), EWrongStake);
    assert!(case.cluster_id == object::id(cluster), EWrongCluster);
    assert!(cluster.is_trusted(enclave), EUntrustedEnclave);
    assert!(timestamp_ms <= now && timestamp_ms >= case.reported_at_ms, EStaleEvidence);
    let statement = bcs::to_bytes(&AcquittalStatement {
        intent: INTENT_ACQUITTAL,
        timestamp_ms,
        cluster_id: case.cluster_id,
        case_id: object::id(case),
        evidence: case.evidence,
    });
    assert!(
        ed25519::ed25519_verify(&signature, &enclave.public_key(), &statement),
        EInvalidSignature,
    );
    case.reject(pool, stake, false, clock);
}

/// Executes a case whose appeal window is over.
public fun execute(
    docket: &mut Docket,
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    case: &mut Case,
    stake: &mut Stake,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(case.status == PENDING, EClosed);
    let now = clock.timestamp_ms();
    assert!(now >= case.appeal_until_ms, EAppealOpen);
    assert!(case.stake_id == object::id(stake), EWrongStake);

    rewards.before(stake, clock, ctx);
    case.status = EXECUTED;
    stake.close_case();
    let outage = ClusterPeriod { cluster_id: case.cluster_id, period: case.period };
    let excused = case.kind == DOWNTIME && docket.outages.contains(outage);
    let due = if (excused) 0 else docket.due(case, stake);
    let taken = if (due == 0) 0
        else pool.take_from(stake, due, kind_name(case.kind), clock);
    docket.count(case.stake_id, case.period, taken);
    if (case.kind == EQUIVOCATION) stake.tombstone(clock)
    else if (!excused) stake.jail(docket.rules.sentence_ms, clock);
    rewards.after(stake, clock, ctx);
    let reward = share_of(taken, docket.rules.reporter_share);
    let bond = case.bond.value();
    let mut payment = case.bond.withdraw_all();
    if (reward > 0) { payment.join(pool.pay(reward)); };
    transfer::public_transfer(coin::from_balance(payment, ctx), case.reporter);
    event::emit(CaseExecuted {
        case_id: object::id(case),
        stake_id: case.stake_id,
        period: case.period,
        taken,
        reward,
        bond,
        at_ms: now,
    });
}

// === Governance ===

/// Takes `amount` MIST, or all that there is, from what stands behind an active or unbonding stake into
/// the treasury.
public fun slash(
    _: &SlashCap,
    pool: &mut StakingPool,
    rewards: &mut Rewards,
    stake: &mut Stake,
    amount: u64,
    reason: String,
    clock: &Clock,
    ctx: &TxContext,
) {
    rewards.before(stake, clock, ctx);
    pool.take_from(stake, amount, reason, clock);
    rewards.after(stake, clock, ctx);
}

/// Rejects a case within the appeal window.
public fun veto(
    _: &AdminCap,
    docket: &Docket,
    pool: &mut StakingPool,
    case: &mut Case,
    stake: &mut Stake,
    clock: &Clock,
) {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(case.status == PENDING, EClosed);
    assert!(clock.timestamp_ms() < case.appeal_until_ms, EAppealOver);
    assert!(case.stake_id == object::id(stake), EWrongStake);
    case.reject(pool, stake, true, clock);
}

/// Changes the rules for cases to come; the cap and the reporter's share hold at execution. Both
/// windows together must fit into the unbonding period, so that nobody withdraws ahead of a case.
public(package) fun set_rules(
    docket: &mut Docket,
    pool: &StakingPool,
    evidence_window_ms: u64,
    appeal_window_ms: u64,
    bond: u64,
    reporter_share: u64,
    penalties: vector<u64>,
    period_cap: u64,
    correlated: u64,
    sentence_ms: u64,
) {
    assert!(docket.version == VERSION, EWrongVersion);
    assert!(
        evidence_window_ms >= SHORTEST_WINDOW_MS && evidence_window_ms <= LONGEST_WINDOW_MS,
        EOutOfBounds,
    );
    assert!(
        appeal_window_ms >= SHORTEST_WINDOW_MS && appeal_window_ms <= LONGEST_WINDOW_MS,
        EOutOfBounds,
    );
    assert!(evidence_window_ms + appeal_window_ms <= pool.unbonding_ms(), EOutOfBounds);
    assert!(bond > 0 && bond <= GREATEST_BOND, EOutOfBounds);
    assert!(reporter_share <= GREATEST_REPORTER_SHARE, EOutOfBounds);
    assert!(penalties.length() == KINDS, EOutOfBounds);
    assert!(penalties.all!(|penalty| *penalty <= WHOLE), EOutOfBounds);
    assert!(period_cap <= WHOLE && correlated <= WHOLE, EOutOfBounds);
    assert!(sentence_ms <= LONGEST_SENTENCE_MS, EOutOfBounds);
    docket.rules =
        Rules {
            evidence_window_ms,
            appeal_window_ms,
            bond,
            reporter_share,
            penalties,
            period_cap,
            correlated,
            sentence_ms,
        };
    event::emit(RulesChanged { docket_id: object::id(docket), rules: docket.rules });
}

/// Hands the docket to this version of the package and shuts the older ones out.
public fun migrate(_: &AdminCap, docket: &mut Docket) {
    assert!(docket.version < VERSION, ENotAnUpgrade);
    docket.version = VERSION;
    event::emit(DocketMigrated { docket_id: object::id(docket), version: VERSION });
}

// === Views ===

/// How long a case may take: both windows.
public fun windows_ms(docket: &Docket): u64 {
    docket.rules.evidence_window_ms + docket.rules.appeal_window_ms
}

public fun status(case: &Case): u8 { case.status }

public fun penalty(case: &Case): u64 { case.penalty }

public fun bond(case: &Case): u64 { case.bond.value() }

public fun appeal_until_ms(case: &Case): u64 { case.appeal_until_ms }

// === Inside ===

/// That a statement is from within the evidence window and the token's life.
fun check_fresh(docket: &Docket, token: &SealToken, timestamp_ms: u64, clock: &Clock) {
    let now = clock.timestamp_ms();
    assert!(
        timestamp_ms <= now && now - timestamp_ms <= docket.rules.evidence_window_ms,
        EStaleEvidence,
    );
    assert!(timestamp_ms <= token.expires_at_ms() + AFTER_TOKEN_MS, EStaleEvidence);
}

/// That a period is one that a statement of then may be about: as the cap is by period, there must not be
/// many of them.
fun check_period(docket: &Docket, period: u64, timestamp_ms: u64) {
    let last = timestamp_ms / DAY_MS;
    let windows = docket.rules.evidence_window_ms / DAY_MS + 1;
    assert!(period <= last && last - period <= windows, EStaleEvidence);
}

/// Whether more nodes failed than can by their own faults.
fun is_outage(docket: &Docket, failed: u64, total: u64): bool {
    (failed as u128) * (WHOLE as u128) > (total as u128) * (docket.rules.correlated as u128)
}

/// A heartbeat's sequence and time; that it is one of the token's node.
fun slot(token: &SealToken, message: vector<u8>): (u64, u64) {
    let mut begins = HEARTBEAT;
    begins.append(bcs::to_bytes(&token.cluster_id()));
    begins.append(bcs::to_bytes(&object::id(token)));
    begins.append(bcs::to_bytes(&token.node_id()));
    let length = begins.length();
    assert!(message.length() >= length + 16, ENotEquivocation);
    let mut at = 0;
    while (at < length) {
        assert!(message[at] == begins[at], ENotEquivocation);
        at = at + 1;
    };
    (number(&message, length), number(&message, length + 8))
}

/// A little-endian number at a position.
fun number(message: &vector<u8>, at: u64): u64 {
    let mut number = 0;
    8u64.do!(|byte| {
        number = number | ((message[at + byte] as u64) << ((8 * byte) as u8));
    });
    number
}

fun open(
    docket: &mut Docket,
    stake: &mut Stake,
    cluster_id: ID,
    kind: u8,
    period: u64,
    evidence: vector<u8>,
    bond: Coin<SUI>,
    proven: bool,
    clock: &Clock,
    ctx: &mut TxContext,
): Case {
    assert!(stake.tier() == staking::tier_node(), EWrongTier);
    assert!(stake.is_slashable(), ENotSlashable);
    assert!(bond.value() >= docket.rules.bond, EBondTooSmall);
    let now = clock.timestamp_ms();
    let case = Case {
        id: object::new(ctx),
        stake_id: object::id(stake),
        cluster_id,
        kind,
        period,
        evidence,
        reporter: ctx.sender(),
        bond: bond.into_balance(),
        penalty: share_of(stake.at_stake(), docket.rules.penalties[kind as u64]),
        reported_at_ms: now,
        appeal_until_ms: now + docket.rules.appeal_window_ms,
        proven,
        status: PENDING,
    };
    docket.seen.add(evidence, object::id(&case));
    docket.cases_opened = docket.cases_opened + 1;
    stake.accuse();
    event::emit(CaseOpened {
        case_id: object::id(&case),
        stake_id: case.stake_id,
        cluster_id,
        kind,
        period,
        evidence,
        reporter: case.reporter,
        bond: case.bond.value(),
        penalty: case.penalty,
        reported_at_ms: now,
        appeal_until_ms: case.appeal_until_ms,
        proven,
    });
    case
}

/// What the case takes now: its penalty, as far as the stake and the cap of its period allow. The cap
/// is of what the stake was before anything was taken for the period.
fun due(docket: &Docket, case: &Case, stake: &Stake): u64 {
    if (!stake.is_slashable()) return 0;
    let key = StakePeriod { stake_id: case.stake_id, period: case.period };
    let taken = if (docket.taken.contains(key)) docket.taken[key] else 0;
    let held = stake.at_stake();
    let cap = share_of(held + taken, docket.rules.period_cap);
    if (cap <= taken) return 0;
    case.penalty.min(cap - taken).min(held)
}

fun count(docket: &mut Docket, stake_id: ID, period: u64, amount: u64) {
    if (amount == 0) return;
    let key = StakePeriod { stake_id, period };
    if (docket.taken.contains(key)) {
        let taken = &mut docket.taken[key];
        *taken = *taken + amount;
    } else {
        docket.taken.add(key, amount);
    }
}

fun reject(
    case: &mut Case,
    pool: &mut StakingPool,
    stake: &mut Stake,
    by_governance: bool,
    clock: &Clock,
) {
    case.status = REJECTED;
    stake.close_case();
    let bond = case.bond.value();
    pool.fund(case.bond.withdraw_all());
    event::emit(CaseRejected {
        case_id: object::id(case),
        stake_id: case.stake_id,
        bond,
        by_governance,
        at_ms: clock.timestamp_ms(),
    });
}

/// Rounded down: in favour of who pays.
fun share_of(amount: u64, basis_points: u64): u64 {
    ((amount as u128) * (basis_points as u128) / (WHOLE as u128)) as u64
}

fun kind_name(kind: u8): String {
    if (kind == DOWNTIME) b"downtime".to_string()
    else if (kind == 1) b"equivocation".to_string()
    else if (kind == 2) b"resources".to_string()
    else b"challenge".to_string()
}

// === Tests ===

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(ctx);
}

#[test_only]
/// A case as `report` opens it, without a signature.
public fun case_for_testing(
    docket: &mut Docket,
    stake: &mut Stake,
    cluster: &Cluster,
    kind: u8,
    period: u64,
    bond: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
): Case {
    let evidence = hash::blake2b256(&bcs::to_bytes(&docket.cases_opened));
    docket.open(stake, object::id(cluster), kind, period, evidence, bond, false, clock, ctx)
}

#[test_only]
public fun set_version_for_testing(docket: &mut Docket, version: u64) {
    docket.version = version;
}

#[test_only]
public fun seen_for_testing(docket: &Docket, evidence: vector<u8>): ID {
    docket.seen[evidence]
}

#[test_only]
public fun taken_for_testing(docket: &Docket, stake_id: ID, period: u64): u64 {
    docket.taken[StakePeriod { stake_id, period }]
}

#[test_only]
public fun outage_for_testing(docket: &Docket, cluster_id: ID, period: u64): u64 {
    docket.outages[ClusterPeriod { cluster_id, period }]
}
