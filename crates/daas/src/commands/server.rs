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
    /// Address of the Kubernetes API [default: 0.0.0.0:6443]
    #[arg(long, env = "DAAS_LISTEN")]
    listen: Option<SocketAddr>,
    /// Name or address in the serving certificate besides the standard ones; may be repeated
    #[arg(long, env = "DAAS_ADVERTISE", value_delimiter = ',')]
    advertise: Option<Vec<String>>,
    /// gRPC of a Sui full node, or of the embedded ledger
    #[arg(long, env = "DAAS_CHAIN_URL")]
    chain_url: Option<String>,
    /// File that says where the contracts and the cluster are
    #[arg(long, env = "DAAS_DEPLOYMENT")]
    deployment: Option<PathBuf>,
    /// The TEE: `auto` (the machine's own), or `simulated` (proves nothing; development only)
    #[arg(long, env = "DAAS_TEE")]
    tee: Option<String>,
    /// Refuse everything that is for development only
    #[arg(long, env = "DAAS_PRODUCTION", num_args = 0..=1, default_missing_value = "true")]
    production: Option<bool>,
    /// Directory of the simulated TEE's device secret, outside the data directory
    #[arg(long, env = "DAAS_SIMULATED_TEE_DIR")]
    simulated_tee_dir: Option<PathBuf>,
    /// Addresses of pods [default: 10.42.0.0/16]
    #[arg(long, env = "DAAS_POD_CIDR")]
    pod_cidr: Option<String>,
    /// Prefix length of each node's part of the pod addresses [default: 24]
    #[arg(long, env = "DAAS_NODE_CIDR_MASK")]
    node_cidr_mask: Option<u8>,
    /// Addresses of Services [default: 10.43.0.0/16]
    #[arg(long, env = "DAAS_SERVICE_CIDR")]
    service_cidr: Option<String>,
}

/// Runs the control plane until it is asked to stop.
pub(crate) async fn run(args: ServerArgs) -> anyhow::Result<ExitCode> {
    let config: nautilus::Config = config::load(args.config.as_deref(), &args.keys)?;
    until_signal(|shutdown| nautilus::run(config, shutdown, notify::ready)).await
}
