//! Private files: mode 0600, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::WorkerError;

/// No file of the worker's is larger.
const MOST: u64 = 1024 * 1024;

fn failed(what: &'static str, path: &Path, action: &'static str, source: io::Error) -> WorkerError {
    WorkerError::File {
        what,
        path: path.to_owned(),
        action,
        source,
    }
}

/// Makes a directory that only its owner can enter.
pub(crate) fn private_dir(path: &Path) -> Result<(), WorkerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| failed("the directory", path, "made", error))
}

/// Reads a file that only its owner may read; `None` where there is none.
pub(crate) fn read_private(
    what: &'static str,
    path: &Path,
) -> Result<Option<Zeroizing<Vec<u8>>>, WorkerError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(what, path, "read", error)),
    };
    let metadata = file
        .metadata()
        .map_err(|error| failed(what, path, "read", error))?;
    let unusable = |why: String| WorkerError::FileContent {
        what,
        path: path.to_owned(),
        why,
    };
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(unusable(format!(
            "others may read it (mode {mode:04o}): run chmod 600 on it"
        )));
    }
    if metadata.len() > MOST {
        return Err(unusable(format!("it has {} bytes", metadata.len())));
    }
    let length = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.read_to_end(&mut bytes)
        .map_err(|error| failed(what, path, "read", error))?;
    Ok(Some(bytes))
}

/// Replaces a file: the new content is on disk under another name before it takes the place.
pub(crate) fn write_private(
    what: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<(), WorkerError> {
    replace(path, bytes).map_err(|error| failed(what, path, "written", error))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}
