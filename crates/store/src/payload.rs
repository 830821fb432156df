//! The plaintext of batches and snapshots.
//!
//! ```text
//! batch    = format u8 | time | first revision | operations…          (varints, LEB128)
//! operation= 1 | writes | (flags u8 | key | [expires] | [value])…      a transaction, which takes a revision
//!          | 2 | revision                                              a compaction, which takes none
//! chunk    = format u8 | (flags u8 | key | revision | created | [expires] | value)…
//! manifest = format u8 | revision | base | chunks | entries | bytes | digest 32
//!            | (sequence | revision | hash 32)…
//! ```
//! Keys and values are preceded by their lengths.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{BatchHash, Entry, Head, Millis, Revision, seal::HEADER};

const FORMAT: u8 = 1;
const TRANSACTION: u8 = 1;
const COMPACTION: u8 = 2;
const DELETED: u8 = 1;
const EXPIRES: u8 = 2;
/// The deletion announced the value that the key had; it is not written again.
const UNCHANGED: u8 = 4;

/// At most this many bytes are added to a key and a value by their framing.
pub(crate) const OVERHEAD: usize = 32;

/// A buffer that leaves room for the seal's header in front.
pub(crate) struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER + capacity + 64);
        buffer.resize(HEADER, 0);
        buffer.push(FORMAT);
        Self { buffer }
    }

    pub(crate) fn batch(capacity: usize, time: Millis, first: Revision) -> Self {
        let mut writer = Self::with_capacity(capacity);
        writer.number(time.0);
        writer.number(first.0);
        writer
    }

    pub(crate) fn transaction(&mut self, writes: usize) {
        self.buffer.push(TRANSACTION);
        self.number(writes as u64);
    }

    pub(crate) fn write(
        &mut self,
        key: &str,
        deleted: bool,
        expires: Option<Millis>,
        value: Option<&Bytes>,
    ) {
        let mut flags = 0;
        if deleted {
            flags |= DELETED;
        }
        if expires.is_some() {
            flags |= EXPIRES;
        }
        if value.is_none() {
            flags |= UNCHANGED;
        }
        self.buffer.push(flags);
        self.bytes(key.as_bytes());
        if let Some(expires) = expires {
            self.number(expires.0);
        }
        if let Some(value) = value {
            self.bytes(value);
        }
    }

    pub(crate) fn compaction(&mut self, revision: Revision) {
        self.buffer.push(COMPACTION);
        self.number(revision.0);
    }

    pub(crate) fn chunk(capacity: usize) -> Self {
        Self::with_capacity(capacity)
    }

    pub(crate) fn entry<R>(&mut self, entry: &Entry<R>, value: &Bytes) {
        self.buffer
            .push(if entry.expires.is_some() { EXPIRES } else { 0 });
        self.bytes(entry.key.as_bytes());
        self.number(entry.revision.0);
        self.number(entry.created.0);
        if let Some(expires) = entry.expires {
            self.number(expires.0);
        }
        self.bytes(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() - HEADER
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.buffer.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.buffer.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
    }
}

/// The content of a snapshot's manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The state is that of this revision.
    pub(crate) revision: Revision,
    /// The last revision in the batch at which the snapshot stands; not greater than `revision`.
    pub(crate) base: Revision,
    pub(crate) chunks: u32,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// Over the chunks' hashes.
    pub(crate) digest: BatchHash,
    /// Earlier heads that are remembered: the last anchored one and those of the last batches up to where the
    /// snapshot stands, oldest first.
    pub(crate) trail: VecDeque<Head>,
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64 + self.trail.len() * 40);
        writer.number(self.revision.0);
        writer.number(self.base.0);
        writer.number(u64::from(self.chunks));
        writer.number(self.entries);
        writer.number(self.bytes);
        writer.buffer.extend_from_slice(&self.digest.0);
        for head in &self.trail {
            writer.number(head.sequence);
            writer.number(head.revision.0);
            writer.buffer.extend_from_slice(&head.hash.0);
        }
        writer.into_buffer()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes)?;
        let revision = Revision(reader.number()?);
        let base = Revision(reader.number()?);
        let chunks = u32::try_from(reader.number()?).ok()?;
        let entries = reader.number()?;
        let bytes = reader.number()?;
        let digest = reader.hash()?;
        let mut trail = VecDeque::new();
        while !reader.rest.is_empty() {
            trail.push_back(Head {
                sequence: reader.number()?,
                revision: Revision(reader.number()?),
                hash: reader.hash()?,
            });
        }
        Some(Self {
            revision,
            base,
            chunks,
            entries,
            bytes,
            digest,
            trail,
        })
    }
}

/// An operation of a batch.
pub(crate) enum Operation<'a> {
    Transaction(Vec<WriteRecord<'a>>),
    Compaction(Revision),
}

pub(crate) struct WriteRecord<'a> {
    pub(crate) key: &'a str,
    pub(crate) deleted: bool,
    pub(crate) expires: Option<Millis>,
    pub(crate) value: Option<&'a [u8]>,
}

pub(crate) struct EntryRecord<'a> {
    pub(crate) key: &'a str,
    pub(crate) revision: Revision,
    pub(crate) created: Revision,
    pub(crate) expires: Option<Millis>,
    pub(crate) value: &'a [u8],
}

/// Reads what a [`Writer`] wrote; every method gives `None` on anything else.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        (format == FORMAT).then_some(Self { rest })
    }

    pub(crate) fn batch(bytes: &'a [u8]) -> Option<(Millis, Revision, Self)> {
        let mut reader = Self::new(bytes)?;
        let time = Millis(reader.number()?);
        let first = Revision(reader.number()?);
        Some((time, first, reader))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn operation(&mut self) -> Option<Operation<'a>> {
        match self.byte()? {
            TRANSACTION => {
                let count = self.number()?;
                let mut writes = Vec::new();
                for _ in 0..count {
                    writes.push(self.write()?);
                }
                Some(Operation::Transaction(writes))
            }
            COMPACTION => Some(Operation::Compaction(Revision(self.number()?))),
            _ => None,
        }
    }

    fn write(&mut self) -> Option<WriteRecord<'a>> {
        let flags = self.byte()?;
        Some(WriteRecord {
            deleted: flags & DELETED != 0,
            key: self.key()?,
            expires: self.expires(flags)?,
            value: if flags & UNCHANGED == 0 {
                Some(self.bytes()?)
            } else {
                None
            },
        })
    }

    pub(crate) fn entry(&mut self) -> Option<EntryRecord<'a>> {
        let flags = self.byte()?;
        Some(EntryRecord {
            key: self.key()?,
            revision: Revision(self.number()?),
            created: Revision(self.number()?),
            expires: self.expires(flags)?,
            value: self.bytes()?,
        })
    }

    fn expires(&mut self, flags: u8) -> Option<Option<Millis>> {
        if flags & EXPIRES == 0 {
            return Some(None);
        }
        Some(Some(Millis(self.number()?)))
    }

    fn key(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn hash(&mut self) -> Option<BatchHash> {
        let (hash, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(BatchHash(*hash))
    }
}
