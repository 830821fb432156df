//! The control plane assembled: storage, identity, joining, live stake, tunnels, API server,
//! controllers and scheduler in one process.
//!
//! This crate wires; what a part does is in the part's crate. [`run`] is the whole of it.

mod addresses;
mod allow_list;
mod anchor;
mod audit;
mod config;
mod enroll;
mod error;
mod extension_apis;
mod front_proxy;
mod handover;
mod identity;
mod join;
mod keyring;
mod metrics;
mod operations;
mod pod_network;
mod protect;
mod recovery;
mod retirement;
mod routes;
mod server;
mod stake;
mod storage;
mod tunnels;
mod vault;
pub mod wire;
mod witnesses;

pub use allow_list::NotAllowed;
pub use anchor::{AnchorError, RollbackError};
pub use audit::AuditError;
pub use config::{Config, InvalidConfig, KeyCache, TeeChoice};
pub use enroll::{EnrollError, enroll, expectation};
pub use error::ServerError;
pub use handover::HandoverError;
pub use identity::IdentityError;
pub use keyring::{AcquireError, KeyringError};
pub use protect::{Protection, protect_process};
pub use recovery::RecoveryError;
pub use retirement::RetirementError;
pub use server::{run, run_in};
pub use storage::StorageError;
pub use tunnels::Tunnels;
pub use vault::VaultError;
