//! The binary as a user runs it: real containerd, real kubectl, real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_input;
mod enclave;
mod system;
mod trust;
mod whole_life;
