//! The file that says in which state a control plane's platform must be.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tee_verify::{Policy, TcbPolicy};

/// The largest file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// The file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TcbFileError {
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no policy for platforms: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// `policy` with the demands of a file, the JSON of [`TcbPolicy`].
///
/// # Errors
/// [`TcbFileError`].
pub fn with_tcb_file(policy: Policy, path: &Path) -> Result<Policy, TcbFileError> {
    let mut content = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut content))
        .map_err(|source| TcbFileError::Read {
            path: path.to_owned(),
            source,
        })?;
    let demands: TcbPolicy =
        serde_json::from_slice(&content).map_err(|source| TcbFileError::Content {
            path: path.to_owned(),
            source,
        })?;
    Ok(demands.apply(policy))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tee_verify::TcbStatus;

    use super::*;

    #[test]
    fn a_file_says_what_a_platform_must_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tcb.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            with_tcb_file(Policy::new(), &path)
        };
        assert_eq!(read("{}").unwrap(), Policy::new());
        let demanding =
            r#"{"snpMinimum":{"snp":8},"tcbStatuses":["UpToDate"],"minTcbEvaluation":17}"#;
        let policy = read(demanding).unwrap();
        assert_eq!(policy.snp_minimum.snp, 8);
        assert_eq!(policy.min_tcb_evaluation, 17);
        assert_eq!(policy.tcb_statuses, [TcbStatus::UpToDate].into());
        assert!(matches!(
            read(r#"{"measurements":[]}"#),
            Err(TcbFileError::Content { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            with_tcb_file(Policy::new(), &path),
            Err(TcbFileError::Read { .. })
        ));
    }
}
