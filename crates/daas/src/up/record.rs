//! What is known on disk of a started process, so that a later command finds the same one.

use std::path::Path;
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process by identity: the number alone may be another process's after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
    /// How often it was restarted since `daas up`.
    #[serde(default)]
    pub restarts: u32,
    /// Whether it said that it is ready.
    #[serde(default)]
    pub ready: bool,
    /// Why it ended the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
}

impl Record {
    /// The record of a running process.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_ticks: start_ticks(pid)?,
            restarts: 0,
            ready: false,
            last_exit: None,
        })
    }

    /// Reads a record; `None` where there is none.
    ///
    /// # Errors
    /// When the file can't be read or holds something else.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Writes the record in place of the former one.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::rename(temporary, path)
    }

    /// Whether exactly this process still runs (a zombie does not).
    pub(crate) fn is_alive(&self) -> bool {
        start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }

    /// Sends a signal if exactly this process still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive() {
            // It may have ended in between: then the aim is reached.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc stat"))
}

/// State and start time stand behind the command's name, which may itself hold spaces and
/// parentheses.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_another_process() {
        let me = Record::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.is_alive());
        let other = Record {
            start_ticks: me.start_ticks + 1,
            ..me
        };
        assert!(!other.is_alive());
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let tail = (4..=21)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(parse_stat(&format!("7 (a) b) S {tail} 99 0")), Some(99));
        assert_eq!(parse_stat(&format!("7 (a) b) Z {tail} 99 0")), None);
        assert_eq!(parse_stat("7 (a"), None);
    }
}
