//! Linux's configfs interface of confidential guests' reports (`Documentation/ABI/testing/configfs-tsm-report`).
//!
//! A directory is made; what is to be signed is written to its `inblob`; reading `outblob` has the report made. Its
//! `generation` grows with every write, so that a report that another process asked for in between is noticed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the kernel has it.
pub const ROOT: &str = "/sys/kernel/config/tsm/report";

/// Reports and certificate tables are below 64 KiB.
const MAX_BLOB: u64 = 256 * 1024;

/// How often a report is asked for again when another process came in between.
const TRIES: usize = 4;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A report as the kernel gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which driver made it: `sev_guest`, `tdx_guest`.
    pub provider: String,
    /// The evidence.
    pub evidence: Vec<u8>,
    /// Certificates, where the host gave some.
    pub auxiliary: Vec<u8>,
}

/// Makes an entry's directory; the kernel puts the files into it in the same moment.
type MakeEntry = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// A directory of reports.
#[derive(Clone)]
pub struct Tsm {
    root: PathBuf,
    make: MakeEntry,
}

/// Removes the directory again. The kernel's entries have no files of their own.
struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

impl Tsm {
    /// Below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            make: Arc::new(|path| fs::create_dir(path)),
        }
    }

    /// Below `root`, where `make` does the kernel's part: it makes an entry's directory and the files in it.
    #[cfg(feature = "testing")]
    pub fn imitated(
        root: impl Into<PathBuf>,
        make: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            root: root.into(),
            make: Arc::new(make),
        }
    }

    /// Whether the interface is there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.root.is_dir()
    }

    /// A report over `data`.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::ResourceBusy`] when others always came in between.
    pub fn report(&self, data: &[u8; 64]) -> io::Result<Report> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self
            .root
            .join(format!("daas-{}-{number}", std::process::id()));
        (self.make)(&path)?;
        let entry = Entry(path);
        let provider = text(&entry.0.join("provider"))?;
        for _ in 0..TRIES {
            let before = generation(&entry.0)?;
            fs::write(entry.0.join("inblob"), data)?;
            let evidence = bytes(&entry.0.join("outblob"))?;
            let auxiliary = match bytes(&entry.0.join("auxblob")) {
                Ok(auxiliary) => auxiliary,
                // Drivers without certificates have no such file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            if generation(&entry.0)? == before.wrapping_add(1) {
                return Ok(Report {
                    provider,
                    evidence,
                    auxiliary,
                });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?
        .take(MAX_BLOB + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BLOB {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

fn text(path: &Path) -> io::Result<String> {
    let content = String::from_utf8(bytes(path)?).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(content.trim().to_owned())
}

fn generation(entry: &Path) -> io::Result<u64> {
    text(&entry.join("generation"))?
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}
