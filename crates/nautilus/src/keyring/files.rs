//! The key files.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::PublicRing;
use serde::{Deserialize, Serialize};

use super::KeyringError;

/// The directory below the data directory.
const DIRECTORY: &str = "keys";
/// The largest file that is read.
const LARGEST: u64 = 1024 * 1024;

/// What a file holds.
pub(super) struct Content {
    pub(super) ring: PublicRing,
    /// The root, sealed to the device.
    pub(super) root: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    ring: PublicRing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_root: Option<String>,
}

/// The files of one data directory, seen by one instance.
pub(super) struct Files {
    directory: PathBuf,
    own: PathBuf,
}

impl Files {
    pub(super) fn new(data_dir: &Path, owner: &str) -> Self {
        let directory = data_dir.join(DIRECTORY);
        Self {
            own: directory.join(format!("{owner}.json")),
            directory,
        }
    }

    /// This instance's own.
    pub(super) fn own(&self) -> Result<Option<Content>, KeyringError> {
        read(&self.own)
    }

    /// Everybody's.
    pub(super) fn all(&self) -> Result<Vec<Content>, KeyringError> {
        let mut all = Vec::new();
        for path in self.paths()? {
            all.extend(read(&path)?);
        }
        Ok(all)
    }

    /// Writes this instance's own, in place of a former one.
    pub(super) fn write(&self, content: &Content) -> Result<(), KeyringError> {
        let failed = |source| KeyringError::File {
            path: self.own.clone(),
            action: "written",
            source,
        };
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(failed)?;
        let file = File {
            ring: content.ring.clone(),
            sealed_root: content.root.as_ref().map(|root| STANDARD.encode(root)),
        };
        let json = serde_json::to_vec_pretty(&file).map_err(|e| failed(e.into()))?;
        chain::keystore::write_atomically(&self.own, &json, 0o600).map_err(failed)
    }

    /// Removes what others wrote of epochs before `epoch`.
    pub(super) fn remove_older(&self, epoch: u32) -> Result<(), KeyringError> {
        for path in self.paths()? {
            let older = read(&path)?.is_some_and(|content| content.ring.epoch < epoch);
            if older && path != self.own {
                fs::remove_file(&path).map_err(|source| KeyringError::File {
                    path,
                    action: "removed",
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn paths(&self) -> Result<Vec<PathBuf>, KeyringError> {
        let failed = |source| KeyringError::File {
            path: self.directory.clone(),
            action: "read",
            source,
        };
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

fn read(path: &Path) -> Result<Option<Content>, KeyringError> {
    let failed = |source| KeyringError::File {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let invalid = |why: &str| failed(io::Error::new(io::ErrorKind::InvalidData, why));
    match fs::metadata(path) {
        Ok(file) if file.len() > LARGEST => return Err(invalid("it is too large")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let bytes = fs::read(path).map_err(failed)?;
    let file: File = serde_json::from_slice(&bytes).map_err(|e| invalid(&e.to_string()))?;
    let root = file
        .sealed_root
        .map(|root| STANDARD.decode(root))
        .transpose()
        .map_err(|_| invalid("sealedRoot is not base64"))?;
    Ok(Some(Content {
        ring: file.ring,
        root,
    }))
}
