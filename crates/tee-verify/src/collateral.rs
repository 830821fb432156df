//! What verification needs besides the evidence.

use serde::{Deserialize, Deserializer};

use crate::pem::{self, Label};

/// The most certificates, keys or lists of one collateral.
const MAX_ITEMS: usize = 32;

/// Certificates, revocation lists and TCB information that vendors publish.
///
/// None of it is trusted: it may come from the peer itself. What is trusted is compiled in, or named by the
/// [`crate::Policy`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collateral {
    /// DER certificates in any order. SNP: the VCEK or VLEK, and those that certify it, root included. TPM: the
    /// attestation key's and those that certify it.
    pub certificates: Vec<Vec<u8>>,
    /// DER revocation lists. Used if they are of an issuer in the chain; SGX and TDX have theirs in `dcap`.
    pub revocation_lists: Vec<Vec<u8>>,
    /// DER `SubjectPublicKeyInfo`. TPM: an attestation key without a certificate.
    pub public_keys: Vec<Vec<u8>>,
    /// SGX and TDX.
    pub dcap: Option<DcapCollateral>,
}

/// Collateral of Intel's data-centre attestation (version 3), as the caching services give it. In JSON: binary
/// fields are hexadecimal, chains are PEM, the signed JSON documents are strings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DcapCollateral {
    /// Issuers of `pck_crl`, PEM. Not needed: the quote brings them.
    #[serde(default)]
    pub pck_crl_issuer_chain: String,
    /// The root's revocation list, DER.
    #[serde(deserialize_with = "hexadecimal")]
    pub root_ca_crl: Vec<u8>,
    /// The revocation list of the authority that certifies platforms, DER.
    #[serde(deserialize_with = "hexadecimal")]
    pub pck_crl: Vec<u8>,
    /// Who signed `tcb_info`, PEM.
    pub tcb_info_issuer_chain: String,
    /// What Intel says of a family of platforms, JSON.
    pub tcb_info: String,
    /// ECDSA over the bytes of `tcb_info`.
    #[serde(deserialize_with = "hexadecimal")]
    pub tcb_info_signature: Vec<u8>,
    /// Who signed `qe_identity`, PEM.
    pub qe_identity_issuer_chain: String,
    /// What Intel says of its quoting enclave, JSON.
    pub qe_identity: String,
    /// ECDSA over the bytes of `qe_identity`.
    #[serde(deserialize_with = "hexadecimal")]
    pub qe_identity_signature: Vec<u8>,
    /// The platform's certificate chain, PEM, for quotes without one. Not used: such quotes are refused.
    #[serde(default)]
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

    /// Whether there are too many items to be looked at.
    pub(crate) fn is_excessive(&self) -> bool {
        [
            &self.certificates,
            &self.public_keys,
            &self.revocation_lists,
        ]
        .iter()
        .any(|items| items.len() > MAX_ITEMS)
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

fn hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    hex::decode(text.as_bytes()).map_err(serde::de::Error::custom)
}
