//! `daas cluster upgrade`: a measured upgrade of the control plane.
//!
//! 1. `propose` puts the new measurement on the allow-list, to count from a time on that everybody can see.
//! 2. Once it counts (`approve` says so, or makes it count as soon as the cluster's notice allows), the new
//!    build is started with `handoverFrom` set to a running instance: it is handed the keys and takes over when the
//!    old one stops.
//! 3. `retire` takes the old measurement off the list and begins a new key epoch, so that the old build,
//!    whatever copies of keys and disks it has, opens nothing that is written from then on.

use std::process::ExitCode;

use anyhow::Context;
use chain::calls::{self, Approval};
use chain::objects::{Cluster, TeeKind};
use clap::Subcommand;
use jiff::Timestamp;
use nautilus::wire::{ANCHOR, Anchored, ROTATE, Rotated};
use serde::Serialize;

use super::Measurement;
use crate::cli::Output;
use crate::commands::admin::AdminArgs;
use crate::commands::chain_args::ChainArgs;
use crate::render;

/// Steps of an upgrade.
#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Announce a new measurement on the chain: it counts once its time has come
    Propose {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        measurement: Measurement,
        /// The source commit that it was built from
        #[arg(long)]
        source: String,
        /// Seconds from now on after which it counts; the cluster's notice is the least
        #[arg(long, default_value_t = 0)]
        after_seconds: u64,
    },
    /// Make a measurement count as soon as the cluster's notice allows, and say when that is
    Approve {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        measurement: Measurement,
        /// The source commit that it was built from
        #[arg(long, default_value = "")]
        source: String,
    },
    /// Take an old measurement off the allow-list, begin a new key epoch and anchor it
    Retire {
        #[command(flatten)]
        chain: ChainArgs,
        #[command(flatten)]
        admin: AdminArgs,
        #[command(flatten)]
        measurement: Measurement,
    },
    /// Show which measurements count, from when on, and which are retired
    Show {
        #[command(flatten)]
        chain: ChainArgs,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    kind: &'static str,
    measurement: String,
    source: String,
    status: &'static str,
    since: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Retired {
    measurement: String,
    key_epoch: u32,
    anchored_revision: u64,
}

/// Does the step.
pub(crate) async fn run(step: Step, output: Output) -> anyhow::Result<ExitCode> {
    match step {
        Step::Propose {
            chain,
            measurement,
            source,
            after_seconds,
        } => propose(&chain, &measurement, source, after_seconds, output).await,
        Step::Approve {
            chain,
            measurement,
            source,
        } => approve(&chain, &measurement, source, output).await,
        Step::Retire {
            chain,
            admin,
            measurement,
        } => retire(&chain, &admin, &measurement, output).await,
        Step::Show { chain } => show(&chain, output).await,
    }
}

async fn cluster_of(chain: &ChainArgs) -> anyhow::Result<Cluster> {
    let (client, deployment) = chain.connect().await?;
    let id = deployment.cluster()?;
    Ok(client.object::<Cluster>(&deployment, id).await?.value)
}

fn now_ms() -> anyhow::Result<u64> {
    Ok(u64::try_from(Timestamp::now().as_millisecond())?)
}

/// From when on a measurement on the list counts; `None` when it is retired or not there.
fn counts_from(cluster: &Cluster, kind: TeeKind, bytes: &[u8]) -> Option<u64> {
    let mut listed = cluster.measurements.iter();
    listed
        .find(|m| !m.retired && m.kind == kind && m.bytes == bytes)
        .map(|m| m.active_at_ms)
}

async fn propose(
    chain: &ChainArgs,
    measurement: &Measurement,
    source: String,
    after_seconds: u64,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let active_at_ms = now_ms()?.saturating_add(after_seconds.saturating_mul(1000));
    put(chain, measurement, source, active_at_ms).await?;
    show(chain, output).await
}

async fn approve(
    chain: &ChainArgs,
    measurement: &Measurement,
    source: String,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let bytes = measurement.bytes()?;
    let from = counts_from(&cluster_of(chain).await?, measurement.kind, &bytes);
    if from.is_none() {
        put(chain, measurement, source, 0).await?;
    }
    let from = counts_from(&cluster_of(chain).await?, measurement.kind, &bytes);
    let from = from.context("the measurement was retired meanwhile")?;
    if from > now_ms()? {
        eprintln!(
            "it counts from {} on: until then no instance that runs it is trusted or given keys",
            time(from)
        );
    }
    show(chain, output).await
}

async fn put(
    chain: &ChainArgs,
    measurement: &Measurement,
    source: String,
    active_at_ms: u64,
) -> anyhow::Result<()> {
    let approval = Approval {
        kind: measurement.kind,
        measurement: measurement.bytes()?,
        source,
        active_at_ms,
    };
    super::govern(chain, |deployment, cap, cluster| {
        calls::approve_measurement(deployment, cap, cluster, approval)
    })
    .await
}

async fn retire(
    chain: &ChainArgs,
    admin: &AdminArgs,
    measurement: &Measurement,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let bytes = measurement.bytes()?;
    let (kind, retired) = (measurement.kind, bytes.clone());
    if counts_from(&cluster_of(chain).await?, kind, &bytes).is_some() {
        super::govern(chain, move |deployment, cap, cluster| {
            calls::retire_measurement(deployment, cap, cluster, kind, &retired)
        })
        .await?;
    }
    // Repeated, this only begins one more epoch.
    let rotated: Rotated = admin
        .post(chain, ROTATE, &serde_json::json!({}))
        .await
        .context("the measurement is retired, but no new key epoch has begun: run this again once a new instance serves")?;
    let anchored: Anchored = admin
        .post(chain, ANCHOR, &serde_json::json!({}))
        .await
        .context("the measurement is retired and a new key epoch has begun, but it is not anchored yet: run `daas cluster anchor`")?;
    render::one(
        output,
        &Retired {
            measurement: hex::encode(bytes),
            key_epoch: rotated.epoch,
            anchored_revision: anchored.revision,
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn show(chain: &ChainArgs, output: Output) -> anyhow::Result<ExitCode> {
    let cluster = cluster_of(chain).await?;
    let now = now_ms()?;
    let listed: Vec<_> = cluster
        .measurements
        .iter()
        .map(|m| Listed {
            kind: m.kind.as_str(),
            measurement: hex::encode(&m.bytes),
            source: m.source.clone(),
            status: match (m.retired, m.active_at_ms > now) {
                (true, _) => "retired",
                (false, true) => "proposed",
                (false, false) => "approved",
            },
            since: time(m.active_at_ms.max(m.approved_at_ms)),
        })
        .collect();
    render::rows(
        output,
        &listed,
        ["STATUS", "KIND", "MEASUREMENT", "SINCE", "SOURCE"],
        |listed| {
            [
                listed.status.to_owned(),
                listed.kind.to_owned(),
                listed.measurement.clone(),
                listed.since.clone(),
                listed.source.clone(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

fn time(ms: u64) -> String {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| ms.to_string(), |time| time.to_string())
}
