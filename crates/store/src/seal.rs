//! Sealing: what turns batches and snapshots into authenticated ciphertext, chained.
//!
//! ```text
//! magic "DaSl" | version u8 | kind u8 | 0 u16 | epoch u32 | sequence u64 | index u32 | salt 32 | key check 16
//!   | cluster tag 16 | previous hash 32 | AES-256-GCM ciphertext and tag | SHA-256 of all before, 32
//! ```
//!
//! Integers are big-endian. The hash at the end is the batch's *hash*, the next batch's *previous hash*, and that
//! of the last batch the state root. It also tells damage (the hash is wrong) from forgery (it is right, but the
//! tag isn't).
//!
//! **Nonces.** Each sealing derives a key of its own, `HKDF-SHA256(epoch key, 32 random bytes)`, and uses it once
//! with a constant nonce. So nothing depends on a counter that a rolled-back disk or a second instance could make
//! repeat: the same sequence may be written again under the same epoch key, any number of times. Two of *n* sealings
//! share a key with probability below n²/2²⁵⁷.
//!
//! **Associated data.** The whole header and the cluster's name. The key check and the cluster tag are one-way
//! functions of the epoch key; they reveal neither and exist so that a wrong key, a wrong cluster and a forgery are
//! three errors.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, hkdf, rand,
};
use bytes::Bytes;
use zeroize::Zeroizing;

/// The format that this program writes and reads.
const VERSION: u8 = 1;
const MAGIC: &[u8; 4] = b"DaSl";
/// The header's length; a buffer to be sealed starts with this much room.
pub(crate) const HEADER: usize = 120;
const TAG: usize = 16;
const HASH: usize = 32;

/// The hash of a sealed batch. That of the last batch is the state root.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchHash(pub [u8; 32]);

impl fmt::Display for BatchHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BatchHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The keys under which a cluster's log is sealed: one per epoch, of which the newest seals and all open.
///
/// It has no `Debug` and its keys are wiped when it is dropped.
#[derive(Clone)]
pub struct SealingKeys {
    cluster: String,
    epochs: BTreeMap<u32, EpochKey>,
    #[cfg(feature = "clear-for-benchmarks")]
    clear: bool,
}

#[derive(Clone)]
struct EpochKey {
    // Wiped on drop by aws-lc-rs.
    prk: hkdf::Prk,
    check: [u8; 16],
    cluster_tag: [u8; 16],
}

impl SealingKeys {
    /// The keys of `cluster` with one epoch. The key must be uniformly random or derived from such a key.
    #[must_use]
    pub fn new(cluster: impl Into<String>, epoch: u32, key: &Zeroizing<[u8; 32]>) -> Self {
        Self {
            cluster: cluster.into(),
            epochs: BTreeMap::new(),
            #[cfg(feature = "clear-for-benchmarks")]
            clear: false,
        }
        .with_epoch(epoch, key)
    }

    /// Seals nothing and chains nothing; what it writes can't be opened. To measure against.
    #[cfg(feature = "clear-for-benchmarks")]
    #[doc(hidden)]
    #[must_use]
    pub fn in_clear(cluster: impl Into<String>) -> Self {
        Self {
            clear: true,
            ..Self::new(cluster, 1, &Zeroizing::new([0; 32]))
        }
    }

    /// Adds the key of another epoch.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u32, key: &Zeroizing<[u8; 32]>) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"daas store sealing v1").extract(&**key);
        let mut check = [0; 16];
        let mut cluster_tag = [0; 16];
        expand(&prk, &[b"key check"], &mut check);
        expand(
            &prk,
            &[b"cluster tag ", self.cluster.as_bytes()],
            &mut cluster_tag,
        );
        self.epochs.insert(
            epoch,
            EpochKey {
                prk,
                check,
                cluster_tag,
            },
        );
        self
    }

    /// The epoch that new batches are sealed under.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epochs.keys().next_back().copied().unwrap_or(0)
    }

    /// What the first batch has for its previous hash.
    pub(crate) fn genesis(&self) -> BatchHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"daas store genesis v1\0");
        context.update(self.cluster.as_bytes());
        finish(context)
    }
}

/// Never longer than a hash, so it can't fail.
fn expand(prk: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let filled = prk
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out));
    debug_assert!(filled.is_ok());
}

fn finish(context: digest::Context) -> BatchHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    BatchHash(hash)
}

/// SHA-256 of some bytes under a domain.
pub(crate) fn hash(domain: &[u8], bytes: &[u8]) -> BatchHash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(domain);
    context.update(bytes);
    finish(context)
}

/// What a sealed piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Batch = 1,
    Chunk = 2,
    Manifest = 3,
}

/// Where a sealed piece belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    /// A chunk's number.
    pub(crate) index: u32,
    /// The hash of the batch before; for a snapshot that of the batch at which it stands.
    pub(crate) previous: BatchHash,
}

/// Names a sealed piece in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A batch, by its place in the log.
    Batch(u64),
    /// A chunk of the snapshot at a batch.
    Chunk(u64, u32),
    /// The manifest of the snapshot at a batch.
    Manifest(u64),
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(sequence) => write!(f, "batch {sequence}"),
            Self::Chunk(sequence, index) => {
                write!(f, "chunk {index} of the snapshot at batch {sequence}")
            }
            Self::Manifest(sequence) => {
                write!(f, "the manifest of the snapshot at batch {sequence}")
            }
        }
    }
}

impl Position {
    pub(crate) fn piece(&self) -> Piece {
        match self.kind {
            Kind::Batch => Piece::Batch(self.sequence),
            Kind::Chunk => Piece::Chunk(self.sequence, self.index),
            Kind::Manifest => Piece::Manifest(self.sequence),
        }
    }
}

/// What is wrong with something that was read from a log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It ends before its header does.
    #[error("{0} is cut short")]
    CutShort(Piece),
    /// It doesn't begin like something sealed.
    #[error("{0} is not a sealed record")]
    NotSealed(Piece),
    /// It has another format.
    #[error("{piece} has format version {found}, this program reads version {VERSION}")]
    OtherVersion {
        /// What was read.
        piece: Piece,
        /// Its version.
        found: u8,
    },
    /// Its bytes are not those that were written: one has flipped, or some are missing.
    #[error("{0} is damaged: its bytes don't match its hash")]
    Damaged(Piece),
    /// Nobody gave the key of its epoch.
    #[error("{piece} is sealed under key epoch {epoch}, for which there is no key")]
    UnknownEpoch {
        /// What was read.
        piece: Piece,
        /// Its epoch.
        epoch: u32,
    },
    /// The key given for its epoch is not the one that sealed it.
    #[error("{piece} was sealed with another key than the one given for epoch {epoch}")]
    WrongKey {
        /// What was read.
        piece: Piece,
        /// Its epoch.
        epoch: u32,
    },
    /// It belongs to another cluster.
    #[error("{0} was sealed for another cluster")]
    WrongCluster(Piece),
    /// A batch is not there although later ones are.
    #[error("batch {0} is missing")]
    Missing(u64),
    /// A batch that was already read is there a second time.
    #[error("batch {found} is there again in the place of batch {place}")]
    Duplicated {
        /// The batch.
        found: u64,
        /// Where it was found again.
        place: u64,
    },
    /// It is authentic in form, but belongs elsewhere.
    #[error("{place} holds something that belongs elsewhere (batch {found})")]
    Misplaced {
        /// Where it was found.
        place: Piece,
        /// The batch number that it carries.
        found: u64,
    },
    /// It continues another history than the one before it.
    #[error("{0} does not continue what is before it: it comes from another history")]
    Foreign(Piece),
    /// It was made by somebody without the key.
    #[error("{0} is forged: its authentication fails")]
    Forged(Piece),
    /// A chunk of the newest snapshot is not there.
    #[error("chunk {index} of the snapshot at batch {sequence} is missing")]
    MissingChunk {
        /// Where the snapshot stands.
        sequence: u64,
        /// The chunk.
        index: u32,
    },
    /// The chunks are not those that the manifest was written for.
    #[error("the chunks of the snapshot at batch {0} are not those of its manifest")]
    OtherChunks(u64),
    /// It is authentic, but its content can't be read.
    #[error("the content of {0} can't be read")]
    Unreadable(Piece),
    /// The system gave no randomness, or the cipher failed.
    #[error("sealing {0} failed")]
    Sealing(Piece),
}

fn once() -> Nonce {
    // The key is used for nothing else, see the module's text.
    Nonce::assume_unique_for_key([0; 12])
}

impl SealingKeys {
    /// Seals `buffer`, whose first [`HEADER`] bytes are room for the header, in place.
    pub(crate) fn seal(
        &self,
        at: Position,
        mut buffer: Vec<u8>,
    ) -> Result<(Bytes, BatchHash), SealError> {
        let failed = || SealError::Sealing(at.piece());
        let (epoch, keys) = self.epochs.iter().next_back().ok_or_else(failed)?;
        let mut salt = [0; 32];
        rand::fill(&mut salt).map_err(|_| failed())?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&[VERSION, at.kind as u8, 0, 0]);
        header.extend_from_slice(&epoch.to_be_bytes());
        header.extend_from_slice(&at.sequence.to_be_bytes());
        header.extend_from_slice(&at.index.to_be_bytes());
        header.extend_from_slice(&salt);
        header.extend_from_slice(&keys.check);
        header.extend_from_slice(&keys.cluster_tag);
        header.extend_from_slice(&at.previous.0);
        let (room, plaintext) = buffer.split_at_mut_checked(HEADER).ok_or_else(failed)?;
        room.copy_from_slice(&header);
        #[cfg(feature = "clear-for-benchmarks")]
        if self.clear {
            buffer.extend_from_slice(&[0; TAG + HASH]);
            return Ok((Bytes::from(buffer), BatchHash([0; HASH])));
        }
        let tag = keys
            .cipher(&salt)
            .and_then(|cipher| {
                let aad = Aad::from(self.associated(&header));
                cipher
                    .seal_in_place_separate_tag(once(), aad, plaintext)
                    .ok()
            })
            .ok_or_else(failed)?;
        buffer.extend_from_slice(tag.as_ref());
        let hash = hash(b"", &buffer);
        buffer.extend_from_slice(&hash.0);
        Ok((Bytes::from(buffer), hash))
    }

    /// Opens what was read from the place `at`; gives the plaintext, the hash and the key epoch.
    pub(crate) fn open(
        &self,
        at: Position,
        sealed: &[u8],
    ) -> Result<(Vec<u8>, BatchHash, u32), SealError> {
        let piece = at.piece();
        let header = Header::read(piece, sealed)?;
        let keys = self
            .epochs
            .get(&header.epoch)
            .ok_or(SealError::UnknownEpoch {
                piece,
                epoch: header.epoch,
            })?;
        if header.check != keys.check {
            return Err(SealError::WrongKey {
                piece,
                epoch: header.epoch,
            });
        }
        if header.cluster_tag != keys.cluster_tag {
            return Err(SealError::WrongCluster(piece));
        }
        if (header.kind, header.sequence, header.index) != (at.kind as u8, at.sequence, at.index) {
            return Err(SealError::Misplaced {
                place: piece,
                found: header.sequence,
            });
        }
        if header.previous != at.previous.0 {
            return Err(SealError::Foreign(piece));
        }
        let mut plaintext = header.ciphertext.to_vec();
        let length = keys
            .cipher(header.salt)
            .and_then(|cipher| {
                let aad = Aad::from(self.associated(header.bytes));
                Some(
                    cipher
                        .open_in_place(once(), aad, &mut plaintext)
                        .ok()?
                        .len(),
                )
            })
            .ok_or(SealError::Forged(piece))?;
        plaintext.truncate(length);
        Ok((plaintext, header.hash, header.epoch))
    }

    fn associated(&self, header: &[u8]) -> Vec<u8> {
        [header, self.cluster.as_bytes()].concat()
    }
}

/// The previous hash that a sealed piece carries, before anything about it is verified. For a snapshot's manifest,
/// which says itself where it stands; its authentication then covers that.
pub(crate) fn claimed_previous(piece: Piece, sealed: &[u8]) -> Result<BatchHash, SealError> {
    let header = Header::read(piece, sealed)?;
    let mut previous = [0; 32];
    previous.copy_from_slice(header.previous);
    Ok(BatchHash(previous))
}

/// The hash that a sealed batch carries, once its bytes match it.
pub(crate) fn claimed_hash(piece: Piece, sealed: &[u8]) -> Result<BatchHash, SealError> {
    Ok(Header::read(piece, sealed)?.hash)
}

impl EpochKey {
    fn cipher(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let mut key = Zeroizing::new([0; 32]);
        expand(&self.prk, &[b"seal ", salt], &mut *key);
        Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).ok()?))
    }
}

struct Header<'a> {
    bytes: &'a [u8],
    kind: u8,
    epoch: u32,
    sequence: u64,
    index: u32,
    salt: &'a [u8],
    check: &'a [u8],
    cluster_tag: &'a [u8],
    previous: &'a [u8],
    ciphertext: &'a [u8],
    hash: BatchHash,
}

impl<'a> Header<'a> {
    /// Takes a sealed piece apart once its bytes match its hash.
    fn read(piece: Piece, sealed: &'a [u8]) -> Result<Self, SealError> {
        let (magic, _) = sealed
            .split_first_chunk::<5>()
            .ok_or(SealError::CutShort(piece))?;
        let [.., version] = *magic;
        if !magic.starts_with(MAGIC) {
            return Err(SealError::NotSealed(piece));
        }
        if version != VERSION {
            return Err(SealError::OtherVersion {
                piece,
                found: version,
            });
        }
        if sealed.len() < HEADER + TAG + HASH {
            return Err(SealError::CutShort(piece));
        }
        let read = || {
            let (covered, stored) = sealed.split_last_chunk::<HASH>()?;
            let (bytes, ciphertext) = covered.split_at_checked(HEADER)?;
            let rest = bytes.get(5..)?;
            let (&kind, rest) = rest.split_first()?;
            let (epoch, rest) = rest.get(2..)?.split_first_chunk()?;
            let (sequence, rest) = rest.split_first_chunk()?;
            let (index, rest) = rest.split_first_chunk()?;
            let (salt, rest) = rest.split_at_checked(32)?;
            let (check, rest) = rest.split_at_checked(16)?;
            let (cluster_tag, previous) = rest.split_at_checked(16)?;
            let header = Self {
                bytes,
                kind,
                epoch: u32::from_be_bytes(*epoch),
                sequence: u64::from_be_bytes(*sequence),
                index: u32::from_be_bytes(*index),
                salt,
                check,
                cluster_tag,
                previous,
                ciphertext,
                hash: BatchHash(*stored),
            };
            Some((covered, header))
        };
        let (covered, header) = read().ok_or(SealError::CutShort(piece))?;
        if hash(b"", covered) != header.hash {
            return Err(SealError::Damaged(piece));
        }
        Ok(header)
    }
}
