//! The last heartbeat of each node.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::RwLock;
use seal::wire::{Refusal, RefusalCode};
use seal::{Heartbeat, NodePublicKey, SignedHeartbeat};

/// How far a heartbeat's clock may be off. It also bounds what a recorded heartbeat is worth after the control plane
/// has restarted and forgotten the sequence.
const MAX_SKEW: Duration = Duration::from_secs(120);

/// A node's last valid heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatState {
    /// What the node said.
    pub heartbeat: Heartbeat,
    /// When it was received, milliseconds since 1970.
    pub received_at_ms: u64,
}

/// The last heartbeats, in memory.
#[derive(Default)]
pub struct Heartbeats {
    by_node: RwLock<BTreeMap<String, HeartbeatState>>,
}

impl Heartbeats {
    /// A node's last one.
    pub fn last(&self, node: &str) -> Option<HeartbeatState> {
        self.by_node.read().get(node).cloned()
    }

    /// All of them, by node name.
    pub fn all(&self) -> Vec<HeartbeatState> {
        self.by_node.read().values().cloned().collect()
    }

    /// Takes one in if it is signed by `key`, on time, and newer than the last one.
    pub(crate) fn receive(
        &self,
        signed: &SignedHeartbeat,
        key: &NodePublicKey,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let refuse = |code, message: &str| {
            Err(Refusal {
                code,
                message: message.to_owned(),
            })
        };
        let Ok(heartbeat) = signed.verify(key) else {
            return refuse(
                RefusalCode::ProofRejected,
                "the heartbeat is not signed by the node's key",
            );
        };
        let skew = now_ms.abs_diff(heartbeat.timestamp_ms);
        if u128::from(skew) > MAX_SKEW.as_millis() {
            let message =
                format!("the node's clock and this one are {skew} ms apart; set the node's clock");
            return refuse(RefusalCode::ClockSkew, &message);
        }
        let mut nodes = self.by_node.write();
        let last = nodes.get(heartbeat.node.as_str());
        if last.is_some_and(|last| last.heartbeat.sequence >= heartbeat.sequence) {
            return refuse(
                RefusalCode::HeartbeatReplayed,
                "the heartbeat is not newer than the last one",
            );
        }
        nodes.insert(
            heartbeat.node.to_string(),
            HeartbeatState {
                heartbeat: heartbeat.clone(),
                received_at_ms: now_ms,
            },
        );
        Ok(())
    }
}
