//! The agent's configuration, given by the worker.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::eviction::EvictionHard;

/// Which agent runs the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// Built in: CRI against containerd.
    Native,
    /// Supervises a real `k3s agent`.
    K3s,
    /// Supervises a real kubelet.
    Kubelet,
}

impl fmt::Display for AgentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::K3s => "k3s",
            Self::Kubelet => "kubelet",
        })
    }
}

/// A condition that the worker adds to the Node beside the agent's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCondition {
    /// Condition type, e.g. `DaasControlPlaneAttested`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// A taint that the Node is registered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTaint {
    /// Key.
    pub key: String,
    /// Value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Everything the native agent needs to know.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Which agent.
    pub kind: AgentKind,
    /// Name of the Node object.
    pub node_name: String,
    /// The agent's own directory (volumes, logs, state). Two agents never share one.
    pub data_dir: PathBuf,
    /// containerd's socket (CRI and its own services).
    pub containerd_socket: PathBuf,
    /// Directory that containerd reads CNI configuration from; the agent writes one file there.
    pub cni_conf_dir: PathBuf,
    /// Directory of the CNI plugins.
    pub cni_bin_dir: PathBuf,
    /// Address that the node is reached at (`InternalIP`).
    pub node_ip: IpAddr,
    /// Port of the node API for `status.daemonEndpoints`; 0 = tunnel only.
    pub node_api_port: u16,
    /// Image of the sandbox container; must be imported before pods run (see [`crate::image`]).
    pub pause_image: String,
    /// Name servers for pods with dnsPolicy ClusterFirst; empty = the host's are used.
    pub cluster_dns: Vec<IpAddr>,
    /// Cluster domain, usually `cluster.local`.
    pub cluster_domain: String,
    /// Pods that the node takes at most.
    pub max_pods: u32,
    /// Below these the node is under pressure and takes no new pods.
    pub eviction_hard: EvictionHard,
    /// Host and port for `KUBERNETES_SERVICE_HOST`/`_PORT` in containers until Services exist.
    pub api_endpoint: Option<(String, u16)>,
    /// Labels added to the Node.
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the Node.
    pub annotations: BTreeMap<String, String>,
    /// Conditions added to the Node; more can be set later by
    /// [`crate::native::NativeAgent::set_conditions`].
    pub conditions: Vec<NodeCondition>,
    /// Taints that the Node is registered with.
    pub taints: Vec<NodeTaint>,
    /// Version of this product; `kubeletVersion` becomes `v1.36.0+daas.<version>`.
    pub version: String,
}

impl AgentConfig {
    /// A native agent with defaults for everything that has one.
    pub fn new(
        node_name: impl Into<String>,
        data_dir: impl Into<PathBuf>,
        containerd_socket: impl Into<PathBuf>,
        node_ip: IpAddr,
    ) -> Self {
        let data_dir = data_dir.into();
        Self {
            kind: AgentKind::Native,
            node_name: node_name.into(),
            cni_conf_dir: data_dir.join("cni/net.d"),
            data_dir,
            containerd_socket: containerd_socket.into(),
            cni_bin_dir: PathBuf::from("/usr/lib/cni"),
            node_ip,
            node_api_port: 10250,
            pause_image: "localhost/daas/pause:1".to_owned(),
            cluster_dns: Vec::new(),
            cluster_domain: "cluster.local".to_owned(),
            max_pods: 110,
            eviction_hard: EvictionHard::default(),
            api_endpoint: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            conditions: Vec::new(),
            taints: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
