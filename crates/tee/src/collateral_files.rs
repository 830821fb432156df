//! Collateral that the operator keeps up to date in files.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tee_verify::{Collateral, MAX_COLLATERAL};

use crate::CollateralError;

/// Files that are read at every attestation, so that a new one counts at once.
pub(crate) struct CollateralFiles(Vec<PathBuf>);

impl CollateralFiles {
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self(paths)
    }

    /// DCAP collateral (JSON), or certificates, public keys and revocation lists (PEM or DER).
    pub(crate) fn read(&self) -> Result<Collateral, CollateralError> {
        let mut collateral = Collateral::default();
        for path in &self.0 {
            let content = content(path).map_err(|source| CollateralError::Read {
                path: path.clone(),
                source,
            })?;
            let added = if content.trim_ascii_start().first() == Some(&b'{') {
                collateral.add_dcap(&content)
            } else {
                collateral.add(&content)
            };
            added.map_err(|source| CollateralError::Content {
                path: path.clone(),
                source,
            })?;
        }
        Ok(collateral)
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?
        .take(MAX_COLLATERAL as u64 + 1)
        .read_to_end(&mut content)?;
    if content.len() > MAX_COLLATERAL {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}
