//! `daas status`: how each part is.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::layout::Layout;
use super::supervisor::{SUPERVISOR, records};
use super::system::System;
use crate::cli::Output;
use crate::render;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    restarts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_exit: Option<String>,
}

/// Prints every part of the system under `data_dir`; the exit code is 1 unless all of them run.
pub(crate) async fn run(data_dir: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(data_dir)?;
    let system = System::load(&layout)?;
    let records = records(&layout)?;
    let expected = [
        SUPERVISOR.to_owned(),
        "ledger".to_owned(),
        "server".to_owned(),
    ]
    .into_iter()
    .chain((0..system.workers).map(|n| format!("worker-{n}")));
    let parts: Vec<Part> = expected
        .map(|name| {
            let record = records.iter().find(|(n, _)| *n == name).map(|(_, r)| r);
            let alive = record.filter(|r| r.is_alive());
            let state = match alive {
                None => "stopped",
                Some(r) if r.ready || name == SUPERVISOR => "running",
                Some(_) => "starting",
            };
            Part {
                state,
                pid: alive.map(|r| r.pid),
                restarts: record.map_or(0, |r| r.restarts),
                last_exit: record.and_then(|r| r.last_exit.clone()),
                name,
            }
        })
        .collect();
    render::rows(
        output,
        &parts,
        ["PART", "STATE", "PID", "RESTARTS", "LAST EXIT"],
        |p| {
            [
                p.name.clone(),
                p.state.to_owned(),
                p.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                p.restarts.to_string(),
                p.last_exit.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        },
    )?;
    let all = parts.iter().all(|p| p.state == "running");
    if output == Output::Text {
        if all {
            println!(
                "\nAPI: {}  (TEE: simulated, for development only)",
                system.api_url()
            );
            println!(
                "kubectl --kubeconfig {} get nodes,pods -A",
                layout.kubeconfig().display()
            );
        } else {
            println!(
                "\nSee the logs under {}",
                layout.root().join("logs").display()
            );
        }
    }
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
