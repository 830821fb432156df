//! What all parts of the native agent share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::AgentConfig;
use crate::cluster_api::ClusterApi;
use crate::cri::CriClient;
use crate::network::PodNetwork;
use crate::pod::observe::{Observed, RunState};
use crate::pod::recorder::Recorder;
use crate::pod::spec::PodExt;

/// What the machine has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) cpu_milli: i64,
    pub(crate) memory: i64,
    pub(crate) ephemeral: i64,
}

impl Capacity {
    pub(crate) fn of_machine(dir: &Path) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = memory_kib("MemTotal:").saturating_mul(1024);
        let ephemeral = nix::sys::statvfs::statvfs(dir).map_or(0, |s| {
            i64::try_from(s.blocks().saturating_mul(s.fragment_size())).unwrap_or(i64::MAX)
        });
        Self {
            cpu_milli: i64::try_from(cpus).unwrap_or(1) * 1000,
            memory,
            ephemeral,
        }
    }
}

/// A line of /proc/meminfo.
pub(crate) fn memory_kib(name: &str) -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(name))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

#[derive(Debug, Clone)]
struct Known {
    uid: String,
    log: Option<PathBuf>,
}

/// The node, as its pods' workers see it.
pub(crate) struct Node {
    pub(crate) config: Arc<AgentConfig>,
    pub(crate) api: Arc<dyn ClusterApi>,
    pub(crate) cri: CriClient,
    pub(crate) network: PodNetwork,
    pub(crate) capacity: Capacity,
    pub(crate) recorder: Recorder,
    containers: Mutex<HashMap<String, Known>>,
    exits: broadcast::Sender<String>,
    api_reachable: AtomicBool,
    runtime_ready: AtomicBool,
}

impl Node {
    pub(crate) fn new(
        config: Arc<AgentConfig>,
        api: Arc<dyn ClusterApi>,
        recorder: Recorder,
    ) -> Self {
        Self {
            cri: CriClient::connect_lazy(&config.containerd_socket),
            network: PodNetwork::new(&config.data_dir, &config.cni_conf_dir, &config.cni_bin_dir),
            capacity: Capacity::of_machine(&config.data_dir),
            config,
            api,
            recorder,
            containers: Mutex::default(),
            exits: broadcast::channel(256).0,
            api_reachable: AtomicBool::new(false),
            runtime_ready: AtomicBool::new(false),
        }
    }

    pub(crate) fn pods_dir(&self) -> PathBuf {
        self.config.data_dir.join("pods")
    }

    pub(crate) fn logs_dir(&self) -> PathBuf {
        self.config.data_dir.join("logs")
    }

    pub(crate) fn pod_dir(&self, uid: &str) -> PathBuf {
        self.pods_dir().join(uid)
    }

    /// `<namespace>_<name>_<uid>`, as upstream's `/var/log/pods`.
    pub(crate) fn log_dir(&self, pod: &Pod) -> PathBuf {
        self.logs_dir()
            .join(format!("{}_{}_{}", pod.namespace(), pod.name(), pod.uid()))
    }

    pub(crate) fn host_ips(&self) -> Vec<String> {
        vec![self.config.node_ip.to_string()]
    }

    /// Notes whose containers these are, so that events find their pod.
    pub(crate) fn known_containers(&self, uid: &str, observed: &Observed) {
        let mut containers = self.containers.lock();
        containers.retain(|_, known| known.uid != uid);
        let logs = std::fs::read_dir(self.logs_dir())
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path());
        let dir = logs
            .into_iter()
            .find(|p| p.to_string_lossy().ends_with(&format!("_{uid}")));
        for container in &observed.containers {
            let log = dir
                .as_ref()
                .filter(|_| container.state == RunState::Running)
                .map(|dir| {
                    dir.join(&container.name)
                        .join(format!("{}.log", container.restart_count))
                });
            containers.insert(
                container.id.clone(),
                Known {
                    uid: uid.to_owned(),
                    log,
                },
            );
        }
        for sandbox in &observed.sandboxes {
            containers.insert(
                sandbox.id.clone(),
                Known {
                    uid: uid.to_owned(),
                    log: None,
                },
            );
        }
    }

    pub(crate) fn forget_containers(&self, uid: &str) {
        self.containers.lock().retain(|_, known| known.uid != uid);
    }

    pub(crate) fn pod_of(&self, id: &str) -> Option<String> {
        self.containers.lock().get(id).map(|k| k.uid.clone())
    }

    /// Running containers and their logs.
    pub(crate) fn running_logs(&self) -> Vec<(String, PathBuf)> {
        self.containers
            .lock()
            .iter()
            .filter_map(|(id, k)| Some((id.clone(), k.log.clone()?)))
            .collect()
    }

    pub(crate) fn container_exited(&self, id: &str) {
        let _ = self.exits.send(id.to_owned());
    }

    /// The ids of containers as they end.
    pub(crate) fn exits(&self) -> broadcast::Receiver<String> {
        self.exits.subscribe()
    }

    pub(crate) fn api_answered(&self, answered: bool) {
        self.api_reachable.store(answered, Ordering::Relaxed);
    }

    pub(crate) fn api_reachable(&self) -> bool {
        self.api_reachable.load(Ordering::Relaxed)
    }

    pub(crate) fn runtime_answered(&self, answered: bool) {
        self.runtime_ready.store(answered, Ordering::Relaxed);
    }

    pub(crate) fn runtime_ready(&self) -> bool {
        self.runtime_ready.load(Ordering::Relaxed)
    }
}

/// Removes a cgroup and those below it, in every hierarchy; nothing happens to one that is in use.
pub(crate) fn remove_cgroup(path: &str) {
    fn remove(dir: &Path) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                remove(&entry.path());
            }
        }
        let _ = std::fs::remove_dir(dir);
    }
    let relative = path.trim_start_matches('/');
    if relative.is_empty() {
        return;
    }
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    for dir in std::iter::once(root.to_owned()).chain(hierarchies) {
        let group = dir.join(relative);
        if group.is_dir() {
            remove(&group);
        }
    }
}
