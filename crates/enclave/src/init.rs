//! The first process in an enclave: mounts, loopback, the heartbeat that the host's tools wait for, the relays, and
//! then the server as a child.
//!
//! It does what `init` of AWS's enclave SDK does, and nothing more: no shell, no other program is in the image.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint::{Endpoint, HOST_CID};
use crate::image::SERVER_CONFIG;
use crate::relay::{Relay, RelayError};

/// What the image says of itself ([`crate::image::ENCLAVE_CONFIG`]); measured, so it is the egress allow-list as well.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Relays between the vsock and loopback; each has one end on either.
    #[serde(default)]
    pub relays: Vec<Relay>,
    /// Tell the host that the enclave has started, as its tools expect.
    #[serde(default = "default_heartbeat")]
    pub heartbeat: bool,
    /// Arguments of this program for the child.
    #[serde(default = "default_run")]
    pub run: Vec<String>,
}

fn default_heartbeat() -> bool {
    true
}

fn default_run() -> Vec<String> {
    ["server", "--config", SERVER_CONFIG]
        .map(str::to_owned)
        .to_vec()
}

/// Why the enclave did not come up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// This process is an ordinary one.
    #[error("this is not an enclave: `enclave init` is its first process (this is process {0})")]
    NotFirst(u32),
    /// A relay that would reach something else than the host.
    #[error("relay {name}: {why}")]
    Relay {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A relay can't listen.
    #[error(transparent)]
    Listen(#[from] RelayError),
    /// A file system.
    #[error("{0} can't be mounted")]
    Mount(&'static str, #[source] io::Error),
    /// The loopback interface.
    #[error("the loopback interface can't be brought up")]
    Loopback(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The host.
    #[error("the host's tools did not take the heartbeat")]
    Heartbeat(#[source] io::Error),
    /// The child.
    #[error("the server can't be started")]
    Child(#[source] io::Error),
}

impl Config {
    /// Checks that every relay joins the vsock with loopback, and dials nobody but the host.
    ///
    /// # Errors
    /// The first relay that doesn't.
    pub fn validate(&self) -> Result<(), InitError> {
        let mut taken = HashSet::new();
        for relay in &self.relays {
            let wrong = |why| {
                Err(InitError::Relay {
                    name: relay.name.clone(),
                    why,
                })
            };
            if !taken.insert(&relay.listen) {
                return wrong("another relay listens there as well");
            }
            match (&relay.listen, &relay.connect) {
                (Endpoint::Vsock { .. }, inside) if is_loopback(inside) => {}
                (inside, Endpoint::Vsock { cid, .. }) if is_loopback(inside) => {
                    if *cid != HOST_CID {
                        return wrong(
                            "an enclave may dial its host alone, which is vsock://3:PORT",
                        );
                    }
                }
                _ => return wrong("one end must be a vsock, the other tcp://127.0.0.1:PORT"),
            }
        }
        Ok(())
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let Endpoint::Tcp(address) = endpoint else {
        return false;
    };
    address
        .parse::<std::net::SocketAddr>()
        .is_ok_and(|address| address.ip().is_loopback())
}

/// Brings the enclave up and runs the child until it ends or SIGTERM comes.
///
/// # Errors
/// When it can't come up.
pub async fn run(config: Config) -> Result<ExitStatus, InitError> {
    let process = std::process::id();
    if process != 1 {
        return Err(InitError::NotFirst(process));
    }
    config.validate()?;
    mounts()?;
    loopback().await?;
    if config.heartbeat {
        heartbeat().await.map_err(InitError::Heartbeat)?;
    }
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    for relay in config.relays {
        relay.start(&tasks, shutdown.clone()).await?;
    }
    let status = child(&config.run).await.map_err(InitError::Child)?;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(status)
}

fn mounts() -> Result<(), InitError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (kind, at, flags) in [
        ("devtmpfs", "/dev", MsFlags::MS_NOSUID),
        ("proc", "/proc", plain | MsFlags::MS_NODEV),
        ("sysfs", "/sys", plain | MsFlags::MS_NODEV),
        ("tmpfs", "/run", plain | MsFlags::MS_NODEV),
        ("tmpfs", "/tmp", plain | MsFlags::MS_NODEV),
        ("tmpfs", "/var", plain | MsFlags::MS_NODEV),
    ] {
        match mount(Some(kind), Path::new(at), Some(kind), flags, None::<&str>) {
            // The kernel may have mounted /dev itself.
            Ok(()) | Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => return Err(InitError::Mount(at, error.into())),
        }
    }
    Ok(())
}

async fn loopback() -> Result<(), InitError> {
    let failed = |error: rtnetlink::Error| InitError::Loopback(error.into());
    let (connection, handle, _) =
        rtnetlink::new_connection().map_err(|error| InitError::Loopback(error.into()))?;
    let connection = tokio::spawn(connection);
    // The loopback interface is always the first one of a network namespace.
    let up = rtnetlink::LinkUnspec::new_with_index(1).up().build();
    let changed = handle.link().set(up).execute().await;
    connection.abort();
    changed.map_err(failed)
}

// Source: init/init.c of aws-nitro-enclaves-sdk-bootstrap, enclave_ready()
async fn heartbeat() -> io::Result<()> {
    const PORT: u32 = 9000;
    const READY: u8 = 0xb7;
    let host = Endpoint::Vsock {
        cid: HOST_CID,
        port: PORT,
    };
    let mut stream = host.connect().await?;
    stream.write_u8(READY).await?;
    match stream.read_u8().await? {
        READY => Ok(()),
        other => Err(io::Error::other(format!("it answered {other:#04x}"))),
    }
}

/// Runs the child; as the first process it also takes the orphans' ends.
async fn child(arguments: &[String]) -> io::Result<ExitStatus> {
    use std::os::unix::process::ExitStatusExt;

    let mut ends = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Not tokio's: its reaper would take the end away.
    let child = Command::new("/proc/self/exe").args(arguments).spawn()?;
    let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    loop {
        // Every end that there is: several make one signal.
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(ended, code)) if ended == id => {
                    ExitStatus::from_raw(code << 8)
                }
                Ok(WaitStatus::Signaled(ended, by, _)) if ended == id => {
                    ExitStatus::from_raw(by as i32)
                }
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => continue,
            };
            return Ok(status);
        }
        tokio::select! {
            _ = ends.recv() => {}
            _ = terminate.recv() => {
                let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(listen: &str, connect: &str) -> Config {
        let relay = serde_json::json!({"name": "r", "listen": listen, "connect": connect});
        serde_json::from_value(serde_json::json!({ "relays": [relay] })).unwrap()
    }

    #[test]
    fn relays_join_the_hosts_vsock_with_loopback_and_nothing_else() {
        let fine = |listen, connect| config(listen, connect).validate().is_ok();
        assert!(fine("vsock://any:6443", "tcp://127.0.0.1:6443"));
        assert!(fine("tcp://127.0.0.1:9000", "vsock://3:9000"));
        assert!(
            !fine("tcp://127.0.0.1:9000", "vsock://4:9000"),
            "another enclave"
        );
        assert!(
            !fine("tcp://127.0.0.1:9000", "tcp://10.0.0.1:80"),
            "past the list"
        );
        assert!(!fine("tcp://0.0.0.0:9000", "vsock://3:9000"));
        assert!(!fine("vsock://any:1", "vsock://3:1"), "the host to itself");
        let mut twice = config("vsock://any:1", "tcp://127.0.0.1:1");
        twice.relays.push(twice.relays[0].clone());
        assert!(twice.validate().is_err());
    }

    #[tokio::test]
    async fn only_the_first_process_may_do_it() {
        let refused = run(config("vsock://any:1", "tcp://127.0.0.1:1")).await;
        assert!(matches!(refused, Err(InitError::NotFirst(_))));
    }
}
