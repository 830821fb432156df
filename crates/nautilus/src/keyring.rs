//! The cluster's keys in this instance: loaded or born, rotated, forgotten, and kept.
//!
//! What is on disk, one file below `keys/` of the data directory for each measurement that ran here: the ring's public
//! part, and the root sealed to the device where the hardware can do that. An instance writes its own file only.

pub(crate) mod acquire;
mod files;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use keys::{KeyError, KeyRing, PublicRing, Purpose, Scope, cache};
use registry::Stored;
use store::{SealingKeys, Store};
use tee::{Provider, SealKeyError, SealPolicy};
use zeroize::Zeroizing;

use crate::config::KeyCache;
pub use acquire::AcquireError;
use files::{Content, Files};

/// The keys could not be loaded, changed or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file of the keys.
    #[error("the key file {} can't be {action}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The device.
    #[error("the TEE gives no key to seal the root key with")]
    SealKey(#[from] SealKeyError),
    /// The keys themselves.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log could not be brought under the new epoch.
    #[error(
        "the sealed log could not be brought under the new key epoch; the old one stays readable"
    )]
    Rewrite(#[from] store::RewriteError),
}

/// What was found on disk.
pub(crate) enum Found {
    /// Keys that this instance could open.
    Open(KeyRing),
    /// Keys that it could not open, and why: they must be handed over, or recovered.
    Locked(Box<PublicRing>, KeyError),
    /// No keys at all.
    Nothing,
}

/// The keys of this instance. Cheap to share.
pub(crate) struct Keyring {
    files: Files,
    tee: Arc<dyn Provider>,
    cache: KeyCache,
    ring: ArcSwap<KeyRing>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

/// The keys on disk below a data directory, for an instance in this TEE.
pub(crate) struct OnDisk {
    files: Files,
    tee: Arc<dyn Provider>,
    cache: KeyCache,
    scope: Scope,
}

impl OnDisk {
    /// Nothing is read yet.
    pub(crate) fn new(
        data_dir: &Path,
        tee: Arc<dyn Provider>,
        cache: KeyCache,
        cluster: [u8; 32],
    ) -> Self {
        let realm = keys::Realm::of(tee.kind());
        let owner = match cache {
            KeyCache::Device => format!("{}-device", tee.kind()),
            KeyCache::Measurement | KeyCache::None => {
                let measurement = tee.measurement().to_string();
                let short = measurement.get(..32).unwrap_or(&measurement);
                format!("{}-{short}", tee.kind())
            }
        };
        Self {
            files: Files::new(data_dir, &owner),
            tee,
            cache,
            scope: Scope { cluster, realm },
        }
    }

    /// Whose keys this instance has.
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// Looks for keys.
    ///
    /// # Errors
    /// [`KeyringError::File`]; [`KeyError::OtherRealm`] and [`KeyError::OtherCluster`] when what is there is not
    /// this instance's to have at all.
    pub(crate) fn find(&self) -> Result<Found, KeyringError> {
        let all = self.files.all()?;
        // Whatever file it is: another realm's or cluster's keys mean another data directory.
        for content in &all {
            let scope = content.ring.scope()?;
            if scope.realm != self.scope.realm {
                return Err(KeyringError::Key(KeyError::OtherRealm {
                    found: scope.realm,
                    expected: self.scope.realm,
                }));
            }
        }
        let Some(newest) = all.into_iter().max_by_key(|content| content.ring.epoch) else {
            return Ok(Found::Nothing);
        };
        let own = match self.files.own()? {
            Some(own) if own.ring.epoch == newest.ring.epoch => own,
            Some(own) => {
                let why = KeyError::OtherEpoch {
                    found: own.ring.epoch,
                    expected: newest.ring.epoch,
                };
                return Ok(Found::Locked(Box::new(newest.ring), why));
            }
            None => {
                return Ok(Found::Locked(
                    Box::new(newest.ring),
                    KeyError::NotThisDevice,
                ));
            }
        };
        let Some(sealed) = &own.root else {
            return Ok(Found::Locked(Box::new(own.ring), KeyError::NotThisDevice));
        };
        let Some(device) = self.device_key()? else {
            return Ok(Found::Locked(Box::new(own.ring), KeyError::NotThisDevice));
        };
        match cache::open(&self.scope, &own.ring, sealed, &device) {
            Ok(ring) => Ok(Found::Open(ring)),
            Err(why @ (KeyError::OtherRealm { .. } | KeyError::OtherCluster { .. })) => {
                Err(why.into())
            }
            Err(why) => Ok(Found::Locked(Box::new(own.ring), why)),
        }
    }

    /// Keeps a ring, and gives it to use.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) fn keep(self, ring: KeyRing) -> Result<Keyring, KeyringError> {
        let keyring = Keyring {
            files: self.files,
            tee: self.tee,
            cache: self.cache,
            ring: ArcSwap::from_pointee(ring),
            changing: tokio::sync::Mutex::new(()),
        };
        keyring.save(&keyring.ring.load())?;
        Ok(keyring)
    }

    fn device_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, KeyringError> {
        device_key(&*self.tee, self.cache, &self.scope)
    }
}

/// The key that the root is sealed to the device with, where the hardware and the configuration have one.
fn device_key(
    tee: &dyn Provider,
    cache: KeyCache,
    scope: &Scope,
) -> Result<Option<Zeroizing<[u8; 32]>>, KeyringError> {
    let policy = match cache {
        KeyCache::None => return Ok(None),
        _ if !tee.capabilities().seal => return Ok(None),
        KeyCache::Measurement => SealPolicy::Measurement,
        KeyCache::Device => SealPolicy::Device,
    };
    let label = format!("daas/root/{}", hex::encode(scope.cluster));
    let key = tee.seal_key(policy, &label)?;
    Ok(Some(Zeroizing::new(*key.as_bytes())))
}

impl Keyring {
    /// The ring as it is now.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// The log's keys: of every epoch that there is.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn sealing_keys(&self, cluster: &str) -> Result<SealingKeys, KeyError> {
        sealing_keys(&self.ring.load(), cluster)
    }

    /// Begins a new epoch: it seals from the next batch on, and what is there is brought under it. The older epochs are
    /// gone when this returns well, and stay readable otherwise. Gives the new epoch.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn rotate(
        &self,
        store: &Store<Stored>,
        cluster: &str,
    ) -> Result<u32, KeyringError> {
        let _alone = self.changing.lock().await;
        let next = self.ring.load().rotate()?;
        // On disk before anything is sealed under it.
        self.replace(next)?;
        store.set_keys(self.sealing_keys(cluster)?);
        let epoch = self.ring.load().epoch();
        tracing::info!(epoch, "a new key epoch has begun");
        self.forget(store, cluster, epoch).await?;
        Ok(epoch)
    }

    /// Finishes what a rotation that was interrupted left: older epochs that nothing needs are forgotten.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn settle(
        &self,
        store: &Store<Stored>,
        cluster: &str,
    ) -> Result<(), KeyringError> {
        let _alone = self.changing.lock().await;
        let ring = self.ring.load_full();
        if ring.epochs().next() != Some(ring.epoch()) {
            self.forget(store, cluster, ring.epoch()).await?;
        }
        Ok(())
    }

    async fn forget(
        &self,
        store: &Store<Stored>,
        cluster: &str,
        epoch: u32,
    ) -> Result<(), KeyringError> {
        store.rewrite(epoch).await?;
        self.replace(self.ring.load().forget_before(epoch))?;
        store.set_keys(self.sealing_keys(cluster)?);
        // The log is this instance's: what other measurements had of older epochs is of no use to anybody honest.
        self.files.remove_older(epoch)?;
        tracing::info!(epoch, "the key epochs before are gone");
        Ok(())
    }

    /// Puts a recovery plan in force in place of a former one.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn set_plan(&self, plan: keys::recovery::Plan) -> Result<(), KeyringError> {
        let _alone = self.changing.lock().await;
        self.replace(self.ring.load().with_plan(plan)?)
    }

    fn replace(&self, ring: KeyRing) -> Result<(), KeyringError> {
        self.save(&ring)?;
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    fn save(&self, ring: &KeyRing) -> Result<(), KeyringError> {
        let device = device_key(&*self.tee, self.cache, &ring.scope())?;
        let root = device
            .map(|device| cache::seal(ring, &device))
            .transpose()?;
        self.files.write(&Content {
            ring: ring.public()?,
            root,
        })
    }
}

fn sealing_keys(ring: &KeyRing, cluster: &str) -> Result<SealingKeys, KeyError> {
    let key = |epoch| {
        let key = ring.key(Purpose::Log, epoch)?;
        Ok::<_, KeyError>(Zeroizing::new(*key.expose()))
    };
    let newest = key(ring.epoch())?;
    let mut keys = SealingKeys::new(cluster, ring.epoch(), &newest);
    for epoch in ring.epochs() {
        keys = keys.with_epoch(epoch, &key(epoch)?);
    }
    Ok(keys)
}
