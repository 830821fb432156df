//! `daas server`: the control plane.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::until_signal;
use crate::{config, notify};

/// Arguments of `daas server`: every key of its configuration file. Flags go before variables,
/// and both before the file.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// YAML or JSON file with the keys below (in camelCase)
    #[arg(long, env = "DAAS_SERVER_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    keys: Keys,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    /// Directory of the sealed state
    #[arg(long, env = "DAAS_SERVER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where the host keeps the sealed log for an enclave: `vsock://3:9200` [default: a file in the data directory]
    #[arg(long, env = "DAAS_LOG_ENDPOINT")]
    log: Option<String>,
    /// Address of the Kubernetes API [default: 0.0.0.0:6443]
    #[arg(long, env = "DAAS_LISTEN")]
    listen: Option<SocketAddr>,
    /// Name or address in the serving certificate besides the standard ones; may be repeated
    #[arg(long, env = "DAAS_ADVERTISE", value_delimiter = ',')]
    advertise: Option<Vec<String>>,
    /// gRPC of a Sui full node, or of the embedded ledger
    #[arg(long, env = "DAAS_CHAIN_URL")]
    chain_url: Option<String>,
    /// gRPC of a further full node, of another operator, for what security depends on; may be repeated
    #[arg(long, env = "DAAS_CHAIN_WITNESSES", value_delimiter = ',')]
    chain_witnesses: Option<Vec<String>>,
    /// File that says where the contracts and the cluster are
    #[arg(long, env = "DAAS_DEPLOYMENT")]
    deployment: Option<PathBuf>,
    /// The TEE: `auto` (the strongest that the machine has), `nitro`, `snp`, `tdx`, `sgx`, `tpm`, or `simulated` (proves
    /// nothing; development only)
    #[arg(long, env = "DAAS_TEE")]
    tee: Option<String>,
    /// File with collateral that goes with the evidence (DCAP JSON, certificates); may be repeated
    #[arg(long, env = "DAAS_TEE_COLLATERAL", value_delimiter = ',')]
    tee_collateral: Option<Vec<PathBuf>>,
    /// Refuse everything that is for development only
    #[arg(long, env = "DAAS_PRODUCTION", num_args = 0..=1, default_missing_value = "true")]
    production: Option<bool>,
    /// Directory of the simulated TEE's device secret, outside the data directory
    #[arg(long, env = "DAAS_SIMULATED_TEE_DIR")]
    simulated_tee_dir: Option<PathBuf>,
    /// What the root key is sealed to on this machine: `measurement`, `device` (development only) or `none`
    #[arg(long, env = "DAAS_KEY_CACHE")]
    key_cache: Option<String>,
    /// `host:port` of another instance that is asked for the keys when this one has none; may be repeated
    #[arg(long, env = "DAAS_HANDOVER_FROM", value_delimiter = ',')]
    handover_from: Option<Vec<String>>,
    /// Seconds that a change stays without an anchor on the chain, at most [default: 60]
    #[arg(long, env = "DAAS_ANCHOR_INTERVAL_SECONDS")]
    anchor_interval_seconds: Option<u64>,
    /// Addresses of pods [default: 10.42.0.0/16]
    #[arg(long, env = "DAAS_POD_CIDR")]
    pod_cidr: Option<String>,
    /// Prefix length of each node's part of the pod addresses [default: 24]
    #[arg(long, env = "DAAS_NODE_CIDR_MASK")]
    node_cidr_mask: Option<u8>,
    /// Addresses of Services [default: 10.43.0.0/16]
    #[arg(long, env = "DAAS_SERVICE_CIDR")]
    service_cidr: Option<String>,
    /// Audit policy (audit.k8s.io/v1) [default: the metadata of every request]
    #[arg(long, env = "DAAS_AUDIT_POLICY_FILE")]
    audit_policy_file: Option<PathBuf>,
    /// Audit log, in clear [default: audit/audit.log in the data directory, sealed]
    #[arg(long, env = "DAAS_AUDIT_LOG_PATH")]
    audit_log_path: Option<PathBuf>,
    /// Whether requests wait for their audit lines: batch, blocking or blocking-strict [default: batch]
    #[arg(long, env = "DAAS_AUDIT_LOG_MODE")]
    audit_log_mode: Option<String>,
    /// MiB from which on the audit log is rotated; 0 never [default: 100]
    #[arg(long, env = "DAAS_AUDIT_LOG_MAXSIZE")]
    audit_log_maxsize: Option<u32>,
    /// Rotated audit logs that are kept; 0 keeps all [default: 10]
    #[arg(long, env = "DAAS_AUDIT_LOG_MAXBACKUP")]
    audit_log_maxbackup: Option<usize>,
    /// Days for which rotated audit logs are kept; 0 for ever [default: 0]
    #[arg(long, env = "DAAS_AUDIT_LOG_MAXAGE")]
    audit_log_maxage: Option<u32>,
}

/// Runs the control plane until it is asked to stop.
pub(crate) async fn run(args: ServerArgs) -> anyhow::Result<ExitCode> {
    let config: nautilus::Config = config::load(args.config.as_deref(), &args.keys)?;
    // Before any key is in memory.
    let protection = nautilus::protect_process()?;
    anyhow::ensure!(
        protection.undumpable,
        "the system does not forbid core dumps of this process, which would hold keys"
    );
    if !protection.locked {
        tracing::warn!(
            "this process may not lock its memory (CAP_IPC_LOCK, or no limit on locked memory): what is not a key may go to swap"
        );
    }
    until_signal(|shutdown| nautilus::run(config, shutdown, notify::ready)).await
}
