//! Properties of the contracts over random histories, each named after what it rules out.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use contract_model::layout::anchors::StateAnchored;
use contract_model::layout::delegation::{Delegated, Delegation, DelegationClaimed, Undelegated};
use contract_model::layout::k8s_gateway::{
    PERMISSION_SYSTEM, REVOKED_BY_ADMIN, SealToken, SealTokenCreated, SealTokenRenewed,
    SealTokenRevoked,
};
use contract_model::layout::k8s_interface::{Interface, Request};
use contract_model::layout::params::{ChangeCancelled, ChangeExecuted, ChangeProposed, Params};
use contract_model::layout::rewards::{
    Earner, EarnerSettled, EscrowClosed, EscrowOpened, INTENT_PERFORMANCE, PerformanceStatement,
    RewardClaimed, Rewards,
};
use contract_model::layout::slashing::{
    Case, CaseExecuted, CaseOpened, Docket, EvidenceStatement, INTENT_EVIDENCE, INTENT_OUTAGE,
    KIND_DOWNTIME, OutageStatement,
};
use contract_model::layout::staking::{
    Jailed, STATUS_ACTIVE, STATUS_UNBONDING, Slashed, Stake, Staked, ToppedUp, Withdrawn,
};
use contract_model::layout::unbonding::{Unbonding, UnbondingRedeemed};
use contract_model::layout::{MoveEvent, MoveType as _};
use contract_model::{Parameters, World};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use sui_sdk_types::{Address, Argument};

use crate::events::{Rebuilt, entries, entries_by};
use crate::history::{Act, History, PEOPLE};
use crate::support::{Chain, SUI, abort, address, created};

fn events<E: MoveEvent>(act: &Act) -> Vec<E> {
    let events = act.outcome.events.iter();
    let events = events.filter(|event| E::is(&event.type_, act.before.package()));
    events
        .map(|event| bcs::from_bytes(&event.contents).unwrap())
        .collect()
}

/// All MIST that there is.
fn value(world: &World) -> u64 {
    let coins = world
        .objects()
        .filter_map(|object| world.coin(object.object_id()));
    let staked = world
        .views::<Stake>()
        .into_iter()
        .map(|stake| stake.balance + stake.delegated.balance + stake.queue.balance);
    let bonds = world.views::<Case>().into_iter().map(|case| case.bond);
    let rewards = world.views::<Rewards>().remove(0).vault;
    let fees = world.views::<Interface>().into_iter().map(|it| it.earned);
    let pending = world.views::<Request>().into_iter().map(|it| it.fee);
    let fees = fees.chain(pending);
    coins.chain(staked).chain(bonds).chain(fees).sum::<u64>()
        + rewards
        + world.pool().unwrap().treasury
}

/// An executed act of a random history, and the world after it.
struct Step<'a> {
    act: &'a Act,
    world: &'a World,
    history: &'a History,
}

/// What is asserted of each step of one history.
type Check = Box<dyn FnMut(&Step<'_>)>;

/// The properties by name. Each is a test of its own name.
macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident() $body:block)+) => {
        $(
            $(#[$doc])*
            fn $name() -> Check $body
        )+

        const PROPERTIES: &[(&str, fn() -> Check)] = &[$((stringify!($name), $name)),+];

        mod over_random_histories {
            $(
                #[test]
                fn $name() {
                    super::verdict(stringify!($name));
                }
            )+
        }
    };
}

/// How many histories, and how long they are. The runner gives each property a process, and so histories, of its
/// own: thousands in all, and each history is checked for every property.
const HISTORIES: u64 = 150;
const STEPS: usize = 28;

/// By property: the first history that it did not hold in.
static FAILURES: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let first = std::env::var("MODEL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("{HISTORIES} histories from seed: MODEL_SEED={first}");
    let next = AtomicU64::new(0);
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= HISTORIES {
                        return;
                    }
                    let seed = first.wrapping_add(number);
                    for (name, failure) in broken_by(seed) {
                        let text = format!("MODEL_SEED={seed}: {failure}");
                        failures.lock().unwrap().entry(name).or_insert(text);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
});

/// The properties that do not hold in a history, and how.
fn broken_by(seed: u64) -> Vec<(&'static str, String)> {
    let mut history = History::new(seed);
    let mut checks: Vec<(&str, Check)> = PROPERTIES
        .iter()
        .map(|(name, check)| (*name, check()))
        .collect();
    let mut broken = Vec::new();
    for number in 0..STEPS {
        history.step();
        let mut acts = std::mem::take(&mut history.earlier);
        acts.extend(history.last.take());
        for act in &acts {
            let step = Step {
                act,
                world: &act.after,
                history: &history,
            };
            checks.retain_mut(|(name, check)| {
                let looked = catch_unwind(AssertUnwindSafe(|| check(&step)));
                let Err(panic) = looked else { return true };
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default();
                broken.push((*name, format!("at step {number}: {text}")));
                false
            });
        }
    }
    broken
}

fn verdict(property: &str) {
    if let Some(failure) = FAILURES.get(property) {
        panic!("{failure}");
    }
}

/// The epoch of a time: in histories it is a day.
fn epoch(now: u64) -> u64 {
    now / 86_400_000 - 19_000
}

/// What only its owner, or who may slash, changes of a stake.
fn own(stake: &Stake) -> (Address, u8, u8, u64, u64, u64, u64, bool) {
    (
        stake.owner,
        stake.tier,
        stake.status,
        stake.balance,
        stake.withdrawable_at_ms,
        stake.commission,
        stake.jailed_until_ms,
        stake.tombstoned,
    )
}

properties! {
    value_is_conserved_to_the_mist() {
        let total = u64::from(PEOPLE) * 1_000 * SUI;
        Box::new(move |s| {
            assert_eq!(value(s.world) + s.act.charged, total);
        })
    }

    the_pools_totals_are_the_sums_of_its_stakes() {
        Box::new(|s| {
            let (pool, stakes) = (s.world.pool().unwrap(), s.world.views::<Stake>());
            let sum = |of: fn(&Stake) -> u64| -> u64 { stakes.iter().map(of).sum() };
            let active = |s: &Stake| if s.status == STATUS_ACTIVE { s.balance } else { 0 };
            assert_eq!(pool.total_active, sum(active) + sum(|s| s.delegated.balance));
            let leaving = |s: &Stake| if s.status == STATUS_UNBONDING { s.balance } else { 0 };
            assert_eq!(pool.total_unbonding, sum(leaving) + sum(|s| s.queue.balance));
            assert_eq!(pool.total_slashed, sum(|s| s.slashed));
            assert_eq!(pool.stakes_created, stakes.len() as u64);
            // What is withdrawn or slashed out is empty.
            assert!(stakes.iter().all(|s| s.status <= STATUS_UNBONDING || s.balance == 0));
            // Every share belongs to a delegation, or to a part of the queue.
            let delegations: Vec<Delegation> = s.world.views();
            let parts: Vec<Unbonding> = s.world.views();
            for stake in &stakes {
                let of = |d: &&Delegation| d.stake_id == stake.id;
                let shares: u128 = delegations.iter().filter(of).map(|d| d.shares).sum();
                assert_eq!(shares, stake.delegated.shares);
                let now = stake.queue.generation;
                let of = |p: &&Unbonding| p.stake_id == stake.id && p.generation == now;
                let shares: u128 = parts.iter().filter(of).map(|p| p.shares).sum();
                assert_eq!(shares, stake.queue.shares);
            }
        })
    }

    /// Nothing leaves before its time, nor while a case is pending.
    withdraw_before_slash() {
        Box::new(|s| {
            for withdrawn in events::<Withdrawn>(s.act) {
                let stake = s.act.before.stake(withdrawn.stake_id).unwrap();
                assert_eq!(stake.status, STATUS_UNBONDING);
                assert_eq!(stake.cases, 0);
                assert!(s.act.now >= stake.withdrawable_at_ms);
                assert!(stake.withdrawable_at_ms >= stake.locked_until_ms + 60_000);
                assert_eq!(stake.owner, s.act.sender);
            }
            for redeemed in events::<UnbondingRedeemed>(s.act) {
                let part: Unbonding = s.act.before.view(redeemed.unbonding_id).unwrap();
                let stake = s.act.before.stake(part.stake_id).unwrap();
                assert_eq!(stake.cases, 0);
                assert!(s.act.now >= part.withdrawable_at_ms);
            }
        })
    }

    /// A case that was opened before a stake left takes what it would have taken.
    a_slash_reaches_stake_that_is_leaving() {
        Box::new(|s| {
            for slashed in events::<Slashed>(s.act) {
                let (old, new) = (
                    s.act.before.stake(slashed.stake_id).unwrap(),
                    s.world.stake(slashed.stake_id).unwrap(),
                );
                // Everybody bears their part, to the MIST.
                let held = |s: &Stake| [s.balance, s.delegated.balance, s.queue.balance];
                let whole: u64 = held(&old).iter().sum();
                for (old, new) in held(&old).into_iter().zip(held(&new)) {
                    let part = u128::from(slashed.amount) * u128::from(old) / u128::from(whole);
                    let lost = u128::from(old - new);
                    assert!(lost <= part + 1 && lost + 2 >= part, "{lost} of {part}");
                }
            }
        })
    }

    nobody_withdraws_more_than_they_put_in_less_slashes() {
        let mut stakes: BTreeMap<Address, i128> = BTreeMap::new();
        let mut delegations: BTreeMap<Address, i128> = BTreeMap::new();
        Box::new(move |s| {
            let mut add = |stake, amount: u64, sign: i128| {
                *stakes.entry(stake).or_default() += sign * i128::from(amount);
            };
            events::<Staked>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, 1));
            events::<ToppedUp>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, 1));
            events::<Delegated>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, 1));
            events::<Slashed>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, -1));
            events::<Withdrawn>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, -1));
            events::<UnbondingRedeemed>(s.act).iter().for_each(|e| add(e.stake_id, e.amount, -1));
            for stake in s.world.views::<Stake>() {
                let held = stake.balance + stake.delegated.balance + stake.queue.balance;
                assert_eq!(stakes[&stake.id], i128::from(held));
            }
            // And of it no delegator more than their own: dust of a MIST for each share that left
            // before them apart.
            for e in events::<Delegated>(s.act) {
                delegations.insert(e.delegation_id, i128::from(e.amount) + 100);
            }
            for e in events::<Undelegated>(s.act) {
                let left = delegations.get_mut(&e.delegation_id).unwrap();
                *left -= i128::from(e.amount);
                assert!(*left >= 0);
            }
        })
    }

    /// No sequence without a capability changes parameters or takes from others.
    privilege_escalation() {
        Box::new(|s| {
            let (act, world) = (s.act, s.world);
            let genesis = &s.history.chain.genesis;
            let (before, after) = (act.before.pool().unwrap(), world.pool().unwrap());
            let executed = !events::<CaseExecuted>(act).is_empty();
            let rules = |world: &World| world.views::<Docket>()[0].rules.clone();
            // A change of a parameter was proposed with the capability, and waited.
            let numbers = |world: &World| {
                let pool = world.pool().unwrap();
                let params = world.views::<Params>().remove(0);
                let emission = world.views::<Rewards>().remove(0).emission;
                let own = (pool.tiers, pool.unbonding_ms, pool.delegation);
                (own, rules(world), params.delay_ms, emission)
            };
            if numbers(&act.before) != numbers(world) {
                let number = events::<ChangeExecuted>(act)[0].number;
                let pending = act.before.views::<Params>().remove(0).pending;
                let change = pending.iter().find(|change| change.number == number).unwrap();
                assert!(act.now >= change.ready_at_ms);
            }
            let clusters = |world: &World| world.views::<Rewards>().remove(0).clusters;
            let governed = clusters(&act.before) != clusters(world)
                || before.paused != after.paused
                || !events::<ChangeProposed>(act).is_empty()
                || !events::<ChangeCancelled>(act).is_empty()
                || (before.treasury > after.treasury && !executed)
                || events::<SealTokenRevoked>(act).iter().any(|e| e.reason == REVOKED_BY_ADMIN);
            let owns = |cap| {
                let owner = act.before.get(cap).unwrap().owner();
                *owner == sui_sdk_types::Owner::Address(act.sender)
            };
            assert!(!governed || owns(genesis.admin_cap));
            let may_slash = executed || owns(genesis.slash_cap);
            assert!(events::<Slashed>(act).is_empty() || may_slash);
            // Nobody else touches what is a stake's owner's.
            for stake in world.views::<Stake>() {
                let old = act.before.stake(stake.id);
                let changed = old.is_some_and(|old| own(&old) != own(&stake));
                assert!(!changed || stake.owner == act.sender || may_slash);
            }
        })
    }

    /// A token's rights are those of a node stake in good standing, of its owner's own.
    a_token_of_a_higher_tier() {
        Box::new(|s| {
            let minimum = s.act.before.pool().unwrap().tiers[0].minimum;
            let factor = s.act.before.gateway().unwrap().rules.system_factor;
            let check = |stake: Address, permissions: u64| {
                let stake = s.world.stake(stake).unwrap();
                assert_eq!((stake.tier, stake.owner), (0, s.act.sender));
                assert!(stake.status == STATUS_ACTIVE && stake.balance >= minimum);
                assert!(stake.jailed_until_ms == 0 && !stake.tombstoned);
                let system = permissions & PERMISSION_SYSTEM != 0;
                assert!(!system || stake.balance >= factor * minimum);
            };
            for e in events::<SealTokenCreated>(s.act) {
                check(e.stake_id, e.permissions);
            }
            for e in events::<SealTokenRenewed>(s.act) {
                check(e.stake_id, e.permissions);
            }
        })
    }

    new_money_during_a_pause() {
        Box::new(|s| {
            if s.act.before.pool().unwrap().paused {
                let new = events::<Staked>(s.act).len() + events::<ToppedUp>(s.act).len();
                let tokens = events::<SealTokenCreated>(s.act).len();
                assert_eq!(new + tokens + events::<Delegated>(s.act).len(), 0);
            }
        })
    }

    rewards_from_nothing() {
        let mut paid: BTreeMap<Address, u64> = BTreeMap::new();
        Box::new(move |s| {
            let rewards = s.world.views::<Rewards>().remove(0);
            // The parts are the vault, and what is owed or pending is there.
            assert_eq!(rewards.budget + rewards.escrowed + rewards.reserved, rewards.vault);
            let earners: BTreeMap<Address, Earner> = entries(s.world, rewards.earners.id);
            let weights: u64 = earners.values().map(|earner| earner.weight).sum();
            assert_eq!(weights, rewards.total_weight);
            const SCALE: u128 = 1_000_000_000_000_000_000;
            let claims = earners.values().map(|earner| {
                let pending = u128::from(earner.weight) * (rewards.index - earner.index) / SCALE;
                u128::from(earner.owed) + pending
            });
            let delegated = s.world.views::<Delegation>().into_iter().map(|one| {
                let now = earners[&one.stake_id].per_share;
                let since = if one.earns { now - one.per_share } else { 0 };
                u128::from(one.owed) + one.shares * since / SCALE
            });
            assert!(claims.chain(delegated).sum::<u128>() <= u128::from(rewards.reserved));
            // An escrow never gives back more than was paid.
            for e in events::<EscrowOpened>(s.act) {
                paid.insert(e.escrow_id, e.amount);
            }
            for e in events::<EscrowClosed>(s.act) {
                assert!(e.refund <= paid.remove(&e.escrow_id).unwrap());
            }
        })
    }

    /// What came in an epoch neither weighs nor earns in it.
    flash_stake_earns_nothing() {
        let mut made: BTreeMap<Address, u64> = BTreeMap::new();
        Box::new(move |s| {
            let now = epoch(s.act.now);
            for e in events::<Staked>(s.act) {
                made.insert(e.stake_id, now);
            }
            for e in events::<Delegated>(s.act) {
                made.insert(e.delegation_id, now);
            }
            for e in events::<RewardClaimed>(s.act) {
                assert!(now > made[&e.stake_id]);
                assert_eq!(e.owner, s.act.sender);
            }
            for e in events::<DelegationClaimed>(s.act) {
                assert!(now > made[&e.delegation_id]);
            }
            for e in events::<EarnerSettled>(s.act) {
                let stake = s.world.stake(e.stake_id).unwrap();
                let fresh = if stake.fresh_epoch == now { stake.fresh } else { 0 };
                let held = stake.balance - fresh + stake.delegated.balance;
                assert!(e.weight <= held);
                if stake.shares_epoch == now {
                    assert!(e.shares + stake.fresh_shares <= stake.delegated.shares);
                }
            }
        })
    }

    sybil_nodes_on_one_stake_or_one_name_on_two() {
        Box::new(|s| {
            let (mut names, mut stakes) = (BTreeSet::new(), BTreeSet::new());
            for token in s.world.views::<SealToken>() {
                if token.revoked || token.expires_at_ms <= s.act.now {
                    continue;
                }
                assert!(names.insert((token.cluster_id, token.node_id)));
                assert!(stakes.insert(token.stake_id));
            }
            let gateway = s.world.gateway().unwrap();
            assert_eq!(gateway.nodes.size, gateway.stakes.size);
        })
    }

    replaying_all_events_rebuilds_the_state() {
        let mut rebuilt = Rebuilt::default();
        let mut steps = 0;
        Box::new(move |s| {
            if steps == 0 {
                let genesis = s.history.chain.genesis.events.iter();
                genesis.for_each(|event| rebuilt.apply(event));
            }
            steps += 1;
            s.act.outcome.events.iter().for_each(|event| rebuilt.apply(event));
            // As all later state depends on it, now and then is enough.
            if steps % 8 == 0 {
                assert_eq!(rebuilt, Rebuilt::of(s.world));
            }
        })
    }

    a_case_takes_at_most_its_penalty_and_its_reporter_never_more_than_is_slashed() {
        Box::new(|s| {
            for executed in events::<CaseExecuted>(s.act) {
                let case: Case = s.act.before.view(executed.case_id).unwrap();
                assert!(s.act.now >= case.appeal_until_ms);
                assert!(executed.taken <= case.penalty && executed.reward <= executed.taken / 2);
                let slashed: u64 = events::<Slashed>(s.act).iter().map(|e| e.amount).sum();
                assert_eq!(slashed, executed.taken);
            }
        })
    }

    /// The cap of a stake and a day holds however many cases there are.
    slashing_someone_dry() {
        let mut taken: BTreeMap<(Address, u64), u64> = BTreeMap::new();
        Box::new(move |s| {
            for e in events::<CaseExecuted>(s.act).iter().filter(|e| e.taken > 0) {
                let stake = s.act.before.stake(e.stake_id).unwrap();
                let held = stake.balance + stake.delegated.balance + stake.queue.balance;
                let sum = taken.entry((e.stake_id, e.period)).or_default();
                let rules = s.act.before.views::<Docket>().remove(0).rules;
                let whole = u128::from(held + *sum);
                *sum += e.taken;
                assert!(u128::from(*sum) * 10_000 <= whole * u128::from(rules.period_cap));
            }
        })
    }

    /// Every case is of a cluster that the stake's owner has joined, on evidence that was not seen before.
    stale_replayed_or_foreign_evidence() {
        let mut seen = BTreeSet::new();
        Box::new(move |s| {
            for opened in events::<CaseOpened>(s.act) {
                assert!(seen.insert(opened.evidence));
                let tokens = s.act.before.views::<SealToken>();
                let joined = |t: &SealToken| {
                    t.stake_id == opened.stake_id && t.cluster_id == opened.cluster_id
                };
                assert!(tokens.iter().any(joined));
                let rules = s.act.before.views::<Docket>().remove(0).rules;
                let age = s.act.now - (opened.period * 86_400_000).min(s.act.now);
                assert!(age <= 2 * rules.evidence_window_ms + 3 * 86_400_000);
            }
        })
    }

    a_correlated_outage_slashes_nobody_for_downtime() {
        Box::new(|s| {
            for e in events::<CaseExecuted>(s.act) {
                let case: Case = s.act.before.view(e.case_id).unwrap();
                let docket = s.act.before.views::<Docket>().remove(0);
                let outages: BTreeMap<(Address, u64), u64> =
                    entries_by(&s.act.before, docket.outages.id);
                let outage = outages.contains_key(&(case.cluster_id, case.period));
                if case.kind == KIND_DOWNTIME && outage {
                    assert_eq!(e.taken, 0);
                    assert!(events::<Jailed>(s.act).is_empty());
                }
            }
        })
    }

    /// A stake that was tombstoned, or is serving a sentence, does not count.
    escaping_a_sentence() {
        Box::new(|s| {
            for stake in s.world.views::<Stake>() {
                let Some(old) = s.act.before.stake(stake.id) else { continue };
                assert!(!old.tombstoned || stake.tombstoned);
                if old.jailed_until_ms > s.act.now {
                    assert!(stake.jailed_until_ms >= old.jailed_until_ms);
                }
            }
        })
    }

    rollback_of_the_anchored_state() {
        let mut latest: BTreeMap<Address, (u64, u64, u64)> = BTreeMap::new();
        Box::new(move |s| {
            for e in events::<StateAnchored>(s.act) {
                let new = (e.epoch, e.term, e.revision);
                if let Some(old) = latest.insert(e.cluster_id, new) {
                    assert!(new.0 > old.0 || (new.0 == old.0 && new.1 >= old.1 && new.2 > old.2));
                }
            }
        })
    }

    a_failed_transaction_changes_nothing() {
        Box::new(|s| {
            if !s.act.outcome.is_success() {
                assert!(s.act.outcome.events.is_empty());
                // Versions grow; what the objects hold stays, gas apart.
                let before = &s.act.before;
                for (id, written) in &s.act.outcome.written {
                    let contents = |object: &sui_sdk_types::Object| {
                        object.as_struct().map(|data| data.contents().to_vec())
                    };
                    let old = before.get(*id).and_then(|object| contents(object));
                    assert!(before.coin(*id).is_some() || contents(&written.object) == old);
                }
                assert!(s.act.outcome.deleted.keys().all(|id| before.coin(*id).is_some()));
            }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever stands behind the stake bears the same, to a MIST for each slash.
    #[test]
    fn the_order_of_two_slashes_does_not_matter(
        a in 1..3 * SUI, b in 1..3 * SUI, delegated in SUI / 10..5 * SUI, part in 1..SUI,
    ) {
        let run = |first, second| {
            let mut node = Node::new(3 * SUI);
            node.delegate(address(2), delegated);
            node.unstake(part);
            let (chain, stake) = (&mut node.chain, node.stake);
            slash(chain, stake, first);
            slash(chain, stake, second);
            let stake = chain.world.stake(stake).unwrap();
            let held = [stake.balance, stake.delegated.balance, stake.queue.balance];
            (held, stake.slashed, chain.world.pool().unwrap().treasury)
        };
        let (one, other) = (run(a, b), run(b, a));
        for (one, other) in one.0.into_iter().zip(other.0) {
            prop_assert!(one.abs_diff(other) <= 2, "{one} {other}");
        }
        prop_assert_eq!((one.1, one.2), (other.1, other.2));
    }

    #[test]
    fn a_slash_reaches_unbonding_stake(amount in 1..2 * SUI, wait in 0..60_000u64) {
        let mut chain = Chain::new(2, Parameters::development());
        let stake = chain.stake(address(1), 2 * SUI, 0);
        let (pool, rewards) = (chain.genesis.pool, chain.genesis.rewards);
        chain.run(address(1), |ptb| {
            let arguments = vec![
                ptb.object(pool), ptb.object(rewards), ptb.object(stake), ptb.clock(),
            ];
            ptb.call("unbonding", "request_unstake", arguments);
        });
        chain.advance(wait);
        slash(&mut chain, stake, amount);
        let withdraw = |chain: &mut Chain| {
            chain.run(address(1), |ptb| {
                let arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
                let coin = ptb.call("unbonding", "withdraw", arguments);
                ptb.transfer(vec![coin], address(9));
            })
        };
        let early = withdraw(&mut chain);
        let code = contract_model::abort::staking::STILL_UNBONDING;
        prop_assert_eq!(abort(&early), Some(("staking".to_owned(), code)));
        chain.advance(60_000 - wait);
        prop_assert!(withdraw(&mut chain).is_success());
        let coins = chain.coins(address(9));
        prop_assert_eq!(chain.world.coin(coins[0]), Some(2 * SUI - amount));
    }

    /// Whatever the first one leaves behind, and however the stake is slashed before: the second gets out
    /// what they put in, to the MIST that a share's rounding costs.
    #[test]
    fn the_first_depositor_cannot_take_from_the_second(
        first in SUI / 10..2 * SUI, taken in 0..2 * SUI, lost in 0..2 * SUI, second in SUI / 10..9 * SUI,
    ) {
        let mut node = Node::new(3 * SUI);
        let attacker = node.delegate(address(2), first);
        node.undelegate(address(2), attacker, taken.max(1));
        if lost > 0 {
            slash(&mut node.chain, node.stake, lost);
        }
        let before = node.worth(attacker);
        let victim = node.delegate(address(3), second);
        prop_assert!(node.worth(victim) + 1_001 >= second, "{} of {second}", node.worth(victim));
        // Nor does the second take from the first.
        prop_assert!(node.worth(attacker).abs_diff(before) <= 1_001);
        node.undelegate(address(3), victim, u64::MAX);
        prop_assert!(node.worth(attacker).abs_diff(before) <= 1_001);
    }
}

/// An enrolled stake of `address(1)`.
struct Node {
    chain: Chain,
    stake: Address,
}

impl Node {
    fn new(amount: u64) -> Self {
        let mut chain = Chain::new(4, Parameters::development());
        let stake = chain.stake(address(1), amount + 2 * SUI, 0);
        let rewards = chain.genesis.rewards;
        chain.run(address(1), |ptb| {
            let arguments = vec![
                ptb.object(rewards),
                ptb.object_as(stake, false),
                ptb.clock(),
            ];
            ptb.call("rewards", "enroll", arguments);
        });
        Self { chain, stake }
    }

    fn delegate(&mut self, from: Address, amount: u64) -> Address {
        let genesis = &self.chain.genesis;
        let (pool, rewards, stake) = (genesis.pool, genesis.rewards, self.stake);
        let outcome = self.chain.run(from, |ptb| {
            let coin = ptb.split(Argument::Gas, amount);
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                coin,
                ptb.clock(),
            ];
            let made = ptb.call("delegation", "delegate", arguments);
            ptb.transfer(vec![made], from);
        });
        created(&outcome, &self.chain.world, "Delegation")
    }

    /// Does nothing where it would leave dust.
    fn undelegate(&mut self, from: Address, delegation: Address, amount: u64) {
        let genesis = &self.chain.genesis;
        let (pool, rewards, stake) = (genesis.pool, genesis.rewards, self.stake);
        self.chain.run(from, |ptb| {
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.object(delegation),
                ptb.pure(&amount),
                ptb.clock(),
            ];
            let part = ptb.call("delegation", "undelegate", arguments);
            ptb.transfer(vec![part], from);
        });
    }

    fn unstake(&mut self, amount: u64) {
        let genesis = &self.chain.genesis;
        let (pool, rewards, stake) = (genesis.pool, genesis.rewards, self.stake);
        let outcome = self.chain.run(address(1), |ptb| {
            let arguments = vec![
                ptb.object(pool),
                ptb.object(rewards),
                ptb.object(stake),
                ptb.pure(&amount),
                ptb.clock(),
            ];
            let part = ptb.call("unbonding", "unstake", arguments);
            ptb.transfer(vec![part], address(1));
        });
        assert!(outcome.is_success(), "{:?}", outcome.status);
    }

    /// As `shares::worth`; amounts here are small enough for 128 bits.
    fn worth(&self, delegation: Address) -> u64 {
        let delegation: Delegation = self.chain.world.view(delegation).unwrap();
        let stake = self.chain.world.stake(self.stake).unwrap();
        let held = stake.delegated.balance;
        let worth = delegation.shares * (u128::from(held) + 1) / (stake.delegated.shares + 1_000);
        u64::try_from(worth).unwrap().min(held)
    }
}

fn slash(chain: &mut Chain, stake: Address, amount: u64) {
    let (cap, pool) = (chain.genesis.slash_cap, chain.genesis.pool);
    let rewards = chain.genesis.rewards;
    chain.run(address(0), |ptb| {
        let arguments = vec![
            ptb.object(cap),
            ptb.object(pool),
            ptb.object(rewards),
            ptb.object(stake),
            ptb.pure(&amount),
            ptb.pure(&"down"),
            ptb.clock(),
        ];
        ptb.call("slashing", "slash", arguments);
    });
}

/// A pause never holds back what leads out.
#[test]
fn funds_held_hostage_by_a_pause() {
    let mut chain = Chain::new(2, Parameters::development());
    let stake = chain.stake(address(1), 2 * SUI, 0);
    let genesis = &chain.genesis;
    let (pool, params, cap) = (genesis.pool, genesis.params, genesis.admin_cap);
    chain.run(address(0), |ptb| {
        let arguments = vec![
            ptb.object(cap),
            ptb.object_as(params, false),
            ptb.object(pool),
            ptb.pure(&true),
        ];
        ptb.call("params", "set_paused", arguments);
    });
    assert!(chain.world.pool().unwrap().paused);
    let rewards = chain.genesis.rewards;
    for function in ["request_unstake", "withdraw"] {
        let outcome = chain.run(address(1), |ptb| {
            let mut arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
            if function == "request_unstake" {
                arguments.insert(1, ptb.object(rewards));
            }
            let coin = ptb.call("unbonding", function, arguments);
            if function == "withdraw" {
                ptb.transfer(vec![coin], address(1));
            }
        });
        assert!(outcome.is_success());
        chain.advance(60_000);
    }
}

/// A token whose stake is slashed or unbonding stops being valid at once.
#[test]
fn token_theft_and_stale_stake() {
    let mut chain = Chain::new(3, Parameters::development());
    let (cluster, _) = chain.cluster(address(0), "home");
    let stake = chain.stake(address(1), SUI, 0);
    let outcome = chain.token(address(1), stake, cluster, "n0");
    let token = crate::support::created(&outcome, &chain.world, "SealToken");
    let pool = chain.genesis.pool;
    let valid = |chain: &mut Chain| {
        let outcome = chain.run(address(2), |ptb| {
            let arguments = vec![
                ptb.object_as(token, false),
                ptb.object_as(pool, false),
                ptb.object_as(stake, false),
                ptb.clock(),
            ];
            ptb.call("k8s_gateway", "is_valid", arguments);
        });
        outcome.results[0][0].contents == [1]
    };
    assert!(valid(&mut chain));
    slash(&mut chain, stake, 1);
    assert!(!valid(&mut chain));
    // Somebody else can neither mint on the stake nor revoke the token.
    let theft = chain.token(address(2), stake, cluster, "n1");
    let code = contract_model::abort::k8s_gateway::NOT_OWNER;
    assert_eq!(abort(&theft), Some(("k8s_gateway".to_owned(), code)));
}

/// A node of `address(1)` with a token, its cluster, and the cluster's enclave.
struct Judged {
    chain: Chain,
    stake: Address,
    token: Address,
    cluster: Address,
    enclave: Address,
}

const ENCLAVE: [u8; 32] = [3; 32];

impl Judged {
    fn new() -> Self {
        let mut chain = Chain::new(4, Parameters::development());
        let (cluster, enclave) = Self::cluster(&mut chain, "home");
        let stake = chain.stake(address(1), 10 * SUI, 0);
        let minted = chain.token(address(1), stake, cluster, "n0");
        let token = created(&minted, &chain.world, "SealToken");
        Self {
            chain,
            stake,
            token,
            cluster,
            enclave,
        }
    }

    /// A cluster with an enclave of the same key, as anybody can make one.
    fn cluster(chain: &mut Chain, name: &str) -> (Address, Address) {
        let (cluster, cap) = chain.cluster(address(0), name);
        let key = ed25519_dalek::SigningKey::from_bytes(&ENCLAVE);
        let public = key.verifying_key().to_bytes().to_vec();
        let outcome = chain.run(address(0), |ptb| {
            let (cap, cluster, clock) = (ptb.object(cap), ptb.object(cluster), ptb.clock());
            let (kind, bytes) = (ptb.pure(&0u8), ptb.pure(&vec![1u8; 48]));
            let (source, at_once) = (ptb.pure(&"commit"), ptb.pure(&0u64));
            let arguments = vec![cap, cluster, kind, bytes, source, at_once, clock];
            ptb.call("enclave_registry", "approve_measurement", arguments);
            let (public, encryption) = (ptb.pure(&public), ptb.pure(&vec![5u8; 32]));
            let arguments = vec![cap, cluster, public, encryption, bytes, kind, clock];
            let enclave = ptb.call("enclave_registry", "register_enclave", arguments);
            ptb.call("enclave_registry", "share_enclave", vec![enclave]);
        });
        (cluster, created(&outcome, &chain.world, "Enclave"))
    }

    fn statement(&self, nonce: u64) -> EvidenceStatement {
        EvidenceStatement {
            intent: INTENT_EVIDENCE,
            timestamp_ms: self.chain.now,
            cluster_id: self.cluster,
            stake_id: self.stake,
            kind: KIND_DOWNTIME,
            period: self.chain.now / 86_400_000,
            nonce,
            failed: 1,
            total: 10,
            facts: vec![7; 32],
        }
    }

    /// Reports what `said` says, with the signature of `seed`'s key over what `signed` says.
    fn report(
        &mut self,
        said: &EvidenceStatement,
        signed: &EvidenceStatement,
        seed: [u8; 32],
    ) -> contract_model::Outcome {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let signature = key
            .sign(&bcs::to_bytes(signed).unwrap())
            .to_bytes()
            .to_vec();
        let (docket, token, enclave) = (self.chain.genesis.docket, self.token, self.enclave);
        self.chain.run(address(2), |ptb| {
            let bond = ptb.split(Argument::Gas, SUI / 10);
            let arguments = vec![
                ptb.object(docket),
                ptb.object(said.stake_id),
                ptb.object_as(token, false),
                ptb.object_as(said.cluster_id, false),
                ptb.object_as(enclave, false),
                ptb.pure(&said.kind),
                ptb.pure(&said.period),
                ptb.pure(&said.nonce),
                ptb.pure(&said.failed),
                ptb.pure(&said.total),
                ptb.pure(&said.facts),
                ptb.pure(&said.timestamp_ms),
                ptb.pure(&signature),
                bond,
                ptb.clock(),
            ];
            let case = ptb.call("slashing", "report", arguments);
            ptb.call("slashing", "share_case", vec![case]);
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever is wrong with it.
    #[test]
    fn stale_replayed_foreign_or_unsigned_evidence_changes_nothing(
        flaw in 0..9u8, nonce: u64, delta in 1..1_000_000_000u64,
    ) {
        let mut judged = Judged::new();
        let right = judged.statement(nonce);
        let (mut said, mut signed, mut seed) = (right.clone(), right.clone(), ENCLAVE);
        match flaw {
            // Replayed.
            0 => prop_assert!(judged.report(&right, &right, ENCLAVE).is_success()),
            // Unsigned, or signed by somebody else.
            1 => seed = [4; 32],
            2 => signed.nonce ^= delta,
            3 => signed.intent = 2,
            // Stale, or of a time to come.
            4 => said.timestamp_ms -= 3 * 86_400_000 + delta,
            5 => said.timestamp_ms += delta,
            6 => said.period += delta,
            // Of a cluster that the stake never joined, with an enclave of its own.
            7 => {
                let (cluster, enclave) = Judged::cluster(&mut judged.chain, "away");
                said.cluster_id = cluster;
                judged.enclave = enclave;
            }
            // Against another's stake.
            _ => said.stake_id = judged.chain.stake(address(3), 10 * SUI, 0),
        }
        if flaw > 3 {
            signed = said.clone();
        }
        let before = Rebuilt::of(&judged.chain.world);
        let outcome = judged.report(&said, &signed, seed);
        let (module, _) = abort(&outcome).unwrap();
        prop_assert_eq!(module, "slashing");
        prop_assert_eq!(before, Rebuilt::of(&judged.chain.world));
    }

    /// However many are accused before it is known that it was an outage.
    #[test]
    fn a_correlated_outage_slashes_nobody(reports in 1..4u64, failed in 3..10u64, later in 0..7u64) {
        let mut judged = Judged::new();
        let mut cases = Vec::new();
        for nonce in 0..reports {
            let statement = judged.statement(nonce);
            let outcome = judged.report(&statement, &statement, ENCLAVE);
            cases.push(created(&outcome, &judged.chain.world, "Case"));
        }
        let period = judged.chain.now / 86_400_000;
        judged.chain.advance(later * 86_400_000 - later);
        let statement = OutageStatement {
            intent: INTENT_OUTAGE,
            timestamp_ms: judged.chain.now,
            cluster_id: judged.cluster,
            period,
            failed,
            total: 10,
        };
        let key = ed25519_dalek::SigningKey::from_bytes(&ENCLAVE);
        let signature = key.sign(&bcs::to_bytes(&statement).unwrap()).to_bytes().to_vec();
        let genesis = &judged.chain.genesis;
        let (docket, pool, rewards) = (genesis.docket, genesis.pool, genesis.rewards);
        let (cluster, enclave, stake) = (judged.cluster, judged.enclave, judged.stake);
        let outcome = judged.chain.run(address(3), |ptb| {
            let arguments = vec![
                ptb.object(docket),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave, false),
                ptb.pure(&statement.period),
                ptb.pure(&statement.failed),
                ptb.pure(&statement.total),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("slashing", "declare_outage", arguments);
        });
        prop_assert!(outcome.is_success(), "{:?}", outcome.status);
        judged.chain.advance(8 * 86_400_000);
        for case in cases {
            let outcome = judged.chain.run(address(3), |ptb| {
                let arguments = vec![
                    ptb.object(docket),
                    ptb.object(pool),
                    ptb.object(rewards),
                    ptb.object(case),
                    ptb.object(stake),
                    ptb.clock(),
                ];
                ptb.call("slashing", "execute", arguments);
            });
            prop_assert!(outcome.is_success(), "{:?}", outcome.status);
        }
        let stake = judged.chain.world.stake(stake).unwrap();
        prop_assert_eq!((stake.balance, stake.slashed), (10 * SUI, 0));
        prop_assert_eq!((stake.jailed_until_ms, stake.cases), (0, 0));
    }
}

/// What stakes of these amounts, fully attested, earn together in half a day next to a stake of
/// 5 SUI.
fn earned_by(amounts: &[u64]) -> u64 {
    let mut chain = Chain::new(3, Parameters::development());
    let (cluster, cluster_cap) = chain.cluster(address(0), "home");
    let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let public = key.verifying_key().to_bytes().to_vec();
    let outcome = chain.run(address(0), |ptb| {
        let (cap, cluster, clock) = (ptb.object(cluster_cap), ptb.object(cluster), ptb.clock());
        let (kind, bytes) = (ptb.pure(&0u8), ptb.pure(&vec![1u8; 48]));
        let source = ptb.pure(&"commit");
        let at_once = ptb.pure(&0u64);
        let arguments = vec![cap, cluster, kind, bytes, source, at_once, clock];
        ptb.call("enclave_registry", "approve_measurement", arguments);
        let (public, encryption) = (ptb.pure(&public), ptb.pure(&vec![5u8; 32]));
        let arguments = vec![cap, cluster, public, encryption, bytes, kind, clock];
        let enclave = ptb.call("enclave_registry", "register_enclave", arguments);
        ptb.call("enclave_registry", "share_enclave", vec![enclave]);
    });
    let enclave = created(&outcome, &chain.world, "Enclave");
    let (rewards, admin) = (chain.genesis.rewards, chain.genesis.admin_cap);
    let mut stakes = vec![chain.stake(address(2), 5 * SUI, 0)];
    stakes.extend(
        amounts
            .iter()
            .map(|amount| chain.stake(address(1), *amount, 0)),
    );
    chain.run(address(0), |ptb| {
        let arguments = vec![
            ptb.object(admin),
            ptb.object(rewards),
            ptb.pure(&cluster),
            ptb.pure(&true),
        ];
        ptb.call("rewards", "set_cluster", arguments);
    });
    for stake in &stakes {
        let owner = chain.world.stake(*stake).unwrap().owner;
        chain.run(owner, |ptb| {
            let arguments = vec![
                ptb.object(rewards),
                ptb.object_as(*stake, false),
                ptb.clock(),
            ];
            ptb.call("rewards", "enroll", arguments);
        });
    }
    chain.advance(86_400_000);
    for stake in &stakes {
        let statement = PerformanceStatement {
            intent: INTENT_PERFORMANCE,
            timestamp_ms: chain.now,
            cluster_id: cluster,
            stake_id: *stake,
            performance: 10_000,
        };
        let signature = key
            .sign(&bcs::to_bytes(&statement).unwrap())
            .to_bytes()
            .to_vec();
        let outcome = chain.run(address(2), |ptb| {
            let arguments = vec![
                ptb.object(rewards),
                ptb.object_as(*stake, false),
                ptb.object_as(cluster, false),
                ptb.object_as(enclave, false),
                ptb.pure(&statement.performance),
                ptb.pure(&statement.timestamp_ms),
                ptb.pure(&signature),
                ptb.clock(),
            ];
            ptb.call("rewards", "report_performance", arguments);
        });
        assert!(outcome.is_success(), "{:?}", outcome.status);
    }
    chain.run(address(0), |ptb| {
        let coin = ptb.split(Argument::Gas, 10 * SUI);
        let arguments = vec![ptb.object(rewards), coin, ptb.pure(&5u64), ptb.clock()];
        let escrow = ptb.call("rewards", "open_escrow", arguments);
        ptb.transfer(vec![escrow], address(0));
    });
    chain.advance(43_200_000);
    let mut sum = 0;
    for stake in &stakes[1..] {
        let outcome = chain.run(address(1), |ptb| {
            let arguments = vec![
                ptb.object(rewards),
                ptb.object_as(*stake, false),
                ptb.clock(),
            ];
            let coin = ptb.call("rewards", "claim", arguments);
            ptb.transfer(vec![coin], address(1));
        });
        assert!(outcome.is_success(), "{:?}", outcome.status);
        let claimed: RewardClaimed = outcome
            .events
            .iter()
            .find(|event| RewardClaimed::is(&event.type_, chain.world.package()))
            .map(|event| bcs::from_bytes(&event.contents).unwrap())
            .unwrap();
        sum += claimed.amount;
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn splitting_a_stake_over_identities_earns_no_more(parts in proptest::collection::vec(SUI..3 * SUI, 2..5)) {
        let (whole, split) = (earned_by(&[parts.iter().sum()]), earned_by(&parts));
        // Shares are rounded down, each by less than a MIST.
        prop_assert!(split <= whole && whole - split <= parts.len() as u64, "{split} {whole}");
        prop_assert!(whole > SUI / 4);
    }
}
