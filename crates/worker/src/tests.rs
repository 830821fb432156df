//! The worker against a real ledger and a control plane of the real join service behind real TLS: what it pays, whom it
//! trusts, and what it sends to whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hardware;
mod join;
mod node;
mod server;
mod staking;
mod world;
