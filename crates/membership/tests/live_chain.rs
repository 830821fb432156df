//! The live view and the enforcer on a real ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chain::calls::{self, Approval, TokenRequest};
use chain::keystore::Key;
use chain::objects::{StakeStatus, TeeKind, Tier};
use chain::{Address, Client, Deployment};
use ledger::{GenesisOptions, Handle, LedgerConfig};
use membership::SystemClock;
use membership::join::{JoinRecord, JoinRecords as _, MemoryRecords};
use membership::stake::{
    Enforcer, LiveView, NodeControl, NodeControlError, NotLive, ViewOptions, follow,
};
use seal::{Commitment, NodeKey, ObjectId, Secret};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SUI: u64 = 1_000_000_000;

/// What the control plane promises: within five seconds of the chain's event.
const PROMISE: Duration = Duration::from_secs(5);

struct World {
    handle: Handle,
    stop_ledger: CancellationToken,
    client: Client,
    deployment: Deployment,
    publisher: Key,
    worker: Key,
}

async fn serve(
    directory: &Path,
    listen: &str,
    publisher: &Key,
    worker: &Key,
) -> (Handle, CancellationToken) {
    let funds = vec![
        (publisher.address(), 1000 * SUI),
        (worker.address(), 1000 * SUI),
    ];
    let genesis = GenesisOptions::development(publisher.address(), funds);
    let mut config = LedgerConfig::new(directory.to_owned(), genesis);
    config.listen = listen.parse().unwrap();
    let stop = CancellationToken::new();
    (ledger::serve(config, stop.clone()).await.unwrap(), stop)
}

impl World {
    async fn new(directory: &Path) -> Self {
        let (publisher, worker) = (Key::generate().unwrap(), Key::generate().unwrap());
        let (handle, stop_ledger) = serve(directory, "127.0.0.1:0", &publisher, &worker).await;
        let client = Client::connect(&handle.url()).await.unwrap();
        let mut deployment = Deployment::load(&directory.join("deployment.json")).unwrap();
        let approval = Approval {
            kind: TeeKind::Simulated,
            measurement: vec![7; 48],
            source: "test".to_owned(),
            active_at_ms: 0,
        };
        let call = calls::create_cluster(&deployment, "test", vec![approval]);
        let made = client.submit(&publisher, &call).await.unwrap();
        deployment.cluster = Some(made.created("enclave_registry::Cluster").unwrap());
        Self {
            handle,
            stop_ledger,
            client,
            deployment,
            publisher,
            worker,
        }
    }

    /// Stakes and mints for a node; gives stake, token and record.
    async fn node(&self, name: &str) -> (Address, Address, JoinRecord) {
        let (key, secret) = (NodeKey::generate(), Secret::generate());
        let node = name.parse().unwrap();
        let request = TokenRequest {
            cluster: self.deployment.cluster().unwrap(),
            node_id: name.to_owned(),
            node_key: *key.public().as_bytes(),
            commitment: *Commitment::to(&secret, &node, &key.public()).as_bytes(),
            endpoint: String::new(),
            ttl_ms: 3_600_000,
        };
        let call = calls::stake_and_mint(&self.deployment, SUI, request);
        let done = self.client.submit(&self.worker, &call).await.unwrap();
        let stake = done.created("staking::Stake").unwrap();
        let token = done.created("k8s_gateway::SealToken").unwrap();
        let record = JoinRecord {
            node,
            token: ObjectId(token.into_inner()),
            node_key: key.public(),
            joined_at_ms: 0,
            certified_at_ms: 0,
        };
        (stake, token, record)
    }

    fn view(&self, options: ViewOptions, stop: &CancellationToken) -> LiveView {
        let cluster = self.deployment.cluster().unwrap();
        let view = LiveView::new(cluster, Arc::new(SystemClock), options);
        tokio::spawn(follow(
            self.client.clone(),
            self.deployment.clone(),
            view.clone(),
            stop.clone(),
        ));
        view
    }
}

/// Waits until `done`, for as long as was promised.
async fn within_promise(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PROMISE, "{what}: not within {PROMISE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{what}: {:?}", begin.elapsed());
}

struct Control(mpsc::UnboundedSender<(String, NotLive)>);

#[async_trait]
impl NodeControl for Control {
    async fn withdraw(&self, node: &str, reason: &NotLive) -> Result<usize, NodeControlError> {
        self.0.send((node.to_owned(), reason.clone())).unwrap();
        Ok(1)
    }

    async fn restore(&self, _: &str) -> Result<(), NodeControlError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unstaking_slashing_and_revoking_withdraw_a_node_within_five_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new(directory.path()).await;
    let stop = CancellationToken::new();
    let view = world.view(ViewOptions::default(), &stop);
    let records = Arc::new(MemoryRecords::default());
    let (sent, mut withdrawn) = mpsc::unbounded_channel();
    let enforcer = Enforcer::new(view.clone(), records.clone(), Arc::new(Control(sent)));
    let enforcing = tokio::spawn(enforcer.run(stop.clone()));
    within_promise("synced", || view.current().is_ok()).await;

    let mut nodes = Vec::new();
    for name in ["unstaked", "slashed", "revoked", "untouched"] {
        let (stake, token, record) = world.node(name).await;
        records.put(record).await.unwrap();
        within_promise("live", || view.check_token(token).is_ok()).await;
        nodes.push((name, stake, token));
    }
    let deployment = &world.deployment;
    let cap = deployment.slash_cap.unwrap();
    let acts = [
        (
            &world.worker,
            calls::request_unstake(deployment, nodes[0].1).unwrap(),
        ),
        (
            &world.publisher,
            calls::slash(deployment, cap, nodes[1].1, SUI / 2, "test").unwrap(),
        ),
        (
            &world.worker,
            calls::revoke_seal_token(deployment, nodes[2].2),
        ),
    ];
    let reasons = [
        NotLive::Inactive(StakeStatus::Unbonding),
        NotLive::Slashed {
            balance: SUI / 2,
            minimum: SUI,
        },
        NotLive::Revoked,
    ];
    for (((key, call), reason), (name, _, token)) in acts.iter().zip(reasons).zip(&nodes) {
        world.client.submit(key, call).await.unwrap();
        let acted = Instant::now();
        let got = tokio::time::timeout(PROMISE, withdrawn.recv())
            .await
            .unwrap()
            .unwrap();
        println!("{name}: withdrawn after {:?}", acted.elapsed());
        assert_eq!(got, ((*name).to_owned(), reason.clone()));
        assert_eq!(view.check_token(*token), Err(reason));
    }
    assert!(view.check_token(nodes[3].2).is_ok());
    assert!(withdrawn.try_recv().is_err());
    stop.cancel();
    enforcing.await.unwrap();

    // A control plane that starts afterwards finds the same, and withdraws what it missed.
    let stop = CancellationToken::new();
    let again = world.view(ViewOptions::default(), &stop);
    let (sent, mut withdrawn) = mpsc::unbounded_channel();
    let enforcer = Enforcer::new(again.clone(), records, Arc::new(Control(sent)));
    tokio::spawn(enforcer.run(stop.clone()));
    for name in ["revoked", "slashed", "unstaked"] {
        let got = tokio::time::timeout(PROMISE, withdrawn.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(got.0, name);
    }
    assert!(again.check_token(nodes[3].2).is_ok());
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_its_chain_vouches_for_nobody_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new(directory.path()).await;
    let stop = CancellationToken::new();
    let options = ViewOptions {
        stale_after: Duration::from_secs(3),
    };
    let view = world.view(options, &stop);
    let (stake, token, _) = world.node("worker-0").await;
    within_promise("live", || view.check_token(token).is_ok()).await;
    // Without any transaction it stays so.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(view.check_token(token).is_ok());

    let listen = world.handle.url().trim_start_matches("http://").to_owned();
    world.stop_ledger.cancel();
    world.handle.stopped().await.unwrap();
    within_promise("stale", || view.check_token(token) == Err(NotLive::Stale)).await;

    let (handle, stop_ledger) =
        serve(directory.path(), &listen, &world.publisher, &world.worker).await;
    let begin = Instant::now();
    while view.check_token(token).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not recovered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("recovered after {:?}", begin.elapsed());
    let call = calls::request_unstake(&world.deployment, stake).unwrap();
    world.client.submit(&world.worker, &call).await.unwrap();
    within_promise("unstaked", || view.check_token(token).is_err()).await;
    stop.cancel();
    stop_ledger.cancel();
    handle.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_rights_end_with_their_stake() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new(directory.path()).await;
    let stop = CancellationToken::new();
    let view = world.view(ViewOptions::default(), &stop);
    let call = calls::stake(&world.deployment, Tier::User, SUI);
    let done = world.client.submit(&world.worker, &call).await.unwrap();
    let stake = done.created("staking::Stake").unwrap();
    let name = world.worker.address().to_string();
    let groups = ["daas:user".to_owned()];
    let uris = [pki::Backing::Stake(stake.into_inner()).to_string()];
    within_promise("live", || view.check(&name, &groups, &uris).is_ok()).await;
    let call = calls::request_unstake(&world.deployment, stake).unwrap();
    world.client.submit(&world.worker, &call).await.unwrap();
    within_promise("refused", || view.check(&name, &groups, &uris).is_err()).await;
    stop.cancel();
}
