//! A load generator for any Kubernetes API server.
//!
//! It works in a namespace of its own, which it creates and removes; everything it does is bounded in count and time.
//! Each client is a closed loop over an HTTP/2 connection of its own: it sends, waits for the whole answer, sends
//! again. A time is from the request's first byte to the answer's last.
//!
//! What it makes by default are pods with a scheduler that does not exist: they are stored as any pod and never run.

mod connection;
mod error;
mod fan_out;
mod load;
mod object;
mod observer;
mod options;
mod run;
mod statistics;
mod target;
mod workspace;

pub use error::BenchError;
pub use observer::{Observer, Silent};
pub use options::{Encoding, Kind, Operation, Options};
pub use run::{Outcome, run};
pub use statistics::{Latency, Measurement};
pub use target::Target;
