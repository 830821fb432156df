//! The node's key and the Seal secret.

use std::path::{Path, PathBuf};

use seal::{NodeKey, Secret};

use crate::{WorkerError, files};

const NODE_KEY: &str = "the node key";
const SECRET: &str = "the Seal secret";

/// The node key in `path`; made on the first start.
pub(crate) fn node_key(path: &Path) -> Result<NodeKey, WorkerError> {
    let Some(seed) = files::read_private(NODE_KEY, path)? else {
        let key = NodeKey::generate();
        files::write_private(NODE_KEY, path, &key.seed()[..])?;
        return Ok(key);
    };
    NodeKey::from_seed(&seed).map_err(|_| WorkerError::FileContent {
        what: NODE_KEY,
        path: path.to_owned(),
        why: "it is not the 32 bytes of an Ed25519 key".to_owned(),
    })
}

/// The secret behind the Seal token.
pub(crate) struct SecretFile {
    path: PathBuf,
}

impl SecretFile {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("seal.secret"),
        }
    }

    /// A fresh secret, on disk before anything is committed to it.
    pub(crate) fn renew(&self) -> Result<Secret, WorkerError> {
        let secret = Secret::generate();
        files::write_private(SECRET, &self.path, secret.as_bytes())?;
        Ok(secret)
    }

    /// The secret.
    pub(crate) fn read(&self) -> Result<Option<Secret>, WorkerError> {
        let Some(bytes) = files::read_private(SECRET, &self.path)? else {
            return Ok(None);
        };
        let secret = Secret::from_bytes(&bytes).map_err(|_| WorkerError::FileContent {
            what: SECRET,
            path: self.path.clone(),
            why: "it is not 32 bytes".to_owned(),
        });
        secret.map(Some)
    }
}
