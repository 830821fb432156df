//! The store over a log in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "store/basics.rs"]
mod basics;
#[path = "store/common.rs"]
mod common;
