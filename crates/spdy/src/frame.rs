//! Frames and their bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u16 = 3;
pub(crate) const FIN: u8 = 1;
/// Frames larger than this are not of this protocol.
const MOST: usize = 1024 * 1024;

/// A frame. Header blocks are compressed still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A stream is opened.
    Open {
        /// Its number.
        stream: u32,
        /// Whether the opener sends nothing more on it.
        last: bool,
        /// Its header block.
        headers: Bytes,
    },
    /// A stream that was opened is taken.
    Reply {
        /// Its number.
        stream: u32,
        /// Whether the taker sends nothing on it.
        last: bool,
        /// Its header block.
        headers: Bytes,
    },
    /// Data of a stream.
    Data {
        /// Its number.
        stream: u32,
        /// The data.
        data: Bytes,
        /// Whether it is the last of this direction.
        last: bool,
    },
    /// A stream is broken off.
    Reset {
        /// Its number.
        stream: u32,
        /// Why, by SPDY's numbers.
        status: u32,
    },
    /// To be echoed.
    Ping {
        /// What to echo.
        id: u32,
    },
    /// No new streams are taken.
    GoAway,
    /// More headers of a stream.
    Headers {
        /// Its number.
        stream: u32,
        /// The header block.
        headers: Bytes,
    },
    /// One that means nothing here (settings, window updates).
    Other {
        /// Its type.
        kind: u16,
    },
}

/// Bytes that are no frames.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// Another version, or another protocol.
    #[error("SPDY version {0} is not spoken")]
    Version(u16),
    /// More than 1 MiB.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// Too short for what it is.
    #[error("a frame of type {0} is too short")]
    Short(u16),
}

/// Takes bytes and gives frames.
#[derive(Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next frame, `None` when more bytes are needed. Never holds more than one frame's bytes and what was pushed.
    ///
    /// # Errors
    /// [`FrameError`]; nothing sensible can follow.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<8>() else {
            return Ok(None);
        };
        let [a, b, c, d, flags, e, f, g] = *head;
        let length = usize::from(e) << 16 | usize::from(f) << 8 | usize::from(g);
        let control = a & 0x80 != 0;
        let version = u16::from_be_bytes([a & 0x7f, b]);
        if control && version != VERSION {
            return Err(FrameError::Version(version));
        }
        if length > MOST {
            return Err(FrameError::TooLarge(length));
        }
        if self.buffer.len() < 8 + length {
            return Ok(None);
        }
        self.buffer.advance(8);
        let payload = self.buffer.split_to(length).freeze();
        let last = flags & FIN != 0;
        if !control {
            return Ok(Some(Frame::Data {
                stream: u32::from_be_bytes([a, b, c, d]),
                data: payload,
                last,
            }));
        }
        let kind = u16::from_be_bytes([c, d]);
        frame(kind, last, payload).map(Some)
    }
}

fn frame(kind: u16, last: bool, mut payload: Bytes) -> Result<Frame, FrameError> {
    let needed = match kind {
        1 => 10,
        2 | 6 | 8 => 4,
        3 => 8,
        _ => 0,
    };
    if payload.len() < needed {
        return Err(FrameError::Short(kind));
    }
    let mut number = || payload.get_u32() & 0x7fff_ffff;
    Ok(match kind {
        1 => {
            let stream = number();
            payload.advance(6);
            Frame::Open {
                stream,
                last,
                headers: payload,
            }
        }
        2 => {
            let stream = number();
            Frame::Reply {
                stream,
                last,
                headers: payload,
            }
        }
        3 => Frame::Reset {
            stream: number(),
            status: payload.get_u32(),
        },
        6 => Frame::Ping {
            id: payload.get_u32(),
        },
        7 => Frame::GoAway,
        8 => {
            let stream = number();
            Frame::Headers {
                stream,
                headers: payload,
            }
        }
        kind => Frame::Other { kind },
    })
}

/// A control frame's bytes.
fn control(kind: u16, flags: u8, payload: &[u8], out: &mut BytesMut) {
    out.put_u16(0x8000 | VERSION);
    out.put_u16(kind);
    let length = u32::try_from(payload.len()).unwrap_or(0) & 0x00ff_ffff;
    out.put_u32(u32::from(flags) << 24 | length);
    out.put_slice(payload);
}

impl Frame {
    /// Appends the frame's bytes. [`Frame::Other`] has none.
    pub fn encode(&self, out: &mut BytesMut) {
        let fin = |last: &bool| if *last { FIN } else { 0 };
        let with = |stream: &u32, gap: usize, headers: &Bytes| {
            let mut payload = stream.to_be_bytes().to_vec();
            payload.resize(4 + gap, 0);
            payload.extend_from_slice(headers);
            payload
        };
        match self {
            Self::Open {
                stream,
                last,
                headers,
            } => control(1, fin(last), &with(stream, 6, headers), out),
            Self::Reply {
                stream,
                last,
                headers,
            } => control(2, fin(last), &with(stream, 0, headers), out),
            Self::Headers { stream, headers } => control(8, 0, &with(stream, 0, headers), out),
            Self::Reset { stream, status } => {
                let mut payload = stream.to_be_bytes().to_vec();
                payload.extend_from_slice(&status.to_be_bytes());
                control(3, 0, &payload, out);
            }
            Self::Ping { id } => control(6, 0, &id.to_be_bytes(), out),
            Self::GoAway => control(7, 0, &[0; 8], out),
            Self::Data { stream, data, last } => {
                out.put_u32(stream & 0x7fff_ffff);
                let length = u32::try_from(data.len()).unwrap_or(0) & 0x00ff_ffff;
                out.put_u32(u32::from(fin(last)) << 24 | length);
                out.put_slice(data);
            }
            Self::Other { .. } => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let stream = || 0u32..0x8000_0000;
        prop_oneof![
            (stream(), any::<bool>(), bytes()).prop_map(|(stream, last, headers)| Frame::Open {
                stream,
                last,
                headers
            }),
            (stream(), any::<bool>(), bytes()).prop_map(|(stream, last, headers)| Frame::Reply {
                stream,
                last,
                headers
            }),
            (stream(), bytes()).prop_map(|(stream, headers)| Frame::Headers { stream, headers }),
            (stream(), bytes(), any::<bool>()).prop_map(|(stream, data, last)| Frame::Data {
                stream,
                data,
                last
            }),
            (stream(), any::<u32>()).prop_map(|(stream, status)| Frame::Reset { stream, status }),
            any::<u32>().prop_map(|id| Frame::Ping { id }),
            Just(Frame::GoAway),
        ]
    }

    proptest! {
        /// Frames come out as they went in, however their bytes are cut.
        #[test]
        fn round_trip(all in proptest::collection::vec(frames(), 0..8), cut in 1usize..50) {
            let mut out = BytesMut::new();
            all.iter().for_each(|f| f.encode(&mut out));
            let (mut decoder, mut back) = (Decoder::default(), Vec::new());
            for part in out.chunks(cut) {
                decoder.push(part);
                while let Some(frame) = decoder.next().unwrap() { back.push(frame); }
            }
            prop_assert_eq!(back, all);
        }

        /// No bytes make it panic, and it does not keep what it cannot use.
        #[test]
        fn any_bytes_are_harmless(bytes: Vec<u8>, kind in 0u16..12, length in 0u32..0x0100_0000) {
            let mut decoder = Decoder::default();
            decoder.push(&(0x8003u16).to_be_bytes());
            decoder.push(&kind.to_be_bytes());
            decoder.push(&length.to_be_bytes());
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.next() {
                if let Frame::Open { headers, .. } | Frame::Reply { headers, .. } = frame {
                    let _ = crate::Inflater::default().block(&headers);
                }
            }
            let _ = crate::Inflater::default().block(&bytes);
        }
    }
}
