//! Why a control plane does not run.

use std::net::SocketAddr;

/// The control plane could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A key of the configuration has an impossible value.
    #[error("configuration: {0}")]
    Config(#[from] crate::config::InvalidConfig),
    /// The address can't be listened on.
    #[error(
        "{address} can't be listened on ({source}): stop what listens there, or choose another with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The chain, or what the deployment says of it.
    #[error("the chain can't be used")]
    Chain(#[from] chain::ChainError),
    /// What this instance runs is not allowed.
    #[error(transparent)]
    NotAllowed(#[from] crate::allow_list::NotAllowed),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] crate::keyring::AcquireError),
    /// A record of this instance.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// Another instance has the state, or the chain trusts this one no more.
    #[error(transparent)]
    Fenced(crate::anchor::AnchorError),
    /// TEE, log, store.
    #[error(transparent)]
    Storage(#[from] crate::storage::StorageError),
    /// Authorities and keys.
    #[error(transparent)]
    Identity(#[from] crate::identity::IdentityError),
    /// The objects that every cluster has.
    #[error("the cluster's first objects could not be made: {0}")]
    Bootstrap(String),
    /// The serving certificate.
    #[error("the serving certificate can't be used")]
    Tls(#[from] apiserver::TlsError),
    /// The key of ServiceAccount tokens.
    #[error("the key of ServiceAccount tokens can't be used")]
    TokenKey(#[from] apiserver::authn::service_account::KeyError),
    /// The audit log.
    #[error("requests can't be audited")]
    Audit(#[from] crate::audit::AuditError),
    /// The store takes no more writes.
    #[error("the sealed state can't be written any more")]
    Store(#[source] store::WriteError),
    /// The API server.
    #[error("the API server could not be built")]
    Build(#[from] apiserver::BuildError),
    /// The listener.
    #[error("the API server had to stop")]
    Serve(#[from] apiserver::ServeError),
}
