//! Calls to a real TLS server on loopback.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use webhook::{
    BackendStream, Backends, ClientConfig, ClusterNetwork, MAX_ANSWER, ResolveError,
    ServiceResolver, Target, Trust,
};

struct Ca {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "ca");
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self {
            der,
            issuer: Issuer::new(params, key),
        }
    }
}

struct Hook {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ca: Ca,
}

/// A webhook that answers by its path, over HTTP/2 or 1.1.
async fn hook(http2: bool) -> Hook {
    let ca = Ca::new();
    let key = KeyPair::generate().unwrap();
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "hook.ns.svc".to_owned(),
    ];
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &ca.issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = vec![if http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let connections = connections.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                let connections = connections.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    connections.fetch_add(1, Ordering::SeqCst);
                    let service = service_fn(answer);
                    if http2 {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    }
                });
            }
        }
    });
    Hook {
        address,
        connections,
        ca,
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let made = |code: u16, body: Bytes| {
        Response::builder()
            .status(code)
            .body(Full::new(body))
            .unwrap()
    };
    Ok(match path.as_str() {
        "/echo" => made(200, body),
        "/query" => made(200, Bytes::from(query)),
        "/long" => made(200, Bytes::from(vec![b'x'; 2000])),
        "/moved" => Response::builder()
            .status(302)
            .header("location", "https://127.0.0.1:1/")
            .body(Full::default())
            .unwrap(),
        "/hang" => std::future::pending().await,
        "/close" => {
            let mut answer = made(200, body);
            answer
                .headers_mut()
                .insert("connection", "close".parse().unwrap());
            answer
        }
        _ => made(500, Bytes::from_static(b"boom")),
    })
}

impl Hook {
    fn config(&self, path: &str) -> ClientConfig {
        ClientConfig {
            target: Target::Url {
                host: "127.0.0.1".to_owned(),
                port: self.address.port(),
                path: path.to_owned(),
            },
            trust: Trust::Roots(vec![self.ca.der.clone()]),
        }
    }
}

/// One Service, and its pod.
struct Services(SocketAddr);

impl ServiceResolver for Services {
    fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<SocketAddr, ResolveError> {
        match (namespace, name, port) {
            ("ns", "hook", 443) => Ok("10.1.2.3:8443".parse().unwrap()),
            (_, "hook", port) => Err(ResolveError::Port {
                service: name.to_owned(),
                port,
            }),
            _ => Err(ResolveError::NotFound(name.to_owned())),
        }
    }
}

#[async_trait::async_trait]
impl ClusterNetwork for Services {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn BackendStream>> {
        assert_eq!(address, "10.1.2.3:8443".parse().unwrap());
        Ok(Box::new(TcpStream::connect(self.0).await?))
    }
}

async fn post(
    backends: &Backends,
    services: &Services,
    config: &ClientConfig,
    body: &'static [u8],
) -> Result<Bytes, String> {
    backends
        .post(
            services,
            config,
            Bytes::from_static(body),
            Duration::from_secs(10),
            1000,
        )
        .await
        .map(|a| a.body)
        .map_err(|e| e.to_string())
}

#[tokio::test]
async fn a_connection_serves_many_calls_in_both_protocols() {
    for http2 in [false, true] {
        let hook = hook(http2).await;
        let (backends, services) = (Backends::default(), Services(hook.address));
        for _ in 0..5 {
            let echoed = post(&backends, &services, &hook.config("/echo"), b"{}").await;
            assert_eq!(echoed.unwrap(), "{}");
        }
        // An HTTP/1.1 connection comes back a moment after its answer: two may be in turn.
        let made = hook.connections.load(Ordering::SeqCst);
        assert!(if http2 { made == 1 } else { made <= 2 }, "{made}");
        if !http2 {
            for _ in 0..3 {
                let echoed = post(&backends, &services, &hook.config("/close"), b"{}").await;
                assert_eq!(echoed.unwrap(), "{}", "a closed connection is replaced");
            }
        }
        let query = post(&backends, &services, &hook.config("/query?a=b"), b"").await;
        assert_eq!(query.unwrap(), "a=b&timeout=10s");
    }
}

#[tokio::test]
async fn failures_say_what_upstream_says() {
    let hook = hook(false).await;
    let (backends, services) = (Backends::default(), Services(hook.address));
    let port = hook.address.port();
    let failed = async |config: ClientConfig| {
        post(&backends, &services, &config, b"{}")
            .await
            .unwrap_err()
    };
    assert_eq!(
        failed(hook.config("/other")).await,
        "an error on the server (\"boom\") has prevented the request from succeeding"
    );
    assert_eq!(
        failed(hook.config("/moved")).await,
        "the server responded with the status code 302 but did not return more information"
    );
    assert_eq!(
        failed(hook.config("/long")).await,
        format!(
            "Post \"https://127.0.0.1:{port}/long?timeout=10s\": the answer is longer than 1000 bytes"
        )
    );
    let mut other = hook.config("/echo");
    other.trust = Trust::Roots(vec![Ca::new().der]);
    assert_eq!(
        failed(other).await,
        format!(
            "Post \"https://127.0.0.1:{port}/echo?timeout=10s\": tls: failed to verify certificate: x509: certificate \
             signed by unknown authority"
        )
    );
    let hang = backends
        .post(
            &services,
            &hook.config("/hang"),
            Bytes::new(),
            Duration::from_millis(300),
            MAX_ANSWER,
        )
        .await
        .unwrap_err();
    assert!(hang.is_timeout());
    assert_eq!(
        hang.to_string(),
        format!("Post \"https://127.0.0.1:{port}/hang?timeout=300ms\": context deadline exceeded")
    );
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut closed = hook.config("/echo");
    let free = refused.local_addr().unwrap().port();
    drop(refused);
    if let Target::Url { port, .. } = &mut closed.target {
        *port = free;
    }
    assert_eq!(
        failed(closed).await,
        format!(
            "Post \"https://127.0.0.1:{free}/echo?timeout=10s\": dial tcp 127.0.0.1:{free}: connect: connection refused"
        )
    );
}

#[tokio::test]
async fn a_service_is_resolved_and_reached_through_the_cluster_network() {
    let hook = hook(true).await;
    let services = Services(hook.address);
    let backends = Backends::new(Arc::new(Services(hook.address)));
    let config = |name: &str, port: u16| {
        use base64::Engine as _;
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64::engine::general_purpose::STANDARD.encode(&hook.ca.der)
        );
        let bundle = base64::engine::general_purpose::STANDARD.encode(pem);
        ClientConfig::parse(&json!({"caBundle": bundle,
            "service": {"namespace": "ns", "name": name, "port": port, "path": "/echo"}}))
        .unwrap()
    };
    let echoed = post(&backends, &services, &config("hook", 443), b"{}").await;
    assert_eq!(echoed.unwrap(), "{}");
    let missing = post(&backends, &services, &config("none", 443), b"{}").await;
    assert_eq!(
        missing.unwrap_err(),
        "Post \"https://none.ns.svc:443/echo?timeout=10s\": service \"none\" not found"
    );
    let port = post(&backends, &services, &config("hook", 80), b"{}").await;
    assert_eq!(
        port.unwrap_err(),
        "Post \"https://hook.ns.svc:80/echo?timeout=10s\": no service port 80 found for service \"hook\""
    );
}
