//! Why a benchmark cannot be run.

use std::net::IpAddr;
use std::path::PathBuf;

/// Why a benchmark cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {path:?} cannot be used")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kubeconfig asks for something that this client does not do.
    #[error("{0}")]
    Unsupported(String),
    /// The server is on another machine, and nobody said that this is meant.
    #[error(
        "{host} ({address}) is not this machine: a load test can harm others' work; add --yes if it is meant"
    )]
    NotLocal {
        /// The host of the kubeconfig.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// An option is out of its bounds.
    #[error("{name} must be from {least} to {most}")]
    Bounds {
        /// The option.
        name: &'static str,
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
    /// No connection.
    #[error("cannot connect to {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request got no answer.
    #[error("{what}: no answer")]
    Request {
        /// What was asked.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request that has to succeed was refused.
    #[error("{what}: {code} {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// Something did not happen in time.
    #[error("{0} did not happen in time")]
    Late(&'static str),
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}
