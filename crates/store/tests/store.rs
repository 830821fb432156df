//! The store over a log in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "store/basics.rs"]
mod basics;
#[path = "store/common.rs"]
mod common;
#[path = "store/model.rs"]
mod model;
#[path = "store/tamper.rs"]
mod tamper;
