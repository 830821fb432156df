//! Opening the control plane's state: TEE, sealing key, log, store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use log_redb::RedbLog;
use registry::Stored;
use store::{SealingKeys, Store, SystemClock};
use tee::{Provider, SealPolicy};
use tee_verify::Kind;
use zeroize::Zeroizing;

use crate::config::Config;

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
    /// The sealing key.
    #[error("the TEE gives no sealing key")]
    SealKey(#[from] tee::SealKeyError),
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
}

/// The opened state.
pub(crate) struct Storage {
    /// The TEE that this instance runs in.
    pub(crate) tee: Arc<dyn Provider>,
    /// The store over the sealed log.
    pub(crate) store: Store<Stored>,
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

/// Opens the store of `cluster` with the sealing key that only this TEE derives.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn open(config: &Config, cluster: &str) -> Result<Storage, StorageError> {
    let tee = open_tee(config)?;
    make_private(&config.data_dir)?;
    let key = tee.seal_key(SealPolicy::Device, &format!("daas/store/{cluster}"))?;
    let keys = SealingKeys::new(cluster, 1, &Zeroizing::new(*key.as_bytes()));
    let log = RedbLog::open(config.data_dir.join(LOG_FILE)).await?;
    let store = Store::open(log, keys, SystemClock, store::Options::default()).await?;
    Ok(Storage { tee, store })
}

fn make_private(path: &std::path::Path) -> Result<(), StorageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StorageError::Directory {
        path: path.to_owned(),
        source,
    })
}
