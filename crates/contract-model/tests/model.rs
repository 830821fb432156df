//! The contracts' model: execution, economics, and its agreement with the Move package.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs
)]

#[path = "model/execution.rs"]
mod execution;
#[path = "model/support.rs"]
mod support;
