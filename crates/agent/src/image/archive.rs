//! A deterministic one-layer OCI image archive.
// source: OCI image-spec v1 (image-layout.md, manifest.md, config.md)

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Failure to build an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A file that goes into the image.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// Where it is on this machine.
    pub source: PathBuf,
    /// Its path in the image, without a leading `/`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
}

/// What the image is to be.
#[derive(Debug, Clone, Default)]
pub struct OciImage {
    /// Full reference, e.g. `localhost/daas/sample:1`.
    pub reference: String,
    /// The files of its only layer, beside `tmp/` (1777), `etc/` and the files' own directories.
    pub files: Vec<ImageFile>,
    /// Symbolic links: path in the image → target.
    pub links: BTreeMap<String, String>,
    /// Entrypoint.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Environment, `KEY=value`.
    pub env: Vec<String>,
    /// Exposed ports, e.g. `8080/tcp`.
    pub ports: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// User, `uid[:gid]`; empty = root.
    pub user: String,
    /// Working directory; empty = `/`.
    pub working_dir: String,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// The manifest's digest, `sha256:…`.
    pub manifest_digest: String,
    /// The configuration's digest (the image id), `sha256:…`.
    pub config_digest: String,
}

/// `amd64` or `arm64`, as OCI names this machine.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

struct Hashed<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl OciImage {
    /// Writes the archive to `path`. The same input gives the same bytes.
    ///
    /// # Errors
    /// A file that can't be read, or an archive that can't be written.
    pub fn write(&self, path: &Path) -> Result<BuiltImage, ArchiveError> {
        let write_failed = |source| ArchiveError::Write {
            path: path.to_owned(),
            source,
        };
        let layer_path = path.with_extension("layer.tmp");
        let built = self.write_layer(&layer_path).and_then(|(diff_id, size)| {
            self.assemble(path, &layer_path, &diff_id, size)
                .map_err(write_failed)
        });
        let _ = std::fs::remove_file(&layer_path);
        built
    }

    fn write_layer(&self, path: &Path) -> Result<(String, u64), ArchiveError> {
        let write_failed = |source| ArchiveError::Write {
            path: path.to_owned(),
            source,
        };
        let file = File::create(path).map_err(write_failed)?;
        let mut tar = tar::Builder::new(Hashed {
            inner: BufWriter::new(file),
            hash: Sha256::new(),
            size: 0,
        });
        let mut directories: BTreeMap<String, u32> =
            BTreeMap::from([("etc/".to_owned(), 0o755), ("tmp/".to_owned(), 0o1777)]);
        for name in self.files.iter().map(|f| &f.path).chain(self.links.keys()) {
            let mut at = 0;
            while let Some(slash) = name.get(at..).and_then(|rest| rest.find('/')) {
                at += slash + 1;
                directories
                    .entry(name.get(..at).unwrap_or_default().to_owned())
                    .or_insert(0o755);
            }
        }
        for (directory, mode) in &directories {
            tar.append_data(
                &mut header(tar::EntryType::Directory, 0, *mode),
                directory,
                io::empty(),
            )
            .map_err(write_failed)?;
        }
        let mut files: Vec<&ImageFile> = self.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            let read_failed = |source| ArchiveError::Read {
                path: file.source.clone(),
                source,
            };
            let source = File::open(&file.source).map_err(read_failed)?;
            let size = source.metadata().map_err(read_failed)?.len();
            let data = BufReader::new(source).take(size);
            tar.append_data(
                &mut header(tar::EntryType::Regular, size, file.mode),
                &file.path,
                data,
            )
            .map_err(write_failed)?;
        }
        for (link, target) in &self.links {
            tar.append_link(&mut header(tar::EntryType::Symlink, 0, 0o777), link, target)
                .map_err(write_failed)?;
        }
        let mut hashed = tar.into_inner().map_err(write_failed)?;
        hashed.flush().map_err(write_failed)?;
        Ok((hex::encode(hashed.hash.finalize()), hashed.size))
    }

    fn config(&self, diff_id: &str) -> Value {
        let mut config = serde_json::Map::new();
        if !self.user.is_empty() {
            config.insert("User".into(), self.user.clone().into());
        }
        if !self.ports.is_empty() {
            let ports: serde_json::Map<String, Value> =
                self.ports.iter().map(|p| (p.clone(), json!({}))).collect();
            config.insert("ExposedPorts".into(), ports.into());
        }
        let env: Vec<String> = if self.env.iter().any(|e| e.starts_with("PATH=")) {
            self.env.clone()
        } else {
            std::iter::once(
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            )
            .chain(self.env.iter().cloned())
            .collect()
        };
        config.insert("Env".into(), env.into());
        if !self.entrypoint.is_empty() {
            config.insert("Entrypoint".into(), self.entrypoint.clone().into());
        }
        if !self.cmd.is_empty() {
            config.insert("Cmd".into(), self.cmd.clone().into());
        }
        config.insert(
            "WorkingDir".into(),
            if self.working_dir.is_empty() {
                "/".into()
            } else {
                self.working_dir.clone().into()
            },
        );
        if !self.labels.is_empty() {
            config.insert("Labels".into(), json!(self.labels));
        }
        json!({
            "created": "1970-01-01T00:00:00Z", "architecture": architecture(), "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "daas"}],
        })
    }

    fn assemble(
        &self,
        path: &Path,
        layer_path: &Path,
        diff_id: &str,
        layer_size: u64,
    ) -> io::Result<BuiltImage> {
        let config = serde_json::to_vec(&self.config(diff_id))?;
        let config_digest = digest(&config);
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{config_digest}"), "size": config.len()},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{diff_id}"), "size": layer_size}],
        }))?;
        let manifest_digest = digest(&manifest);
        let tag = self
            .reference
            .rsplit_once(':')
            .map_or("latest", |(_, tag)| tag);
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{manifest_digest}"), "size": manifest.len(),
                "platform": {"architecture": architecture(), "os": "linux"},
                "annotations": {"io.containerd.image.name": self.reference, "org.opencontainers.image.ref.name": tag},
            }],
        }))?;
        let mut tar = tar::Builder::new(BufWriter::new(File::create(path)?));
        let mut put = |name: &str, bytes: &[u8]| {
            tar.append_data(
                &mut header(tar::EntryType::Regular, bytes.len() as u64, 0o644),
                name,
                bytes,
            )
        };
        put("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        put("index.json", &index)?;
        put(&format!("blobs/sha256/{manifest_digest}"), &manifest)?;
        put(&format!("blobs/sha256/{config_digest}"), &config)?;
        let mut layer = File::open(layer_path)?;
        layer.seek(SeekFrom::Start(0))?;
        tar.append_data(
            &mut header(tar::EntryType::Regular, layer_size, 0o644),
            format!("blobs/sha256/{diff_id}"),
            BufReader::new(layer),
        )?;
        tar.into_inner()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        Ok(BuiltImage {
            manifest_digest: format!("sha256:{manifest_digest}"),
            config_digest: format!("sha256:{config_digest}"),
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    fn image(dir: &Path) -> OciImage {
        std::fs::write(dir.join("program"), b"not really a program").unwrap();
        OciImage {
            reference: "localhost/daas/test:1".into(),
            files: vec![ImageFile {
                source: dir.join("program"),
                path: "bin/program".into(),
                mode: 0o755,
            }],
            links: BTreeMap::from([("bin/sh".to_owned(), "program".to_owned())]),
            entrypoint: vec!["/bin/program".into()],
            cmd: vec!["serve".into()],
            ports: vec!["8080/tcp".into()],
            ..OciImage::default()
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let image = image(dir.path());
        let (a, b) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
        assert_eq!(image.write(&a).unwrap(), image.write(&b).unwrap());
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }

    #[test]
    fn every_blob_has_the_digest_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        image(dir.path()).write(&path).unwrap();
        let mut blobs = BTreeMap::new();
        for entry in tar::Archive::new(File::open(path).unwrap())
            .entries()
            .unwrap()
        {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            blobs.insert(name, bytes);
        }
        for (name, bytes) in &blobs {
            if let Some(expected) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(expected, digest(bytes));
            }
        }
        let index: Value = serde_json::from_slice(&blobs["index.json"]).unwrap();
        let manifest = index["manifests"][0]["digest"]
            .as_str()
            .unwrap()
            .replace(':', "/");
        let manifest: Value = serde_json::from_slice(&blobs[&format!("blobs/{manifest}")]).unwrap();
        let config = manifest["config"]["digest"]
            .as_str()
            .unwrap()
            .replace(':', "/");
        let config: Value = serde_json::from_slice(&blobs[&format!("blobs/{config}")]).unwrap();
        assert_eq!(config["config"]["Entrypoint"], json!(["/bin/program"]));
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        let layer = manifest["layers"][0]["digest"]
            .as_str()
            .unwrap()
            .replace(':', "/");
        let names: Vec<String> = tar::Archive::new(blobs[&format!("blobs/{layer}")].as_slice())
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["bin/", "etc/", "tmp/", "bin/program", "bin/sh"]);
    }
}
