//! Node agents: what makes a machine a Kubernetes node.
//!
//! [`NodeAgent`] is the contract; [`native::NativeAgent`] is the agent that is built in: it talks
//! to containerd through CRI, writes the CNI configuration, runs one worker per pod, keeps the
//! Node object and its Lease, and answers the kubelet's HTTP paths ([`node_api::NodeApi`]).
//!
//! The agent reaches the cluster only through [`cluster_api::ClusterApi`], so its logic runs
//! against a stand-in in tests. Loss of the API server stops no pod, and a restarted agent adopts
//! the containers that run.
//!
//! Left to others: staking, joining, certificates and the supervision of containerd (`worker`),
//! Services and cluster DNS.

pub mod cluster_api;
pub mod config;
pub mod containerd;
pub mod cri;
pub mod error;
pub mod eviction;
pub mod image;
pub mod native;
pub mod network;
pub mod node_api;

mod logs;
mod pod;
mod spdy;
mod volume;

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use config::{AgentConfig, AgentKind, NodeCondition, NodeTaint};
pub use error::AgentError;

/// A node agent: runs the pods that the API server binds to this node.
#[async_trait]
pub trait NodeAgent: Send + Sync {
    /// Runs until `shutdown` is cancelled or the agent can't go on. An agent runs once; to start
    /// again, make another one.
    ///
    /// Pods are left running when it returns: a later `run` adopts them. Use [`Self::drain`] or
    /// [`Self::stop_all`] to end them.
    ///
    /// # Errors
    /// What keeps the agent from running at all (runtime unreachable, bad configuration). Loss of
    /// the API server is not an error.
    async fn run(&self, shutdown: CancellationToken) -> Result<(), AgentError>;

    /// Ends every pod in its own grace period, but no longer than `grace`, reports their last
    /// status, and accepts no new ones. The node's other state stays.
    ///
    /// # Errors
    /// When pods are left after the time.
    async fn drain(&self, grace: Duration) -> Result<(), AgentError>;

    /// Ends every pod at once and removes all that this agent made on the machine: containers,
    /// sandboxes, network namespaces, the bridge, iptables rules, mounts, volumes, logs. Works
    /// with no API server and whether or not [`Self::run`] runs. Safe to repeat.
    ///
    /// # Errors
    /// What could not be removed; everything else was.
    async fn stop_all(&self) -> Result<(), AgentError>;

    /// What the worker's heartbeat says of this node.
    fn health(&self) -> AgentHealth;
}

/// A snapshot of the agent's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct AgentHealth {
    /// The container runtime answered lately.
    pub runtime_ready: bool,
    /// The pod network is configured.
    pub network_ready: bool,
    /// The API server answered lately (watch or lease).
    pub api_reachable: bool,
    /// Name and version of the container runtime, `containerd://1.6.20`.
    pub runtime_version: String,
    /// Pods known to the agent.
    pub pods: usize,
    /// Containers that run.
    pub running_containers: usize,
    /// Why the node is not ready, for people; empty when it is.
    pub reason: String,
}
