//! The join endpoints against a chain in memory: what is refused, and with which code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use chain::Address;
use chain::keystore::Key;
use chain::objects::{SealToken, Stake, StakeStatus, StakingPool, Tier, TierParams};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use membership::join::{
    Authorities, ChainReadError, ChainReader, Channel, JoinMetrics, JoinParts, JoinRecords,
    JoinService, MemoryRecords,
};
use membership::stake::{LiveView, NodeControl, NodeControlError, NotLive, ViewOptions};
use membership::{SystemClock, unix_ms};
use parking_lot::Mutex;
use pki::{CertificateAuthority, KeyPair};
use seal::wire::{
    self, AttestationRequest, AttestationResponse, Der, HeartbeatResponse, JoinRequest,
    LoginRequest, LoginResponse, NodeCertificates, NodeRequest, Refusal, RefusalCode, RenewRequest,
};
use seal::{
    Bytes32, Commitment, Heartbeat, JoinProof, NodeId, NodeKey, ObjectId, RenewProof, Secret,
    UserLogin,
};
use serde::de::DeserializeOwned;
use tee::{Provider as _, Simulated};
use tee_verify::{Collateral, Kind, Policy, verify};

const CLUSTER: ObjectId = ObjectId([0xc1; 32]);
const SUI: u64 = 1_000_000_000;

#[derive(Default)]
struct FakeChain {
    tokens: Mutex<BTreeMap<Address, SealToken>>,
    stakes: Mutex<BTreeMap<Address, Stake>>,
    down: Mutex<bool>,
}

impl FakeChain {
    fn up(&self) -> Result<(), ChainReadError> {
        if *self.down.lock() {
            Err(ChainReadError("down".to_owned()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl ChainReader for FakeChain {
    async fn token(&self, id: Address) -> Result<Option<SealToken>, ChainReadError> {
        self.up()?;
        Ok(self.tokens.lock().get(&id).cloned())
    }

    async fn stake(&self, id: Address) -> Result<Option<Stake>, ChainReadError> {
        self.up()?;
        Ok(self.stakes.lock().get(&id).cloned())
    }

    async fn pool(&self) -> Result<StakingPool, ChainReadError> {
        self.up()?;
        let tier = |minimum| TierParams {
            minimum,
            lockup_ms: 0,
        };
        Ok(StakingPool {
            id: Address::ZERO,
            version: 1,
            tiers: vec![tier(SUI), tier(SUI / 10), tier(10 * SUI)],
            unbonding_ms: 1,
            delegation: chain::objects::DelegationRules {
                most_commission: 2_000,
                commission_step: 100,
                minimum: 100_000_000,
            },
            total_active: 0,
            total_unbonding: 0,
            total_slashed: 0,
            stakes_created: 0,
            treasury: 0,
            paused: false,
        })
    }
}

#[derive(Default)]
struct NoControl(Mutex<Vec<String>>);

#[async_trait]
impl NodeControl for NoControl {
    async fn withdraw(&self, _: &str, _: &NotLive) -> Result<usize, NodeControlError> {
        Ok(0)
    }

    async fn restore(&self, node: &str) -> Result<(), NodeControlError> {
        self.0.lock().push(node.to_owned());
        Ok(())
    }
}

/// A staked node: what its worker has.
#[derive(Clone)]
struct Worker {
    node: NodeId,
    key: NodeKey,
    secret: Secret,
    token: ObjectId,
}

struct World {
    chain: Arc<FakeChain>,
    service: JoinService,
    records: Arc<MemoryRecords>,
    control: Arc<NoControl>,
    view: LiveView,
    tee: Arc<Simulated>,
    _dir: tempfile::TempDir,
}

/// A TLS connection as the server sees it.
fn connection() -> Channel {
    Channel {
        exporter: Bytes32::random(),
        tls_key: [0x77; 32],
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tee = Arc::new(Simulated::open(&dir.path().join("device.key")).unwrap());
        let chain = Arc::new(FakeChain::default());
        let records = Arc::new(MemoryRecords::default());
        let control = Arc::new(NoControl::default());
        let clock = Arc::new(SystemClock);
        let view = LiveView::new(
            Address::new(CLUSTER.0),
            clock.clone(),
            ViewOptions::default(),
        );
        view.mark_fresh(Instant::now());
        let ca = |name| {
            CertificateAuthority::generate(name, SystemTime::now(), Duration::from_secs(864_000))
        };
        let service = JoinService::new(JoinParts {
            cluster: CLUSTER,
            tee: tee.clone(),
            chain: chain.clone(),
            view: view.clone(),
            records: records.clone(),
            control: control.clone(),
            authorities: Authorities {
                client: Arc::new(ca("client").unwrap()),
                server_ca_pem: ca("server").unwrap().pem(),
            },
            metrics: JoinMetrics::default(),
            clock,
            version: "test".to_owned(),
        });
        Self {
            chain,
            service,
            records,
            control,
            view,
            tee,
            _dir: dir,
        }
    }

    fn stake(&self, id: u8, owner: Address, tier: Tier, balance: u64) -> Address {
        let id = Address::new([id; 32]);
        let stake = Stake {
            id,
            owner,
            tier,
            status: StakeStatus::Active,
            balance,
            slashed: 0,
            staked_at_ms: 0,
            locked_until_ms: 0,
            withdrawable_at_ms: 0,
            fresh: 0,
            fresh_epoch: 0,
            delegated: chain::objects::Shared::default(),
            fresh_shares: 0,
            shares_epoch: 0,
            commission: 0,
            commission_set_at_ms: 0,
            queue: chain::objects::Shared::default(),
            cases: 0,
            jailed_until_ms: 0,
            jailings: 0,
            released_at_ms: 0,
            tombstoned: false,
            former_keys: Vec::new(),
        };
        self.chain.stakes.lock().insert(id, stake);
        id
    }

    /// Stakes and mints, as the transaction does.
    fn worker(&self, name: &str, id: u8) -> Worker {
        let owner = Address::new([0xaa; 32]);
        let stake_id = self.stake(id, owner, Tier::Node, SUI);
        let node: NodeId = name.parse().unwrap();
        let (key, secret) = (NodeKey::generate(), Secret::generate());
        let token = Address::new([id | 0x80; 32]);
        let now = unix_ms(SystemTime::now());
        let object = SealToken {
            id: token,
            stake_id,
            owner,
            cluster_id: Address::new(CLUSTER.0),
            node_id: name.to_owned(),
            node_key: key.public().as_bytes().to_vec(),
            commitment: Commitment::to(&secret, &node, &key.public())
                .as_bytes()
                .to_vec(),
            permissions: 3,
            endpoint: String::new(),
            issued_at_ms: now,
            expires_at_ms: now + 3_600_000,
            revoked: false,
            generation: 0,
            consumed_at_ms: 0,
            consumed_by: None,
        };
        self.chain.tokens.lock().insert(token, object);
        Worker {
            node,
            key,
            secret,
            token: ObjectId(token.into_inner()),
        }
    }

    fn edit_token(&self, worker: &Worker, edit: impl Fn(&mut SealToken)) {
        edit(
            self.chain
                .tokens
                .lock()
                .get_mut(&Address::new(worker.token.0))
                .unwrap(),
        );
    }

    fn edit_stake(&self, worker: &Worker, edit: impl Fn(&mut Stake)) {
        let stake = self.chain.tokens.lock()[&Address::new(worker.token.0)].stake_id;
        edit(self.chain.stakes.lock().get_mut(&stake).unwrap());
    }

    async fn post<T: DeserializeOwned>(
        &self,
        channel: Channel,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Refusal> {
        let request = Request::post(path)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = self.service.handle(channel, request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        if status.is_success() {
            return Ok(serde_json::from_slice(&body).unwrap());
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap();
        assert_eq!(status.as_u16(), refusal.code.status());
        assert!(!refusal.message.is_empty());
        Err(refusal)
    }

    async fn challenge(&self, channel: Channel) -> Bytes32 {
        let nonce = Bytes32::random();
        let body = serde_json::to_vec(&AttestationRequest { nonce }).unwrap();
        let answer: AttestationResponse =
            self.post(channel, wire::ATTESTATION, body).await.unwrap();
        let policy = Policy::new().allow(Kind::Simulated, self.tee.measurement().clone());
        let binding = wire::binding(&CLUSTER, &channel.tls_key, &channel.exporter, &nonce);
        let now = SystemTime::now();
        verify(
            &answer.evidence,
            &Collateral::default(),
            &policy,
            now,
            &binding,
        )
        .unwrap();
        answer.challenge
    }

    fn node_request(
        &self,
        worker: &Worker,
        channel: Channel,
        challenge: Bytes32,
        renew: bool,
    ) -> NodeRequest {
        let csr = || Der::new(KeyPair::generate().unwrap().request().unwrap().to_vec());
        let (client_csr, serving_csr) = (csr(), csr());
        let proof = JoinProof {
            cluster: CLUSTER,
            token: worker.token,
            node: worker.node.clone(),
            challenge,
            channel: channel.exporter,
            client_csr: client_csr.digest(),
            serving_csr: serving_csr.digest(),
        };
        let signature = if renew {
            RenewProof(proof).sign(&worker.key)
        } else {
            proof.sign(&worker.key)
        };
        NodeRequest {
            node: worker.node.clone(),
            node_key: worker.key.public(),
            challenge,
            client_csr,
            serving_csr,
            addresses: vec!["127.0.0.1".parse().unwrap()],
            signature,
        }
    }

    async fn send_join(
        &self,
        channel: Channel,
        worker: &Worker,
        node: NodeRequest,
    ) -> Result<NodeCertificates, Refusal> {
        let request = JoinRequest {
            token: worker.token,
            secret: worker.secret.clone(),
            node,
        };
        self.post(channel, wire::JOIN, request.to_json().to_vec())
            .await
    }

    async fn join(&self, worker: &Worker) -> Result<NodeCertificates, Refusal> {
        let channel = connection();
        let challenge = self.challenge(channel).await;
        let node = self.node_request(worker, channel, challenge, false);
        self.send_join(channel, worker, node).await
    }

    async fn renew(&self, worker: &Worker) -> Result<NodeCertificates, Refusal> {
        let channel = connection();
        let challenge = self.challenge(channel).await;
        let node = self.node_request(worker, channel, challenge, true);
        let request = RenewRequest {
            token: worker.token,
            node,
        };
        self.post(channel, wire::RENEW, serde_json::to_vec(&request).unwrap())
            .await
    }

    async fn refused(&self, worker: &Worker) -> RefusalCode {
        self.join(worker).await.unwrap_err().code
    }
}

#[tokio::test]
async fn a_staked_node_joins_and_its_certificates_end_with_its_token() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let certificates = world.join(&worker).await.unwrap();
    let client = &pki::certificates_from_pem(&certificates.client_certificate).unwrap()[0];
    let peer = pki::parse_certificate(client).unwrap();
    assert_eq!(peer.common_name, "system:node:worker-0");
    let expires = world.chain.tokens.lock()[&Address::new(worker.token.0)].expires_at_ms;
    assert!(certificates.expires_at_ms <= expires);
    world
        .view
        .check(&peer.common_name, &peer.organisations, &peer.uris)
        .unwrap();
    assert_eq!(*world.control.0.lock(), ["worker-0"]);
    // The same node may join again, and renew.
    world.join(&worker).await.unwrap();
    world.renew(&worker).await.unwrap();
    assert_eq!(world.records.all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_whose_commitment_does_not_open_is_refused() {
    let world = World::new();
    let mut worker = world.worker("worker-0", 1);
    worker.secret = Secret::generate();
    assert_eq!(
        world.refused(&worker).await,
        RefusalCode::CommitmentMismatch
    );
    world.edit_token(&worker, |token| token.commitment = vec![0; 31]);
    assert_eq!(
        world.refused(&worker).await,
        RefusalCode::CommitmentMismatch
    );
    assert!(world.records.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn expired_revoked_foreign_and_unknown_tokens_are_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let now = unix_ms(SystemTime::now());
    world.edit_token(&worker, |token| token.expires_at_ms = now - 1);
    assert_eq!(world.refused(&worker).await, RefusalCode::TokenExpired);
    let worker = world.worker("worker-0", 2);
    world.edit_token(&worker, |token| token.revoked = true);
    assert_eq!(world.refused(&worker).await, RefusalCode::TokenRevoked);
    let worker = world.worker("worker-0", 3);
    world.edit_token(&worker, |token| token.cluster_id = Address::new([9; 32]));
    assert_eq!(world.refused(&worker).await, RefusalCode::WrongCluster);
    let worker = world.worker("worker-0", 4);
    world.edit_token(&worker, |token| token.permissions = 2);
    assert_eq!(world.refused(&worker).await, RefusalCode::NotPermitted);
    let mut worker = world.worker("worker-0", 5);
    worker.token = ObjectId([0xee; 32]);
    assert_eq!(world.refused(&worker).await, RefusalCode::TokenNotFound);
}

#[tokio::test]
async fn a_token_of_another_stake_is_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let other = world.stake(9, Address::new([0xbb; 32]), Tier::Node, SUI);
    world.edit_token(&worker, |token| token.stake_id = other);
    assert_eq!(world.refused(&worker).await, RefusalCode::StakeMismatch);
    let admin = world.stake(8, Address::new([0xaa; 32]), Tier::Admin, 100 * SUI);
    world.edit_token(&worker, |token| token.stake_id = admin);
    assert_eq!(world.refused(&worker).await, RefusalCode::StakeMismatch);
    world.edit_token(&worker, |token| token.stake_id = Address::new([7; 32]));
    assert_eq!(world.refused(&worker).await, RefusalCode::StakeNotFound);
}

#[tokio::test]
async fn slashed_insufficient_and_unbonding_stakes_are_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    world.edit_stake(&worker, |stake| stake.balance = SUI - 1);
    assert_eq!(world.refused(&worker).await, RefusalCode::StakeInsufficient);
    world.edit_stake(&worker, |stake| stake.slashed = 1);
    assert_eq!(world.refused(&worker).await, RefusalCode::StakeSlashed);
    for (status, code) in [
        (StakeStatus::SlashedOut, RefusalCode::StakeSlashed),
        (StakeStatus::Unbonding, RefusalCode::StakeInactive),
        (StakeStatus::Withdrawn, RefusalCode::StakeInactive),
    ] {
        world.edit_stake(&worker, |stake| {
            stake.status = status;
            stake.balance = 5 * SUI;
        });
        assert_eq!(world.refused(&worker).await, code);
        assert!(code.is_loss_of_right());
    }
}

#[tokio::test]
async fn a_replayed_join_is_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let channel = connection();
    let challenge = world.challenge(channel).await;
    let node = world.node_request(&worker, channel, challenge, false);
    world
        .send_join(channel, &worker, node.clone())
        .await
        .unwrap();
    // The same bytes again, on the same connection and on another.
    let again = world.send_join(channel, &worker, node.clone()).await;
    assert_eq!(again.unwrap_err().code, RefusalCode::ChallengeUnknown);
    let elsewhere = connection();
    let again = world.send_join(elsewhere, &worker, node.clone()).await;
    assert_eq!(again.unwrap_err().code, RefusalCode::ChallengeUnknown);
    // With a fresh challenge of its own connection the old signature doesn't fit.
    let mut stolen = node;
    stolen.challenge = world.challenge(elsewhere).await;
    let again = world.send_join(elsewhere, &worker, stolen).await;
    assert_eq!(again.unwrap_err().code, RefusalCode::ProofRejected);
}

#[tokio::test]
async fn a_relayed_join_is_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    // A man in the middle has a connection to the server and hands its challenge on; the worker signs for
    // its own connection, whose exporter is another.
    let (server_side, worker_side) = (connection(), connection());
    let challenge = world.challenge(server_side).await;
    let node = world.node_request(&worker, worker_side, challenge, false);
    let relayed = world.send_join(server_side, &worker, node).await;
    assert_eq!(relayed.unwrap_err().code, RefusalCode::ProofRejected);
}

#[tokio::test]
async fn a_join_with_another_node_key_is_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    // The thief of a token and its secret has a key of their own.
    let thief = Worker {
        key: NodeKey::generate(),
        ..worker.clone()
    };
    assert_eq!(world.refused(&thief).await, RefusalCode::WrongNodeKey);
    // Naming the right key doesn't help without it.
    let channel = connection();
    let challenge = world.challenge(channel).await;
    let mut node = world.node_request(&thief, channel, challenge, false);
    node.node_key = worker.key.public();
    let refused = world.send_join(channel, &thief, node).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::ProofRejected);
    // Another name with the right key.
    let renamed = Worker {
        node: "worker-1".parse().unwrap(),
        ..worker
    };
    assert_eq!(world.refused(&renamed).await, RefusalCode::WrongNode);
}

#[tokio::test]
async fn swapped_certificate_requests_are_refused() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let channel = connection();
    let challenge = world.challenge(channel).await;
    let mut node = world.node_request(&worker, channel, challenge, false);
    node.client_csr = Der::new(KeyPair::generate().unwrap().request().unwrap().to_vec());
    let refused = world.send_join(channel, &worker, node).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::ProofRejected);
}

#[tokio::test]
async fn a_consumed_token_and_a_taken_name_are_refused() {
    let world = World::new();
    let first = world.worker("worker-0", 1);
    world.join(&first).await.unwrap();
    // The chain keeps one live token for a name; should it ever show two, the first stays.
    let second = world.worker("worker-0", 2);
    assert_eq!(world.refused(&second).await, RefusalCode::NodeNameTaken);
    // Once the first is void the name is free.
    world.edit_token(&first, |token| token.revoked = true);
    world.join(&second).await.unwrap();
    assert_eq!(
        world.renew(&first).await.unwrap_err().code,
        RefusalCode::TokenRevoked
    );
    // A token that was used by one key isn't taken from another, whatever the chain says.
    let other = Worker {
        key: NodeKey::generate(),
        ..second
    };
    world.edit_token(&other, |token| {
        token.node_key = other.key.public().as_bytes().to_vec();
        token.commitment = Commitment::to(&other.secret, &other.node, &other.key.public())
            .as_bytes()
            .to_vec();
    });
    assert_eq!(world.refused(&other).await, RefusalCode::TokenConsumed);
}

#[tokio::test]
async fn renewal_repeats_the_checks_and_needs_a_join() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    assert_eq!(
        world.renew(&worker).await.unwrap_err().code,
        RefusalCode::NotJoined
    );
    world.join(&worker).await.unwrap();
    world.edit_stake(&worker, |stake| stake.status = StakeStatus::Unbonding);
    assert_eq!(
        world.renew(&worker).await.unwrap_err().code,
        RefusalCode::StakeInactive
    );
}

#[tokio::test]
async fn nothing_is_decided_without_the_chain() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    *world.chain.down.lock() = true;
    let code = world.refused(&worker).await;
    assert_eq!(code, RefusalCode::ChainUnavailable);
    assert!(code.is_retriable());
}

#[tokio::test]
async fn heartbeats_are_signed_fresh_and_ordered() {
    let world = World::new();
    let worker = world.worker("worker-0", 1);
    let beat = |sequence, timestamp_ms| Heartbeat {
        cluster: CLUSTER,
        token: worker.token,
        node: worker.node.clone(),
        sequence,
        timestamp_ms,
        node_ready: true,
        runtime_ready: true,
        stake_active: true,
        pods: 3,
        version: "test".to_owned(),
    };
    let now = unix_ms(SystemTime::now());
    let send = async |beat: Heartbeat, key: &NodeKey| {
        let body = serde_json::to_vec(&beat.sign(key)).unwrap();
        let answer = world
            .post::<HeartbeatResponse>(connection(), wire::HEARTBEAT, body)
            .await;
        answer.map_err(|refusal| refusal.code)
    };
    assert_eq!(
        send(beat(1, now), &worker.key).await,
        Err(RefusalCode::NotJoined)
    );
    world.join(&worker).await.unwrap();
    assert!(send(beat(1, now), &worker.key).await.unwrap().live);
    assert_eq!(
        send(beat(1, now), &worker.key).await,
        Err(RefusalCode::HeartbeatReplayed)
    );
    let stranger = NodeKey::generate();
    assert_eq!(
        send(beat(2, now), &stranger).await,
        Err(RefusalCode::ProofRejected)
    );
    assert_eq!(
        send(beat(2, now - 600_000), &worker.key).await,
        Err(RefusalCode::ClockSkew)
    );
    send(beat(2, now), &worker.key).await.unwrap();
    let last = world.service.heartbeats().last("worker-0").unwrap();
    assert_eq!((last.heartbeat.sequence, last.heartbeat.pods), (2, 3));
}

#[tokio::test]
async fn users_log_in_with_their_stake() {
    let world = World::new();
    let wallet = Key::generate().unwrap();
    for (id, tier, balance, group) in [
        (1, Tier::User, SUI / 10, "daas:user"),
        (2, Tier::Node, SUI, "daas:operator"),
        (3, Tier::Admin, 10 * SUI, "daas:admin"),
    ] {
        let stake = world.stake(id, wallet.address(), tier, balance);
        let answer = login(&world, &wallet, wallet.address(), stake, |_| {})
            .await
            .unwrap();
        assert_eq!(answer.group, group);
        let der = &pki::certificates_from_pem(&answer.certificate).unwrap()[0];
        let peer = pki::parse_certificate(der).unwrap();
        world
            .view
            .check(&peer.common_name, &peer.organisations, &peer.uris)
            .unwrap();
    }
}

#[tokio::test]
async fn logins_of_others_without_stake_or_relayed_are_refused() {
    let world = World::new();
    let (wallet, other) = (Key::generate().unwrap(), Key::generate().unwrap());
    let mine = world.stake(1, wallet.address(), Tier::User, SUI);
    let poor = world.stake(2, wallet.address(), Tier::Admin, SUI);
    let theirs = world.stake(3, other.address(), Tier::Admin, 10 * SUI);
    let none = Address::new([0x99; 32]);
    use RefusalCode as R;
    for (signer, address, stake, code) in [
        (&other, wallet.address(), mine, R::LoginRejected),
        (&wallet, wallet.address(), theirs, R::StakeMismatch),
        (&wallet, wallet.address(), poor, R::StakeInsufficient),
        (&wallet, wallet.address(), none, R::StakeNotFound),
    ] {
        let refused = login(&world, signer, address, stake, |_| {}).await;
        assert_eq!(refused.unwrap_err().code, code);
    }
    type Change = fn(&mut UserLogin);
    let changes: [(Change, R); 4] = [
        (
            |login| login.challenge = Bytes32::random(),
            R::ChallengeUnknown,
        ),
        (|login| login.channel = Bytes32::random(), R::LoginRejected),
        (|login| login.csr = Bytes32::random(), R::LoginRejected),
        (|login| login.cluster = ObjectId([1; 32]), R::WrongCluster),
    ];
    for (change, code) in changes {
        let refused = login(&world, &wallet, wallet.address(), mine, change).await;
        assert_eq!(refused.unwrap_err().code, code);
    }
}

async fn login(
    world: &World,
    wallet: &Key,
    address: Address,
    stake: Address,
    change: fn(&mut UserLogin),
) -> Result<LoginResponse, Refusal> {
    let channel = connection();
    let csr = Der::new(KeyPair::generate().unwrap().request().unwrap().to_vec());
    let mut login = UserLogin {
        cluster: CLUSTER,
        address: ObjectId(address.into_inner()),
        stake: ObjectId(stake.into_inner()),
        challenge: world.challenge(channel).await,
        channel: channel.exporter,
        csr: csr.digest(),
    };
    change(&mut login);
    let signature = wallet
        .sign_personal_message(&login.message())
        .unwrap()
        .to_base64();
    let request = LoginRequest {
        login,
        csr,
        signature,
    };
    world
        .post(
            channel,
            wire::USER_LOGIN,
            serde_json::to_vec(&request).unwrap(),
        )
        .await
}

#[tokio::test]
async fn bodies_are_bounded_and_strict() {
    let world = World::new();
    let refused = async |path: &str, body: Vec<u8>| {
        let answer = world
            .post::<serde_json::Value>(connection(), path, body)
            .await;
        answer.unwrap_err().code
    };
    assert_eq!(
        refused(wire::JOIN, vec![b' '; wire::MAX_BODY + 1]).await,
        RefusalCode::BodyTooLarge
    );
    for path in [
        wire::ATTESTATION,
        wire::JOIN,
        wire::RENEW,
        wire::HEARTBEAT,
        wire::USER_LOGIN,
    ] {
        assert_eq!(
            refused(path, b"{\"x\":1}".to_vec()).await,
            RefusalCode::Malformed
        );
        let get = Request::get(path).body(Full::new(Bytes::new())).unwrap();
        assert_eq!(world.service.handle(connection(), get).await.status(), 405);
    }
    assert_eq!(
        refused("/daas/v1/other", vec![]).await,
        RefusalCode::NotFound
    );
}

#[tokio::test]
async fn anybody_gets_evidence_over_a_nonce() {
    let world = World::new();
    let tls_key = [7; 32];
    let nonce = Bytes32::random();
    let ask = async |query: Option<String>| {
        let answer = world
            .service
            .attest_publicly(tls_key, query.as_deref())
            .await;
        let (parts, body) = answer.into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    };
    let (parts, body) = ask(Some(format!("nonce={nonce}"))).await;
    assert_eq!(parts.status, 200);
    assert_eq!(parts.headers[http::header::CACHE_CONTROL], "no-store");
    let answer: wire::PublicAttestation = serde_json::from_slice(&body).unwrap();
    assert_eq!((answer.cluster, answer.nonce), (CLUSTER, nonce));
    assert!(!answer.hardware_rooted && answer.kind == Kind::Simulated);
    let policy = Policy::new().allow(Kind::Simulated, answer.measurement.clone());
    let check = |binding: &tee_verify::Binding| {
        let now = SystemTime::now();
        verify(&answer.evidence, &answer.collateral, &policy, now, binding)
    };
    let bound = wire::public_binding(&CLUSTER, &tls_key, &nonce);
    assert_eq!(*bound.as_bytes(), answer.report_data.0);
    check(&bound).unwrap();
    // For no other key or nonce, nor on a connection of the exchange.
    for other in [
        wire::public_binding(&CLUSTER, &[8; 32], &nonce),
        wire::public_binding(&CLUSTER, &tls_key, &Bytes32::random()),
        wire::public_binding(&ObjectId([1; 32]), &tls_key, &nonce),
        wire::binding(&CLUSTER, &tls_key, &Bytes32([0; 32]), &nonce),
    ] {
        assert_eq!(check(&other), Err(tee_verify::VerifyError::Binding));
    }
    // It is a file that the offline verifier takes.
    let evidence = tee_verify::read_evidence(&body, None).unwrap();
    assert_eq!(evidence, answer.evidence);

    for query in [
        None,
        Some(String::new()),
        Some("nonce=".to_owned()),
        Some("nonce=00".to_owned()),
        Some(format!("nonce={nonce}0")),
        Some(format!("nonce={nonce}&nonce={nonce}")),
    ] {
        let (parts, body) = ask(query).await;
        assert_eq!(parts.status, 400);
        let refusal: Refusal = serde_json::from_slice(&body).unwrap();
        assert_eq!(refusal.code, RefusalCode::Malformed);
    }
}
