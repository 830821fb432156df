//! Controllers over a registry in memory, with nodes that only say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod autoscaling;
mod bounds;
mod certificates;
mod collection;
mod custom;
mod daemon_sets;
mod deployments;
mod harness;
mod jobs;
mod namespaces;
mod policies;
mod replica_sets;
mod services;
mod stateful_sets;
mod storage;
