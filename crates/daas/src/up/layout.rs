//! Where everything is under a data directory.

use std::path::{Path, PathBuf};

/// The paths of one system under its data directory.
///
/// What holds a secret in clear, and so is 0600 or in a 0700 directory: `kubeconfig`,
/// `operator/`, `worker-N/` (a worker's own keys) and `simulated-tee/`. `server/` holds
/// nothing readable; `ledger/` holds only what a chain would publish.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// For a data directory, made absolute against the current directory.
    ///
    /// # Errors
    /// When the current directory cannot be read.
    pub(crate) fn new(data_dir: &Path) -> std::io::Result<Self> {
        Ok(Self {
            root: std::path::absolute(data_dir)?,
        })
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// State of the embedded ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Sealed state of the control plane.
    pub(crate) fn server(&self) -> PathBuf {
        self.root.join("server")
    }

    /// The simulated TEE's "hardware": its device secret.
    pub(crate) fn simulated_tee(&self) -> PathBuf {
        self.root.join("simulated-tee")
    }

    /// The operator's keystore and what it owns on the chain.
    pub(crate) fn operator(&self) -> PathBuf {
        self.root.join("operator")
    }

    /// A worker's keys, state, containerd and agent.
    pub(crate) fn worker(&self, number: usize) -> PathBuf {
        self.root.join(format!("worker-{number}"))
    }

    /// The configuration file written for a part.
    pub(crate) fn config(&self, part: &str) -> PathBuf {
        self.root.join("config").join(format!("{part}.yaml"))
    }

    /// The log of a part.
    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.root.join("logs").join(format!("{part}.log"))
    }

    /// Process records and the lock.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Held by the one supervisor of this data directory.
    pub(crate) fn lock(&self) -> PathBuf {
        self.run().join("lock")
    }

    /// The administrator's kubeconfig (0600: it holds a private key).
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }
}
