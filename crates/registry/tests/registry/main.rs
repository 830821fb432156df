//! The registry's operations over a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod admission;
mod apply;
mod cases;
mod common;
mod crud;
mod custom;
mod delete;
mod hostile;
mod index;
mod limits;
mod pod_security;
mod policies;
mod reference;
mod stream;
mod watch;
