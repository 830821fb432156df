//! The command line: what can be said, and what it teaches.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Where a system's data is unless said otherwise.
const DEFAULT_DATA_DIR: &str = "/var/lib/daas";

const AFTER_HELP: &str = "\
Try it:
  daas up                                 the whole system on this machine, a sample workload running
  kubectl --kubeconfig /var/lib/daas/kubeconfig get nodes,pods -A
  daas status                             how each part is
  daas down                               stop it all and leave nothing behind

In production each part is a process of its own: `daas server` inside a trusted execution environment,
`daas worker` on each staked machine, and a Sui full node in place of `daas ledger`.";

/// Decentralised Kubernetes: staked workers, a control plane that anyone can verify.
#[derive(Debug, Parser)]
#[command(name = "daas", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Cli {
    /// How results are printed: for people, or as JSON for machines
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text, env = "DAAS_OUTPUT")]
    pub output: Output,

    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// JSON.
    Json,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring everything up on this machine: ledger, control plane, worker, sample workload
    Up(UpArgs),
    /// Stop what `up` started; no process, mount, namespace, interface or container stays
    Down(DataDir),
    /// Show how each part of a system is
    Status(DataDir),
    /// Run the control plane (Nautilus)
    Server(commands::server::ServerArgs),
    /// Run a staker host: stake, join, run pods
    Worker(commands::worker::WorkerArgs),
    /// Run the embedded Sui-compatible ledger (development and CI)
    Ledger(commands::ledger::LedgerArgs),
    /// Show a stake, or stake in the user or admin tier
    Stake(commands::stake::StakeArgs),
    /// Ask for a stake back: its rights end at once, the coins come after the unbonding time
    Unstake(commands::stake::UnstakeArgs),
    /// Show what a stake earns; claim it, enroll, set the commission, fund
    Rewards(commands::rewards::RewardsArgs),
    /// Show a key's delegations; delegate to a stake, take back, claim, redeem
    Delegate(commands::rewards::DelegateArgs),
    /// Slash a stake (needs the slashing capability)
    Slash(commands::stake::SlashArgs),
    /// Show or revoke Seal tokens
    Token(commands::token::TokenArgs),
    /// Show a cluster on the chain; its measurements, upgrades, instances, anchors and key epochs
    Cluster(commands::cluster::ClusterArgs),
    /// Recover the keys after a total outage, with shares that custodians hold
    Recovery(commands::recovery::RecoveryArgs),
    /// Write a kubeconfig for the administrator of a system that `up` started
    Kubeconfig(commands::kubeconfig::KubeconfigArgs),
    /// A cluster's passport: evidence, allow-list, state, certificates, stake and slashes; needs no privilege
    Verify(commands::verify::VerifyArgs),
    /// Verify attestation evidence of any kind from a file
    Attest(commands::attest::AttestArgs),
    /// Make, measure and serve the control plane's enclave image
    Enclave(commands::enclave::EnclaveArgs),
    /// Verify an audit log offline
    Audit(commands::audit::AuditArgs),
    /// Measure a Kubernetes API server under load
    Bench(commands::bench::BenchArgs),
    /// What a pod's sandbox runs
    #[command(hide = true)]
    Pause,
    /// The sample workload
    #[command(hide = true)]
    SampleServer(commands::sample_server::Args),
}

/// The data directory of a system that `up` started.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataDir {
    /// Where the system keeps its data
    #[arg(long, env = "DAAS_DATA_DIR", default_value = DEFAULT_DATA_DIR)]
    pub data_dir: PathBuf,
}

/// Arguments of `daas up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub data: DataDir,

    /// Return as soon as everything is up, and leave it running
    #[arg(long)]
    pub detach: bool,

    /// How many workers to run on this machine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub workers: u8,

    /// Address of the Kubernetes API
    #[arg(long, env = "DAAS_API_LISTEN", default_value = "0.0.0.0:6443")]
    pub api_listen: SocketAddr,

    /// Address of the ledger's gRPC (loopback only: it is in clear)
    #[arg(long, env = "DAAS_LEDGER_LISTEN", default_value = "127.0.0.1:9000")]
    pub ledger_listen: SocketAddr,

    /// Port of the first worker's node API; each further worker has the next one
    #[arg(long, env = "DAAS_NODE_API_PORT", default_value_t = 10250)]
    pub node_api_port: u16,

    /// Leave out the sample workload
    #[arg(long)]
    pub no_sample: bool,

    /// Set by `--detach` for the process that stays
    #[arg(long, hide = true)]
    pub report_to_stdout: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
