//! Certificates and revocation lists: the subset of RFC 5280 that vendors of trusted hardware use.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Version};

/// The largest certificate that is looked at.
const MAX_CERTIFICATE: usize = 8 * 1024;

/// The most that the revocation lists may be together.
const MAX_REVOCATION_LISTS: usize = 1024 * 1024;

/// The longest chain, root included.
pub(crate) const MAX_CHAIN: usize = 8;

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_SHA512: &str = "1.2.840.113549.1.1.13";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const SHA384: &str = "2.16.840.1.101.3.4.2.2";
const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const EC_KEY: &str = "1.2.840.10045.2.1";
const RSA_KEY: &str = "1.2.840.113549.1.1.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainError {
    /// A certificate doesn't parse, is no CA, has a constraint that is not understood, or isn't signed by the next.
    Certificate(&'static str),
    /// It doesn't end at a trusted root.
    Root,
    /// A certificate is not yet or no longer valid.
    Expired,
    /// A certificate was revoked.
    Revoked,
    /// A revocation list is needed and not there.
    NoRevocationList,
    /// A revocation list doesn't parse, or isn't signed by its issuer.
    RevocationList,
    /// A revocation list is not yet or no longer valid.
    RevocationListExpired,
}

/// The kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    P256,
    P384,
    Rsa,
}

/// A public key as certificates carry it.
pub(crate) struct Key<'a> {
    pub(crate) kind: KeyKind,
    /// An uncompressed point, or an `RSAPublicKey`.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Key<'a> {
    /// From a DER `SubjectPublicKeyInfo`.
    pub(crate) fn from_der(der: &'a [u8]) -> Option<Self> {
        if der.len() > MAX_CERTIFICATE {
            return None;
        }
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let (kind, bytes) = (kind(&info)?, info.subject_public_key.data);
        match bytes {
            std::borrow::Cow::Borrowed(bytes) => Some(Self { kind, bytes }),
            std::borrow::Cow::Owned(_) => None,
        }
    }

    /// Whether `signature` over `message` verifies with an algorithm that belongs to this kind of key.
    pub(crate) fn verifies(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        UnparsedPublicKey::new(algorithm, self.bytes)
            .verify(message, signature)
            .is_ok()
    }
}

fn kind(info: &SubjectPublicKeyInfo<'_>) -> Option<KeyKind> {
    match info.algorithm.algorithm.to_id_string().as_str() {
        RSA_KEY => Some(KeyKind::Rsa),
        EC_KEY => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            match curve.to_id_string().as_str() {
                P256 => Some(KeyKind::P256),
                P384 => Some(KeyKind::P384),
                _ => None,
            }
        }
        _ => None,
    }
}

fn algorithm(
    identifier: &AlgorithmIdentifier<'_>,
    key: KeyKind,
) -> Option<&'static dyn VerificationAlgorithm> {
    let oid = identifier.algorithm.to_id_string();
    Some(match (oid.as_str(), key) {
        (ECDSA_SHA256, KeyKind::P256) => &ECDSA_P256_SHA256_ASN1,
        (ECDSA_SHA384, KeyKind::P256) => &ECDSA_P256_SHA384_ASN1,
        (ECDSA_SHA256, KeyKind::P384) => &ECDSA_P384_SHA256_ASN1,
        (ECDSA_SHA384, KeyKind::P384) => &ECDSA_P384_SHA384_ASN1,
        (RSA_SHA256, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA256,
        (RSA_SHA384, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA384,
        (RSA_SHA512, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA512,
        (RSA_PSS, KeyKind::Rsa) => {
            let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) =
                SignatureAlgorithm::try_from(identifier)
            else {
                return None;
            };
            match parameters.hash_algorithm_oid().to_id_string().as_str() {
                SHA256 => &RSA_PSS_2048_8192_SHA256,
                SHA384 => &RSA_PSS_2048_8192_SHA384,
                SHA512 => &RSA_PSS_2048_8192_SHA512,
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// A certificate that parses completely and has nothing that isn't understood.
pub(crate) struct Certificate<'a> {
    x509: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        if der.len() > MAX_CERTIFICATE {
            return None;
        }
        let (rest, x509) = X509Certificate::from_der(der).ok()?;
        let sound = rest.is_empty()
            && x509.version() == X509Version::V3
            && x509.signature_algorithm == x509.tbs_certificate.signature
            && x509.extensions_map().is_ok()
            && x509.extensions().iter().all(|extension| {
                !extension.critical
                    || matches!(
                        extension.parsed_extension(),
                        ParsedExtension::BasicConstraints(_)
                            | ParsedExtension::KeyUsage(_)
                            | ParsedExtension::ExtendedKeyUsage(_)
                    )
            });
        sound.then_some(Self { x509 })
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.x509.as_raw()).into()
    }

    /// The DER of the `SubjectPublicKeyInfo`.
    pub(crate) fn public_key_der(&self) -> &'a [u8] {
        self.x509.tbs_certificate.subject_pki.raw
    }

    pub(crate) fn key(&self) -> Option<Key<'a>> {
        Key::from_der(self.public_key_der())
    }

    pub(crate) fn common_name(&self) -> Option<&str> {
        let mut names = self.x509.subject().iter_common_name();
        match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok(),
            _ => None,
        }
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.x509.is_ca()
    }

    /// The content octets of an extension's value; `oid` in dotted form.
    pub(crate) fn extension(&self, oid: &str) -> Option<&'a [u8]> {
        self.x509
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == oid)
            .map(|extension| extension.value)
    }

    fn valid_at(&self, now: i64) -> bool {
        let validity = self.x509.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    }

    /// Whether it may have issued a certificate with `below` CAs under it.
    fn may_issue(&self, below: usize) -> bool {
        let constraints = match self.x509.basic_constraints() {
            Ok(Some(constraints)) => constraints.value,
            _ => return false,
        };
        let signs = match self.x509.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        let long_enough = constraints
            .path_len_constraint
            .is_none_or(|most| u32::try_from(below).is_ok_and(|below| below <= most));
        constraints.ca && signs && long_enough
    }

    fn names_issuer(&self, issuer: &Certificate<'_>) -> bool {
        self.x509.issuer().as_raw() == issuer.x509.subject().as_raw()
    }

    fn signed_by(&self, issuer: &Certificate<'_>) -> bool {
        issuer.key().is_some_and(|key| {
            algorithm(&self.x509.signature_algorithm, key.kind).is_some_and(|algorithm| {
                key.verifies(
                    algorithm,
                    self.x509.tbs_certificate.as_ref(),
                    &self.x509.signature_value.data,
                )
            })
        })
    }
}

/// Checks a chain, leaf first and root last, at `now` (seconds since 1970). `trusted` decides by the SHA-256 of
/// the root's DER, and what it says is returned.
pub(crate) fn check_chain<T>(
    chain: &[&Certificate<'_>],
    now: i64,
    trusted: impl Fn(&[u8; 32]) -> Option<T>,
) -> Result<T, ChainError> {
    let root = chain.last().ok_or(ChainError::Root)?;
    if chain.len() > MAX_CHAIN {
        return Err(ChainError::Certificate("the chain is too long"));
    }
    let trust = trusted(&root.fingerprint()).ok_or(ChainError::Root)?;
    for (depth, (child, issuer)) in chain.iter().zip(chain.iter().skip(1)).enumerate() {
        if !child.names_issuer(issuer) {
            return Err(ChainError::Certificate(
                "a certificate names another issuer",
            ));
        }
        if !issuer.may_issue(depth) {
            return Err(ChainError::Certificate(
                "an issuer is no certificate authority",
            ));
        }
        if !child.signed_by(issuer) {
            return Err(ChainError::Certificate(
                "a certificate's signature does not verify",
            ));
        }
    }
    if chain.iter().any(|certificate| !certificate.valid_at(now)) {
        return Err(ChainError::Expired);
    }
    Ok(trust)
}

/// Finds the issuers of `leaf` in `pool`, by name, up to a trusted root, and checks the chain.
pub(crate) fn find_chain<'c, 'a, T>(
    leaf: &'c Certificate<'a>,
    pool: &'c [Certificate<'a>],
    now: i64,
    trusted: impl Fn(&[u8; 32]) -> Option<T>,
) -> Result<(T, Vec<&'c Certificate<'a>>), ChainError> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    while trusted(&last.fingerprint()).is_none() && chain.len() < MAX_CHAIN {
        let issuer = pool
            .iter()
            .find(|issuer| last.names_issuer(issuer) && last.fingerprint() != issuer.fingerprint());
        match issuer {
            Some(issuer) => chain.push(issuer),
            None => break,
        }
        last = chain.last().copied().unwrap_or(leaf);
    }
    check_chain(&chain, now, trusted).map(|trust| (trust, chain))
}

/// Looks up every certificate of a chain (leaf first, root last) but the root in the list of its issuer. Each list
/// is read once.
pub(crate) fn check_revocation(
    chain: &[&Certificate<'_>],
    lists: &[impl AsRef<[u8]>],
    now: i64,
    required: bool,
) -> Result<(), ChainError> {
    let sizes = lists.iter().map(|list| list.as_ref().len());
    if sizes.fold(0, usize::saturating_add) > MAX_REVOCATION_LISTS {
        return Err(ChainError::RevocationList);
    }
    let pairs = || chain.iter().zip(chain.iter().skip(1));
    let mut listed = vec![false; pairs().count()];
    for der in lists {
        let list = match CertificateRevocationList::from_der(der.as_ref()) {
            Ok((&[], list)) => list,
            _ => return Err(ChainError::RevocationList),
        };
        for ((child, issuer), listed) in pairs().zip(&mut listed) {
            if list.issuer().as_raw() == issuer.x509.subject().as_raw() {
                *listed = true;
                check_list(&list, child, issuer, now)?;
            }
        }
    }
    if required && listed.contains(&false) {
        return Err(ChainError::NoRevocationList);
    }
    Ok(())
}

/// As [`check_revocation`] of lists that the verifier has itself: whoever is on one is revoked, also after the list's
/// time.
pub(crate) fn check_own_lists(
    chain: &[&Certificate<'_>],
    lists: &[impl AsRef<[u8]>],
    now: i64,
) -> Result<(), ChainError> {
    for list in lists {
        match check_revocation(chain, std::slice::from_ref(list), now, false) {
            Ok(()) | Err(ChainError::RevocationListExpired) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn check_list(
    list: &CertificateRevocationList<'_>,
    child: &Certificate<'_>,
    issuer: &Certificate<'_>,
    now: i64,
) -> Result<(), ChainError> {
    let signed = issuer.key().is_some_and(|key| {
        algorithm(&list.signature_algorithm, key.kind).is_some_and(|algorithm| {
            key.verifies(
                algorithm,
                list.tbs_cert_list.as_ref(),
                &list.signature_value.data,
            )
        })
    });
    let signs = !matches!(issuer.x509.key_usage(), Ok(Some(usage)) if !usage.value.crl_sign());
    if !signed || !signs || list.extensions().iter().any(|e| e.critical) {
        return Err(ChainError::RevocationList);
    }
    let serial = &child.x509.tbs_certificate.serial;
    if list
        .iter_revoked_certificates()
        .any(|revoked| revoked.serial() == serial)
    {
        return Err(ChainError::Revoked);
    }
    let until = list.next_update().ok_or(ChainError::RevocationList)?;
    if !(list.last_update().timestamp()..=until.timestamp()).contains(&now) {
        return Err(ChainError::RevocationListExpired);
    }
    Ok(())
}
