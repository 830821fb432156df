//! Keys, anchors, hand-over and recovery: whole control planes in this process, on a real ledger, in simulated TEEs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "trust/anchors.rs"]
mod anchors;
#[path = "trust/leaks.rs"]
mod leaks;
#[path = "trust/recovery.rs"]
mod recovery;
#[path = "trust/upgrade.rs"]
mod upgrade;
#[path = "trust/world.rs"]
mod world;
