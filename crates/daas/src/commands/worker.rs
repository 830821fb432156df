//! `daas worker`: a staker host.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use chain::Address;
use serde::Serialize;
use worker::{Progress, Step};

use super::until_signal;
use crate::{config, notify};

/// Arguments of `daas worker`: every key of its configuration file but `labels`. Flags go before
/// variables, and both before the file.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// YAML or JSON file with the keys below (in camelCase), and `labels` of the node
    #[arg(long, env = "DAAS_WORKER_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    keys: Keys,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    /// Directory of keys, state, containers and volumes
    #[arg(long, env = "DAAS_WORKER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The node's name; it goes into the Seal token
    #[arg(long, env = "DAAS_NODE_NAME")]
    node_name: Option<String>,
    /// gRPC of a Sui full node, or of the embedded ledger
    #[arg(long, env = "DAAS_CHAIN_URL")]
    chain_url: Option<String>,
    /// File that says where the contracts and the cluster are
    #[arg(long, env = "DAAS_DEPLOYMENT")]
    deployment: Option<PathBuf>,
    /// Keystore in Sui's format, 0600 [default: sui.keystore in the data directory]
    #[arg(long, env = "DAAS_KEYSTORE")]
    keystore: Option<PathBuf>,
    /// Which key of the keystore pays and owns the stake
    #[arg(long, env = "DAAS_ADDRESS")]
    address: Option<Address>,
    /// How much to stake, in MIST [default: the node tier's minimum]
    #[arg(long, env = "DAAS_STAKE")]
    stake: Option<u64>,
    /// How long a Seal token is good, in seconds [default: 86400]
    #[arg(long, env = "DAAS_TOKEN_TTL_SECONDS")]
    token_ttl_seconds: Option<u64>,
    /// `host:port` of the control plane [default: the endpoints that the chain names]
    #[arg(long, env = "DAAS_SERVER")]
    server: Option<String>,
    /// Accept a control plane whose TEE is simulated (proves nothing; development only)
    #[arg(long, env = "DAAS_ALLOW_SIMULATED_TEE", num_args = 0..=1, default_missing_value = "true")]
    allow_simulated_tee: Option<bool>,
    /// Root of TEE evidence to trust besides the vendors', as kind=file; may be repeated
    #[arg(
        long,
        env = "DAAS_TEE_ROOTS",
        value_name = "KIND=FILE",
        value_delimiter = ','
    )]
    tee_roots: Option<Vec<String>>,
    /// File that says in which state the platform of the control plane's TEE must be (JSON)
    #[arg(long, env = "DAAS_TEE_TCB")]
    tee_tcb: Option<PathBuf>,
    /// Which agent runs the pods: native, k3s or kubelet [default: native]
    #[arg(long, env = "DAAS_AGENT")]
    agent: Option<String>,
    /// The node's address [default: that of the route to the control plane]
    #[arg(long, env = "DAAS_NODE_IP")]
    node_ip: Option<IpAddr>,
    /// Port of the node's own API; 0 for the tunnel alone [default: 10250]
    #[arg(long, env = "DAAS_NODE_API_PORT")]
    node_api_port: Option<u16>,
    /// Socket of a containerd that runs already [default: a private one]
    #[arg(long, env = "DAAS_CONTAINERD_SOCKET")]
    containerd_socket: Option<PathBuf>,
    /// Directory of the CNI plugins [default: /usr/lib/cni]
    #[arg(long, env = "DAAS_CNI_BIN_DIR")]
    cni_bin_dir: Option<PathBuf>,
    /// Reference of the sandbox image [default: one made of the running binary]
    #[arg(long, env = "DAAS_PAUSE_IMAGE")]
    pause_image: Option<String>,
    /// Static program that the default sandbox image is made of
    #[arg(long, env = "DAAS_PAUSE_PROGRAM")]
    pause_program: Option<PathBuf>,
    /// Name server for pods; may be repeated
    #[arg(long, env = "DAAS_CLUSTER_DNS", value_delimiter = ',')]
    cluster_dns: Option<Vec<IpAddr>>,
    /// Pods that the node takes at most [default: 110]
    #[arg(long, env = "DAAS_MAX_PODS")]
    max_pods: Option<u32>,
    /// Below these the node is under pressure and takes no new pods
    /// [default: memory.available<100Mi,nodefs.available<5%,imagefs.available<5%,pid.available<10%]
    #[arg(long, env = "DAAS_EVICTION_HARD")]
    eviction_hard: Option<String>,
    /// How long pods have to end when the node is drained, in seconds [default: 30]
    #[arg(long, env = "DAAS_DRAIN_SECONDS")]
    drain_seconds: Option<u64>,
    /// How long an unreachable chain or control plane is waited for at the first start, in seconds [default: 60]
    #[arg(long, env = "DAAS_START_TIMEOUT_SECONDS")]
    start_timeout_seconds: Option<u64>,
}

/// Runs the worker until it is asked to stop or its stake is gone.
pub(crate) async fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    let config: worker::Config = config::load(args.config.as_deref(), &args.keys)?;
    let progress = Progress::new(|step| match step {
        Step::Doing(what) => {
            tracing::info!("{what}");
            notify::status(what);
        }
        Step::Ready => notify::ready(),
    });
    until_signal(|shutdown| worker::run(config, shutdown, progress)).await
}
