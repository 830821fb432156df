//! How an instance comes to its keys at its start: it has them, or is born with the cluster, or is handed them, or
//! recovers them.

use std::sync::Arc;

use chain::objects::Anchor;
use chain::{Address, Deployment};
use keys::{KeyError, KeyRing};
use tee::Provider;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Found, Keyring, KeyringError, OnDisk};
use crate::anchor::RollbackError;
use crate::config::Config;
use crate::handover::{self, HandoverError};
use crate::recovery::{self, RecoveryError};
use crate::storage;
use crate::witnesses::Witnesses;

/// This instance has no keys.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Its own.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// There is no state here, but the chain knows of one.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
    /// The log that an enclave's host keeps can't be asked for.
    #[error("the sealed log can't be asked for")]
    Log(#[from] store::LogError),
    /// There is a sealed log and no trace of its keys.
    #[error(
        "there is a sealed log but no key file beside it: bring back the `keys` directory of the data directory, or name an instance that has the keys with handoverFrom"
    )]
    NoKeyFile,
    /// The keys are there but not for this instance, and there is nobody to ask.
    #[error(
        "the root key can't be opened here: name a running instance of this cluster with handoverFrom, or make a recovery plan while one runs (`daas recovery plan`)"
    )]
    Locked(#[source] KeyError),
    /// No instance handed them over, and there is no recovery plan.
    #[error("the root key can't be opened here, and no other instance handed it over")]
    Handover(#[from] HandoverError),
    /// They were not recovered.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
}

/// Where an instance starts.
pub(crate) struct Circumstances<'a> {
    pub(crate) config: &'a Config,
    pub(crate) cluster: Address,
    pub(crate) tee: &'a Arc<dyn Provider>,
    pub(crate) chain: &'a Witnesses,
    pub(crate) deployment: &'a Deployment,
    /// What the chain knows of the state.
    pub(crate) anchor: Option<&'a Anchor>,
    /// Where shares are taken when it comes to that.
    pub(crate) listener: &'a TcpListener,
    pub(crate) stop: &'a CancellationToken,
}

/// Comes to the keys, and keeps them.
///
/// # Errors
/// [`AcquireError`].
pub(crate) async fn keyring(at: &Circumstances<'_>) -> Result<Keyring, AcquireError> {
    storage::make_private(&at.config.data_dir).map_err(|error| KeyringError::File {
        path: at.config.data_dir.clone(),
        action: "made",
        source: std::io::Error::other(error),
    })?;
    let disk = OnDisk::new(
        &at.config.data_dir,
        at.tee.clone(),
        at.config.key_cache,
        at.cluster.into_inner(),
    );
    let asks = !at.config.handover_from.is_empty();
    let ring = match disk.find()? {
        Found::Open(ring) => ring,
        Found::Nothing if !asks && !storage::has_log(at.config).await? => {
            if let Some(anchor) = at.anchor {
                return Err(AcquireError::Rollback(RollbackError::Absent {
                    anchor: Box::new(anchor.clone()),
                }));
            }
            tracing::info!("a new cluster: its root key is born here");
            KeyRing::born(disk.scope()).map_err(KeyringError::from)?
        }
        // An enclave has no disk: whoever recovers it brings the key ring too.
        Found::Nothing if !asks && at.config.log.is_some() => {
            tracing::warn!("no keys are here: waiting for recovery shares and the key ring");
            recovery::wait(at.listener, disk.scope(), at.tee.clone(), None, at.stop).await?
        }
        Found::Nothing if !asks => return Err(AcquireError::NoKeyFile),
        Found::Nothing => handed_over(at, &disk).await?,
        Found::Locked(public, why) => {
            tracing::warn!(%why, "the root key can't be opened here");
            match handed_over(at, &disk).await {
                Ok(ring) => ring,
                Err(refused) if public.plan().is_some() => {
                    tracing::warn!(
                        why = %refused,
                        "no instance hands the keys over: waiting for recovery shares (`daas recovery submit`)"
                    );
                    let scope = disk.scope();
                    recovery::wait(at.listener, scope, at.tee.clone(), Some(*public), at.stop)
                        .await?
                }
                Err(AcquireError::Locked(_)) => return Err(AcquireError::Locked(why)),
                Err(refused) => return Err(refused),
            }
        }
    };
    Ok(disk.keep(ring)?)
}

/// Asks the other instances, one after the other.
async fn handed_over(at: &Circumstances<'_>, disk: &OnDisk) -> Result<KeyRing, AcquireError> {
    let mut failure = AcquireError::Locked(KeyError::NotThisDevice);
    for address in &at.config.handover_from {
        let asked = handover::receive(address, disk.scope(), at.tee, at.chain, at.deployment);
        match asked.await {
            Ok(ring) => {
                tracing::info!(address, epoch = ring.epoch(), "the keys were handed over");
                return Ok(ring);
            }
            Err(error) => {
                tracing::warn!(
                    address,
                    error = &error as &dyn std::error::Error,
                    "an instance did not hand the keys over"
                );
                failure = error.into();
            }
        }
    }
    Err(failure)
}
