//! Where the chain is and whose key signs, for commands that act on it.

use std::path::PathBuf;

use anyhow::Context;
use attested::TeeRoot;
use chain::keystore::Keystore;
use chain::{Address, Client, Deployment};

use crate::cli::DataDir;
use crate::up::layout::Layout;
use crate::up::operator::Operator;
use crate::up::system::System;

/// Arguments that say which chain and which key. Without any, those of the system under
/// `--data-dir`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChainArgs {
    #[command(flatten)]
    pub data: DataDir,

    /// gRPC of a Sui full node [default: the system's own ledger]
    #[arg(long, env = "DAAS_CHAIN_URL")]
    pub chain_url: Option<String>,

    /// File that says where the contracts and the cluster are [default: the system's]
    #[arg(long, env = "DAAS_DEPLOYMENT")]
    pub deployment: Option<PathBuf>,

    /// Keystore in Sui's format [default: the operator's, or the worker's where it is about one]
    #[arg(long, env = "DAAS_KEYSTORE")]
    pub keystore: Option<PathBuf>,

    /// Root of TEE evidence to trust besides the vendors'; may be repeated
    #[arg(
        long,
        env = "DAAS_TEE_ROOTS",
        value_name = "KIND=FILE",
        value_delimiter = ','
    )]
    pub tee_roots: Vec<TeeRoot>,

    /// Which key of the keystore signs, where it has several
    #[arg(long, env = "DAAS_ADDRESS")]
    pub address: Option<Address>,
}

impl ChainArgs {
    /// The data directory's layout.
    ///
    /// # Errors
    /// When the current directory is unknown.
    pub(crate) fn layout(&self) -> anyhow::Result<Layout> {
        Ok(Layout::new(&self.data.data_dir)?)
    }

    /// Connects to the chain and makes sure that it is the deployment's.
    ///
    /// # Errors
    /// When it can't be reached or is another chain.
    pub(crate) async fn connect(&self) -> anyhow::Result<(Client, Deployment)> {
        let layout = self.layout()?;
        let file = match &self.deployment {
            Some(file) => file.clone(),
            None => {
                System::load(&layout)?;
                Operator::open(layout.operator())?.deployment_file()
            }
        };
        let deployment = Deployment::load(&file)?;
        let url = match &self.chain_url {
            Some(url) => url.clone(),
            None => System::load(&layout)?.ledger_url(),
        };
        let client = Client::connect(&url)
            .await
            .with_context(|| format!("the chain at {url} can't be reached"))?;
        client.verify(&deployment).await?;
        Ok((client, deployment))
    }

    /// The keystore that was named, else the one at `default`.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn keystore(&self, default: impl FnOnce() -> PathBuf) -> anyhow::Result<Keystore> {
        let path = self.keystore.clone().unwrap_or_else(default);
        Ok(Keystore::load(&path)?)
    }
}
