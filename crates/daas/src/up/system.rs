//! What `up` chose for a data directory, for the commands that come later.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::layout::Layout;

/// Addresses and sizes of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct System {
    /// Where the API server listens.
    pub api_listen: SocketAddr,
    /// Where the ledger listens.
    pub ledger_listen: SocketAddr,
    /// How many workers there are.
    pub workers: usize,
    /// Port of the first worker's node API; each further worker has the next one.
    pub node_api_port: u16,
}

impl System {
    /// The ledger's URL.
    pub(crate) fn ledger_url(&self) -> String {
        format!("http://{}", self.ledger_listen)
    }

    /// The API server's URL as it is reached on this machine.
    pub(crate) fn api_url(&self) -> String {
        format!("https://{}", self.api_address())
    }

    /// The API server's address as it is reached on this machine.
    pub(crate) fn api_address(&self) -> SocketAddr {
        let mut address = self.api_listen;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        address
    }

    /// The port of a worker's node API.
    ///
    /// # Errors
    /// When there are more workers than ports above the first one.
    pub(crate) fn node_api_port(&self, worker: usize) -> anyhow::Result<u16> {
        u16::try_from(worker)
            .ok()
            .and_then(|worker| self.node_api_port.checked_add(worker))
            .with_context(|| {
                format!("there is no port for worker {worker}: choose a lower --node-api-port")
            })
    }

    /// Saves it for later commands.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn save(&self, layout: &Layout) -> anyhow::Result<()> {
        let path = layout.config("system");
        std::fs::write(&path, serde_saphyr::to_string(self)?)
            .with_context(|| format!("{} can't be written", path.display()))
    }

    /// Reads what `up` saved.
    ///
    /// # Errors
    /// When nothing was brought up there.
    pub(crate) fn load(layout: &Layout) -> anyhow::Result<Self> {
        let path = layout.config("system");
        anyhow::ensure!(
            path.exists(),
            "there is no system under {}: bring one up with `daas up --data-dir {0}`, or name the right --data-dir",
            layout.root().display()
        );
        Ok(crate::config::load(Some(&path), &())?)
    }
}
