//! The two halves of a connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::headers::stored;
use crate::{Decoder, Frame};

/// Data that is sent in one frame.
const CHUNK: usize = 64 * 1024;

/// The reading half.
pub struct Receiver<S> {
    stream: ReadHalf<S>,
    decoder: Decoder,
}

/// The writing half.
pub struct Sender<S> {
    stream: WriteHalf<S>,
    next: u32,
    opened: bool,
}

/// Takes over a connection that this side asked to be upgraded.
pub fn client<S: AsyncRead + AsyncWrite>(stream: S) -> (Sender<S>, Receiver<S>) {
    halves(stream, 1)
}

/// Takes over a connection that the other side asked to be upgraded.
pub fn server<S: AsyncRead + AsyncWrite>(stream: S) -> (Sender<S>, Receiver<S>) {
    halves(stream, 2)
}

fn halves<S: AsyncRead + AsyncWrite>(stream: S, next: u32) -> (Sender<S>, Receiver<S>) {
    let (read, write) = tokio::io::split(stream);
    (
        Sender {
            stream: write,
            next,
            opened: false,
        },
        Receiver {
            stream: read,
            decoder: Decoder::default(),
        },
    )
}

impl<S: AsyncWrite> Sender<S> {
    async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    fn block(&mut self, headers: &[(&str, &str)]) -> Bytes {
        stored(headers, !std::mem::replace(&mut self.opened, true)).into()
    }

    /// Opens a stream with these headers (names in lower case) and returns its number.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn open(&mut self, headers: &[(&str, &str)]) -> io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        let headers = self.block(headers);
        self.send(&Frame::Open {
            stream,
            last: false,
            headers,
        })
        .await?;
        Ok(stream)
    }

    /// Takes a stream that the other side opened.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn reply(&mut self, stream: u32) -> io::Result<()> {
        let headers = self.block(&[]);
        self.send(&Frame::Reply {
            stream,
            last: false,
            headers,
        })
        .await
    }

    /// Sends data on a stream; `last` closes this side of it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn data(&mut self, stream: u32, data: &[u8], last: bool) -> io::Result<()> {
        let mut chunks = data.chunks(CHUNK).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let end = chunks.peek().is_none();
            self.send(&Frame::Data {
                stream,
                data: Bytes::copy_from_slice(chunk),
                last: last && end,
            })
            .await?;
            if end {
                return Ok(());
            }
        }
    }

    /// Echoes a ping.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn pong(&mut self, id: u32) -> io::Result<()> {
        self.send(&Frame::Ping { id }).await
    }

    /// Breaks a stream off.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn reset(&mut self, stream: u32, status: u32) -> io::Result<()> {
        self.send(&Frame::Reset { stream, status }).await
    }

    /// Ends this side of the connection.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

impl<S: AsyncRead> Receiver<S> {
    /// The next frame; `None` at the end of the connection. Cancel-safe.
    ///
    /// # Errors
    /// When the connection is broken or what comes is no SPDY.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match self.decoder.next() {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            if self.stream.read_buf(self.decoder.buffer()).await? == 0 {
                return Ok(None);
            }
        }
    }
}
