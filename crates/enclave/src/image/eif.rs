//! The enclave image file (EIF), version 4.
//!
//! Layout (all numbers big-endian): a header of 548 bytes, then sections, each with a header of 12 bytes. The header
//! has offset and size of each section (of at most 32), and a CRC-32 over everything but itself.
//
// Source: the format as published with AWS's aws-nitro-enclaves-image-format (src/defs/mod.rs); that crate itself is
// not used because it needs OpenSSL and the KMS client of AWS, which have no place in this binary. The tests hold
// an image and its PCRs that were made with it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha384};

const MAGIC: [u8; 4] = *b".eif";
const VERSION: u16 = 4;
const MAX_SECTIONS: usize = 32;
const HEADER: usize = 4 + 2 + 2 + 8 + 8 + 2 + 2 + MAX_SECTIONS * 16 + 4 + 4;
const SECTION_HEADER: usize = 2 + 2 + 8;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SectionKind {
    /// A bzImage.
    Kernel,
    /// The kernel's command line.
    Cmdline,
    /// A cpio archive.
    Ramdisk,
    /// Signatures over PCR0, CBOR.
    Signature,
    /// What made the image, JSON.
    Metadata,
}

impl SectionKind {
    fn number(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::Cmdline => 2,
            Self::Ramdisk => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }

    fn of_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Kernel,
            2 => Self::Cmdline,
            3 => Self::Ramdisk,
            4 => Self::Signature,
            5 => Self::Metadata,
            _ => return None,
        })
    }
}

/// Why bytes are no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EifError {
    /// Too short for what it says it has.
    #[error("the image ends within its {0}")]
    Truncated(&'static str),
    /// Not an image at all.
    #[error("not an enclave image: it does not begin with `.eif`")]
    Magic,
    /// Another version of the format.
    #[error("enclave image version {0} is not supported, only version 4 is")]
    Version(u16),
    /// A section of no known kind.
    #[error("section {index} is of unknown kind {kind}")]
    Kind {
        /// Which section.
        index: usize,
        /// Its number of kind.
        kind: u16,
    },
    /// The header and a section's own header disagree.
    #[error("section {0} is not where or not as long as the header says")]
    Layout(usize),
    /// Too many sections.
    #[error("an image has at most 32 sections, not {0}")]
    Sections(usize),
    /// Damaged.
    #[error("the image is damaged: its CRC is {found:#010x}, its content has {computed:#010x}")]
    Crc {
        /// In the header.
        found: u32,
        /// Of the content.
        computed: u32,
    },
    /// A section that each image has just once.
    #[error("the image has {count} sections of kind {kind:?} instead of one")]
    Count {
        /// Which kind.
        kind: SectionKind,
        /// How many there are.
        count: usize,
    },
    /// No ramdisk.
    #[error("the image has no ramdisk")]
    NoRamdisk,
}

/// A section's kind and content.
pub type Section<'a> = (SectionKind, &'a [u8]);

/// What an enclave that is started from an image has in its platform configuration registers; 48 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pcrs {
    /// Kernel, command line and all ramdisks.
    #[serde(rename = "PCR0", serialize_with = "as_hex")]
    pub image: [u8; 48],
    /// Kernel, command line and the first ramdisk.
    #[serde(rename = "PCR1", serialize_with = "as_hex")]
    pub boot: [u8; 48],
    /// The other ramdisks.
    #[serde(rename = "PCR2", serialize_with = "as_hex")]
    pub application: [u8; 48],
}

fn as_hex<S: serde::Serializer>(register: &[u8; 48], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(register))
}

/// A register that was zero and was extended once.
fn extended(parts: &[&[u8]]) -> [u8; 48] {
    let mut content = Sha384::new();
    for part in parts {
        content.update(part);
    }
    let mut register = Sha384::new();
    register.update([0; 48]);
    register.update(content.finalize());
    register.finalize().into()
}

impl Pcrs {
    /// The registers of an image with these sections.
    ///
    /// # Errors
    /// When kernel or command line are absent or there twice, or there is no ramdisk.
    pub fn of(sections: &[Section<'_>]) -> Result<Self, EifError> {
        let one = |kind| {
            let mut of_kind = sections.iter().filter(|(k, _)| *k == kind);
            match (of_kind.next(), of_kind.count()) {
                (Some((_, content)), 0) => Ok(*content),
                (first, more) => Err(EifError::Count {
                    kind,
                    count: usize::from(first.is_some()) + more,
                }),
            }
        };
        let kernel = one(SectionKind::Kernel)?;
        let cmdline = one(SectionKind::Cmdline)?;
        let ramdisks: Vec<&[u8]> = sections
            .iter()
            .filter(|(kind, _)| *kind == SectionKind::Ramdisk)
            .map(|(_, content)| *content)
            .collect();
        let (first, others) = ramdisks.split_first().ok_or(EifError::NoRamdisk)?;
        let boot = [kernel, cmdline, first];
        let image: Vec<&[u8]> = boot.iter().chain(others).copied().collect();
        Ok(Self {
            image: extended(&image),
            boot: extended(&boot),
            application: extended(others),
        })
    }
}

/// Writes an image.
///
/// # Errors
/// With more than 32 sections.
pub fn write(sections: &[Section<'_>], memory: u64, cpus: u64) -> Result<Vec<u8>, EifError> {
    if sections.len() > MAX_SECTIONS {
        return Err(EifError::Sections(sections.len()));
    }
    let mut offsets = [0_u64; MAX_SECTIONS];
    let mut sizes = [0_u64; MAX_SECTIONS];
    let mut body = Vec::new();
    for (((kind, content), offset), size) in sections.iter().zip(&mut offsets).zip(&mut sizes) {
        *offset = (HEADER + body.len()) as u64;
        *size = content.len() as u64;
        body.extend(kind.number().to_be_bytes());
        body.extend(0_u16.to_be_bytes());
        body.extend(size.to_be_bytes());
        body.extend(*content);
    }
    let mut image = Vec::with_capacity(HEADER + body.len());
    image.extend(MAGIC);
    image.extend(VERSION.to_be_bytes());
    image.extend(0_u16.to_be_bytes()); // flags: x86_64
    image.extend(memory.to_be_bytes());
    image.extend(cpus.to_be_bytes());
    image.extend(0_u16.to_be_bytes());
    image.extend(
        u16::try_from(sections.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    for number in offsets.iter().chain(&sizes) {
        image.extend(number.to_be_bytes());
    }
    image.extend(0_u32.to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&image);
    crc.update(&body);
    image.extend(crc.finalize().to_be_bytes());
    image.extend(body);
    Ok(image)
}

/// The sections of an image, in order.
///
/// # Errors
/// Whatever is wrong with it.
pub fn read(image: &[u8]) -> Result<Vec<Section<'_>>, EifError> {
    let mut header = Reader {
        rest: image,
        what: "header",
    };
    if header.take(4)? != MAGIC {
        return Err(EifError::Magic);
    }
    let version = header.u16()?;
    if version != VERSION {
        return Err(EifError::Version(version));
    }
    header.take(2 + 8 + 8 + 2)?;
    let count = usize::from(header.u16()?);
    if count > MAX_SECTIONS {
        return Err(EifError::Sections(count));
    }
    let mut offsets = Vec::with_capacity(MAX_SECTIONS);
    let mut sizes = Vec::with_capacity(MAX_SECTIONS);
    for list in [&mut offsets, &mut sizes] {
        for _ in 0..MAX_SECTIONS {
            list.push(header.u64()?);
        }
    }
    header.take(4)?;
    let found = header.u32()?;
    let mut crc = crc32fast::Hasher::new();
    crc.update(image.get(..HEADER - 4).unwrap_or_default());
    crc.update(header.rest);
    let computed = crc.finalize();
    if found != computed {
        return Err(EifError::Crc { found, computed });
    }
    let mut sections = Vec::with_capacity(count);
    for (index, (offset, size)) in offsets.into_iter().zip(sizes).take(count).enumerate() {
        let layout = |_| EifError::Layout(index);
        let start = usize::try_from(offset).map_err(layout)?;
        let size = usize::try_from(size).map_err(layout)?;
        let rest = image.get(start..).ok_or(EifError::Layout(index))?;
        let mut section = Reader {
            rest,
            what: "sections",
        };
        let kind = section.u16()?;
        let kind = SectionKind::of_number(kind).ok_or(EifError::Kind { index, kind })?;
        section.take(2)?;
        if section.u64()? != size as u64 {
            return Err(EifError::Layout(index));
        }
        sections.push((kind, section.take(size)?));
    }
    Ok(sections)
}

struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], EifError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(EifError::Truncated(self.what))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EifError> {
        let what = self.what;
        self.take(N)?
            .try_into()
            .map_err(|_| EifError::Truncated(what))
    }

    fn u16(&mut self) -> Result<u16, EifError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, EifError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, EifError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

const _: () = assert!(HEADER == 548 && SECTION_HEADER == 12);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTIONS: [Section<'static>; 5] = [
        (SectionKind::Kernel, b"a kernel"),
        (SectionKind::Cmdline, b"reboot=k panic=30"),
        (SectionKind::Metadata, b"{}"),
        (SectionKind::Ramdisk, b"first ramdisk"),
        (SectionKind::Ramdisk, b"second ramdisk"),
    ];

    #[test]
    fn what_is_written_is_read_again() {
        let image = write(&SECTIONS, 1 << 30, 2).unwrap();
        assert_eq!(read(&image).unwrap(), SECTIONS);
    }

    /// What AWS's own crate (aws-nitro-enclaves-image-format) makes of the same input.
    #[test]
    fn file_and_registers_are_those_of_the_formats_authors() {
        let metadata = concat!(
            r#"{"ImageName":"n","ImageVersion":"v","BuildMetadata":{"BuildTime":"t","BuildTool":"b","#,
            r#""BuildToolVersion":"1","OperatingSystem":"o","KernelVersion":"k"},"DockerInfo":null,"CustomMetadata":null}"#
        );
        let mut sections = SECTIONS;
        sections[1].1 = b"reboot=k panic=30";
        sections[2].1 = metadata.as_bytes();
        let pcrs = serde_json::to_value(Pcrs::of(&sections).unwrap()).unwrap();
        assert_eq!(
            pcrs["PCR0"],
            "849b7ecb4d0534d8d20acfdabc9464b224e798173e6ee82a67423f9fb5717c0e42c0d0723b5d1f88bf746186ee53044e"
        );
        assert_eq!(
            pcrs["PCR1"],
            "ae2013121d71994a5a7f4d33727cb3f221d6a5de051d34fec70b2445c0561a5dfc9426a75876b010aac66c90bbebe7c3"
        );
        assert_eq!(
            pcrs["PCR2"],
            "ce19d22a3254eb42d44040f172c0a45fac31aa7c61e10702f95a23228e9c285951752cf9a43889687fc1e7335d3ee594"
        );
        let image = write(&sections, 1 << 30, 2).unwrap();
        assert_eq!(
            hex::encode(sha2::Sha256::digest(&image)),
            "7cab02311c2da90c072968f6374b612618c0eb6020fedec1db4deca859979f95"
        );
    }

    #[test]
    fn every_flipped_byte_and_every_shortening_is_refused() {
        let image = write(&SECTIONS, 1 << 30, 2).unwrap();
        for at in 0..image.len() {
            let mut other = image.clone();
            other[at] ^= 1;
            assert!(read(&other).is_err(), "byte {at}");
            assert!(read(&image[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn the_registers_cover_what_they_say() {
        let of = |sections: &[Section<'_>]| Pcrs::of(sections).unwrap();
        let original = of(&SECTIONS);
        let with = |index: usize, content: &'static [u8]| {
            let mut sections = SECTIONS;
            sections[index].1 = content;
            of(&sections)
        };
        let kernel = with(0, b"another kernel");
        assert!(kernel.image != original.image && kernel.boot != original.boot);
        assert_eq!(kernel.application, original.application);
        let application = with(4, b"another application");
        assert!(
            application.image != original.image && application.application != original.application
        );
        assert_eq!(application.boot, original.boot);
        assert_eq!(
            with(2, b"{\"other\":1}"),
            original,
            "metadata is not measured"
        );
    }

    #[test]
    fn an_image_needs_kernel_command_line_and_a_ramdisk() {
        assert_eq!(Pcrs::of(&SECTIONS[..3]), Err(EifError::NoRamdisk));
        let twice = [SECTIONS[0], SECTIONS[0], SECTIONS[1], SECTIONS[3]];
        let kind = SectionKind::Kernel;
        assert_eq!(Pcrs::of(&twice), Err(EifError::Count { kind, count: 2 }));
        assert_eq!(Pcrs::of(&[]), Err(EifError::Count { kind, count: 0 }));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), keep in any::<bool>()) {
            let mut bytes = bytes;
            if keep {
                bytes.splice(0..0, [0x2e, 0x65, 0x69, 0x66, 0, 4]);
            }
            let _ = read(&bytes);
        }
    }
}
