//! The control plane's configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which TEE the control plane asks for evidence and sealing keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TeeChoice {
    /// The strongest that the machine has; never `simulated`.
    #[default]
    Auto,
    /// AWS Nitro Enclaves.
    Nitro,
    /// AMD SEV-SNP.
    Snp,
    /// Intel TDX.
    Tdx,
    /// Intel SGX, in Gramine.
    Sgx,
    /// TPM 2.0 and measured boot.
    Tpm,
    /// No hardware: anyone can forge its evidence. Development only, and named everywhere.
    Simulated,
}

impl TeeChoice {
    /// The kind that is forced; `None` for the strongest that is there.
    #[must_use]
    pub fn kind(self) -> Option<tee_verify::Kind> {
        use tee_verify::Kind;
        Some(match self {
            Self::Auto => return None,
            Self::Nitro => Kind::Nitro,
            Self::Snp => Kind::Snp,
            Self::Tdx => Kind::Tdx,
            Self::Sgx => Kind::Sgx,
            Self::Tpm => Kind::Tpm,
            Self::Simulated => Kind::Simulated,
        })
    }
}

/// What the root key is sealed to on this machine, so that a restarted instance needs nobody. Only where the TEE can
/// seal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyCache {
    /// The device and this measurement: another build has to be handed the keys.
    #[default]
    Measurement,
    /// The device, whatever runs on it. Development only.
    Device,
    /// Nothing: every start is a hand-over or a recovery.
    None,
}

/// Everything that `daas server` needs to know. Keys are those of its YAML or JSON file; every
/// key is also a flag and a `DAAS_…` variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Directory of the sealed state.
    pub data_dir: PathBuf,
    /// Where the host keeps the sealed log for an enclave, which has no disk (`vsock://3:9200`). Default: a file in
    /// `dataDir`.
    #[serde(default)]
    pub log: Option<enclave::endpoint::Endpoint>,
    /// Address of the Kubernetes API.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Names and addresses in the serving certificate besides the standard ones.
    #[serde(default)]
    pub advertise: Vec<String>,
    /// gRPC of a Sui full node, or of the embedded ledger.
    pub chain_url: String,
    /// gRPC of further full nodes, of other operators: the allow-list of measurements counts as a majority of all nodes
    /// confirms it, and the newest anchor that any of them shows.
    #[serde(default)]
    pub chain_witnesses: Vec<String>,
    /// File that says where the contracts are (see `chain::Deployment`).
    pub deployment: PathBuf,
    /// The TEE.
    #[serde(default)]
    pub tee: TeeChoice,
    /// Files with what a verifier needs besides the evidence: DCAP collateral (JSON), certificates and revocation lists
    /// (PEM or DER). Read at every attestation.
    #[serde(default)]
    pub tee_collateral: Vec<PathBuf>,
    /// Refuse everything that is for development only.
    #[serde(default)]
    pub production: bool,
    /// Directory of the simulated TEE's device secret; needed with `tee: simulated`, and never
    /// inside `dataDir`.
    #[serde(default)]
    pub simulated_tee_dir: Option<PathBuf>,
    /// What the root key is sealed to on this machine.
    #[serde(default)]
    pub key_cache: KeyCache,
    /// Other instances of this cluster (`host:port`) that are asked for the keys when this one has none.
    #[serde(default)]
    pub handover_from: Vec<String>,
    /// The longest time, in seconds, that a change stays without an anchor on the chain: what a host could take away
    /// unseen by putting an older disk back.
    #[serde(default = "default_anchor_interval")]
    pub anchor_interval_seconds: u64,
    /// Addresses of pods; every node gets a part of it.
    #[serde(default = "default_pod_cidr")]
    pub pod_cidr: ipnet::IpNet,
    /// Prefix length of each node's part.
    #[serde(default = "default_node_mask")]
    pub node_cidr_mask: u8,
    /// Addresses of Services.
    #[serde(default = "default_service_cidr")]
    pub service_cidr: ipnet::IpNet,
    /// Which requests are recorded, and how much of them (`audit.k8s.io/v1` Policy). Default: every request's metadata.
    #[serde(default)]
    pub audit_policy_file: Option<PathBuf>,
    /// The audit log, in clear. Default: `audit/audit.log` in `dataDir`, sealed line by line.
    #[serde(default)]
    pub audit_log_path: Option<PathBuf>,
    /// Whether requests wait for their lines: `batch`, `blocking`, `blocking-strict`.
    #[serde(default)]
    pub audit_log_mode: audit::Mode,
    /// MiB from which on the log is rotated; 0 never.
    #[serde(default = "default_audit_maxsize")]
    pub audit_log_maxsize: u32,
    /// Rotated logs that are kept; 0 keeps all.
    #[serde(default = "default_audit_maxbackup")]
    pub audit_log_maxbackup: usize,
    /// Days for which rotated logs are kept; 0 for ever.
    #[serde(default)]
    pub audit_log_maxage: u32,
}

fn default_audit_maxsize() -> u32 {
    100
}

fn default_audit_maxbackup() -> usize {
    10
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 6443))
}

fn default_anchor_interval() -> u64 {
    60
}

fn default_pod_cidr() -> ipnet::IpNet {
    ipnet::Ipv4Net::new_assert([10, 42, 0, 0].into(), 16).into()
}

fn default_node_mask() -> u8 {
    24
}

fn default_service_cidr() -> ipnet::IpNet {
    ipnet::Ipv4Net::new_assert([10, 43, 0, 0].into(), 16).into()
}

/// A key whose value is impossible.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidConfig {
    /// The key as it stands in the file.
    pub key: &'static str,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl Config {
    /// Checks what the types alone don't.
    ///
    /// # Errors
    /// The first key with an impossible value.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |key, why: String| Err(InvalidConfig { key, why });
        if self.production && self.tee == TeeChoice::Simulated {
            return wrong(
                "tee",
                "`simulated` proves nothing and production refuses it: use `auto` on a machine with a TEE".into(),
            );
        }
        if self.production && self.key_cache == KeyCache::Device {
            return wrong(
                "keyCache",
                "`device` lets every build on this device have the keys, and production refuses it: use `measurement` or `none`".into(),
            );
        }
        if !(1..=86_400).contains(&self.anchor_interval_seconds) {
            return wrong(
                "anchorIntervalSeconds",
                format!("{} is out of 1 to 86400", self.anchor_interval_seconds),
            );
        }
        match (self.tee, &self.simulated_tee_dir) {
            (TeeChoice::Simulated, None) => {
                return wrong(
                    "simulatedTeeDir",
                    "is needed with `tee: simulated`: name a directory outside dataDir".into(),
                );
            }
            (TeeChoice::Simulated, Some(dir)) if dir.starts_with(&self.data_dir) => {
                return wrong(
                    "simulatedTeeDir",
                    format!(
                        "{} lies inside dataDir, which a host may copy: name a directory outside it",
                        dir.display()
                    ),
                );
            }
            _ => {}
        }
        if self.node_cidr_mask <= self.pod_cidr.prefix_len()
            || self.node_cidr_mask > self.pod_cidr.max_prefix_len() - 2
        {
            return wrong(
                "nodeCidrMask",
                format!(
                    "{} leaves no part of podCidr {} for each node: choose one between {} and {}",
                    self.node_cidr_mask,
                    self.pod_cidr,
                    self.pod_cidr.prefix_len() + 1,
                    self.pod_cidr.max_prefix_len() - 2
                ),
            );
        }
        if self.pod_cidr.contains(&self.service_cidr) || self.service_cidr.contains(&self.pod_cidr)
        {
            return wrong(
                "serviceCidr",
                format!("{} overlaps podCidr {}", self.service_cidr, self.pod_cidr),
            );
        }
        Ok(())
    }

    /// Where pods reach the API server: the address that it listens on, or this machine's first one
    /// that other machines may know.
    #[must_use]
    pub fn pods_reach_at(&self) -> Vec<IpAddr> {
        let ip = self.listen.ip();
        if ip.is_loopback() {
            // A pod's loopback is its own.
            return Vec::new();
        }
        if !ip.is_unspecified() {
            return vec![ip];
        }
        let of_machine = crate::addresses::of_this_machine();
        of_machine
            .into_iter()
            .find(|address| address.is_ipv4() && !address.is_loopback())
            .into_iter()
            .collect()
    }

    /// The first address of the Service range: the `kubernetes` Service's.
    #[must_use]
    pub fn kubernetes_service_ip(&self) -> Option<IpAddr> {
        self.service_cidr.hosts().next()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(more: &serde_json::Value) -> Config {
        let mut keys = json!({
            "dataDir": "/d/server", "chainUrl": "http://127.0.0.1:9000", "deployment": "/d/deployment.json",
            "tee": "simulated", "simulatedTeeDir": "/d/tee",
        });
        for (key, value) in more.as_object().unwrap() {
            keys[key] = value.clone();
        }
        serde_json::from_value(keys).unwrap()
    }

    #[test]
    fn defaults_are_valid() {
        let config = config(&json!({}));
        config.validate().unwrap();
        assert_eq!(
            config.kubernetes_service_ip().unwrap(),
            IpAddr::from([10, 43, 0, 1])
        );
    }

    #[test]
    fn impossible_values_name_their_key() {
        for (keys, key) in [
            (json!({"production": true}), "tee"),
            (json!({"simulatedTeeDir": null}), "simulatedTeeDir"),
            (
                json!({"simulatedTeeDir": "/d/server/tee"}),
                "simulatedTeeDir",
            ),
            (
                json!({"production": true, "tee": "auto", "keyCache": "device"}),
                "keyCache",
            ),
            (json!({"anchorIntervalSeconds": 0}), "anchorIntervalSeconds"),
            (json!({"nodeCidrMask": 16}), "nodeCidrMask"),
            (json!({"nodeCidrMask": 31}), "nodeCidrMask"),
            (json!({"serviceCidr": "10.42.128.0/17"}), "serviceCidr"),
        ] {
            assert_eq!(config(&keys).validate().unwrap_err().key, key);
        }
    }
}
