//! What attesting a connection costs: a TLS 1.3 handshake with one request, plain and attested, over loopback.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use attested::{Connection, Expectation};
use bytes::Bytes;
use divan::Bencher;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pki::{CertificateAuthority, KeyPair, Profile};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::ServerName;
use seal::wire::{AttestationRequest, AttestationResponse, EXPORTER_LABEL, binding};
use seal::{Bytes32, ObjectId};
use tee::nitro::Nitro;
use tee::testing::FakeNsm;
use tee::{Provider, Simulated};
use tee_verify::{Kind, Policy};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const CLUSTER: ObjectId = ObjectId([1; 32]);

fn main() {
    divan::main();
}

/// A server that answers every request with evidence of its connection; its address and its authority.
fn serve(runtime: &Runtime, provider: Arc<dyn Provider>) -> (String, CertificateAuthority) {
    let now = SystemTime::now();
    let year = Duration::from_secs(365 * 86_400);
    let authority = CertificateAuthority::generate("bench", now, year).unwrap();
    let key = KeyPair::generate().unwrap();
    let profile = Profile::Server {
        name: "bench".to_owned(),
        dns: Vec::new(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
    };
    let issued = authority
        .issue_for(&key, &profile, now, now + year)
        .unwrap();
    let tls_key = pki::spki_sha256(&issued.der).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.der], key.for_tls())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    runtime.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, provider) = (acceptor.clone(), provider.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut channel = [0; 32];
                let session = tls.get_ref().1;
                session
                    .export_keying_material(&mut channel, EXPORTER_LABEL.as_bytes(), None)
                    .unwrap();
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let provider = provider.clone();
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let asked: AttestationRequest = serde_json::from_slice(&body).unwrap();
                        let channel = Bytes32(channel);
                        let bound = binding(&CLUSTER, &tls_key, &channel, &asked.nonce);
                        let answer = AttestationResponse {
                            cluster: CLUSTER,
                            evidence: provider.attest(&bound).unwrap(),
                            collateral: provider.collateral().unwrap(),
                            challenge: Bytes32::random(),
                            version: String::new(),
                        };
                        let body = Bytes::from(serde_json::to_vec(&answer).unwrap());
                        Ok::<_, Infallible>(http::Response::new(Full::new(body)))
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(tls), service)
                    .await;
            });
        }
    });
    (address, authority)
}

fn attested(bencher: Bencher<'_, '_>, provider: Arc<dyn Provider>, policy: Policy) {
    let runtime = Runtime::new().unwrap();
    let policy = policy.allow(provider.kind(), provider.measurement().clone());
    let (address, _) = serve(&runtime, provider);
    let expected = Expectation {
        cluster: CLUSTER,
        policy,
        tls_keys: None,
    };
    bencher.bench_local(|| {
        runtime
            .block_on(Connection::open(&address, &expected))
            .unwrap()
    });
}

#[divan::bench]
fn attested_as_nitro(bencher: Bencher<'_, '_>) {
    let module = FakeNsm::new([9; 48]);
    let policy = Policy::new().trust_root(Kind::Nitro, module.root_sha256());
    attested(bencher, Arc::new(Nitro::open(module).unwrap()), policy);
}

fn simulated(directory: &Path) -> Arc<dyn Provider> {
    let key = directory.join("device.key");
    Arc::new(Simulated::open_as(&key, Path::new("/proc/version")).unwrap())
}

#[divan::bench]
fn attested_simulated(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    attested(bencher, simulated(directory.path()), Policy::new());
}

#[divan::bench]
fn plain(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (address, authority) = serve(&runtime, simulated(directory.path()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = config;
    config.resumption = rustls::client::Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    bencher.bench_local(|| {
        runtime.block_on(async {
            let tcp = TcpStream::connect(&address).await.unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            connector.connect(name, tcp).await.unwrap()
        })
    });
}
