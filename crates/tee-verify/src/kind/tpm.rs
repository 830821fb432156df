//! TPM 2.0 quotes (TCG, TPM 2.0 library, parts 2 and 3: `TPM2_Quote`).
//!
//! The evidence is a [`TpmQuote`]: what the TPM attests, its signature, and the values of the PCRs that it attests
//! the digest of. Who vouches for the attestation key is the policy's business: it names the key, or a root that
//! its certificate chain ends at.

mod event_log;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};

use crate::details::{TpmDetails, TpmEventLog};
use crate::x509::{Certificate, Key, KeyKind, check_own_lists, check_revocation, find_chain};
use crate::{Claims, Collateral, Details, Kind, Measurement, Policy, VerifyError};

/// First bytes of a body.
pub(crate) const MAGIC: [u8; 8] = *b"DAASTPM1";

const GENERATED: u32 = 0xff54_4347;
const ATTEST_QUOTE: u16 = 0x8018;
const SHA256: u16 = 0x000b;
const RSASSA: u16 = 0x0014;
const RSAPSS: u16 = 0x0016;
const ECDSA: u16 = 0x0018;
const DOMAIN: &[u8] = b"k3s-daas/tee/tpm/pcrs/v1\0";

/// A quote with the values of its PCRs.
///
/// As evidence: `magic[8] ‖ length[2] ‖ TPMS_ATTEST ‖ length[2] ‖ TPMT_SIGNATURE ‖ count[1] ‖ (index[1] ‖ value[32])*`,
/// lengths big-endian, indices rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmQuote {
    /// The `TPMS_ATTEST` that `TPM2_Quote` gives.
    pub attest: Vec<u8>,
    /// The `TPMT_SIGNATURE` that it gives.
    pub signature: Vec<u8>,
    /// The SHA-256 bank's values of the selected PCRs.
    pub pcrs: BTreeMap<u8, [u8; 32]>,
}

impl TpmQuote {
    /// The body of the evidence. `None` if a part is too long.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut body = MAGIC.to_vec();
        for part in [&self.attest, &self.signature] {
            body.extend(u16::try_from(part.len()).ok()?.to_be_bytes());
            body.extend(part);
        }
        body.push(u8::try_from(self.pcrs.len()).ok()?);
        for (index, value) in &self.pcrs {
            body.push(*index);
            body.extend(value);
        }
        Some(body)
    }

    /// The measurement of a platform with these values: SHA-256 over a domain, the selection of PCRs and the digest of
    /// their values. `None` without any.
    pub fn measurement(pcrs: &BTreeMap<u8, [u8; 32]>) -> Option<Measurement> {
        let selected = pcrs.keys().copied().collect::<BTreeSet<u8>>();
        let digest = Sha256::digest(pcrs.values().copied().collect::<Vec<_>>().concat());
        (!pcrs.is_empty()).then(|| measurement(&selected, &digest))?
    }
}

fn measurement(pcrs: &BTreeSet<u8>, digest: &[u8]) -> Option<Measurement> {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    for index in 0u8..32 {
        hash.update([u8::from(pcrs.contains(&index))]);
    }
    hash.update(digest);
    Measurement::from_bytes(&hash.finalize()).ok()
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.number().map(u8::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.number().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.number().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.number().map(u64::from_be_bytes)
    }

    /// A `TPM2B` structure's content.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.short()?);
        self.take(length)
    }
}

struct Body<'a> {
    attest: &'a [u8],
    signature: &'a [u8],
    pcrs: BTreeMap<u8, &'a [u8]>,
}

fn body(bytes: &[u8]) -> Option<Body<'_>> {
    let mut fields = Fields(bytes.strip_prefix(&MAGIC)?);
    let (attest, signature) = (fields.sized()?, fields.sized()?);
    let mut pcrs = BTreeMap::new();
    for _ in 0..fields.byte()? {
        let index = fields.byte()?;
        if pcrs
            .last_key_value()
            .is_some_and(|(last, _)| index <= *last)
        {
            return None;
        }
        pcrs.insert(index, fields.take(32)?);
    }
    fields.0.is_empty().then_some(Body {
        attest,
        signature,
        pcrs,
    })
}

/// `TPMS_ATTEST` of a quote.
struct Attest<'a> {
    extra_data: &'a [u8],
    clock: u64,
    reset_count: u32,
    restart_count: u32,
    safe: bool,
    firmware_version: u64,
    bank: u16,
    selection: &'a [u8],
    digest: &'a [u8],
}

fn attest(bytes: &[u8]) -> Option<Attest<'_>> {
    let mut fields = Fields(bytes);
    let quote = fields.word()? == GENERATED && fields.short()? == ATTEST_QUOTE;
    let _signer = fields.sized()?;
    let extra_data = fields.sized()?;
    let (clock, reset_count, restart_count) = (fields.long()?, fields.word()?, fields.word()?);
    let safe = match fields.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let firmware_version = fields.long()?;
    // One bank: of a digest over several, none could be recomputed by who has the values of one.
    let one_bank = fields.word()? == 1;
    let bank = fields.short()?;
    let length = usize::from(fields.byte()?);
    let selection = fields.take(length)?;
    let digest = fields.sized()?;
    (quote && one_bank && length <= 4 && fields.0.is_empty()).then_some(Attest {
        extra_data,
        clock,
        reset_count,
        restart_count,
        safe,
        firmware_version,
        bank,
        selection,
        digest,
    })
}

/// The indices that a selection's bits stand for.
fn selected(selection: &[u8]) -> impl Iterator<Item = u8> + '_ {
    (0u8..32).filter(|index| {
        selection
            .get(usize::from(index / 8))
            .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    })
}

/// What verifies a `TPMT_SIGNATURE`: algorithm, kind of key, and the signature as the algorithm takes it.
type Signature = (&'static dyn VerificationAlgorithm, KeyKind, Vec<u8>);

fn signature(bytes: &[u8]) -> Result<Signature, VerifyError> {
    let kind = Kind::Tpm;
    let malformed = || VerifyError::Malformed(kind);
    let mut fields = Fields(bytes);
    let scheme = fields.short().ok_or_else(malformed)?;
    let hash = fields.short().ok_or_else(malformed)?;
    if hash != SHA256 || ![RSASSA, RSAPSS, ECDSA].contains(&scheme) {
        return Err(VerifyError::Unsupported {
            kind,
            what: "this signature scheme",
        });
    }
    let signature = match scheme {
        ECDSA => ecdsa(&mut fields).ok_or_else(malformed)?,
        _ => fields.sized().ok_or_else(malformed)?.to_vec(),
    };
    if !fields.0.is_empty() {
        return Err(malformed());
    }
    Ok(match scheme {
        RSASSA => (&RSA_PKCS1_2048_8192_SHA256, KeyKind::Rsa, signature),
        // The salt must be as long as the digest, as FIPS 186 wants it.
        RSAPSS => (&RSA_PSS_2048_8192_SHA256, KeyKind::Rsa, signature),
        _ => (&ECDSA_P256_SHA256_FIXED, KeyKind::P256, signature),
    })
}

/// `r ‖ s`, each of 32 bytes.
fn ecdsa(fields: &mut Fields<'_>) -> Option<Vec<u8>> {
    let mut signature = Vec::with_capacity(64);
    for number in [fields.sized()?, fields.sized()?] {
        signature.resize(signature.len() + 32usize.checked_sub(number.len())?, 0);
        signature.extend(number);
    }
    Some(signature)
}

/// The DER of the attestation key's `SubjectPublicKeyInfo`, once somebody whom the policy trusts vouches for it.
fn attestation_key(
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Vec<u8>, VerifyError> {
    let kind = Kind::Tpm;
    if let Some(key) = collateral.public_keys.first() {
        let [_] = &collateral.public_keys[..] else {
            return Err(VerifyError::Collateral {
                kind,
                what: "more than one attestation key",
            });
        };
        let hash = Sha256::digest(key).into();
        policy.root(kind, &hash).ok_or(VerifyError::Root(kind))?;
        return Ok(key.clone());
    }
    let certificates: Vec<Certificate<'_>> = collateral
        .certificates
        .iter()
        .map(|der| Certificate::parse(der))
        .collect::<Option<_>>()
        .ok_or(VerifyError::Collateral {
            kind,
            what: "a certificate",
        })?;
    let mut leaves = certificates
        .iter()
        .filter(|certificate| !certificate.is_ca());
    let leaf = leaves.next().ok_or(VerifyError::MissingCollateral {
        kind,
        what: "the attestation key or its certificate",
    })?;
    if leaves.next().is_some() {
        return Err(VerifyError::Collateral {
            kind,
            what: "more than one attestation key",
        });
    }
    let (_, chain) = find_chain(leaf, &certificates, now, |hash| policy.root(kind, hash))
        .map_err(|error| VerifyError::chain(kind, error))?;
    check_revocation(&chain, &collateral.revocation_lists, now, false)
        .and_then(|()| check_own_lists(&chain, &policy.revocation_lists, now))
        .map_err(|error| VerifyError::chain(kind, error))?;
    Ok(leaf.public_key_der().to_vec())
}

/// Replays a log: every PCR that it has events of, and that was quoted, must come out as quoted.
fn explained(log: &[u8], pcrs: &BTreeMap<u8, &[u8]>) -> Result<TpmEventLog, VerifyError> {
    let replay = event_log::replay(log)
        .ok_or_else(|| VerifyError::EventLog("it is malformed".to_owned()))?;
    for (index, value) in &replay.pcrs {
        if pcrs.get(index).is_some_and(|quoted| *quoted != value) {
            return Err(VerifyError::EventLog(format!("PCR {index} differs")));
        }
    }
    let mut log = replay.log;
    log.covered.retain(|index| pcrs.contains_key(index));
    Ok(log)
}

/// Checks the key, the signature and the PCR values, and reads the claims.
pub(crate) fn claims(
    bytes: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    now: i64,
) -> Result<Claims, VerifyError> {
    let kind = Kind::Tpm;
    let malformed = || VerifyError::Malformed(kind);
    let body = body(bytes).ok_or_else(malformed)?;
    let attest = attest(body.attest).ok_or_else(malformed)?;
    let der = attestation_key(collateral, policy, now)?;
    let key = Key::from_der(&der).ok_or(VerifyError::Collateral {
        kind,
        what: "the attestation key",
    })?;
    let (algorithm, key_kind, signature) = signature(body.signature)?;
    if key.kind != key_kind || !key.verifies(algorithm, body.attest, &signature) {
        return Err(VerifyError::Signature(kind));
    }
    if attest.bank != SHA256 {
        return Err(VerifyError::Unsupported {
            kind,
            what: "another bank of PCRs than SHA-256",
        });
    }
    if !selected(attest.selection).eq(body.pcrs.keys().copied()) || body.pcrs.is_empty() {
        return Err(VerifyError::PcrDigest);
    }
    let values = body
        .pcrs
        .values()
        .fold(Sha256::new(), |hash, value| hash.chain_update(value));
    if attest.digest != &values.finalize()[..] {
        return Err(VerifyError::PcrDigest);
    }
    let event_log = collateral
        .event_log
        .as_ref()
        .map(|log| explained(log, &body.pcrs))
        .transpose()?;
    let selected = body.pcrs.keys().copied().collect();
    Ok(Claims {
        kind,
        hardware_rooted: false,
        debug: false,
        measurement: measurement(&selected, attest.digest).ok_or_else(malformed)?,
        report_data: attest.extra_data.to_vec(),
        issued_at_ms: None,
        device: Sha256::digest(&der).to_vec(),
        details: Details::Tpm(TpmDetails {
            pcrs: body
                .pcrs
                .iter()
                .map(|(index, value)| (*index, hex::encode(value)))
                .collect(),
            clock: attest.clock,
            reset_count: attest.reset_count,
            restart_count: attest.restart_count,
            safe: attest.safe,
            firmware_version: attest.firmware_version,
            event_log,
        }),
    })
}
