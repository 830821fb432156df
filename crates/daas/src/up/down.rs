//! `daas down`: stop what `up` started and leave nothing of it on the machine.

use std::path::Path;
use std::process::ExitCode;

use super::bring_up;
use super::layout::Layout;
use super::supervisor::{Supervisor, stop_running};

/// Stops the supervisor and with it every part, then ends what its workers still run. Data stays:
/// `up` on the same directory resumes.
pub(crate) async fn run(data_dir: &Path) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(data_dir)?;
    if !layout.run().exists() {
        eprintln!("nothing was brought up under {}", layout.root().display());
        return Ok(ExitCode::SUCCESS);
    }
    let was_running = stop_running(&layout).await?;
    // Whether the supervisor stopped by itself or was killed: what it left is ended here.
    let supervisor = Supervisor::take(layout.clone()).await?;
    bring_up::clean(&layout).await?;
    supervisor.stop().await;
    eprintln!(
        "{}; its data stays in {}",
        if was_running {
            "everything is stopped"
        } else {
            "nothing ran; what was left is gone"
        },
        layout.root().display()
    );
    Ok(ExitCode::SUCCESS)
}
