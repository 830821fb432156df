//! Intel's data-centre attestation (DCAP), which SGX and TDX share.
//!
//! A quote is signed by an attestation key, which the quoting enclave's report names, which the platform's key
//! (PCK) signs, which Intel certifies. Intel's collateral, signed under the same root, says what it thinks of the
//! platform's microcode, of the TDX module and of the quoting enclave, and which certificates are revoked. All of
//! it must be valid at the given time.

mod pck;
mod quote;
mod tcb;

use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use self::pck::Platform;
pub(crate) use self::quote::Body;
use self::quote::{Quote, QuoteError};
use self::tcb::{DomainTcb, QeIdentity, QuotingEnclave, TcbInfo};
use crate::collateral::DcapCollateral;
use crate::details::{DcapTcb, TcbStatus};
use crate::policy::Root;
use crate::x509::{Certificate, ChainError, Key, KeyKind, MAX_CHAIN, check_revocation, find_chain};
use crate::{Collateral, Kind, Policy, VerifyError, pem};

/// SHA-256 of the DER of Intel's root certificate (`Intel SGX Root CA`).
pub(crate) const ROOT: [u8; 32] = [
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
    0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3,
];

/// The largest signed document of the collateral.
const MAX_DOCUMENT: usize = 256 * 1024;

/// A quote whose signatures hold.
pub(crate) struct Verified<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) root: Root,
    pub(crate) tcb: DcapTcb,
    pub(crate) platform: Vec<u8>,
}

/// `length` bytes at `offset`.
pub(crate) fn field(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..)?.get(..length)
}

/// Checks a quote of this kind.
pub(crate) fn verify<'a>(
    kind: Kind,
    quote: &'a [u8],
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Verified<'a>, VerifyError> {
    let quote = quote::parse(kind, quote).map_err(|error| match error {
        QuoteError::Malformed => VerifyError::Malformed(kind),
        QuoteError::Unsupported(what) => VerifyError::Unsupported { kind, what },
    })?;
    check_attestation_key(kind, &quote)?;
    let collateral = collateral
        .dcap
        .as_ref()
        .ok_or(VerifyError::MissingCollateral {
            kind,
            what: "DCAP collateral",
        })?;
    let (root, platform) = check_platform(kind, &quote, collateral, policy, now)?;
    let signed = Signed {
        kind,
        collateral,
        policy,
        now,
    };
    let info: TcbInfo = signed.document(
        "TCB information",
        &collateral.tcb_info_issuer_chain,
        &collateral.tcb_info,
        &collateral.tcb_info_signature,
    )?;
    let identity: QeIdentity = signed.document(
        "the quoting enclave's identity",
        &collateral.qe_identity_issuer_chain,
        &collateral.qe_identity,
        &collateral.qe_identity_signature,
    )?;
    let (info_id, identity_id) = match kind {
        Kind::Tdx => ("TDX", "TD_QE"),
        _ => ("SGX", "QE"),
    };
    if info.id != info_id
        || info.version != 3
        || identity.id != identity_id
        || identity.version != 2
        || !info.is_of(&platform)
    {
        return Err(VerifyError::Collateral {
            kind,
            what: "it is of other platforms or another version",
        });
    }
    signed.valid("TCB information", info.issue_date, info.next_update)?;
    signed.valid(
        "the quoting enclave's identity",
        identity.issue_date,
        identity.next_update,
    )?;
    let tcb = judge(kind, &quote, &platform, &info, &identity)?;
    let evaluation = tcb.evaluation.min(identity.tcb_evaluation_data_number);
    if evaluation < policy.min_tcb_evaluation {
        return Err(VerifyError::Tcb(format!(
            "the collateral is of TCB recovery {evaluation}, before the policy's"
        )));
    }
    if tcb.status == TcbStatus::Revoked || !policy.tcb_statuses.contains(&tcb.status) {
        return Err(VerifyError::Tcb(format!("{:?}", tcb.status)));
    }
    Ok(Verified {
        body: quote.body,
        root,
        tcb,
        platform: platform.ppid,
    })
}

/// The quote is signed by the key that the quoting enclave's report names.
fn check_attestation_key(kind: Kind, quote: &Quote<'_>) -> Result<(), VerifyError> {
    let point = [&[4], quote.attestation_key].concat();
    let key = Key {
        kind: KeyKind::P256,
        bytes: &point,
    };
    let digest = Sha256::new()
        .chain_update(quote.attestation_key)
        .chain_update(quote.qe_auth_data)
        .finalize();
    let named = field(quote.qe_report, 320, 64).ok_or(VerifyError::Malformed(kind))?;
    let (hash, zeros) = named.split_at(32);
    let bound = hash == &digest[..] && zeros.iter().all(|byte| *byte == 0);
    if !bound || !key.verifies(&ECDSA_P256_SHA256_FIXED, quote.signed, quote.signature) {
        return Err(VerifyError::Signature(kind));
    }
    Ok(())
}

/// The quoting enclave's report is signed by a platform that Intel certifies.
fn check_platform(
    kind: Kind,
    quote: &Quote<'_>,
    collateral: &DcapCollateral,
    policy: &Policy,
    now: i64,
) -> Result<(Root, Platform), VerifyError> {
    let malformed = || VerifyError::Malformed(kind);
    let ders = match (quote.pck_chain, &collateral.pck_certificate_chain) {
        (Some(chain), _) => pem::certificates(chain, MAX_CHAIN).ok_or_else(malformed)?,
        (None, Some(chain)) => {
            pem::certificates(chain.as_bytes(), MAX_CHAIN).ok_or(VerifyError::Collateral {
                kind,
                what: "the platform's certificate chain",
            })?
        }
        (None, None) => {
            return Err(VerifyError::MissingCollateral {
                kind,
                what: "the platform's certificate chain",
            });
        }
    };
    let certificates = parse(&ders).ok_or_else(malformed)?;
    let mut leaves = certificates.iter().filter(|one| !one.is_ca());
    let (Some(leaf), None) = (leaves.next(), leaves.next()) else {
        return Err(malformed());
    };
    let key = leaf
        .key()
        .filter(|key| key.kind == KeyKind::P256 && !leaf.is_ca());
    let key = key.ok_or(VerifyError::Certificate {
        kind,
        what: "the platform's key is no P-256 key",
    })?;
    if !key.verifies(
        &ECDSA_P256_SHA256_FIXED,
        quote.qe_report,
        quote.qe_report_signature,
    ) {
        return Err(VerifyError::Signature(kind));
    }
    let root = find_chain(leaf, &certificates, now, |hash| policy.root(kind, hash))
        .and_then(|(root, chain)| {
            let lists = [&collateral.root_ca_crl, &collateral.pck_crl];
            check_revocation(&chain, &lists, now, true).map(|()| root)
        })
        .map_err(|error| VerifyError::chain(kind, error))?;
    let platform = Platform::of(leaf).ok_or(VerifyError::Certificate {
        kind,
        what: "the platform's has no SGX extension",
    })?;
    Ok((root, platform))
}

fn parse(ders: &[Vec<u8>]) -> Option<Vec<Certificate<'_>>> {
    ders.iter().map(|der| Certificate::parse(der)).collect()
}

/// What is needed to check signed documents.
struct Signed<'a> {
    kind: Kind,
    collateral: &'a DcapCollateral,
    policy: &'a Policy,
    now: i64,
}

impl Signed<'_> {
    /// A document, if its signature and signer hold.
    fn document<T: DeserializeOwned>(
        &self,
        what: &'static str,
        chain: &str,
        document: &str,
        signature: &[u8],
    ) -> Result<T, VerifyError> {
        let kind = self.kind;
        let unusable = || VerifyError::Collateral { kind, what };
        if document.len() > MAX_DOCUMENT || chain.len() > MAX_DOCUMENT {
            return Err(unusable());
        }
        let ders = pem::certificates(chain.as_bytes(), MAX_CHAIN).ok_or_else(unusable)?;
        let certificates = parse(&ders).ok_or_else(unusable)?;
        let signer = certificates
            .iter()
            .find(|one| !one.is_ca())
            .ok_or_else(unusable)?;
        find_chain(signer, &certificates, self.now, |hash| {
            self.policy.root(kind, hash)
        })
        .and_then(|(_, chain)| {
            // The root signs it directly: no platform's authority may.
            if chain.len() == 2 {
                check_revocation(&chain, &[&self.collateral.root_ca_crl], self.now, true)
            } else {
                Err(ChainError::Certificate("not signed by the root"))
            }
        })
        .map_err(|error| VerifyError::collateral_chain(kind, what, error))?;
        let signed = signer
            .key()
            .filter(|key| key.kind == KeyKind::P256)
            .is_some_and(|key| {
                key.verifies(&ECDSA_P256_SHA256_FIXED, document.as_bytes(), signature)
            });
        if !signed {
            return Err(unusable());
        }
        serde_json::from_str(document).map_err(|_| unusable())
    }

    fn valid(
        &self,
        what: &'static str,
        from: jiff::Timestamp,
        until: jiff::Timestamp,
    ) -> Result<(), VerifyError> {
        if (from.as_second()..=until.as_second()).contains(&self.now) {
            return Ok(());
        }
        Err(VerifyError::CollateralExpired {
            kind: self.kind,
            what,
        })
    }
}

fn judge(
    kind: Kind,
    quote: &Quote<'_>,
    platform: &Platform,
    info: &TcbInfo,
    identity: &QeIdentity,
) -> Result<DcapTcb, VerifyError> {
    let malformed = || VerifyError::Malformed(kind);
    let enclave = quoting_enclave(quote.qe_report).ok_or_else(malformed)?;
    if !identity.is_of(&enclave) {
        return Err(VerifyError::QuotingEnclave);
    }
    let domain = match quote.body {
        Body::Domain(report) => Some(domain_tcb(report).ok_or_else(malformed)?),
        Body::Enclave(_) => None,
    };
    let tcb = info
        .judge(platform, domain.as_ref())
        .and_then(|tcb| identity.judge(enclave.isv_svn, tcb))
        .ok_or_else(|| VerifyError::Tcb("below every level that Intel lists".to_owned()))?;
    if domain.is_some_and(|domain| !info.knows_module(&domain)) {
        return Err(VerifyError::Module);
    }
    Ok(tcb)
}

fn quoting_enclave(report: &[u8]) -> Option<QuotingEnclave<'_>> {
    let short = |offset| {
        field(report, offset, 2)?
            .try_into()
            .ok()
            .map(u16::from_le_bytes)
    };
    Some(QuotingEnclave {
        misc_select: field(report, 16, 4)?,
        attributes: field(report, 48, 16)?,
        mr_signer: field(report, 128, 32)?,
        isv_prod_id: short(256)?,
        isv_svn: short(258)?,
    })
}

fn domain_tcb(report: &[u8]) -> Option<DomainTcb<'_>> {
    Some(DomainTcb {
        tee_tcb_svn: field(report, 0, 16)?.try_into().ok()?,
        current_tcb_svn: match field(report, 584, 16) {
            Some(svn) => Some(svn.try_into().ok()?),
            None => None,
        },
        signer_seam: field(report, 64, 48)?,
        seam_attributes: field(report, 112, 8)?,
    })
}
