//! What verification needs besides the evidence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::claims;
use crate::pem::{self, Label};

/// The most certificates, keys or lists of one collateral.
const MAX_ITEMS: usize = 32;

/// The most bytes of collateral that are looked at.
pub const MAX_COLLATERAL: usize = 1024 * 1024;

/// Certificates, revocation lists and TCB information that vendors publish.
///
/// None of it is trusted: it may come from the peer itself. What is trusted is compiled in, or named by the
/// [`crate::Policy`].
///
/// As JSON, beside evidence that travels: DER in base64, empty fields left out, [`MAX_COLLATERAL`] bytes at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Collateral {
    /// DER certificates in any order. SNP: the VCEK or VLEK, and those that certify it, root included. TPM: the
    /// attestation key's and those that certify it.
    #[serde(with = "ders", skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Vec<u8>>,
    /// DER revocation lists. Used if they are of an issuer in the chain; SGX and TDX have theirs in `dcap`.
    #[serde(with = "ders", skip_serializing_if = "Vec::is_empty")]
    pub revocation_lists: Vec<Vec<u8>>,
    /// DER `SubjectPublicKeyInfo`. TPM: an attestation key without a certificate.
    #[serde(with = "ders", skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<Vec<u8>>,
    /// TPM: the log of measured boot (TCG PC client, crypto agile). Replayed if it is there.
    #[serde(with = "log", skip_serializing_if = "Option::is_none")]
    pub event_log: Option<Vec<u8>>,
    /// SGX and TDX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dcap: Option<DcapCollateral>,
}

/// Collateral of Intel's data-centre attestation (version 3), as the caching services give it. In JSON: binary
/// fields are hexadecimal (base64 is read as well), chains are PEM, the signed JSON documents are strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DcapCollateral {
    /// Issuers of `pck_crl`, PEM. Not needed: the quote brings them.
    #[serde(default)]
    pub pck_crl_issuer_chain: String,
    /// The root's revocation list, DER.
    #[serde(serialize_with = "claims::bytes", deserialize_with = "binary")]
    pub root_ca_crl: Vec<u8>,
    /// The revocation list of the authority that certifies platforms, DER.
    #[serde(serialize_with = "claims::bytes", deserialize_with = "binary")]
    pub pck_crl: Vec<u8>,
    /// Who signed `tcb_info`, PEM.
    pub tcb_info_issuer_chain: String,
    /// What Intel says of a family of platforms, JSON.
    pub tcb_info: String,
    /// ECDSA over the bytes of `tcb_info`.
    #[serde(serialize_with = "claims::bytes", deserialize_with = "binary")]
    pub tcb_info_signature: Vec<u8>,
    /// Who signed `qe_identity`, PEM.
    pub qe_identity_issuer_chain: String,
    /// What Intel says of its quoting enclave, JSON.
    pub qe_identity: String,
    /// ECDSA over the bytes of `qe_identity`.
    #[serde(serialize_with = "claims::bytes", deserialize_with = "binary")]
    pub qe_identity_signature: Vec<u8>,
    /// The platform's certificate chain, PEM, for quotes without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pck_certificate_chain: Option<String>,
}

/// Not a file of collateral.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollateralError {
    /// Neither PEM nor DER of a certificate, public key or revocation list.
    #[error("no certificate, public key or revocation list (PEM or DER)")]
    Unknown,
    /// More than [`Collateral`] holds.
    #[error("more than {MAX_ITEMS} certificates, keys or lists")]
    TooMany,
    /// Not the JSON of DCAP collateral.
    #[error("DCAP collateral: {0}")]
    Dcap(String),
}

impl Collateral {
    /// Takes in a file of certificates, public keys and revocation lists: PEM with any of them, or one in DER.
    pub fn add(&mut self, file: &[u8]) -> Result<(), CollateralError> {
        let blocks = match pem::blocks(file, MAX_ITEMS) {
            Some(blocks) if !blocks.is_empty() => blocks,
            _ => vec![(
                der_label(file).ok_or(CollateralError::Unknown)?,
                file.to_vec(),
            )],
        };
        for (label, der) in blocks {
            let items = match label {
                Label::Certificate => &mut self.certificates,
                Label::PublicKey => &mut self.public_keys,
                Label::RevocationList => &mut self.revocation_lists,
            };
            if items.len() >= MAX_ITEMS {
                return Err(CollateralError::TooMany);
            }
            items.push(der);
        }
        Ok(())
    }

    /// Takes in DCAP collateral as JSON.
    pub fn add_dcap(&mut self, json: &[u8]) -> Result<(), CollateralError> {
        let dcap =
            serde_json::from_slice(json).map_err(|e| CollateralError::Dcap(e.to_string()))?;
        self.dcap = Some(dcap);
        Ok(())
    }

    /// Takes in collateral that travelled with evidence.
    pub fn extend(&mut self, other: Self) {
        self.certificates.extend(other.certificates);
        self.revocation_lists.extend(other.revocation_lists);
        self.public_keys.extend(other.public_keys);
        self.event_log = self.event_log.take().or(other.event_log);
        self.dcap = self.dcap.take().or(other.dcap);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is too much to be looked at.
    pub(crate) fn is_excessive(&self) -> bool {
        let lists = [
            &self.certificates,
            &self.public_keys,
            &self.revocation_lists,
        ];
        let dcap = self.dcap.as_ref().map_or(0, |dcap| {
            [
                dcap.pck_crl_issuer_chain.len(),
                dcap.root_ca_crl.len(),
                dcap.pck_crl.len(),
                dcap.tcb_info_issuer_chain.len(),
                dcap.tcb_info.len(),
                dcap.qe_identity_issuer_chain.len(),
                dcap.qe_identity.len(),
                dcap.pck_certificate_chain.as_ref().map_or(0, String::len),
            ]
            .into_iter()
            .fold(0, usize::saturating_add)
        });
        let bytes = lists
            .iter()
            .flat_map(|list| list.iter())
            .chain(&self.event_log)
            .map(Vec::len)
            .fold(dcap, usize::saturating_add);
        bytes > MAX_COLLATERAL || lists.iter().any(|list| list.len() > MAX_ITEMS)
    }
}

fn der_label(der: &[u8]) -> Option<Label> {
    use x509_parser::prelude::FromDer as _;
    if x509_parser::certificate::X509Certificate::from_der(der).is_ok_and(|(r, _)| r.is_empty()) {
        return Some(Label::Certificate);
    }
    if x509_parser::x509::SubjectPublicKeyInfo::from_der(der).is_ok_and(|(r, _)| r.is_empty()) {
        return Some(Label::PublicKey);
    }
    x509_parser::revocation_list::CertificateRevocationList::from_der(der)
        .is_ok_and(|(r, _)| r.is_empty())
        .then_some(Label::RevocationList)
}

/// Hexadecimal, or base64.
fn binary<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let text = text.trim();
    hex::decode(text)
        .ok()
        .or_else(|| STANDARD.decode(text).ok())
        .ok_or_else(|| de::Error::custom("expected hexadecimal or base64"))
}

/// Lists of DER, each in base64.
mod ders {
    use super::{Deserialize, Deserializer, MAX_ITEMS, STANDARD, Serializer, de};
    use base64::Engine as _;

    pub(super) fn serialize<S: Serializer>(ders: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ders.iter().map(|der| STANDARD.encode(der)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        if texts.len() > MAX_ITEMS {
            return Err(de::Error::custom(super::CollateralError::TooMany));
        }
        texts
            .iter()
            .map(|text| STANDARD.decode(text))
            .collect::<Result<_, _>>()
            .map_err(|_| de::Error::custom("expected DER in base64"))
    }
}

/// A log in base64.
mod log {
    use super::{Deserialize, Deserializer, STANDARD, Serializer, de};
    use base64::Engine as _;

    pub(super) fn serialize<S: Serializer>(
        log: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match log {
            Some(log) => to.serialize_some(&STANDARD.encode(log)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|_| de::Error::custom("expected a log in base64"))
    }
}
