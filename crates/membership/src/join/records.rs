//! What the control plane remembers of joins.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use seal::{NodeId, NodePublicKey, ObjectId};
use serde::{Deserialize, Serialize};

/// Which token and key a node joined with last. Public data: no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRecord {
    /// The node's name.
    pub node: NodeId,
    /// The Seal token.
    pub token: ObjectId,
    /// The node's key.
    pub node_key: NodePublicKey,
    /// When it joined with this token first, milliseconds since 1970.
    pub joined_at_ms: u64,
    /// When it was last given certificates, milliseconds since 1970.
    pub certified_at_ms: u64,
}

/// Records can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the record of joins cannot be {action}: {reason}")]
pub struct RecordsError {
    /// `read` or `written`.
    pub action: &'static str,
    /// Why.
    pub reason: String,
}

/// Durable records, one for each node name. A record that was put is there after any crash; the server keeps
/// them in its sealed state.
#[async_trait]
pub trait JoinRecords: Send + Sync + 'static {
    /// A node's record.
    async fn get(&self, node: &str) -> Result<Option<JoinRecord>, RecordsError>;

    /// All of them.
    async fn all(&self) -> Result<Vec<JoinRecord>, RecordsError>;

    /// Writes a node's record over the former one.
    async fn put(&self, record: JoinRecord) -> Result<(), RecordsError>;
}

/// Records in memory, for tests.
#[derive(Default)]
pub struct MemoryRecords {
    by_node: Mutex<BTreeMap<String, JoinRecord>>,
}

#[async_trait]
impl JoinRecords for MemoryRecords {
    async fn get(&self, node: &str) -> Result<Option<JoinRecord>, RecordsError> {
        Ok(self.by_node.lock().get(node).cloned())
    }

    async fn all(&self) -> Result<Vec<JoinRecord>, RecordsError> {
        Ok(self.by_node.lock().values().cloned().collect())
    }

    async fn put(&self, record: JoinRecord) -> Result<(), RecordsError> {
        self.by_node.lock().insert(record.node.to_string(), record);
        Ok(())
    }
}
