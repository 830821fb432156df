//! The worker's configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::AgentKind;
use agent::eviction::EvictionHard;
use attested::TeeRoot;
use chain::Address;
use serde::{Deserialize, Serialize};

/// Everything that `daas worker` needs to know. Keys are those of its YAML or JSON file (camelCase); every key is also
/// a flag and a `DAAS_…` variable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Directory of keys, state, containers and volumes. Private to this worker.
    pub data_dir: PathBuf,
    /// The node's name; it goes into the Seal token.
    pub node_name: String,
    /// gRPC of a Sui full node, or of the embedded ledger.
    pub chain_url: String,
    /// File that says where the contracts and the cluster are (see `chain::Deployment`).
    pub deployment: PathBuf,
    /// Keystore in Sui's format, of mode 0600. Default: `sui.keystore` in `dataDir`, which must hold a funded key.
    #[serde(default)]
    pub keystore: Option<PathBuf>,
    /// Which key of the keystore pays and owns the stake. Needed if it holds several.
    #[serde(default)]
    pub address: Option<Address>,
    /// How much to stake, MIST. Default: the node tier's minimum.
    #[serde(default)]
    pub stake: Option<u64>,
    /// How long a Seal token is good, seconds; it is renewed after half of that.
    #[serde(default = "default_token_ttl")]
    pub token_ttl_seconds: u64,
    /// `host:port` of the control plane. Default: the endpoints that the chain names. What answers there must be
    /// attested and named on the chain in any case.
    #[serde(default)]
    pub server: Option<String>,
    /// Accept a control plane whose TEE is `simulated`, if the chain's allow-list has it. It proves nothing:
    /// development only.
    #[serde(default)]
    pub allow_simulated_tee: bool,
    /// Roots of TEE evidence to trust besides the vendors', written `kind=file`. A TPM has no other: its attestation
    /// key, or who certified it, has to be named.
    #[serde(default)]
    pub tee_roots: Vec<TeeRoot>,
    /// File that says in which state the platform of the control plane's TEE must be: least firmware, what Intel may say
    /// of it (JSON).
    #[serde(default)]
    pub tee_tcb: Option<PathBuf>,
    /// Which agent runs the pods.
    #[serde(default = "default_agent")]
    pub agent: AgentKind,
    /// The node's address. Default: that of the route to the control plane.
    #[serde(default)]
    pub node_ip: Option<IpAddr>,
    /// Port of the node's own API; 0 for the tunnel alone.
    #[serde(default = "default_node_api_port")]
    pub node_api_port: u16,
    /// Socket of a containerd that runs already. Default: a private one, supervised by the worker.
    #[serde(default)]
    pub containerd_socket: Option<PathBuf>,
    /// Directory of the CNI plugins.
    #[serde(default = "default_cni_bin_dir")]
    pub cni_bin_dir: PathBuf,
    /// Reference of the sandbox image. The default one is made of `pauseProgram`.
    #[serde(default = "default_pause_image")]
    pub pause_image: String,
    /// Static program that the default sandbox image is made of; it is started with the argument `pause`.
    /// Default: the running binary.
    #[serde(default)]
    pub pause_program: Option<PathBuf>,
    /// Name servers for pods.
    #[serde(default)]
    pub cluster_dns: Vec<IpAddr>,
    /// Pods that the node takes at most.
    #[serde(default = "default_max_pods")]
    pub max_pods: u32,
    /// Below these the node is under pressure and takes no new pods; the kubelet's notation
    /// (`memory.available<100Mi,nodefs.available<5%`). Default: k3s's.
    #[serde(default)]
    pub eviction_hard: EvictionHard,
    /// Labels of the node.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How long pods have to end when the node is drained, seconds.
    #[serde(default = "default_drain")]
    pub drain_seconds: u64,
    /// Until the node has joined once, how long an unreachable chain or control plane is waited for, seconds. After
    /// that it is waited for without end.
    #[serde(default = "default_start_timeout")]
    pub start_timeout_seconds: u64,
}

fn default_token_ttl() -> u64 {
    24 * 3600
}

fn default_agent() -> AgentKind {
    AgentKind::Native
}

fn default_node_api_port() -> u16 {
    10250
}

fn default_cni_bin_dir() -> PathBuf {
    PathBuf::from("/usr/lib/cni")
}

/// The sandbox image that the worker makes itself.
pub(crate) const OWN_PAUSE_IMAGE: &str = "localhost/daas/pause:1";

fn default_pause_image() -> String {
    OWN_PAUSE_IMAGE.to_owned()
}

fn default_max_pods() -> u32 {
    110
}

fn default_drain() -> u64 {
    30
}

fn default_start_timeout() -> u64 {
    60
}

/// A key whose value is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidConfig {
    /// The key as it stands in the file.
    pub key: &'static str,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// The contract's bounds: a minute and a week.
const TOKEN_TTL: std::ops::RangeInclusive<u64> = 60..=7 * 86_400;

/// The contract's bound; Kubernetes would take 253.
const LONGEST_NODE_NAME: usize = 63;

impl Config {
    /// Checks what the types alone don't.
    ///
    /// # Errors
    /// The first key with an impossible value.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |key, why: String| Err(InvalidConfig { key, why });
        if let Err(error) = self.node_name.parse::<seal::NodeId>() {
            return wrong("nodeName", error.to_string());
        }
        if self.node_name.len() > LONGEST_NODE_NAME {
            let why = format!(
                "has {} characters; at most {LONGEST_NODE_NAME} go into a Seal token",
                self.node_name.len()
            );
            return wrong("nodeName", why);
        }
        if !TOKEN_TTL.contains(&self.token_ttl_seconds) {
            let why = format!(
                "{} is not between 60 and 604800 (a week)",
                self.token_ttl_seconds
            );
            return wrong("tokenTtlSeconds", why);
        }
        if self.stake == Some(0) {
            return wrong(
                "stake",
                "0 MIST is no stake: leave it out for the tier's minimum".to_owned(),
            );
        }
        if let Some(server) = &self.server
            && !is_host_and_port(server)
        {
            return wrong(
                "server",
                format!("{server:?} is not host:port, for example 10.0.0.1:6443"),
            );
        }
        if self.max_pods == 0 {
            return wrong(
                "maxPods",
                "0 pods make no node; the usual value is 110".to_owned(),
            );
        }
        if !self.cni_bin_dir.join("bridge").is_file() {
            let why = format!(
                "{} has no CNI plugin `bridge`: install containernetworking-plugins or name its directory",
                self.cni_bin_dir.display()
            );
            return wrong("cniBinDir", why);
        }
        if let Some(socket) = &self.containerd_socket
            && !socket.exists()
        {
            let why = format!(
                "{} does not exist: start containerd, or leave it out for a private one",
                socket.display()
            );
            return wrong("containerdSocket", why);
        }
        Ok(())
    }

    /// With an absolute data directory: containerd needs one, and finds its own by it again.
    pub(crate) fn absolute(mut self) -> Result<Self, InvalidConfig> {
        let path = std::path::absolute(&self.data_dir).map_err(|error| InvalidConfig {
            key: "dataDir",
            why: error.to_string(),
        })?;
        self.data_dir = path;
        Ok(self)
    }

    /// The keystore's path.
    #[must_use]
    pub fn keystore_path(&self) -> PathBuf {
        self.keystore
            .clone()
            .unwrap_or_else(|| self.data_dir.join("sui.keystore"))
    }

    /// The state file.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.data_dir.join("state.json")
    }

    /// The node key's file.
    #[must_use]
    pub fn node_key_path(&self) -> PathBuf {
        self.data_dir.join("node.key")
    }

    /// Where the private containerd lives.
    #[must_use]
    pub fn containerd_dir(&self) -> PathBuf {
        self.data_dir.join("containerd")
    }

    /// Where the agent keeps volumes and logs.
    #[must_use]
    pub fn agent_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }

    /// The containerd socket that is used, private or not.
    #[must_use]
    pub fn runtime_socket(&self) -> PathBuf {
        let private = || self.containerd_dir().join("containerd.sock");
        self.containerd_socket.clone().unwrap_or_else(private)
    }

    pub(crate) fn token_ttl(&self) -> Duration {
        Duration::from_secs(self.token_ttl_seconds)
    }

    pub(crate) fn drain_grace(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(crate) fn pause_program(&self) -> &Path {
        self.pause_program
            .as_deref()
            .unwrap_or(Path::new("/proc/self/exe"))
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(more: &serde_json::Value) -> Result<Config, serde_json::Error> {
        let mut keys = json!({
            "dataDir": "/d/worker-0", "nodeName": "worker-0", "chainUrl": "http://127.0.0.1:9000",
            "deployment": "/d/deployment.json",
        });
        for (key, value) in more.as_object().unwrap() {
            keys[key] = value.clone();
        }
        serde_json::from_value(keys)
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named() {
        let error = config(&json!({"nodename": "x"})).unwrap_err().to_string();
        assert!(
            error.contains("nodename") && error.contains("nodeName"),
            "{error}"
        );
        let error = config(&json!({"maxPods": "many"})).unwrap_err().to_string();
        assert!(error.contains("many"), "{error}");
        assert!(config(&json!({"agent": "docker"})).is_err());
    }

    #[test]
    fn impossible_values_name_their_key() {
        for (keys, key) in [
            (json!({"nodeName": "Worker"}), "nodeName"),
            (json!({"nodeName": "a".repeat(64)}), "nodeName"),
            (json!({"tokenTtlSeconds": 59}), "tokenTtlSeconds"),
            (json!({"stake": 0}), "stake"),
            (json!({"server": "https://x"}), "server"),
            (json!({"server": "x:0"}), "server"),
            (json!({"maxPods": 0}), "maxPods"),
            (json!({"cniBinDir": "/nonexistent"}), "cniBinDir"),
        ] {
            assert_eq!(config(&keys).unwrap().validate().unwrap_err().key, key);
        }
    }
}
