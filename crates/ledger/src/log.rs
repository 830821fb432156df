//! The append-only log file.
//!
//! ```text
//! file   = magic record*
//! record = length:u32 guard:[u8;4] check:[u8;8] body
//! guard  = first 4 bytes of blake2b-256 over (offset:u64 ‖ length:u32), little endian
//! check  = first 8 bytes of blake2b-256 over (offset:u64 ‖ length:u32 ‖ body)
//! ```
//!
//! Appends are written in one go and synchronised before they return. When the file is opened all
//! of it is read. A last record that is not complete is what an interrupted append leaves behind:
//! nobody got an answer for it, and it is cut off. Anything else that does not check is damage and
//! an error: the offset is part of the check, so that no record can be moved either.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sui_sdk_types::hash::Hasher;

use crate::LedgerError;

const MAGIC: &[u8; 16] = b"daas-ledger-v3\r\n";
/// The format, as it is named in the magic.
const FORMAT: &str = "v3";
const HEADER: usize = 16;

/// An open log, locked against other processes.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    length: u64,
    /// Set when a failed append could not be undone: nothing more may be written.
    broken: bool,
}

fn sum<const N: usize>(offset: u64, length: u32, body: &[u8]) -> [u8; N] {
    let mut hasher = Hasher::new();
    hasher.update(offset.to_le_bytes());
    hasher.update(length.to_le_bytes());
    hasher.update(body);
    let digest = hasher.finalize().into_inner();
    let mut sum = [0; N];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}

impl Log {
    /// Opens the log, making it where it is not there, and gives all its records with their offsets.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Record>), LedgerError> {
        let failed = |action| {
            move |source| LedgerError::Io {
                path: path.to_owned(),
                action,
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        // A file that was cut off within its magic has never held a record.
        if MAGIC.starts_with(&bytes) {
            file.set_len(0).map_err(failed("write"))?;
            file.seek(SeekFrom::Start(0)).map_err(failed("write"))?;
            file.write_all(MAGIC).map_err(failed("write"))?;
            file.sync_all().map_err(failed("write"))?;
            sync_parent(path).map_err(failed("write"))?;
            bytes = MAGIC.to_vec();
        }
        if let Some(found) = other_format(&bytes) {
            return Err(LedgerError::OtherFormat {
                path: path.to_owned(),
                found,
                expected: FORMAT,
            });
        }
        let (records, length) = read(&bytes).map_err(|(offset, reason)| LedgerError::Corrupt {
            path: path.to_owned(),
            offset,
            reason,
        })?;
        let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length < total {
            tracing::warn!(
                path = %path.display(),
                bytes = total - length,
                "cut off an unfinished write at the end of the ledger's log"
            );
            file.set_len(length).map_err(failed("write"))?;
            file.sync_all().map_err(failed("write"))?;
        }
        let log = Self {
            file,
            path: path.to_owned(),
            length,
            broken: false,
        };
        Ok((log, records))
    }

    /// Appends records and returns when they are on the disk: all of them or, on an error, none.
    pub(crate) fn append(&mut self, bodies: &[Vec<u8>]) -> Result<(), LedgerError> {
        let failed = |path: &Path, source| LedgerError::Io {
            path: path.to_owned(),
            action: "write",
            source,
        };
        if self.broken {
            return Err(failed(
                &self.path,
                std::io::Error::other("an earlier write failed"),
            ));
        }
        let mut buffer = Vec::new();
        for body in bodies {
            let offset = self.length
                + u64::try_from(buffer.len())
                    .map_err(|error| failed(&self.path, std::io::Error::other(error)))?;
            let length = u32::try_from(body.len())
                .map_err(|error| failed(&self.path, std::io::Error::other(error)))?;
            buffer.extend_from_slice(&length.to_le_bytes());
            buffer.extend_from_slice(&sum::<4>(offset, length, &[]));
            buffer.extend_from_slice(&sum::<8>(offset, length, body));
            buffer.extend_from_slice(body);
        }
        let written = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(&buffer))
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is on the disk now is not known. Cut it off, or write nothing more.
            let undone = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.sync_all());
            self.broken = undone.is_err();
            return Err(failed(&self.path, source));
        }
        self.length += u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// The format of a log of another version.
fn other_format(bytes: &[u8]) -> Option<String> {
    let rest = bytes.strip_prefix(b"daas-ledger-")?;
    let (format, _) = rest.split_first_chunk::<2>()?;
    let named = format.first() == Some(&b'v') && format.iter().all(u8::is_ascii_alphanumeric);
    let format = std::str::from_utf8(format).ok().filter(|_| named)?;
    (format != FORMAT && rest.get(2..4) == Some(b"\r\n")).then(|| format.to_owned())
}

type Damage = (u64, String);

/// A record and where it begins.
pub(crate) type Record = (u64, Vec<u8>);

/// The records in a file's bytes, and how long the intact part is.
fn read(bytes: &[u8]) -> Result<(Vec<Record>, u64), Damage> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        return Err((0, "it is not a ledger's log of this version".to_owned()));
    };
    let mut offset = u64::try_from(MAGIC.len()).unwrap_or(0);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let Some((header, after)) = rest.split_at_checked(HEADER) else {
            return Ok((records, offset));
        };
        let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let (length, sums) = header.split_at(4);
        let (guard, check) = sums.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
        if sum::<4>(offset, length, &[]) != guard {
            // A file system may have made room for a last write and not filled it.
            if zeros(rest) {
                return Ok((records, offset));
            }
            return Err((
                offset,
                "a record's length does not match its guard".to_owned(),
            ));
        }
        let Some((body, next)) = usize::try_from(length)
            .ok()
            .and_then(|length| after.split_at_checked(length))
        else {
            return Ok((records, offset));
        };
        if sum::<8>(offset, length, body) != check {
            if next.is_empty() && body.len() >= 16 && zeros(body.split_at(body.len() - 16).1) {
                return Ok((records, offset));
            }
            return Err((offset, "a record does not match its check sum".to_owned()));
        }
        records.push((offset, body.to_vec()));
        offset += u64::try_from(HEADER + body.len()).unwrap_or(u64::MAX);
        rest = next;
    }
    Ok((records, offset))
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn written(bodies: &[&[u8]]) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, records) = Log::open(&path).unwrap();
        assert!(records.is_empty());
        for body in bodies {
            log.append(&[body.to_vec()]).unwrap();
        }
        drop(log);
        let bytes = std::fs::read(&path).unwrap();
        (directory, path, bytes)
    }

    #[test]
    fn every_cut_gives_a_prefix() {
        let (_directory, path, bytes) = written(&[b"first", b"second record", b"third"]);
        let mut seen = 0;
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let (mut log, records) = Log::open(&path).unwrap();
            assert!(records.len() >= seen, "a longer file has no fewer records");
            seen = records.len();
            // And it can be written on.
            log.append(&[b"more".to_vec()]).unwrap();
            drop(log);
            let (_, again) = Log::open(&path).unwrap();
            assert_eq!(again.len(), seen + 1);
            assert_eq!(again.last().unwrap().1, b"more");
        }
        assert_eq!(seen, 3);
    }

    #[test]
    fn every_flipped_bit_before_the_last_record_is_an_error() {
        let (_directory, path, bytes) = written(&[b"first", b"second record", b"third"]);
        let last = bytes.len() - HEADER - b"third".len();
        for byte in 0..last {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[byte] ^= 1 << bit;
                std::fs::write(&path, &damaged).unwrap();
                match Log::open(&path) {
                    Err(LedgerError::Corrupt { offset, .. }) => {
                        assert!(offset <= byte as u64);
                    }
                    // A bit of the format's name.
                    Err(LedgerError::OtherFormat { .. }) => assert!((12..14).contains(&byte)),
                    other => panic!("byte {byte} bit {bit}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_log_of_another_version_says_what_to_do() {
        let (_directory, path, mut bytes) = written(&[b"first"]);
        bytes[13] = b'2';
        std::fs::write(&path, &bytes).unwrap();
        let error = Log::open(&path).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LedgerError::OtherFormat { .. }));
        assert!(text.contains("format v2, this version reads v3"), "{text}");
        assert!(text.contains("start on an empty data directory"), "{text}");
    }

    #[test]
    fn a_tail_of_zeros_is_cut_off() {
        let (_directory, path, mut bytes) = written(&[b"first"]);
        bytes.extend([0; 100]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Log::open(&path).unwrap().1, [(16, b"first".to_vec())]);
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let _first = Log::open(&path).unwrap();
        assert!(matches!(Log::open(&path), Err(LedgerError::InUse { .. })));
    }
}
