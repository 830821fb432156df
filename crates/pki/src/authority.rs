//! The authority.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use crate::der::pem_certificate;
use crate::{BACKDATE, Backing, KeyPair, KeyPairError, Profile};

/// A request above this is not looked at.
const MAX_REQUEST: usize = 8 * 1024;

/// A certificate authority with its key. The key is zeroed when dropped; no `Debug`.
pub struct CertificateAuthority {
    certificate: CertificateDer<'static>,
    not_after: SystemTime,
    key: KeyPair,
}

/// An authority could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its key.
    #[error("the authority's key is unusable")]
    Key(#[from] KeyPairError),
    /// Its certificate could not be signed.
    #[error("cannot sign the authority's certificate")]
    Sign(#[source] rcgen::Error),
    /// The stored certificate isn't that of an authority.
    #[error("the stored certificate is not that of a certificate authority")]
    Certificate,
    /// Key and certificate are not of one pair.
    #[error("the authority's key and certificate do not belong together")]
    Mismatch,
    /// A time out of range.
    #[error("the lifetime is out of range")]
    Time,
}

/// A certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Too large, or something behind it.
    #[error("the certificate request is too large or has trailing data")]
    RequestSize,
    /// It doesn't parse.
    #[error("the certificate request is malformed")]
    Malformed,
    /// Its signature isn't by the key that it asks to certify.
    #[error("the certificate request is not signed by its own key")]
    Possession,
    /// Not a key of the kinds that are certified.
    #[error("the certificate request's key is not ECDSA P-256")]
    KeyKind,
    /// A usage that is not known, or not for certificates that certify nothing themselves.
    #[error("usage {0:?} cannot be certified")]
    Usage(String),
    /// A name that a certificate can't carry, or may not.
    #[error("{0:?} cannot be put into a certificate")]
    Name(String),
    /// No validity would be left.
    #[error("the certificate would be expired when issued")]
    Expired,
    /// Signing failed.
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When it expires.
    pub not_after: SystemTime,
}

impl Issued {
    /// PEM text.
    pub fn pem(&self) -> String {
        pem_certificate(&self.der)
    }
}

impl CertificateAuthority {
    /// A new authority with a fresh key, valid from `now` for `lifetime`.
    pub fn generate(
        name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let begin = now.checked_sub(BACKDATE).ok_or(AuthorityError::Time)?;
        let end = now.checked_add(lifetime).ok_or(AuthorityError::Time)?;
        params.not_before = whole_seconds(begin).into();
        params.not_after = whole_seconds(end).into();
        params.serial_number = Some(serial());
        let certificate = params.self_signed(&key.0).map_err(AuthorityError::Sign)?;
        Self::restore(certificate.der(), &key.pkcs8())
    }

    /// The authority of this certificate and key, as [`CertificateAuthority::der`] and
    /// [`CertificateAuthority::key_pkcs8`] gave them.
    pub fn restore(certificate: &[u8], key_pkcs8: &[u8]) -> Result<Self, AuthorityError> {
        let (rest, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| AuthorityError::Certificate)?;
        if !rest.is_empty() || !parsed.is_ca() {
            return Err(AuthorityError::Certificate);
        }
        let key = KeyPair::from_pkcs8(key_pkcs8)?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.0.public_key_raw() {
            return Err(AuthorityError::Mismatch);
        }
        let not_after =
            unix(parsed.validity().not_after.timestamp()).ok_or(AuthorityError::Time)?;
        let certificate = CertificateDer::from(certificate.to_vec());
        Ok(Self {
            certificate,
            not_after,
            key,
        })
    }

    /// The certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM: what `/cacerts` serves.
    pub fn pem(&self) -> String {
        pem_certificate(&self.certificate)
    }

    /// SHA-256 of the bytes of [`CertificateAuthority::pem`], as in k3s' `K10<hash>` tokens.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.pem()).into()
    }

    pub(crate) fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(crate) fn key(&self) -> &rcgen::KeyPair {
        &self.key.0
    }

    /// The private key, for sealed storage only.
    pub fn key_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.key.pkcs8()
    }

    /// Certifies the key of a request. What it asks for (subject, names, usages) is ignored. The certificate
    /// ends at `not_after` or with the authority, whichever is first.
    pub fn issue(
        &self,
        request: &[u8],
        profile: &Profile,
        now: SystemTime,
        not_after: SystemTime,
    ) -> Result<Issued, IssueError> {
        self.sign(&requested_key(request)?, profile, now, not_after)
    }

    /// Certifies a key that the caller itself holds.
    pub fn issue_for(
        &self,
        key: &KeyPair,
        profile: &Profile,
        now: SystemTime,
        not_after: SystemTime,
    ) -> Result<Issued, IssueError> {
        self.sign(&key.0, profile, now, not_after)
    }

    fn sign(
        &self,
        key: &impl rcgen::PublicKeyData,
        profile: &Profile,
        now: SystemTime,
        not_after: SystemTime,
    ) -> Result<Issued, IssueError> {
        let not_after = whole_seconds(not_after.min(self.not_after));
        if not_after <= now {
            return Err(IssueError::Expired);
        }
        let begin = now.checked_sub(BACKDATE).ok_or(IssueError::Expired)?;
        let serial = serial();
        let mut params = params(profile)?;
        params.not_before = whole_seconds(begin).into();
        params.not_after = not_after.into();
        params.serial_number = Some(serial.clone());
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key.0);
        let certificate = issuer
            .and_then(|issuer| params.signed_by(key, &issuer))
            .map_err(IssueError::Sign)?;
        Ok(Issued {
            der: certificate.der().clone(),
            serial: hex::encode(serial.to_bytes()),
            not_after,
        })
    }
}

fn params(profile: &Profile) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let mut names = Vec::new();
    match profile {
        Profile::NodeClient { node, token } => {
            params.distinguished_name =
                subject(&format!("system:node:{node}"), Some("system:nodes"));
            params.extended_key_usages = vec![client];
            names.push(uri(Backing::Token(*token))?);
        }
        Profile::NodeServing { node, addresses } => {
            params.distinguished_name =
                subject(&format!("system:node:{node}"), Some("system:nodes"));
            params.extended_key_usages = vec![server];
            names.push(dns(node)?);
            names.extend(addresses.iter().copied().map(SanType::IpAddress));
        }
        Profile::User {
            address,
            role,
            stake,
        } => {
            params.distinguished_name = subject(address, Some(role.group()));
            params.extended_key_usages = vec![client];
            names.push(uri(Backing::Stake(*stake))?);
        }
        Profile::Local { name, group } => {
            params.distinguished_name = subject(name, group.as_deref());
            params.extended_key_usages = vec![client];
        }
        Profile::Server {
            name,
            dns: hosts,
            addresses,
        } => {
            params.distinguished_name = subject(name, None);
            params.extended_key_usages = vec![server];
            for host in hosts {
                names.push(dns(host)?);
            }
            names.extend(addresses.iter().copied().map(SanType::IpAddress));
        }
    }
    params.subject_alt_names = names;
    Ok(params)
}

fn uri(backing: Backing) -> Result<SanType, IssueError> {
    let text = backing.to_string();
    let value = text
        .clone()
        .try_into()
        .map_err(|_| IssueError::Name(text))?;
    Ok(SanType::URI(value))
}

fn dns(host: &str) -> Result<SanType, IssueError> {
    let value = host
        .try_into()
        .map_err(|_| IssueError::Name(host.to_owned()))?;
    Ok(SanType::DnsName(value))
}

fn subject(name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, organisation);
    }
    subject.push(DnType::CommonName, name);
    subject
}

/// The key of a request, once its signature shows that the requester holds it. The request's own wishes
/// (subject, extensions) are not even decoded.
fn requested_key(request: &[u8]) -> Result<SubjectPublicKeyInfo, IssueError> {
    if request.len() > MAX_REQUEST {
        return Err(IssueError::RequestSize);
    }
    let (rest, parsed) =
        X509CertificationRequest::from_der(request).map_err(|_| IssueError::Malformed)?;
    if !rest.is_empty() {
        return Err(IssueError::RequestSize);
    }
    let info = &parsed.certification_request_info;
    let key =
        SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| IssueError::KeyKind)?;
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    if rcgen::PublicKeyData::algorithm(&key) != &rcgen::PKCS_ECDSA_P256_SHA256
        || algorithm != ECDSA_WITH_SHA256
    {
        return Err(IssueError::KeyKind);
    }
    UnparsedPublicKey::new(
        &ECDSA_P256_SHA256_ASN1,
        &info.subject_pki.subject_public_key.data,
    )
    .verify(info.raw, &parsed.signature_value.data)
    .map_err(|_| IssueError::Possession)?;
    Ok(key)
}

/// ecdsa-with-SHA256, RFC 5758.
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";

/// 128 random bits, positive (RFC 5280, 4.1.2.2: at most 20 octets, not negative, not zero).
pub(crate) fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    // The generator of aws-lc does not fail on Linux; a fixed serial would only be a duplicate.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Certificates have whole seconds.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn unix(seconds: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}
