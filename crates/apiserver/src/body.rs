//! The one response body of this server.
//!
//! A body is empty, whole bytes, a sequence of chunks made as the connection asks for them (lists),
//! a channel that a task feeds (watches, proxied streams), or another `http_body::Body`.
//! It may carry guards that are dropped when the response has ended, however it ended.

use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// Any error a body may end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body.
#[derive(Default)]
pub struct Body {
    inner: Inner,
    guards: Vec<Box<dyn Any + Send>>,
    tap: Option<Tap>,
}

/// Bytes that a tap keeps; of a longer body it keeps none.
const TAPPED: usize = 1024 * 1024;

/// Keeps what a body sends, and hands it over when the body has ended, however it ended.
pub(crate) struct Tap {
    seen: Vec<u8>,
    overflown: bool,
    done: Option<Done>,
}

type Done = Box<dyn FnOnce(&[u8]) + Send>;

impl Tap {
    pub(crate) fn new(done: impl FnOnce(&[u8]) + Send + 'static) -> Self {
        Self {
            seen: Vec::new(),
            overflown: false,
            done: Some(Box::new(done)),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.overflown || self.seen.len() + bytes.len() > TAPPED {
            self.overflown = true;
            self.seen = Vec::new();
        } else {
            self.seen.extend_from_slice(bytes);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(&self.seen);
        }
    }
}

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Chunks {
        chunks: VecDeque<Bytes>,
        left: u64,
    },
    Lazy(Box<dyn Iterator<Item = Bytes> + Send>),
    Channel(mpsc::Receiver<Bytes>),
    Other(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Exactly these bytes.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Self::empty();
        }
        Self::of(Inner::Full(bytes))
    }

    /// These chunks in order; the length is known.
    #[must_use]
    pub fn chunks(chunks: VecDeque<Bytes>) -> Self {
        let left = chunks.iter().map(|c| c.len() as u64).sum();
        Self::of(Inner::Chunks { chunks, left })
    }

    /// Chunks made one by one when the connection is ready for them; the length is not known.
    pub fn lazy(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self::of(Inner::Lazy(Box::new(chunks)))
    }

    /// What arrives on the channel, each item flushed by itself; ends when the sender is dropped.
    #[must_use]
    pub fn channel(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self::of(Inner::Channel(receiver))
    }

    /// Another body, unchanged.
    pub fn wrap<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        use http_body_util::BodyExt;
        Self::of(Inner::Other(Box::pin(body.map_err(Into::into))))
    }

    /// Keeps `guard` until the body is dropped, that is until the response has ended.
    #[must_use]
    pub fn guarded(mut self, guard: impl Any + Send) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// Hands what is sent to `tap`.
    #[must_use]
    pub(crate) fn tapped(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// The bytes when the body is whole already, else `None`.
    #[must_use]
    pub fn as_full(&self) -> Option<&Bytes> {
        match &self.inner {
            Inner::Full(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn of(inner: Inner) -> Self {
        Self {
            inner,
            guards: Vec::new(),
            tap: None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let next = match &mut this.inner {
            Inner::Empty => None,
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.inner = Inner::Empty;
                Some(bytes)
            }
            Inner::Chunks { chunks, left } => {
                let chunk = chunks.pop_front();
                *left -= chunk.as_ref().map_or(0, |c| c.len() as u64);
                chunk
            }
            Inner::Lazy(chunks) => chunks.next(),
            Inner::Channel(receiver) => match receiver.poll_recv(cx) {
                Poll::Ready(item) => item,
                Poll::Pending => return Poll::Pending,
            },
            Inner::Other(body) => {
                let frame = body.as_mut().poll_frame(cx);
                if let (Poll::Ready(Some(Ok(frame))), Some(tap)) = (&frame, &mut this.tap)
                    && let Some(data) = frame.data_ref()
                {
                    tap.take(data);
                }
                return frame;
            }
        };
        if let (Some(bytes), Some(tap)) = (&next, &mut this.tap) {
            tap.take(bytes);
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Chunks { chunks, .. } => chunks.is_empty(),
            Inner::Other(body) => body.is_end_stream(),
            Inner::Full(_) | Inner::Lazy(_) | Inner::Channel(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Chunks { left, .. } => SizeHint::with_exact(*left),
            Inner::Other(body) => body.size_hint(),
            Inner::Lazy(_) | Inner::Channel(_) => SizeHint::default(),
        }
    }
}
