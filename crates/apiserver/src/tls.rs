//! The serving certificate and the client CA, both replaceable while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate or CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain has no certificate.
    #[error("the serving certificate chain is empty")]
    EmptyChain,
    /// The leaf is not an X.509 certificate.
    #[error("the serving certificate is not valid X.509: {0}")]
    Certificate(String),
    /// rustls refuses the certificate or key, for instance because they don't belong together.
    #[error("the serving certificate or key is refused")]
    Refused(#[source] rustls::Error),
    /// A client CA certificate is refused.
    #[error("a client CA certificate is refused")]
    ClientCa(#[source] rustls::Error),
    /// The verifier of client certificates cannot be made.
    #[error("the client CA cannot be used: {0}")]
    Verifier(String),
}

/// What the listener serves with. Connections that are open keep what they were opened with; new ones
/// get what was set last.
pub struct ServingTls {
    current: ArcSwap<Serving>,
    parts: Mutex<Parts>,
}

struct Parts {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: Vec<CertificateDer<'static>>,
}

/// One immutable configuration; a connection holds the one it was accepted with.
pub(crate) struct Serving {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) spki: Arc<[u8]>,
}

impl ServingTls {
    /// Serves with `chain` (leaf first) and `key`; client certificates are verified against `client_ca`.
    /// An empty `client_ca` asks no client for a certificate.
    ///
    /// # Errors
    /// When any of them cannot be used.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        client_ca: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<Self>, TlsError> {
        let parts = Parts {
            chain,
            key,
            client_ca,
        };
        let serving = parts.build()?;
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(serving),
            parts: Mutex::new(parts),
        }))
    }

    /// Serves new connections with another certificate.
    ///
    /// # Errors
    /// When it cannot be used; the old one stays.
    pub fn replace_certificate(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        let mut parts = self.parts.lock();
        let next = Parts {
            chain,
            key,
            client_ca: parts.client_ca.clone(),
        };
        self.current.store(Arc::new(next.build()?));
        *parts = next;
        Ok(())
    }

    /// Verifies new connections' client certificates against other CAs.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub fn replace_client_ca(
        &self,
        client_ca: Vec<CertificateDer<'static>>,
    ) -> Result<(), TlsError> {
        let mut parts = self.parts.lock();
        let next = Parts {
            chain: parts.chain.clone(),
            key: parts.key.clone_key(),
            client_ca,
        };
        self.current.store(Arc::new(next.build()?));
        *parts = next;
        Ok(())
    }

    /// DER of the SubjectPublicKeyInfo new connections are served with.
    #[must_use]
    pub fn spki(&self) -> Arc<[u8]> {
        self.current.load().spki.clone()
    }

    pub(crate) fn current(&self) -> Arc<Serving> {
        self.current.load_full()
    }
}

impl Parts {
    fn build(&self) -> Result<Serving, TlsError> {
        let leaf = self.chain.first().ok_or(TlsError::EmptyChain)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|e| TlsError::Certificate(e.to_string()))?;
        let spki: Arc<[u8]> = parsed.tbs_certificate.subject_pki.raw.into();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Refused)?;
        let builder = if self.client_ca.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for ca in &self.client_ca {
                roots.add(ca.clone()).map_err(TlsError::ClientCa)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|e| TlsError::Verifier(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(TlsError::Refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Serving {
            config: Arc::new(config),
            spki,
        })
    }
}
