//! `subPath`: a part of a volume, without a way out of it.
// upstream: pkg/volume/util/subpath/subpath_linux.go

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};

use super::{VolumeError, mount};

fn open(dir: impl AsFd, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(dir, name, how)
}

/// Opens `sub` below `volume`, making directories that are missing; a symbolic link may not lead
/// out of the volume.
fn resolve(volume: &Path, sub: &str) -> io::Result<OwnedFd> {
    let root = File::open(volume)?;
    match open(&root, Path::new(sub), OFlag::O_PATH) {
        Ok(found) => return Ok(found),
        Err(nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mut at: OwnedFd = root.into();
    for part in Path::new(sub).components() {
        let Component::Normal(name) = part else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("invalid subPath {sub:?}"),
            ));
        };
        let name = Path::new(name);
        at = match open(&at, name, OFlag::O_PATH) {
            Ok(next) => next,
            Err(nix::errno::Errno::ENOENT) => {
                mkdirat(&at, name, Mode::from_bits_truncate(0o755))?;
                open(&at, name, OFlag::O_PATH)?
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok(at)
}

/// Bind-mounts `sub` of `volume` at `target` and returns it.
pub(crate) fn bind_subpath(
    volume: &Path,
    sub: &str,
    target: &Path,
) -> Result<PathBuf, VolumeError> {
    let found = resolve(volume, sub).map_err(VolumeError::io(&volume.join(sub)))?;
    let through = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    let is_dir = std::fs::metadata(&through)
        .map_err(VolumeError::io(&through))?
        .is_dir();
    if mount::mounts_below(target).contains(&target.to_owned()) {
        nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH)
            .map_err(|e| VolumeError::io(target)(e.into()))?;
    }
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(VolumeError::io(parent))?;
    }
    if is_dir {
        std::fs::create_dir_all(target).map_err(VolumeError::io(target))?;
    } else {
        File::create(target).map_err(VolumeError::io(target))?;
    }
    mount::bind(&through, target)?;
    Ok(target.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_may_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::os::unix::fs::symlink("in", dir.path().join("link")).unwrap();
        assert!(resolve(dir.path(), "out/passwd").is_err());
        assert!(resolve(dir.path(), "../x").is_err());
        assert!(resolve(dir.path(), "link").is_ok());
        assert!(resolve(dir.path(), "made/on/the/way").is_ok());
        assert!(dir.path().join("made/on/the/way").is_dir());
    }
}
