//! Providers of trusted execution: what produces evidence and, where the hardware can, sealing keys.
//!
//! [`Provider`] is the contract; each kind has its own module: [`nitro`], [`snp`], [`tdx`], [`sgx`], `tpm` (behind the
//! feature of that name) and [`Simulated`]. [`open`] opens the kind that is asked for, or the strongest that
//! [`Detection`] finds, never a weaker one instead. The verifier is another crate (`tee-verify`), so that who checks
//! evidence needs nothing of who makes it.

mod collateral_files;
mod derive;
mod detect;
mod error;
pub mod nitro;
mod provider;
pub mod sgx;
mod simulated;
pub mod snp;
pub mod tdx;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tpm")]
pub mod tpm;
pub mod tsm;

pub use detect::{Detection, Devices, OpenOptions, open};
pub use error::OpenError;
pub use provider::{
    AttestError, Capabilities, CollateralError, Counter, CounterError, Provider, SealKey,
    SealKeyError, SealPolicy,
};
pub use simulated::{Simulated, SimulatedError};

/// A binding as report data of 64 bytes: zeros follow it.
pub(crate) fn padded(binding: &tee_verify::Binding) -> [u8; 64] {
    let mut data = [0; 64];
    for (to, from) in data.iter_mut().zip(binding.as_bytes()) {
        *to = *from;
    }
    data
}
