//! The file that says in which state a control plane's platform must be.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tee_verify::{Collateral, Policy, SnpTcb, TcbPolicy, TcbStatus};

/// The largest file that is read.
const MAX_FILE: u64 = 64 * 1024;
/// The largest revocation list.
const MAX_LIST: u64 = 1024 * 1024;

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
    /// One that it names is no list.
    #[error("{} holds no revocation list (DER or PEM)", .0.display())]
    List(PathBuf),
}

/// What the file has: [`TcbPolicy`], and files beside it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Demands {
    snp_minimum: Option<SnpTcb>,
    snp_max_vmpl: Option<u32>,
    tcb_statuses: Option<BTreeSet<TcbStatus>>,
    min_tcb_evaluation: Option<u32>,
    /// Files with revocation lists (DER or PEM), relative to this one.
    revocation_lists: Vec<PathBuf>,
}

/// `policy` with the demands of a file: the JSON of [`TcbPolicy`], and `revocationLists`, files (DER or PEM) beside it whose
/// certificates count as revoked whatever the control plane sends.
///
/// # Errors
/// [`TcbFileError`].
pub fn with_tcb_file(policy: Policy, path: &Path) -> Result<Policy, TcbFileError> {
    let demands: Demands =
        serde_json::from_slice(&read(path, MAX_FILE)?).map_err(|source| TcbFileError::Content {
            path: path.to_owned(),
            source,
        })?;
    let mut policy = TcbPolicy {
        snp_minimum: demands.snp_minimum,
        snp_max_vmpl: demands.snp_max_vmpl,
        tcb_statuses: demands.tcb_statuses,
        min_tcb_evaluation: demands.min_tcb_evaluation,
    }
    .apply(policy);
    let folder = path.parent().unwrap_or(Path::new("."));
    for name in &demands.revocation_lists {
        let path = folder.join(name);
        let mut lists = Collateral::default();
        let content = read(&path, MAX_LIST)?;
        if lists.add(&content).is_err() || lists.revocation_lists.is_empty() {
            return Err(TcbFileError::List(path));
        }
        policy.revocation_lists.extend(lists.revocation_lists);
    }
    Ok(policy)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, TcbFileError> {
    let mut content = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut content))
        .map_err(|source| TcbFileError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(content)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
        assert!(matches!(
            read(r#"{"revocationLists":["tcb.json"]}"#),
            Err(TcbFileError::List(_))
        ));
        assert!(matches!(
            read(r#"{"revocationLists":["absent.crl"]}"#),
            Err(TcbFileError::Read { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            with_tcb_file(Policy::new(), &path),
            Err(TcbFileError::Read { .. })
        ));
    }
}
