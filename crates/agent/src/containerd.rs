//! The configuration that the agent needs containerd to have.
//!
//! Whoever supervises containerd writes it; two instances with different directories don't meet.

use std::path::{Path, PathBuf};

/// Where one private containerd keeps its things.
#[derive(Debug, Clone)]
pub struct ContainerdLayout {
    /// Persistent state: images, snapshots.
    pub root: PathBuf,
    /// State that a reboot may lose: bundles, FIFOs.
    pub state: PathBuf,
    /// Its socket; at most 100 bytes, the system's limit being 107 with `.ttrpc` appended.
    pub socket: PathBuf,
    /// CNI configuration directory, [`crate::AgentConfig::cni_conf_dir`].
    pub cni_conf_dir: PathBuf,
    /// CNI plugin directory, [`crate::AgentConfig::cni_bin_dir`].
    pub cni_bin_dir: PathBuf,
    /// Reference of the sandbox image, [`crate::AgentConfig::pause_image`].
    pub pause_image: String,
}

impl ContainerdLayout {
    /// Everything under `dir`.
    pub fn under(dir: &Path, cni_conf_dir: &Path, pause_image: &str) -> Self {
        Self {
            root: dir.join("root"),
            state: dir.join("state"),
            socket: dir.join("containerd.sock"),
            cni_conf_dir: cni_conf_dir.to_owned(),
            cni_bin_dir: PathBuf::from("/usr/lib/cni"),
            pause_image: pause_image.to_owned(),
        }
    }

    /// The text of `config.toml` (version 2, containerd 1.5 and later).
    ///
    /// cgroupfs, runc, overlayfs; streaming on a loopback port that containerd chooses; without
    /// CAP_SYS_RESOURCE the OOM score of containers is never set below the process's own.
    pub fn config_toml(&self) -> String {
        let quote =
            |p: &Path| serde_json::Value::from(p.to_string_lossy().into_owned()).to_string();
        format!(
            r#"version = 2
root = {root}
state = {state}
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {pause}
  restrict_oom_score_adj = {restrict}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  max_container_log_line_size = 16384

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "runc"
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {bin}
    conf_dir = {conf}
    max_conf_num = 1
"#,
            root = quote(&self.root),
            state = quote(&self.state),
            socket = quote(&self.socket),
            pause = serde_json::Value::from(self.pause_image.as_str()),
            restrict = !may_lower_oom_score(),
            bin = quote(&self.cni_bin_dir),
            conf = quote(&self.cni_conf_dir),
        )
    }
}

/// Whether this process has CAP_SYS_RESOURCE, so that its children may get a lower OOM score.
pub fn may_lower_oom_score() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|l| l.strip_prefix("CapEff:"))?
                .trim()
                .to_owned();
            u64::from_str_radix(&line, 16).ok()
        })
        .is_some_and(|set| set & (1 << CAP_SYS_RESOURCE) != 0)
}
