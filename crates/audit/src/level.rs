//! How much of a request is recorded, and when.

use serde::{Deserialize, Serialize};

/// How much is recorded.
// upstream: apiserver/pkg/apis/audit/v1/types.go#Level
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who, what, when and the answer's code.
    Metadata,
    /// The request's body too.
    Request,
    /// The answer's body too.
    RequestResponse,
}

impl Level {
    /// Upstream's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// When in a request's life an event is made.
// upstream: apiserver/pkg/apis/audit/v1/types.go#Stage
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// As soon as it is known who asks, before anything is done.
    RequestReceived,
    /// A long-running answer's headers are sent.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// A handler panicked.
    Panic,
}
