//! The Sui side of K3s-DaaS: a typed client for the `k3s_daas` package.
//!
//! It speaks Sui's gRPC v2 protocol through the unmodified [`sui_rpc`] client, so that the same
//! code works against a Sui full node and against the embedded development ledger.
//!
//! - [`keystore`] reads and writes keys in Sui's own `sui.keystore` format.
//! - [`Client`] builds, signs, sends and looks up transactions. A signed transaction is a value
//!   that can be stored before it is sent ([`SignedTransaction`]), which is what makes a payment
//!   happen once: after a crash [`Client::settle`] finds out what became of it.
//! - [`calls`] has one function per entry of the package, [`objects`] one type per object and
//!   [`events`] one type per event.
//! - [`stream`] follows the package's events from a durable cursor, in order, without gaps and
//!   without duplicates.
//! - [`publish`] publishes the package, once, on any network.
//! - [`Quorum`] reads through several nodes that have to agree.
//! - [`wallet`] verifies what a wallet signed (user login).
//!
//! Every failure is a [`ChainError`], sorted into network (try again), chain (the ledger said no)
//! and configuration (a person has to change something).

mod abort;
mod call;
pub mod calls;
mod client;
mod deployment;
mod error;
pub mod events;
pub mod keystore;
pub mod objects;
pub mod publish;
mod quorum;
pub mod stream;
mod transaction;
pub mod wallet;

pub use client::{Client, ClientOptions};
pub use deployment::{Deployment, SharedObject};
pub use error::{Abort, ChainError, ErrorClass};
pub use quorum::Quorum;
pub use sui_sdk_types::{Address, Digest};
/// The wall clock: milliseconds since 1970. What is compared with times on the chain.
#[must_use]
pub fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

pub use transaction::{Created, Executed, GasUsed, Outcome, Settlement, SignedTransaction};
