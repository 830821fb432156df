//! What containers of a stopped containerd leave on a machine, and how it goes: shim processes,
//! mounts, network namespaces, files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use agent::containerd::ContainerdLayout;

use super::ContainerdError;

/// Removes everything. Safe to repeat.
pub(super) fn remove(paths: &ContainerdLayout) -> Result<(), ContainerdError> {
    let mut left = Vec::new();
    kill_processes(paths, &mut left);
    for mount in mounts_below(&[&paths.state, &paths.root]).unwrap_or_default() {
        // Lazily: a process that is dying may still have a file open there.
        if let Err(error) = umount2(&mount, MntFlags::MNT_DETACH) {
            left.push(format!("mount {}: {error}", mount.display()));
        }
    }
    if left.is_empty() {
        for directory in [&paths.state, &paths.root] {
            match fs::remove_dir_all(directory) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => left.push(format!("{}: {e}", directory.display())),
            }
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(ContainerdError::Remnant(left.join("; ")))
    }
}

/// Kills the shims (they name containerd's socket in their arguments) and whatever runs in the
/// bundles below `state`.
fn kill_processes(paths: &ContainerdLayout, left: &mut Vec<String>) {
    let socket = paths.socket.to_string_lossy().into_owned();
    let bundles = paths.state.join("io.containerd.runtime.v2.task");
    let mut doomed: BTreeSet<i32> = shims(&socket).into_iter().collect();
    doomed.extend(init_processes(&bundles));
    for pid in doomed {
        match kill(Pid::from_raw(pid), Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => left.push(format!("process {pid}: {error}")),
        }
    }
}

fn shims(socket: &str) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let arguments: Vec<_> = arguments.split(|b| *b == 0).collect();
            let is_shim = arguments
                .first()
                .is_some_and(|program| program.ends_with(b"containerd-shim-runc-v2"));
            is_shim && arguments.contains(&socket.as_bytes())
        })
        .collect()
}

/// The first process of every container, from its bundle's `init.pid`.
fn init_processes(bundles: &Path) -> Vec<i32> {
    let subdirectories = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.flatten().map(|e| e.path()).collect()
    };
    subdirectories(bundles)
        .iter()
        .flat_map(|namespace| subdirectories(namespace))
        .filter_map(|bundle| {
            let pid: i32 = fs::read_to_string(bundle.join("init.pid"))
                .ok()?
                .trim()
                .parse()
                .ok()?;
            // The number may be another process's by now: only one with its root in the bundle is
            // the container's.
            let root = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
            root.contains(bundle.file_name()?.to_str()?).then_some(pid)
        })
        .collect()
}

/// Mount points at or below any of `directories`, the deepest first.
fn mounts_below(directories: &[&Path]) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape)
        .filter(|mount| directories.iter().any(|d| mount.starts_with(d)))
        .collect();
    found.reverse();
    Ok(found)
}

/// The kernel writes space, tab, newline and backslash in octal.
fn unescape(field: &str) -> PathBuf {
    let text = field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\");
    PathBuf::from(text)
}
