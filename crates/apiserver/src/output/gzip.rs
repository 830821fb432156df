//! Compression at the fastest level, as upstream does it.
// upstream: apiserver/pkg/endpoints/handlers/responsewriters/writers.go

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses whole bytes.
pub(super) fn whole(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}

/// Compresses frames as they are made; gives frames of about `size`.
pub(super) fn frames(
    frames: impl Iterator<Item = Bytes> + Send + 'static,
    size: usize,
) -> impl Iterator<Item = Bytes> + Send {
    Frames {
        frames,
        encoder: Some(GzEncoder::new(
            Vec::with_capacity(size),
            Compression::fast(),
        )),
        size,
    }
}

struct Frames<I> {
    frames: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
    size: usize,
}

impl<I: Iterator<Item = Bytes>> Iterator for Frames<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        // Writing into a Vec cannot fail; if it did, the stream would end short and the client see a broken gzip.
        loop {
            let encoder = self.encoder.as_mut()?;
            match self.frames.next() {
                Some(frame) => {
                    encoder.write_all(&frame).ok()?;
                    if encoder.get_ref().len() >= self.size {
                        return Some(Bytes::from(std::mem::replace(
                            encoder.get_mut(),
                            Vec::with_capacity(self.size),
                        )));
                    }
                }
                None => return self.encoder.take()?.finish().ok().map(Bytes::from),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn round_trip() {
        let parts: Vec<Bytes> = (0..5000)
            .map(|i| Bytes::from(format!("part {i} of the whole\n")))
            .collect();
        let want: Vec<u8> = parts.concat();
        let got: Vec<u8> = frames(parts.into_iter(), 1024)
            .flat_map(|b| b.to_vec())
            .collect();
        for bytes in [got, whole(&want).unwrap().to_vec()] {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_end(&mut out)
                .unwrap();
            assert!(out == want);
        }
    }
}
