//! Opening the control plane's state: TEE, log, store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use chain::objects::Anchor;
use enclave::log::RemoteLog;
use log_redb::RedbLog;
use registry::Stored;
use store::{Log as _, LogError, Store, SystemClock};
use tee::Provider;
use tee_verify::Kind;
use tokio_util::sync::CancellationToken;

use crate::anchor::RollbackError;
use crate::config::Config;
use crate::keyring::Keyring;

/// The file of the sealed log below the data directory.
const LOG_FILE: &str = "sealed.log";
/// What a TPM sealed, below the data directory.
const TPM_DIRECTORY: &str = "tpm";

/// The state could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] crate::config::InvalidConfig),
    /// The TEE.
    #[error("the TEE can't be used")]
    Tee(#[from] tee::OpenError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] keys::KeyError),
    /// The data directory.
    #[error("the data directory {} can't be made: choose another with --data-dir", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The log.
    #[error("the sealed log can't be opened")]
    Log(#[from] store::LogError),
    /// The state in the log.
    #[error("the sealed state can't be opened")]
    Open(#[from] store::OpenError),
    /// The state is not the one that the chain knows.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
    /// Asked to stop while another process had the log.
    #[error("stopped while another instance had the sealed log")]
    Stopped,
}

/// Opens the TEE that the configuration names, or else the strongest that is here.
///
/// # Errors
/// [`StorageError::Tee`]; there is no falling back.
pub(crate) fn open_tee(config: &Config) -> Result<Arc<dyn Provider>, StorageError> {
    config.validate()?;
    let kind = config.tee.kind();
    if kind == Some(Kind::Simulated)
        && let Some(dir) = &config.simulated_tee_dir
    {
        make_private(dir)?;
    }
    let options = tee::OpenOptions {
        production: config.production,
        devices: tee::Devices::default(),
        simulated: config.simulated_tee_dir.clone(),
        collateral: config.tee_collateral.clone(),
        sealed: Some(config.data_dir.join(TPM_DIRECTORY)),
    };
    Ok(tee::open(kind, options)?)
}

/// The sealed log: a file, or kept by an enclave's host.
pub(crate) enum SealedLog {
    File(RedbLog),
    Host(RemoteLog),
}

/// Whether a sealed log is there already. Asking an enclave's host shuts an older instance of the enclave out, as
/// opening does.
///
/// # Errors
/// [`LogError`] when the host can't be asked.
pub(crate) async fn has_log(config: &Config) -> Result<bool, LogError> {
    match &config.log {
        None => Ok(config.data_dir.join(LOG_FILE).exists()),
        Some(host) => {
            let state = RemoteLog::connect(host).await?.state().await?;
            Ok(state.last > 0 || state.snapshot.is_some())
        }
    }
}

/// Opens the log, or waits while another process has it where that is how this one takes over (it is handed the keys
/// by that one).
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn open_log(
    config: &Config,
    stop: &CancellationToken,
) -> Result<SealedLog, StorageError> {
    if let Some(host) = &config.log {
        return Ok(SealedLog::Host(RemoteLog::connect(host).await?));
    }
    let path = config.data_dir.join(LOG_FILE);
    match RedbLog::open(&path).await {
        Err(LogError::InUse { .. }) if !config.handover_from.is_empty() => {
            tracing::info!("another instance has the sealed log: waiting until it stops");
            tokio::select! {
                () = stop.cancelled() => Err(StorageError::Stopped),
                log = RedbLog::open_when_free(&path) => Ok(SealedLog::File(log?)),
            }
        }
        log => Ok(SealedLog::File(log?)),
    }
}

/// Opens the store of `cluster` with the keys of this instance; it must reach or extend `anchor`, which was read when
/// the log was this instance's already.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn open(
    log: SealedLog,
    cluster: &str,
    keyring: &Keyring,
    anchor: Option<&Anchor>,
) -> Result<Store<Stored>, StorageError> {
    let keys = keyring.sealing_keys(cluster)?;
    let options = store::Options {
        expect: anchor.and_then(crate::anchor::expected),
        ..store::Options::default()
    };
    let opened = match log {
        SealedLog::File(log) => Store::open(log, keys, SystemClock, options).await,
        SealedLog::Host(log) => Store::open(log, keys, SystemClock, options).await,
    };
    opened.map_err(|error| match RollbackError::explain(error, anchor) {
        Ok(explained) => StorageError::Rollback(explained),
        Err(error) => StorageError::Open(error),
    })
}

pub(crate) fn make_private(path: &std::path::Path) -> Result<(), StorageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StorageError::Directory {
        path: path.to_owned(),
        source,
    })
}
