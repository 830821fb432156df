//! From a verified client certificate to an identity.
// upstream: staging/src/k8s.io/apiserver/pkg/authentication/request/x509/x509.go#CommonNameUserConversion

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use super::gate::CertificateIdentity;

/// Why a certificate says nothing of its holder.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("not valid X.509: {0}")]
    Parse(String),
    #[error("the subject has no common name")]
    NoCommonName,
    #[error("the certificate has expired")]
    Expired,
}

/// Reads the leaf. TLS has verified its chain, usage and times.
pub(super) fn identity(der: &CertificateDer<'_>) -> Result<CertificateIdentity, CertificateError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|e| CertificateError::Parse(e.to_string()))?;
    let text =
        |a: &x509_parser::x509::AttributeTypeAndValue<'_>| a.as_str().ok().map(str::to_owned);
    let subject = certificate.subject();
    let common_name = subject
        .iter_common_name()
        .find_map(text)
        .filter(|n| !n.is_empty())
        .ok_or(CertificateError::NoCommonName)?;
    let uris = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|san| {
            san.value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::URI(uri) => Some((*uri).to_owned()),
                    _ => None,
                })
                .collect()
        })
        .unwrap_or_default();
    Ok(CertificateIdentity {
        common_name,
        organizations: subject.iter_organization().filter_map(text).collect(),
        uris,
        spki_sha256: Sha256::digest(certificate.tbs_certificate.subject_pki.raw).into(),
        certificate_sha256: Sha256::digest(der.as_ref()).into(),
        serial: certificate.raw_serial().to_vec(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}
