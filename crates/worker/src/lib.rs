//! A staker host: stakes, verifies the control plane, joins, runs the node agent, and stops when its
//! stake is gone.
//!
//! [`run`] is the whole life: [`Phase`]s one after the other, each of which a restart finds done or does again
//! without a second payment. Loss of the control plane stops no pod; loss of the right to be in the cluster (slashed,
//! unstaked, revoked) ends every pod and removes all that tenants had here.
//!
//! What lies in the data directory and holds a secret is of mode 0600: `node.key` (Ed25519, made on the first start),
//! `seal.secret` (opens the token's commitment), `sui.keystore`. Certificates and their keys stay in memory: a
//! restarted worker joins again.
//!
//! Connections to the control plane before certificates exist are [`attested::Connection`]s.
//! [`containerd`] is the container runtime that a worker brings along.

mod cleanup;
mod config;
pub mod containerd;
mod control_plane;
mod credentials;
mod error;
mod files;
mod keys;
mod lifecycle;
mod node;
mod progress;
mod retry;
mod runtime;
mod stake;
mod state;

pub use cleanup::cleanup;
pub use config::{Config, InvalidConfig};
pub use error::{Class, WorkerError};
pub use lifecycle::run;
pub use progress::{Progress, Step};
pub use state::{Phase, State};

#[cfg(test)]
mod tests;
