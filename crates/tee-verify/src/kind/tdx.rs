//! Intel TDX: quotes of trust domains. See [`super::dcap`] for their signatures.

use sha2::{Digest as _, Sha384};

use super::dcap::{self, Body, Verified, field};
use crate::details::TdxDetails;
use crate::policy::Root;
use crate::{Claims, Collateral, Details, Kind, Measurement, Policy, VerifyError};

/// `ATTRIBUTES.SEPT_VE_DISABLE`, in the fourth byte: the host can't inject `#VE` by taking pages away.
const SEPT_VE_DISABLE: u8 = 1 << 4;
/// `ATTRIBUTES.MIGRATABLE`, in the same byte.
const MIGRATABLE: u8 = 1 << 5;

/// `ATTRIBUTES.SERVTD_EXT`, in the third byte: service domains that the report then has a digest of.
const SERVTD_EXT: u8 = 1 << 1;
/// Bits of the attributes that mean nothing yet (Intel TDX module ABI, 348551): whatever they will mean, nobody has looked
/// at it.
const RESERVED: u64 = 0x3fff_ffff_0780_ff8e;

/// Checks the quote and reads the claims.
pub(crate) fn claims(
    body: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Claims, VerifyError> {
    let verified = dcap::verify(Kind::Tdx, body, collateral, policy, now)?;
    let Body::Domain(report) = verified.body else {
        return Err(VerifyError::Malformed(Kind::Tdx));
    };
    let claims = read(report, verified).ok_or(VerifyError::Malformed(Kind::Tdx))?;
    if claims.debug {
        return Err(VerifyError::Debug);
    }
    check_attributes(report)?;
    Ok(claims)
}

fn check_attributes(report: &[u8]) -> Result<(), VerifyError> {
    let refuse = |what| Err(VerifyError::Attributes { what });
    let attributes = field(report, 120, 8).and_then(<[u8]>::first_chunk::<8>);
    let Some(attributes @ [_, _, service, secure, ..]) = attributes else {
        return Err(VerifyError::Malformed(Kind::Tdx));
    };
    if u64::from_le_bytes(*attributes) & RESERVED != 0 {
        return refuse("attributes that are not known");
    }
    if service & SERVTD_EXT != 0 {
        return refuse("a service domain");
    }
    if secure & MIGRATABLE != 0 {
        return refuse("migration enabled");
    }
    if secure & SEPT_VE_DISABLE == 0 {
        return refuse("virtualisation exceptions enabled");
    }
    if field(report, 600, 48).is_some_and(|service| service.iter().any(|byte| *byte != 0)) {
        return refuse("a service domain");
    }
    Ok(())
}

fn read(report: &[u8], verified: Verified<'_>) -> Option<Claims> {
    let mr_td = field(report, 136, 48)?;
    let registers = field(report, 328, 4 * 48)?;
    let digest = Sha384::new()
        .chain_update(mr_td)
        .chain_update(registers)
        .finalize();
    let register = |index: usize| field(registers, index.checked_mul(48)?, 48).map(hex::encode);
    let attributes = field(report, 120, 8)?;
    Some(Claims {
        kind: Kind::Tdx,
        hardware_rooted: verified.root == Root::Vendor,
        // Any bit of the first byte makes the domain untrusted: debugging, profiling.
        debug: *attributes.first()? != 0,
        measurement: Measurement::from_bytes(&digest).ok()?,
        report_data: field(report, 520, 64)?.to_vec(),
        issued_at_ms: None,
        device: verified.platform,
        details: Details::Tdx(Box::new(TdxDetails {
            mr_td: hex::encode(mr_td),
            rtmr: [register(0)?, register(1)?, register(2)?, register(3)?],
            mr_config_id: hex::encode(field(report, 184, 48)?),
            mr_owner: hex::encode(field(report, 232, 48)?),
            td_attributes: hex::encode(attributes),
            xfam: hex::encode(field(report, 128, 8)?),
            tcb: verified.tcb,
        })),
    })
}
