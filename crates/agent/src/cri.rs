//! A client of the container runtime: CRI v1 (runtime and image services) and containerd's own
//! event stream, over the runtime's unix socket.

mod client;
pub mod events;
pub mod v1;

pub use client::CriClient;

/// Failure of a call to the runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CriError {
    /// The socket could not be connected to.
    #[error("cannot connect to {socket}")]
    Connect {
        /// The socket's path.
        socket: std::path::PathBuf,
        /// The transport's error.
        #[source]
        source: tonic::transport::Error,
    },
    /// The runtime answered a call with an error.
    #[error("rpc error: code = {:?} desc = {}", .status.code(), .status.message())]
    Call {
        /// The method.
        method: &'static str,
        /// What it answered.
        status: Box<tonic::Status>,
    },
    /// An answer lacked what the protocol demands.
    #[error("{0}: the answer is incomplete")]
    Incomplete(&'static str),
}

impl CriError {
    /// The container, sandbox or image is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code() == tonic::Code::NotFound)
    }

    /// The runtime does not know the method.
    pub fn is_unimplemented(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code() == tonic::Code::Unimplemented)
    }

    /// The runtime's own message, without the method.
    pub fn message(&self) -> String {
        match self {
            Self::Call { status, .. } => status.message().to_owned(),
            other => other.to_string(),
        }
    }
}
