//! `daas cluster`: a cluster on the chain and what its control plane may run.

pub(crate) mod publish;

use std::process::ExitCode;

use anyhow::Context;
use chain::calls::{self, Approval};
use chain::objects::{Cluster, TeeKind};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;

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
}

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

/// Shows the cluster, or changes its allow-list.
pub(crate) async fn run(args: ClusterArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (chain, measurement, source) = match args.act {
        Act::Publish(args) => return publish::run(args, output).await,
        Act::Show { chain } => return show(&chain, output).await,
        Act::Approve {
            chain,
            measurement,
            source,
        } => (chain, measurement, Some(source)),
        Act::Retire { chain, measurement } => (chain, measurement, None),
    };
    let (client, deployment) = chain.connect().await?;
    let cluster = deployment.cluster()?;
    let cap = deployment
        .cluster_cap
        .context("the deployment names no capability over its cluster")?;
    let bytes = hex::decode(measurement.measurement.trim_start_matches("0x"))
        .context("--measurement: hexadecimal digits are expected")?;
    let call = match source {
        Some(source) => {
            let approval = Approval {
                kind: measurement.kind,
                measurement: bytes,
                source,
                active_at_ms: 0,
            };
            calls::approve_measurement(&deployment, cap, cluster, approval)
        }
        None => calls::retire_measurement(&deployment, cap, cluster, measurement.kind, &bytes),
    };
    let layout = chain.layout()?;
    let keystore = chain.keystore(|| layout.operator().join("sui.keystore"))?;
    let key = keystore.choose(chain.address.as_ref())?;
    client.submit(key, &call).await?;
    show(&chain, output).await
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
