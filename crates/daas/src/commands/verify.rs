//! `daas verify`: the passport of a cluster, or of one endpoint of it.
//!
//! Everything is read from the chain and from the control plane's own evidence; no key, no account and no privilege is
//! needed. The exit code is the verdict: 0 everything holds, 2 something does not, 3 everything holds but the TEE is
//! simulated, so that it proves nothing; 1 when it could not be judged.

mod passport;
mod show;

use std::process::ExitCode;

use chain::{Address, Client, Deployment};

use super::chain_args::ChainArgs;
use crate::cli::Output;
use crate::up::system::System;
use passport::{Passport, Verdict};

/// Arguments of `daas verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// `host:port` of a control plane, or the id of a cluster whose registered endpoints are all verified [default: the
    /// system's control plane]
    subject: Option<String>,

    /// The oldest anchor that is fine, in seconds
    #[arg(long, default_value_t = 600)]
    max_anchor_age: u64,
}

/// Gathers, judges, shows.
pub(crate) async fn run(args: VerifyArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (client, mut deployment) = args.chain.connect().await?;
    let addresses = subject(&args, &client, &mut deployment).await?;
    let passport = Passport::gather(&client, &deployment, &addresses, args.max_anchor_age).await?;
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&passport)?),
        Output::Text => print!("{}", show::text(&passport)),
    }
    Ok(ExitCode::from(match passport.verdict {
        Verdict::Trusted => 0,
        Verdict::Refused => 2,
        Verdict::Simulated => 3,
    }))
}

/// Which endpoints are meant.
async fn subject(
    args: &VerifyArgs,
    client: &Client,
    deployment: &mut Deployment,
) -> anyhow::Result<Vec<String>> {
    match &args.subject {
        Some(subject) if subject.starts_with("0x") => {
            let id: Address = subject
                .parse()
                .map_err(|_| anyhow::anyhow!("{subject} is no object's id"))?;
            deployment.cluster = Some(id);
            let cluster = client.cluster(deployment, id).await?;
            let address = |url: &String| {
                let address = url.trim_start_matches("https://").trim_end_matches('/');
                address.to_owned()
            };
            Ok(cluster.endpoints.iter().map(|e| address(&e.url)).collect())
        }
        Some(endpoint) => Ok(vec![endpoint.clone()]),
        None => Ok(vec![
            System::load(&args.chain.layout()?)?
                .api_address()
                .to_string(),
        ]),
    }
}
