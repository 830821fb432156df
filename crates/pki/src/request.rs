//! Certificate requests whose wishes are honoured: those of the certificates API, once approved.
//!
//! Unlike [`CertificateAuthority::issue`], subject and names are the request's own. Whoever approves it answers for them;
//! what stands for a stake or for the control plane itself is never certified this way.

use std::net::IpAddr;
use std::time::SystemTime;

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;

use crate::authority::{serial, whole_seconds};
use crate::{BACKDATE, CertificateAuthority, IssueError, Issued};

/// A request above this is not looked at.
const MAX_REQUEST: usize = 64 * 1024;

/// What begins names of identities that the chain or the control plane itself backs.
const RESERVED: &str = "daas:";

/// A parsed request whose signature shows that the requester holds the key.
pub struct CertificateRequest {
    params: CertificateSigningRequestParams,
    /// Common name of the subject, empty when it has none.
    pub common_name: String,
    /// Organisations of the subject.
    pub organisations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
}

impl CertificateRequest {
    /// Reads a request (PEM).
    ///
    /// # Errors
    /// [`IssueError`] when it is none, or not signed by its own key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IssueError> {
        if pem.len() > MAX_REQUEST {
            return Err(IssueError::RequestSize);
        }
        let der =
            CertificateSigningRequestDer::from_pem_slice(pem).map_err(|_| IssueError::Malformed)?;
        let params = CertificateSigningRequestParams::from_der(&der).map_err(|e| match e {
            rcgen::Error::InvalidCertificationRequestSignature => IssueError::Possession,
            rcgen::Error::UnsupportedSignatureAlgorithm => IssueError::KeyKind,
            _ => IssueError::Malformed,
        })?;
        let mut request = Self {
            common_name: String::new(),
            organisations: Vec::new(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            params,
        };
        for (kind, value) in request.params.params.distinguished_name.iter() {
            let text = text(value);
            match kind {
                DnType::CommonName => request.common_name = text,
                DnType::OrganizationName => request.organisations.push(text),
                _ => {}
            }
        }
        for name in &request.params.params.subject_alt_names {
            match name {
                SanType::DnsName(name) => request.dns_names.push(name.as_str().to_owned()),
                SanType::IpAddress(address) => request.addresses.push(*address),
                SanType::Rfc822Name(mail) => request.emails.push(mail.as_str().to_owned()),
                SanType::URI(uri) => request.uris.push(uri.as_str().to_owned()),
                _ => {
                    return Err(IssueError::Name(
                        "another kind of alternative name".to_owned(),
                    ));
                }
            }
        }
        Ok(request)
    }

    /// The name that is reserved, if one is.
    fn reserved(&self) -> Option<&str> {
        std::iter::once(&self.common_name)
            .chain(&self.organisations)
            .chain(&self.uris)
            .map(String::as_str)
            .find(|name| name.to_ascii_lowercase().starts_with(RESERVED))
    }
}

fn text(value: &DnValue) -> String {
    match value {
        DnValue::Utf8String(text) => text.clone(),
        DnValue::PrintableString(text) => text.as_str().to_owned(),
        DnValue::Ia5String(text) => text.as_str().to_owned(),
        DnValue::TeletexString(text) => text.as_str().to_owned(),
        DnValue::BmpString(text) => String::from_utf16_lossy(
            &text
                .as_bytes()
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect::<Vec<_>>(),
        ),
        DnValue::UniversalString(_) => String::new(),
        _ => String::new(),
    }
}

impl CertificateAuthority {
    /// Certifies a request as it is, for these usages (in the words of the certificates API).
    ///
    /// # Errors
    /// [`IssueError`]: a usage that is not known, a name that is reserved, no time left.
    pub fn issue_requested(
        &self,
        request: &CertificateRequest,
        usages: &[String],
        now: SystemTime,
        not_after: SystemTime,
    ) -> Result<Issued, IssueError> {
        if let Some(name) = request.reserved() {
            return Err(IssueError::Name(name.to_owned()));
        }
        let not_after = whole_seconds(not_after.min(self.not_after()));
        if not_after <= now {
            return Err(IssueError::Expired);
        }
        let begin = now.checked_sub(BACKDATE).ok_or(IssueError::Expired)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = request.params.params.distinguished_name.clone();
        params.subject_alt_names = request.params.params.subject_alt_names.clone();
        for usage in usages {
            match purpose(usage) {
                Some(Purpose::Key(usage)) => {
                    if !params.key_usages.contains(&usage) {
                        params.key_usages.push(usage);
                    }
                }
                Some(Purpose::Extended(usage)) => {
                    if !params.extended_key_usages.contains(&usage) {
                        params.extended_key_usages.push(usage);
                    }
                }
                None => return Err(IssueError::Usage(usage.clone())),
            }
        }
        let serial = serial();
        params.not_before = whole_seconds(begin).into();
        params.not_after = not_after.into();
        params.serial_number = Some(serial.clone());
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        let issuer = Issuer::from_ca_cert_der(self.der(), self.key()).map_err(IssueError::Sign)?;
        let certificate = params
            .signed_by(&request.params.public_key, &issuer)
            .map_err(IssueError::Sign)?;
        Ok(Issued {
            der: certificate.der().clone(),
            serial: hex::encode(serial.to_bytes()),
            not_after,
        })
    }
}

enum Purpose {
    Key(KeyUsagePurpose),
    Extended(ExtendedKeyUsagePurpose),
}

/// upstream: pkg/controller/certificates/signer/signer.go, client-go/util/certificate/csr; k8s.io/api/certificates/v1#KeyUsage
fn purpose(usage: &str) -> Option<Purpose> {
    use ExtendedKeyUsagePurpose as E;
    use KeyUsagePurpose as K;
    Some(match usage {
        "signing" | "digital signature" => Purpose::Key(K::DigitalSignature),
        "content commitment" => Purpose::Key(K::ContentCommitment),
        "key encipherment" => Purpose::Key(K::KeyEncipherment),
        "key agreement" => Purpose::Key(K::KeyAgreement),
        "data encipherment" => Purpose::Key(K::DataEncipherment),
        "server auth" => Purpose::Extended(E::ServerAuth),
        "client auth" => Purpose::Extended(E::ClientAuth),
        "code signing" => Purpose::Extended(E::CodeSigning),
        "email protection" | "s/mime" => Purpose::Extended(E::EmailProtection),
        "timestamping" => Purpose::Extended(E::TimeStamping),
        "ocsp signing" => Purpose::Extended(E::OcspSigning),
        _ => return None,
    })
}
