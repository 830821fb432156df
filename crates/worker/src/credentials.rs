//! The node's certificates, and connections made with them: TLS 1.3, mutual, to the attested key only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use pki::KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use seal::wire::NodeCertificates;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::WorkerError;

/// A node's certificates with their keys, and the control plane that issued them. In memory only; no `Debug`.
pub(crate) struct Credentials {
    client: Arc<ClientConfig>,
    serving: Arc<CertifiedKey>,
    client_ca: Vec<CertificateDer<'static>>,
    address: String,
    expires_at_ms: u64,
}

fn unusable(what: impl ToString) -> WorkerError {
    WorkerError::Certificates(what.to_string())
}

impl Credentials {
    pub(crate) fn new(
        issued: &NodeCertificates,
        client_key: &KeyPair,
        serving_key: &KeyPair,
        attested_key: [u8; 32],
        address: String,
    ) -> Result<Self, WorkerError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = |pem: &str| pki::certificates_from_pem(pem).map_err(unusable);
        let client_chain = chain(&issued.client_certificate)?;
        let serving = CertifiedKey::from_der(
            chain(&issued.serving_certificate)?,
            serving_key.for_tls(),
            &provider,
        )
        .map_err(unusable)?;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedKey {
                provider,
                key: attested_key,
            }))
            .with_client_auth_cert(client_chain, client_key.for_tls())
            .map_err(unusable)?;
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            client: Arc::new(client),
            serving: Arc::new(serving),
            client_ca: chain(&issued.client_ca)?,
            address,
            expires_at_ms: issued.expires_at_ms,
        })
    }

    /// When the first of the certificates expires, milliseconds since 1970.
    pub(crate) fn expires_at_ms(&self) -> u64 {
        self.expires_at_ms
    }

    /// `host:port` of the control plane.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Connects to the control plane; HTTP/1.1, or HTTP/2 where the server takes it.
    pub(crate) fn connector(&self, http2: bool) -> Connector {
        let mut config = ClientConfig::clone(&self.client);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Connector {
            tls: TlsConnector::from(Arc::new(config)),
            address: self.address.clone(),
        }
    }

    /// A client of the Kubernetes API that uses these certificates.
    pub(crate) fn kube_client(&self) -> Result<kube::Client, WorkerError> {
        use kube::client::ConfigExt as _;
        let url: http::Uri = format!("https://{}", self.address)
            .parse()
            .map_err(unusable)?;
        let config = kube::Config::new(url);
        let http =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .pool_idle_timeout(std::time::Duration::from_secs(60))
                .build(self.connector(true));
        let service = tower::ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .service(http);
        Ok(kube::Client::new(service, "default"))
    }

    /// Demands certificates of the cluster's authority of clients, and shows the newest serving certificate.
    pub(crate) fn serving_config(
        &self,
        serving: Arc<Serving>,
    ) -> Result<ServerConfig, WorkerError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in &self.client_ca {
            roots.add(certificate.clone()).map_err(unusable)?;
        }
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(unusable)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(serving);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The serving certificate.
    pub(crate) fn serving(&self) -> Arc<CertifiedKey> {
        self.serving.clone()
    }
}

/// The serving certificate, replaceable while the listener runs.
pub(crate) struct Serving(arc_swap::ArcSwap<CertifiedKey>);

impl Serving {
    pub(crate) fn new(key: Arc<CertifiedKey>) -> Self {
        Self(arc_swap::ArcSwap::new(key))
    }

    pub(crate) fn replace(&self, key: Arc<CertifiedKey>) {
        self.0.store(key);
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Serving")
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Accepts exactly the key that was attested. No authority can stand in for it.
#[derive(Debug)]
struct PinnedKey {
    provider: Arc<CryptoProvider>,
    key: [u8; 32],
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match pki::spki_sha256(end_entity) {
            Ok(key) if key == self.key => Ok(ServerCertVerified::assertion()),
            _ => Err(rustls::Error::General(
                "the server's key is not the attested one".to_owned(),
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is required".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Makes connections to the control plane, whatever URI is asked for.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    address: String,
}

const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);

impl Connector {
    pub(crate) async fn connect(self) -> std::io::Result<TlsStream<TcpStream>> {
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
        let connect = async {
            let tcp = TcpStream::connect(&self.address).await?;
            tcp.set_nodelay(true)?;
            self.tls.connect(name, tcp).await
        };
        tokio::time::timeout(CONNECT, connect).await?
    }
}

impl tower::Service<http::Uri> for Connector {
    type Response = Stream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: http::Uri) -> Self::Future {
        let connect = self.clone().connect();
        Box::pin(async move { Ok(Stream(TokioIo::new(connect.await?))) })
    }
}

/// A connection that tells hyper which protocol was agreed upon.
pub(crate) struct Stream(TokioIo<TlsStream<TcpStream>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let (_, session) = self.0.inner().get_ref();
        if session.alpn_protocol() == Some(b"h2") {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
