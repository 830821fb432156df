//! Takes nodes out of the cluster whose right is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chain::Address;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{LiveView, NotLive, Revoked, Subject};
use crate::join::{JoinRecord, JoinRecords, RecordsError};

/// What has to be done to a node in the cluster. Each act is complete and may be repeated.
#[async_trait]
pub trait NodeControl: Send + Sync + 'static {
    /// Makes `node` unschedulable, marks it with the reason, ends its connections and removes its pods (its agent
    /// can't confirm their end any more). A node that doesn't exist is no error. Returns how many pods
    /// were removed.
    async fn withdraw(&self, node: &str, reason: &NotLive) -> Result<usize, NodeControlError>;

    /// Undoes the marks of [`NodeControl::withdraw`], and nothing that somebody else did. Called when the node has
    /// joined again.
    async fn restore(&self, node: &str) -> Result<(), NodeControlError>;
}

/// A node could not be acted upon.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} node {node}: {reason}")]
pub struct NodeControlError {
    /// What was tried.
    pub action: &'static str,
    /// On which node.
    pub node: String,
    /// What the API said.
    pub reason: String,
}

/// Withdraws nodes as the view withdraws their identities.
pub struct Enforcer {
    view: LiveView,
    records: Arc<dyn JoinRecords>,
    control: Arc<dyn NodeControl>,
}

const RETRY: Duration = Duration::from_millis(500);

impl Enforcer {
    /// An enforcer; [`Enforcer::run`] starts it.
    pub fn new(
        view: LiveView,
        records: Arc<dyn JoinRecords>,
        control: Arc<dyn NodeControl>,
    ) -> Self {
        Self {
            view,
            records,
            control,
        }
    }

    /// Runs until `shutdown`. At the beginning, and whenever it fell behind, it looks at every node that joined; what
    /// fails is tried again until it works or the node is live again.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut announced = self.view.revocations();
        let mut changes = self.view.changes();
        while self.view.current().is_err() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
        let mut todo: BTreeMap<String, NotLive> = BTreeMap::new();
        let mut look_at_all = true;
        loop {
            if look_at_all {
                match self.all().await {
                    Ok(all) => {
                        todo.extend(all);
                        look_at_all = false;
                    }
                    Err(error) => tracing::error!(%error, "the joined nodes cannot be listed"),
                }
            }
            self.work(&mut todo).await;
            let retry = async {
                if todo.is_empty() && !look_at_all {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY).await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = retry => {}
                next = announced.recv() => match next {
                    Ok(Revoked { subject: Subject::Node { node, .. }, reason }) => {
                        todo.insert(node, reason);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "looking at every node: revocations came too fast");
                        look_at_all = true;
                    }
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn work(&self, todo: &mut BTreeMap<String, NotLive>) {
        let nodes: Vec<String> = todo.keys().cloned().collect();
        for node in nodes {
            let Some(reason) = todo.get(&node) else {
                continue;
            };
            match self.is_withdrawn(&node).await {
                Ok(true) => {}
                Ok(false) => {
                    todo.remove(&node);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(node, %error, "will be tried again");
                    continue;
                }
            }
            match self.control.withdraw(&node, reason).await {
                Ok(pods) => {
                    tracing::warn!(node, %reason, pods, "node withdrawn, its pods removed");
                    todo.remove(&node);
                }
                Err(error) => tracing::warn!(%error, "will be tried again"),
            }
        }
    }

    /// Whether the token that the node joined with last is void. It may have come back with another one, or
    /// never have joined.
    async fn is_withdrawn(&self, node: &str) -> Result<bool, RecordsError> {
        let record = self.records.get(node).await?;
        Ok(record.is_some_and(|record| self.reason(&record).is_some()))
    }

    fn reason(&self, record: &JoinRecord) -> Option<NotLive> {
        let reason = self.view.check_token(Address::new(record.token.0)).err()?;
        // Not knowing is no reason to throw out what runs; the gate refuses such a node meanwhile.
        (!matches!(reason, NotLive::NotSynced | NotLive::Stale)).then_some(reason)
    }

    async fn all(&self) -> Result<BTreeMap<String, NotLive>, RecordsError> {
        let records = self.records.all().await?;
        let withdrawn = records
            .iter()
            .filter_map(|record| Some((record.node.to_string(), self.reason(record)?)));
        Ok(withdrawn.collect())
    }
}
