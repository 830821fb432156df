//! Judging evidence from anywhere, without a connection.
//!
//! What can't be checked for want of an expectation (which measurement, which report data, which age) is named in
//! the verdict. Everything else is checked as on a connection; a debug mode is refused in any case.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::kind::{nitro, simulated};
use crate::verify::{authenticate, check_age};
use crate::{
    Claims, Collateral, Details, Evidence, Kind, Measurement, Policy, SnpTcb, TcbStatus,
    VerifyError,
};

/// What is expected of evidence; as a file, JSON. What isn't given isn't checked, but for what Intel
/// says of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct OfflinePolicy {
    /// Measurements, any of which is accepted.
    pub measurements: Option<BTreeSet<Measurement>>,
    /// Report data in hexadecimal; the evidence's may have zeros after it.
    pub report_data: Option<String>,
    /// Nitro's nonce, in hexadecimal.
    pub nonce: Option<String>,
    /// Nitro's public key, in hexadecimal.
    pub public_key: Option<String>,
    /// Values of PCRs (nitro, tpm) that must be so, in hexadecimal, by index.
    pub pcrs: BTreeMap<u8, String>,
    /// The greatest age of evidence that has a time.
    pub max_age_seconds: Option<u64>,
    /// Refuse `simulated`, and other roots than the vendors'.
    pub production: bool,
    /// The least firmware of an SNP platform.
    pub snp_minimum: Option<SnpTcb>,
    /// The least privileged level that an SNP report may come from.
    pub snp_max_vmpl: Option<u32>,
    /// What Intel may say of a platform. Else: anything but that it is out of date or revoked.
    pub tcb_statuses: Option<BTreeSet<TcbStatus>>,
    /// The least TCB recovery that SGX and TDX collateral must be of.
    pub min_tcb_evaluation: Option<u32>,
}

/// The time at which evidence is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// This one.
    Time(SystemTime),
    /// The one that the evidence itself says.
    Evidence,
}

/// What is known of the evidence. As JSON, `verdict` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// Every check holds.
    Holds {
        /// What it says.
        claims: Box<Claims>,
        /// The time at which it was judged, milliseconds since 1970.
        #[serde(rename = "atMs")]
        at_ms: u64,
        /// The checks that there was no expectation for.
        unchecked: Vec<&'static str>,
    },
    /// A check failed.
    Refused {
        /// Its name, see [`VerifyError::check`].
        check: &'static str,
        /// What about it.
        reason: String,
    },
    /// Nothing was found against it, but it couldn't be judged.
    Unjudged {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// 0, 2 and 1: for a command's exit.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Holds { .. } => 0,
            Self::Unjudged { .. } => 1,
            Self::Refused { .. } => 2,
        }
    }
}

/// The time that evidence says, not verified. Only Nitro and `simulated` say one.
pub fn claimed_time(evidence: &Evidence) -> Option<SystemTime> {
    let body = evidence.body();
    let ms = match evidence.kind {
        Kind::Nitro => nitro::claimed_time_ms(body),
        Kind::Simulated => simulated::claimed_time_ms(body),
        Kind::Snp | Kind::Tdx | Kind::Sgx | Kind::Tpm => None,
    }?;
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

/// Judges evidence. `roots` are trusted besides the vendor's, see [`Policy::trust_root`].
pub fn judge(
    evidence: &Evidence,
    collateral: &Collateral,
    policy: &OfflinePolicy,
    roots: &[[u8; 32]],
    at: At,
) -> Verdict {
    let now = match at {
        At::Time(time) => time,
        At::Evidence => match claimed_time(evidence) {
            Some(time) => time,
            None => return without_time(evidence),
        },
    };
    match check(evidence, collateral, policy, roots, now) {
        Ok((claims, unchecked)) => Verdict::Holds {
            claims: Box::new(claims),
            at_ms: now
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| u64::try_from(since.as_millis()).ok())
                .unwrap_or_default(),
            unchecked,
        },
        Err(error) if error.is_unjudged() => Verdict::Unjudged {
            reason: error.to_string(),
        },
        Err(error) => Verdict::Refused {
            check: error.check(),
            reason: error.to_string(),
        },
    }
}

fn without_time(evidence: &Evidence) -> Verdict {
    match evidence.kind {
        kind @ (Kind::Nitro | Kind::Simulated) => {
            let error = VerifyError::Malformed(kind);
            Verdict::Refused {
                check: error.check(),
                reason: error.to_string(),
            }
        }
        kind @ (Kind::Snp | Kind::Tdx | Kind::Sgx | Kind::Tpm) => Verdict::Unjudged {
            reason: format!("{kind} evidence says no time; name one"),
        },
    }
}

fn check(
    evidence: &Evidence,
    collateral: &Collateral,
    expected: &OfflinePolicy,
    roots: &[[u8; 32]],
    now: SystemTime,
) -> Result<(Claims, Vec<&'static str>), VerifyError> {
    let kind = evidence.kind;
    let policy = policy(kind, expected, roots);
    let claims = authenticate(evidence, collateral, &policy, now)?;
    let mut unchecked = Vec::new();
    check_bound(&claims, expected, &mut unchecked)?;
    let max_age = expected.max_age_seconds.map(Duration::from_secs);
    check_age(&claims, now, max_age, policy.max_skew)?;
    if max_age.is_none() || claims.issued_at_ms.is_none() {
        unchecked.push("freshness");
    }
    match &expected.measurements {
        Some(allowed) if !allowed.contains(&claims.measurement) => {
            return Err(VerifyError::MeasurementNotAllowed {
                kind,
                measurement: claims.measurement,
            });
        }
        Some(_) => {}
        None => unchecked.push("measurement"),
    }
    let registers = match &claims.details {
        Details::Nitro(nitro) => Some(&nitro.pcrs),
        Details::Tpm(tpm) => Some(&tpm.pcrs),
        _ => None,
    };
    for (index, value) in &expected.pcrs {
        let found = registers.and_then(|registers| registers.get(index));
        if found.is_none_or(|found| !found.eq_ignore_ascii_case(value)) {
            return Err(VerifyError::MeasurementNotAllowed {
                kind,
                measurement: claims.measurement,
            });
        }
    }
    if kind == Kind::Snp && expected.snp_max_vmpl.is_none() {
        unchecked.push("vmpl");
    }
    Ok((claims, unchecked))
}

fn policy(kind: Kind, expected: &OfflinePolicy, roots: &[[u8; 32]]) -> Policy {
    let mut policy = roots
        .iter()
        .fold(Policy::new(), |policy, root| policy.trust_root(kind, *root));
    if expected.production {
        policy = policy.production();
    }
    if let Some(minimum) = expected.snp_minimum {
        policy.snp_minimum = minimum;
    }
    policy.snp_max_vmpl = expected.snp_max_vmpl.unwrap_or(u32::MAX);
    match &expected.tcb_statuses {
        Some(statuses) => policy.tcb_statuses.clone_from(statuses),
        None => policy.tcb_statuses.extend([
            TcbStatus::ConfigurationNeeded,
            TcbStatus::ConfigurationAndSWHardeningNeeded,
        ]),
    }
    if let Some(least) = expected.min_tcb_evaluation {
        policy.min_tcb_evaluation = least;
    }
    policy
}

/// Whether evidence is bound to what is expected.
fn check_bound(
    claims: &Claims,
    expected: &OfflinePolicy,
    unchecked: &mut Vec<&'static str>,
) -> Result<(), VerifyError> {
    match &expected.report_data {
        Some(text) => {
            let expected = hex::decode(text).map_err(|_| VerifyError::Binding)?;
            let rest = claims
                .report_data
                .strip_prefix(&expected[..])
                .ok_or(VerifyError::Binding)?;
            if expected.is_empty() || rest.iter().any(|byte| *byte != 0) {
                return Err(VerifyError::Binding);
            }
        }
        None => unchecked.push("binding"),
    }
    let (nonce, public_key) = match &claims.details {
        Details::Nitro(nitro) => (nitro.nonce.as_deref(), nitro.public_key.as_deref()),
        _ => (None, None),
    };
    for (expected, found) in [(&expected.nonce, nonce), (&expected.public_key, public_key)] {
        if let Some(expected) = expected
            && found != Some(expected.to_ascii_lowercase().as_str())
        {
            return Err(VerifyError::Binding);
        }
    }
    Ok(())
}
