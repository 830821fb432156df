//! Import of an OCI archive into containerd's `k8s.io` namespace.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::cri::events::NAMESPACE;
use crate::cri::v1::{ImageSpec, ImageStatusRequest};
use crate::cri::{CriClient, CriError};

/// Failure to import an image.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// `ctr` (part of containerd) could not be run.
    #[error("cannot run ctr, which comes with containerd")]
    Run(#[source] io::Error),
    /// containerd refused the archive.
    #[error("containerd did not take {archive}: {message}")]
    Refused {
        /// The archive.
        archive: PathBuf,
        /// What `ctr` printed.
        message: String,
    },
    /// The runtime can't be asked.
    #[error("cannot ask the runtime for the image")]
    Runtime(#[from] CriError),
    /// The runtime does not see the image after the import.
    #[error("the runtime does not list {0} after its import")]
    NotListed(String),
}

/// Imports `archive` and returns once the runtime knows `reference`. Safe to repeat.
///
/// # Errors
/// When `ctr` is missing, containerd refuses the archive or does not list the image.
pub async fn import(socket: &Path, archive: &Path, reference: &str) -> Result<(), ImportError> {
    let output = Command::new("ctr")
        .arg("--address")
        .arg(socket)
        .args(["--namespace", NAMESPACE, "images", "import"])
        .arg(archive)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(ImportError::Run)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ImportError::Refused {
            archive: archive.to_owned(),
            message,
        });
    }
    // The CRI plugin learns of the image by an event of containerd's, a moment later.
    let client = CriClient::connect(socket).await?;
    for _ in 0..100 {
        let request = ImageStatusRequest {
            image: Some(ImageSpec {
                image: reference.to_owned(),
                ..ImageSpec::default()
            }),
            verbose: false,
        };
        if client.image_status(request).await?.image.is_some() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(ImportError::NotListed(reference.to_owned()))
}
