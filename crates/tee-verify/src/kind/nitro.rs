//! AWS Nitro Enclaves: attestation documents of the Nitro Secure Module.
//!
//! A document is a `COSE_Sign1` (RFC 9052; AWS leaves its tag out, and it is accepted) with ES384 whose payload names the certificate of the key that
//! signed it and the chain up to AWS's root. Both the envelope and the payload must be deterministic CBOR without
//! duplicate or unknown fields. Sizes are those of AWS's specification
//! (`aws/aws-nitro-enclaves-nsm-api`, `docs/attestation_process.md`).

use std::collections::BTreeMap;

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;
use sha2::{Digest as _, Sha384};

use crate::cbor::Reader;
use crate::details::NitroDetails;
use crate::policy::Root;
use crate::x509::{Certificate, KeyKind, MAX_CHAIN, check_chain};
use crate::{Claims, Details, Kind, Measurement, Policy, VerifyError};

/// SHA-256 of the DER of AWS's root certificate (`aws.nitro-enclaves`).
pub(crate) const ROOT: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
    0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];

/// `{1: -35}`: the algorithm is ES384.
const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

/// Tag 18: `COSE_Sign1`.
const TAG: u8 = 0xd2;

const MAX_DOCUMENT: usize = 32 * 1024;
const MAX_FIELD: usize = 1024;
const MAX_CERTIFICATE: usize = 1024;
const PCR: usize = 48;
const PCRS: u64 = 32;

/// The parts of the envelope.
struct Envelope<'a> {
    payload: &'a [u8],
    signature: &'a [u8],
}

fn envelope(body: &[u8]) -> Option<Envelope<'_>> {
    if body.len() > MAX_DOCUMENT {
        return None;
    }
    let mut reader = Reader::new(body.strip_prefix(&[TAG]).unwrap_or(body));
    let four = reader.array(4)? == 4;
    let es384 = reader.bytes(PROTECTED.len())? == PROTECTED;
    let bare = reader.map(0)? == 0;
    let payload = reader.bytes(MAX_DOCUMENT)?;
    let signature = reader.bytes(96)?;
    (four && es384 && bare && signature.len() == 96 && reader.is_empty())
        .then_some(Envelope { payload, signature })
}

/// `Sig_structure` of RFC 9052, 4.4: what is signed.
fn signed(payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![0x84, 0x6a];
    message.extend(b"Signature1");
    message.push(0x44);
    message.extend(PROTECTED);
    message.push(0x40);
    message.push(0x59);
    match u16::try_from(payload.len()) {
        Ok(length @ 256..) => message.extend(length.to_be_bytes()),
        _ => return None,
    }
    message.extend(payload);
    Some(message)
}

#[derive(Default)]
struct Payload<'a> {
    module_id: Option<&'a str>,
    digest: Option<&'a str>,
    timestamp: Option<u64>,
    pcrs: Option<BTreeMap<u8, &'a [u8]>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

/// Puts a value into an empty place; `None` if it isn't there or the place is taken.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    match place.replace(value?) {
        None => Some(()),
        Some(_) => None,
    }
}

fn payload(bytes: &[u8]) -> Option<Payload<'_>> {
    let mut reader = Reader::new(bytes);
    let mut payload = Payload::default();
    for _ in 0..reader.map(9)? {
        match reader.text(16)? {
            "module_id" => once(&mut payload.module_id, reader.text(256))?,
            "digest" => once(&mut payload.digest, reader.text(16))?,
            "timestamp" => once(&mut payload.timestamp, reader.unsigned())?,
            "pcrs" => once(&mut payload.pcrs, pcrs(&mut reader))?,
            "certificate" => once(&mut payload.certificate, reader.bytes(MAX_CERTIFICATE))?,
            "cabundle" => once(&mut payload.cabundle, bundle(&mut reader))?,
            "public_key" => once(&mut payload.public_key, reader.bytes_or_null(MAX_FIELD))?,
            "user_data" => once(&mut payload.user_data, reader.bytes_or_null(MAX_FIELD))?,
            "nonce" => once(&mut payload.nonce, reader.bytes_or_null(MAX_FIELD))?,
            _ => return None,
        }
    }
    reader.is_empty().then_some(payload)
}

fn pcrs<'a>(reader: &mut Reader<'a>) -> Option<BTreeMap<u8, &'a [u8]>> {
    let mut pcrs = BTreeMap::new();
    for _ in 0..reader.map(32)? {
        let index = u8::try_from(reader.unsigned().filter(|index| *index < PCRS)?).ok()?;
        let value = reader.bytes(PCR).filter(|value| value.len() == PCR)?;
        if pcrs.insert(index, value).is_some() {
            return None;
        }
    }
    Some(pcrs)
}

fn bundle<'a>(reader: &mut Reader<'a>) -> Option<Vec<&'a [u8]>> {
    let length = reader.array(MAX_CHAIN - 1)?;
    (0..length).map(|_| reader.bytes(MAX_CERTIFICATE)).collect()
}

/// The time that a document claims, not verified.
pub(crate) fn claimed_time_ms(body: &[u8]) -> Option<u64> {
    payload(envelope(body)?.payload)?.timestamp
}

/// Checks the chain and the signature, and reads the claims.
pub(crate) fn claims(body: &[u8], policy: &Policy, now: i64) -> Result<Claims, VerifyError> {
    let malformed = || VerifyError::Malformed(Kind::Nitro);
    let envelope = envelope(body).ok_or_else(malformed)?;
    let payload = payload(envelope.payload).ok_or_else(malformed)?;
    let leaf = payload.certificate.ok_or_else(malformed)?;
    // The bundle is root first.
    let chain: Vec<Certificate<'_>> = std::iter::once(leaf)
        .chain(payload.cabundle.ok_or_else(malformed)?.into_iter().rev())
        .map(Certificate::parse)
        .collect::<Option<_>>()
        .ok_or_else(malformed)?;
    let path: Vec<&Certificate<'_>> = chain.iter().collect();
    let root = check_chain(&path, now, |hash| policy.root(Kind::Nitro, hash))
        .map_err(|error| VerifyError::chain(Kind::Nitro, error))?;
    let leaf = chain.first().filter(|leaf| !leaf.is_ca());
    let key = leaf
        .and_then(Certificate::key)
        .filter(|key| key.kind == KeyKind::P384)
        .ok_or(VerifyError::Certificate {
            kind: Kind::Nitro,
            what: "the enclave's has no P-384 key",
        })?;
    let message = signed(envelope.payload).ok_or_else(malformed)?;
    if !key.verifies(&ECDSA_P384_SHA384_FIXED, &message, envelope.signature) {
        return Err(VerifyError::Signature(Kind::Nitro));
    }
    if payload.digest != Some("SHA384") {
        return Err(malformed());
    }
    let pcrs = payload.pcrs.ok_or_else(malformed)?;
    let register = |index: u8| pcrs.get(&index).copied().ok_or_else(malformed);
    let image = register(0)?;
    let digest = Sha384::new()
        .chain_update(image)
        .chain_update(register(1)?)
        .chain_update(register(2)?)
        .finalize();
    let module_id = payload
        .module_id
        .filter(|id| !id.is_empty())
        .ok_or_else(malformed)?;
    Ok(Claims {
        kind: Kind::Nitro,
        hardware_rooted: root == Root::Vendor,
        // Every PCR of a debug enclave is zero.
        debug: image.iter().all(|byte| *byte == 0),
        measurement: Measurement::from_bytes(&digest).map_err(|_| malformed())?,
        report_data: payload.user_data.flatten().unwrap_or_default().to_vec(),
        issued_at_ms: Some(
            payload
                .timestamp
                .filter(|time| *time > 0)
                .ok_or_else(malformed)?,
        ),
        device: module_id.as_bytes().to_vec(),
        details: Details::Nitro(NitroDetails {
            module_id: module_id.to_owned(),
            pcrs: pcrs
                .iter()
                .map(|(index, value)| (*index, hex::encode(value)))
                .collect(),
            nonce: payload.nonce.flatten().map(hex::encode),
            public_key: payload.public_key.flatten().map(hex::encode),
        }),
    })
}
