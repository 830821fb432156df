//! What a platform's certificate says (Intel SGX PCK certificate and CRL specification, 1.3.5).

use crate::der;
use crate::x509::Certificate;

const SGX: &str = "1.2.840.113741.1.13.1";
/// The content octets of the same object identifier.
const PREFIX: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];

/// The platform's identity and state when it was certified.
pub(super) struct Platform {
    pub(super) cpu_svn: [u8; 16],
    pub(super) pce_svn: u16,
    pub(super) pce_id: [u8; 2],
    pub(super) fmspc: [u8; 6],
    /// Encrypted or plain platform provisioning id.
    pub(super) ppid: Vec<u8>,
}

fn octets<'a>(entries: &'a [u8], oid: &[u8]) -> Option<&'a [u8]> {
    match der::under(entries, oid)? {
        (der::OCTET_STRING, content) => Some(content),
        _ => None,
    }
}

impl Platform {
    pub(super) fn of(certificate: &Certificate<'_>) -> Option<Self> {
        let entries = der::only(der::SEQUENCE, certificate.extension(SGX)?)?;
        let oid = |tail: &[u8]| [&PREFIX[..], tail].concat();
        let (der::SEQUENCE, tcb) = der::under(entries, &oid(&[2]))? else {
            return None;
        };
        let (der::INTEGER, pce_svn) = der::under(tcb, &oid(&[2, 17]))? else {
            return None;
        };
        Some(Self {
            cpu_svn: octets(tcb, &oid(&[2, 18]))?.try_into().ok()?,
            pce_svn: der::small(pce_svn)?,
            pce_id: octets(entries, &oid(&[3]))?.try_into().ok()?,
            fmspc: octets(entries, &oid(&[4]))?.try_into().ok()?,
            ppid: octets(entries, &oid(&[1]))?.to_vec(),
        })
    }
}
