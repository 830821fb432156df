//! Ramdisks whose bytes depend on nothing but names, modes and contents.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cpio::NewcBuilder;
use cpio::newc::{self, ModeFileType};

/// One entry of a ramdisk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory, mode 0755.
    Directory,
    /// A file and its permissions.
    File {
        /// Permission bits.
        mode: u32,
        /// Its bytes.
        content: Vec<u8>,
    },
    /// A symbolic link.
    Link(String),
    /// A character device.
    Device {
        /// Permission bits.
        mode: u32,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// The content of a ramdisk by path without a leading slash. Parent directories are added.
#[derive(Debug, Clone, Default)]
pub struct Ramdisk(BTreeMap<String, Entry>);

impl Ramdisk {
    /// Adds an entry, in place of one with the same path.
    pub fn add(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            if let Some(parent) = path.get(..at) {
                self.0.entry(parent.to_owned()).or_insert(Entry::Directory);
            }
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// The archive in cpio's `newc` format: sorted, owned by root, without times, with inode numbers in order.
    ///
    /// # Errors
    /// When a file has 4 GiB or more.
    // Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        let mut archive = Vec::new();
        for (inode, (path, entry)) in (1_u32..).zip(&self.0) {
            let builder = NewcBuilder::new(path)
                .ino(inode)
                .uid(0)
                .gid(0)
                .nlink(1)
                .mtime(0);
            let (builder, content): (_, &[u8]) = match entry {
                Entry::Directory => (
                    builder
                        .mode(0o755)
                        .set_mode_file_type(ModeFileType::Directory),
                    &[],
                ),
                Entry::File { mode, content } => (
                    builder
                        .mode(*mode)
                        .set_mode_file_type(ModeFileType::Regular),
                    content,
                ),
                Entry::Link(target) => (
                    builder
                        .mode(0o777)
                        .set_mode_file_type(ModeFileType::Symlink),
                    target.as_bytes(),
                ),
                Entry::Device { mode, major, minor } => (
                    builder
                        .mode(*mode)
                        .set_mode_file_type(ModeFileType::Char)
                        .rdev_major(*major)
                        .rdev_minor(*minor),
                    &[],
                ),
            };
            let size = u32::try_from(content.len())
                .map_err(|_| io::Error::other(format!("{path} has 4 GiB or more")))?;
            let mut writer = builder.write(&mut archive, size);
            writer.write_all(content)?;
            writer.finish()?;
        }
        newc::trailer(&mut archive)?;
        // The kernel looks for the next archive at a multiple of four.
        archive.resize(archive.len().next_multiple_of(512), 0);
        Ok(archive)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn order_of_adding_does_not_matter_and_parents_are_there() {
        let file = |text: &str| Entry::File {
            mode: 0o644,
            content: text.into(),
        };
        let mut one = Ramdisk::default();
        one.add("etc/daas/server.yaml", file("a"));
        one.add("/init", Entry::Link("daas".to_owned()));
        let mut other = Ramdisk::default();
        other.add("init", Entry::Link("daas".to_owned()));
        other.add("etc/daas/server.yaml", file("a"));
        let archive = one.archive().unwrap();
        assert_eq!(archive, other.archive().unwrap());
        assert_eq!(archive.len() % 512, 0);

        let mut names = Vec::new();
        let mut rest = archive.as_slice();
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            io::Read::read_to_string(&mut reader, &mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
            names.push((entry.name().to_owned(), entry.mode(), content));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("etc", 0o040_755, ""),
            ("etc/daas", 0o040_755, ""),
            ("etc/daas/server.yaml", 0o100_644, "a"),
            ("init", 0o120_777, "daas"),
        ];
        let expected = expected.map(|(n, m, c)| (n.to_owned(), m, c.to_owned()));
        assert_eq!(names, expected);
    }
}
