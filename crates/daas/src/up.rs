//! `daas up`: the whole system on one machine. The parts are processes of their own with the same
//! code paths as in production; what differs is the defaults.

pub(crate) mod down;
pub(crate) mod kubeconfig;
pub(crate) mod layout;
pub(crate) mod operator;
pub(crate) mod system;
pub(crate) mod worker_files;

mod bring_up;
mod detach;
mod images;
mod preflight;
mod process;
mod record;
mod sample;
mod supervisor;

pub(crate) mod status;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Output, UpArgs};
use crate::notify;
use crate::progress::{Human, JsonLines, Progress, Sink};
use layout::Layout;
use supervisor::Supervisor;

/// Brings everything up; stays and supervises, or with `--detach` returns when all is up.
pub(crate) async fn run(args: UpArgs, output: Output) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&args.data.data_dir)?;
    preflight::machine()?;
    preflight::data_dir(layout.root())?;
    if args.detach {
        return detach::run(&args, &layout, sink(output)).await;
    }
    let sink: Box<dyn Sink> = if args.report_to_stdout {
        Box::new(JsonLines(std::io::stdout()))
    } else {
        sink(output)
    };
    let mut progress = Progress::new(sink);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut supervisor = Supervisor::take(layout.clone()).await?;
    let outcome = {
        let all = async {
            let keep = bring_up::run(&args, &layout, &mut supervisor, &mut progress).await?;
            notify::ready();
            keep.run().await
        };
        tokio::select! {
            outcome = all => outcome,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    };
    progress.note("stopping");
    supervisor.stop().await;
    bring_up::clean(&layout).await?;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn sink(output: Output) -> Box<dyn Sink> {
    match output {
        Output::Text => Box::new(Human::new()),
        Output::Json => Box::new(JsonLines(std::io::stdout())),
    }
}
