//! `daas ledger`: the embedded Sui-compatible ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chain::Address;
use ledger::{GenesisOptions, LedgerConfig};
use serde::{Deserialize, Serialize};

use super::until_signal;
use crate::{config, notify};

/// Arguments of `daas ledger`: every key of its configuration file but `funds`.
#[derive(Debug, clap::Args)]
pub(crate) struct LedgerArgs {
    /// YAML or JSON file with the keys below (in camelCase), and `funds`: a list of
    /// {address, mist} handed out at genesis
    #[arg(long, env = "DAAS_LEDGER_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    keys: Keys,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    /// Directory of its log and of deployment.json
    #[arg(long, env = "DAAS_LEDGER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address of its gRPC [default: 127.0.0.1:9000]
    #[arg(long, env = "DAAS_LEDGER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Listen on an address that other machines reach, although there is no TLS
    #[arg(long, env = "DAAS_LEDGER_ALLOW_REMOTE", num_args = 0..=1, default_missing_value = "true")]
    allow_remote: Option<bool>,
    /// Seconds of an epoch [default: 60]
    #[arg(long, env = "DAAS_LEDGER_EPOCH_SECONDS")]
    epoch_seconds: Option<u64>,
    /// Whom to publish the contracts for when it begins [default: nobody; `daas cluster publish` does
    /// it, as on any Sui network]
    #[arg(long, env = "DAAS_LEDGER_PUBLISHER")]
    publisher: Option<Address>,
}

/// The keys of the configuration file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    data_dir: PathBuf,
    #[serde(default)]
    listen: Option<SocketAddr>,
    #[serde(default)]
    allow_remote: bool,
    #[serde(default)]
    epoch_seconds: Option<u64>,
    #[serde(default)]
    publisher: Option<Address>,
    #[serde(default)]
    funds: Vec<Fund>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fund {
    address: Address,
    mist: u64,
}

/// Runs the ledger until it is asked to stop.
pub(crate) async fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    let file: File = config::load(args.config.as_deref(), &args.keys)?;
    let funds = file.funds.iter().map(|f| (f.address, f.mist)).collect();
    let genesis = match file.publisher {
        Some(publisher) => GenesisOptions::development(publisher, funds),
        None => GenesisOptions::unpublished(funds),
    };
    let mut config = LedgerConfig::new(file.data_dir, genesis);
    config.allow_remote = file.allow_remote;
    if let Some(listen) = file.listen {
        config.listen = listen;
    }
    if let Some(seconds) = file.epoch_seconds {
        anyhow::ensure!(
            seconds > 0,
            "epochSeconds: 0 is no length of an epoch: use 60"
        );
        config.epoch = Duration::from_secs(seconds);
    }
    until_signal(async |shutdown| {
        let handle = ledger::serve(config, shutdown.clone()).await?;
        tracing::info!(address = %handle.address(), "the ledger listens");
        notify::ready();
        handle.stopped().await
    })
    .await
}
