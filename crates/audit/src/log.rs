//! The log: a bounded queue, one thread that writes, files that are rotated.
// upstream: apiserver/plugin/pkg/audit/{buffered,log}

mod files;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{ChainHead, Event, LogOptions, Metrics, Mode};
use writer::{Entry, Writer};

pub use files::{ReadError, read};

/// Takes events.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Takes an event, and waits as long as the backend's mode says.
    ///
    /// # Errors
    /// When the event is lost.
    async fn process(&self, event: Event) -> Result<(), Lost>;

    /// Takes an event where nobody can wait: at the end of a stream. Must not block.
    fn offer(&self, event: Event);

    /// Whether a request whose first event is lost is to be refused.
    fn strict(&self) -> bool {
        false
    }

    /// The chain's head, when the backend has a chain.
    fn head(&self) -> Option<ChainHead> {
        None
    }
}

/// An event was lost; the log's own report says why.
#[derive(Debug, thiserror::Error)]
#[error("the audit event could not be written")]
pub struct Lost;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory.
    #[error("the audit log {path:?} cannot be opened")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The writer's thread.
    #[error("the audit log's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// An open log. A cheap clone of the same; the writer ends when the last clone is gone or at [`AuditLog::close`].
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

struct Shared {
    queue: mpsc::Sender<Entry>,
    heads: watch::Receiver<ChainHead>,
    dropped: Arc<AtomicU64>,
    mode: Mode,
    metrics: Metrics,
    tampered: bool,
}

impl AuditLog {
    /// Opens (or makes) the log and goes on with its chain. `expected` is the head that was last kept safe: when the
    /// files do not contain it they were tampered with; that is reported ([`AuditLog::tampered`]), and the chain goes on
    /// from `expected`, so that the break stays visible in the file. A line that was cut off by a crash is removed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        options: LogOptions,
        expected: Option<ChainHead>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let (mode, buffer) = (options.mode, options.buffer.max(1));
        let failed = |source| OpenError::Io {
            path: options.path.clone(),
            source,
        };
        let opened = files::Files::open(&options, expected).map_err(failed)?;
        if opened.tampered {
            tracing::error!(
                path = %options.path.display(), expected = ?expected, found = %opened.found,
                security = true,
                "the audit log was tampered with while the server was down: it does not contain the head that was kept"
            );
        }
        let tampered = opened.tampered;
        let (queue, receiver) = mpsc::channel(buffer);
        let (head, heads) = watch::channel(opened.head);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(options, opened, head, dropped.clone(), metrics.clone());
        std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue,
                heads,
                dropped,
                mode,
                metrics,
                tampered,
            }),
        })
    }

    /// Follows the head: what is to be kept safe so that a cut-off end is found.
    #[must_use]
    pub fn heads(&self) -> watch::Receiver<ChainHead> {
        self.shared.heads.clone()
    }

    /// Whether the files did not contain the expected head when the log was opened.
    #[must_use]
    pub fn tampered(&self) -> bool {
        self.shared.tampered
    }

    /// Waits until everything taken so far is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn flush(&self) -> Result<ChainHead, Lost> {
        let (done, written) = oneshot::channel();
        self.shared
            .queue
            .send(Entry::Flush(done))
            .await
            .map_err(|_| Lost)?;
        if written.await.map_err(|_| Lost)? {
            Ok(*self.shared.heads.borrow())
        } else {
            Err(Lost)
        }
    }

    /// The same, and then nothing is taken any more.
    ///
    /// # Errors
    /// When what is left cannot be written.
    pub async fn close(&self) -> Result<ChainHead, Lost> {
        let flushed = self.flush().await;
        let _ = self.shared.queue.send(Entry::Close).await;
        flushed
    }

    fn lose(&self) {
        if self.shared.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(
                "audit events are lost: the queue is full or the log cannot be written"
            );
        }
        self.shared.metrics.lost(1);
    }
}

#[async_trait]
impl Backend for AuditLog {
    async fn process(&self, event: Event) -> Result<(), Lost> {
        if self.shared.mode == Mode::Batch {
            return match self
                .shared
                .queue
                .try_send(Entry::Event(Box::new(event), None))
            {
                Ok(()) => Ok(()),
                Err(_) => {
                    self.lose();
                    Err(Lost)
                }
            };
        }
        let (done, written) = oneshot::channel();
        let entry = Entry::Event(Box::new(event), Some(done));
        if self.shared.queue.send(entry).await.is_err() {
            self.lose();
            return Err(Lost);
        }
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Lost),
            Err(_) => {
                self.lose();
                Err(Lost)
            }
        }
    }

    fn offer(&self, event: Event) {
        let entry = match self
            .shared
            .queue
            .try_send(Entry::Event(Box::new(event), None))
        {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(entry)) if self.shared.mode != Mode::Batch => entry,
            Err(_) => return self.lose(),
        };
        // Waiting for room is a task of its own: whoever ends a stream cannot wait.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let log = self.clone();
                runtime.spawn(async move {
                    if log.shared.queue.send(entry).await.is_err() {
                        log.lose();
                    }
                });
            }
            Err(_) => self.lose(),
        }
    }

    fn strict(&self) -> bool {
        self.shared.mode == Mode::BlockingStrict
    }

    fn head(&self) -> Option<ChainHead> {
        Some(*self.shared.heads.borrow())
    }
}
