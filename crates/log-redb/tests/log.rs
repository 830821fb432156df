//! The redb log, alone and under a store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "log/crash.rs"]
mod crash;
#[path = "log/file.rs"]
mod file;
#[path = "log/sealed.rs"]
mod sealed;
#[path = "log/tampered.rs"]
mod tampered;
