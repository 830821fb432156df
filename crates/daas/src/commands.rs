//! One module for each command.

pub(crate) mod admin;
pub(crate) mod attest;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod chain_args;
pub(crate) mod cluster;
pub(crate) mod enclave;
pub(crate) mod kubeconfig;
pub(crate) mod ledger;
pub(crate) mod pause;
pub(crate) mod recovery;
pub(crate) mod rewards;
pub(crate) mod sample_server;
pub(crate) mod server;
pub(crate) mod stake;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod worker;

use std::future::Future;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Runs a role until it ends or SIGTERM or SIGINT asks it to.
pub(crate) async fn until_signal<F, E>(
    run: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = Result<(), E>>,
    anyhow::Error: From<E>,
{
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = shutdown.clone();
    let signals = tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        asked.cancel();
    });
    let outcome = run(shutdown).await;
    signals.abort();
    outcome?;
    Ok(ExitCode::SUCCESS)
}
