//! `daas stake`, `daas unstake`, `daas slash`: acts on stakes, each one transaction.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use chain::keystore::Key;
use chain::objects::{Stake, StakeStatus, Tier};
use chain::{Address, Client, Deployment, calls};
use jiff::Timestamp;
use serde::Serialize;

use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;
use crate::up::operator::Operator;
use crate::up::worker_files;

/// Arguments of `daas stake`.
#[derive(Debug, clap::Args)]
pub(crate) struct StakeArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// The tier: `user` for access with kubectl, `admin` for administering the cluster. Workers stake
    /// by themselves. Without it, stakes are shown
    #[arg(long, value_parser = ["user", "admin"], requires = "amount")]
    tier: Option<String>,

    /// How much, in SUI (`1.5`) or MIST (`1500mist`)
    #[arg(long, value_parser = render::parse_sui, requires = "tier")]
    amount: Option<u64>,

    /// The stake to show or act on [default: the workers' and the operator's]
    #[arg(long, conflicts_with = "tier")]
    stake: Option<Address>,

    /// Add to the stake, in SUI (`1.5`) or MIST (`1500mist`)
    #[arg(long, value_name = "AMOUNT", value_parser = render::parse_sui, requires = "stake")]
    top_up: Option<u64>,

    /// Free the stake, if it is jailed and its sentence over
    #[arg(long, requires = "stake", conflicts_with = "top_up")]
    unjail: bool,
}

/// Which stake an act is about.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Subject {
    /// The stake's object id
    #[arg(long, conflicts_with = "worker")]
    stake: Option<Address>,

    /// The number of a worker of this system
    #[arg(long, default_value_t = 0)]
    worker: usize,
}

/// Arguments of `daas unstake`.
#[derive(Debug, clap::Args)]
pub(crate) struct UnstakeArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    subject: Subject,

    /// Take the coins of a stake whose unbonding time is over
    #[arg(long)]
    withdraw: bool,

    /// Only this much, in SUI (`1.5`) or MIST (`1500mist`); `daas delegate` shows the part, and takes it
    /// out once its time is over
    #[arg(long, value_parser = render::parse_sui, conflicts_with = "withdraw")]
    amount: Option<u64>,
}

/// Arguments of `daas slash`.
#[derive(Debug, clap::Args)]
pub(crate) struct SlashArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    subject: Subject,

    /// How much, in SUI (`0.5`) or MIST (`500mist`)
    #[arg(long, value_parser = render::parse_sui)]
    amount: u64,

    /// Why; it is written on the chain
    #[arg(long)]
    reason: String,
}

/// A stake as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: Address,
    owner: Address,
    tier: &'static str,
    status: &'static str,
    balance_mist: u64,
    balance: String,
    slashed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawable_at: Option<String>,
    delegated: String,
    queued: String,
    pending_cases: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jailed_until: Option<String>,
}

impl From<&Stake> for Shown {
    fn from(stake: &Stake) -> Self {
        Self {
            id: stake.id,
            owner: stake.owner,
            tier: stake.tier.as_str(),
            status: match stake.status {
                StakeStatus::Active if stake.tombstoned => "tombstoned",
                StakeStatus::Active if stake.jailed_until_ms > 0 => "jailed",
                status => status.as_str(),
            },
            balance_mist: stake.balance,
            balance: render::sui(stake.balance),
            slashed: render::sui(stake.slashed),
            locked_until: time(stake.locked_until_ms),
            withdrawable_at: time(stake.withdrawable_at_ms),
            delegated: render::sui(stake.delegated.balance),
            queued: render::sui(stake.queue.balance),
            pending_cases: stake.cases,
            jailed_until: time(stake.jailed_until_ms),
        }
    }
}

/// A time on the chain as it is shown; none for 0.
pub(super) fn time(ms: u64) -> Option<String> {
    if ms == 0 {
        return None;
    }
    let at = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.to_string())
}

/// Shows stakes, or makes one.
pub(crate) async fn stake(args: StakeArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = args.chain.connect().await?;
    let layout = args.chain.layout()?;
    if let (Some(tier), Some(amount)) = (&args.tier, args.amount) {
        let tier = if tier == "admin" {
            Tier::Admin
        } else {
            Tier::User
        };
        let keystore = args
            .chain
            .keystore(|| layout.operator().join("sui.keystore"))?;
        let key = keystore.choose(args.chain.address.as_ref())?;
        let call = calls::stake(&deployment, tier, amount);
        let done = client.submit(key, &call).await?;
        let id = done.created("staking::Stake")?;
        return show(&client, &deployment, &[id], output).await;
    }
    if let Some(id) = args.stake
        && (args.unjail || args.top_up.is_some())
    {
        let subject = Subject {
            stake: Some(id),
            worker: 0,
        };
        let key = owner_key(&client, &deployment, &args.chain, &subject, id).await?;
        let call = match args.top_up {
            Some(amount) => calls::top_up(&deployment, id, amount),
            None => calls::unjail(&deployment, id),
        };
        client.submit(&key, &call).await?;
    }
    let ids = match args.stake {
        Some(id) => vec![id],
        None => {
            let mut ids = Vec::new();
            for (number, _) in worker_files::existing(&layout)? {
                ids.extend(worker_files::stake(&layout, number)?);
            }
            ids.extend(
                Operator::open(layout.operator())?
                    .possessions()?
                    .admin_stake,
            );
            ids
        }
    };
    show(&client, &deployment, &ids, output).await
}

/// Asks for a stake back, or takes its coins.
pub(crate) async fn unstake(args: UnstakeArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = args.chain.connect().await?;
    let id = args.subject.id(&args.chain)?;
    let key = owner_key(&client, &deployment, &args.chain, &args.subject, id).await?;
    let call = match args.amount {
        Some(amount) => calls::unstake_part(&deployment, id, amount)?,
        None if args.withdraw => calls::withdraw(&deployment, id),
        None => calls::request_unstake(&deployment, id)?,
    };
    client.submit(&key, &call).await?;
    show(&client, &deployment, &[id], output).await
}

/// Slashes a stake.
pub(crate) async fn slash(args: SlashArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = args.chain.connect().await?;
    let id = args.subject.id(&args.chain)?;
    let layout = args.chain.layout()?;
    let keystore = args
        .chain
        .keystore(|| layout.operator().join("sui.keystore"))?;
    let key = keystore.choose(args.chain.address.as_ref())?;
    let cap = deployment
        .slash_cap
        .context("the deployment names no slashing capability")?;
    let call = calls::slash(&deployment, cap, id, args.amount, &args.reason)?;
    client.submit(key, &call).await?;
    show(&client, &deployment, &[id], output).await
}

impl Subject {
    pub(super) fn id(&self, chain: &ChainArgs) -> anyhow::Result<Address> {
        match self.stake {
            Some(id) => Ok(id),
            None => worker_files::stake(&chain.layout()?, self.worker)?.with_context(|| {
                format!(
                    "worker {} has no stake yet: name one with --stake",
                    self.worker
                )
            }),
        }
    }
}

/// The key of the stake's owner: of the keystore that is named, or of the worker's.
pub(super) async fn owner_key(
    client: &Client,
    deployment: &Deployment,
    chain: &ChainArgs,
    subject: &Subject,
    stake: Address,
) -> anyhow::Result<Key> {
    let default = worker_keystore(chain, subject)?;
    let keystore = chain.keystore(|| default)?;
    let owner = client.object::<Stake>(deployment, stake).await?.value.owner;
    Ok(keystore
        .key(chain.address.as_ref().unwrap_or(&owner))?
        .clone())
}

fn worker_keystore(chain: &ChainArgs, subject: &Subject) -> anyhow::Result<PathBuf> {
    let layout = chain.layout()?;
    Ok(worker_files::keystore(&layout, subject.worker))
}

async fn show(
    client: &Client,
    deployment: &Deployment,
    ids: &[Address],
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut stakes = Vec::with_capacity(ids.len());
    for id in ids {
        stakes.push(client.object::<Stake>(deployment, *id).await?.value);
    }
    let shown: Vec<Shown> = stakes.iter().map(Shown::from).collect();
    render::rows(
        output,
        &shown,
        [
            "STAKE",
            "TIER",
            "STATUS",
            "BALANCE",
            "SLASHED",
            "WITHDRAWABLE",
        ],
        |s| {
            [
                s.id.to_string(),
                s.tier.to_owned(),
                s.status.to_owned(),
                s.balance.clone(),
                s.slashed.clone(),
                s.withdrawable_at.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
