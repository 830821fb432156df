//! `daas enclave`: the image of the control plane's enclave, its measurement, and its relays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use enclave::endpoint::Endpoint;
use enclave::image::{self, Inputs};
use enclave::log::LogHost;
use enclave::relay::Relay;
use log_redb::RedbLog;
use serde::Deserialize;
use tokio_util::task::TaskTracker;

use super::until_signal;
use crate::cli::Output;
use crate::{config, notify, render};

/// Arguments of `daas enclave`.
#[derive(Debug, Args)]
pub(crate) struct EnclaveArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the enclave image (EIF) of this program and print what it measures to
    Image(ImageArgs),
    /// Print what an enclave image measures to
    Measure {
        /// The image
        file: PathBuf,
    },
    /// Serve an enclave from its host: the other half of its relays, and the disk of its sealed log
    Host {
        /// YAML or JSON file with `relays`, and `log` with `listen` and `file`
        #[arg(long)]
        config: PathBuf,
    },
    /// The enclave's first process
    #[command(hide = true)]
    Init {
        /// What the image says of itself
        #[arg(long, default_value = image::ENCLAVE_CONFIG)]
        config: PathBuf,
    },
}

#[derive(Debug, Args)]
struct ImageArgs {
    /// The kernel (bzImage) with virtio over MMIO, vsock and NSM built in
    #[arg(long)]
    kernel: PathBuf,
    /// The program, statically linked [default: this one]
    #[arg(long)]
    program: Option<PathBuf>,
    /// The server's configuration
    #[arg(long)]
    server_config: PathBuf,
    /// The relays
    #[arg(long)]
    enclave_config: PathBuf,
    /// Which contracts and cluster it serves
    #[arg(long)]
    deployment: PathBuf,
    /// The commit that the program was built from; shown by tools, not measured
    #[arg(long, default_value = "unknown")]
    source: String,
    /// Where to write the image
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HostConfig {
    #[serde(default)]
    relays: Vec<Relay>,
    log: Option<HostLog>,
}

/// The sealed log as the host keeps it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HostLog {
    listen: Endpoint,
    file: PathBuf,
}

/// Runs it.
pub(crate) async fn run(args: EnclaveArgs, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Image(args) => make(&args, output),
        Command::Measure { file } => {
            let image = read(&file)?;
            let pcrs = image::measure(&image).with_context(|| file.display().to_string())?;
            show(&pcrs, output)
        }
        Command::Host { config } => host(&config).await,
        Command::Init { config } => init(&config).await,
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} can't be read", path.display()))
}

fn make(args: &ImageArgs, output: Output) -> anyhow::Result<ExitCode> {
    // What can't work inside is refused here, where it can be mended.
    let relays: enclave::init::Config = config::load(Some(&args.enclave_config), &())?;
    relays.validate()?;
    let server: nautilus::Config = config::load(Some(&args.server_config), &())?;
    server.validate()?;
    chain::Deployment::load(&args.deployment)?;
    let program = args.program.clone();
    let inputs = Inputs {
        kernel: read(&args.kernel)?,
        program: read(&program.unwrap_or_else(|| "/proc/self/exe".into()))?,
        server_config: read(&args.server_config)?,
        enclave_config: read(&args.enclave_config)?,
        deployment: read(&args.deployment)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source: args.source.clone(),
    };
    let image = image::build(&inputs)?;
    fs::write(&args.out, &image.bytes)
        .with_context(|| format!("{} can't be written", args.out.display()))?;
    show(&image.pcrs, output)
}

fn show(pcrs: &image::eif::Pcrs, output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => {
            // As `nitro-cli` prints it.
            render::one(output, &serde_json::json!({ "Measurements": pcrs }))?;
        }
        Output::Text => {
            for (name, register) in [
                ("PCR0", pcrs.image),
                ("PCR1", pcrs.boot),
                ("PCR2", pcrs.application),
            ] {
                println!("{name}: {}", hex::encode(register));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn host(path: &Path) -> anyhow::Result<ExitCode> {
    let config: HostConfig = config::load(Some(path), &())?;
    until_signal(async |shutdown| {
        let tasks = TaskTracker::new();
        if let Some(HostLog { listen, file }) = config.log {
            let log = RedbLog::open(&file).await?;
            let listener = listen
                .listen()
                .await
                .with_context(|| format!("the log can't be served on {listen}"))?;
            tracing::info!(%listen, file = %file.display(), "keeping the sealed log");
            tasks.spawn(LogHost::new(Arc::new(log)).serve(listener, shutdown.clone()));
        }
        for relay in config.relays {
            relay.start(&tasks, shutdown.clone()).await?;
        }
        notify::ready();
        shutdown.cancelled().await;
        tasks.close();
        tasks.wait().await;
        anyhow::Ok(())
    })
    .await
}

async fn init(path: &Path) -> anyhow::Result<ExitCode> {
    let outcome = async {
        let config: enclave::init::Config = config::load(Some(path), &())?;
        let status = enclave::init::run(config).await?;
        anyhow::ensure!(status.success(), "the server ended: {status}");
        anyhow::Ok(())
    }
    .await;
    if let Err(error) = &outcome {
        tracing::error!("the enclave ends: {error:#}");
    }
    if std::process::id() == 1 {
        // The first process must not just return: the kernel would call that a panic.
        let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
    }
    outcome?;
    Ok(ExitCode::SUCCESS)
}
