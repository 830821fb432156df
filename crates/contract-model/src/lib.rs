//! The Move package `k3s_daas` as a pure state machine, with the part of Sui's programmable
//! transaction runtime that its callers need.
//!
//! [`unpublished`] gives a [`World`] (all live objects, by id, with BCS contents, types, owners and
//! versions) with nothing but coins, [`genesis`] one in which the package is published. [`execute`] runs a programmable transaction on it
//! and says what it changes ([`Outcome`]) without changing it; [`World::apply`] does. Both are pure:
//! the same world, context and transaction give the same outcome, byte for byte.
//!
//! Left to the caller: signatures, gas prices, storage rebates, checkpoints, persistence.
//!
//! The contracts themselves are the Move sources in `contracts/`; what keeps this model equal to
//! them is [`replay`], which turns a transaction log into a Move test.

pub mod abort;
pub mod bytecode;
pub mod layout;
pub mod replay;

mod execute;
mod framework;
mod genesis;
mod log;
mod outcome;
mod package;
mod types;
mod world;

pub use execute::{Gas, InputError, TxContext, execute};
pub use genesis::{Genesis, GenesisConfig, Parameters, genesis, publication, unpublished};
pub use log::{LogEntry, LogError};
pub use outcome::{ChargeError, Outcome, Removed, ReturnValue, Unchanged, Written};
pub use world::World;
