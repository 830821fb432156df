//! Protobuf's wire format.

use super::ProtobufError;

/// Reads fields; never beyond what is there.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's number and wire type, `None` at the end.
    pub(super) fn key(&mut self) -> Result<Option<(u32, u8)>, ProtobufError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = (key & 7) as u8;
        match u32::try_from(key >> 3) {
            Ok(tag) if tag > 0 => Ok(Some((tag, wire))),
            _ => Err(ProtobufError::Illegal(wire)),
        }
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ProtobufError::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Overflow)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, ProtobufError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ProtobufError> {
        let length = usize::try_from(self.varint()?).map_err(|_| ProtobufError::Truncated)?;
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, ProtobufError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ProtobufError::Utf8)
    }

    pub(super) fn skip(&mut self, wire: u8) -> Result<(), ProtobufError> {
        match wire {
            0 => self.varint().map(drop),
            1 => self.fixed64().map(drop),
            2 => self.bytes().map(drop),
            5 => {
                self.rest = self.rest.get(4..).ok_or(ProtobufError::Truncated)?;
                Ok(())
            }
            other => Err(ProtobufError::Illegal(other)),
        }
    }
}

/// Writes fields.
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(n: usize) -> Self {
        Self {
            out: Vec::with_capacity(n),
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn plain(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn key(&mut self, tag: u16, wire: u8) {
        self.plain(u64::from(tag) << 3 | u64::from(wire));
    }

    pub(super) fn varint(&mut self, tag: u16, value: u64) {
        self.key(tag, 0);
        self.plain(value);
    }

    pub(super) fn fixed64(&mut self, tag: u16, value: u64) {
        self.key(tag, 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, tag: u16, bytes: &[u8]) {
        self.key(tag, 2);
        self.plain(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, tag: u16, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// A message that can't fail.
    pub(super) fn message(&mut self, tag: u16, f: impl FnOnce(&mut Self)) {
        let mark = self.begin(tag);
        f(self);
        self.end(mark);
    }

    /// A message whose content may fail.
    pub(super) fn try_message<E>(
        &mut self,
        tag: u16,
        f: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mark = self.begin(tag);
        f(self)?;
        self.end(mark);
        Ok(())
    }

    fn begin(&mut self, tag: u16) -> usize {
        self.key(tag, 2);
        // Most messages are shorter than 128 bytes: one byte of length.
        self.out.push(0);
        self.out.len()
    }

    fn end(&mut self, mark: usize) {
        let mut length = self.out.len() - mark;
        let mut head = Vec::new();
        while length >= 0x80 {
            head.push((length as u8) | 0x80);
            length >>= 7;
        }
        head.push(length as u8);
        let place = mark - 1..mark;
        if let ([one], Some(slot)) = (head.as_slice(), self.out.get_mut(mark - 1)) {
            *slot = *one;
        } else {
            self.out.splice(place, head);
        }
    }
}
