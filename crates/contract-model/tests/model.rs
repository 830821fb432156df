//! The contracts' model: execution, economics, and its agreement with the Move package.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs
)]

#[path = "model/acts.rs"]
mod acts;
#[path = "model/cluster_acts.rs"]
mod cluster_acts;
#[path = "model/cluster_events.rs"]
mod cluster_events;
#[path = "model/differential.rs"]
mod differential;
#[path = "model/economics.rs"]
mod economics;
#[path = "model/events.rs"]
mod events;
#[path = "model/execution.rs"]
mod execution;
#[path = "model/history.rs"]
mod history;
#[path = "model/support.rs"]
mod support;
#[path = "model/vectors.rs"]
mod vectors;
