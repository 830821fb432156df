//! Providers against devices made of software.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gramine;
mod nitro;
mod selection;
mod software_tpm;
mod tsm;

use std::time::SystemTime;

use tee::Provider;
use tee_verify::{Binding, BindingInput, Claims, Policy, Role, VerifyError, verify};

fn binding(nonce: u8) -> Binding {
    Binding::of(&BindingInput {
        cluster: [1; 32],
        role: Role::Server,
        tls_key: [2; 32],
        channel: &[3; 32],
        nonce: [nonce; 32],
    })
}

/// What a verifier says of fresh evidence over `binding(4)`, expecting `expected`.
fn judge(
    provider: &dyn Provider,
    policy: &Policy,
    expected: &Binding,
) -> Result<Claims, VerifyError> {
    let evidence = provider.attest(&binding(4)).unwrap();
    let collateral = provider.collateral().unwrap();
    verify(&evidence, &collateral, policy, SystemTime::now(), expected)
}
