//! Volumes of a pod: made and kept up to date under its directory, unmounted and removed with it.
//!
//! What comes from Secrets, tokens included, lies on tmpfs only.
// upstream: pkg/volume/{emptydir,configmap,secret,projected,downwardapi,hostpath}, pkg/volume/util/atomic_writer.go

mod atomic;
mod mount;
mod payload;
mod subpath;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{HostPathVolumeSource, Pod, Volume};

use crate::cluster_api::{BoundToken, ClusterApi, ClusterApiError};
use crate::pod::env::{EnvError, Facts};
use crate::pod::spec::PodExt;

pub(crate) use atomic::{Payload, PayloadFile};
pub(crate) use mount::remove_tree;
pub(crate) use subpath::bind_subpath;

/// Why a volume can't be mounted; the message is shown in an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("{0}")]
    Source(String),
    #[error("{0}")]
    Api(#[from] ClusterApiError),
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl From<EnvError> for VolumeError {
    fn from(error: EnvError) -> Self {
        Self::Source(error.to_string())
    }
}

impl VolumeError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// The volumes of one pod.
#[derive(Default)]
pub(crate) struct Volumes {
    /// Where each volume is on the host.
    pub(crate) paths: HashMap<String, PathBuf>,
    tokens: HashMap<String, (BoundToken, i64)>,
}

impl Volumes {
    /// Makes what is missing and brings the content up to date; the first failure ends it, with
    /// the volume's name.
    pub(crate) async fn sync(
        &mut self,
        pod_dir: &Path,
        api: &dyn ClusterApi,
        pod: &Pod,
        facts: &Facts,
    ) -> Result<(), (String, VolumeError)> {
        for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
            match self.one(pod_dir, api, pod, facts, volume).await {
                Ok(path) => {
                    self.paths.insert(volume.name.clone(), path);
                }
                // What is mounted stays as it is while its source can't be read.
                Err(VolumeError::Api(error))
                    if self.paths.contains_key(&volume.name) && !error.is_not_found() =>
                {
                    tracing::debug!(pod = pod.full_name(), volume = volume.name, %error, "volume not refreshed");
                }
                Err(error) => return Err((volume.name.clone(), error)),
            }
        }
        Ok(())
    }

    async fn one(
        &mut self,
        pod_dir: &Path,
        api: &dyn ClusterApi,
        pod: &Pod,
        facts: &Facts,
        volume: &Volume,
    ) -> Result<PathBuf, VolumeError> {
        let group = pod
            .spec
            .as_ref()
            .and_then(|s| s.security_context.as_ref())
            .and_then(|c| c.fs_group)
            .and_then(|g| u32::try_from(g).ok());
        let place = |kind: &str| pod_dir.join("volumes").join(kind).join(&volume.name);
        if let Some(source) = &volume.host_path {
            return host_path(source);
        }
        if let Some(source) = &volume.empty_dir {
            let path = place("empty-dir");
            if path.exists() && self.paths.contains_key(&volume.name) {
                return Ok(path);
            }
            std::fs::create_dir_all(&path).map_err(VolumeError::io(&path))?;
            if source.medium.as_deref() == Some("Memory") {
                let limit = source
                    .size_limit
                    .as_ref()
                    .and_then(|q| crate::pod::quantity::value(&q.0));
                mount::tmpfs(&path, limit, 0o777)?;
            }
            mount::own(&path, group, 0o777)?;
            return Ok(path);
        }
        let (path, memory, default_mode, payload) = if let Some(source) = &volume.config_map {
            let payload = payload::config_map(
                api,
                pod,
                &source.name,
                source.items.as_deref(),
                source.optional == Some(true),
            )
            .await?;
            (place("config-map"), false, source.default_mode, payload)
        } else if let Some(source) = &volume.secret {
            let name = source.secret_name.clone().unwrap_or_default();
            let payload = payload::secret(
                api,
                pod,
                &name,
                source.items.as_deref(),
                source.optional == Some(true),
            )
            .await?;
            (place("secret"), true, source.default_mode, payload)
        } else if let Some(source) = &volume.downward_api {
            let payload =
                payload::downward(pod, source.items.as_deref().unwrap_or_default(), facts)?;
            (place("downward-api"), true, source.default_mode, payload)
        } else if let Some(source) = &volume.projected {
            let payload =
                payload::projected(api, pod, source, facts, &volume.name, &mut self.tokens).await?;
            (place("projected"), true, source.default_mode, payload)
        } else if volume.persistent_volume_claim.is_some() {
            return Err(VolumeError::Source(
                "persistent volume claims are not supported by this node agent".to_owned(),
            ));
        } else {
            return Err(VolumeError::Source("no volume plugin matched".to_owned()));
        };
        std::fs::create_dir_all(&path).map_err(VolumeError::io(&path))?;
        if memory {
            mount::tmpfs(&path, None, 0o755)?;
        }
        let default_mode = default_mode
            .and_then(|m| u32::try_from(m).ok())
            .unwrap_or(0o644);
        atomic::write(&path, &payload, default_mode, group).map_err(VolumeError::io(&path))?;
        Ok(path)
    }
}

// upstream: pkg/volume/hostpath/host_path.go#checkType
fn host_path(source: &HostPathVolumeSource) -> Result<PathBuf, VolumeError> {
    use std::os::unix::fs::FileTypeExt;
    let path = PathBuf::from(&source.path);
    let kind = source.type_.as_deref().unwrap_or_default();
    match kind {
        "DirectoryOrCreate" if !path.exists() => {
            std::fs::create_dir_all(&path).map_err(VolumeError::io(&path))?
        }
        "FileOrCreate" if !path.exists() => {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map(drop)
                .map_err(VolumeError::io(&path))?;
        }
        _ => {}
    }
    let wrong = |what: &str| {
        Err(VolumeError::Source(format!(
            "hostPath type check failed: {} is not a {what}",
            path.display()
        )))
    };
    let data = std::fs::metadata(&path);
    match (kind, data) {
        ("", _) => {}
        ("Directory" | "DirectoryOrCreate", Ok(d)) if d.is_dir() => {}
        ("Directory" | "DirectoryOrCreate", _) => return wrong("directory"),
        ("File" | "FileOrCreate", Ok(d)) if d.is_file() => {}
        ("File" | "FileOrCreate", _) => return wrong("file"),
        ("Socket", Ok(d)) if d.file_type().is_socket() => {}
        ("Socket", _) => return wrong("socket file"),
        ("CharDevice", Ok(d)) if d.file_type().is_char_device() => {}
        ("CharDevice", _) => return wrong("character device"),
        ("BlockDevice", Ok(d)) if d.file_type().is_block_device() => {}
        ("BlockDevice", _) => return wrong("block device"),
        (other, _) => {
            return Err(VolumeError::Source(format!(
                "{other} is an invalid volume type"
            )));
        }
    }
    Ok(path)
}
