//! A containerd that a killed worker left behind.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::STOP_WITHIN;

/// Ends whichever containerd runs with the configuration file `config`, and waits until it is gone. Its containers go
/// on. The caller holds the lock of the data directory, so it is nobody else's.
pub(super) async fn end(config: &Path) {
    let until = Instant::now() + STOP_WITHIN;
    let mut signal = Signal::SIGTERM;
    loop {
        let left = running(config);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= until {
            signal = Signal::SIGKILL;
        }
        for pid in left {
            tracing::info!(pid, %signal, "ending the containerd that a killed worker left");
            // It may have ended by itself just now.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        // It is no child of this process: there is nothing to wait on.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(super) fn running(config: &Path) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_containerd_with(&arguments, config.as_os_str().as_bytes())
        })
        .collect()
}

/// Whether a command line (separated by zero bytes) is `…/containerd --config <config>`.
fn is_containerd_with(arguments: &[u8], config: &[u8]) -> bool {
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let name = program
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    name == b"containerd"
        && arguments.next() == Some(b"--config")
        && arguments.next() == Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containerd_of_this_very_configuration_is_meant() {
        let config = b"/d/worker-0/containerd/config.toml";
        let line = |text: &str| text.replace(' ', "\0").into_bytes();
        let is = |text: &str| is_containerd_with(&line(text), config);
        assert!(is(
            "/usr/bin/containerd --config /d/worker-0/containerd/config.toml "
        ));
        assert!(!is(
            "/usr/bin/containerd --config /d/worker-1/containerd/config.toml "
        ));
        assert!(!is(
            "/usr/bin/containerd-shim-runc-v2 --config /d/worker-0/containerd/config.toml "
        ));
        assert!(!is("/usr/bin/containerd "));
        assert!(!is(""));
    }
}
