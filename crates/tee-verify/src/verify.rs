//! The verification itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::kind::simulated;
use crate::{Binding, Claims, Evidence, Kind, Measurement, Policy};

/// What verification needs besides the evidence: certificates, revocation lists and TCB information that
/// vendors publish. `simulated` needs none; the kinds that do bring their own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collateral {}

/// Which check failed. In the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The policy doesn't name this kind (or is for production, and the kind is simulated).
    #[error("evidence of kind {0} is not accepted by the policy")]
    KindNotAllowed(Kind),
    /// This build has no verifier for the kind.
    #[error("evidence of kind {0} cannot be verified by this version")]
    Unsupported(Kind),
    /// The body doesn't parse, or not completely.
    #[error("malformed {0} evidence")]
    Malformed(Kind),
    /// The chain of certificates doesn't end at the vendor's root.
    #[error("{0} evidence is not certified by the root of its kind")]
    Root(Kind),
    /// The report's signature doesn't verify.
    #[error("the signature of the {0} evidence does not verify")]
    Signature(Kind),
    /// A debug mode: what it computes can be read from outside.
    #[error("the instance runs in debug mode")]
    Debug,
    /// Made for another key, connection, cluster or nonce: relayed, replayed or stale.
    #[error("the evidence is bound to another connection, key or nonce")]
    Binding,
    /// The hardware's time is ahead of ours.
    #[error("the evidence is from the future")]
    FromFuture,
    /// Made too long ago.
    #[error("the evidence is older than the policy allows")]
    Stale,
    /// Genuine, but not code that the policy lists.
    #[error("measurement {measurement} ({kind}) is not on the allow-list")]
    MeasurementNotAllowed {
        /// The kind of the evidence.
        kind: Kind,
        /// What runs.
        measurement: Measurement,
    },
}

/// Verifies `evidence` at time `now` against the policy and the binding that the caller computed itself.
pub fn verify(
    evidence: &Evidence,
    _collateral: &Collateral,
    policy: &Policy,
    now: SystemTime,
    expected: &Binding,
) -> Result<Claims, VerifyError> {
    let kind = evidence.kind;
    if !policy.allows_kind(kind) {
        return Err(VerifyError::KindNotAllowed(kind));
    }
    let claims = match kind {
        Kind::Simulated => simulated::claims(evidence.body())?,
        Kind::Nitro | Kind::Sgx | Kind::Tdx | Kind::Snp | Kind::Tpm => {
            return Err(VerifyError::Unsupported(kind));
        }
    };
    if claims.debug {
        return Err(VerifyError::Debug);
    }
    if claims.binding != *expected {
        return Err(VerifyError::Binding);
    }
    let issued = UNIX_EPOCH
        .checked_add(Duration::from_millis(claims.issued_at_ms))
        .ok_or(VerifyError::FromFuture)?;
    match now.duration_since(issued) {
        Ok(age) if age > policy.max_age => return Err(VerifyError::Stale),
        Err(ahead) if ahead.duration() > policy.max_skew => return Err(VerifyError::FromFuture),
        Ok(_) | Err(_) => {}
    }
    if !policy.allows(kind, &claims.measurement) {
        return Err(VerifyError::MeasurementNotAllowed {
            kind,
            measurement: claims.measurement,
        });
    }
    Ok(claims)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(got, Err(VerifyError::Unsupported(kind)));
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
