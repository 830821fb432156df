//! What keeps an agent from doing its work.

use std::path::PathBuf;

/// Failure of a [`crate::NodeAgent`] operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The container runtime can't be reached or refused.
    #[error("container runtime at {socket} does not answer")]
    Runtime {
        /// Path of the CRI socket.
        socket: PathBuf,
        /// What the runtime said.
        #[source]
        source: crate::cri::CriError,
    },
    /// The kind of agent that the configuration asks for is not built in.
    #[error("the {0} agent is not supported by this version; use agent kind native")]
    NotSupported(crate::AgentKind),
    /// The pod network could not be configured.
    #[error("cannot configure the pod network")]
    Network(#[from] crate::network::NetworkError),
    /// A directory of the agent could not be used.
    #[error("cannot use {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Pods were still there when the time was over.
    #[error("{0} pods were left when the time to drain was over")]
    DrainTimeout(usize),
    /// Parts that could not be removed.
    #[error("not everything could be removed: {}", .0.join("; "))]
    Leftovers(Vec<String>),
    /// The agent is running already.
    #[error("this agent is running already")]
    AlreadyRunning,
}
