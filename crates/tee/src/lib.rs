//! Providers of trusted execution: what produces evidence and, where the hardware can, sealing keys.
//!
//! [`Provider`] is the contract; each kind has its own module. The verifier is another crate
//! (`tee-verify`), so that who checks evidence needs nothing of who makes it.

mod provider;
mod simulated;

pub use provider::{AttestError, Capabilities, Provider, SealKey, SealKeyError, SealPolicy};
pub use simulated::{OpenError, Simulated};
