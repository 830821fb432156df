//! `daas`: one binary, several roles. This crate parses arguments and wires; what a role does
//! is in its own crate.

/// A server's load is many short-lived trees on a few threads: glibc gives the top of its heap back and takes it
/// again all the time, which was a quarter of a write.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod cli;
mod commands;
mod config;
mod exit;
mod logging;
mod notify;
mod progress;
mod render;
mod up;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

/// This process's arguments. The first process of an enclave is `/init`, whatever its kernel was told.
fn arguments() -> Vec<std::ffi::OsString> {
    let given: Vec<_> = std::env::args_os().collect();
    let name = given.first().map(std::path::Path::new);
    if std::process::id() == 1 && name.and_then(|n| n.file_name()) == Some("init".as_ref()) {
        return ["daas", "enclave", "init"].map(Into::into).to_vec();
    }
    given
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(arguments());
    // The pause container has one thread and no need of more.
    if matches!(cli.command, Command::Pause) {
        return exit::report(commands::pause::run());
    }
    logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("daas")
        .build();
    match runtime {
        Ok(runtime) => exit::report(runtime.block_on(run(cli))),
        Err(error) => exit::report(Err(error.into())),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let output = cli.output;
    match cli.command {
        Command::Up(args) => up::run(args, output).await,
        Command::Down(args) => up::down::run(&args.data_dir).await,
        Command::Status(args) => up::status::run(&args.data_dir, output).await,
        Command::Server(args) => commands::server::run(args).await,
        Command::Worker(args) => commands::worker::run(args).await,
        Command::Ledger(args) => commands::ledger::run(args).await,
        Command::Stake(args) => commands::stake::stake(args, output).await,
        Command::Unstake(args) => commands::stake::unstake(args, output).await,
        Command::Rewards(args) => commands::rewards::rewards(args, output).await,
        Command::Delegate(args) => commands::rewards::delegate(args, output).await,
        Command::Slash(args) => commands::stake::slash(args, output).await,
        Command::Token(args) => commands::token::run(args, output).await,
        Command::Cluster(args) => commands::cluster::run(args, output).await,
        Command::Recovery(args) => commands::recovery::run(args, output).await,
        Command::Kubeconfig(args) => commands::kubeconfig::run(args).await,
        Command::Verify(args) => commands::verify::run(args, output).await,
        Command::Attest(args) => commands::attest::run(&args),
        Command::Enclave(args) => commands::enclave::run(args, output).await,
        Command::Audit(args) => commands::audit::run(&args, output),
        Command::Bench(args) => commands::bench::run(args, output).await,
        Command::SampleServer(args) => commands::sample_server::run(args).await,
        Command::Pause => commands::pause::run(),
    }
}
