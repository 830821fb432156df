//! Properties of the contracts over random histories, each named after what it rules out.

use std::collections::{BTreeMap, BTreeSet};

use contract_model::layout::anchors::StateAnchored;
use contract_model::layout::k8s_gateway::{REVOKED_BY_ADMIN, SealTokenCreated, SealTokenRevoked};
use contract_model::layout::params::{ChangeCancelled, ChangeExecuted, ChangeProposed, Params};
use contract_model::layout::rewards::{
    Earner, EscrowClosed, EscrowOpened, INTENT_PERFORMANCE, PerformanceStatement, RewardClaimed,
    Rewards,
};
use contract_model::layout::slashing::{Case, CaseExecuted, CaseOpened, Docket};
use contract_model::layout::staking::{
    STATUS_ACTIVE, STATUS_UNBONDING, Slashed, Stake, Staked, ToppedUp, Withdrawn,
};
use contract_model::layout::{MoveEvent, MoveType as _};
use contract_model::{Parameters, World};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use sui_sdk_types::{Address, Argument};

use crate::events::{Rebuilt, entries};
use crate::history::{Act, History, PEOPLE};
use crate::support::{Chain, SUI, abort, address, created};

const STEPS: usize = 120;

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
        .map(|stake| stake.balance);
    let bonds = world.views::<Case>().into_iter().map(|case| case.bond);
    let rewards = world.views::<Rewards>().remove(0).vault;
    coins.chain(staked).chain(bonds).sum::<u64>() + rewards + world.pool().unwrap().treasury
}

/// Runs a random history and looks at each executed act and the world after it.
fn each_act(seed: u64, mut look: impl FnMut(&Act, &World, &History)) {
    let mut history = History::new(seed);
    for _ in 0..STEPS {
        history.step();
        if let Some(act) = history.last.take() {
            look(&act, &history.chain.world, &history);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn value_is_conserved_to_the_mist(seed: u64) {
        let total = u64::from(PEOPLE) * 1_000 * SUI;
        each_act(seed, |_, world, history| {
            assert_eq!(value(world) + history.charged, total);
        });
    }

    #[test]
    fn the_pools_totals_are_the_sums_of_its_stakes(seed: u64) {
        each_act(seed, |_, world, _| {
            let (pool, stakes) = (world.pool().unwrap(), world.views::<Stake>());
            let sum = |status| -> u64 {
                stakes.iter().filter(|s| s.status == status).map(|s| s.balance).sum()
            };
            assert_eq!(pool.total_active, sum(STATUS_ACTIVE));
            assert_eq!(pool.total_unbonding, sum(STATUS_UNBONDING));
            assert_eq!(pool.total_slashed, stakes.iter().map(|s| s.slashed).sum::<u64>());
            assert_eq!(pool.stakes_created, stakes.len() as u64);
            // What is withdrawn or slashed out is empty.
            assert!(stakes.iter().all(|s| s.status <= STATUS_UNBONDING || s.balance == 0));
        });
    }

    #[test]
    fn withdraw_before_slash(seed: u64) {
        each_act(seed, |act, _, _| {
            for withdrawn in events::<Withdrawn>(act) {
                let stake = act.before.stake(withdrawn.stake_id).unwrap();
                assert_eq!(stake.status, STATUS_UNBONDING);
                assert!(act.now >= stake.withdrawable_at_ms);
                assert!(stake.withdrawable_at_ms >= stake.locked_until_ms + 60_000);
                assert_eq!((withdrawn.owner, withdrawn.owner), (stake.owner, act.sender));
            }
        });
    }

    #[test]
    fn nobody_withdraws_more_than_they_put_in_less_slashes(seed: u64) {
        let mut balances: BTreeMap<Address, i128> = BTreeMap::new();
        each_act(seed, |act, _, _| {
            for e in events::<Staked>(act) {
                *balances.entry(e.owner).or_default() += i128::from(e.amount);
            }
            for e in events::<ToppedUp>(act) {
                *balances.entry(e.owner).or_default() += i128::from(e.amount);
            }
            for e in events::<Slashed>(act) {
                *balances.entry(e.owner).or_default() -= i128::from(e.amount);
            }
            for e in events::<Withdrawn>(act) {
                *balances.entry(e.owner).or_default() -= i128::from(e.amount);
            }
            assert!(balances.values().all(|balance| *balance >= 0));
        });
    }

    #[test]
    fn privilege_escalation(seed: u64) {
        each_act(seed, |act, world, history| {
            let genesis = &history.chain.genesis;
            let (before, after) = (act.before.pool().unwrap(), world.pool().unwrap());
            let executed = !events::<CaseExecuted>(act).is_empty();
            let rules = |world: &World| world.views::<Docket>()[0].rules.clone();
            // A change of a parameter was proposed with the capability, and waited.
            let numbers = |world: &World| {
                let pool = world.pool().unwrap();
                let params = world.views::<Params>().remove(0);
                let emission = world.views::<Rewards>().remove(0).emission;
                (pool.tiers, pool.unbonding_ms, rules(world), params.delay_ms, emission)
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
            // Nobody else touches a stake or a token of somebody: revoking the unbacked apart.
            for stake in world.views::<Stake>() {
                let old = act.before.stake(stake.id);
                let changed = old.is_some_and(|old| old != stake);
                assert!(!changed || stake.owner == act.sender || may_slash);
            }
        });
    }

    #[test]
    fn new_money_during_a_pause(seed: u64) {
        each_act(seed, |act, _, _| {
            if act.before.pool().unwrap().paused {
                let new = events::<Staked>(act).len() + events::<ToppedUp>(act).len();
                assert_eq!(new + events::<SealTokenCreated>(act).len(), 0);
            }
        });
    }

    #[test]
    fn rewards_from_nothing(seed: u64) {
        let mut paid: BTreeMap<Address, u64> = BTreeMap::new();
        each_act(seed, |act, world, _| {
            let rewards = world.views::<Rewards>().remove(0);
            // The parts are the vault, and what is owed or pending is there.
            assert_eq!(rewards.budget + rewards.escrowed + rewards.reserved, rewards.vault);
            let earners: BTreeMap<Address, Earner> = entries(world, rewards.earners.id);
            let weights: u64 = earners.values().map(|earner| earner.weight).sum();
            assert_eq!(weights, rewards.total_weight);
            let claims = earners.values().map(|earner| {
                let gained = (rewards.index - earner.index) / 1_000_000_000;
                let pending = u128::from(earner.weight) * gained / 1_000_000_000;
                u128::from(earner.owed) + pending
            });
            assert!(claims.sum::<u128>() <= u128::from(rewards.reserved));
            // An escrow never gives back more than was paid.
            for e in events::<EscrowOpened>(act) {
                paid.insert(e.escrow_id, e.amount);
            }
            for e in events::<EscrowClosed>(act) {
                assert!(e.refund <= paid.remove(&e.escrow_id).unwrap());
            }
        });
    }

    #[test]
    fn flash_stake_earns_nothing(seed: u64) {
        let day = 86_400_000;
        let mut staked = BTreeMap::new();
        each_act(seed, |act, _, _| {
            for e in events::<Staked>(act) {
                staked.insert(e.stake_id, e.staked_at_ms / day);
            }
            for e in events::<RewardClaimed>(act) {
                assert!(act.now / day > staked[&e.stake_id]);
                assert_eq!(e.owner, act.sender);
            }
        });
    }

    #[test]
    fn sybil_nodes_on_one_stake_or_one_name_on_two(seed: u64) {
        each_act(seed, |act, world, _| {
            let (mut names, mut stakes) = (BTreeSet::new(), BTreeSet::new());
            for token in world.views::<contract_model::layout::k8s_gateway::SealToken>() {
                if token.revoked || token.expires_at_ms <= act.now {
                    continue;
                }
                assert!(names.insert((token.cluster_id, token.node_id)));
                assert!(stakes.insert(token.stake_id));
            }
            let gateway = world.gateway().unwrap();
            assert_eq!(gateway.nodes.size, gateway.stakes.size);
        });
    }

    #[test]
    fn replaying_all_events_rebuilds_the_state(seed: u64) {
        let mut rebuilt = Rebuilt::default();
        let mut started = false;
        each_act(seed, |act, world, history| {
            if !started {
                history.chain.genesis.events.iter().for_each(|event| rebuilt.apply(event));
                started = true;
            }
            act.outcome.events.iter().for_each(|event| rebuilt.apply(event));
            assert_eq!(rebuilt, Rebuilt::of(world));
        });
    }

    #[test]
    fn a_case_takes_at_most_its_penalty_and_its_reporter_never_more_than_is_slashed(seed: u64) {
        each_act(seed, |act, _, _| {
            for executed in events::<CaseExecuted>(act) {
                let case: Case = act.before.view(executed.case_id).unwrap();
                assert!(act.now >= case.appeal_until_ms);
                assert!(executed.taken <= case.penalty && executed.reward <= executed.taken / 2);
                let slashed: u64 = events::<Slashed>(act).iter().map(|e| e.amount).sum();
                assert_eq!(slashed, executed.taken);
            }
        });
    }

    #[test]
    fn replayed_or_correlated_evidence(seed: u64) {
        let mut seen = BTreeSet::new();
        each_act(seed, |act, _, _| {
            for opened in events::<CaseOpened>(act) {
                assert!(seen.insert(opened.evidence));
            }
        });
    }

    #[test]
    fn rollback_of_the_anchored_state(seed: u64) {
        let mut latest: BTreeMap<Address, (u64, u64, u64)> = BTreeMap::new();
        each_act(seed, |act, _, _| {
            for e in events::<StateAnchored>(act) {
                let new = (e.epoch, e.term, e.revision);
                if let Some(old) = latest.insert(e.cluster_id, new) {
                    assert!(new.0 > old.0 || (new.0 == old.0 && new.1 >= old.1 && new.2 > old.2));
                }
            }
        });
    }

    #[test]
    fn a_failed_transaction_changes_nothing(seed: u64) {
        each_act(seed, |act, world, _| {
            if !act.outcome.is_success() {
                assert_eq!(Rebuilt::of(&act.before), Rebuilt::of(world));
                assert!(act.outcome.events.is_empty());
            }
        });
    }

    #[test]
    fn the_order_of_two_slashes_does_not_matter(a in 1..3 * SUI, b in 1..3 * SUI) {
        let run = |first, second| {
            let mut chain = Chain::new(2, Parameters::development());
            let stake = chain.stake(address(1), 3 * SUI, 0);
            slash(&mut chain, stake, first);
            slash(&mut chain, stake, second);
            let stake = chain.world.stake(stake).unwrap();
            (stake.balance, stake.slashed, chain.world.pool().unwrap().treasury)
        };
        prop_assert_eq!(run(a, b), run(b, a));
    }

    #[test]
    fn a_slash_reaches_unbonding_stake(amount in 1..2 * SUI, wait in 0..60_000u64) {
        let mut chain = Chain::new(2, Parameters::development());
        let stake = chain.stake(address(1), 2 * SUI, 0);
        let pool = chain.genesis.pool;
        chain.run(address(1), |ptb| {
            let arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
            ptb.call("staking", "request_unstake", arguments);
        });
        chain.advance(wait);
        slash(&mut chain, stake, amount);
        let withdraw = |chain: &mut Chain| {
            chain.run(address(1), |ptb| {
                let arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
                let coin = ptb.call("staking", "withdraw", arguments);
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
}

fn slash(chain: &mut Chain, stake: Address, amount: u64) {
    let (cap, pool) = (chain.genesis.slash_cap, chain.genesis.pool);
    chain.run(address(0), |ptb| {
        let arguments = vec![
            ptb.object(cap),
            ptb.object(pool),
            ptb.object(stake),
            ptb.pure(&amount),
            ptb.pure(&"down"),
            ptb.clock(),
        ];
        ptb.call("staking", "slash", arguments);
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
    for function in ["request_unstake", "withdraw"] {
        let outcome = chain.run(address(1), |ptb| {
            let arguments = vec![ptb.object(pool), ptb.object(stake), ptb.clock()];
            let coin = ptb.call("staking", function, arguments);
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
        let arguments = vec![cap, cluster, kind, bytes, source, clock];
        ptb.call("enclave_registry", "approve_measurement", arguments);
        let public = ptb.pure(&public);
        let arguments = vec![cap, cluster, public, bytes, kind, clock];
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
