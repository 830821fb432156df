//! Who joined, in the vault: one record for each node name.

use async_trait::async_trait;
use membership::join::{JoinRecord, JoinRecords, RecordsError};

use crate::vault::Vault;

const PREFIX: &str = "join/";

/// [`JoinRecords`] in the control plane's sealed log.
pub(crate) struct VaultRecords {
    vault: Vault,
}

impl VaultRecords {
    /// Over the vault.
    #[must_use]
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault }
    }
}

fn failed(action: &'static str, error: &dyn std::error::Error) -> RecordsError {
    RecordsError {
        action,
        reason: error.to_string(),
    }
}

fn decode(bytes: &[u8]) -> Result<JoinRecord, RecordsError> {
    serde_json::from_slice(bytes).map_err(|error| failed("read", &error))
}

#[async_trait]
impl JoinRecords for VaultRecords {
    async fn get(&self, node: &str) -> Result<Option<JoinRecord>, RecordsError> {
        let name = format!("{PREFIX}{node}");
        let found = self
            .vault
            .get(&name)
            .map_err(|error| failed("read", &error))?;
        found.map(|bytes| decode(&bytes)).transpose()
    }

    async fn all(&self) -> Result<Vec<JoinRecord>, RecordsError> {
        let found = self
            .vault
            .list(PREFIX)
            .map_err(|error| failed("read", &error))?;
        found.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    async fn put(&self, record: JoinRecord) -> Result<(), RecordsError> {
        let bytes = serde_json::to_vec(&record).map_err(|error| failed("written", &error))?;
        self.vault
            .put(&format!("{PREFIX}{}", record.node), &bytes)
            .await
            .map_err(|error| failed("written", &error))
    }
}
