//! Messages and how they are framed.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::{Message, Oneof};
use store::{LogError, LogState, SnapshotId, StoredBatch};
use tokio_util::codec::{Decoder, Encoder};

use super::MAX_FRAME;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Snapshot {
    #[prost(uint64, tag = "1")]
    pub(super) sequence: u64,
    #[prost(uint64, tag = "2")]
    pub(super) attempt: u64,
}

impl From<SnapshotId> for Snapshot {
    fn from(id: SnapshotId) -> Self {
        Self {
            sequence: id.sequence,
            attempt: id.attempt,
        }
    }
}

impl From<Snapshot> for SnapshotId {
    fn from(id: Snapshot) -> Self {
        Self {
            sequence: id.sequence,
            attempt: id.attempt,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Batch {
    #[prost(uint64, tag = "1")]
    pub(super) sequence: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) sealed: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Read {
    #[prost(uint64, tag = "1")]
    pub(super) from: u64,
    #[prost(uint64, tag = "2")]
    pub(super) limit: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Chunk {
    #[prost(message, optional, tag = "1")]
    pub(super) id: Option<Snapshot>,
    #[prost(uint32, tag = "2")]
    pub(super) index: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) sealed: Bytes,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Ask {
    /// The first question on a connection: the protocol's version.
    #[prost(uint32, tag = "1")]
    Hello(u32),
    #[prost(bool, tag = "2")]
    State(bool),
    #[prost(message, tag = "3")]
    Append(Batch),
    #[prost(message, tag = "4")]
    Read(Read),
    #[prost(uint64, tag = "5")]
    WaitPast(u64),
    #[prost(message, tag = "6")]
    WriteChunk(Chunk),
    /// With the manifest as content.
    #[prost(message, tag = "7")]
    Commit(Chunk),
    #[prost(message, tag = "8")]
    ReadChunk(Chunk),
    #[prost(message, tag = "9")]
    Truncate(Snapshot),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Question {
    #[prost(oneof = "Ask", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(super) ask: Option<Ask>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct State {
    #[prost(uint64, tag = "1")]
    pub(super) last: u64,
    /// With the manifest as content.
    #[prost(message, optional, tag = "2")]
    pub(super) snapshot: Option<Chunk>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Batches {
    #[prost(message, repeated, tag = "1")]
    pub(super) batches: Vec<Batch>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NotNext {
    #[prost(uint64, tag = "1")]
    pub(super) sequence: u64,
    #[prost(uint64, tag = "2")]
    pub(super) last: u64,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Told {
    #[prost(bool, tag = "1")]
    Done(bool),
    #[prost(message, tag = "2")]
    State(State),
    #[prost(message, tag = "3")]
    Batches(Batches),
    #[prost(bytes = "bytes", tag = "4")]
    Chunk(Bytes),
    #[prost(message, tag = "5")]
    NotNext(NotNext),
    #[prost(bool, tag = "6")]
    Fenced(bool),
    /// Another version than ours.
    #[prost(uint32, tag = "7")]
    Version(u32),
    /// In the host's words.
    #[prost(string, tag = "8")]
    Failed(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    #[prost(oneof = "Told", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub(super) told: Option<Told>,
}

impl From<LogState> for Told {
    fn from(state: LogState) -> Self {
        Self::State(State {
            last: state.last,
            snapshot: state.snapshot.map(|(id, sealed)| Chunk {
                id: Some(id.into()),
                index: 0,
                sealed,
            }),
        })
    }
}

impl From<Vec<StoredBatch>> for Told {
    fn from(batches: Vec<StoredBatch>) -> Self {
        let batch = |b: StoredBatch| Batch {
            sequence: b.sequence,
            sealed: b.sealed,
        };
        Self::Batches(Batches {
            batches: batches.into_iter().map(batch).collect(),
        })
    }
}

impl From<LogError> for Told {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NotNext { sequence, last } => Self::NotNext(NotNext { sequence, last }),
            LogError::Fenced => Self::Fenced(true),
            other => {
                use std::error::Error;
                let mut text = other.to_string();
                let mut cause = other.source();
                while let Some(error) = cause {
                    text = format!("{text}: {error}");
                    cause = error.source();
                }
                Self::Failed(text)
            }
        }
    }
}

/// Frames of one message type each way.
pub(super) struct Frames<In, Out>(std::marker::PhantomData<fn() -> (In, Out)>);

impl<In, Out> Frames<In, Out> {
    pub(super) fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

const NUMBER: usize = 8;

impl<In: Message + Default, Out> Decoder for Frames<In, Out> {
    type Item = (u64, In);
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<(u64, In)>> {
        let Some(length) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(NUMBER..=MAX_FRAME).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a frame of {length} bytes"),
            ));
        }
        if buffer.len() < 4 + length {
            buffer.reserve(4 + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(4);
        let mut frame = buffer.split_to(length).freeze();
        let number = frame.get_u64();
        let message =
            In::decode(frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some((number, message)))
    }
}

impl<In, Out: Message> Encoder<(u64, Out)> for Frames<In, Out> {
    type Error = io::Error;

    fn encode(&mut self, (number, message): (u64, Out), buffer: &mut BytesMut) -> io::Result<()> {
        let length = NUMBER + message.encoded_len();
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a frame over 64 MiB");
        if length > MAX_FRAME {
            return Err(too_long());
        }
        buffer.reserve(4 + length);
        buffer.put_u32(u32::try_from(length).map_err(|_| too_long())?);
        buffer.put_u64(number);
        message.encode(buffer).map_err(io::Error::other)
    }
}
