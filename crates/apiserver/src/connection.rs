//! What is known of the TLS connection a request came on.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::authn::CertificateError;
use crate::authn::gate::CertificateIdentity;

/// Keying material exported from one TLS session under one label (RFC 5705, RFC 8446 §7.5).
///
/// Both ends of a connection, and nobody else, can compute it: what is bound to it cannot be relayed
/// over another connection.
pub struct Exporter {
    pub(crate) label: String,
    pub(crate) secret: Zeroizing<[u8; 32]>,
}

/// Facts of the connection, shared by all its requests. In the extensions of every request as
/// `Arc<ConnectionInfo>`.
pub struct ConnectionInfo {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) peer_certificates: Vec<CertificateDer<'static>>,
    pub(crate) server_spki: Arc<[u8]>,
    pub(crate) exporters: Vec<Exporter>,
    pub(crate) http2: bool,
    pub(crate) identity: OnceLock<Result<Arc<CertificateIdentity>, CertificateError>>,
}

impl ConnectionInfo {
    /// The client's address.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The address the client connected to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The client's certificate chain as it was sent, leaf first; verified against the client CA.
    /// Empty when the client sent none.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.peer_certificates
    }

    /// DER of the SubjectPublicKeyInfo of the certificate this very connection was served with, also
    /// when the server's certificate has been replaced since.
    #[must_use]
    pub fn server_spki(&self) -> &[u8] {
        &self.server_spki
    }

    /// 32 bytes exported from this TLS session under `label` without context. `None` for a label
    /// that was not given to [`crate::ServerBuilder::exporter`].
    #[must_use]
    pub fn exporter(&self, label: &str) -> Option<&[u8; 32]> {
        self.exporters
            .iter()
            .find(|e| e.label == label)
            .map(|e| &*e.secret)
    }

    /// Whether HTTP/2 was negotiated.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.http2
    }
}
