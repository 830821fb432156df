//! Starting a container.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#startContainer

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::Timestamp;

use super::Worker;
use crate::cri::v1::{
    CreateContainerRequest, Mount, MountPropagation, PodSandboxConfig, StartContainerRequest,
};
use crate::pod::backoff::go_duration;
use crate::pod::container_config::{self, termination_path};
use crate::pod::env::{self, Facts, expand};
use crate::pod::observe::{Observed, RunState, time};
use crate::pod::pull::{self, StartError};
use crate::pod::spec::PodExt;
use crate::pod::{dns, hooks};
use crate::volume::bind_subpath;

impl Worker {
    pub(super) async fn start(
        &mut self,
        pod: &Pod,
        container: &Container,
        sandbox: &str,
        sandbox_config: &PodSandboxConfig,
        observed: &Observed,
        facts: &Facts,
    ) -> Result<(), StartError> {
        let node = self.node.clone();
        let name = container.name.as_str();
        let latest = observed.latest(name);
        if let Some(dead) = latest.filter(|c| c.state == RunState::Exited) {
            let (ended, now) = (time(dead.finished_at), Timestamp::now());
            let left = self.backoff.remaining(name, ended, now);
            if !left.is_zero() {
                let pause = go_duration(self.backoff.pause(name));
                let first = self
                    .reasons
                    .get(name)
                    .is_none_or(|(reason, _)| reason != "CrashLoopBackOff");
                if first {
                    let message = format!(
                        "Back-off restarting failed container {name} in pod {}",
                        pod.full_name()
                    );
                    node.recorder.warning(pod, name, "BackOff", message);
                }
                let message = format!(
                    "back-off {pause} restarting failed container={name} pod={}",
                    pod.full_name()
                );
                return Err(StartError {
                    reason: "CrashLoopBackOff",
                    message,
                    retry: Some(left),
                });
            }
            self.backoff.next(name, ended, now);
        }
        let image = pull::ensure(
            &node.cri,
            node.api.as_ref(),
            &node.recorder,
            &mut self.backoff,
            pod,
            container,
            sandbox_config,
        )
        .await?;
        let failed = |reason: &'static str, message: String| {
            node.recorder
                .warning(pod, name, "Failed", format!("Error: {message}"));
            StartError::new(reason, message)
        };
        let attempt = latest
            .map(|c| c.restart_count + 1)
            .unwrap_or_else(|| attempts_logged(&node.log_dir(pod).join(name)));
        let services = self.service_environment();
        let environment = env::environment(node.api.as_ref(), pod, container, facts, &services)
            .await
            .map_err(|e| failed("CreateContainerConfigError", e.to_string()))?;
        let mounts = self
            .mounts(pod, container, &environment)
            .map_err(|e| failed("CreateContainerConfigError", e))?;
        let config = container_config::generate(
            pod,
            container,
            attempt,
            &image,
            &environment,
            mounts,
            &node,
        )
        .inspect_err(|e| {
            node.recorder
                .warning(pod, name, "Failed", format!("Error: {}", e.message))
        })?;
        let log_dir = node.log_dir(pod).join(name);
        std::fs::create_dir_all(&log_dir).map_err(|e| {
            failed(
                "CreateContainerError",
                format!("{}: {e}", log_dir.display()),
            )
        })?;
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config.clone()),
        };
        let created = node
            .cri
            .create_container(request)
            .await
            .map_err(|e| failed("CreateContainerError", e.message()))?;
        node.recorder
            .normal(pod, name, "Created", format!("Created container: {name}"));
        let id = created.container_id;
        node.cri
            .start_container(StartContainerRequest {
                container_id: id.clone(),
            })
            .await
            .map_err(|e| failed("RunContainerError", e.message()))?;
        node.recorder
            .normal(pod, name, "Started", format!("Started container {name}"));
        if let Some(hook) = container
            .lifecycle
            .as_ref()
            .and_then(|l| l.post_start.as_ref())
        {
            let ip = facts.pod_ips.first().map_or("", String::as_str);
            if let Err(error) = hooks::run(
                &node.cri,
                container,
                &id,
                ip,
                hook,
                Duration::from_secs(300),
            )
            .await
            {
                node.recorder.warning(
                    pod,
                    name,
                    "FailedPostStartHook",
                    format!("PostStartHook failed: {error}"),
                );
                node.recorder
                    .normal(pod, name, "Killing", "FailedPostStartHook".to_owned());
                let _ = node.cri.stop_container(&id, pod.grace_seconds()).await;
                return Err(StartError::new("PostStartHookError", error));
            }
        }
        Ok(())
    }

    /// `KUBERNETES_SERVICE_HOST` and `_PORT`, so that clients inside find the API.
    fn service_environment(&self) -> Vec<(String, String)> {
        let Some((host, port)) = &self.node.config.api_endpoint else {
            return Vec::new();
        };
        [
            ("KUBERNETES_SERVICE_HOST", host.clone()),
            ("KUBERNETES_SERVICE_PORT", port.to_string()),
            ("KUBERNETES_SERVICE_PORT_HTTPS", port.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn hosts_path(&self) -> PathBuf {
        self.node.pod_dir(&self.uid).join("etc-hosts")
    }

    pub(super) fn write_hosts(&self, pod: &Pod, facts: &Facts) -> io::Result<()> {
        if pod.host_network() {
            return Ok(());
        }
        let path = self.hosts_path();
        let text = dns::hosts(pod, &facts.pod_ips, &self.node.config.cluster_domain);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
    }

    // upstream: pkg/kubelet/kubelet_pods.go#makeMounts
    fn mounts(
        &self,
        pod: &Pod,
        container: &Container,
        environment: &[(String, String)],
    ) -> Result<Vec<Mount>, String> {
        let pod_dir = self.node.pod_dir(&self.uid);
        let known = |name: &str| {
            environment
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        let mut mounts = Vec::new();
        let mut hosts = !pod.host_network();
        for (index, wanted) in container.volume_mounts.iter().flatten().enumerate() {
            let volume = self.volumes.paths.get(&wanted.name).ok_or_else(|| {
                format!(
                    "cannot find volume {:?} to mount into container {:?}",
                    wanted.name, container.name
                )
            })?;
            let sub = match (&wanted.sub_path_expr, &wanted.sub_path) {
                (Some(text), _) if !text.is_empty() => expand(text, &known),
                (_, Some(text)) => text.clone(),
                _ => String::new(),
            };
            let host_path = if sub.is_empty() {
                volume.clone()
            } else {
                let target = pod_dir
                    .join("volume-subpaths")
                    .join(&wanted.name)
                    .join(&container.name)
                    .join(index.to_string());
                bind_subpath(volume, &sub, &target).map_err(|e| {
                    format!(
                        "failed to prepare subPath for volumeMount {:?} of container {:?}: {e}",
                        wanted.name, container.name
                    )
                })?
            };
            let container_path = if wanted.mount_path.starts_with('/') {
                wanted.mount_path.clone()
            } else {
                format!("/{}", wanted.mount_path)
            };
            hosts &= container_path != "/etc/hosts";
            mounts.push(Mount {
                container_path,
                host_path: host_path.to_string_lossy().into_owned(),
                readonly: wanted.read_only == Some(true),
                propagation: match wanted.mount_propagation.as_deref() {
                    Some("HostToContainer") => MountPropagation::HostToContainer,
                    Some("Bidirectional") => MountPropagation::Bidirectional,
                    _ => MountPropagation::Private,
                } as i32,
                ..Mount::default()
            });
        }
        if hosts {
            let host_path = self.hosts_path().to_string_lossy().into_owned();
            mounts.push(Mount {
                container_path: "/etc/hosts".to_owned(),
                host_path,
                ..Mount::default()
            });
        }
        let file = pod_dir
            .join("containers")
            .join(&container.name)
            .join(format!("{:08x}", rand::random::<u32>()));
        let message_file = || -> io::Result<()> {
            if let Some(dir) = file.parent() {
                std::fs::create_dir_all(dir)?;
            }
            std::fs::write(&file, b"")?;
            // Whoever the container runs as may write its last words.
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666))
        };
        message_file().map_err(|e| format!("{}: {e}", file.display()))?;
        mounts.push(Mount {
            container_path: termination_path(container).to_owned(),
            host_path: file.to_string_lossy().into_owned(),
            ..Mount::default()
        });
        Ok(mounts)
    }
}

/// How often a container was started, by its logs: for the count after the runtime lost its state.
// upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go#calcRestartCountByLogDir
fn attempts_logged(dir: &Path) -> i32 {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| {
            e.file_name()
                .to_str()?
                .split_once(".log")?
                .0
                .parse::<i32>()
                .ok()
        })
        .max()
        .map_or(0, |last| last + 1)
}
