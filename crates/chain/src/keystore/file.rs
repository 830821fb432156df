//! Files that hold secrets: 0600, written whole or not at all.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::KeystoreError;

/// Reads a file that nobody else may read.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, KeystoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => KeystoreError::Missing {
            path: path.to_owned(),
        },
        _ => KeystoreError::Io {
            path: path.to_owned(),
            action: "read",
            source,
        },
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeystoreError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for all of it at once, so that no part is left behind by a reallocation.
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    let mut text = Zeroizing::new(String::with_capacity(size.saturating_add(1)));
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a new file with mode 0600; an existing one is an error and is left as it is.
pub(super) fn create_private(path: &Path, contents: &[u8]) -> Result<(), KeystoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => KeystoreError::Exists {
            path: path.to_owned(),
        },
        _ => KeystoreError::Io {
            path: path.to_owned(),
            action: "create",
            source,
        },
    };
    let temporary = write_beside(path, contents, 0o600).map_err(failed)?;
    // A hard link fails where the name is taken, which a rename does not.
    let linked = std::fs::hard_link(&temporary, path);
    let removed = std::fs::remove_file(&temporary);
    linked.map_err(failed)?;
    removed.map_err(failed)?;
    sync_directory(path).map_err(failed)
}

/// Replaces a file with new contents: after a crash it has the old or the new ones, never a part.
///
/// # Errors
/// What the file system said.
pub fn write_atomically(path: &Path, contents: &[u8], mode: u32) -> std::io::Result<()> {
    let temporary = write_beside(path, contents, mode)?;
    if let Err(error) = std::fs::rename(&temporary, path) {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(path)
}

fn write_beside(path: &Path, contents: &[u8], mode: u32) -> std::io::Result<std::path::PathBuf> {
    let mut name = path
        .file_name()
        .ok_or_else(|| std::io::Error::other("the path has no file name"))?
        .to_owned();
    name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    let temporary = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    let written = file
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(contents))
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::File::open(directory)?.sync_all()
}
