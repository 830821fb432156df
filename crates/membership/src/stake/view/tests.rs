use std::time::SystemTime;

use chain::events::{
    PoolCreated, SealTokenCreated, SealTokenRenewed, SealTokenRevoked, Slashed, Staked,
    TierChanged, ToppedUp, UnstakeRequested,
};
use chain::objects::{Revocation, TierParams};
use parking_lot::Mutex;

use super::*;

const CLUSTER: Address = Address::new([0xc1; 32]);
const STAKE: Address = Address::new([0x51; 32]);
const TOKEN: Address = Address::new([0x70; 32]);
const OWNER: Address = Address::new([0x0a; 32]);
const SUI: u64 = 1_000_000_000;

struct TestClock(Mutex<u64>);

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(*self.0.lock())
    }
}

fn view() -> (LiveView, Arc<TestClock>) {
    let clock = Arc::new(TestClock(Mutex::new(1_000)));
    let view = LiveView::new(CLUSTER, clock.clone(), ViewOptions::default());
    let tier = |minimum| TierParams {
        minimum,
        lockup_ms: 0,
    };
    view.apply(&Event::PoolCreated(PoolCreated {
        pool_id: Address::ZERO,
        tiers: vec![tier(SUI), tier(SUI / 10), tier(10 * SUI)],
        delegation: chain::objects::DelegationRules {
            most_commission: 2_000,
            commission_step: 100,
            minimum: 100_000_000,
        },
        unbonding_ms: 0,
    }));
    (view, clock)
}

fn staked(tier: Tier, amount: u64) -> Event {
    Event::Staked(Staked {
        stake_id: STAKE,
        owner: OWNER,
        tier,
        amount,
        staked_at_ms: 1,
        locked_until_ms: 2,
    })
}

fn minted(cluster: Address, permissions: u64) -> Event {
    Event::SealTokenCreated(SealTokenCreated {
        token_id: TOKEN,
        stake_id: STAKE,
        owner: OWNER,
        cluster_id: cluster,
        node_id: "worker-0".to_owned(),
        node_key: vec![1; 32],
        commitment: vec![2; 32],
        permissions,
        endpoint: String::new(),
        issued_at_ms: 1,
        expires_at_ms: 10_000,
    })
}

fn slashed(amount: u64, remaining: u64, status: StakeStatus) -> Event {
    Event::Slashed(Slashed {
        stake_id: STAKE,
        owner: OWNER,
        amount,
        remaining,
        status,
        reason: "test".to_owned(),
        at_ms: 3,
    })
}

fn live() -> (LiveView, Arc<TestClock>) {
    let (view, clock) = view();
    view.apply(&staked(Tier::Node, SUI));
    view.apply(&minted(CLUSTER, 3));
    view.mark_fresh(Instant::now());
    view.check_token(TOKEN).unwrap();
    (view, clock)
}

fn check_node(view: &LiveView, name: &str) -> Result<(), NotLive> {
    view.check(
        name,
        &["system:nodes".to_owned()],
        &[Backing::Token([0x70; 32]).to_string()],
    )
}

fn check_user(view: &LiveView, name: &str, group: &str) -> Result<(), NotLive> {
    view.check(
        name,
        &[group.to_owned()],
        &[Backing::Stake([0x51; 32]).to_string()],
    )
}

#[test]
fn nobody_is_live_before_the_view_is_synced_nor_once_it_is_stale() {
    let clock = Arc::new(crate::SystemClock);
    let options = ViewOptions {
        stale_after: Duration::from_millis(30),
    };
    let view = LiveView::new(CLUSTER, clock, options);
    view.apply(&staked(Tier::Node, SUI));
    assert_eq!(view.check_token(TOKEN), Err(NotLive::NotSynced));
    view.mark_fresh(Instant::now());
    assert_eq!(view.check_token(TOKEN), Err(NotLive::UnknownToken));
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(view.check_token(TOKEN), Err(NotLive::Stale));
    // Our own parts don't depend on the chain.
    view.check("system:kube-scheduler", &[], &[]).unwrap();
}

#[test]
fn a_node_is_its_token_and_only_its_own() {
    let (view, _) = live();
    check_node(&view, "system:node:worker-0").unwrap();
    assert!(matches!(
        check_node(&view, "system:node:worker-1"),
        Err(NotLive::Certificate(_))
    ));
    let masters = view.check(
        "system:node:worker-0",
        &["system:nodes".to_owned(), "system:masters".to_owned()],
        &[Backing::Token([0x70; 32]).to_string()],
    );
    assert!(matches!(masters, Err(NotLive::Certificate(_))));
    // Without its URI, with a malformed one, with two.
    for uris in [
        vec![],
        vec!["daas://token/0x12".to_owned()],
        vec![
            Backing::Token([0x70; 32]).to_string(),
            Backing::Stake([0x51; 32]).to_string(),
        ],
    ] {
        let refused = view.check("system:node:worker-0", &["system:nodes".to_owned()], &uris);
        assert!(matches!(refused, Err(NotLive::Certificate(_))), "{uris:?}");
    }
    // The node's stake makes its owner an operator.
    check_user(&view, &OWNER.to_string(), "daas:operator").unwrap();
    assert_eq!(
        check_user(&view, &OWNER.to_string(), "daas:admin"),
        Err(NotLive::OtherTier(Tier::Node))
    );
    assert_eq!(
        check_user(&view, &STAKE.to_string(), "daas:operator"),
        Err(NotLive::OtherOwner)
    );
}

#[test]
fn unbonding_slashing_and_revocation_are_announced_once_with_their_reason() {
    let unbonding = Event::UnstakeRequested(UnstakeRequested {
        stake_id: STAKE,
        owner: OWNER,
        amount: SUI,
        withdrawable_at_ms: 9,
    });
    let revoked = Event::SealTokenRevoked(SealTokenRevoked {
        token_id: TOKEN,
        stake_id: STAKE,
        reason: Revocation::ByOwner,
        at_ms: 3,
    });
    let raised = Event::TierChanged(TierChanged {
        pool_id: Address::ZERO,
        tier: Tier::Node,
        minimum: 2 * SUI,
        lockup_ms: 0,
    });
    for (event, reason, users) in [
        (unbonding, NotLive::Inactive(StakeStatus::Unbonding), 1),
        (
            slashed(SUI, 0, StakeStatus::SlashedOut),
            NotLive::Inactive(StakeStatus::SlashedOut),
            1,
        ),
        (
            slashed(1, SUI - 1, StakeStatus::Active),
            NotLive::Slashed {
                balance: SUI - 1,
                minimum: SUI,
            },
            1,
        ),
        (revoked, NotLive::Revoked, 0),
        (
            raised,
            NotLive::Insufficient {
                balance: SUI,
                minimum: 2 * SUI,
            },
            1,
        ),
    ] {
        let (view, _) = live();
        let mut announced = view.revocations();
        let changes = view.changes();
        view.apply(&event);
        assert_eq!(view.check_token(TOKEN), Err(reason.clone()));
        assert!(changes.has_changed().unwrap());
        let mut all: Vec<Revoked> = std::iter::from_fn(|| announced.try_recv().ok()).collect();
        let node = all.pop().unwrap();
        assert_eq!(node.reason, reason);
        let subject = Subject::Node {
            node: "worker-0".to_owned(),
            token: TOKEN,
        };
        assert_eq!(node.subject, subject);
        assert_eq!(all.len(), users);
        view.apply(&event);
        assert!(announced.try_recv().is_err());
    }
}

#[test]
fn a_slash_that_leaves_enough_changes_nothing() {
    let (view, _) = view();
    view.apply(&staked(Tier::Node, 2 * SUI));
    view.apply(&minted(CLUSTER, 3));
    view.mark_fresh(Instant::now());
    view.apply(&slashed(SUI, SUI, StakeStatus::Active));
    view.check_token(TOKEN).unwrap();
}

#[test]
fn tokens_of_other_clusters_or_without_permission_are_not_live() {
    for (event, reason) in [
        (minted(Address::new([9; 32]), 3), NotLive::OtherCluster),
        (minted(CLUSTER, 2), NotLive::NotPermitted),
    ] {
        let (view, _) = view();
        view.apply(&staked(Tier::Node, SUI));
        view.apply(&event);
        view.mark_fresh(Instant::now());
        assert_eq!(view.check_token(TOKEN), Err(reason));
    }
    // A user's stake backs no node, however large.
    let (view, _) = view();
    view.apply(&staked(Tier::Admin, 100 * SUI));
    view.apply(&minted(CLUSTER, 3));
    view.mark_fresh(Instant::now());
    assert_eq!(
        view.check_token(TOKEN),
        Err(NotLive::OtherTier(Tier::Admin))
    );
}

#[test]
fn expiry_is_announced_and_renewal_puts_it_off() {
    let (view, clock) = live();
    let mut announced = view.revocations();
    assert_eq!(view.expire(), Some(10_000));
    view.apply(&Event::SealTokenRenewed(SealTokenRenewed {
        token_id: TOKEN,
        stake_id: STAKE,
        commitment: vec![2; 32],
        permissions: 3,
        issued_at_ms: 5_000,
        expires_at_ms: 20_000,
        generation: 1,
    }));
    *clock.0.lock() = 10_000;
    assert_eq!(view.expire(), Some(20_000));
    assert!(announced.try_recv().is_err());
    *clock.0.lock() = 20_000;
    assert_eq!(view.expire(), None);
    assert_eq!(announced.try_recv().unwrap().reason, NotLive::Expired);
}

#[test]
fn an_old_event_does_not_undo_a_fresh_read() {
    let (view, _) = live();
    let unbonding = Event::UnstakeRequested(UnstakeRequested {
        stake_id: STAKE,
        owner: OWNER,
        amount: SUI,
        withdrawable_at_ms: 9,
    });
    view.apply(&unbonding);
    view.apply(&staked(Tier::Node, SUI));
    view.apply(&minted(CLUSTER, 3));
    view.apply(&Event::ToppedUp(ToppedUp {
        stake_id: STAKE,
        owner: OWNER,
        amount: SUI,
        balance: 2 * SUI,
    }));
    assert_eq!(
        view.check_token(TOKEN),
        Err(NotLive::Inactive(StakeStatus::Unbonding))
    );
}

#[test]
fn unbacked_identities_cannot_claim_what_needs_backing() {
    let (view, _) = live();
    let group = |name: &str| [name.to_owned()];
    view.check("daas-admin", &group("daas:admin"), &[]).unwrap();
    for (name, groups) in [
        ("system:node:worker-0", &[][..]),
        ("x", &group("system:nodes")[..]),
        ("x", &group("daas:user")[..]),
        ("x", &group("daas:operator")[..]),
    ] {
        assert!(view.check(name, groups, &[]).is_err(), "{name} {groups:?}");
    }
}

#[test]
fn a_sentence_takes_the_right_and_only_freeing_gives_it_back() {
    let (view, _) = live();
    view.apply(&Event::Jailed(chain::events::Jailed {
        stake_id: STAKE,
        owner: OWNER,
        until_ms: 5,
        jailings: 1,
        at_ms: 4,
    }));
    assert_eq!(
        view.check_token(TOKEN),
        Err(NotLive::Jailed { until_ms: 5 })
    );
    view.apply(&Event::Unjailed(chain::events::Unjailed {
        stake_id: STAKE,
        owner: OWNER,
        at_ms: 6,
    }));
    view.check_token(TOKEN).unwrap();
    view.apply(&Event::Tombstoned(chain::events::Tombstoned {
        stake_id: STAKE,
        owner: OWNER,
        at_ms: 7,
    }));
    assert_eq!(view.check_token(TOKEN), Err(NotLive::Tombstoned));
}

#[test]
fn a_part_that_leaves_counts_no_more() {
    let (view, _) = live();
    view.apply(&Event::PartUnstaked(chain::events::PartUnstaked {
        stake_id: STAKE,
        owner: OWNER,
        amount: 1,
        balance: SUI - 1,
    }));
    let short = NotLive::Insufficient {
        balance: SUI - 1,
        minimum: SUI,
    };
    assert_eq!(view.check_token(TOKEN), Err(short));
}

#[test]
fn a_rotated_key_is_the_tokens() {
    let (view, _) = live();
    view.apply(&Event::SealTokenRekeyed(chain::events::SealTokenRekeyed {
        token_id: TOKEN,
        stake_id: STAKE,
        node_key: vec![7; 32],
        commitment: vec![8; 32],
        generation: 1,
    }));
    let token = view.token(TOKEN).unwrap();
    assert_eq!(
        (token.node_key, token.commitment),
        (vec![7; 32], vec![8; 32])
    );
    view.check_token(TOKEN).unwrap();
}
