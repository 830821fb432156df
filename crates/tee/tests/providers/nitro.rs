//! `nitro` with a secure module that has a private root.

use tee::nitro::Nitro;
use tee::testing::FakeNsm;
use tee::{Provider as _, SealKeyError, SealPolicy};
use tee_verify::{Kind, Measurement, Policy, VerifyError};

use crate::{binding, judge};

#[test]
fn its_documents_verify_under_the_root_that_the_policy_names() {
    let module = FakeNsm::new([9; 48]);
    let root = module.root_sha256();
    let nitro = Nitro::open(module).unwrap();
    let allow = Policy::new().allow(Kind::Nitro, nitro.measurement().clone());
    let policy = allow.clone().trust_root(Kind::Nitro, root);
    let claims = judge(&nitro, &policy, &binding(4)).unwrap();
    assert_eq!(claims.measurement, *nitro.measurement());
    assert!(!claims.hardware_rooted);

    let wrong_root = judge(&nitro, &allow, &binding(4));
    assert_eq!(wrong_root, Err(VerifyError::Root(Kind::Nitro)));
    let production = policy.clone().production();
    let refused = judge(&nitro, &production, &binding(4));
    assert_eq!(refused, Err(VerifyError::Root(Kind::Nitro)));
    let stale_nonce = judge(&nitro, &policy, &binding(5));
    assert_eq!(stale_nonce, Err(VerifyError::Binding));
    let other = Measurement::from_bytes(&[1; 48]).unwrap();
    let unlisted = Policy::new()
        .allow(Kind::Nitro, other)
        .trust_root(Kind::Nitro, root);
    assert!(matches!(
        judge(&nitro, &unlisted, &binding(4)),
        Err(VerifyError::MeasurementNotAllowed { .. })
    ));
}

#[test]
fn a_debug_enclave_is_refused() {
    let module = FakeNsm::new([0; 48]);
    let root = module.root_sha256();
    let nitro = Nitro::open(module).unwrap();
    let policy = Policy::new()
        .allow(Kind::Nitro, nitro.measurement().clone())
        .trust_root(Kind::Nitro, root);
    let debug = judge(&nitro, &policy, &binding(4));
    assert_eq!(debug, Err(VerifyError::Debug));
}

#[test]
fn it_has_no_sealing() {
    let nitro = Nitro::open(FakeNsm::new([9; 48])).unwrap();
    assert!(!nitro.capabilities().seal);
    assert!(matches!(
        nitro.seal_key(SealPolicy::Device, "x"),
        Err(SealKeyError::Unsupported(Kind::Nitro))
    ));
    assert!(nitro.counter().is_none());
}
