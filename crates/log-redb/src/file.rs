//! The file: made, locked, opened, checked.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, ReadableDatabase, TableDefinition, backends::FileBackend};
use store::LogError;

use crate::error;

/// Sequence → sealed batch.
pub(crate) const BATCHES: TableDefinition<u64, &[u8]> = TableDefinition::new("batches");
/// Snapshot's sequence, attempt, index → sealed chunk.
pub(crate) const CHUNKS: TableDefinition<(u64, u64, u32), &[u8]> = TableDefinition::new("chunks");
/// What there is one of.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// The format's number, in [`META`].
const FORMAT: &str = "format";
/// The newest snapshot, in [`META`]: sequence, attempt, sealed manifest.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Batches are read once, when a store opens; little is gained from caching them.
const CACHE: usize = 16 << 20;

const OWNER_ONLY: u32 = 0o600;

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open_file(path: &Path, create_new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(OWNER_ONLY);
    if create_new {
        options.create_new(true);
    }
    options.open(path)
}

/// Takes the lock that keeps a second process out; it is held until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, LogError> {
    let lock_path = with_suffix(path, ".lock");
    let failed = |source| error::io("locking", &lock_path, source);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(&lock_path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse {
            place: path.display().to_string(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Blocks until the lock was free for a moment.
pub(crate) fn wait_for_lock(path: &Path) -> Result<(), LogError> {
    let lock_path = with_suffix(path, ".lock");
    let failed = |source| error::io("locking", &lock_path, source);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&lock_path)
        .map_err(failed)?;
    file.lock().and_then(|()| file.unlock()).map_err(failed)
}

/// Opens the database, making it first where there is none. The lock must be held.
pub(crate) fn open(path: &Path) -> Result<Database, LogError> {
    match fs::metadata(path) {
        Ok(metadata) => {
            if metadata.len() == 0 {
                return Err(LogError::Truncated {
                    place: path.display().to_string(),
                });
            }
            if metadata.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(OWNER_ONLY))
                    .map_err(|source| error::io("restricting", path, source))?;
            }
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(source) => return Err(error::io("opening", path, source)),
    }
    let file = open_file(path, false).map_err(|source| error::io("opening", path, source))?;
    let database = database(path, file)?;
    check_format(path, &database)?;
    Ok(database)
}

fn database(path: &Path, file: File) -> Result<Database, LogError> {
    let failed = |source| error::database("opening", path, source);
    let backend = FileBackend::new(file).map_err(failed)?;
    Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(failed)
}

/// Makes an empty log under another name and renames it.
fn make(path: &Path) -> Result<(), LogError> {
    let unfinished = with_suffix(path, ".new");
    let io_failed = |source| error::io("creating", path, source);
    match fs::remove_file(&unfinished) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io_failed(source)),
        _ => {}
    }
    let file = open_file(&unfinished, true).map_err(io_failed)?;
    let database = database(path, file)?;
    let fill = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(BATCHES)?;
        transaction.open_table(CHUNKS)?;
        transaction
            .open_table(META)?
            .insert(FORMAT, &[error::FORMAT][..])?;
        transaction.commit()?;
        Ok(())
    };
    fill().map_err(|source| error::any("creating", path, source))?;
    drop(database);
    fs::rename(&unfinished, path).map_err(io_failed)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(io_failed)
}

fn check_format(path: &Path, database: &Database) -> Result<(), LogError> {
    let read = || -> Result<Option<Vec<u8>>, redb::Error> {
        let transaction = database.begin_read()?;
        let table = transaction.open_table(META)?;
        let format = table.get(FORMAT)?.map(|format| format.value().to_vec());
        Ok(format)
    };
    match read().map_err(|source| error::any("opening", path, source))? {
        Some(format) if format == [error::FORMAT] => Ok(()),
        Some(format) => Err(LogError::OtherVersion {
            place: path.display().to_string(),
            found: format.first().map_or_else(|| "?".to_owned(), u8::to_string),
            supported: error::FORMAT.to_string(),
        }),
        None => Err(error::corrupted(path, "it doesn't say which format it has")),
    }
}
