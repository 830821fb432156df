//! The enclave's side: a [`Log`] that the host keeps.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use store::{Log, LogError, LogState, SnapshotId, StoredBatch};
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::Framed;
use tokio_util::task::AbortOnDropHandle;

use super::VERSION;
use super::frame::{Answer, Ask, Batch, Chunk, Frames, Question, Read, Told};
use crate::endpoint::{Endpoint, Stream};

type Pending = (Ask, oneshot::Sender<Result<Told, LogError>>);

/// A log over a connection to the host. When the connection is lost every operation fails: the store then stops, and
/// is opened anew.
pub struct RemoteLog {
    questions: mpsc::Sender<Pending>,
    place: Arc<str>,
    _task: AbortOnDropHandle<()>,
}

impl RemoteLog {
    /// Connects and greets.
    ///
    /// # Errors
    /// When the host can't be reached, or speaks another version.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, LogError> {
        let place: Arc<str> = endpoint.to_string().into();
        let stream = endpoint.connect().await.map_err(|source| LogError::Io {
            action: "connecting",
            place: place.to_string(),
            source: source.into(),
        })?;
        let (questions, asked) = mpsc::channel(64);
        let task = tokio::spawn(converse(stream, asked, Arc::clone(&place)));
        let log = Self {
            questions,
            place,
            _task: AbortOnDropHandle::new(task),
        };
        match log.ask(Ask::Hello(VERSION)).await? {
            Told::Done(true) => Ok(log),
            Told::Version(found) => Err(LogError::OtherVersion {
                place: log.place.to_string(),
                found: found.to_string(),
                supported: VERSION.to_string(),
            }),
            _ => Err(log.nonsense()),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Told, LogError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.questions.send((ask, answer)).await;
        sent.map_err(|_| LogError::Closed)?;
        match answered.await.map_err(|_| LogError::Closed)?? {
            Told::NotNext(not) => Err(LogError::NotNext {
                sequence: not.sequence,
                last: not.last,
            }),
            Told::Fenced(_) => Err(LogError::Fenced),
            Told::Failed(why) => Err(LogError::Io {
                action: "the host's log",
                place: self.place.to_string(),
                source: why.into(),
            }),
            told => Ok(told),
        }
    }

    async fn done(&self, ask: Ask) -> Result<(), LogError> {
        match self.ask(ask).await? {
            Told::Done(true) => Ok(()),
            _ => Err(self.nonsense()),
        }
    }

    fn nonsense(&self) -> LogError {
        LogError::Corrupted {
            place: self.place.to_string(),
            reason: "the host's answer is to another question".to_owned(),
        }
    }
}

async fn converse(stream: Box<dyn Stream>, mut asked: mpsc::Receiver<Pending>, place: Arc<str>) {
    let frames = Framed::new(stream, Frames::<Answer, Question>::new());
    let (mut out, mut answers) = frames.split();
    let mut pending: HashMap<u64, oneshot::Sender<Result<Told, LogError>>> = HashMap::new();
    let mut next = 1_u64;
    let ended: Result<(), io::Error> = loop {
        tokio::select! {
            question = asked.recv() => {
                let Some((ask, answer)) = question else { break Ok(()) };
                pending.insert(next, answer);
                if let Err(error) = out.send((next, Question { ask: Some(ask) })).await {
                    break Err(error);
                }
                next += 1;
            }
            told = answers.next() => match told {
                Some(Ok((0, Answer { told: Some(Told::Fenced(_)) }))) => {
                    for (_, answer) in pending.drain() {
                        let _ = answer.send(Err(LogError::Fenced));
                    }
                    break Ok(());
                }
                Some(Ok((number, Answer { told: Some(told) }))) => match pending.remove(&number) {
                    Some(answer) => {
                        let _ = answer.send(Ok(told));
                    }
                    None => break Err(io::Error::other("an answer to no question")),
                },
                Some(Ok(_)) => break Err(io::Error::other("an empty answer")),
                Some(Err(error)) => break Err(error),
                None => break Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    };
    let text = match &ended {
        Ok(()) => "the connection was ended".to_owned(),
        Err(error) => error.to_string(),
    };
    asked.close();
    let unasked = std::iter::from_fn(|| asked.try_recv().ok()).map(|(_, answer)| answer);
    for answer in pending.into_values().chain(unasked) {
        let _ = answer.send(Err(LogError::Io {
            action: "asking the host",
            place: place.to_string(),
            source: text.clone().into(),
        }));
    }
}

#[async_trait]
impl Log for RemoteLog {
    async fn state(&self) -> Result<LogState, LogError> {
        match self.ask(Ask::State(true)).await? {
            Told::State(state) => Ok(LogState {
                last: state.last,
                snapshot: state
                    .snapshot
                    .map(|s| (s.id.unwrap_or_default().into(), s.sealed)),
            }),
            _ => Err(self.nonsense()),
        }
    }

    async fn append(&self, sequence: u64, sealed: Bytes) -> Result<(), LogError> {
        self.done(Ask::Append(Batch { sequence, sealed })).await
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<StoredBatch>, LogError> {
        let limit = limit as u64;
        match self.ask(Ask::Read(Read { from, limit })).await? {
            Told::Batches(batches) => Ok(batches
                .batches
                .into_iter()
                .map(|b| StoredBatch {
                    sequence: b.sequence,
                    sealed: b.sealed,
                })
                .collect()),
            _ => Err(self.nonsense()),
        }
    }

    async fn wait_past(&self, sequence: u64) -> Result<(), LogError> {
        self.done(Ask::WaitPast(sequence)).await
    }

    async fn write_chunk(&self, id: SnapshotId, index: u32, sealed: Bytes) -> Result<(), LogError> {
        let id = Some(id.into());
        self.done(Ask::WriteChunk(Chunk { id, index, sealed }))
            .await
    }

    async fn commit_snapshot(&self, id: SnapshotId, manifest: Bytes) -> Result<(), LogError> {
        self.done(Ask::Commit(Chunk {
            id: Some(id.into()),
            index: 0,
            sealed: manifest,
        }))
        .await
    }

    async fn read_chunk(&self, id: SnapshotId, index: u32) -> Result<Option<Bytes>, LogError> {
        let ask = Ask::ReadChunk(Chunk {
            id: Some(id.into()),
            index,
            sealed: Bytes::new(),
        });
        match self.ask(ask).await? {
            Told::Chunk(sealed) => Ok(Some(sealed)),
            Told::Done(false) => Ok(None),
            _ => Err(self.nonsense()),
        }
    }

    async fn truncate(&self, id: SnapshotId) -> Result<(), LogError> {
        self.done(Ask::Truncate(id.into())).await
    }
}
