//! Evidence made here, under roots made here: what real vectors can't show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod dcap;
mod hostile;
mod nitro;
mod snp;
mod tpm;
