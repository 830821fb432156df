//! `daas cluster`: a cluster on the chain, what its control plane may run, its instances, anchors and key epochs.

pub(crate) mod publish;
mod upgrade;

use std::process::ExitCode;

use anyhow::Context;
use chain::calls::{self, Approval};
use chain::objects::{Cluster, TeeKind};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use chain::{Address, Deployment};
use nautilus::wire::{ANCHOR, Anchored, ROTATE, Rotated};

use super::admin::AdminArgs;
use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;
use crate::up::system::System;

/// Arguments of `daas cluster`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Publish the contracts on a Sui network: no `sui` CLI is needed
    Publish(publish::PublishArgs),
    /// Show the cluster: its allowed measurements and the registered instances
    Show {
        #[command(flatten)]
        chain: ChainArgs,
    },
    /// Allow a measurement: workers and users then trust a control plane that runs it
    Approve {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        measurement: Measurement,
        /// The source commit that it was built from
        #[arg(long)]
        source: String,
    },
    /// Retire a measurement: nobody trusts a control plane that runs it any more
    Retire {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        measurement: Measurement,
    },
    /// Replace a measurement by another: propose it, approve it, retire the old one
    #[command(subcommand)]
    Upgrade(upgrade::Step),
    /// Verify an instance and register its endpoint and its signing key on the chain
    Enroll {
        #[command(flatten)]
        chain: ChainArgs,
        /// `host:port` of the instance [default: the system's]
        endpoint: Option<String>,
    },
    /// Anchor the state on the chain now, and show what is anchored
    Anchor {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Begin a new key epoch: everything is sealed anew while the cluster runs, the old keys are gone
    RotateKeys {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// One on the allow-list, or meant for it.
#[derive(Debug, Clone, clap::Args)]
struct Measurement {
    /// The kind of TEE: nitro, sgx, tdx, snp, tpm or simulated
    #[arg(long, value_parser = parse_kind)]
    kind: TeeKind,

    /// The measurement in hexadecimal
    #[arg(long)]
    measurement: String,
}

fn parse_kind(text: &str) -> Result<TeeKind, String> {
    (0..=u8::MAX)
        .map_while(TeeKind::from_code)
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| "one of nitro, sgx, tdx, snp, tpm, simulated is expected".to_owned())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    measurements: Vec<ShownMeasurement>,
    endpoints: Vec<ShownEndpoint>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownMeasurement {
    kind: &'static str,
    measurement: String,
    source: String,
    approved_at: String,
    retired: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownEndpoint {
    url: String,
    tls_key_hash: String,
    kind: &'static str,
    measurement: String,
}

/// Shows the cluster, or changes it.
pub(crate) async fn run(args: ClusterArgs, output: Output) -> anyhow::Result<ExitCode> {
    let nothing = serde_json::json!({});
    match args.act {
        Act::Publish(args) => publish::run(args, output).await,
        Act::Show { chain } => show(&chain, output).await,
        Act::Approve {
            chain,
            measurement,
            source,
        } => {
            let approval = Approval {
                kind: measurement.kind,
                measurement: measurement.bytes()?,
                source,
                active_at_ms: 0,
            };
            govern(&chain, |deployment, cap, cluster| {
                calls::approve_measurement(deployment, cap, cluster, approval)
            })
            .await?;
            show(&chain, output).await
        }
        Act::Retire { chain, measurement } => {
            let bytes = measurement.bytes()?;
            govern(&chain, |deployment, cap, cluster| {
                calls::retire_measurement(deployment, cap, cluster, measurement.kind, &bytes)
            })
            .await?;
            show(&chain, output).await
        }
        Act::Upgrade(step) => upgrade::run(step, output).await,
        Act::Enroll { chain, endpoint } => enroll(&chain, endpoint, output).await,
        Act::Anchor { chain, admin } => {
            let anchored: Anchored = admin.post(&chain, ANCHOR, &nothing).await?;
            render::one(output, &anchored)?;
            Ok(ExitCode::SUCCESS)
        }
        Act::RotateKeys { chain, admin } => {
            let rotated: Rotated = admin.post(&chain, ROTATE, &nothing).await?;
            render::one(output, &rotated)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Measurement {
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        hex::decode(self.measurement.trim_start_matches("0x"))
            .context("--measurement: hexadecimal digits are expected")
    }
}

/// Sends a call that needs the capability over the cluster.
async fn govern(
    chain: &ChainArgs,
    call: impl FnOnce(&Deployment, Address, Address) -> calls::Call,
) -> anyhow::Result<()> {
    let (client, deployment) = chain.connect().await?;
    let cluster = deployment.cluster()?;
    let cap = deployment
        .cluster_cap
        .context("the deployment names no capability over its cluster")?;
    let layout = chain.layout()?;
    let keystore = chain.keystore(|| layout.operator().join("sui.keystore"))?;
    let key = keystore.choose(chain.address.as_ref())?;
    client.submit(key, &call(&deployment, cap, cluster)).await?;
    Ok(())
}

async fn enroll(
    chain: &ChainArgs,
    endpoint: Option<String>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let (client, deployment) = chain.connect().await?;
    let layout = chain.layout()?;
    let address = match endpoint {
        Some(endpoint) => endpoint,
        None => System::load(&layout)?.api_address().to_string(),
    };
    let keystore = chain.keystore(|| layout.operator().join("sui.keystore"))?;
    let key = keystore.choose(chain.address.as_ref())?;
    let url = format!("https://{address}");
    let instance = nautilus::enroll(&client, &deployment, key, &address, &url).await?;
    render::one(output, &instance)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(chain: &ChainArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, deployment) = chain.connect().await?;
    let id = deployment.cluster()?;
    let cluster = client.object::<Cluster>(&deployment, id).await?.value;
    let measurements = cluster.measurements.iter().map(|m| {
        let at = Timestamp::from_millisecond(i64::try_from(m.approved_at_ms)?)?;
        Ok(ShownMeasurement {
            kind: m.kind.as_str(),
            measurement: hex::encode(&m.bytes),
            source: m.source.clone(),
            approved_at: at.to_string(),
            retired: m.retired,
        })
    });
    let endpoints = cluster.endpoints.iter().map(|e| ShownEndpoint {
        url: e.url.clone(),
        tls_key_hash: hex::encode(&e.tls_key_hash),
        kind: e.kind.as_str(),
        measurement: hex::encode(&e.measurement),
    });
    render::one(
        output,
        &Shown {
            id: id.to_string(),
            name: cluster.name.clone(),
            measurements: measurements.collect::<anyhow::Result<_>>()?,
            endpoints: endpoints.collect(),
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
