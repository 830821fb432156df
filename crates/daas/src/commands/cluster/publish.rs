//! `daas cluster publish`: the contracts, which this binary carries compiled, on any Sui network.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chain::keystore::{Key, Keystore};
use chain::publish::Publication;
use chain::{Address, Client, Deployment};
use clap::ValueEnum;
use contract_model::bytecode;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::Output;
use crate::render;

/// Arguments of `daas cluster publish`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub(crate) struct PublishArgs {
    /// A network of Sui's, by its public full nodes
    #[arg(long, group = "where", value_enum)]
    network: Option<Network>,

    /// gRPC of a Sui full node, or of `daas ledger`
    #[arg(long, group = "where", env = "DAAS_CHAIN_URL")]
    rpc: Option<String>,

    /// Who publishes: a keystore in Sui's format, or a file with one `suiprivkey1…`; it pays the gas
    /// and gets the capabilities
    #[arg(long, env = "DAAS_KEY_FILE")]
    key_file: PathBuf,

    /// Which key of the keystore, where it has several
    #[arg(long, env = "DAAS_ADDRESS")]
    address: Option<Address>,

    /// The file that says where the contracts are, for `--deployment` of every other command
    #[arg(long, default_value = "deployment.json")]
    out: PathBuf,

    /// Keep the upgrade capability instead of handing it to the timelock: whoever holds it can then
    /// change the contracts at any moment
    #[arg(long)]
    keep_upgrade_cap: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Mainnet,
    Testnet,
    Devnet,
    /// `sui start` or `daas ledger` on this machine
    Local,
}

impl Network {
    fn url(self) -> &'static str {
        match self {
            Self::Mainnet => "https://fullnode.mainnet.sui.io:443",
            Self::Testnet => "https://fullnode.testnet.sui.io:443",
            Self::Devnet => "https://fullnode.devnet.sui.io:443",
            Self::Local => "http://127.0.0.1:9000",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Published<'a> {
    url: &'a str,
    publisher: Address,
    upgrades_are_timelocked: bool,
    written_to: &'a Path,
    #[serde(flatten)]
    deployment: &'a Deployment,
}

/// What this binary carries, to be published once.
pub(crate) fn publication<'a>(deployment: &'a Path, pending: &'a Path) -> Publication<'a> {
    let modules = bytecode::modules().iter();
    Publication {
        modules: modules.map(|module| module.bytes.clone()).collect(),
        dependencies: bytecode::DEPENDENCIES.to_vec(),
        deployment,
        pending,
        hold_upgrade_cap: true,
    }
}

/// Publishes, or goes on where an earlier run was cut off.
///
/// # Errors
/// What the chain says.
pub(crate) async fn publish(
    chain: &Client,
    key: &Key,
    publication: &Publication<'_>,
) -> anyhow::Result<Deployment> {
    chain::publish::publish(chain, key, publication)
        .await
        .with_context(|| {
            format!(
                "the contracts could not be published on {} (the file {})",
                chain.url(),
                publication.deployment.display()
            )
        })
}

/// Publishes the contracts and writes down where they are.
pub(crate) async fn run(args: PublishArgs, output: Output) -> anyhow::Result<ExitCode> {
    let url = match (&args.rpc, args.network) {
        (Some(url), _) => url.clone(),
        (None, Some(network)) => network.url().to_owned(),
        (None, None) => anyhow::bail!("say where: --network or --rpc"),
    };
    let key = key(&args.key_file, args.address.as_ref())?;
    let client = Client::connect(&url)
        .await
        .with_context(|| format!("the chain at {url} can't be reached"))?;
    let mut pending = args.out.clone().into_os_string();
    pending.push(".pending");
    let pending = PathBuf::from(pending);
    let publication = Publication {
        hold_upgrade_cap: !args.keep_upgrade_cap,
        ..publication(&args.out, &pending)
    };
    let deployment = publish(&client, &key, &publication).await?;
    render::one(
        output,
        &Published {
            url: &url,
            publisher: key.address(),
            upgrades_are_timelocked: !args.keep_upgrade_cap,
            written_to: &args.out,
            deployment: &deployment,
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The key of a file in either form.
fn key(path: &Path, address: Option<&Address>) -> anyhow::Result<Key> {
    let text = Zeroizing::new(
        std::fs::read_to_string(path)
            .with_context(|| format!("{} can't be read", path.display()))?,
    );
    if text.trim_start().starts_with("suiprivkey1") {
        let key = Key::from_suiprivkey(&text).with_context(|| path.display().to_string())?;
        anyhow::ensure!(
            address.is_none_or(|address| *address == key.address()),
            "{} has the key of {}, not the one of --address",
            path.display(),
            key.address()
        );
        return Ok(key);
    }
    Ok(Keystore::load(path)?.choose(address)?.clone())
}
