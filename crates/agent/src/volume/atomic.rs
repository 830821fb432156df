//! Replacing a volume's files all at once.
//!
//! The files are in a directory with the time in its name; `..data` points to it and is swapped by
//! one rename; the names that a container sees point through `..data`.
// upstream: pkg/volume/util/atomic_writer.go

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path};

use k8s_openapi::jiff::Timestamp;

/// One file to be.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PayloadFile {
    pub(crate) data: Vec<u8>,
    /// Permission bits; the volume's default when `None`.
    pub(crate) mode: Option<u32>,
}

/// Relative path → file.
pub(crate) type Payload = BTreeMap<String, PayloadFile>;

const DATA: &str = "..data";

fn check(path: &str) -> io::Result<&str> {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let plain = !parts.is_empty() && parts.iter().all(|c| matches!(c, Component::Normal(_)));
    if !plain || path.starts_with("..") || path.len() > 4096 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("invalid path in volume: {path}"),
        ));
    }
    Ok(path)
}

fn mode_of(file: &PayloadFile, default: u32, group: Option<u32>) -> u32 {
    let mode = file.mode.unwrap_or(default);
    // upstream: a volume with fsGroup is readable by that group
    if group.is_some() { mode | 0o440 } else { mode }
}

fn unchanged(current: &Path, payload: &Payload, default: u32, group: Option<u32>) -> bool {
    let mut count = 0;
    let mut pending = vec![current.to_owned()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            return false;
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                _ => count += 1,
            }
        }
    }
    count == payload.len()
        && payload.iter().all(|(path, file)| {
            let path = current.join(path);
            let mode = std::fs::metadata(&path).map(|m| m.permissions().mode() & 0o7777);
            mode.is_ok_and(|m| m == mode_of(file, default, group))
                && std::fs::read(&path).is_ok_and(|data| data == file.data)
        })
}

/// Makes `dir` hold exactly `payload`; nothing is touched when it does already.
///
/// # Errors
/// Whatever the file system says; the old content is then still there.
pub(crate) fn write(
    dir: &Path,
    payload: &Payload,
    default_mode: u32,
    group: Option<u32>,
) -> io::Result<()> {
    for path in payload.keys() {
        check(path)?;
    }
    let data = dir.join(DATA);
    let old = std::fs::read_link(&data).ok();
    if let Some(old) = &old
        && unchanged(&dir.join(old), payload, default_mode, group)
    {
        return Ok(());
    }
    let stamp = Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S").to_string();
    let fresh_name = format!("..{stamp}.{:010}", rand::random::<u32>());
    let fresh = dir.join(&fresh_name);
    std::fs::create_dir(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
    for (path, file) in payload {
        let target = fresh.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut open = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&target)?;
        open.write_all(&file.data)?;
        if let Some(group) = group {
            std::os::unix::fs::chown(&target, None, Some(group))?;
        }
        open.set_permissions(std::fs::Permissions::from_mode(mode_of(
            file,
            default_mode,
            group,
        )))?;
    }
    let swap = dir.join("..data_tmp");
    let _ = std::fs::remove_file(&swap);
    symlink(&fresh_name, &swap)?;
    std::fs::rename(&swap, &data)?;
    let visible: BTreeSet<&str> = payload.keys().filter_map(|p| p.split('/').next()).collect();
    for name in &visible {
        let link = dir.join(name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), &link)?;
        }
    }
    for entry in std::fs::read_dir(dir)?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with("..") && !visible.contains(name) {
            std::fs::remove_file(entry.path())?;
        } else if name.starts_with("..")
            && name != DATA
            && name != fresh_name
            && entry.file_type()?.is_dir()
        {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        files
            .iter()
            .map(|(p, d)| {
                (
                    (*p).to_owned(),
                    PayloadFile {
                        data: d.as_bytes().to_vec(),
                        mode: None,
                    },
                )
            })
            .collect()
    }

    #[test]
    fn content_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        write(
            dir.path(),
            &payload(&[("a", "1"), ("sub/b", "2")]),
            0o644,
            None,
        )
        .unwrap();
        assert_eq!(
            (read("a").as_deref(), read("sub/b").as_deref()),
            (Some("1"), Some("2"))
        );
        let first = std::fs::read_link(dir.path().join(DATA)).unwrap();
        write(
            dir.path(),
            &payload(&[("a", "1"), ("sub/b", "2")]),
            0o644,
            None,
        )
        .unwrap();
        assert_eq!(
            std::fs::read_link(dir.path().join(DATA)).unwrap(),
            first,
            "the same content touches nothing"
        );
        write(dir.path(), &payload(&[("a", "3"), ("c", "4")]), 0o644, None).unwrap();
        assert_eq!(
            (read("a").as_deref(), read("c").as_deref(), read("sub/b")),
            (Some("3"), Some("4"), None)
        );
        assert_ne!(std::fs::read_link(dir.path().join(DATA)).unwrap(), first);
        assert!(!dir.path().join(first).exists());
        assert!(std::fs::symlink_metadata(dir.path().join("sub")).is_err());
    }

    #[test]
    fn modes_are_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &payload(&[("a", "1")]), 0o400, None).unwrap();
        assert_eq!(
            std::fs::metadata(dir.path().join("a"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o400
        );
        write(dir.path(), &payload(&[("a", "1")]), 0o644, None).unwrap();
        assert_eq!(
            std::fs::metadata(dir.path().join("a"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o644
        );
    }

    #[test]
    fn paths_out_of_the_volume_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["../x", "/etc/passwd", "..data", "", "a/../../b"] {
            assert!(
                write(dir.path(), &payload(&[(bad, "1")]), 0o644, None).is_err(),
                "{bad}"
            );
        }
    }
}
