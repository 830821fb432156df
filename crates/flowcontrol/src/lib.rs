//! Priority and fairness: which requests go first when there are more than can be served.
//!
//! A request is classified by the flow schemas (the first that matches, by precedence) into a priority level and, within
//! it, a flow (a user or a namespace). Each level has its share of the seats and lends what it does not need. Within a
//! level flows are shuffle-sharded over queues that are served fairly, so that one flow's flood does not hold up another.
//! What it leaves to others: reading the configuration objects, and what an answer looks like (`apiserver`).
// upstream: staging/src/k8s.io/apiserver/pkg/util/flowcontrol

mod allocation;
mod config;
mod controller;
mod demand;
mod digest;
mod metrics;
mod queue_set;
mod shuffle;
mod width;

pub use config::{ConfigError, Dangling, FlowSchema, PriorityLevel};
pub use controller::{Classified, Entered, FlowControl, Permit, RejectReason};
pub use digest::Digest;
pub use width::{ListShape, list_seats};
