//! The built-in agent: pods through CRI against containerd.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::cluster_api::ClusterApi;
use crate::node_api::NodeApi;
use crate::{AgentConfig, AgentError, AgentHealth, AgentKind, NodeAgent, NodeCondition};

/// The native agent; cheap to clone.
#[derive(Clone)]
pub struct NativeAgent {
    config: Arc<AgentConfig>,
    api: Arc<dyn ClusterApi>,
}

impl NativeAgent {
    /// An agent that is not running yet; makes its directories.
    ///
    /// # Errors
    /// Another kind of agent is asked for, or a directory can't be made.
    pub fn new(config: AgentConfig, api: Arc<dyn ClusterApi>) -> Result<Self, AgentError> {
        if config.kind != AgentKind::Native {
            return Err(AgentError::NotSupported(config.kind));
        }
        Ok(Self {
            config: Arc::new(config),
            api,
        })
    }

    /// The node API of this agent.
    pub fn node_api(&self) -> NodeApi {
        todo!()
    }

    /// Replaces the conditions that the worker adds to the Node, and reports them.
    pub fn set_conditions(&self, conditions: Vec<NodeCondition>) {
        let _ = conditions;
    }
}

#[async_trait]
impl NodeAgent for NativeAgent {
    async fn run(&self, shutdown: CancellationToken) -> Result<(), AgentError> {
        let _ = (&self.config, &self.api);
        shutdown.cancelled().await;
        Ok(())
    }

    async fn drain(&self, grace: Duration) -> Result<(), AgentError> {
        let _ = grace;
        Ok(())
    }

    async fn stop_all(&self) -> Result<(), AgentError> {
        Ok(())
    }

    fn health(&self) -> AgentHealth {
        AgentHealth::default()
    }
}
