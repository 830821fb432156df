//! A running server with its own CA, and clients of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apiserver::authn::service_account::ServiceAccountTokens;
use apiserver::{
    CertificateIdentity, IdentityGate, Limits, NodeConnector, Refusal, Server, ServerBuilder,
    ServingTls,
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use registry::{CreateOptions, ListOptions, Registry, RegistryOptions, RequestContext, WatchEvent};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use store::memory::MemoryLog;
use store::{SealingKeys, Store, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// A gate that tests close for single users.
pub(crate) struct TestGate {
    refused: Mutex<HashSet<String>>,
    changes: watch::Sender<u64>,
}

impl TestGate {
    pub(crate) fn refuse(&self, user: &str) {
        self.refused.lock().insert(user.to_owned());
        self.changes.send_modify(|n| *n += 1);
    }
}

impl IdentityGate for TestGate {
    fn check(&self, identity: &CertificateIdentity) -> Result<(), Refusal> {
        if self.refused.lock().contains(&identity.common_name) {
            return Err(Refusal("the stake behind it is gone".to_owned()));
        }
        Ok(())
    }
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.subscribe())
    }
}

pub(crate) struct Ca {
    pub(crate) der: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test-ca");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn issue(&self, name: &str, groups: &[&str], uris: &[&str]) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        for group in groups {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = uris
            .iter()
            .map(|u| SanType::URI((*u).try_into().unwrap()))
            .collect();
        self.sign(params)
    }

    pub(crate) fn serving(&self) -> Identity {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A server's certificate for other names.
    pub(crate) fn serving_for(&self, names: &[&str]) -> Identity {
        let names = names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key,
        }
    }
}

impl Identity {
    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) ca: Ca,
    pub(crate) registry: Registry,
    pub(crate) gate: Arc<TestGate>,
    pub(crate) server: Server,
    pub(crate) stop: CancellationToken,
    pub(crate) admin: Identity,
    pub(crate) served: tokio::task::JoinHandle<Result<(), apiserver::ServeError>>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn start() -> Running {
    start_with(|b| b).await
}

pub(crate) async fn start_with(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Running {
    start_registry(RegistryOptions::default(), configure).await
}

pub(crate) async fn start_registry(
    options: RegistryOptions,
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Running {
    start_store(store::Options::default(), options, configure).await
}

pub(crate) async fn start_store(
    store: store::Options,
    options: RegistryOptions,
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Running {
    let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
    let store = Store::open(MemoryLog::new(), keys, SystemClock, store)
        .await
        .unwrap();
    let registry = Registry::new(store, options);
    registry::bootstrap::reconcile(&registry, &registry::bootstrap::BootstrapOptions::default())
        .await
        .unwrap();
    let ca = Ca::new();
    let serving = ca.serving();
    let tls = ServingTls::new(
        vec![serving.certificate.clone()],
        serving.key_der(),
        vec![ca.der.clone()],
    )
    .unwrap();
    let gate = Arc::new(TestGate {
        refused: Mutex::default(),
        changes: watch::Sender::new(0),
    });
    let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let tokens = ServiceAccountTokens::new(
        signing.to_pkcs8v1().unwrap().as_ref(),
        "https://kubernetes.default.svc.cluster.local",
        vec![],
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let builder = Server::builder(registry.clone(), tls)
        .identity_gate(gate.clone())
        .service_account_tokens(Arc::new(tokens))
        .advertise("127.0.0.1:26443");
    let server = configure(builder).build().await.unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn({
        let (server, stop) = (server.clone(), stop.clone());
        async move { server.serve(listener, stop).await }
    });
    tokio::spawn(namespaces(registry.clone(), ca.pem.clone(), stop.clone()));
    let admin = ca.issue("admin", &["system:masters"], &[]);
    let running = Running {
        address,
        ca,
        registry,
        gate,
        server,
        stop,
        admin,
        served,
        dir: tempfile::tempdir().unwrap(),
    };
    running.wait_for_default_account().await;
    running
}

/// What the service account and root CA publishing controllers do.
async fn namespaces(registry: Registry, ca: String, stop: CancellationToken) {
    let target = |plural: &str, namespace: Option<&str>| {
        registry.target("", "v1", plural, namespace, "").unwrap()
    };
    let context = RequestContext::system();
    let options = ListOptions {
        watch: true,
        ..ListOptions::default()
    };
    let mut events = registry
        .watch(&context, &target("namespaces", None), &options)
        .await
        .unwrap();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        let Some(WatchEvent::Added(namespace)) = event else {
            if event.is_none() {
                return;
            }
            continue;
        };
        let namespace = namespace.value();
        let name = namespace
            .pointer("/metadata/name")
            .unwrap()
            .as_str()
            .unwrap();
        for (plural, object) in [
            ("serviceaccounts", json!({"metadata": {"name": "default"}})),
            (
                "configmaps",
                json!({"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}}),
            ),
        ] {
            let target = target(plural, Some(name));
            let _ = registry
                .create(&context, &target, object, &CreateOptions::default())
                .await;
        }
    }
}

impl Running {
    async fn wait_for_default_account(&self) {
        for _ in 0..200 {
            let target = self
                .registry
                .target("", "v1", "serviceaccounts", Some("default"), "default")
                .unwrap();
            if self
                .registry
                .get(&RequestContext::system(), &target, &Default::default())
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("no default service account");
    }

    /// A TLS connection; `None` without a client certificate.
    pub(crate) async fn tls(
        &self,
        identity: Option<&Identity>,
        http2: bool,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_to(self.address, identity, http2).await
    }

    pub(crate) async fn tls_to(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
        http2: bool,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(i) => builder
                .with_client_auth_cert(vec![i.certificate.clone()], i.key_der())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![if http2 {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }];
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), stream)
            .await
    }

    pub(crate) async fn client(&self, identity: Option<&Identity>) -> Client {
        let stream = self.tls(identity, true).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Client { sender }
    }

    pub(crate) async fn admin(&self) -> Client {
        self.client(Some(&self.admin)).await
    }

    /// Writes a kubeconfig for an identity.
    pub(crate) fn kubeconfig(&self, identity: &Identity) -> PathBuf {
        self.kubeconfig_user(
            "user",
            json!({
                "client-certificate-data": STANDARD.encode(&identity.certificate_pem),
                "client-key-data": STANDARD.encode(identity.key.serialize_pem()),
            }),
        )
    }

    pub(crate) fn kubeconfig_user(&self, name: &str, user: Value) -> PathBuf {
        let path = self.dir.path().join(format!("kubeconfig-{name}"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority-data": STANDARD.encode(&self.ca.pem),
            }}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
        });
        std::fs::write(&path, serde_json::to_vec_pretty(&config).unwrap()).unwrap();
        path
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
}

pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|v| v.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl Client {
    pub(crate) async fn open(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        self.sender.ready().await.unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let response = self.open(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            &serde_json::to_vec(&body).unwrap(),
        )
        .await
    }
}

pub(crate) fn connector(
    connector: impl NodeConnector,
) -> impl FnOnce(ServerBuilder) -> ServerBuilder {
    move |b| b.node_connector(Arc::new(connector))
}

pub(crate) fn limits(limits: Limits) -> impl FnOnce(ServerBuilder) -> ServerBuilder {
    move |b| b.limits(limits)
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
