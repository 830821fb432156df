//! A node that has joined: heartbeats, renewal, and what makes it stop. Its agent finds no container runtime here; nothing
//! of this depends on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chain::calls;
use seal::wire::HEARTBEAT;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::{Lie, Server, measurement, register};
use super::world::World;
use crate::lifecycle::enter;
use crate::node::{End, Node};
use crate::retry::Patience;
use crate::{Config, Phase, Progress};

struct Running {
    world: World,
    server: Server,
    node: Arc<Node>,
    stop: CancellationToken,
    task: JoinHandle<End>,
}

impl Running {
    async fn start(lie: Option<Lie>) -> Self {
        let world = World::new(&measurement()).await;
        let server = Server::start(&world, lie).await;
        register(&world, server.address, server.tls_key).await;
        let (staking, mut state) = world.staking("worker-0");
        let config: Config = serde_json::from_value(json!({
            "dataDir": world.path().join("worker-0"), "nodeName": "worker-0", "chainUrl": world.client.url(),
            "deployment": "unused", "allowSimulatedTee": true, "nodeApiPort": 0,
        }))
        .unwrap();
        let stop = CancellationToken::new();
        let patience = Patience::new(Duration::from_secs(10), stop.clone(), Progress::silent());
        let Ok(entered) = enter(&config, staking, &mut state, &patience).await else {
            panic!("it joins");
        };
        assert_eq!(state.get().phase, Phase::Joined);
        let cursor = entered.cursor;
        let node = Arc::new(entered.node(config, state).unwrap());
        let (running, stopping) = (node.clone(), stop.clone());
        let task = tokio::spawn(async move { running.run(cursor, None, &stopping).await });
        Self {
            world,
            server,
            node,
            stop,
            task,
        }
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Why it lost its right, which it notices within the time promised and then ends by itself. (An agent that has no
    /// runtime takes ten seconds to give up.)
    async fn lost(self) -> String {
        let mut lost = self.node.lost.subscribe();
        // What `wait_for` returns holds the channel's lock: kept over the wait below, it would block the next report.
        let noticed = tokio::time::timeout(Duration::from_secs(5), lost.wait_for(Option::is_some))
            .await
            .is_ok_and(|lost| lost.is_ok());
        assert!(noticed, "it goes on");
        match tokio::time::timeout(Duration::from_secs(40), self.task).await {
            Ok(Ok(End::Lost(reason))) => reason,
            _ => panic!("it does not end"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_arrive_signed_and_unstaking_ends_the_node() {
    let running = Running::start(None).await;
    running
        .until("a heartbeat", |r| {
            r.server.service.heartbeats().last("worker-0").is_some()
        })
        .await;
    let last = running
        .server
        .service
        .heartbeats()
        .last("worker-0")
        .unwrap()
        .heartbeat;
    assert!(last.stake_active && !last.runtime_ready && !last.node_ready);
    let world = &running.world;
    let call = calls::request_unstake(&world.deployment, running.node.staked.stake).unwrap();
    world.client.submit(&world.key, &call).await.unwrap();
    assert!(running.lost().await.contains("unbonding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slashing_and_revoking_end_the_node() {
    tokio::join!(ends_by("slashed"), ends_by("revoked"));
}

async fn ends_by(how: &str) {
    let running = Running::start(None).await;
    let (world, staked) = (&running.world, &running.node.staked);
    let deployment = &world.deployment;
    let (key, call) = if how == "slashed" {
        let cap = deployment.slash_cap.unwrap();
        (
            &world.publisher,
            calls::slash(deployment, cap, staked.stake, 1, "test").unwrap(),
        )
    } else {
        (
            &world.key,
            calls::revoke_seal_token(deployment, staked.token),
        )
    };
    world.client.submit(key, &call).await.unwrap();
    let reason = running.lost().await;
    assert!(reason.contains(how), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_token_are_renewed_while_it_runs() {
    let running = Running::start(None).await;
    let before = running.node.credentials.load().expires_at_ms();
    running.node.renew_now.notify_one();
    let serving = running.node.credentials.load().serving();
    running
        .until("new certificates", |r| {
            !Arc::ptr_eq(&serving, &r.node.credentials.load().serving())
        })
        .await;
    assert!(running.node.credentials.load().expires_at_ms() >= before);
    running.stop.cancel();
    assert!(matches!(running.task.await.unwrap(), End::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_lies_about_the_stake_or_is_gone_ends_nothing() {
    let lie: Lie = Arc::new(|path, honest| {
        if path == HEARTBEAT {
            return Bytes::from_static(b"{\"live\":false,\"intervalSeconds\":30}");
        }
        honest
    });
    let running = Running::start(Some(lie)).await;
    running
        .until("a heartbeat", |r| {
            r.server.service.heartbeats().last("worker-0").is_some()
        })
        .await;
    let node = running.node.clone();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!running.task.is_finished());
    assert!(*node.backed.borrow());
    // Without a control plane the chain still counts.
    running.server.stop();
    let world = &running.world;
    let call = calls::request_unstake(&world.deployment, node.staked.stake).unwrap();
    world.client.submit(&world.key, &call).await.unwrap();
    assert!(running.lost().await.contains("unbonding"));
}
