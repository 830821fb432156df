//! What the agent asks of the cluster, as a trait, so that its logic isn't welded to a client.

mod kube_api;

use async_trait::async_trait;
use futures::stream::BoxStream;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret};
use serde_json::Value;

pub use kube_api::KubeClusterApi;

/// A change to the pods that are bound to this node.
#[derive(Debug, Clone)]
pub enum PodChange {
    /// A complete list, at the start and after every gap.
    Restarted(Vec<Pod>),
    /// Added or changed.
    Applied(Box<Pod>),
    /// Gone from the API.
    Deleted(Box<Pod>),
}

/// Failure of a call to the cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterApiError {
    /// The API server answered with a Status.
    #[error("{message}")]
    Status {
        /// HTTP code.
        code: u16,
        /// Reason, e.g. `NotFound`.
        reason: String,
        /// The server's message.
        message: String,
    },
    /// It could not be asked.
    #[error("the API server is unreachable: {0}")]
    Unreachable(String),
}

impl ClusterApiError {
    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
    }

    /// Another writer was first, or the precondition (UID) does not hold.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Status { code: 409, .. })
    }
}

/// A token made by TokenRequest.
#[derive(Clone)]
pub struct BoundToken {
    /// The JWT.
    pub token: String,
    /// When it expires, seconds since the epoch.
    pub expires_at: i64,
}

/// What the agent asks of the cluster.
#[async_trait]
pub trait ClusterApi: Send + Sync + 'static {
    /// The pods with `spec.nodeName` = `node`, from a first list on, forever: gaps are healed
    /// inside, an `Err` is for the record only.
    fn watch_pods(&self, node: &str) -> BoxStream<'static, Result<PodChange, ClusterApiError>>;

    /// Strategic-merge patch of a pod's status subresource.
    async fn patch_pod_status(
        &self,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Pod, ClusterApiError>;

    /// Removes a pod for good: grace 0, with the UID as precondition.
    async fn delete_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterApiError>;

    /// Reads a ConfigMap.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, ClusterApiError>;

    /// Reads a Secret.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, ClusterApiError>;

    /// TokenRequest for `account`, bound to a pod.
    async fn service_account_token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[String],
        expiration_seconds: i64,
        pod_name: &str,
        pod_uid: &str,
    ) -> Result<BoundToken, ClusterApiError>;

    /// Creates an Event (core/v1).
    async fn create_event(&self, event: &Event) -> Result<(), ClusterApiError>;

    /// Counts a known Event up by merge patch.
    async fn patch_event(
        &self,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<(), ClusterApiError>;

    /// Reads the Node.
    async fn node(&self, name: &str) -> Result<Node, ClusterApiError>;

    /// The Node, whenever it changes.
    fn watch_node(&self, name: &str) -> BoxStream<'static, Result<Option<Node>, ClusterApiError>>;

    /// Creates the Node.
    async fn create_node(&self, node: &Node) -> Result<Node, ClusterApiError>;

    /// Strategic-merge patch of the Node's metadata or spec.
    async fn patch_node(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError>;

    /// Strategic-merge patch of the Node's status.
    async fn patch_node_status(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError>;

    /// Reads the node's Lease in `kube-node-lease`.
    async fn lease(&self, name: &str) -> Result<Lease, ClusterApiError>;

    /// Creates the node's Lease.
    async fn create_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError>;

    /// Replaces the node's Lease.
    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError>;
}
