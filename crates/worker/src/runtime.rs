//! The container runtime of a worker: a private containerd, or one that runs already; and the sandbox image in it.

use std::path::Path;

use agent::containerd::ContainerdLayout;
use agent::image::{ImageFile, OciImage};

use crate::config::OWN_PAUSE_IMAGE;
use crate::containerd::{Containerd, ContainerdError};
use crate::error::line;
use crate::{Config, WorkerError};

/// A runtime that answers.
pub(crate) enum Runtime {
    Private(Containerd),
    External,
}

impl Runtime {
    /// Starts the private containerd, if none is named.
    pub(crate) async fn start(config: &Config) -> Result<Self, WorkerError> {
        if config.containerd_socket.is_some() {
            return Ok(Self::External);
        }
        let started = Containerd::start(&config.containerd_dir(), &layout(config)).await;
        Ok(Self::Private(started?))
    }

    /// Stops what was started; containers go on.
    pub(crate) async fn stop(self) {
        if let Self::Private(containerd) = self {
            containerd.stop().await;
        }
    }

    /// Stops what was started and removes all that containers left.
    pub(crate) async fn remove(self, config: &Config) -> Result<(), WorkerError> {
        if let Self::Private(containerd) = self {
            containerd.stop().await;
            remove_all(config).await?;
        }
        Ok(())
    }
}

/// Removes what the private containerd's containers left. It must have been stopped.
pub(crate) async fn remove_all(config: &Config) -> Result<(), WorkerError> {
    let layout = layout(config);
    let removed = tokio::task::spawn_blocking(move || Containerd::remove_all(&layout)).await;
    match removed {
        Ok(outcome) => Ok(outcome?),
        Err(error) => Err(ContainerdError::Remnant(error.to_string()).into()),
    }
}

fn layout(config: &Config) -> ContainerdLayout {
    let mut layout = ContainerdLayout::under(
        &config.containerd_dir(),
        &cni_conf_dir(config),
        &config.pause_image,
    );
    layout.cni_bin_dir.clone_from(&config.cni_bin_dir);
    layout
}

/// Where the agent writes the CNI configuration.
pub(crate) fn cni_conf_dir(config: &Config) -> std::path::PathBuf {
    config.agent_dir().join("cni/net.d")
}

/// Makes the sandbox image of the pause program and imports it, if it is the one that the worker makes itself.
pub(crate) async fn import_pause_image(config: &Config) -> Result<(), WorkerError> {
    if config.pause_image != OWN_PAUSE_IMAGE {
        return Ok(());
    }
    let archive = config.data_dir.join("pause-image.tar");
    let program = config.pause_program().to_owned();
    let path = archive.clone();
    let written = tokio::task::spawn_blocking(move || write_pause_image(&program, &path)).await;
    let failed = |why: String| WorkerError::PauseImage {
        reference: OWN_PAUSE_IMAGE.to_owned(),
        why,
    };
    match written {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Err(failed(why)),
        Err(error) => return Err(failed(error.to_string())),
    }
    let imported = agent::image::import(&config.runtime_socket(), &archive, OWN_PAUSE_IMAGE).await;
    // The runtime has its own copy now.
    let _ = std::fs::remove_file(&archive);
    imported.map_err(|error| failed(line(&error)))
}

fn write_pause_image(program: &Path, archive: &Path) -> Result<(), String> {
    let image = OciImage {
        reference: OWN_PAUSE_IMAGE.to_owned(),
        files: vec![ImageFile {
            source: program.to_owned(),
            path: "daas".to_owned(),
            mode: 0o755,
        }],
        entrypoint: vec!["/daas".to_owned(), "pause".to_owned()],
        user: "65535:65535".to_owned(),
        ..OciImage::default()
    };
    image.write(archive).map(drop).map_err(|error| line(&error))
}
