//! What can go wrong between here and the ledger, sorted by what the caller should do about it.

use std::path::PathBuf;

use sui_sdk_types::{Address, Digest};

/// What a caller should do about a [`ChainError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The ledger could not be reached or did not answer in time. Trying again is right.
    Network,
    /// The ledger answered and refused. Trying the same again gives the same answer.
    Chain,
    /// A setting, a key or a file is wrong. A person has to change it.
    Configuration,
}

/// A Move abort, with the name that the package gives the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Module that aborted.
    pub module: String,
    /// Function that aborted, where the ledger says it.
    pub function: Option<String>,
    /// The code.
    pub code: u64,
    /// Name of the code in the package (`EInsufficientStake`), if it is one of ours.
    pub name: Option<&'static str>,
    /// What the code means, in a sentence for an operator.
    pub meaning: Option<&'static str>,
}

impl std::fmt::Display for Abort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.module)?;
        if let Some(function) = &self.function {
            write!(f, "::{function}")?;
        }
        match (self.name, self.meaning) {
            (Some(name), Some(meaning)) => {
                write!(f, " aborted with {name} ({}): {meaning}", self.code)
            }
            _ => write!(f, " aborted with code {}", self.code),
        }
    }
}

/// Failure of an operation on the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The ledger could not be reached, or the connection broke.
    #[error("the ledger at {url} cannot be reached while trying to {action}")]
    Unreachable {
        /// Where it was expected.
        url: String,
        /// What was tried.
        action: &'static str,
        /// The transport's error.
        #[source]
        source: Box<tonic::Status>,
    },
    /// The transaction was sent, but whether it was executed is not known: look it up with
    /// [`crate::Client::settle`] before doing anything else.
    #[error("what became of transaction {digest} is not known yet")]
    Undetermined {
        /// Digest of the transaction.
        digest: Digest,
        /// The transport's error.
        #[source]
        source: Box<tonic::Status>,
    },
    /// The ledger did not include an executed transaction in a checkpoint in time.
    #[error("transaction {digest} was executed, but no checkpoint has it after {seconds} s")]
    NotCheckpointed {
        /// Digest of the transaction.
        digest: Digest,
        /// How long was waited.
        seconds: u64,
    },
    /// The ledger refused a request.
    #[error("the ledger refused to {action}: {}", .source.message())]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The ledger's answer.
        #[source]
        source: Box<tonic::Status>,
    },
    /// A Move function aborted.
    #[error("{abort}")]
    Aborted {
        /// The abort.
        abort: Box<Abort>,
        /// Digest of the failed transaction; `None` when it was only simulated.
        digest: Option<Digest>,
    },
    /// A transaction failed otherwise than by an abort (gas, types, object sizes…).
    #[error("the transaction failed: {reason}")]
    Failed {
        /// What the ledger says.
        reason: String,
        /// Digest of the failed transaction; `None` when it was only simulated.
        digest: Option<Digest>,
    },
    /// An address has too little SUI.
    #[error(
        "{address} has {available} MIST, {needed} are needed: send it SUI or choose a smaller amount"
    )]
    InsufficientFunds {
        /// The address.
        address: Address,
        /// What it has, MIST.
        available: u64,
        /// What is needed, gas included, MIST.
        needed: u64,
    },
    /// An object does not exist (any more).
    #[error("{what} {id} does not exist on this chain")]
    NotFound {
        /// Kind of the object.
        what: &'static str,
        /// Its id.
        id: Address,
    },
    /// An object or event is not what it should be.
    #[error("{what} {id} is not as expected: {reason}")]
    Unexpected {
        /// Kind of the object.
        what: &'static str,
        /// Its id or digest.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// An answer of the ledger cannot be decoded.
    #[error("the ledger's answer to {action} cannot be decoded: {reason}")]
    Undecodable {
        /// What was tried.
        action: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A signature does not belong to the address that it claims.
    #[error("the signature is not one of {address}: {reason}")]
    Signature {
        /// The address that should have signed.
        address: Address,
        /// What is wrong.
        reason: String,
    },
    /// Two nodes have different contents for the same version of an object: they are on different
    /// histories, and one of them lies.
    #[error("two nodes disagree about version {version} of {what} {id} ({} and {}): do not act on either; find out which node is wrong", .digests[0], .digests[1])]
    Disagreement {
        /// Kind of the object.
        what: &'static str,
        /// Its id.
        id: Address,
        /// The version.
        version: u64,
        /// Digests of the contents.
        digests: Box<[Digest; 2]>,
    },
    /// Too few nodes answered, or confirmed what another one said.
    #[error("only {agreeing} of the {needed} nodes that have to agree confirm {what}{}", .failure.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default())]
    TooFew {
        /// What was read.
        what: &'static str,
        /// How many agree.
        agreeing: usize,
        /// How many have to.
        needed: usize,
        /// Why one of the others did not answer.
        failure: Option<String>,
    },
    /// The list of nodes is impossible.
    #[error("the list of ledger nodes cannot be used: {reason}")]
    Quorum {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The URL of the ledger is not usable.
    #[error("`{url}` is not a ledger URL ({reason}); it should look like http://127.0.0.1:9000")]
    Url {
        /// As given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The ledger is another chain than the configured one.
    #[error(
        "the ledger at {url} is chain {actual}, the configuration says {expected}: correct the URL or the deployment file"
    )]
    WrongChain {
        /// Where it was found.
        url: String,
        /// Chain identifier in the configuration.
        expected: String,
        /// Chain identifier of the ledger.
        actual: String,
    },
    /// A deployment descriptor cannot be read.
    #[error("the deployment file {} cannot be used: {reason}", .path.display())]
    Deployment {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A key cannot be used.
    #[error(transparent)]
    Keystore(#[from] crate::keystore::KeystoreError),
}

impl ChainError {
    /// What the caller should do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. }
            | Self::Undetermined { .. }
            | Self::NotCheckpointed { .. }
            | Self::TooFew { .. } => ErrorClass::Network,
            Self::Refused { .. }
            | Self::Aborted { .. }
            | Self::Failed { .. }
            | Self::InsufficientFunds { .. }
            | Self::NotFound { .. }
            | Self::Unexpected { .. }
            | Self::Undecodable { .. }
            | Self::Disagreement { .. }
            | Self::Signature { .. } => ErrorClass::Chain,
            Self::Url { .. }
            | Self::Quorum { .. }
            | Self::WrongChain { .. }
            | Self::Deployment { .. }
            | Self::Keystore(_) => ErrorClass::Configuration,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.class() == ErrorClass::Network
    }

    /// Whether a simulation failed because the gas budget is too small.
    pub(crate) fn is_about_gas(&self) -> bool {
        match self {
            Self::Failed { reason, .. } => reason.starts_with(OUT_OF_GAS),
            Self::Refused { source, .. } => {
                source.code() == tonic::Code::InvalidArgument
                    && source.message().to_lowercase().contains("gas")
            }
            _ => false,
        }
    }

    /// The abort, if it is one.
    #[must_use]
    pub fn abort(&self) -> Option<&Abort> {
        match self {
            Self::Aborted { abort, .. } => Some(abort),
            _ => None,
        }
    }
}

/// How the reason of [`ChainError::Failed`] begins when the gas budget was too small.
pub(crate) const OUT_OF_GAS: &str = "the gas budget was used up";

/// Whether a status says that the ledger was not reached, as opposed to that it refused.
pub(crate) fn is_network(status: &tonic::Status) -> bool {
    use tonic::Code;
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            true
        }
        // A broken HTTP/2 connection surfaces as `Unknown` or `Internal` with a transport error
        // as its source; a server's own answer has no source.
        Code::Unknown | Code::Internal | Code::Aborted => {
            std::error::Error::source(status).is_some()
        }
        _ => false,
    }
}

/// Turns a status into the right error for a read or a build.
pub(crate) fn from_status(url: &str, action: &'static str, status: tonic::Status) -> ChainError {
    if is_network(&status) {
        ChainError::Unreachable {
            url: url.to_owned(),
            action,
            source: Box::new(status),
        }
    } else {
        ChainError::Refused {
            action,
            source: Box::new(status),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::{Client, ClientOptions, Deployment};

    #[tokio::test]
    async fn a_url_that_is_none_says_what_one_looks_like() {
        for url in [
            "",
            "127.0.0.1:9000",
            "ftp://host",
            "http://",
            "http:// x",
            "https:",
        ] {
            let error = Client::new(url, ClientOptions::default()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{url}");
            assert!(
                error.to_string().contains("http://127.0.0.1:9000"),
                "{error}"
            );
        }
        Client::new("https://fullnode.example:443", ClientOptions::default()).unwrap();
    }

    #[tokio::test]
    async fn a_ledger_that_is_not_there_is_to_be_tried_again() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("http://127.0.0.1:{port}");
        let error = Client::connect(&url).await.unwrap_err();
        assert!(
            error.is_retriable() && error.to_string().contains(&url),
            "{error}"
        );
    }

    #[test]
    fn a_deployment_that_cannot_be_read_names_file_and_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deployment.json");
        for text in ["", "{}", "{\"chain\": 1}", "{\"colour\": \"red\"}"] {
            std::fs::write(&path, text).unwrap();
            let error = Deployment::load(&path).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            let message = error.to_string();
            assert!(
                message.contains("deployment.json") && message.contains("line"),
                "{message}"
            );
        }
    }
}
