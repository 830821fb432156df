//! A whole control plane, on a real ledger, in a Nitro enclave whose secure module is made of software: what anybody, a
//! worker and a user see of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use attested::{AttestedError, Connection, Expectation};
use bytes::Bytes;
use chain::calls::{self, Approval};
use chain::keystore::Key;
use chain::objects::TeeKind;
use chain::{Client, Deployment};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use keys::handover::{Grant, Recipient, binding_key};
use ledger::{GenesisOptions, LedgerConfig};
use nautilus::wire::{HANDOVER, HandoverRequest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use seal::Bytes32;
use seal::wire::{PublicAttestation, Refusal, RefusalCode, public_binding};
use serde_json::json;
use tee::nitro::Nitro;
use tee::testing::FakeNsm;
use tee::{Provider, Simulated};
use tee_verify::{Binding, BindingInput, Evidence, Kind, Policy, Role, VerifyError, verify};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const SUI: u64 = 1_000_000_000;
/// For anything that has to happen at all, on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);

/// What `curl --insecure` does: it looks at the key itself.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms =
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// One request without a certificate: status, body, and the hash of the server's TLS key.
async fn request(address: &str, method: &str, path: &str) -> (u16, Bytes, [u8; 32]) {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .unwrap();
    let certificate = tls.get_ref().1.peer_certificates().unwrap()[0].clone();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", address)
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, body, pki::spki_sha256(&certificate).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_in_nitro_is_verified_by_anybody_and_on_a_connection() {
    let module = FakeNsm::new([9; 48]);
    let root = module.root_sha256();
    let tee = Arc::new(Nitro::open(module).unwrap());

    let directory = tempfile::tempdir().unwrap();
    let operator = Key::generate().unwrap();
    let funds = vec![(operator.address(), 10_000 * SUI)];
    let genesis = GenesisOptions::development(operator.address(), funds);
    let ledger = directory.path().join("ledger");
    let mut config = LedgerConfig::new(ledger.clone(), genesis);
    config.listen = "127.0.0.1:0".parse().unwrap();
    let stop = CancellationToken::new();
    let served = ledger::serve(config, stop.clone()).await.unwrap();
    let chain = Client::connect(&served.url()).await.unwrap();
    let mut deployment = Deployment::load(&ledger.join("deployment.json")).unwrap();
    let approval = Approval {
        kind: TeeKind::Nitro,
        measurement: tee.measurement().as_bytes().to_vec(),
        source: "a test".to_owned(),
        active_at_ms: 0,
    };
    let call = calls::create_cluster(&deployment, "nitro", vec![approval]);
    let made = chain.submit(&operator, &call).await.unwrap();
    deployment.cluster = Some(made.created("enclave_registry::Cluster").unwrap());
    deployment.cluster_cap = Some(made.created("enclave_registry::ClusterCap").unwrap());
    let file = directory.path().join("deployment.json");
    deployment.save(&file).unwrap();

    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let address = format!("127.0.0.1:{port}");
    let config = serde_json::from_value(json!({
        "dataDir": directory.path().join("data"), "listen": address, "chainUrl": served.url(),
        "deployment": file, "tee": "nitro", "keyCache": "none", "production": true,
    }))
    .unwrap();
    let (tell, ready) = oneshot::channel();
    let running = nautilus::run_in(config, tee.clone(), stop.clone(), move || {
        let _ = tell.send(());
    });
    let task = tokio::spawn(running);
    if tokio::time::timeout(SOON, ready).await.unwrap().is_err() {
        panic!("it did not start: {:?}", task.await.unwrap());
    }

    // Anybody, without a certificate.
    let nonce = Bytes32::random();
    for path in ["/attestation", "/daas/v1/attestation"] {
        let (status, body, tls_key) =
            request(&address, "GET", &format!("{path}?nonce={nonce}")).await;
        assert_eq!(status, 200, "{body:?}");
        let answer: PublicAttestation = serde_json::from_slice(&body).unwrap();
        assert_eq!((answer.kind, answer.tls_key.0), (Kind::Nitro, tls_key));
        let allow = Policy::new().allow(Kind::Nitro, tee.measurement().clone());
        let check = |policy: &Policy, nonce: &Bytes32| {
            let bound = public_binding(&answer.cluster, &tls_key, nonce);
            let now = SystemTime::now();
            verify(&answer.evidence, &answer.collateral, policy, now, &bound)
        };
        let trusting = allow.clone().trust_root(Kind::Nitro, root);
        check(&trusting, &nonce).unwrap();
        assert_eq!(
            check(&trusting, &Bytes32::random()),
            Err(VerifyError::Binding)
        );
        assert_eq!(check(&allow, &nonce), Err(VerifyError::Root(Kind::Nitro)));
    }
    let (status, body, _) = request(&address, "GET", "/attestation").await;
    let refusal: Refusal = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, refusal.code), (400, RefusalCode::Malformed));
    let (status, ..) = request(&address, "DELETE", "/attestation").await;
    assert_eq!(status, 405);

    // Its interfaces say which TEE it is.
    let (_, body, _) = request(&address, "GET", "/readyz?verbose").await;
    assert!(
        String::from_utf8_lossy(&body).contains("tee-nitro"),
        "{body:?}"
    );

    // On a connection, as workers and users do.
    let expected = nautilus::expectation(&chain, &deployment, false)
        .await
        .unwrap();
    let refused = Connection::open(&address, &expected).await.err().unwrap();
    assert!(matches!(
        refused,
        AttestedError::Evidence {
            source: VerifyError::Root(Kind::Nitro),
            ..
        }
    ));
    let trusting = Expectation {
        policy: expected.policy.clone().trust_root(Kind::Nitro, root),
        ..expected
    };
    let connection = Connection::open(&address, &trusting).await.unwrap();
    assert_eq!(connection.claims().measurement, *tee.measurement());

    // Nobody gets the root key by evidence that production doesn't take.
    let other = FakeNsm::new([9; 48]);
    let other = Nitro::open(other).unwrap();
    let key = directory.path().join("device.key");
    let simulated = Simulated::open(&key).unwrap();
    let debug = Nitro::open(FakeNsm::new([0; 48])).unwrap();
    let asking: [(&dyn Provider, Option<Kind>, &str); 4] = [
        (&other, None, "root of its kind"),
        (&debug, None, "root of its kind"),
        (&simulated, None, "not accepted by the policy"),
        (&simulated, Some(Kind::Nitro), "malformed nitro"),
    ];
    for (provider, named, why) in asking {
        let mut connection = Connection::open(&address, &trusting).await.unwrap();
        let recipient = Recipient::new().unwrap();
        let channel = connection.channel().0;
        let bound = Binding::of(&BindingInput {
            cluster: trusting.cluster.0,
            role: Role::Peer,
            tls_key: binding_key(recipient.public()),
            channel: &channel,
            nonce: channel,
        });
        let mut evidence = provider.attest(&bound).unwrap();
        if let Some(kind) = named {
            evidence = Evidence::new(kind, evidence.body().to_vec()).unwrap();
        }
        let asked = HandoverRequest {
            public_key: hex::encode(recipient.public()),
            evidence,
            collateral: provider.collateral().unwrap(),
        };
        let body = Zeroizing::new(serde_json::to_vec(&asked).unwrap());
        let granted = connection.post::<Grant>(HANDOVER, body).await;
        match granted.err().unwrap() {
            AttestedError::Refused(refusal) => {
                assert_eq!(refusal.code, RefusalCode::EvidenceRejected);
                assert!(refusal.message.contains(why), "{refusal:?}");
            }
            error => panic!("{error}"),
        }
    }
    stop.cancel();
    let _ = tokio::time::timeout(SOON, task).await;
}
