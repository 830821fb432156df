//! The one supervisor of a data directory: its lock, its parts, and what a former one left.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

use super::layout::Layout;
use super::process::{Part, Process};
use super::record::Record;

/// How long what a killed supervisor left may take to end.
const ORPHANS_END_WITHIN: Duration = Duration::from_secs(45);

/// Name of the supervisor's own record.
pub(crate) const SUPERVISOR: &str = "supervisor";

/// Starts and stops the parts of one data directory.
pub(crate) struct Supervisor {
    layout: Layout,
    processes: Vec<Process>,
    _lock: Flock<File>,
}

impl Supervisor {
    /// Takes the data directory's lock and ends what a killed supervisor left running.
    ///
    /// # Errors
    /// When another supervisor runs there, or the directory is not writable.
    pub(crate) async fn take(layout: Layout) -> anyhow::Result<Self> {
        private_dir(layout.root())?;
        for directory in [
            layout.run(),
            layout.root().join("logs"),
            layout.root().join("config"),
        ] {
            private_dir(&directory)?;
        }
        let lock = try_lock(&layout.lock())?.with_context(|| {
            format!(
                "a system already runs on {}: see `daas status --data-dir {0}`, or stop it with `daas down --data-dir {0}`",
                layout.root().display()
            )
        })?;
        end_orphans(&layout).await?;
        let pid = i32::try_from(std::process::id())?;
        Record::of(pid)?.write(&record_path(&layout, SUPERVISOR))?;
        Ok(Self {
            layout,
            processes: Vec::new(),
            _lock: lock,
        })
    }

    /// Starts a part; it is restarted until [`Supervisor::stop`].
    ///
    /// A part that ends with `final_code` is not.
    pub(crate) fn start(
        &mut self,
        name: &str,
        args: Vec<OsString>,
        final_code: Option<u8>,
    ) -> &Process {
        let process = Process::start(Part {
            name: name.to_owned(),
            args,
            log: self.layout.log(name),
            record: record_path(&self.layout, name),
            final_code,
        });
        self.processes.push(process);
        // It was pushed in the line before.
        &self.processes[self.processes.len() - 1]
    }

    /// Stops every part, the last started first.
    pub(crate) async fn stop(mut self) {
        while let Some(process) = self.processes.pop() {
            tracing::info!(part = process.name(), "stopping");
            process.stop().await;
        }
        let own = record_path(&self.layout, SUPERVISOR);
        if let Err(error) = fs::remove_file(&own) {
            tracing::warn!(path = %own.display(), %error, "the record could not be removed");
        }
    }
}

/// Where a part's record is.
pub(crate) fn record_path(layout: &Layout, part: &str) -> std::path::PathBuf {
    layout.run().join(format!("{part}.json"))
}

/// Every record under a data directory, by part.
///
/// # Errors
/// When the directory can't be read.
pub(crate) fn records(layout: &Layout) -> io::Result<Vec<(String, Record)>> {
    let entries = match fs::read_dir(layout.run()) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(record) = Record::read(&path)? {
            records.push((name, record));
        }
    }
    records.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(records)
}

/// Ends parts whose supervisor is gone, and forgets their records.
///
/// # Errors
/// When one of them can't be ended.
pub(crate) async fn end_orphans(layout: &Layout) -> anyhow::Result<()> {
    for (name, record) in records(layout)? {
        if record.pid == i32::try_from(std::process::id())? {
            continue;
        }
        if record.is_alive() {
            tracing::info!(
                part = name,
                pid = record.pid,
                "ending what was left running"
            );
            record.signal(Signal::SIGTERM);
            if !ended_within(&record, ORPHANS_END_WITHIN).await? {
                record.signal(Signal::SIGKILL);
                anyhow::ensure!(
                    ended_within(&record, Duration::from_secs(5)).await?,
                    "process {} ({name}) can't be ended",
                    record.pid
                );
            }
        }
        fs::remove_file(record_path(layout, &name))?;
    }
    Ok(())
}

/// Waits on the process's descriptor: no child of ours, so it can't be waited for otherwise.
async fn ended_within(record: &Record, limit: Duration) -> anyhow::Result<bool> {
    let record = record.clone();
    tokio::task::spawn_blocking(move || wait_pidfd(&record, limit)).await?
}

#[allow(
    unsafe_code,
    reason = "pidfd_open has no safe wrapper in the libraries used"
)]
fn wait_pidfd(record: &Record, limit: Duration) -> anyhow::Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};

    // SAFETY: the call takes two integers and returns a new descriptor or -1.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, record.pid, 0) };
    if raw < 0 {
        return Ok(!record.is_alive());
    }
    // SAFETY: the kernel just returned this descriptor to us alone.
    let descriptor = unsafe { OwnedFd::from_raw_fd(i32::try_from(raw)?) };
    if !record.is_alive() {
        return Ok(true);
    }
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    let mut wait = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut wait, timeout)? > 0 || !record.is_alive())
}

/// Asks the running supervisor to stop and waits until it has.
///
/// # Errors
/// When it does not stop.
pub(crate) async fn stop_running(layout: &Layout) -> anyhow::Result<bool> {
    let Some(record) = Record::read(&record_path(layout, SUPERVISOR))? else {
        return Ok(false);
    };
    if !record.is_alive() {
        return Ok(false);
    }
    record.signal(Signal::SIGTERM);
    let limit = Duration::from_secs(180);
    anyhow::ensure!(
        ended_within(&record, limit).await?,
        "the supervisor (process {}) does not stop: see {}",
        record.pid,
        layout.log("up").display()
    );
    Ok(true)
}

fn try_lock(path: &Path) -> anyhow::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} can't be opened", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).context("the data directory can't be locked"),
    }
}

/// Makes a directory that only its owner can look into.
///
/// # Errors
/// When it can't be made.
pub(crate) fn private_dir(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("{} can't be made", path.display()))
}
