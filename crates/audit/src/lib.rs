//! Who did what, when: audit events by a policy, in a log that shows when it was tampered with.
//!
//! What this crate guarantees: an event has upstream's form (`audit.k8s.io/v1`), one JSON object a line; every line
//! carries a hash over itself and the line before, so that a dropped, changed, inserted or reordered line is found
//! offline ([`verify`]), and a cut-off end is found by whoever knows the chain's head ([`ChainHead`]). Lines that cannot
//! be written are counted and the next line says how many they were. What it leaves to others: when an event is made and
//! what is in it (`apiserver`), and where the head is kept safe (`nautilus`).
// upstream: staging/src/k8s.io/apiserver/pkg/audit

mod chain;
mod event;
mod level;
mod log;
mod metrics;
mod options;
mod policy;
mod sealing;
mod verify;

pub use chain::{ChainHead, ChainLink, ParseHeadError};
pub use event::{Event, ObjectReference, ResponseStatus, User, micro_time, without_managed_fields};
pub use level::{Level, Stage};
pub use log::{AuditLog, Backend, Lost, OpenError, ReadError, read};
pub use metrics::Metrics;
pub use options::{LogOptions, Mode};
pub use policy::{Config, Policy, PolicyError, Request};
pub use sealing::Cipher;
pub use verify::{Problem, Report, VerifyError, verify};
