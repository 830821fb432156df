//! A control plane for tests: the real join service behind TLS, which keeps everything that it receives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use membership::SystemClock;
use membership::join::{Authorities, Channel, JoinMetrics, JoinParts, JoinService, MemoryRecords};
use membership::stake::{LiveView, NodeControl, NodeControlError, NotLive, ViewOptions, follow};
use parking_lot::Mutex;
use pki::{CertificateAuthority, KeyPair, Profile};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use seal::wire::EXPORTER_LABEL;
use seal::{Bytes32, ObjectId};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::world::World;

/// Changes an answer on its way: a server that lies. Gets the path and the honest answer.
pub(super) type Lie = Arc<dyn Fn(&str, Bytes) -> Bytes + Send + Sync>;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) tls_key: [u8; 32],
    pub(super) service: JoinService,
    /// Everything that was received: request lines and bodies.
    pub(super) received: Arc<Mutex<Vec<u8>>>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct NoControl;

#[async_trait]
impl NodeControl for NoControl {
    async fn withdraw(&self, _: &str, _: &NotLive) -> Result<usize, NodeControlError> {
        Ok(0)
    }

    async fn restore(&self, _: &str) -> Result<(), NodeControlError> {
        Ok(())
    }
}

pub(super) fn tee(world: &World) -> Arc<tee::Simulated> {
    Arc::new(tee::Simulated::open(&world.path().join("tee/device.key")).unwrap())
}

impl Server {
    /// Takes no more connections.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn start(world: &World, lie: Option<Lie>) -> Self {
        Self::start_in(tee(world), world, lie, None).await
    }

    /// In this TEE; its evidence is about `claimed` instead of its own TLS key, if that is given.
    pub(super) async fn start_in(
        tee: Arc<dyn tee::Provider>,
        world: &World,
        lie: Option<Lie>,
        claimed: Option<[u8; 32]>,
    ) -> Self {
        let now = SystemTime::now();
        let year = Duration::from_secs(365 * 86_400);
        let server_ca = CertificateAuthority::generate("server", now, year).unwrap();
        let client_ca = Arc::new(CertificateAuthority::generate("client", now, year).unwrap());
        let stop = CancellationToken::new();
        let cluster = world.deployment.cluster().unwrap();
        let clock = Arc::new(SystemClock);
        let view = LiveView::new(cluster, clock.clone(), ViewOptions::default());
        tokio::spawn(follow(
            world.client.clone(),
            world.deployment.clone(),
            view.clone(),
            stop.clone(),
        ));
        let service = JoinService::new(JoinParts {
            cluster: ObjectId(cluster.into_inner()),
            tee,
            chain: Arc::new((world.client.clone(), world.deployment.clone())),
            view,
            records: Arc::new(MemoryRecords::default()),
            control: Arc::new(NoControl),
            authorities: Authorities {
                client: client_ca.clone(),
                server_ca_pem: server_ca.pem(),
            },
            metrics: JoinMetrics::default(),
            clock,
            version: "test".to_owned(),
        });
        let key = KeyPair::generate().unwrap();
        let profile = Profile::Server {
            name: "test".to_owned(),
            dns: Vec::new(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
        };
        let issued = server_ca
            .issue_for(&key, &profile, now, now + year)
            .unwrap();
        let tls_key = pki::spki_sha256(&issued.der).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(client_ca.der().clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![issued.der], key.for_tls())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (accepting, kept, answering) = (stop.clone(), received.clone(), service.clone());
        tokio::spawn(async move {
            loop {
                let (tcp, _) = tokio::select! {
                    () = accepting.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap(),
                };
                let (acceptor, kept, lie) = (acceptor.clone(), kept.clone(), lie.clone());
                let service = answering.clone();
                tokio::spawn(async move {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        let attested = claimed.unwrap_or(tls_key);
                        connection(tls, attested, service, kept, lie).await;
                    }
                });
            }
        });
        Self {
            address,
            tls_key,
            service,
            received,
            stop,
        }
    }
}

async fn connection(
    tls: TlsStream<TcpStream>,
    tls_key: [u8; 32],
    service: JoinService,
    received: Arc<Mutex<Vec<u8>>>,
    lie: Option<Lie>,
) {
    let mut exporter = [0; 32];
    tls.get_ref()
        .1
        .export_keying_material(&mut exporter, EXPORTER_LABEL.as_bytes(), None)
        .unwrap();
    let channel = Channel {
        exporter: Bytes32(exporter),
        tls_key,
    };
    let handler = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (service, received, lie) = (service.clone(), received.clone(), lie.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            {
                let mut received = received.lock();
                received.extend(format!("{} {:?}\n", parts.uri, parts.headers).into_bytes());
                received.extend(&body);
            }
            let path = parts.uri.path().to_owned();
            let honest = service
                .handle(channel, http::Request::from_parts(parts, Full::new(body)))
                .await;
            let (parts, body) = honest.into_parts();
            let mut body = body.collect().await.unwrap().to_bytes();
            if let Some(lie) = lie {
                body = lie(&path, body);
            }
            Ok::<_, Infallible>(http::Response::from_parts(
                {
                    let mut parts = parts;
                    parts.headers.remove(http::header::CONTENT_LENGTH);
                    parts
                },
                Full::new(body),
            ))
        }
    });
    // A client that goes away is none of the test's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(tls), handler)
        .await;
}

/// Tells the chain where the control plane is.
pub(super) async fn register(world: &World, address: SocketAddr, tls_key: [u8; 32]) {
    register_in(world, &*tee(world), address, tls_key).await;
}

/// Tells the chain where the control plane is, and in which TEE.
pub(super) async fn register_in(
    world: &World,
    tee: &dyn tee::Provider,
    address: SocketAddr,
    tls_key: [u8; 32],
) {
    let deployment = &world.deployment;
    let registration = chain::calls::EndpointRegistration {
        url: format!("https://{address}"),
        tls_key_hash: tls_key,
        measurement: tee.measurement().as_bytes().to_vec(),
        kind: chain_kind(tee),
    };
    let (cap, cluster) = (
        deployment.cluster_cap.unwrap(),
        deployment.cluster().unwrap(),
    );
    let call = chain::calls::register_endpoint(deployment, cap, cluster, registration);
    world.client.submit(&world.publisher, &call).await.unwrap();
}

/// The chain's name of a kind.
pub(super) fn chain_kind(tee: &dyn tee::Provider) -> chain::objects::TeeKind {
    chain::objects::TeeKind::from_code(tee.kind().number()).unwrap()
}

/// This binary's measurement.
pub(super) fn measurement() -> Vec<u8> {
    tee::Simulated::measure(std::path::Path::new("/proc/self/exe"))
        .unwrap()
        .as_bytes()
        .to_vec()
}
