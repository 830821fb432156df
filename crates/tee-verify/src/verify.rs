//! The verification itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::kind::{nitro, sgx, simulated, snp, tdx, tpm};
use crate::{Binding, Claims, Collateral, Evidence, Kind, Policy, VerifyError};

/// Verifies `evidence` at time `now` against the policy and the binding that the caller computed itself.
///
/// The time and memory that it takes are bounded, whatever the evidence and the collateral are.
pub fn verify(
    evidence: &Evidence,
    collateral: &Collateral,
    policy: &Policy,
    now: SystemTime,
    expected: &Binding,
) -> Result<Claims, VerifyError> {
    let kind = evidence.kind;
    if !policy.allows_kind(kind) {
        return Err(VerifyError::KindNotAllowed(kind));
    }
    let claims = authenticate(evidence, collateral, policy, now)?;
    if claims.binding().as_ref() != Some(expected) {
        return Err(VerifyError::Binding);
    }
    check_age(&claims, now, Some(policy.max_age), policy.max_skew)?;
    if !policy.allows(kind, &claims.measurement) {
        return Err(VerifyError::MeasurementNotAllowed {
            kind,
            measurement: claims.measurement,
        });
    }
    Ok(claims)
}

/// Everything but what only the caller knows: binding, age and allow-list. No debug mode passes.
pub(crate) fn authenticate(
    evidence: &Evidence,
    collateral: &Collateral,
    policy: &Policy,
    now: SystemTime,
) -> Result<Claims, VerifyError> {
    let kind = evidence.kind;
    if policy.refuses_kind(kind) {
        return Err(VerifyError::KindNotAllowed(kind));
    }
    if collateral.is_excessive() {
        return Err(VerifyError::Collateral {
            kind,
            what: "too many certificates, keys or lists",
        });
    }
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(i64::MIN);
    let body = evidence.body();
    let claims = match kind {
        Kind::Simulated => simulated::claims(body)?,
        Kind::Nitro => nitro::claims(body, policy, seconds)?,
        Kind::Snp => snp::claims(body, collateral, policy, seconds)?,
        Kind::Sgx => sgx::claims(body, collateral, policy, seconds)?,
        Kind::Tdx => tdx::claims(body, collateral, policy, seconds)?,
        Kind::Tpm => tpm::claims(body, collateral, policy, seconds)?,
    };
    if claims.debug {
        return Err(VerifyError::Debug);
    }
    Ok(claims)
}

/// Whether the time that the hardware says, if it says one, is near enough to `now`.
pub(crate) fn check_age(
    claims: &Claims,
    now: SystemTime,
    max_age: Option<Duration>,
    max_skew: Duration,
) -> Result<(), VerifyError> {
    let Some(issued) = claims.issued_at_ms else {
        return Ok(());
    };
    let issued = UNIX_EPOCH
        .checked_add(Duration::from_millis(issued))
        .ok_or(VerifyError::FromFuture)?;
    match now.duration_since(issued) {
        Ok(age) if max_age.is_some_and(|most| age > most) => Err(VerifyError::Stale),
        Err(ahead) if ahead.duration() > max_skew => Err(VerifyError::FromFuture),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;
    use crate::Measurement;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(NOW_MS)
    }

    fn measurement(fill: u8) -> Measurement {
        Measurement::from_bytes(&[fill; 48]).unwrap()
    }

    fn policy() -> Policy {
        Policy::new().allow(Kind::Simulated, measurement(7))
    }

    fn body(root: &[u8; 32], issued_ms: u64, binding: [u8; 32], measured: u8) -> Vec<u8> {
        let root = Ed25519KeyPair::from_seed_unchecked(root).unwrap();
        let device = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let device_key: [u8; 32] = device.public_key().as_ref().try_into().unwrap();
        let mut body = simulated::MAGIC.to_vec();
        body.extend(device_key);
        body.extend(root.sign(&simulated::device_message(&device_key)).as_ref());
        body.extend(issued_ms.to_le_bytes());
        body.extend(binding);
        body.extend([measured; 48]);
        let signature = device.sign(&simulated::report_message(&body));
        body.extend(signature.as_ref());
        body
    }

    fn check(policy: &Policy, body: Vec<u8>) -> Result<Claims, VerifyError> {
        let evidence = Evidence::new(Kind::Simulated, body).unwrap();
        verify(
            &evidence,
            &Collateral::default(),
            policy,
            now(),
            &Binding([1; 32]),
        )
    }

    fn good() -> Vec<u8> {
        body(&simulated::ROOT_SEED, NOW_MS, [1; 32], 7)
    }

    #[test]
    fn good_evidence_gives_claims() {
        let claims = check(&policy(), good()).unwrap();
        assert!(!claims.hardware_rooted);
        assert_eq!(claims.measurement, measurement(7));
    }

    #[test]
    fn simulated_is_refused_unless_named() {
        let refused = Err(VerifyError::KindNotAllowed(Kind::Simulated));
        assert_eq!(check(&Policy::new(), good()), refused);
        let nitro = Policy::new().allow(Kind::Nitro, measurement(7));
        assert_eq!(check(&nitro, good()), refused);
        assert_eq!(check(&policy().production(), good()), refused);
    }

    #[test]
    fn simulated_evidence_offered_as_another_kind_is_refused() {
        for kind in [Kind::Nitro, Kind::Sgx, Kind::Tdx, Kind::Snp, Kind::Tpm] {
            let evidence = Evidence::new(kind, good()).unwrap();
            let allow = policy().allow(kind, measurement(7));
            let got = verify(
                &evidence,
                &Collateral::default(),
                &allow,
                now(),
                &Binding([1; 32]),
            );
            assert_eq!(got, Err(VerifyError::Malformed(kind)));
        }
    }

    #[test]
    fn wrong_root() {
        let forged = body(&[9; 32], NOW_MS, [1; 32], 7);
        assert_eq!(
            check(&policy(), forged),
            Err(VerifyError::Root(Kind::Simulated))
        );
    }

    #[test]
    fn other_connection_or_nonce() {
        let relayed = body(&simulated::ROOT_SEED, NOW_MS, [2; 32], 7);
        assert_eq!(check(&policy(), relayed), Err(VerifyError::Binding));
    }

    #[test]
    fn stale_and_future() {
        let old = body(&simulated::ROOT_SEED, NOW_MS - 301_000, [1; 32], 7);
        assert_eq!(check(&policy(), old), Err(VerifyError::Stale));
        let edge = body(&simulated::ROOT_SEED, NOW_MS - 299_000, [1; 32], 7);
        assert!(check(&policy(), edge).is_ok());
        let ahead = body(&simulated::ROOT_SEED, NOW_MS + 61_000, [1; 32], 7);
        assert_eq!(check(&policy(), ahead), Err(VerifyError::FromFuture));
        let never = body(&simulated::ROOT_SEED, u64::MAX, [1; 32], 7);
        assert_eq!(check(&policy(), never), Err(VerifyError::FromFuture));
    }

    #[test]
    fn unlisted_measurement() {
        let other = body(&simulated::ROOT_SEED, NOW_MS, [1; 32], 8);
        assert_eq!(
            check(&policy(), other),
            Err(VerifyError::MeasurementNotAllowed {
                kind: Kind::Simulated,
                measurement: measurement(8)
            })
        );
        let zero = body(&simulated::ROOT_SEED, NOW_MS, [1; 32], 0);
        assert_eq!(
            check(&policy(), zero),
            Err(VerifyError::Malformed(Kind::Simulated))
        );
    }

    #[test]
    fn oversized_and_trailing_data() {
        assert!(Evidence::new(Kind::Simulated, vec![0; crate::MAX_EVIDENCE + 1]).is_err());
        let mut long = good();
        long.push(0);
        assert_eq!(
            check(&policy(), long),
            Err(VerifyError::Malformed(Kind::Simulated))
        );
        let json = format!(r#"{{"kind":"simulated","body":"{}"}}"#, "A".repeat(100_000));
        assert!(serde_json::from_str::<Evidence>(&json).is_err());
        let json = r#"{"kind":"simulated","body":"AAAA","more":1}"#;
        assert!(serde_json::from_str::<Evidence>(json).is_err());
    }

    #[test]
    fn json_round_trip() {
        let evidence = Evidence::new(Kind::Simulated, good()).unwrap();
        let json = serde_json::to_string(&evidence).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&json).unwrap(), evidence);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_flipped_bit_is_accepted(bit in 0usize..simulated::BODY * 8) {
            let mut body = good();
            body[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check(&policy(), body).is_err());
        }

        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(check(&policy(), body).is_err());
        }
    }
}
