//! Attestation, joining, renewal, heartbeats and logins: the server's side of `seal::wire`.
//!
//! [`JoinService::handle`] answers one HTTP request on a [`Channel`]: what the server knows of the TLS
//! connection that it came on. Every decision is made on objects read from the chain at that moment, not on what a
//! client says or what was true before; what must be remembered (which token a node joined with, and with
//! which key) goes through [`JoinRecords`].

mod challenges;
mod check;
mod heartbeats;
mod metrics;
mod records;
mod service;

pub use check::{ChainReadError, ChainReader};
pub use heartbeats::{HeartbeatState, Heartbeats};
pub use metrics::JoinMetrics;
pub use records::{JoinRecord, JoinRecords, MemoryRecords, RecordsError};
pub use service::{Answer, Authorities, Channel, JoinParts, JoinService};
