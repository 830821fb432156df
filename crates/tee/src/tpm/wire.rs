//! The encoding of commands and responses (TPM 2.0 library, part 1, 18): big-endian, sized buffers.

use std::collections::BTreeSet;

pub(super) const SHA256: u16 = 0x000b;

/// Appends fields.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn short(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn word(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }

    /// A `TPM2B`; contents are far below 64 KiB here.
    pub(super) fn sized(self, value: &[u8]) -> Self {
        self.short(u16::try_from(value.len()).unwrap_or(u16::MAX))
            .bytes(value)
    }

    /// `TPML_PCR_SELECTION` of the SHA-256 bank.
    pub(super) fn selection(self, pcrs: &BTreeSet<u8>) -> Self {
        let mut bits = [0u8; 3];
        for index in pcrs {
            if let Some(byte) = bits.get_mut(usize::from(index / 8)) {
                *byte |= 1 << (index % 8);
            }
        }
        self.word(1).short(SHA256).byte(3).bytes(&bits)
    }
}

/// Takes fields.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.number().map(u8::from_be_bytes)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.number().map(u16::from_be_bytes)
    }

    pub(super) fn word(&mut self) -> Option<u32> {
        self.number().map(u32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.number().map(u64::from_be_bytes)
    }

    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.short()?);
        self.take(length)
    }

    /// The indices of a `TPML_PCR_SELECTION` of at most one bank.
    pub(super) fn selection(&mut self) -> Option<BTreeSet<u8>> {
        let mut pcrs = BTreeSet::new();
        match self.word()? {
            0 => return Some(pcrs),
            1 => {}
            _ => return None,
        }
        (self.short()? == SHA256).then_some(())?;
        let length = usize::from(self.byte()?);
        let bits = self.take(length)?;
        for index in 0..32u8 {
            let byte = bits.get(usize::from(index / 8)).copied().unwrap_or(0);
            if byte >> (index % 8) & 1 == 1 {
                pcrs.insert(index);
            }
        }
        Some(pcrs)
    }
}
