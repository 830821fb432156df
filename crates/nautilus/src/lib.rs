//! The control plane assembled: storage, identity, joining, live stake, tunnels, API server,
//! controllers and scheduler in one process.
//!
//! This crate wires; what a part does is in the part's crate. [`run`] is the whole of it.

mod addresses;
mod audit;
mod config;
mod error;
mod front_proxy;
mod identity;
mod join;
mod metrics;
mod pod_network;
mod routes;
mod server;
mod stake;
mod storage;
mod tunnels;
mod vault;

pub use audit::AuditError;
pub use config::{Config, InvalidConfig, TeeChoice};
pub use error::ServerError;
pub use identity::IdentityError;
pub use server::run;
pub use storage::StorageError;
pub use tunnels::Tunnels;
pub use vault::VaultError;
