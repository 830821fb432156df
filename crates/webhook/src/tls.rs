//! Whom a backend is trusted to be, and who this server is towards it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// TLS towards a backend cannot be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// No certificate in the bundle.
    #[error("the bundle holds no PEM certificate")]
    NoCertificate,
    /// A certificate in it is none.
    #[error("the bundle holds a malformed certificate")]
    Malformed,
    /// The trust roots of this machine.
    #[error("this machine has no trust roots, and the configuration has no bundle")]
    NoRoots,
    /// The client certificate and its key.
    #[error("the client certificate cannot be used: {0}")]
    Identity(String),
}

/// Which certificates of a backend are accepted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Those that this machine trusts.
    System,
    /// Those issued by these and no other authorities.
    Roots(Vec<CertificateDer<'static>>),
    /// Any: `insecureSkipTLSVerify` of an APIService.
    Insecure,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::System => f.write_str("System"),
            Trust::Roots(roots) => write!(f, "Roots({})", roots.len()),
            Trust::Insecure => f.write_str("Insecure"),
        }
    }
}

impl Trust {
    /// The authorities of a PEM bundle.
    ///
    /// # Errors
    /// When there is none in it or one is malformed.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsSetupError> {
        let mut roots = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.push(certificate.map_err(|_| TlsSetupError::Malformed)?);
        }
        if roots.is_empty() {
            return Err(TlsSetupError::NoCertificate);
        }
        Ok(Trust::Roots(roots))
    }
}

/// The certificate and key with which this server presents itself. No `Debug`.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Of a chain (leaf first) and its key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key }
    }

    /// What tells it from another one.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        use sha2::Digest as _;
        let leaf: &[u8] = self.chain.first().map_or(&[], |c| c.as_ref());
        sha2::Sha256::digest(leaf).into()
    }
}

/// The configuration of connections to a backend.
pub(crate) fn config(
    trust: &Trust,
    identity: Option<&ClientIdentity>,
    http2: bool,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsSetupError::Identity(e.to_string()))?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(system()?),
        Trust::Roots(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots
                    .add(certificate.clone())
                    .map_err(|_| TlsSetupError::Malformed)?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::Insecure => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
    };
    let mut config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|e| TlsSetupError::Identity(e.to_string()))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(Arc::new(config))
}

/// The roots of this machine, read once.
fn system() -> Result<Arc<RootCertStore>, TlsSetupError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a trust root of this machine cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(TlsSetupError::NoRoots);
    }
    Ok(Arc::clone(roots))
}

/// Accepts any certificate; the handshake's signature is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
