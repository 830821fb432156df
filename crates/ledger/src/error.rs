//! Why a ledger cannot start or go on.

use std::net::SocketAddr;
use std::path::PathBuf;

use sui_sdk_types::Address;

/// Why a ledger cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The port is taken.
    #[error(
        "the ledger cannot listen on {address}, another process does: stop it, or choose another port"
    )]
    PortInUse {
        /// Where it should listen.
        address: SocketAddr,
    },
    /// Listening failed otherwise.
    #[error("the ledger cannot listen on {address}: {source}")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address is not of this machine only.
    #[error(
        "the ledger would listen on {address}, which other machines reach, without TLS: use a loopback address, or allow it explicitly"
    )]
    Remote {
        /// Where it should listen.
        address: SocketAddr,
    },
    /// A file of the data directory cannot be used.
    #[error("the ledger cannot {action} {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another ledger uses the data directory.
    #[error("another ledger process uses {}: stop it, or choose another data directory", .path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// The log is damaged, other than by an interrupted last write.
    #[error("the ledger's log {} is damaged at byte {offset}: {reason}; restore it from a copy, or start on an empty data directory", .path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The data directory is of another ledger than the configured one.
    #[error("{} has a ledger whose contracts were published by {actual}, the configuration says {expected}: correct it, or choose another data directory", .path.display())]
    OtherPublisher {
        /// The log.
        path: PathBuf,
        /// Publisher in the configuration.
        expected: String,
        /// Publisher of the ledger.
        actual: String,
    },
    /// The log is of another format.
    #[error("the ledger's log {} has format {found}, this version reads {expected}: a development ledger is not carried over; stop what uses it and start on an empty data directory (or remove this one), or go on with the version that wrote it", .path.display())]
    OtherFormat {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: String,
        /// This version's.
        expected: &'static str,
    },
    /// The contracts on the ledger are not the ones that this build has the model of.
    #[error("the contracts on the ledger in {} are not those of this version: it was made by another one, and a development ledger is not carried over; stop what uses it and start on an empty data directory (or remove this one), or go on with the version that made it", .path.display())]
    OtherContracts {
        /// The log.
        path: PathBuf,
    },
    /// The options of genesis are impossible.
    #[error("this ledger cannot begin: {reason}")]
    Genesis {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A value cannot be encoded or does not decode.
    #[error("{what} cannot be encoded or decoded: {reason}")]
    Encoding {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The executor or the server stopped.
    #[error("the ledger has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// A transfer out of the reserve was refused or failed.
    #[error("{address} cannot be funded: {reason}")]
    Fund {
        /// Who should get it.
        address: Address,
        /// What the ledger says.
        reason: String,
    },
}

impl From<bcs::Error> for LedgerError {
    fn from(error: bcs::Error) -> Self {
        Self::Encoding {
            what: "BCS",
            reason: error.to_string(),
        }
    }
}
