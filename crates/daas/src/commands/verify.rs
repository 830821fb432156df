//! `daas verify`: is this control plane what the chain says it should be?

use std::process::ExitCode;

use attested::Connection;
use serde::Serialize;

use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::render;
use crate::up::kubeconfig::expectation;
use crate::up::system::System;

/// Arguments of `daas verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// `host:port` of the control plane [default: the system's]
    endpoint: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    endpoint: String,
    cluster: String,
    tee: String,
    hardware_rooted: bool,
    measurement: String,
    tls_key_hash: String,
}

/// Connects, verifies, and shows what was proven; an error when anything does not hold.
pub(crate) async fn run(args: VerifyArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (chain, deployment) = args.chain.connect().await?;
    let endpoint = match args.endpoint {
        Some(endpoint) => endpoint,
        None => System::load(&args.chain.layout()?)?
            .api_address()
            .to_string(),
    };
    let expected = expectation(&chain, &deployment, true).await?;
    let connection = Connection::open(&endpoint, &expected).await?;
    let claims = connection.claims();
    render::one(
        output,
        &Verdict {
            endpoint,
            cluster: expected.cluster.to_string(),
            tee: claims.kind.to_string(),
            hardware_rooted: claims.hardware_rooted,
            measurement: claims.measurement.to_string(),
            tls_key_hash: hex::encode(connection.tls_key()),
        },
    )?;
    if !claims.hardware_rooted {
        eprintln!("⚠ the TEE is simulated: this proves nothing, and is for development only");
    }
    Ok(ExitCode::SUCCESS)
}
