//! The client's half of SPDY/3.1, as far as the runtime's streaming server needs it: exec and
//! attach with a standard input that can be closed.
//!
//! Header blocks are zlib streams of stored blocks, which every inflater reads without the preset
//! dictionary; header blocks of the other side carry nothing that is needed and are not read.
//! Flow control is not done, as the servers of this kind don't do it either.
// source: SPDY Protocol Draft 3.1; upstream: apimachinery/pkg/util/httpstream/spdy

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FLAG_FIN: u8 = 1;
/// Frames larger than this are not of this protocol.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// What the other side sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Data of a stream, and whether it is the stream's last.
    Data {
        stream: u32,
        data: Bytes,
        last: bool,
    },
    /// The stream was reset.
    Reset { stream: u32 },
    /// A ping to be echoed.
    Ping { id: u32 },
    /// No new streams are taken.
    GoAway,
}

/// The reading half.
pub(crate) struct Receiver<S> {
    stream: ReadHalf<S>,
}

/// The writing half.
pub(crate) struct Sender<S> {
    stream: WriteHalf<S>,
    next: u32,
    opened: bool,
}

/// Takes over a connection that has been upgraded.
pub(crate) fn split<S: AsyncRead + AsyncWrite>(stream: S) -> (Sender<S>, Receiver<S>) {
    let (read, write) = tokio::io::split(stream);
    (
        Sender {
            stream: write,
            next: 1,
            opened: false,
        },
        Receiver { stream: read },
    )
}

fn control(kind: u16, flags: u8, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(8 + payload.len());
    frame.put_u16(0x8000 | VERSION);
    frame.put_u16(kind);
    let length = u32::try_from(payload.len()).unwrap_or(0) & 0x00ff_ffff;
    frame.put_u32(u32::from(flags) << 24 | length);
    frame.put_slice(payload);
    frame
}

/// A zlib stream's next part, as stored blocks followed by an empty one that flushes.
fn stored(data: &[u8], first: bool) -> BytesMut {
    let mut out = BytesMut::new();
    if first {
        out.put_slice(&[0x78, 0x01]);
    }
    for block in data.chunks(usize::from(u16::MAX)) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.put_u8(0);
        out.put_u16_le(length);
        out.put_u16_le(!length);
        out.put_slice(block);
    }
    out.put_slice(&[0, 0, 0, 0xff, 0xff]);
    out
}

impl<S: AsyncWrite> Sender<S> {
    /// Opens a stream with these headers (names in lower case) and returns its id.
    pub(crate) async fn open(&mut self, headers: &[(&str, &str)]) -> io::Result<u32> {
        let id = self.next;
        self.next += 2;
        let mut block = BytesMut::new();
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        block.put_u32(size(headers.len()));
        for (name, value) in headers {
            for text in [name, value] {
                block.put_u32(size(text.len()));
                block.put_slice(text.as_bytes());
            }
        }
        let mut payload = BytesMut::new();
        payload.put_u32(id);
        payload.put_u32(0);
        payload.put_u16(0);
        payload.put_slice(&stored(&block, !std::mem::replace(&mut self.opened, true)));
        self.stream
            .write_all(&control(SYN_STREAM, 0, &payload))
            .await?;
        self.stream.flush().await?;
        Ok(id)
    }

    /// Sends data on a stream; `last` closes this side of it.
    pub(crate) async fn data(&mut self, stream: u32, data: &[u8], last: bool) -> io::Result<()> {
        let mut chunks = data.chunks(64 * 1024).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let end = chunks.peek().is_none();
            let flags = if last && end { FLAG_FIN } else { 0 };
            let mut head = BytesMut::with_capacity(8 + chunk.len());
            head.put_u32(stream & 0x7fff_ffff);
            head.put_u32(u32::from(flags) << 24 | u32::try_from(chunk.len()).unwrap_or(0));
            head.put_slice(chunk);
            self.stream.write_all(&head).await?;
            if end {
                return self.stream.flush().await;
            }
        }
    }

    /// Echoes a ping.
    pub(crate) async fn pong(&mut self, id: u32) -> io::Result<()> {
        self.stream
            .write_all(&control(PING, 0, &id.to_be_bytes()))
            .await?;
        self.stream.flush().await
    }
}

impl<S: AsyncRead> Receiver<S> {
    /// The next frame of interest; `None` at the end of the connection. Not cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let head = match self.stream.read_u32().await {
                Ok(head) => head,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let second = self.stream.read_u32().await?;
            let flags = (second >> 24) as u8;
            let length = usize::try_from(second & 0x00ff_ffff).unwrap_or(MAX_FRAME);
            let mut payload = BytesMut::zeroed(length);
            self.stream.read_exact(&mut payload).await?;
            if head & 0x8000_0000 == 0 {
                return Ok(Some(Frame::Data {
                    stream: head,
                    data: payload.freeze(),
                    last: flags & FLAG_FIN != 0,
                }));
            }
            let word = payload
                .get(..4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u32::from_be_bytes);
            match (head & 0xffff) as u16 {
                RST_STREAM => {
                    return Ok(Some(Frame::Reset {
                        stream: word & 0x7fff_ffff,
                    }));
                }
                // Odd ids are answers to pings of ours, of which there are none.
                PING if word % 2 == 0 => return Ok(Some(Frame::Ping { id: word })),
                GOAWAY => return Ok(Some(Frame::GoAway)),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn header_blocks_inflate_across_streams() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let (mut sender, _receiver) = split(ours);
        assert_eq!(sender.open(&[("streamtype", "error")]).await.unwrap(), 1);
        assert_eq!(sender.open(&[("streamtype", "stdin")]).await.unwrap(), 3);
        let mut zlib = Vec::new();
        for id in [1, 3] {
            assert_eq!(theirs.read_u32().await.unwrap(), 0x8003_0001);
            let length = theirs.read_u32().await.unwrap() as usize;
            let mut payload = vec![0; length];
            theirs.read_exact(&mut payload).await.unwrap();
            assert_eq!(payload.get(..4).unwrap(), [0, 0, 0, id]);
            zlib.extend_from_slice(payload.get(10..).unwrap());
        }
        let mut plain = vec![0; 2 * (4 + 4 + 10 + 4 + 5)];
        flate2::read::ZlibDecoder::new(zlib.as_slice())
            .read_exact(&mut plain)
            .unwrap();
        assert_eq!(plain.get(..4).unwrap(), [0, 0, 0, 1]);
        let text = String::from_utf8_lossy(&plain).into_owned();
        assert!(text.contains("streamtype") && text.contains("error") && text.contains("stdin"));
    }

    #[tokio::test]
    async fn frames_are_told_apart() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let (mut sender, mut receiver) = split(ours);
        sender.data(3, b"in", true).await.unwrap();
        let mut sent = [0; 10];
        theirs.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent, *b"\0\0\0\x03\x01\0\0\x02in");
        theirs.write_all(b"\0\0\0\x05\0\0\0\x02ab").await.unwrap();
        theirs
            .write_all(&control(2, 0, &[0, 0, 0, 5, 1, 2, 3]))
            .await
            .unwrap();
        theirs
            .write_all(&control(PING, 0, &[0, 0, 0, 2]))
            .await
            .unwrap();
        theirs
            .write_all(&control(RST_STREAM, 0, &[0, 0, 0, 5, 0, 0, 0, 1]))
            .await
            .unwrap();
        drop(theirs);
        assert_eq!(
            receiver.next().await.unwrap(),
            Some(Frame::Data {
                stream: 5,
                data: Bytes::from_static(b"ab"),
                last: false
            })
        );
        assert_eq!(receiver.next().await.unwrap(), Some(Frame::Ping { id: 2 }));
        assert_eq!(
            receiver.next().await.unwrap(),
            Some(Frame::Reset { stream: 5 })
        );
        assert_eq!(receiver.next().await.unwrap(), None);
    }
}
