//! The current file, the older ones, and reading them.
//!
//! An older file has the time of its rotation in its name, as lumberjack names them: `audit-2006-01-02T15-04-05.000.log`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::chain;
use crate::sealing::is_sealed;
use crate::{ChainHead, Cipher, LogOptions};

pub(super) struct Files {
    path: PathBuf,
    file: File,
    length: u64,
}

pub(super) struct Opened {
    pub(super) files: Files,
    /// Where the chain goes on.
    pub(super) head: ChainHead,
    /// Where the files end.
    pub(super) found: ChainHead,
    pub(super) tampered: bool,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

impl Files {
    pub(super) fn open(options: &LogOptions, expected: Option<ChainHead>) -> io::Result<Opened> {
        if let Some(dir) = options.path.parent().filter(|d| !d.as_os_str().is_empty()) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)?;
        }
        let mut file = open(&options.path)?;
        let mut length = file.metadata()?.len();
        // A line without its end was never complete: the server went down while it wrote.
        let whole = whole_lines(&mut file, length)?;
        if whole < length {
            tracing::warn!(
                bytes = length - whole,
                "the audit log's last line is incomplete: removed"
            );
            file.set_len(whole)?;
            length = whole;
        }
        let mut found = None;
        let mut has_expected = expected.is_none_or(|e| e.sequence == 0);
        let mut paths = vec![options.path.clone()];
        paths.extend(older(&options.path)?.into_iter().rev());
        'files: for path in paths {
            let mut of = File::open(&path)?;
            for line in BackLines::new(&mut of)? {
                let line = line?;
                let Some((event, link)) = chain::split(&line) else {
                    continue;
                };
                if !chain::holds(&event, &link) {
                    continue;
                }
                found.get_or_insert(link.head());
                match expected {
                    Some(expected) if link.sequence > expected.sequence => {}
                    Some(expected) => {
                        has_expected = has_expected || link.head() == expected;
                        break 'files;
                    }
                    None => break 'files,
                }
            }
        }
        let found = found.unwrap_or_default();
        let head = match expected {
            Some(expected) if !has_expected => expected,
            _ => found,
        };
        Ok(Opened {
            files: Self {
                path: options.path.clone(),
                file,
                length,
            },
            head,
            found,
            tampered: !has_expected,
        })
    }

    pub(super) fn append(&mut self, buffer: &[u8], options: &LogOptions) -> io::Result<()> {
        if options.max_size > 0
            && self.length > 0
            && self.length + buffer.len() as u64 > options.max_size
        {
            self.rotate(options)?;
        }
        if let Err(error) = self.file.write_all(buffer) {
            // What was written of it must not stay: the chain goes on from the line before.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += buffer.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rotate(&mut self, options: &LogOptions) -> io::Result<()> {
        self.file.sync_data()?;
        let now = jiff::Timestamp::now();
        let newest = older(&self.path)?.pop();
        let (stem, extension) = parts(&self.path);
        let mut to;
        let mut bump = 0;
        loop {
            let at = now + jiff::SignedDuration::from_millis(bump);
            to = self.path.with_file_name(format!(
                "{stem}-{}{extension}",
                at.strftime("%Y-%m-%dT%H-%M-%S.%3f")
            ));
            // Names are in the order of the lines, also when the clock stands still.
            if newest.as_ref().is_none_or(|n| *n < to) && !to.exists() {
                break;
            }
            bump += 1;
        }
        fs::rename(&self.path, &to)?;
        self.file = open(&self.path)?;
        self.length = 0;
        let mut all = older(&self.path)?;
        if options.max_backups > 0 {
            while all.len() > options.max_backups {
                fs::remove_file(all.remove(0))?;
            }
        }
        if let Some(age) = options.max_age {
            for path in all {
                let modified = fs::metadata(&path)?.modified()?;
                if SystemTime::now()
                    .duration_since(modified)
                    .is_ok_and(|d| d > age)
                {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}

fn parts(path: &Path) -> (String, String) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path
        .extension()
        .map(|e| format!(".{}", e.to_string_lossy()))
        .unwrap_or_default();
    (stem.into_owned(), extension)
}

/// The rotated files of a log, oldest first.
fn older(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (stem, extension) = parts(path);
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let time = name
            .strip_prefix(&stem)
            .and_then(|n| n.strip_prefix('-'))
            .and_then(|n| n.strip_suffix(&extension));
        if time.is_some_and(|t| t.len() == 23 && t.as_bytes().get(10) == Some(&b'T')) {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

/// Bytes up to the last line break.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = vec![0; 64 * 1024];
    while end > 0 {
        let size = end.min(block.len() as u64);
        file.seek(SeekFrom::Start(end - size))?;
        let part = block
            .get_mut(..usize::try_from(size).unwrap_or(0))
            .unwrap_or_default();
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
            return Ok(end - size + at as u64 + 1);
        }
        end -= size;
    }
    Ok(0)
}

/// A file's lines from its end.
struct BackLines<'a> {
    file: &'a mut File,
    start: u64,
    tail: Vec<u8>,
}

impl<'a> BackLines<'a> {
    fn new(file: &'a mut File) -> io::Result<Self> {
        let start = file.metadata()?.len();
        Ok(Self {
            file,
            start,
            tail: Vec::new(),
        })
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.tail.last() == Some(&b'\n') {
                self.tail.pop();
            }
            if let Some(at) = self.tail.iter().rposition(|b| *b == b'\n') {
                let line = self.tail.split_off(at + 1);
                return Ok(Some(line));
            }
            if self.start == 0 {
                let line = std::mem::take(&mut self.tail);
                return Ok((!line.is_empty()).then_some(line));
            }
            let size = self.start.min(64 * 1024);
            self.start -= size;
            self.file.seek(SeekFrom::Start(self.start))?;
            let mut block = vec![0; usize::try_from(size).unwrap_or(0)];
            self.file.read_exact(&mut block)?;
            block.append(&mut self.tail);
            self.tail = block;
        }
    }
}

impl Iterator for BackLines<'_> {
    type Item = io::Result<Vec<u8>>;
    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file.
    #[error("the audit log cannot be read")]
    Io(#[from] io::Error),
    /// A sealed line cannot be opened.
    #[error(
        "line {sequence} of the audit log cannot be opened: it was sealed with another key, or changed"
    )]
    Sealed {
        /// Its number.
        sequence: u64,
    },
}

/// Gives every line after number `after`, oldest first and opened, to `each`, until that says that it is enough. A line
/// that is no link of a chain is passed over.
///
/// # Errors
/// [`ReadError`].
pub fn read(
    path: &Path,
    cipher: Option<&Cipher>,
    after: u64,
    mut each: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), ReadError> {
    let mut paths = older(path)?;
    paths.push(path.to_owned());
    for path in paths {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line?;
            let Some((event, link)) = chain::split(&line) else {
                continue;
            };
            if link.sequence <= after {
                continue;
            }
            let go_on = match cipher {
                Some(cipher) if is_sealed(&event) => {
                    let opened = cipher
                        .open(link.sequence, &event)
                        .ok_or(ReadError::Sealed {
                            sequence: link.sequence,
                        })?;
                    each(link.sequence, &opened)
                }
                _ => each(link.sequence, &event),
            };
            if !go_on {
                return Ok(());
            }
        }
    }
    Ok(())
}
