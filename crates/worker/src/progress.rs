//! What a worker tells whoever started it.

use std::sync::Arc;

/// A step, for people, or that the node has joined and its agent runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// What it is doing.
    Doing(&'a str),
    /// The node is in the cluster; its agent runs.
    Ready,
}

/// Where the steps go. Cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step<'_>) + Send + Sync>);

impl Progress {
    /// Calls `tell` with each step.
    pub fn new(tell: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn doing(&self, what: &str) {
        (self.0)(Step::Doing(what));
    }

    pub(crate) fn ready(&self) {
        (self.0)(Step::Ready);
    }
}
