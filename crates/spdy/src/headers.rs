//! Header blocks: names and values in one zlib stream per direction.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::dictionary;

/// How far back a compressed stream may refer.
const WINDOW: usize = 32 * 1024;
/// A block inflates to no more.
const MOST: usize = 64 * 1024;

/// A header block that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// It is no part of a zlib stream with SPDY's dictionary.
    #[error("a header block is not compressed as SPDY's are")]
    Compression,
    /// It inflates to more than 64 KiB.
    #[error("a header block is too large")]
    TooLarge,
    /// Its counts and lengths contradict its size.
    #[error("a header block is malformed")]
    Malformed,
}

/// Reads the header blocks of one direction, in their order.
pub struct Inflater {
    state: Box<DecompressorOxide>,
    /// What was inflated last, for references to it.
    window: Vec<u8>,
    begun: bool,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: Box::default(),
            window: dictionary::bytes(),
            begun: false,
        }
    }
}

impl Inflater {
    /// The names (in lower case) and values of a block.
    ///
    /// # Errors
    /// [`HeaderError`]; the direction is unusable then.
    pub fn block(&mut self, compressed: &[u8]) -> Result<Vec<(String, String)>, HeaderError> {
        parse(&self.inflate(compressed)?)
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<Vec<u8>, HeaderError> {
        if !self.begun {
            // The zlib header: deflate, a checksum of itself, and perhaps the dictionary's name.
            let (head, rest) = input.split_at_checked(2).ok_or(HeaderError::Compression)?;
            let [cmf, flags] = [head[0], head[1]];
            if cmf & 0x0f != 8 || (u16::from(cmf) << 8 | u16::from(flags)) % 31 != 0 {
                return Err(HeaderError::Compression);
            }
            input = rest;
            if flags & 0x20 != 0 {
                input = input
                    .strip_prefix(&dictionary::ID)
                    .ok_or(HeaderError::Compression)?;
            }
            self.begun = true;
        }
        let start = self.window.len();
        let mut out = std::mem::take(&mut self.window);
        out.resize(start + MOST, 0);
        let flags = TINFL_FLAG_HAS_MORE_INPUT
            | TINFL_FLAG_IGNORE_ADLER32
            | miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut self.state, input, &mut out, start, flags);
        out.truncate(start + written);
        match status {
            TINFLStatus::NeedsMoreInput | TINFLStatus::Done if read == input.len() => {}
            TINFLStatus::HasMoreOutput => return Err(HeaderError::TooLarge),
            _ => return Err(HeaderError::Compression),
        }
        let block = out.get(start..).unwrap_or_default().to_vec();
        self.window = out.split_off(out.len().saturating_sub(WINDOW));
        Ok(block)
    }
}

fn parse(block: &[u8]) -> Result<Vec<(String, String)>, HeaderError> {
    fn number(rest: &mut &[u8]) -> Result<usize, HeaderError> {
        let (head, tail) = rest
            .split_first_chunk::<4>()
            .ok_or(HeaderError::Malformed)?;
        *rest = tail;
        usize::try_from(u32::from_be_bytes(*head)).map_err(|_| HeaderError::Malformed)
    }
    fn text(rest: &mut &[u8]) -> Result<String, HeaderError> {
        let length = number(rest)?;
        let (head, tail) = rest
            .split_at_checked(length)
            .ok_or(HeaderError::Malformed)?;
        *rest = tail;
        Ok(String::from_utf8_lossy(head).into_owned())
    }
    let mut rest = block;
    let count = number(&mut rest)?;
    let mut out = Vec::new();
    for _ in 0..count {
        let name = text(&mut rest)?.to_ascii_lowercase();
        out.push((name, text(&mut rest)?));
    }
    if !rest.is_empty() {
        return Err(HeaderError::Malformed);
    }
    Ok(out)
}

/// A block, as stored blocks of a zlib stream, which every inflater reads without the dictionary; `first` of its
/// direction.
pub(crate) fn stored(headers: &[(&str, &str)], first: bool) -> Vec<u8> {
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut block = size(headers.len()).to_vec();
    for (name, value) in headers {
        for text in [name, value] {
            block.extend_from_slice(&size(text.len()));
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut out = Vec::with_capacity(block.len() + 16);
    if first {
        out.extend_from_slice(&[0x78, 0x01]);
    }
    for part in block.chunks(usize::from(u16::MAX)) {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_in_their_order() {
        let mut inflater = Inflater::default();
        for i in 0..50 {
            let value = format!("{i}").repeat(2_000);
            let headers = [("streamtype", "stdin"), ("n", value.as_str())];
            let read = inflater.block(&stored(&headers, i == 0)).unwrap();
            assert_eq!(read[1], ("n".to_owned(), value));
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for bad in [&b""[..], b"\x78", b"\x78\x01\xff", b"GET / HTTP/1.1"] {
            assert!(Inflater::default().block(bad).is_err(), "{bad:?}");
        }
        // A bomb: far more than a block may be.
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 10_000_000], 9);
        assert_eq!(Inflater::default().block(&bomb), Err(HeaderError::TooLarge));
        assert_eq!(parse(&[0xff; 8]), Err(HeaderError::Malformed));
    }
}
