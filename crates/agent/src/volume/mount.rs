//! Mounts, ownership and removal.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::VolumeError;

/// `\040` and the like in mountinfo.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 4)
            .and_then(|o| std::str::from_utf8(o).ok())
            .and_then(|o| u8::from_str_radix(o, 8).ok());
        if let (b'\\', Some(code)) = (byte, code) {
            out.push(code);
            at += 4;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// Mount points at or below `dir`, deepest first.
pub(crate) fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points: Vec<PathBuf> = text
        .lines()
        .filter_map(|l| l.split(' ').nth(4))
        .map(unescape)
        .filter(|p| p.starts_with(&dir))
        .collect();
    points.reverse();
    points
}

/// Mounts a tmpfs, unless there is one already.
pub(super) fn tmpfs(path: &Path, limit: Option<i64>, mode: u32) -> Result<(), VolumeError> {
    let real = std::fs::canonicalize(path).map_err(VolumeError::io(path))?;
    if mounts_below(&real).contains(&real) {
        return Ok(());
    }
    let size = limit
        .filter(|l| *l > 0)
        .map(|l| format!(",size={l}"))
        .unwrap_or_default();
    let options = format!("mode={mode:o}{size}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        &real,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    )
    .map_err(|e| VolumeError::io(path)(e.into()))
}

/// Permissions of a volume's top directory; with a group, it belongs to it and passes it on.
pub(super) fn own(path: &Path, group: Option<u32>, mode: u32) -> Result<(), VolumeError> {
    let mode = match group {
        Some(group) => {
            std::os::unix::fs::chown(path, None, Some(group)).map_err(VolumeError::io(path))?;
            mode | 0o2770
        }
        None => mode,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(VolumeError::io(path))
}

/// Bind-mounts `source` over `target`.
pub(super) fn bind(source: &Path, target: &Path) -> Result<(), VolumeError> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )
    .map_err(|e| VolumeError::io(target)(e.into()))
}

/// Unmounts everything below `dir` and removes it. What is still mounted is never descended into.
///
/// # Errors
/// A mount or a file that can't be removed.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    for point in mounts_below(dir) {
        match umount2(&point, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(nix::errno::Errno::EBUSY) => {
                umount2(&point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(left) = mounts_below(dir).first() {
        return Err(io::Error::other(format!(
            "{} is still mounted",
            left.display()
        )));
    }
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_escapes() {
        assert_eq!(unescape("/a\\040b/ü\\134"), PathBuf::from("/a b/ü\\"));
    }
}
