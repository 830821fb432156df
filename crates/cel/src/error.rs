//! Why an evaluation has no value.

use std::sync::Arc;

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// One evaluation cost more than it may.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostLimit,
    /// All evaluations of a request together cost more than they may.
    #[error(
        "validation failed due to running out of cost budget, no further validation rules will be run"
    )]
    Budget,
    /// The expression failed: `no such key: a`.
    #[error("{0}")]
    Runtime(Arc<str>),
}

impl EvalError {
    pub(crate) fn runtime(message: impl Into<Arc<str>>) -> Self {
        EvalError::Runtime(message.into())
    }

    pub(crate) fn no_overload() -> Self {
        EvalError::runtime("no such overload")
    }

    pub(crate) fn no_key(key: &str) -> Self {
        EvalError::runtime(format!("no such key: {key}"))
    }

    pub(crate) fn int_overflow() -> Self {
        EvalError::runtime("integer overflow")
    }

    /// Whether evaluation ends whatever is around the failed part.
    pub(crate) fn is_fatal(&self) -> bool {
        !matches!(self, EvalError::Runtime(_))
    }
}
