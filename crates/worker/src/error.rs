//! Errors, sorted by what should be done about them.

use std::path::PathBuf;

use attested::AttestedError;
use chain::{ChainError, ErrorClass};

use crate::InvalidConfig;
use crate::containerd::ContainerdError;

/// What is done about a [`WorkerError`], and its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Something can't be reached. Tried again with growing pauses; given up only if the node never joined within its
    /// start timeout.
    Network,
    /// The chain refuses, or the stake is gone. Not tried again.
    Chain,
    /// The container runtime or the agent. Started again with growing pauses.
    Agent,
    /// A person has to change something. Not tried again.
    Configuration,
    /// The control plane is not what the chain allows. Nothing is sent to it; tried again only by a node that runs
    /// already, since a new version may be about to be approved.
    Attestation,
}

/// Why a worker can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// An impossible value.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// A file of the worker's own.
    #[error("{what} {} can't be {action}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the worker's own has another content than this version writes, or is open to others.
    #[error("{what} {} is unusable: {why}", path.display())]
    FileContent {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Another worker uses the directory.
    #[error("another worker uses {}: stop it, or choose another dataDir", .0.display())]
    InUse(PathBuf),
    /// The chain.
    #[error("the chain")]
    Chain(#[source] Box<ChainError>),
    /// The right to be in the cluster is gone.
    #[error("this node has no right to be in the cluster: {0}")]
    StakeGone(String),
    /// The chain names no control plane.
    #[error("the chain names no control plane for cluster {0} yet")]
    NoEndpoint(String),
    /// The chain allows no measurement that this worker accepts.
    #[error("the chain allows cluster {cluster} no measurement that this worker accepts{hint}")]
    NoMeasurement {
        /// The cluster.
        cluster: String,
        /// What may help.
        hint: &'static str,
    },
    /// A root that the configuration names.
    #[error("teeRoots")]
    TeeRoot(#[from] attested::TeeRootError),
    /// What the configuration says of the control plane's platform.
    #[error("teeTcb")]
    TeeTcb(#[from] attested::TcbFileError),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(Box<AttestedError>),
    /// What the control plane issued is unusable.
    #[error("the certificates that the control plane issued are unusable: {0}")]
    Certificates(String),
    /// Keys for certificates.
    #[error("keys for certificates")]
    Keys(#[from] pki::KeyPairError),
    /// containerd.
    #[error("containerd")]
    Containerd(#[source] Box<ContainerdError>),
    /// The sandbox image.
    #[error("the sandbox image {reference} can't be made: {why}")]
    PauseImage {
        /// Its reference.
        reference: String,
        /// Why.
        why: String,
    },
    /// The agent.
    #[error("the node agent")]
    Agent(#[source] Box<agent::AgentError>),
    /// The node's own API can't listen.
    #[error(
        "the node API can't listen on port {port}: stop what uses it, or choose another nodeApiPort"
    )]
    NodeApi {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<ChainError> for WorkerError {
    fn from(error: ChainError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<AttestedError> for WorkerError {
    fn from(error: AttestedError) -> Self {
        Self::ControlPlane(Box::new(error))
    }
}

impl From<agent::AgentError> for WorkerError {
    fn from(error: agent::AgentError) -> Self {
        Self::Agent(Box::new(error))
    }
}

impl From<ContainerdError> for WorkerError {
    fn from(error: ContainerdError) -> Self {
        Self::Containerd(Box::new(error))
    }
}

impl WorkerError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Config(_)
            | Self::File { .. }
            | Self::FileContent { .. }
            | Self::InUse(_)
            | Self::TeeRoot(_)
            | Self::TeeTcb(_)
            | Self::NodeApi { .. } => Class::Configuration,
            Self::Chain(error) => match error.class() {
                ErrorClass::Network => Class::Network,
                ErrorClass::Chain => Class::Chain,
                ErrorClass::Configuration => Class::Configuration,
            },
            Self::StakeGone(_) => Class::Chain,
            Self::NoEndpoint(_) => Class::Network,
            Self::NoMeasurement { .. } => Class::Attestation,
            Self::ControlPlane(error) if error.is_transient() => Class::Network,
            Self::ControlPlane(error) => match &**error {
                AttestedError::Refused(refusal) if refusal.code.is_retriable() => Class::Network,
                AttestedError::Refused(_) => Class::Chain,
                _ => Class::Attestation,
            },
            Self::Certificates(_) => Class::Attestation,
            Self::Keys(_) | Self::Containerd(_) | Self::PauseImage { .. } => Class::Agent,
            Self::Agent(error) => match &**error {
                agent::AgentError::NotSupported(_) => Class::Configuration,
                _ => Class::Agent,
            },
        }
    }

    /// The exit code of its class: network 10, chain 11, agent 12, configuration 13, attestation 14.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.class() {
            Class::Network => 10,
            Class::Chain => 11,
            Class::Agent => 12,
            Class::Configuration => 13,
            Class::Attestation => 14,
        }
    }
}

impl WorkerError {
    /// Why the control plane refused, if it did.
    #[must_use]
    pub fn refusal(&self) -> Option<&seal::wire::Refusal> {
        match self {
            Self::ControlPlane(error) => match &**error {
                AttestedError::Refused(refusal) => Some(refusal),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
