//! `daas rewards` and `daas delegate`: what stakes earn, and others' stake behind a node's.

use std::process::ExitCode;

use chain::events::Event;
use chain::objects::{Delegation, Stake, Unbonding};
use chain::{Address, Client, Deployment, calls};
use serde::Serialize;

use super::chain_args::ChainArgs;
use super::stake::{Subject, owner_key, time};
use crate::cli::Output;
use crate::render;

/// Arguments of `daas rewards`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("act")))]
pub(crate) struct RewardsArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    subject: Subject,

    /// Pay out what the owner of the stake has earned
    #[arg(long, group = "act")]
    claim: bool,

    /// Let the stake earn (workers' stakes do from the beginning)
    #[arg(long, group = "act")]
    enroll: bool,

    /// What the owner takes of the delegators' rewards, in basis points
    #[arg(long, value_name = "BASIS_POINTS", group = "act")]
    commission: Option<u64>,

    /// Add to the budget of all rewards, in SUI or MIST
    #[arg(long, value_name = "AMOUNT", group = "act", value_parser = render::parse_sui)]
    fund: Option<u64>,
}

/// Arguments of `daas delegate`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("act")))]
pub(crate) struct DelegateArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// Delegate to this stake. Without an act, the key's delegations are shown
    #[arg(long, value_name = "STAKE", group = "act", requires = "amount")]
    to: Option<Address>,

    /// Take the amount, or all, out of this delegation, through the stake's queue
    #[arg(long, value_name = "DELEGATION", group = "act")]
    from: Option<Address>,

    /// Pay out what this delegation has earned
    #[arg(long, value_name = "DELEGATION", group = "act")]
    claim: Option<Address>,

    /// Take out a part whose unbonding time is over
    #[arg(long, value_name = "PART", group = "act")]
    redeem: Option<Address>,

    /// How much, in SUI (`1.5`) or MIST (`1500mist`)
    #[arg(long, value_parser = render::parse_sui)]
    amount: Option<u64>,
}

/// What a stake earns, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Earning {
    stake: Address,
    enrolled: bool,
    /// When its rewards were last settled.
    claimable: String,
    weight: String,
    performance_basis_points: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_at: Option<String>,
    delegated: String,
    commission_basis_points: u64,
}

/// A delegation, or a part of a queue, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    id: Address,
    kind: &'static str,
    stake: Address,
    worth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawable_at: Option<String>,
}

/// Shows what a stake earns, or acts on it.
pub(crate) async fn rewards(args: RewardsArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = args.chain.connect().await?;
    let id = args.subject.id(&args.chain)?;
    if let Some(amount) = args.fund {
        let layout = args.chain.layout()?;
        let keystore = args
            .chain
            .keystore(|| layout.operator().join("sui.keystore"))?;
        let key = keystore.choose(args.chain.address.as_ref())?;
        let call = calls::fund_rewards(&deployment, amount)?;
        client.submit(key, &call).await?;
    }
    let call = if args.claim {
        Some(calls::claim_rewards(&deployment, id)?)
    } else if args.enroll {
        Some(calls::enroll(&deployment, id)?)
    } else if let Some(commission) = args.commission {
        Some(calls::set_commission(&deployment, id, commission)?)
    } else {
        None
    };
    if let Some(call) = call {
        let key = owner_key(&client, &deployment, &args.chain, &args.subject, id).await?;
        client.submit(&key, &call).await?;
    }
    let stake = client.object::<Stake>(&deployment, id).await?.value;
    let earner = client.earner(&deployment, id).await?;
    let shown = Earning {
        stake: id,
        enrolled: earner.is_some(),
        claimable: render::sui(earner.as_ref().map_or(0, |earner| earner.owed)),
        weight: render::sui(earner.as_ref().map_or(0, |earner| earner.weight)),
        performance_basis_points: earner.as_ref().map_or(0, |earner| earner.performance),
        reported_at: earner.as_ref().and_then(|e| time(e.reported_at_ms)),
        delegated: render::sui(stake.delegated.balance),
        commission_basis_points: stake.commission,
    };
    render::one(output, &shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a key's delegations, or acts on them.
pub(crate) async fn delegate(args: DelegateArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = args.chain.connect().await?;
    let layout = args.chain.layout()?;
    let keystore = args
        .chain
        .keystore(|| layout.operator().join("sui.keystore"))?;
    let key = keystore.choose(args.chain.address.as_ref())?;
    let call = if let (Some(stake), Some(amount)) = (args.to, args.amount) {
        Some(calls::delegate(&deployment, stake, amount)?)
    } else if let Some(id) = args.from {
        let stake = client.object::<Delegation>(&deployment, id).await?;
        let amount = args.amount.unwrap_or(u64::MAX);
        let stake = stake.value.stake_id;
        Some(calls::undelegate(&deployment, stake, id, amount)?)
    } else if let Some(id) = args.claim {
        let stake = client.object::<Delegation>(&deployment, id).await?;
        let stake = stake.value.stake_id;
        Some(calls::claim_delegation(&deployment, stake, id)?)
    } else if let Some(id) = args.redeem {
        let part = client.object::<Unbonding>(&deployment, id).await?;
        Some(calls::redeem(&deployment, part.value.stake_id, id))
    } else {
        None
    };
    if let Some(call) = call {
        client.submit(key, &call).await?;
    }
    let held = held_by(&client, &deployment, key.address()).await?;
    render::rows(
        output,
        &held,
        ["ID", "KIND", "STAKE", "WORTH", "CLAIMABLE", "WITHDRAWABLE"],
        |held| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            [
                held.id.to_string(),
                held.kind.to_owned(),
                held.stake.to_string(),
                held.worth.clone(),
                or_none(&held.claimable),
                or_none(&held.withdrawable_at),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What an address has made and still there is, as its transactions' events tell.
async fn held_by(
    client: &Client,
    deployment: &Deployment,
    owner: Address,
) -> anyhow::Result<Vec<Held>> {
    let mut held = Vec::new();
    for event in client.events_of(deployment, owner).await? {
        match event {
            Event::Delegated(made) => {
                let found = client.find::<Delegation>(deployment, made.delegation_id);
                let Some(found) = found.await? else { continue };
                let stake = client.stake(deployment, made.stake_id).await?;
                held.push(Held {
                    id: made.delegation_id,
                    kind: "delegation",
                    stake: made.stake_id,
                    worth: render::sui(stake.delegated.worth(found.value.shares)),
                    claimable: Some(render::sui(found.value.owed)),
                    withdrawable_at: None,
                });
            }
            Event::UnbondingBegun(begun) => {
                let found = client.find::<Unbonding>(deployment, begun.unbonding_id);
                let Some(found) = found.await? else { continue };
                let stake = client.stake(deployment, begun.stake_id).await?;
                let worth = if stake.queue.generation == begun.generation {
                    stake.queue.worth(found.value.shares)
                } else {
                    0
                };
                held.push(Held {
                    id: begun.unbonding_id,
                    kind: "leaving",
                    stake: begun.stake_id,
                    worth: render::sui(worth),
                    claimable: None,
                    withdrawable_at: time(begun.withdrawable_at_ms),
                });
            }
            _ => {}
        }
    }
    Ok(held)
}
