//! The Node object and its Lease.
// upstream: pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go,
// component-helpers/apimachinery/lease/controller.go

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ipnet::IpNet;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{NativeAgent, Node, memory_kib};
use crate::NodeCondition;
use crate::cluster_api::ClusterApiError;
use crate::cri::v1::{ImageFsInfoRequest, ListImagesRequest, StatusRequest};
use crate::eviction::{Availability, Signal};

/// How often the Lease is renewed, and for how long it holds.
const LEASE_RENEWAL: Duration = Duration::from_secs(10);
const LEASE_SECONDS: i32 = 40;
/// How often the machine is looked at, and a status without news is written.
const CHECK: Duration = Duration::from_secs(10);
const REPORT: Duration = Duration::from_secs(300);

/// Registers the node and keeps it up to date.
pub(super) struct Registrar {
    node: Arc<Node>,
    agent: NativeAgent,
}

fn now() -> Value {
    let now = Timestamp::now();
    json!(
        Timestamp::from_second(now.as_second())
            .unwrap_or(now)
            .to_string()
    )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn os_image() -> String {
    let text = read("/etc/os-release");
    text.lines()
        .find_map(|l| l.strip_prefix("PRETTY_NAME="))
        .map_or_else(
            || "Linux".to_owned(),
            |name| name.trim_matches('"').to_owned(),
        )
}

impl Registrar {
    pub(super) fn new(node: Arc<Node>, agent: NativeAgent) -> Self {
        Self { node, agent }
    }

    fn name(&self) -> &str {
        &self.node.config.node_name
    }

    /// Runs until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let work = async {
            // The network of an earlier run serves until the API server answers.
            let uid = self.register().await;
            tokio::join!(
                self.keep_lease(uid),
                self.keep_status(),
                self.keep_network()
            );
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.node.config.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture()),
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", architecture()),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        labels
    }

    /// Creates the Node, or brings the one that is there up to date; returns its UID.
    async fn register(&self) -> Option<String> {
        let mut pause = Duration::from_millis(200);
        loop {
            match self.try_register().await {
                Ok(node) => {
                    self.node.api_answered(true);
                    self.node
                        .recorder
                        .node(&node, "Starting", "Starting kubelet.".to_owned());
                    return node.metadata.uid;
                }
                Err(error) => {
                    self.node.api_answered(false);
                    tracing::info!(%error, "node not registered yet; trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(7));
        }
    }

    async fn try_register(&self) -> Result<NodeObject, ClusterApiError> {
        let status = self.status(None).await;
        let config = &self.node.config;
        let taints: Vec<Value> = config
            .taints
            .iter()
            .map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect}))
            .collect();
        let mut object = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name(), "labels": self.labels(), "annotations": config.annotations},
            "spec": {}, "status": status,
        });
        if !taints.is_empty()
            && let Some(spec) = object.get_mut("spec")
        {
            *spec = json!({"taints": taints});
        }
        let object: NodeObject = serde_json::from_value(object)
            .map_err(|e| ClusterApiError::Unreachable(e.to_string()))?;
        match self.node.api.create_node(&object).await {
            Ok(node) => Ok(node),
            Err(ClusterApiError::Status { reason, .. }) if reason == "AlreadyExists" => {
                let known = self.node.api.node(self.name()).await?;
                let has = |map: &Option<BTreeMap<String, String>>, k: &String, v: &String| {
                    map.as_ref().and_then(|m| m.get(k)) == Some(v)
                };
                let missing = !self
                    .labels()
                    .iter()
                    .all(|(k, v)| has(&known.metadata.labels, k, v))
                    || !config
                        .annotations
                        .iter()
                        .all(|(k, v)| has(&known.metadata.annotations, k, v));
                if missing {
                    let patch = json!({"metadata": {"labels": self.labels(), "annotations": config.annotations}});
                    return self.node.api.patch_node(self.name(), patch).await;
                }
                Ok(known)
            }
            Err(error) => Err(error),
        }
    }

    async fn keep_lease(&self, uid: Option<String>) {
        let mut held: Option<Lease> = None;
        let mut pause = Duration::from_millis(200);
        loop {
            match self.renew(held.take(), uid.as_deref()).await {
                Ok(lease) => {
                    held = Some(lease);
                    pause = Duration::from_millis(200);
                    self.node.api_answered(true);
                    tokio::time::sleep(LEASE_RENEWAL).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "lease not renewed");
                    self.node
                        .api_answered(!matches!(error, ClusterApiError::Unreachable(_)));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(7));
                }
            }
        }
    }

    async fn renew(
        &self,
        held: Option<Lease>,
        uid: Option<&str>,
    ) -> Result<Lease, ClusterApiError> {
        let held = match held {
            Some(lease) => Some(lease),
            None => match self.node.api.lease(self.name()).await {
                Ok(lease) => Some(lease),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
        };
        let spec = LeaseSpec {
            holder_identity: Some(self.name().to_owned()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        };
        match held {
            Some(mut lease) => {
                lease.spec = Some(spec);
                self.node.api.replace_lease(&lease).await
            }
            None => {
                let owner = uid.map(|uid| OwnerReference {
                    api_version: "v1".to_owned(),
                    kind: "Node".to_owned(),
                    name: self.name().to_owned(),
                    uid: uid.to_owned(),
                    ..OwnerReference::default()
                });
                let metadata = ObjectMeta {
                    name: Some(self.name().to_owned()),
                    namespace: Some("kube-node-lease".to_owned()),
                    owner_references: owner.map(|o| vec![o]),
                    ..ObjectMeta::default()
                };
                self.node
                    .api
                    .create_lease(&Lease {
                        metadata,
                        spec: Some(spec),
                    })
                    .await
            }
        }
    }

    /// Writes the status when something in it changed, and every five minutes.
    async fn keep_status(&self) {
        let mut written: Option<(Value, tokio::time::Instant)> = None;
        loop {
            let last = written.as_ref().map(|(status, _)| status);
            let status = self.status(last).await;
            let due = written
                .as_ref()
                .is_none_or(|(old, at)| at.elapsed() >= REPORT || news(old) != news(&status));
            if due {
                match self
                    .node
                    .api
                    .patch_node_status(self.name(), json!({"status": status}))
                    .await
                {
                    Ok(_) => written = Some((status, tokio::time::Instant::now())),
                    Err(error) if error.is_not_found() => {
                        // Somebody deleted the Node; a living kubelet makes it again.
                        self.register().await;
                    }
                    Err(error) => tracing::debug!(%error, "node status not written"),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(CHECK) => {}
                () = self.agent.inner.conditions_changed.notified() => {}
            }
        }
    }

    /// Configures the pod network once the node has its pod CIDR.
    async fn keep_network(&self) {
        let mut changes = self.node.api.watch_node(self.name());
        while let Some(change) = changes.next().await {
            let Ok(Some(node)) = change else { continue };
            let spec = node.spec.unwrap_or_default();
            let cidrs: Vec<IpNet> = spec
                .pod_cidrs
                .filter(|c| !c.is_empty())
                .or(spec.pod_cidr.map(|c| vec![c]))
                .into_iter()
                .flatten()
                .filter_map(|c| c.parse().ok())
                .collect();
            if cidrs.is_empty() {
                continue;
            }
            let before = self.node.network.is_configured();
            match self.node.network.configure(&cidrs) {
                Ok(()) if !before => {
                    tracing::info!(?cidrs, "pod network configured");
                    self.agent.inner.conditions_changed.notify_one();
                }
                Ok(()) => {}
                Err(error) => tracing::error!(%error, "pod network not configured"),
            }
        }
    }

    /// Where the container runtime keeps its images.
    async fn image_fs(&self) -> Option<PathBuf> {
        let answer = self.node.cri.image_fs_info(ImageFsInfoRequest {}).await;
        let of = answer.ok()?.image_filesystems.into_iter().next()?;
        Some(PathBuf::from(of.fs_id?.mountpoint))
    }

    fn available(&self, signal: Signal, image_fs: Option<&Path>) -> Option<Availability> {
        let file_system = |inodes: bool, path: &Path| {
            let s = nix::sys::statvfs::statvfs(path).ok()?;
            Some(if inodes {
                Availability {
                    available: s.files_available(),
                    capacity: s.files(),
                }
            } else {
                Availability {
                    available: s.blocks_available().saturating_mul(s.fragment_size()),
                    capacity: s.blocks().saturating_mul(s.fragment_size()),
                }
            })
        };
        let kib = |name| Some(u64::try_from(memory_kib(name)).ok()?.saturating_mul(1024));
        match signal {
            Signal::Memory => Some(Availability {
                available: kib("MemAvailable:")?,
                capacity: kib("MemTotal:")?,
            }),
            Signal::NodeFs => file_system(false, &self.node.config.data_dir),
            Signal::NodeFsInodes => file_system(true, &self.node.config.data_dir),
            Signal::ImageFs => file_system(false, image_fs?),
            Signal::ImageFsInodes => file_system(true, image_fs?),
            Signal::Pid => {
                let most: u64 = read("/proc/sys/kernel/pid_max").parse().ok()?;
                Some(Availability {
                    available: most.saturating_sub(processes()),
                    capacity: most,
                })
            }
        }
    }

    async fn conditions(&self, last: Option<&Value>) -> Vec<Value> {
        let runtime = self.node.cri.status(StatusRequest::default()).await;
        let mut complaints = Vec::new();
        match runtime {
            Ok(answer) => {
                for condition in answer
                    .status
                    .unwrap_or_default()
                    .conditions
                    .iter()
                    .filter(|c| !c.status)
                {
                    let what = if condition.kind == "NetworkReady" {
                        "network "
                    } else {
                        ""
                    };
                    complaints.push(format!(
                        "container runtime {what}not ready: {}={} reason:{} message:{}",
                        condition.kind, condition.status, condition.reason, condition.message
                    ));
                }
                self.node.runtime_answered(true);
            }
            Err(error) => {
                self.node.runtime_answered(false);
                complaints.push(format!("container runtime is down: {}", error.message()));
            }
        }
        if !self.node.network.is_configured() {
            complaints.push("the node has no pod CIDR yet".to_owned());
        }
        let image_fs = self.image_fs().await;
        let read = |signal| self.available(signal, image_fs.as_deref());
        let crossed = |signals: &[Signal]| self.node.config.eviction_hard.is_crossed(signals, read);
        let memory = crossed(&[Signal::Memory]);
        let disk = crossed(&[
            Signal::NodeFs,
            Signal::NodeFsInodes,
            Signal::ImageFs,
            Signal::ImageFsInodes,
        ]);
        let pids = crossed(&[Signal::Pid]);
        let pressure = |kind: &str, on: bool, yes: (&str, &str), no: (&str, &str)| {
            let (reason, message) = if on { yes } else { no };
            NodeCondition {
                kind: kind.to_owned(),
                status: if on { "True" } else { "False" }.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
            }
        };
        let mut conditions = vec![
            pressure(
                "MemoryPressure",
                memory,
                (
                    "KubeletHasInsufficientMemory",
                    "kubelet has insufficient memory available",
                ),
                (
                    "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available",
                ),
            ),
            pressure(
                "DiskPressure",
                disk,
                ("KubeletHasDiskPressure", "kubelet has disk pressure"),
                ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ),
            pressure(
                "PIDPressure",
                pids,
                (
                    "KubeletHasInsufficientPID",
                    "kubelet has insufficient PID available",
                ),
                (
                    "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available",
                ),
            ),
        ];
        let text = complaints.join(", ");
        conditions.push(pressure(
            "Ready",
            complaints.is_empty(),
            ("KubeletReady", "kubelet is posting ready status"),
            ("KubeletNotReady", &text),
        ));
        conditions.extend(self.agent.inner.conditions.lock().iter().cloned());
        conditions
            .into_iter()
            .map(|c| {
                let old = last
                    .and_then(|l| l.get("conditions"))
                    .and_then(Value::as_array)
                    .and_then(|list| list.iter().find(|o| o.get("type") == Some(&json!(c.kind))));
                let since = old
                    .filter(|o| o.get("status") == Some(&json!(c.status)))
                    .and_then(|o| o.get("lastTransitionTime"))
                    .cloned()
                    .unwrap_or_else(now);
                json!({
                    "type": c.kind, "status": c.status, "reason": c.reason, "message": c.message,
                    "lastHeartbeatTime": now(), "lastTransitionTime": since,
                })
            })
            .collect()
    }

    async fn images(&self) -> Vec<Value> {
        let mut images = self
            .node
            .cri
            .list_images(ListImagesRequest::default())
            .await
            .map(|a| a.images)
            .unwrap_or_default();
        images.sort_by_key(|i| std::cmp::Reverse(i.size));
        images
            .into_iter()
            .take(50)
            .map(|i| json!({"names": i.repo_digests.into_iter().chain(i.repo_tags).collect::<Vec<_>>(), "sizeBytes": i.size}))
            .collect()
    }

    async fn status(&self, last: Option<&Value>) -> Value {
        let capacity = &self.node.capacity;
        let config = &self.node.config;
        let resources = |memory: i64, ephemeral: i64| {
            json!({
                "cpu": (capacity.cpu_milli / 1000).to_string(), "memory": format!("{}Ki", memory / 1024),
                "ephemeral-storage": format!("{}Ki", ephemeral / 1024), "pods": config.max_pods.to_string(),
                "hugepages-1Gi": "0", "hugepages-2Mi": "0",
            })
        };
        let mut status = Map::new();
        let left = |signal, all: i64| {
            let all = u64::try_from(all).unwrap_or(0);
            let reserved = config.eviction_hard.reservation(signal, all);
            i64::try_from(all.saturating_sub(reserved)).unwrap_or(i64::MAX)
        };
        status.insert(
            "capacity".into(),
            resources(capacity.memory, capacity.ephemeral),
        );
        status.insert(
            "allocatable".into(),
            resources(
                left(Signal::Memory, capacity.memory),
                left(Signal::NodeFs, capacity.ephemeral),
            ),
        );
        status.insert("conditions".into(), self.conditions(last).await.into());
        status.insert(
            "addresses".into(),
            json!([{"type": "InternalIP", "address": config.node_ip.to_string()}, {"type": "Hostname", "address": self.name()}]),
        );
        status.insert(
            "daemonEndpoints".into(),
            json!({"kubeletEndpoint": {"Port": config.node_api_port}}),
        );
        status.insert(
            "nodeInfo".into(),
            json!({
                "machineID": read("/etc/machine-id"), "systemUUID": system_uuid(), "bootID": read("/proc/sys/kernel/random/boot_id"),
                "kernelVersion": read("/proc/sys/kernel/osrelease"), "osImage": os_image(),
                "containerRuntimeVersion": *self.agent.inner.runtime_version.lock(),
                "kubeletVersion": format!("v1.36.0+daas.{}", config.version), "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": architecture(),
            }),
        );
        status.insert("images".into(), self.images().await.into());
        Value::Object(status)
    }
}

fn system_uuid() -> String {
    let uuid = read("/sys/class/dmi/id/product_uuid");
    if uuid.is_empty() {
        read("/etc/machine-id")
    } else {
        uuid
    }
}

/// Processes and threads on the machine.
fn processes() -> u64 {
    // The fourth field of loadavg is `running/total`.
    read("/proc/loadavg")
        .split(' ')
        .nth(3)
        .and_then(|f| f.split('/').nth(1)?.parse().ok())
        .unwrap_or(0)
}

/// The status without the time of its making.
fn news(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status
        .get_mut("conditions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(fields) = condition.as_object_mut() {
            fields.remove("lastHeartbeatTime");
        }
    }
    status
}
