//! `daas audit`: the audit log, judged offline.

use std::path::PathBuf;
use std::process::ExitCode;

use audit::ChainHead;
use clap::Subcommand;

use crate::cli::Output;
use crate::render;

/// Arguments of `daas audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Verify that no line of an audit log was dropped, changed, inserted or moved. Needs no key and no server. Exits
    /// with 0 if the log is as it was written, with 2 if it is not
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The log's files, oldest first: rotated ones, then the current one
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// A head of the chain known from elsewhere (`kubectl get --raw /audit/head`): finds that the end was cut off, or
    /// that all of it was written anew
    #[arg(long, value_name = "SEQUENCE:HASH")]
    head: Option<ChainHead>,

    /// The first entry must be there too: nothing was rotated away
    #[arg(long)]
    complete: bool,
}

/// Verifies and prints.
pub(crate) fn run(args: &AuditArgs, output: Output) -> anyhow::Result<ExitCode> {
    let Act::Verify(args) = &args.act;
    let report = audit::verify(&args.files, args.head, args.complete)?;
    match output {
        Output::Json => render::one(output, &report)?,
        Output::Text => {
            for problem in &report.problems {
                println!("{problem}");
            }
            if report.problem_count > report.problems.len() as u64 {
                println!("… {} problems in all", report.problem_count);
            }
            if report.is_intact() {
                println!(
                    "intact: entries {} to {}, {} lines; head {}",
                    report.first, report.last, report.lines, report.head
                );
                if args.head.is_none() {
                    println!("whether its end was cut off cannot be said without --head");
                }
            } else {
                println!("NOT intact");
            }
        }
    }
    Ok(if report.is_intact() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}
