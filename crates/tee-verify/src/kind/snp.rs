//! AMD SEV-SNP attestation reports (AMD 56860, table 23; the certificates: AMD 57230).
//!
//! The report is signed by a key of the chip (VCEK) or of a cloud provider (VLEK), whose certificate and issuers come as
//! collateral. The bytes that are signed are read as they are; nothing is decoded and encoded again. Milan, Genoa and
//! Turin, which lays out its TCB otherwise. AMD's own certificates (ARK, ASK, ASVK) are compiled in; they complete
//! a chain of which the collateral brings less.

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;

use crate::der;
use crate::details::{SnpDetails, SnpTcb};
use crate::policy::Root;
use crate::x509::{Certificate, KeyKind, check_own_lists, check_revocation, find_chain};
use crate::{Claims, Collateral, Details, Kind, Measurement, Policy, VerifyError, pem};

/// SHA-256 of the DER of AMD's root certificates: ARK-Milan, ARK-Genoa, ARK-Turin.
pub(crate) const ROOTS: [[u8; 32]; 3] = [
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
    [
        0x1f, 0x08, 0x41, 0x61, 0xa4, 0x4b, 0xb6, 0xd9, 0x37, 0x78, 0xa9, 0x04, 0x87, 0x7d, 0x48,
        0x19, 0xca, 0xfa, 0x5d, 0x05, 0xef, 0x41, 0x93, 0xb2, 0xde, 0xd9, 0xdd, 0x9c, 0x73, 0xdd,
        0x3f, 0x6a,
    ],
];

/// AMD's authorities: ARK, ASK and ASVK of each family of processors, PEM.
const AUTHORITIES: &[u8] = include_bytes!("snp/amd.pem");

/// More than [`AUTHORITIES`] has.
const MAX_AUTHORITIES: usize = 16;

/// `CPUID` family of Turin (Zen 5).
const TURIN: u8 = 0x1a;

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
const TCB_FMC: &str = "1.3.6.1.4.1.3704.1.3.9";

/// How a family of processors lays out what another lays out differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Milan, Genoa and their kin.
    Zen3,
    /// Turin: one more component in the TCB, chip ids of 8 bytes.
    Zen5,
}

impl Layout {
    /// By the report (from version 3 on it names the processor), else by the certificate, which AMD signed.
    fn of(signed: &[u8], version: u32, certificate: &Certificate<'_>) -> Option<Self> {
        let zen5 = if version >= 3 {
            let [family] = array::<1>(signed, 0x188)?;
            family >= TURIN
        } else {
            certificate.extension(TCB_FMC).is_some()
        };
        Some(if zen5 { Self::Zen5 } else { Self::Zen3 })
    }
}

fn array<const N: usize>(report: &[u8], offset: usize) -> Option<[u8; N]> {
    report.get(offset..)?.first_chunk::<N>().copied()
}

fn tcb(report: &[u8], offset: usize, layout: Layout) -> Option<SnpTcb> {
    let bytes = array::<8>(report, offset)?;
    Some(match (layout, bytes) {
        (Layout::Zen3, [bootloader, tee, _, _, _, _, snp, microcode]) => SnpTcb {
            fmc: None,
            bootloader,
            tee,
            snp,
            microcode,
        },
        (Layout::Zen5, [fmc, bootloader, tee, snp, _, _, _, microcode]) => SnpTcb {
            fmc: Some(fmc),
            bootloader,
            tee,
            snp,
            microcode,
        },
    })
}

/// The TCB that a certificate is for.
fn certified_tcb(certificate: &Certificate<'_>, layout: Layout) -> Option<SnpTcb> {
    let part = |oid: &str| {
        let content = der::only(der::INTEGER, certificate.extension(oid)?)?;
        u8::try_from(der::small(content)?).ok()
    };
    let [bootloader, tee, snp, microcode] = TCB;
    Some(SnpTcb {
        fmc: match layout {
            Layout::Zen3 => None,
            Layout::Zen5 => Some(part(TCB_FMC)?),
        },
        bootloader: part(bootloader)?,
        tee: part(tee)?,
        snp: part(snp)?,
        microcode: part(microcode)?,
    })
}

/// The chip that a certificate is for, as a report names it: the bytes themselves, or in an `OCTET STRING`. Turin's
/// ids are of 8 bytes, and zeros follow them in the report.
fn certified_chip(certificate: &Certificate<'_>, layout: Layout) -> Option<Vec<u8>> {
    let length = match layout {
        Layout::Zen3 => 64,
        Layout::Zen5 => 8,
    };
    let value = certificate.extension(HARDWARE_ID)?;
    let id = if value.len() == length {
        value
    } else {
        der::only(der::OCTET_STRING, value).filter(|id| id.len() == length)?
    };
    let mut chip = id.to_vec();
    chip.resize(64, 0);
    Some(chip)
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
    let unusable = VerifyError::Collateral {
        kind,
        what: "a certificate",
    };
    let mut certificates: Vec<Certificate<'_>> = collateral
        .certificates
        .iter()
        .map(|der| Certificate::parse(der))
        .collect::<Option<_>>()
        .ok_or(unusable.clone())?;
    let given: Vec<[u8; 32]> = certificates
        .iter()
        .filter(|certificate| certificate.is_ca())
        .map(Certificate::fingerprint)
        .collect();
    let own = pem::certificates(AUTHORITIES, MAX_AUTHORITIES).ok_or(unusable)?;
    certificates.extend(own.iter().filter_map(|der| Certificate::parse(der)));
    let leaf = find(&certificates, name)?;
    let (root, chain) = find_chain(leaf, &certificates, now, |hash| policy.root(kind, hash))
        .map_err(|error| VerifyError::chain(kind, error))?;
    // Who names authorities means these: no report is judged under quite other ones.
    let meant = chain
        .iter()
        .any(|certificate| given.contains(&certificate.fingerprint()));
    if !given.is_empty() && !meant {
        return Err(VerifyError::Root(kind));
    }
    check_revocation(&chain, &collateral.revocation_lists, now, false)
        .and_then(|()| check_own_lists(&chain, &policy.revocation_lists, now))
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
    let malformed = || VerifyError::Malformed(kind);
    let version = array::<4>(report.signed, 0)
        .map(u32::from_le_bytes)
        .ok_or_else(malformed)?;
    let layout = Layout::of(report.signed, version, leaf).ok_or_else(malformed)?;
    let signer = Signer {
        certificate: leaf,
        name: signed_by,
        root,
        layout,
    };
    let read = read(&report, version, &signer).ok_or_else(malformed)?;
    judge(read, &signer, &report, policy)
}

/// Who signed a report.
struct Signer<'c, 'a> {
    certificate: &'c Certificate<'a>,
    name: &'static str,
    root: Root,
    layout: Layout,
}

fn read(
    report: &Report<'_>,
    version: u32,
    signer: &Signer<'_, '_>,
) -> Option<(Claims, SnpDetails)> {
    let signed = report.signed;
    let word = |offset| array::<4>(signed, offset).map(u32::from_le_bytes);
    let long = |offset| array::<8>(signed, offset).map(u64::from_le_bytes);
    let tcb = |offset| tcb(signed, offset, signer.layout);
    let details = SnpDetails {
        version,
        signed_by: signer.name,
        guest_svn: word(4)?,
        policy: long(8)?,
        vmpl: word(0x30)?,
        platform_info: long(0x40)?,
        reported_tcb: tcb(0x180)?,
        committed_tcb: tcb(0x1e0)?,
        launch_tcb: tcb(0x1f0)?,
        host_data: hex::encode(array::<32>(signed, 0xc0)?),
        id_key_digest: hex::encode(array::<48>(signed, 0xe0)?),
        report_id: hex::encode(array::<32>(signed, 0x140)?),
    };
    let claims = Claims {
        kind: Kind::Snp,
        hardware_rooted: signer.root == Root::Vendor,
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
    signer: &Signer<'_, '_>,
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
    if details.signed_by == "VCEK"
        && certified_chip(signer.certificate, signer.layout).as_ref() != Some(&claims.device)
    {
        return Err(VerifyError::Chip);
    }
    if certified_tcb(signer.certificate, signer.layout) != Some(details.reported_tcb) {
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
