//! Who is told how far a benchmark is.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::Measurement;

/// Is told how far a benchmark is.
pub trait Observer: Send + Sync {
    /// A phase begins: `done` counts up to `of` at most.
    fn begins(&self, phase: &str, of: u64, done: Arc<AtomicU64>);

    /// A measurement is complete.
    fn measured(&self, measurement: &Measurement);

    /// Something worth knowing.
    fn note(&self, text: &str);
}

/// Tells nobody.
pub struct Silent;

impl Observer for Silent {
    fn begins(&self, _: &str, _: u64, _: Arc<AtomicU64>) {}
    fn measured(&self, _: &Measurement) {}
    fn note(&self, _: &str) {}
}
