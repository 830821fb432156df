//! `daas kubeconfig`: a fresh kubeconfig for the administrator of a system that `up` started.

use std::path::PathBuf;
use std::process::ExitCode;

use super::chain_args::ChainArgs;
use crate::up::kubeconfig::Kubeconfig;
use crate::up::operator::Operator;
use crate::up::system::System;

/// Arguments of `daas kubeconfig`.
#[derive(Debug, clap::Args)]
pub(crate) struct KubeconfigArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// The file to write; it will hold a private key [default: `kubeconfig` in the data directory]
    #[arg(long)]
    file: Option<PathBuf>,
}

/// Verifies the control plane, logs in with the operator's wallet and writes the file.
pub(crate) async fn run(args: KubeconfigArgs) -> anyhow::Result<ExitCode> {
    let layout = args.chain.layout()?;
    let system = System::load(&layout)?;
    let (chain, deployment) = args.chain.connect().await?;
    let operator = Operator::open(layout.operator())?;
    let stake = operator.admin_stake(&chain, &deployment).await?;
    let path = args.file.unwrap_or_else(|| layout.kubeconfig());
    let keystore = args.chain.keystore.clone();
    let kubeconfig = Kubeconfig::new(
        &system,
        keystore.unwrap_or_else(|| operator.keystore_file()),
        path.clone(),
        chain,
        deployment,
        stake,
    )
    .with_roots(args.chain.tee_roots.clone());
    let (good_for, proof) = kubeconfig.write_proven().await?;
    eprintln!("control plane verified: {proof}");
    eprintln!(
        "{} written; its certificate is good for {} minutes, then run this again",
        path.display(),
        good_for.as_secs() / 60
    );
    Ok(ExitCode::SUCCESS)
}
