//! AMD SEV-SNP attestation reports (AMD 56860, table 23; the certificates: AMD 57230).
//!
//! The report is signed by a key of the chip (VCEK) or of a cloud provider (VLEK), whose certificate and issuers come as
//! collateral. The bytes that are signed are read as they are; nothing is decoded and encoded again. Milan and
//! Genoa; Turin lays out its TCB otherwise, and is not known here.

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;

use crate::der;
use crate::details::{SnpDetails, SnpTcb};
use crate::policy::Root;
use crate::x509::{Certificate, KeyKind, check_revocation, find_chain};
use crate::{Claims, Collateral, Details, Kind, Measurement, Policy, VerifyError};

/// SHA-256 of the DER of AMD's root certificates: ARK-Milan, ARK-Genoa.
pub(crate) const ROOTS: [[u8; 32]; 2] = [
    [
        0x69, 0xd0, 0x63, 0xb4, 0x53, 0x44, 0xd2, 0x6a, 0x2e, 0x94, 0xe1, 0xf4, 0x21, 0x0d, 0xe4,
        0x9e, 0xf5, 0x55, 0x30, 0x82, 0x87, 0xd4, 0xc1, 0x74, 0x44, 0x5c, 0x95, 0x63, 0x9a, 0x54,
        0x0b, 0xcd,
    ],
    [
        0x4c, 0x65, 0x98, 0xd1, 0x9c, 0x18, 0x71, 0x9c, 0x5d, 0xfd, 0x4a, 0x7d, 0x33, 0x5f, 0x67,
        0x4e, 0x5b, 0xfe, 0x1d, 0x8f, 0x80, 0x0c, 0xea, 0x2c, 0xf2, 0x70, 0xc1, 0x0d, 0x10, 0x3d,
        0xb2, 0xf1,
    ],
];

/// Length of a report.
const REPORT: usize = 0x4a0;

/// Length of what is signed.
const SIGNED: usize = 0x2a0;

const DEBUG: u64 = 1 << 19;
const MIGRATION_AGENT: u64 = 1 << 18;

const HARDWARE_ID: &str = "1.3.6.1.4.1.3704.1.4";
const TCB: [&str; 4] = [
    "1.3.6.1.4.1.3704.1.3.1",
    "1.3.6.1.4.1.3704.1.3.2",
    "1.3.6.1.4.1.3704.1.3.3",
    "1.3.6.1.4.1.3704.1.3.8",
];

fn array<const N: usize>(report: &[u8], offset: usize) -> Option<[u8; N]> {
    report.get(offset..)?.first_chunk::<N>().copied()
}

fn tcb(report: &[u8], offset: usize) -> Option<SnpTcb> {
    let [bootloader, tee, _, _, _, _, snp, microcode] = array::<8>(report, offset)?;
    Some(SnpTcb {
        bootloader,
        tee,
        snp,
        microcode,
    })
}

/// The TCB that a certificate is for.
fn certified_tcb(certificate: &Certificate<'_>) -> Option<SnpTcb> {
    let part = |oid: &str| {
        let content = der::only(der::INTEGER, certificate.extension(oid)?)?;
        u8::try_from(der::small(content)?).ok()
    };
    let [bootloader, tee, snp, microcode] = TCB;
    Some(SnpTcb {
        bootloader: part(bootloader)?,
        tee: part(tee)?,
        snp: part(snp)?,
        microcode: part(microcode)?,
    })
}

/// The chip that a certificate is for: the bytes themselves, or in an `OCTET STRING`.
fn certified_chip<'a>(certificate: &Certificate<'a>) -> Option<&'a [u8]> {
    let value = certificate.extension(HARDWARE_ID)?;
    if value.len() == 64 {
        return Some(value);
    }
    der::only(der::OCTET_STRING, value).filter(|id| id.len() == 64)
}

/// `r ‖ s`, big-endian, of a signature field: two little-endian numbers of 72 bytes, then zeros.
fn signature(field: &[u8]) -> Option<Vec<u8>> {
    let mut signature = Vec::with_capacity(96);
    let (r, rest) = field.split_at_checked(72)?;
    let (s, rest) = rest.split_at_checked(72)?;
    for number in [r, s] {
        let (low, high) = number.split_at_checked(48)?;
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        signature.extend(low.iter().rev());
    }
    rest.iter().all(|byte| *byte == 0).then_some(signature)
}

/// The report without its signature, and the signature.
struct Report<'a> {
    signed: &'a [u8],
    signature: Vec<u8>,
    flags: u32,
}

fn report(body: &[u8]) -> Option<Report<'_>> {
    if body.len() != REPORT {
        return None;
    }
    let (signed, field) = body.split_at_checked(SIGNED)?;
    Some(Report {
        signed,
        signature: signature(field)?,
        flags: u32::from_le_bytes(array(signed, 0x48)?),
    })
}

fn find<'c, 'a>(
    certificates: &'c [Certificate<'a>],
    name: &str,
) -> Result<&'c Certificate<'a>, VerifyError> {
    let mut named = certificates
        .iter()
        .filter(|c| c.common_name() == Some(name));
    match (named.next(), named.next()) {
        (Some(certificate), None) => Ok(certificate),
        (None, _) => Err(VerifyError::MissingCollateral {
            kind: Kind::Snp,
            what: "the certificate of the VCEK or VLEK",
        }),
        (Some(_), Some(_)) => Err(VerifyError::Collateral {
            kind: Kind::Snp,
            what: "more than one VCEK or VLEK",
        }),
    }
}

/// Checks chain, signature, chip and TCB, and reads the claims.
pub(crate) fn claims(
    body: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Claims, VerifyError> {
    let kind = Kind::Snp;
    let report = report(body).ok_or(VerifyError::Malformed(kind))?;
    let (name, signed_by) = match (report.flags >> 2) & 7 {
        0 => ("SEV-VCEK", "VCEK"),
        1 => ("SEV-VLEK", "VLEK"),
        // 7: not signed at all.
        _ => return Err(VerifyError::Malformed(kind)),
    };
    let certificates: Vec<Certificate<'_>> = collateral
        .certificates
        .iter()
        .map(|der| Certificate::parse(der))
        .collect::<Option<_>>()
        .ok_or(VerifyError::Collateral {
            kind,
            what: "a certificate",
        })?;
    let leaf = find(&certificates, name)?;
    let (root, chain) = find_chain(leaf, &certificates, now, |hash| policy.root(kind, hash))
        .map_err(|error| VerifyError::chain(kind, error))?;
    check_revocation(&chain, &collateral.revocation_lists, now, false)
        .map_err(|error| VerifyError::chain(kind, error))?;
    let key = leaf
        .key()
        .filter(|key| key.kind == KeyKind::P384 && !leaf.is_ca());
    let key = key.ok_or(VerifyError::Certificate {
        kind,
        what: "the VCEK or VLEK is no P-384 key",
    })?;
    if !key.verifies(&ECDSA_P384_SHA384_FIXED, report.signed, &report.signature) {
        return Err(VerifyError::Signature(kind));
    }
    let read = read(&report, signed_by, root).ok_or(VerifyError::Malformed(kind))?;
    judge(read, leaf, &report, policy)
}

fn read(report: &Report<'_>, signed_by: &'static str, root: Root) -> Option<(Claims, SnpDetails)> {
    let signed = report.signed;
    let word = |offset| array::<4>(signed, offset).map(u32::from_le_bytes);
    let long = |offset| array::<8>(signed, offset).map(u64::from_le_bytes);
    let details = SnpDetails {
        version: word(0)?,
        signed_by,
        guest_svn: word(4)?,
        policy: long(8)?,
        vmpl: word(0x30)?,
        platform_info: long(0x40)?,
        reported_tcb: tcb(signed, 0x180)?,
        committed_tcb: tcb(signed, 0x1e0)?,
        launch_tcb: tcb(signed, 0x1f0)?,
        host_data: hex::encode(array::<32>(signed, 0xc0)?),
        id_key_digest: hex::encode(array::<48>(signed, 0xe0)?),
        report_id: hex::encode(array::<32>(signed, 0x140)?),
    };
    let claims = Claims {
        kind: Kind::Snp,
        hardware_rooted: root == Root::Vendor,
        debug: details.policy & DEBUG != 0,
        measurement: Measurement::from_bytes(&array::<48>(signed, 0x90)?).ok()?,
        report_data: array::<64>(signed, 0x50)?.to_vec(),
        issued_at_ms: None,
        device: array::<64>(signed, 0x1a0)?.to_vec(),
        details: Details::Snp(Box::new(details.clone())),
    };
    Some((claims, details))
}

fn judge(
    (claims, details): (Claims, SnpDetails),
    leaf: &Certificate<'_>,
    report: &Report<'_>,
    policy: &Policy,
) -> Result<Claims, VerifyError> {
    let kind = Kind::Snp;
    if !(2..=5).contains(&details.version) {
        return Err(VerifyError::Unsupported {
            kind,
            what: "a report of this version",
        });
    }
    let algorithm = array::<4>(report.signed, 0x34).map(u32::from_le_bytes);
    if algorithm != Some(1) {
        return Err(VerifyError::Unsupported {
            kind,
            what: "this signature algorithm",
        });
    }
    // A VLEK belongs to no chip; a masked chip id matches none.
    if details.signed_by == "VCEK" && certified_chip(leaf) != Some(&claims.device) {
        return Err(VerifyError::Chip);
    }
    if certified_tcb(leaf) != Some(details.reported_tcb) {
        return Err(VerifyError::Tcb(
            "the certificate is for another TCB than the report's".to_owned(),
        ));
    }
    if !details.reported_tcb.reaches(&policy.snp_minimum) {
        return Err(VerifyError::Tcb("below the policy's minimum".to_owned()));
    }
    if claims.debug {
        return Err(VerifyError::Debug);
    }
    if details.policy & MIGRATION_AGENT != 0 {
        return Err(VerifyError::Attributes {
            what: "a migration agent",
        });
    }
    if details.vmpl > policy.snp_max_vmpl {
        return Err(VerifyError::Vmpl {
            found: details.vmpl,
            most: policy.snp_max_vmpl,
        });
    }
    Ok(claims)
}
