//! Rotation by size.
// upstream: pkg/kubelet/logs/container_log_manager.go

use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;

/// Size from which a log is rotated.
const MAX_SIZE: u64 = 10 * 1024 * 1024;
/// Files kept per container, the current one included.
const MAX_FILES: usize = 5;

/// The rotated files of a log, oldest first.
pub(crate) fn rotation_of(log: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (log.parent(), log.file_name().and_then(|n| n.to_str())) else {
        return Vec::new();
    };
    let prefix = format!("{name}.");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| {
            e.file_name()
                .to_str()
                .is_some_and(|n| n.starts_with(&prefix))
        })
        .map(|e| e.path())
        .collect();
    files.sort();
    files
}

/// Moves a log that has grown too large aside and drops the oldest; `true` when the runtime has
/// to open the log anew.
pub(crate) fn rotate_if_large(log: &Path) -> io::Result<bool> {
    rotate_above(log, MAX_SIZE)
}

fn rotate_above(log: &Path, limit: u64) -> io::Result<bool> {
    match std::fs::metadata(log) {
        Ok(data) if data.len() > limit => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let stamp = Timestamp::now().strftime("%Y%m%d-%H%M%S%6f").to_string();
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{stamp}"));
    std::fs::rename(log, &name)?;
    let rotated = rotation_of(log);
    for old in rotated
        .iter()
        .take(rotated.len().saturating_sub(MAX_FILES - 1))
    {
        std::fs::remove_file(old)?;
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keeps_four_rotated_files() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        std::fs::write(&log, b"small").unwrap();
        assert!(!rotate_above(&log, 10).unwrap());
        for round in 0..8 {
            std::fs::write(&log, format!("large enough {round}")).unwrap();
            assert!(rotate_above(&log, 10).unwrap());
        }
        let kept: Vec<String> = rotation_of(&log)
            .iter()
            .map(|p| std::fs::read_to_string(p).unwrap())
            .collect();
        assert_eq!(
            kept,
            (4..8)
                .map(|n| format!("large enough {n}"))
                .collect::<Vec<_>>()
        );
        assert!(!rotate_above(&log, 10).unwrap());
    }
}
