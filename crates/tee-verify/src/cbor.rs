//! A reader of the deterministic subset of CBOR (RFC 8949, 4.2): definite lengths, shortest heads,
//! nothing but integers, byte and text strings, arrays, maps and null. Nothing is copied or allocated.

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const NULL: u8 = 0xf6;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The value of a head of this major type, if it is there in its shortest form.
    fn head(&mut self, major: u8) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let (value, least, rest) = match first & 0x1f {
            short @ 0..24 => (u64::from(short), 0, rest),
            24 => {
                let (bytes, rest) = rest.split_first_chunk::<1>()?;
                (u64::from(u8::from_be_bytes(*bytes)), 24, rest)
            }
            25 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                (u64::from(u16::from_be_bytes(*bytes)), 1 << 8, rest)
            }
            26 => {
                let (bytes, rest) = rest.split_first_chunk::<4>()?;
                (u64::from(u32::from_be_bytes(*bytes)), 1 << 16, rest)
            }
            27 => {
                let (bytes, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*bytes), 1 << 32, rest)
            }
            _ => return None,
        };
        if value < least {
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    fn length(&mut self, major: u8, most: usize) -> Option<usize> {
        let length = usize::try_from(self.head(major)?).ok()?;
        (length <= most).then_some(length)
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    /// A byte string of at most `most` bytes.
    pub(crate) fn bytes(&mut self, most: usize) -> Option<&'a [u8]> {
        let length = self.length(BYTES, most)?;
        self.take(length)
    }

    /// A byte string, or null: the outer `None` is a failure.
    pub(crate) fn bytes_or_null(&mut self, most: usize) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&NULL) {
            self.take(1)?;
            return Some(None);
        }
        self.bytes(most).map(Some)
    }

    pub(crate) fn text(&mut self, most: usize) -> Option<&'a str> {
        let length = self.length(TEXT, most)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// The number of items of an array.
    pub(crate) fn array(&mut self, most: usize) -> Option<usize> {
        self.length(ARRAY, most)
    }

    /// The number of pairs of a map.
    pub(crate) fn map(&mut self, most: usize) -> Option<usize> {
        self.length(MAP, most)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_shortest_heads_and_definite_lengths() {
        assert_eq!(Reader::new(&[0x17]).unsigned(), Some(23));
        assert_eq!(Reader::new(&[0x18, 24]).unsigned(), Some(24));
        assert_eq!(Reader::new(&[0x18, 23]).unsigned(), None);
        assert_eq!(Reader::new(&[0x19, 0, 255]).unsigned(), None);
        assert_eq!(Reader::new(&[0x1a, 0, 0, 255, 255]).unsigned(), None);
        assert_eq!(
            Reader::new(&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255]).unsigned(),
            None
        );
        assert_eq!(Reader::new(&[0x5f, 0x41, 1, 0xff]).bytes(9), None);
        assert_eq!(Reader::new(&[0xbf, 0xff]).map(9), None);
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        assert_eq!(Reader::new(&[0x42, 1, 2]).bytes(2), Some(&[1, 2][..]));
        assert_eq!(Reader::new(&[0x42, 1, 2]).bytes(1), None);
        assert_eq!(Reader::new(&[0x42, 1]).bytes(2), None);
        assert_eq!(Reader::new(&[0x9a, 0xff, 0xff, 0xff, 0xff]).array(9), None);
        assert_eq!(Reader::new(&[0x61, 0xff]).text(9), None);
    }
}
