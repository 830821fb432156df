//! The containerd that a worker brings along: its own configuration, root, state and socket below
//! the worker's directory, supervised, and gone without a trace when it is told to go.
//!
//! Stopping it leaves containers running (their shims outlive it), so that a restarted worker
//! adopts them; [`Containerd::remove_all`] is for the end.

mod remnants;
mod stale;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use agent::containerd::ContainerdLayout;
use agent::cri::CriClient;
use agent::cri::v1::StatusRequest;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long it may take until its socket answers.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// First and longest pause before it is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Unix socket paths are limited to 107 bytes; containerd adds its own suffixes below `state`.
const MAX_SOCKET: usize = 107;

/// containerd could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ContainerdError {
    /// It is not installed.
    #[error(
        "containerd is not installed: `apt-get install containerd runc`, or name a running one with `containerdSocket`"
    )]
    Missing,
    /// Its directory is too deep for a socket.
    #[error("{} is too long for a socket: choose a shorter data directory", path.display())]
    PathTooLong {
        /// The socket's path.
        path: PathBuf,
    },
    /// A file or process operation failed.
    #[error("{action} failed")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended before its socket answered.
    #[error("containerd does not start ({status}): see {}", log.display())]
    Ended {
        /// Its exit status.
        status: String,
        /// Its log.
        log: PathBuf,
    },
    /// Its socket does not answer.
    #[error("containerd does not answer on {} within 30 s", socket.display())]
    Silent {
        /// The socket.
        socket: PathBuf,
    },
    /// Something of it stays on the machine.
    #[error("not everything of containerd could be removed: {0}")]
    Remnant(String),
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> ContainerdError {
    move |source| ContainerdError::Io { action, source }
}

/// A supervised containerd. Dropping it kills the process; [`Containerd::stop`] ends it properly.
pub struct Containerd {
    socket: PathBuf,
    restarts: watch::Receiver<u64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Containerd {
    /// Writes the configuration (into `directory`, with the log), starts it and waits until its
    /// socket answers. From then on it is started again, with back-off, whenever it ends.
    ///
    /// # Errors
    /// [`ContainerdError`].
    pub async fn start(
        directory: &Path,
        layout: &ContainerdLayout,
    ) -> Result<Self, ContainerdError> {
        let program = find_program("containerd").ok_or(ContainerdError::Missing)?;
        let paths = Paths::new(directory, layout);
        let longest = paths.socket.with_extension("sock.ttrpc");
        if longest.as_os_str().len() > MAX_SOCKET {
            return Err(ContainerdError::PathTooLong { path: longest });
        }
        for directory in [&paths.root, &paths.state, &layout.cni_conf_dir] {
            fs::create_dir_all(directory).map_err(failed("making containerd's directories"))?;
        }
        // A worker that was killed left its containerd running, which holds the database's lock.
        stale::end(&paths.config).await;
        fs::write(&paths.config, layout.config_toml())
            .map_err(failed("writing containerd's configuration"))?;
        let mut child = spawn(&program, &paths)?;
        wait_for_socket(&mut child, &paths).await?;
        let stop = CancellationToken::new();
        let (send, restarts) = watch::channel(0);
        let task = tokio::spawn(supervise(child, program, paths.clone(), send, stop.clone()));
        Ok(Self {
            socket: paths.socket,
            restarts,
            stop,
            task,
        })
    }

    /// Its socket: CRI and its own services.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How often it had to be started again; changes when it is.
    #[must_use]
    pub fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.clone()
    }

    /// Ends it. Containers go on: another start finds them.
    pub async fn stop(self) {
        self.stop.cancel();
        // The task ends the process by itself; a panic in it has been logged.
        let _ = self.task.await;
    }

    /// Removes what containers of this containerd left on the machine: shims, mounts,
    /// network namespaces and the state. It must have been stopped.
    ///
    /// # Errors
    /// [`ContainerdError::Remnant`] with what stays.
    pub fn remove_all(layout: &ContainerdLayout) -> Result<(), ContainerdError> {
        remnants::remove(layout)
    }
}

/// Where containerd's files are.
#[derive(Debug, Clone)]
struct Paths {
    root: PathBuf,
    state: PathBuf,
    socket: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Paths {
    fn new(directory: &Path, layout: &ContainerdLayout) -> Self {
        Self {
            root: layout.root.clone(),
            state: layout.state.clone(),
            socket: layout.socket.clone(),
            config: directory.join("config.toml"),
            log: directory.join("containerd.log"),
        }
    }
}

fn spawn(program: &Path, paths: &Paths) -> Result<Child, ContainerdError> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&paths.log)
        .map_err(failed("opening containerd's log"))?;
    let errors = log
        .try_clone()
        .map_err(failed("opening containerd's log"))?;
    // A socket that a killed one left would look like an answer.
    let _ = fs::remove_file(&paths.socket);
    Command::new(program)
        .arg("--config")
        .arg(&paths.config)
        .env("PATH", program_path())
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed("starting containerd"))
}

async fn wait_for_socket(child: &mut Child, paths: &Paths) -> Result<(), ContainerdError> {
    let until = Instant::now() + START_WITHIN;
    // containerd tells nobody when it is ready, and its directory is watched in vain before the
    // socket listens: an answer is the only proof.
    loop {
        if answers(&paths.socket).await {
            return Ok(());
        }
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(failed("waiting for containerd"))?;
                return Err(ContainerdError::Ended {
                    status: describe(status),
                    log: paths.log.clone(),
                });
            }
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        if Instant::now() >= until {
            return Err(ContainerdError::Silent {
                socket: paths.socket.clone(),
            });
        }
    }
}

/// Whether the CRI plugin serves: after the socket is there it still reads what ran before.
async fn answers(socket: &Path) -> bool {
    let Ok(client) = CriClient::connect(socket).await else {
        return false;
    };
    client.status(StatusRequest::default()).await.is_ok()
}

async fn supervise(
    mut child: Child,
    program: PathBuf,
    paths: Paths,
    restarts: watch::Sender<u64>,
    stop: CancellationToken,
) {
    let (first, longest) = PAUSES;
    let mut pause = first;
    let mut since = Instant::now();
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => {
                end(&mut child).await;
                return;
            }
            status = child.wait() => status,
        };
        let status = ended.map_or_else(|e| e.to_string(), describe);
        if since.elapsed() > longest * 2 {
            pause = first;
        }
        tracing::warn!(status, ?pause, "containerd ended and is started again");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(longest);
            match spawn(&program, &paths) {
                Ok(next) => {
                    child = next;
                    break;
                }
                Err(error) => tracing::error!(%error, "containerd can't be started again"),
            }
        }
        since = Instant::now();
        restarts.send_modify(|n| *n += 1);
    }
}

async fn end(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended by itself just now.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(STOP_WITHIN, child.wait())
        .await
        .is_err()
    {
        tracing::warn!("containerd did not end in time and is killed");
        let _ = child.kill().await;
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// The program's path, looked up where root's programs are too.
fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&program_path())
        .map(|d| d.join(name))
        .find(|p| p.is_file())
}

/// `PATH` with the directories in which runc and iptables are: containerd calls them.
fn program_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

#[cfg(test)]
mod tests;
