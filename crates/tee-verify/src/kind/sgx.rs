//! Intel SGX: quotes of enclaves. See [`super::dcap`] for their signatures.

use super::dcap::{self, Body, Verified, field};
use crate::details::SgxDetails;
use crate::policy::Root;
use crate::{Claims, Collateral, Details, Kind, Measurement, Policy, VerifyError};

const DEBUG: u8 = 1 << 1;

/// Checks the quote and reads the claims.
pub(crate) fn claims(
    body: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Claims, VerifyError> {
    let verified = dcap::verify(Kind::Sgx, body, collateral, policy, now)?;
    read(verified).ok_or(VerifyError::Malformed(Kind::Sgx))
}

fn read(verified: Verified<'_>) -> Option<Claims> {
    let Body::Enclave(report) = verified.body else {
        return None;
    };
    let attributes = field(report, 48, 16)?;
    let short = |offset| {
        field(report, offset, 2)?
            .try_into()
            .ok()
            .map(u16::from_le_bytes)
    };
    Some(Claims {
        kind: Kind::Sgx,
        hardware_rooted: verified.root == Root::Vendor,
        debug: attributes.first()? & DEBUG != 0,
        measurement: Measurement::from_bytes(field(report, 64, 32)?).ok()?,
        report_data: field(report, 320, 64)?.to_vec(),
        issued_at_ms: None,
        device: verified.platform,
        details: Details::Sgx(Box::new(SgxDetails {
            mr_signer: hex::encode(field(report, 128, 32)?),
            isv_prod_id: short(256)?,
            isv_svn: short(258)?,
            attributes: hex::encode(attributes),
            tcb: verified.tcb,
        })),
    })
}
