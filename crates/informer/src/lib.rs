//! What controllers and the scheduler are built on: a cache of one resource that follows the store
//! ([`Informer`]), and a queue of keys to work on ([`WorkQueue`]).
//!
//! Both are client-go's mechanisms, in process: the registry's watch takes the place of HTTP, and
//! nothing is polled.

mod backoff;
mod cache;
mod informer;
mod key;
mod queue;
mod workers;

pub use backoff::Backoff;
pub use cache::Cache;
pub use informer::{Change, Informer, revision};
pub use key::Key;
pub use queue::WorkQueue;
pub use workers::{Outcome, run_workers};
