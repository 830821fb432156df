//! One supervised part: started, restarted with back-off, stopped.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::record::Record;
use crate::notify::{self, Listener, Notice};

/// First pause before a restart; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran this long starts over with the first pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How long a process may take to end after SIGTERM before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(45);
/// A log beyond this size is set aside (once) when its part starts.
const LOG_LIMIT: u64 = 32 * 1024 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// `ledger`, `server`, `worker-0`…
    pub name: String,
    /// Arguments of the `daas` binary.
    pub args: Vec<OsString>,
    /// Where its output goes.
    pub log: PathBuf,
    /// Where its [`Record`] is kept.
    pub record: PathBuf,
    /// The exit code with which it says that starting it again would be in vain.
    pub final_code: Option<u8>,
}

/// Where a part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Started, not ready yet; what it says it is doing.
    Starting(String),
    /// It said that it is ready.
    Ready,
    /// It ended; the reason. It is started again after a pause.
    Failed(String),
    /// It was asked to stop and has.
    Stopped,
    /// It ended for good; the reason.
    Ended(String),
}

/// A part under supervision.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    state: watch::Receiver<State>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Process {
    /// Starts supervising `part`.
    pub(crate) fn start(part: Part) -> Self {
        let (send, state) = watch::channel(State::Starting(String::new()));
        let stop = CancellationToken::new();
        Self {
            name: part.name.clone(),
            log: part.log.clone(),
            state,
            stop: stop.clone(),
            task: tokio::spawn(supervise(part, send, stop)),
        }
    }

    /// The part's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the part is ready; `say` is told what it is doing meanwhile.
    ///
    /// # Errors
    /// The reason of the first failure, with the log's path.
    pub(crate) async fn ready(&self, mut say: impl FnMut(&str)) -> anyhow::Result<()> {
        let mut state = self.state.clone();
        loop {
            match &*state.borrow_and_update() {
                State::Ready => return Ok(()),
                State::Starting(doing) if doing.is_empty() => {}
                State::Starting(doing) => say(doing),
                State::Failed(why) => {
                    anyhow::bail!("{}: {why} (log: {})", self.name, self.log.display())
                }
                State::Stopped => anyhow::bail!("{} was stopped", self.name),
                State::Ended(why) => anyhow::bail!("{}: {why}", self.name),
            }
            state.changed().await?;
        }
    }

    /// Stops the part: SIGTERM, then SIGKILL when it takes too long.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(part = self.name, %error, "supervision ended abnormally");
        }
    }
}

async fn supervise(part: Part, state: watch::Sender<State>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    let mut restarts = 0;
    let mut last_exit = None;
    loop {
        let started = Instant::now();
        let why = match run_once(&part, &state, &stop, restarts, last_exit.take()).await {
            Ok(End::Asked) => {
                state.send_replace(State::Stopped);
                return;
            }
            Ok(End::Final(why)) => {
                tracing::warn!(part = part.name, why, "ended for good");
                state.send_replace(State::Ended(why));
                return;
            }
            Ok(End::Unasked(why)) => why,
            Err(error) => format!("could not be started: {error}"),
        };
        tracing::warn!(part = part.name, why, ?pause, "ended; it is started again");
        last_exit = Some(why.clone());
        state.send_replace(State::Failed(why));
        if started.elapsed() >= HEALTHY_AFTER {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = stop.cancelled() => {
                state.send_replace(State::Stopped);
                return;
            }
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        restarts += 1;
    }
}

/// How a run ended, and why.
enum End {
    /// As it was asked to.
    Asked,
    /// By itself.
    Unasked(String),
    /// By itself, and another run would end likewise.
    Final(String),
}

/// Runs the part until it ends.
async fn run_once(
    part: &Part,
    state: &watch::Sender<State>,
    stop: &CancellationToken,
    restarts: u32,
    last_exit: Option<String>,
) -> std::io::Result<End> {
    let notices = Listener::bind(&part.name)?;
    let mut child = spawn(part, &notices)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let mut record = match pid {
        Some(pid) => Record::of(pid)?,
        None => return Ok(End::Unasked("ended at once".to_owned())),
    };
    record.restarts = restarts;
    record.last_exit = last_exit;
    record.write(&part.record)?;
    state.send_replace(State::Starting(String::new()));

    let mut reason = None;
    let status = loop {
        tokio::select! {
            biased;
            notice = notices.next() => match notice? {
                Notice::Ready => {
                    record.ready = true;
                    record.write(&part.record)?;
                    state.send_replace(State::Ready);
                }
                Notice::Status(doing) => {
                    state.send_if_modified(|state| match state {
                        State::Starting(was) => {
                            *was = doing;
                            true
                        }
                        _ => false,
                    });
                }
                Notice::Error(why) => reason = Some(why),
            },
            status = child.wait() => break status?,
            () = stop.cancelled() => {
                end(&mut child, &record).await?;
                // Nothing is left to be found by a later command.
                std::fs::remove_file(&part.record)?;
                return Ok(End::Asked);
            }
        }
    };
    let why = reason.unwrap_or_else(|| describe(status));
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    if code.is_some() && code == part.final_code {
        record.last_exit = Some(why.clone());
        record.write(&part.record)?;
        return Ok(End::Final(why));
    }
    Ok(End::Unasked(why))
}

fn spawn(part: &Part, notices: &Listener) -> std::io::Result<Child> {
    set_aside(&part.log)?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&part.log)?;
    Command::new(std::env::current_exe()?)
        .args(&part.args)
        .env(notify::SOCKET_VARIABLE, notices.variable())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A signal of the terminal is the supervisor's to handle.
        .process_group(0)
        .spawn()
}

fn set_aside(log: &Path) -> std::io::Result<()> {
    match std::fs::metadata(log) {
        Ok(file) if file.len() > LOG_LIMIT => std::fs::rename(log, log.with_extension("log.1")),
        _ => Ok(()),
    }
}

async fn end(child: &mut Child, record: &Record) -> std::io::Result<()> {
    record.signal(Signal::SIGTERM);
    if tokio::time::timeout(STOP_WITHIN, child.wait())
        .await
        .is_err()
    {
        tracing::warn!(pid = record.pid, "did not end in time and is killed");
        child.kill().await?;
    }
    Ok(())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}
