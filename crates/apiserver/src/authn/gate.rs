//! The live check of a certificate's identity.

use tokio::sync::watch;

/// What a client certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// The subject's CN: the user name.
    pub common_name: String,
    /// The subject's O's: the groups.
    pub organizations: Vec<String>,
    /// The SAN URIs: `daas://token/<id>`, `daas://stake/<id>`.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
    /// SHA-256 of the whole certificate.
    pub certificate_sha256: [u8; 32],
    /// The serial number, big endian.
    pub serial: Vec<u8>,
    /// Seconds since 1970 at which the certificate ends.
    pub not_after: i64,
}

/// An identity that is not live, and why. The reason goes to the log and the audit; the client gets
/// 401 `Unauthorized`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Asked for every request that comes with a client certificate, after the certificate was verified
/// against the client CA. Answers from memory: it is on the path of each request.
pub trait IdentityGate: Send + Sync + 'static {
    /// Live, or refused with a reason.
    fn check(&self, identity: &CertificateIdentity) -> Result<(), Refusal>;

    /// Changes whenever an identity may have stopped being live. Long-running requests (watches, exec,
    /// followed logs) then ask [`IdentityGate::check`] again and are ended when refused. `None`: this
    /// gate never withdraws.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// Lets every verified certificate pass. For tests and for servers without live stake.
#[derive(Debug, Default, Clone, Copy)]
pub struct OpenGate;

impl IdentityGate for OpenGate {
    fn check(&self, _identity: &CertificateIdentity) -> Result<(), Refusal> {
        Ok(())
    }
}

impl CertificateIdentity {
    /// Time left until the certificate ends; zero when it has.
    #[must_use]
    pub fn remaining(&self) -> std::time::Duration {
        let left = self
            .not_after
            .saturating_sub(jiff::Timestamp::now().as_second());
        std::time::Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }
}
