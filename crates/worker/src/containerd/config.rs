//! containerd's configuration file, version 2.

use std::fmt::Write as _;
use std::path::Path;

use super::{ContainerdOptions, Paths};

/// The whole file. Only the CRI plugin with what it needs; no registry is configured.
pub(super) fn render(options: &ContainerdOptions, paths: &Paths) -> String {
    let mut text = String::from("# Written by the worker at each start.\nversion = 2\n");
    let quoted = |path: &Path| toml_string(&path.to_string_lossy());
    // Writing to a String does not fail.
    let _ = write!(
        text,
        r#"root = {root}
state = {state}
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {pause}
  # Lower scores than the worker's own need a capability that a container host may lack.
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_tls_streaming = false
  tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = {cni_bin}
  conf_dir = {cni_conf}
  max_conf_num = 1
"#,
        root = quoted(&paths.root),
        state = quoted(&paths.state),
        socket = quoted(&paths.socket),
        pause = toml_string(&options.pause_image),
        cni_bin = quoted(&options.cni_bin_dir),
        cni_conf = quoted(&options.cni_conf_dir),
    );
    text
}

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_stay_one_string() {
        assert_eq!(toml_string("/a b/\"c\"\\"), r#""/a b/\"c\"\\""#);
        assert_eq!(toml_string("a\nb"), r#""a\u000Ab""#);
    }
}
