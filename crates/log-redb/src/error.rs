//! redb's and the system's errors, in the store's terms.

use std::{error::Error, io, path::Path};

use redb::{DatabaseError, StorageError};
use store::LogError;

/// The format of this crate's tables.
pub(crate) const FORMAT: u8 = 1;

pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> LogError {
    let place = path.display().to_string();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            LogError::NotWritable { place, source }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            LogError::Full { place, source }
        }
        io::ErrorKind::UnexpectedEof => LogError::Truncated { place },
        io::ErrorKind::InvalidData => corrupted(path, &source.to_string()),
        _ => LogError::Io {
            action,
            place,
            source: source.into(),
        },
    }
}

pub(crate) fn other(
    action: &'static str,
    path: &Path,
    source: impl Error + Send + Sync + 'static,
) -> LogError {
    LogError::Io {
        action,
        place: path.display().to_string(),
        source: Box::new(source),
    }
}

pub(crate) fn corrupted(path: &Path, reason: &str) -> LogError {
    LogError::Corrupted {
        place: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn database(action: &'static str, path: &Path, source: DatabaseError) -> LogError {
    let place = || path.display().to_string();
    match source {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            LogError::InUse { place: place() }
        }
        DatabaseError::UpgradeRequired(version) => LogError::OtherVersion {
            place: place(),
            found: format!("redb {version}"),
            supported: "redb 4".to_owned(),
        },
        DatabaseError::RepairAborted => corrupted(path, "it can't be repaired"),
        DatabaseError::Storage(source) => storage(action, path, source),
        source => other(action, path, source),
    }
}

pub(crate) fn storage(action: &'static str, path: &Path, source: StorageError) -> LogError {
    match source {
        // redb has no variant of its own for a file that ends early.
        StorageError::Corrupted(reason) if reason.to_lowercase().contains("truncated") => {
            LogError::Truncated {
                place: path.display().to_string(),
            }
        }
        StorageError::Corrupted(reason) => corrupted(path, &reason),
        StorageError::Io(source) => io(action, path, source),
        source => other(action, path, source),
    }
}

/// Any of redb's errors.
pub(crate) fn any(action: &'static str, path: &Path, source: redb::Error) -> LogError {
    match source {
        redb::Error::Corrupted(reason) => storage(action, path, StorageError::Corrupted(reason)),
        redb::Error::Io(source) => io(action, path, source),
        redb::Error::TableTypeMismatch { .. } | redb::Error::TableDoesNotExist(_) => {
            corrupted(path, "its tables are not those of a log")
        }
        source => other(action, path, source),
    }
}
