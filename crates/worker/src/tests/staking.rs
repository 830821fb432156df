//! Nothing is paid twice, whenever the worker is killed.

use chain::calls;
use chain::objects::{SealToken, Stake};

use super::world::{SUI, World};
use crate::stake::{Standing, now_ms};
use crate::state::{Purpose, State};
use crate::{Class, Phase, WorkerError};

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_stakes_and_mints_and_a_restart_finds_both() {
    let world = World::new(&[7; 48]).await;
    let (staking, mut state) = world.staking("worker-0");
    let first = staking.ensure(&mut state).await.unwrap();
    assert_eq!(state.get().phase, Phase::Staked);
    let token = world
        .client
        .object::<SealToken>(&world.deployment, first.token)
        .await
        .unwrap()
        .value;
    assert_eq!(token.node_id, "worker-0");
    assert_eq!(token.stake_id, first.stake);
    let stake = world
        .client
        .object::<Stake>(&world.deployment, first.stake)
        .await
        .unwrap()
        .value;
    assert_eq!(stake.balance, world.pool().await.tiers[0].minimum);

    let (staking, mut state) = world.staking("worker-0");
    let again = staking.ensure(&mut state).await.unwrap();
    assert_eq!((again.stake, again.token), (first.stake, first.token));
    assert!(again.secret == first.secret);
    assert_eq!(world.pool().await.stakes_created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_or_after_sending_it_pays_once() {
    let world = World::new(&[7; 48]).await;
    for (name, send, stakes) in [("before", false, 1), ("after", true, 2)] {
        let (staking, mut state) = world.staking(name);
        let request = staking.token_request().unwrap();
        let call = calls::stake_and_mint(&world.deployment, SUI, request);
        let signed = world.client.prepare(&world.key, &call).await.unwrap();
        state.set_pending(Purpose::StakeAndMint, &signed).unwrap();
        if send {
            world.client.send(&signed).await.unwrap();
        }
        // Killed here: what is on disk is all that is known.
        let (staking, mut state) = world.staking(name);
        let staked = staking.ensure(&mut state).await.unwrap();
        assert!(state.get().pending.is_none());
        let executed = world.client.lookup(signed.digest()).await.unwrap().unwrap();
        assert_eq!(executed.created("staking::Stake").unwrap(), staked.stake);
        assert_eq!(world.pool().await.stakes_created, stakes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_transaction_that_can_never_happen_is_replaced() {
    let world = World::new(&[7; 48]).await;
    let (staking, mut state) = world.staking("worker-0");
    let call = calls::stake_and_mint(&world.deployment, SUI, staking.token_request().unwrap());
    let signed = world.client.prepare(&world.key, &call).await.unwrap();
    state.set_pending(Purpose::StakeAndMint, &signed).unwrap();
    // Its gas coin is spent by another transaction meanwhile.
    let other = calls::stake(&world.deployment, chain::objects::Tier::User, SUI);
    world.client.submit(&world.key, &other).await.unwrap();
    let staked = staking.ensure(&mut state).await.unwrap();
    assert!(
        world
            .client
            .lookup(signed.digest())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(world.pool().await.stakes_created, 2);
    let stake = world
        .client
        .object::<Stake>(&world.deployment, staked.stake)
        .await
        .unwrap()
        .value;
    assert_eq!(stake.owner, world.key.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_replaced_and_a_stake_that_is_gone_is_not() {
    let world = World::new(&[7; 48]).await;
    let (staking, mut state) = world.staking("worker-0");
    let first = staking.ensure(&mut state).await.unwrap();
    let call = calls::revoke_seal_token(&world.deployment, first.token);
    world.client.submit(&world.key, &call).await.unwrap();
    let gone = staking.standing(first.stake, first.token).await.unwrap();
    assert!(matches!(gone, Standing::Gone(reason) if reason.contains("revoked")));
    let second = staking.ensure(&mut state).await.unwrap();
    assert_ne!(second.token, first.token);
    assert_eq!(second.stake, first.stake);

    let call = calls::request_unstake(&world.deployment, first.stake).unwrap();
    world.client.submit(&world.key, &call).await.unwrap();
    let gone = staking.standing(second.stake, second.token).await.unwrap();
    assert!(matches!(gone, Standing::Gone(reason) if reason.contains("unbonding")));
    let refused = staking.ensure(&mut state).await.err().unwrap();
    assert!(matches!(refused, WorkerError::StakeGone(_)));
    assert_eq!((refused.class(), refused.exit_code()), (Class::Chain, 11));
    assert_eq!(world.pool().await.stakes_created, 1);

    // Its token goes with it, so that the node may be staked for anew.
    staking.retire(second.token).await;
    staking.retire(second.token).await;
    std::fs::remove_file(world.path().join("worker-0/state.json")).unwrap();
    let (staking, mut state) = world.staking("worker-0");
    let third = staking.ensure(&mut state).await.unwrap();
    assert_ne!(third.stake, first.stake);
    assert_eq!(world.pool().await.stakes_created, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_after_half_of_its_life() {
    let world = World::new(&[7; 48]).await;
    let (mut staking, mut state) = world.staking("worker-0");
    let first = staking.ensure(&mut state).await.unwrap();
    let expires = staking.renew_if_due(&mut state).await.unwrap();
    assert_eq!(expires, first.token_expires_at_ms);
    // Seen by a worker with a longer lifetime, less than half is left.
    staking.token_ttl *= 4;
    let renewed = staking.renew_if_due(&mut state).await.unwrap();
    assert!(renewed > expires && renewed > now_ms());
    let again = staking.ensure(&mut state).await.unwrap();
    assert_eq!(again.token, first.token);
    assert!(again.secret == first.secret);
    // A lost secret: the commitment is replaced, the token stays.
    std::fs::remove_file(world.path().join("worker-0/seal.secret")).unwrap();
    let again = staking.ensure(&mut state).await.unwrap();
    assert_eq!(again.token, first.token);
    assert!(again.secret != first.secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_without_funds_is_told_so_and_nothing_is_half_made() {
    let mut world = World::new(&[7; 48]).await;
    world.key = chain::keystore::Key::generate().unwrap();
    let (staking, mut state) = world.staking("worker-0");
    let refused = staking.ensure(&mut state).await.err().unwrap();
    assert_eq!(refused.class(), Class::Chain);
    assert!(crate::error::line(&refused).contains("MIST"));
    let kept = State::read(&world.path().join("worker-0/state.json"))
        .unwrap()
        .unwrap();
    assert!(kept.pending.is_none() && kept.stake.is_none());
}
