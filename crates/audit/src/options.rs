//! Where the log is and how it is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether a request waits for its lines.
// upstream: apiserver/pkg/server/options/audit.go#AllowedModes
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does not. When the queue is full the event is lost; it is counted, and the next line says how many were.
    #[default]
    Batch,
    /// It waits until the line has been handed to the operating system. When that fails the request goes on.
    Blocking,
    /// The same, and a request whose first line (`RequestReceived`) cannot be written is refused.
    BlockingStrict,
}

/// Where the log is and how it is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The file; older ones are beside it with the time in their names.
    pub path: PathBuf,
    /// Whether requests wait.
    pub mode: Mode,
    /// Events that may wait to be written. Default 10,000, as upstream.
    pub buffer: usize,
    /// Bytes from which on a file is rotated. Default 100 MiB; 0 never.
    pub max_size: u64,
    /// Files kept besides the current one. Default 10; 0 keeps all.
    pub max_backups: usize,
    /// How long older files are kept. Default for ever.
    pub max_age: Option<Duration>,
    /// Bytes of a line above which bodies are left out of it. Default 1 MiB.
    pub max_event: usize,
    /// Seals each line, so that whoever has the disk cannot read it; the chain is over the sealed lines.
    pub cipher: Option<crate::Cipher>,
}

impl LogOptions {
    /// Defaults, at a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: Mode::default(),
            buffer: 10_000,
            max_size: 100 * 1024 * 1024,
            max_backups: 10,
            max_age: None,
            max_event: 1024 * 1024,
            cipher: None,
        }
    }
}
