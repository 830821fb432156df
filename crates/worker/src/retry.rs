//! Trying again.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::error::{Class, line};
use crate::{Progress, WorkerError};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Growing pauses.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// Waits, longer each time; `false` if asked to stop meanwhile.
    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) -> bool {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// How long failures of the network are borne.
#[derive(Clone)]
pub(crate) struct Patience {
    until: Instant,
    shutdown: CancellationToken,
    progress: Progress,
}

/// The wait was ended, or the operation failed for good.
pub(crate) enum Ended {
    /// Asked to stop.
    Stopped,
    /// For good.
    Failed(WorkerError),
}

impl<E: Into<WorkerError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Patience {
    pub(crate) fn new(limit: Duration, shutdown: CancellationToken, progress: Progress) -> Self {
        Self {
            until: Instant::now() + limit,
            shutdown,
            progress,
        }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Runs `operation` again and again as long as only the network fails and there is time.
    pub(crate) async fn run<T, F>(
        &self,
        what: &str,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, Ended>
    where
        F: Future<Output = Result<T, WorkerError>>,
    {
        let mut backoff = Backoff::new();
        loop {
            let outcome = tokio::select! {
                () = self.shutdown.cancelled() => return Err(Ended::Stopped),
                outcome = operation() => outcome,
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(error) if error.class() == Class::Network && Instant::now() < self.until => {
                    let text = line(&error);
                    tracing::warn!(error = text, what, "will be tried again");
                    self.progress
                        .doing(&format!("{what}: {text}; trying again"));
                    if !backoff.wait(&self.shutdown).await {
                        return Err(Ended::Stopped);
                    }
                }
                Err(error) => return Err(Ended::Failed(error)),
            }
        }
    }
}
