//! What a peer's certificate says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::extensions::GeneralName;

use crate::Backing;

/// The identity in a certificate. It says nothing on whether the certificate is to be believed: the TLS
/// stack has verified it against the authority before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Common name: the Kubernetes user.
    pub common_name: String,
    /// Organisations: the Kubernetes groups.
    pub organisations: Vec<String>,
    /// URIs among the subject's alternative names.
    pub uris: Vec<String>,
    /// DNS names among them.
    pub dns_names: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Beginning of its validity.
    pub not_before: SystemTime,
    /// End of its validity.
    pub not_after: SystemTime,
}

/// Not a certificate, or one without a common name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be parsed or has no single common name")]
pub struct ParseCertificateError;

impl PeerIdentity {
    /// What on the chain backs it: the one `daas://` URI. `Err` if there are several or a malformed one:
    /// such a certificate is not ours.
    pub fn backing(&self) -> Result<Option<Backing>, ParseCertificateError> {
        let mut ours = self.uris.iter().filter(|uri| uri.starts_with("daas:"));
        let backing = ours
            .next()
            .map(|uri| uri.parse().map_err(|()| ParseCertificateError))
            .transpose()?;
        match ours.next() {
            None => Ok(backing),
            Some(_) => Err(ParseCertificateError),
        }
    }
}

/// Reads a certificate (DER).
pub fn parse_certificate(der: &[u8]) -> Result<PeerIdentity, ParseCertificateError> {
    let error = ParseCertificateError;
    let (rest, parsed) = x509_parser::parse_x509_certificate(der).map_err(|_| error)?;
    if !rest.is_empty() {
        return Err(error);
    }
    let mut names = parsed.subject().iter_common_name();
    let common_name = names.next().ok_or(error)?.as_str().map_err(|_| error)?;
    if names.next().is_some() {
        return Err(error);
    }
    let organisations = parsed
        .subject()
        .iter_organization()
        .map(|name| name.as_str().map(str::to_owned).map_err(|_| error))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
    if let Some(names) = parsed.subject_alternative_name().map_err(|_| error)? {
        for name in &names.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                _ => {}
            }
        }
    }
    let time = |seconds: i64| {
        let seconds = u64::try_from(seconds).map_err(|_| error)?;
        UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .ok_or(error)
    };
    Ok(PeerIdentity {
        common_name: common_name.to_owned(),
        organisations,
        uris,
        dns_names,
        serial: hex::encode(parsed.raw_serial()),
        not_before: time(parsed.validity().not_before.timestamp())?,
        not_after: time(parsed.validity().not_after.timestamp())?,
    })
}
