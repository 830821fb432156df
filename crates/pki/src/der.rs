//! DER and PEM.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{KeyPair, ParseCertificateError};

/// The text is no PEM of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Broken armour or base64.
    #[error("malformed PEM")]
    Malformed,
    /// No certificate in it.
    #[error("the PEM text holds no certificate")]
    Empty,
}

fn armour(label: &str, der: &[u8], out: &mut String) {
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
}

/// A certificate as PEM.
pub fn pem_certificate(der: &[u8]) -> String {
    let mut text = String::new();
    armour("CERTIFICATE", der, &mut text);
    text
}

/// A private key as PEM (PKCS#8), for a file of mode 0600.
pub fn pem_private_key(key: &KeyPair) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(512));
    armour("PRIVATE KEY", &key.pkcs8(), &mut text);
    text
}

/// All certificates of a PEM text, at least one.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| PemError::Malformed)?;
    if certificates.is_empty() {
        return Err(PemError::Empty);
    }
    Ok(certificates)
}

/// Whether `authority`, a certificate with a P-256 key, signed `certificate` (both DER): names and signature, not the
/// time.
pub fn is_certified_by(certificate: &[u8], authority: &[u8]) -> bool {
    let parse = |der| x509_parser::parse_x509_certificate(der).ok();
    let (Some((_, child)), Some((_, issuer))) = (parse(certificate), parse(authority)) else {
        return false;
    };
    let key = UnparsedPublicKey::new(
        &ECDSA_P256_SHA256_ASN1,
        &issuer.public_key().subject_public_key.data,
    );
    issuer.is_ca()
        && child.issuer().as_raw() == issuer.subject().as_raw()
        && key
            .verify(child.tbs_certificate.as_ref(), &child.signature_value.data)
            .is_ok()
}

/// SHA-256 of the DER of a certificate's `SubjectPublicKeyInfo`: the pin of its key.
pub fn spki_sha256(certificate: &[u8]) -> Result<[u8; 32], ParseCertificateError> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_| ParseCertificateError)?;
    Ok(Sha256::digest(parsed.public_key().raw).into())
}
