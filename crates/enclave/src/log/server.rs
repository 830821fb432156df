//! The host's side: any [`Log`] behind a listener.

use std::io;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use store::{Log, LogError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use super::VERSION;
use super::frame::{Answer, Ask, Frames, Question, Told};
use crate::endpoint::{Listener, Stream};

/// Keeps an enclave's log.
pub struct LogHost {
    log: Arc<dyn Log>,
}

/// Questions that are worked on at once: the store asks for few.
const PENDING: usize = 64;

impl LogHost {
    /// In front of a log.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log }
    }

    /// Serves the newest connection until `shutdown`.
    pub async fn serve(self, listener: Listener, shutdown: CancellationToken) {
        let mut served: Option<(CancellationToken, tokio::task::JoinHandle<()>)> = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    continue;
                }
            };
            // Nothing of the older connection may be appended after the newer one has asked for the state.
            if let Some((fence, older)) = served.take() {
                fence.cancel();
                let _ = older.await;
            }
            let fence = shutdown.child_token();
            let log = Arc::clone(&self.log);
            let fenced = fence.clone();
            let task = tokio::spawn(async move {
                if let Err(error) = connection(log, stream, &fenced).await {
                    tracing::warn!(%error, "the enclave's connection to its log broke");
                }
            });
            served = Some((fence, task));
        }
        if let Some((fence, task)) = served {
            fence.cancel();
            let _ = task.await;
        }
    }
}

async fn connection(
    log: Arc<dyn Log>,
    stream: Box<dyn Stream>,
    fence: &CancellationToken,
) -> io::Result<()> {
    let frames = Framed::new(stream, Frames::<Question, Answer>::new());
    let (mut out, mut questions) = frames.split();
    let (answers, mut answered) = mpsc::channel::<(u64, Told)>(PENDING);
    let mut working = JoinSet::new();
    let mut greeted = false;
    loop {
        tokio::select! {
            biased;
            () = fence.cancelled() => break,
            Some((number, told)) = answered.recv() => {
                out.send((number, Answer { told: Some(told) })).await?;
            }
            Some(_) = working.join_next(), if !working.is_empty() => {}
            question = questions.next(), if working.len() < PENDING => {
                let Some(question) = question else { break };
                let (number, Question { ask }) = question?;
                let Some(ask) = ask else {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown question"));
                };
                match ask {
                    Ask::Hello(VERSION) => {
                        greeted = true;
                        out.send((number, Answer { told: Some(Told::Done(true)) })).await?;
                    }
                    Ask::Hello(_) => {
                        out.send((number, Answer { told: Some(Told::Version(VERSION)) })).await?;
                    }
                    _ if !greeted => {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "no greeting"));
                    }
                    // In order, and finished before another connection is served.
                    Ask::Append(batch) => {
                        let told = log.append(batch.sequence, batch.sealed).await;
                        let told = told.map_or_else(Told::from, |()| Told::Done(true));
                        out.send((number, Answer { told: Some(told) })).await?;
                    }
                    ask => {
                        let (log, answers) = (Arc::clone(&log), answers.clone());
                        working.spawn(async move {
                            let told = answer(&*log, ask).await.unwrap_or_else(Told::from);
                            let _ = answers.send((number, told)).await;
                        });
                    }
                }
            }
        }
    }
    if fence.is_cancelled() {
        // What is still asked learns why there will be no answer.
        let told = Some(Told::Fenced(true));
        let _ = out.send((0, Answer { told })).await;
    }
    working.shutdown().await;
    Ok(())
}

async fn answer(log: &dyn Log, ask: Ask) -> Result<Told, LogError> {
    let done = |()| Told::Done(true);
    let id = |id: Option<super::frame::Snapshot>| id.unwrap_or_default().into();
    match ask {
        Ask::State(_) => log.state().await.map(Told::from),
        Ask::Read(read) => {
            let limit = usize::try_from(read.limit).unwrap_or(usize::MAX);
            let limit = limit.min(super::MAX_FRAME / 4);
            log.read(read.from, limit).await.map(Told::from)
        }
        Ask::WaitPast(sequence) => log.wait_past(sequence).await.map(done),
        Ask::WriteChunk(chunk) => {
            let written = log.write_chunk(id(chunk.id), chunk.index, chunk.sealed);
            written.await.map(done)
        }
        Ask::Commit(chunk) => log
            .commit_snapshot(id(chunk.id), chunk.sealed)
            .await
            .map(done),
        Ask::ReadChunk(chunk) => {
            let found = log.read_chunk(id(chunk.id), chunk.index).await?;
            Ok(found.map_or(Told::Done(false), Told::Chunk))
        }
        Ask::Truncate(snapshot) => log.truncate(snapshot.into()).await.map(done),
        // Answered before it comes here.
        Ask::Hello(_) | Ask::Append(_) => Err(LogError::Closed),
    }
}
