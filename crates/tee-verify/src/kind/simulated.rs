//! `simulated`: evidence without hardware.
//!
//! It has the shape of the real thing (a root that certifies devices, a device that signs measurement
//! and binding) and none of its strength: **the root's private key is compiled in here, for everyone to
//! see**, so anyone can make simulated evidence for any measurement. That is deliberate. It exercises the whole
//! protocol (allow-list, binding, freshness, relay protection) on any machine, it can't be mistaken for
//! real evidence (its own type tag, its own root, its own domain separation), and it is refused unless a
//! policy names the kind. [`crate::Claims::hardware_rooted`] is `false` for it.
//!
//! Layout of the body, fixed length, integers little-endian:
//! `magic[8] ‖ device key[32] ‖ root's signature over the device key[64] ‖ issued at (ms)[8] ‖ binding[32] ‖
//! measurement[48] ‖ device's signature over all before it[64]`.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::{Claims, Details, Kind, Measurement, VerifyError};

/// The root's private seed. Public on purpose, see the module's text.
pub const ROOT_SEED: [u8; 32] = *b"k3s-daas simulated root: PUBLIC!";

/// First bytes of a body.
pub const MAGIC: [u8; 8] = *b"DAASSIM1";

/// Length of a measurement (SHA-384).
pub const MEASUREMENT: usize = 48;

/// Length of a body.
pub const BODY: usize = 8 + 32 + 64 + 8 + 32 + MEASUREMENT + 64;

/// What the root signs to certify a device.
pub fn device_message(device: &[u8; 32]) -> Vec<u8> {
    let mut message = b"k3s-daas/tee/simulated/device/v1\0".to_vec();
    message.extend(device);
    message
}

/// What a device signs: everything of the body before the signature, under a domain.
pub fn report_message(signed: &[u8]) -> Vec<u8> {
    let mut message = b"k3s-daas/tee/simulated/report/v1\0".to_vec();
    message.extend(signed);
    message
}

struct Fields<'a> {
    device: &'a [u8],
    certificate: &'a [u8],
    issued_at_ms: u64,
    binding: &'a [u8],
    measurement: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8],
}

fn fields(body: &[u8]) -> Option<Fields<'_>> {
    if body.len() != BODY {
        return None;
    }
    let rest = body.strip_prefix(&MAGIC)?;
    let (device, rest) = rest.split_at_checked(32)?;
    let (certificate, rest) = rest.split_at_checked(64)?;
    let (issued, rest) = rest.split_first_chunk::<8>()?;
    let (binding, rest) = rest.split_at_checked(32)?;
    let (measurement, signature) = rest.split_at_checked(MEASUREMENT)?;
    let (signed, _) = body.split_at_checked(BODY - 64)?;
    Some(Fields {
        device,
        certificate,
        issued_at_ms: u64::from_le_bytes(*issued),
        binding,
        measurement,
        signed,
        signature,
    })
}

/// The time that a body claims, not verified.
pub(crate) fn claimed_time_ms(body: &[u8]) -> Option<u64> {
    fields(body).map(|fields| fields.issued_at_ms)
}

/// Checks the signatures and reads the claims; what they are worth is the policy's business.
pub(crate) fn claims(body: &[u8]) -> Result<Claims, VerifyError> {
    let malformed = || VerifyError::Malformed(Kind::Simulated);
    let fields = fields(body).ok_or_else(malformed)?;
    let device: [u8; 32] = fields.device.try_into().map_err(|_| malformed())?;
    let root = Ed25519KeyPair::from_seed_unchecked(&ROOT_SEED)
        .map_err(|_| VerifyError::Root(Kind::Simulated))?;
    UnparsedPublicKey::new(&ED25519, root.public_key().as_ref())
        .verify(&device_message(&device), fields.certificate)
        .map_err(|_| VerifyError::Root(Kind::Simulated))?;
    UnparsedPublicKey::new(&ED25519, &device)
        .verify(&report_message(fields.signed), fields.signature)
        .map_err(|_| VerifyError::Signature(Kind::Simulated))?;
    Ok(Claims {
        kind: Kind::Simulated,
        hardware_rooted: false,
        debug: false,
        measurement: Measurement::from_bytes(fields.measurement).map_err(|_| malformed())?,
        report_data: fields.binding.to_vec(),
        issued_at_ms: Some(fields.issued_at_ms),
        device: device.to_vec(),
        details: Details::Simulated {},
    })
}
