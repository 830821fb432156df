//! An embedded Sui-compatible ledger, for development and CI.
//!
//! It serves Sui's gRPC v2 services, so that the unmodified `sui-rpc` client works, in front of
//! [`contract_model`], which executes the `k3s_daas` package. One process, no validators: what a
//! checkpoint lacks, honestly, is a committee's signature.
//!
//! Guarantees:
//! - A transaction is decoded from its BCS, its signatures are verified and belong to its sender,
//!   its inputs are at the versions that it names; effects, events and objects have the digests
//!   that a Sui client computes.
//! - Executing the same transaction again gives the stored effects. Of two transactions that use
//!   the same version of an owned object at most one is executed.
//! - Every MIST is accounted for: coins, stakes, the treasury, fees and the storage fund add up to
//!   the supply of genesis ([`Supply`]).
//! - What was acknowledged survives `kill -9`: an append-only log, synchronised before any answer,
//!   checked from end to end when it is opened.
//!
//! Left out: validators and their signatures, sponsored transactions, address balances, publishing
//! of packages, Move bytecode. What is not served answers `UNIMPLEMENTED`.

mod config;
mod cursor;
mod deployment;
mod error;
mod execute;
mod executor;
mod filter;
mod gas;
mod genesis;
mod headers;
mod log;
mod record;
mod render;
mod server;
mod service;
mod state;

pub use config::{GenesisOptions, LedgerConfig};
pub use contract_model::Parameters;
pub use deployment::{Deployment, SharedObject};
pub use error::LedgerError;
pub use gas::Supply;
pub use server::{Handle, serve};
