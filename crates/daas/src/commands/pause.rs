//! `daas pause`: what a pod's sandbox container runs. It holds the pod's namespaces and, as
//! their first process, takes in orphans.

use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, waitpid};

/// Sleeps until SIGINT or SIGTERM; reaps children that nobody waits for.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                let reaped =
                    |status| matches!(status, Ok(s) if s != nix::sys::wait::WaitStatus::StillAlive);
                while reaped(waitpid(None, Some(WaitPidFlag::WNOHANG))) {}
            }
            _ => return Ok(ExitCode::SUCCESS),
        }
    }
}
