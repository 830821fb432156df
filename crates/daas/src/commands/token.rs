//! `daas token`: Seal tokens on the chain.

use std::process::ExitCode;

use anyhow::Context;
use chain::objects::SealToken;
use chain::{Address, calls};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;
use crate::up::worker_files;

/// Arguments of `daas token`.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show a Seal token as the chain has it (never its secret, which only its worker has)
    Show(Subject),
    /// Void a Seal token for good: its node is refused within seconds
    Revoke(Subject),
}

#[derive(Debug, clap::Args)]
struct Subject {
    #[command(flatten)]
    chain: ChainArgs,

    /// The token's object id
    #[arg(long, conflicts_with = "worker")]
    token: Option<Address>,

    /// The number of a worker of this system
    #[arg(long, default_value_t = 0)]
    worker: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: Address,
    stake: Address,
    owner: Address,
    cluster: Address,
    node: String,
    node_key: String,
    expires_at: String,
    revoked: bool,
    generation: u64,
}

/// Shows or revokes a token.
pub(crate) async fn run(args: TokenArgs, output: Output) -> anyhow::Result<ExitCode> {
    match args.act {
        Act::Show(subject) => show(&subject, output).await,
        Act::Revoke(subject) => {
            let (client, deployment) = subject.chain.connect().await?;
            let id = subject.id()?;
            let layout = subject.chain.layout()?;
            let keystore = subject
                .chain
                .keystore(|| worker_files::keystore(&layout, subject.worker))?;
            let token = client.object::<SealToken>(&deployment, id).await?.value;
            let key = keystore.key(subject.chain.address.as_ref().unwrap_or(&token.owner))?;
            let call = calls::revoke_seal_token(&deployment, id);
            client.submit(key, &call).await?;
            show(&subject, output).await
        }
    }
}

async fn show(subject: &Subject, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = subject.chain.connect().await?;
    let id = subject.id()?;
    let token = client.object::<SealToken>(&deployment, id).await?.value;
    let expires_at = Timestamp::from_millisecond(i64::try_from(token.expires_at_ms)?)?;
    render::one(
        output,
        &Shown {
            id,
            stake: token.stake_id,
            owner: token.owner,
            cluster: token.cluster_id,
            node: token.node_id,
            node_key: hex::encode(token.node_key),
            expires_at: expires_at.to_string(),
            revoked: token.revoked,
            generation: token.generation,
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

impl Subject {
    fn id(&self) -> anyhow::Result<Address> {
        match self.token {
            Some(id) => Ok(id),
            None => worker_files::token(&self.chain.layout()?, self.worker)?.with_context(|| {
                format!(
                    "worker {} has no Seal token yet: name one with --token",
                    self.worker
                )
            }),
        }
    }
}
