//! A private key for a certificate, and the request for one.

use rcgen::{CertificateParams, DistinguishedName, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize as _, Zeroizing};

/// An ECDSA P-256 key pair. Zeroed when dropped, no `Debug`.
pub struct KeyPair(pub(crate) rcgen::KeyPair);

/// A key pair could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyPairError {
    /// Generation failed.
    #[error("cannot generate an ECDSA P-256 key")]
    Generate(#[source] rcgen::Error),
    /// The bytes are no such key.
    #[error("not an ECDSA P-256 private key in PKCS#8")]
    Parse,
    /// A request could not be signed.
    #[error("cannot sign the certificate request")]
    Request(#[source] rcgen::Error),
}

impl KeyPair {
    /// A fresh key.
    pub fn generate() -> Result<Self, KeyPairError> {
        rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(KeyPairError::Generate)
    }

    /// From PKCS#8 DER. The source of the failure is left out: it may describe the key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyPairError> {
        let der = PrivatePkcs8KeyDer::from(der);
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| KeyPairError::Parse)
    }

    /// The private key, PKCS#8 DER.
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize_der())
    }

    /// The private key in the form that rustls takes.
    pub fn for_tls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }

    /// A request to certify this key. Subject and names stay empty: the authority sets them.
    pub fn request(&self) -> Result<CertificateSigningRequestDer<'static>, KeyPairError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .serialize_request(&self.0)
            .map(Into::into)
            .map_err(KeyPairError::Request)
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
