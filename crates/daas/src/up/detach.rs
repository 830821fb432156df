//! `--detach`: a process of its own supervises; this one shows its progress and returns when
//! everything is up or has failed.

use std::fs::OpenOptions;
use std::process::{ExitCode, Stdio};

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::layout::Layout;
use super::supervisor::private_dir;
use crate::cli::UpArgs;
use crate::progress::{Event, Sink};

/// Starts the supervisor and follows it until it is done or has failed.
///
/// # Errors
/// The supervisor's own reason.
pub(crate) async fn run(
    args: &UpArgs,
    layout: &Layout,
    mut sink: Box<dyn Sink>,
) -> anyhow::Result<ExitCode> {
    let log = layout.log("up");
    private_dir(layout.root())?;
    private_dir(&layout.root().join("logs"))?;
    let errors = OpenOptions::new().create(true).append(true).open(&log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("up")
        .arg("--data-dir")
        .arg(layout.root())
        .args(["--workers", &args.workers.to_string()])
        .args(["--api-listen", &args.api_listen.to_string()])
        .args(["--ledger-listen", &args.ledger_listen.to_string()])
        .args(["--node-api-port", &args.node_api_port.to_string()])
        .arg("--report-to-stdout")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .process_group(0);
    if args.no_sample {
        command.arg("--no-sample");
    }
    let mut child = command.spawn()?;
    let output = child
        .stdout
        .take()
        .context("the supervisor has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut failed = None;
    while let Some(line) = lines.next_line().await? {
        let Ok(event) = serde_json::from_str::<Event>(&line) else {
            continue;
        };
        sink.event(&event);
        match event {
            Event::Ready { .. } => return Ok(ExitCode::SUCCESS),
            Event::Failed { step, error } => failed = Some(format!("{step}: {error}")),
            _ => {}
        }
    }
    let status = child.wait().await?;
    match failed {
        // It was shown already; the exit code is what is left to say.
        Some(_) => Ok(ExitCode::FAILURE),
        None => anyhow::bail!("{} (see {})", last_error(&log, status), log.display()),
    }
}

/// What the supervisor said last: its error is one line.
fn last_error(log: &std::path::Path, status: std::process::ExitStatus) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .map_or_else(|| format!("the supervisor ended: {status}"), str::to_owned)
}
