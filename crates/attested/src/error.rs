//! Why a control plane is not talked to.

use seal::wire::Refusal;
use tee_verify::VerifyError;

/// A connection was not attested, or a request on it failed.
#[derive(Debug, thiserror::Error)]
pub enum AttestedError {
    /// It can't be reached: try again.
    #[error("the control plane at {address} can't be reached")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS was not agreed upon: it is no TLS 1.3 server, or another party is in between.
    #[error("no TLS 1.3 connection with the control plane at {address}")]
    Tls {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The TLS key is none of those that the chain names for this cluster.
    #[error(
        "the control plane at {address} has a TLS key that the chain does not name for this cluster"
    )]
    UnregisteredKey {
        /// Where.
        address: String,
    },
    /// It is another cluster's.
    #[error("the control plane at {address} is of cluster {found}, not {expected}")]
    OtherCluster {
        /// Where.
        address: String,
        /// The cluster that it says it is of.
        found: String,
        /// The cluster that was meant.
        expected: String,
    },
    /// Its evidence does not hold.
    #[error("the control plane at {address} is not trusted")]
    Evidence {
        /// Where.
        address: String,
        /// Which check failed.
        #[source]
        source: VerifyError,
    },
    /// The connection broke, or the answer came too late or is too large.
    #[error("the connection with the control plane failed: {0}")]
    Connection(String),
    /// The answer is not what the protocol says.
    #[error("the control plane's answer is not understood: {0}")]
    Answer(String),
    /// The control plane refuses, with its reason.
    #[error("the control plane refuses: {0}")]
    Refused(Refusal),
}

impl AttestedError {
    /// Whether the same may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Connection(_) => true,
            Self::Refused(refusal) => refusal.code.status() >= 500 || refusal.code.status() == 429,
            _ => false,
        }
    }
}
