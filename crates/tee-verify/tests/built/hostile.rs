//! Evidence and collateral that are made to hurt: whatever comes, it is refused soon.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tee_verify::offline::{At, OfflinePolicy, judge};
use tee_verify::{Collateral, Evidence, Kind, MAX_EVIDENCE, Policy, verify};

use crate::authority::{Entity, now};

/// Far more than a verification takes on a busy machine, far less than one that is not bounded.
const SOON: Duration = Duration::from_secs(20);

fn all_refused(body: &[u8], collateral: &Collateral) {
    for kind in Kind::ALL {
        let evidence = Evidence::new(kind, body.to_vec()).unwrap();
        let verdict = judge(
            &evidence,
            collateral,
            &OfflinePolicy::default(),
            &[],
            At::Time(now()),
        );
        assert_ne!(verdict.exit_code(), 0, "{kind}");
        let binding = tee_verify::Binding([0; 32]);
        assert!(verify(&evidence, collateral, &Policy::new(), now(), &binding).is_err());
    }
}

#[test]
fn the_largest_bodies_are_refused_soon() {
    let begun = Instant::now();
    for fill in [0x00, 0x30, 0x5f, 0x84, 0x9f, 0xbf, 0xff] {
        all_refused(&vec![fill; MAX_EVIDENCE], &Collateral::default());
    }
    // Nested arrays and maps of CBOR, as deep as they go.
    for head in [
        &b"\x84\x44\xa1\x01\x38\x22\xa0"[..],
        b"DAASTPM1",
        b"DAASSIM1",
    ] {
        for fill in [0x81, 0xa1, 0x00, 0xff] {
            let mut body = head.to_vec();
            body.resize(MAX_EVIDENCE, fill);
            all_refused(&body, &Collateral::default());
        }
    }
    assert!(begun.elapsed() < SOON);
}

#[test]
fn many_certificates_are_refused_soon() {
    let begun = Instant::now();
    let authority = Entity::root("SEV-Milan");
    let mut report = vec![0; 0x4a0];
    report[0] = 2;
    // Every certificate names every other as its issuer: a chain without an end.
    let mut collateral = Collateral::default();
    for _ in 0..32 {
        collateral.add(&authority.der).unwrap();
    }
    all_refused(&report, &collateral);
    assert!(collateral.add(&authority.der).is_err());
    collateral.certificates.push(authority.der.clone());
    all_refused(&report, &collateral);
    // A list of revoked certificates that is all there is room for.
    let mut collateral = Collateral::default();
    collateral.revocation_lists.push(vec![0x30; 1024 * 1024]);
    all_refused(&report, &collateral);
    collateral.revocation_lists.push(vec![0x30; 1]);
    all_refused(&report, &collateral);
    assert!(begun.elapsed() < SOON);
}

#[test]
fn collateral_of_the_wrong_sort_is_an_error() {
    let mut collateral = Collateral::default();
    for file in [
        &b""[..],
        b"{}",
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nx",
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(collateral.add(file).is_err());
        assert!(collateral.add_dcap(file).is_err());
    }
    assert!(collateral.is_empty());
    let many = format!(r#"{{"certificates":[{}"AA=="]}}"#, r#""AA==","#.repeat(40));
    assert!(serde_json::from_str::<Collateral>(&many).is_err());
    assert!(serde_json::from_str::<Collateral>(r#"{"certificates":["!"]}"#).is_err());
    assert!(serde_json::from_str::<Collateral>(r#"{"eventLog":"!"}"#).is_err());
}

#[test]
fn collateral_travels_as_json() {
    let mut collateral = Collateral::default();
    let authority = Entity::root("ARK-Private");
    collateral.add(&authority.der).unwrap();
    collateral.add(&authority.revoke(&["x"])).unwrap();
    collateral.event_log = Some(vec![1, 2, 3]);
    let json = serde_json::to_string(&collateral).unwrap();
    let read: Collateral = serde_json::from_str(&json).unwrap();
    assert_eq!(read, collateral);
    assert_eq!(serde_json::to_string(&Collateral::default()).unwrap(), "{}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_is_refused(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
        all_refused(&body, &Collateral::default());
    }

    #[test]
    fn garbage_after_a_true_beginning_is_refused(
        head in prop::sample::select(vec![
            vec![3, 0, 2, 0, 0, 0, 0, 0], vec![4, 0, 2, 0, 0x81, 0, 0, 0], vec![5, 0, 2, 0, 0x81, 0, 0, 0],
            b"DAASTPM1".to_vec(), b"DAASSIM1".to_vec(), vec![0x84, 0x44, 0xa1, 1, 0x38, 0x22, 0xa0, 0x59],
        ]),
        tail in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        all_refused(&[head, tail].concat(), &Collateral::default());
    }

    #[test]
    fn garbage_as_collateral_never_panics(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut collateral = Collateral::default();
        let _ = collateral.add(&file);
        let _ = collateral.add_dcap(&file);
        let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
        pem.extend(&file);
        let _ = collateral.add(&pem);
        prop_assert!(collateral.certificates.len() <= 32);
    }
}
