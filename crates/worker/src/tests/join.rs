//! Whom a worker trusts, and what it sends to whom.

use std::sync::Arc;

use attested::{AttestedError, Expectation};
use bytes::Bytes;
use chain::calls;
use chain::objects::TeeKind;
use parking_lot::Mutex;
use seal::wire::{ATTESTATION, AttestationResponse, JOIN, RefusalCode};
use tee_verify::VerifyError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Lie, Server, measurement, register, tee};
use super::world::World;
use crate::WorkerError;
use crate::control_plane::{Applicant, Terms, Trust, read_trust, verify};
use crate::credentials::Credentials;
use crate::stake::Staked;

/// A staked worker that goes through what it does when it starts.
pub(super) struct Starting {
    pub(super) world: World,
    pub(super) staked: Staked,
}

impl Starting {
    async fn new() -> Self {
        Self::on(World::new(&measurement()).await).await
    }

    pub(super) async fn on(world: World) -> Self {
        let (staking, mut state) = world.staking("worker-0");
        let staked = staking.ensure(&mut state).await.unwrap();
        Self { world, staked }
    }

    async fn trust(&self) -> Result<Trust, WorkerError> {
        let terms = Terms {
            allow_simulated: true,
            ..Terms::default()
        };
        self.trust_on(terms).await
    }

    pub(super) async fn trust_on(&self, terms: Terms<'_>) -> Result<Trust, WorkerError> {
        read_trust(&self.world.client, &self.world.deployment, terms).await
    }

    async fn join(&self) -> Result<Credentials, WorkerError> {
        self.join_with(&self.trust().await?).await
    }

    pub(super) async fn join_with(&self, trust: &Trust) -> Result<Credentials, WorkerError> {
        let node = "worker-0".parse().unwrap();
        let applicant = Applicant {
            node: &node,
            key: &self.world.node_key,
            addresses: vec!["127.0.0.1".parse().unwrap()],
        };
        verify(trust)
            .await?
            .join(trust, &applicant, &self.staked)
            .await
    }

    async fn renew(&self) -> Result<Credentials, WorkerError> {
        let trust = self.trust().await?;
        let node = "worker-0".parse().unwrap();
        let applicant = Applicant {
            node: &node,
            key: &self.world.node_key,
            addresses: Vec::new(),
        };
        verify(&trust)
            .await?
            .renew(&trust, &applicant, &self.staked)
            .await
    }

    /// Nothing that was received has any of the secret in it, nor anything but requests for evidence.
    pub(super) fn assert_nothing_secret(&self, received: &Mutex<Vec<u8>>) {
        let received = received.lock();
        let holds = |needle: &[u8]| {
            received
                .windows(needle.len())
                .any(|window| window == needle)
        };
        let secret = self.staked.secret.as_bytes();
        assert!(!holds(secret) && !holds(self.staked.secret.expose().as_bytes()));
        for start in 0..=24 {
            assert!(!holds(&secret[start..start + 8]), "a part of the secret");
        }
        assert!(!holds(JOIN.as_bytes()), "it asked for more than evidence");
    }
}

pub(super) fn evidence_error(refused: Result<Credentials, WorkerError>) -> VerifyError {
    match attested_error(refused.err().unwrap()) {
        AttestedError::Evidence { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

pub(super) fn attested_error(error: WorkerError) -> AttestedError {
    match error {
        WorkerError::ControlPlane(error) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staked_worker_joins_and_renews_and_connects_to_the_attested_key_only() {
    let start = Starting::new().await;
    let server = Server::start(&start.world, None).await;
    register(&start.world, server.address, server.tls_key).await;
    let credentials = start.join().await.unwrap();
    assert!(credentials.expires_at_ms() <= start.staked.token_expires_at_ms);
    credentials.connector(false).connect().await.unwrap();
    start.renew().await.unwrap();
    // It is the secret's first and only appearance.
    let received = server.received.lock().clone();
    let needle = start.staked.secret.expose();
    let seen = received
        .windows(needle.len())
        .filter(|window| *window == needle.as_bytes())
        .count();
    assert_eq!(seen, 1);
    // Another server at the same address has another key; the node's connections refuse it.
    let impostor = Server::start(&start.world, None).await;
    let trust = start.trust().await.unwrap();
    let mut elsewhere = trust.clone();
    elsewhere.addresses = vec![impostor.address.to_string()];
    let refused = start.join_with(&elsewhere).await.err().unwrap();
    assert!(matches!(
        attested_error(refused),
        AttestedError::UnregisteredKey { .. }
    ));
    start.assert_nothing_secret(&impostor.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_whose_measurement_is_not_allowed_gets_nothing() {
    let start = Starting::new().await;
    let server = Server::start(&start.world, None).await;
    register(&start.world, server.address, server.tls_key).await;
    let (deployment, world) = (&start.world.deployment, &start.world);
    let (cap, cluster) = (
        deployment.cluster_cap.unwrap(),
        deployment.cluster().unwrap(),
    );
    let approval = calls::Approval {
        kind: TeeKind::Simulated,
        measurement: vec![9; 48],
        source: "another version".to_owned(),
        active_at_ms: 0,
    };
    let approve = calls::approve_measurement(deployment, cap, cluster, approval);
    world
        .client
        .submit(&world.publisher, &approve)
        .await
        .unwrap();
    let retire =
        calls::retire_measurement(deployment, cap, cluster, TeeKind::Simulated, &measurement());
    world
        .client
        .submit(&world.publisher, &retire)
        .await
        .unwrap();
    let refused = start.join().await;
    assert!(matches!(
        evidence_error(refused),
        VerifyError::MeasurementNotAllowed { .. }
    ));
    start.assert_nothing_secret(&server.received);
    assert!(!server.received.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_evidence_is_refused_unless_the_worker_allows_it() {
    let start = Starting::new().await;
    let server = Server::start(&start.world, None).await;
    register(&start.world, server.address, server.tls_key).await;
    let refused = start.trust_on(Terms::default()).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, WorkerError::NoMeasurement { .. }));
    assert_eq!(refused.exit_code(), 14);
    assert!(server.received.lock().is_empty());
}

/// A server in the middle: its own TLS towards the worker, and the worker's requests handed on to the true server.
async fn relayed_evidence(start: &Starting, honest: &Server) -> (Server, Trust) {
    // Its answers carry the true server's evidence for the very nonce that the worker sent.
    let (address, cluster) = (honest.address, start.world.deployment.cluster().unwrap());
    let expected = Expectation {
        cluster: seal::ObjectId(cluster.into_inner()),
        ..start.trust().await.unwrap().expectation
    };
    let asked = Arc::new(Mutex::new(None::<AttestationResponse>));
    let kept = asked.clone();
    let lie: Lie = Arc::new(move |path, honest| {
        if path != ATTESTATION {
            return honest;
        }
        let relayed = kept.lock().clone().unwrap();
        Bytes::from(serde_json::to_vec(&relayed).unwrap())
    });
    let middle = Server::start(&start.world, Some(lie)).await;
    // The true server's answer to somebody else, moments ago.
    let channel = membership::join::Channel {
        exporter: seal::Bytes32::random(),
        tls_key: honest.tls_key,
    };
    let nonce = seal::Bytes32::random();
    let body = serde_json::to_vec(&seal::wire::AttestationRequest { nonce }).unwrap();
    let request = http::Request::post(ATTESTATION)
        .body(http_body_util::Full::new(Bytes::from(body)))
        .unwrap();
    let answer = honest.service.handle(channel, request).await;
    let answer = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap()
        .to_bytes();
    *asked.lock() = Some(serde_json::from_slice(&answer).unwrap());
    // Even if the chain named the middle's key.
    let trust = Trust {
        expectation: Expectation {
            tls_keys: Some(vec![honest.tls_key, middle.tls_key]),
            ..expected
        },
        addresses: vec![middle.address.to_string()],
    };
    assert_ne!(address, middle.address);
    (middle, trust)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_another_connection_or_with_a_stale_nonce_is_refused() {
    let start = Starting::new().await;
    let honest = Server::start(&start.world, None).await;
    register(&start.world, honest.address, honest.tls_key).await;
    let (middle, trust) = relayed_evidence(&start, &honest).await;
    let refused = start.join_with(&trust).await;
    assert_eq!(evidence_error(refused), VerifyError::Binding);
    start.assert_nothing_secret(&middle.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_the_key_sees_ciphertext_only() {
    let start = Starting::new().await;
    let server = Server::start(&start.world, None).await;
    register(&start.world, server.address, server.tls_key).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let target = server.address;
    let task = tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = TcpStream::connect(target).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
        }
    });
    // Passing bytes on is all that it can do; the join goes through.
    let mut trust = start.trust().await.unwrap();
    trust.addresses = vec![proxy.to_string()];
    start.join_with(&trust).await.unwrap();
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_gets_nothing() {
    let start = Starting::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = received.clone();
    let task = tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let length = tcp.read(&mut buffer).await.unwrap_or(0);
            kept.lock().extend(&buffer[..length]);
            let _ = tcp
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await;
        }
    });
    register(&start.world, address, [5; 32]).await;
    let refused = start.join().await.err().unwrap();
    assert!(matches!(attested_error(refused), AttestedError::Tls { .. }));
    start.assert_nothing_secret(&received);
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_of_another_cluster_gets_nothing() {
    let start = Starting::new().await;
    let lie: Lie = Arc::new(|path, honest| {
        if path != ATTESTATION {
            return honest;
        }
        let mut answer: AttestationResponse = serde_json::from_slice(&honest).unwrap();
        answer.cluster.0[0] ^= 1;
        Bytes::from(serde_json::to_vec(&answer).unwrap())
    });
    let server = Server::start(&start.world, Some(lie)).await;
    register(&start.world, server.address, server.tls_key).await;
    let refused = start.join().await.err().unwrap();
    assert!(matches!(
        attested_error(refused),
        AttestedError::OtherCluster { .. }
    ));
    start.assert_nothing_secret(&server.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_decides_at_the_moment_of_joining() {
    let start = Starting::new().await;
    let server = Server::start(&start.world, None).await;
    register(&start.world, server.address, server.tls_key).await;
    start.join().await.unwrap();
    let call = calls::request_unstake(&start.world.deployment, start.staked.stake).unwrap();
    start
        .world
        .client
        .submit(&start.world.key, &call)
        .await
        .unwrap();
    for refused in [start.join().await, start.renew().await] {
        let refused = refused.err().unwrap();
        assert_eq!(refused.refusal().unwrap().code, RefusalCode::StakeInactive);
    }
    assert!(tee::Provider::capabilities(&*tee(&start.world)).seal);
}
