//! The built-in agent: pods through CRI against containerd.

mod context;
mod node_status;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::cluster_api::ClusterApi;
use crate::cri::v1::VersionRequest;
use crate::node_api::{self, NodeApi};
use crate::pod::recorder::Recorder;
use crate::pod::supervisor::{Supervisor, remove_sandboxes};
use crate::volume::remove_tree;
use crate::{AgentConfig, AgentError, AgentHealth, AgentKind, NodeAgent, NodeCondition};

pub(crate) use context::{Node, memory_kib, remove_cgroup};

/// The native agent; cheap to clone.
#[derive(Clone)]
pub struct NativeAgent {
    inner: Arc<Inner>,
}

struct Inner {
    node: Arc<Node>,
    supervisor: Supervisor,
    /// Ends everything of the agent, but no pod.
    stop: CancellationToken,
    /// Taken by the first `run`.
    recording: Mutex<Option<futures::future::BoxFuture<'static, ()>>>,
    /// There while `run` runs: resolves when it has returned.
    running: Mutex<Option<oneshot::Receiver<()>>>,
    conditions: Mutex<Vec<NodeCondition>>,
    conditions_changed: Notify,
    runtime_version: Mutex<String>,
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
        for path in [
            config.data_dir.clone(),
            config.data_dir.join("pods"),
            config.data_dir.join("logs"),
            config.cni_conf_dir.clone(),
        ] {
            std::fs::create_dir_all(&path)
                .map_err(|source| AgentError::Directory { path, source })?;
        }
        // Mount points are compared by their real path.
        let mut config = config;
        config.data_dir =
            std::fs::canonicalize(&config.data_dir).map_err(|source| AgentError::Directory {
                path: config.data_dir.clone(),
                source,
            })?;
        let config = Arc::new(config);
        let stop = CancellationToken::new();
        let (recorder, recording) =
            Recorder::new(api.clone(), config.node_name.clone(), stop.clone());
        let conditions = Mutex::new(config.conditions.clone());
        let node = Arc::new(Node::new(config, api, recorder));
        let supervisor = Supervisor::new(node.clone(), stop.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                node,
                supervisor,
                stop,
                recording: Mutex::new(Some(Box::pin(recording))),
                running: Mutex::new(None),
                conditions,
                conditions_changed: Notify::new(),
                runtime_version: Mutex::default(),
            }),
        })
    }

    /// The node API of this agent.
    pub fn node_api(&self) -> NodeApi {
        node_api::new(self.inner.node.clone(), self.inner.supervisor.clone())
    }

    /// Replaces the conditions that the worker adds to the Node, and reports them.
    pub fn set_conditions(&self, conditions: Vec<NodeCondition>) {
        *self.inner.conditions.lock() = conditions;
        self.inner.conditions_changed.notify_one();
    }

    /// Waits for the runtime; the worker starts containerd beside the agent.
    async fn await_runtime(&self) -> Result<(), AgentError> {
        const ATTEMPTS: u32 = 100;
        for attempt in 1.. {
            match self.inner.node.cri.version(VersionRequest::default()).await {
                Ok(version) => {
                    *self.inner.runtime_version.lock() =
                        format!("{}://{}", version.runtime_name, version.runtime_version);
                    self.inner.node.runtime_answered(true);
                    return Ok(());
                }
                Err(source) if attempt == ATTEMPTS => {
                    return Err(AgentError::Runtime {
                        socket: self.inner.node.config.containerd_socket.clone(),
                        source,
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl NodeAgent for NativeAgent {
    async fn run(&self, shutdown: CancellationToken) -> Result<(), AgentError> {
        let inner = &self.inner;
        let Some(recording) = inner.recording.lock().take() else {
            return Err(AgentError::AlreadyRunning);
        };
        let (_ended, running) = oneshot::channel();
        *inner.running.lock() = Some(running);
        let recording = tokio::spawn(recording);
        let work = async {
            self.await_runtime().await?;
            let registered = node_status::Registrar::new(inner.node.clone(), self.clone());
            tokio::join!(inner.supervisor.run(), registered.run(&inner.stop));
            Ok(())
        };
        tokio::pin!(work);
        let outcome = tokio::select! {
            outcome = &mut work => outcome,
            () = shutdown.cancelled() => {
                inner.stop.cancel();
                work.await
            }
        };
        inner.stop.cancel();
        let _ = recording.await;
        outcome
    }

    async fn drain(&self, grace: Duration) -> Result<(), AgentError> {
        self.inner
            .supervisor
            .drain(grace)
            .await
            .map_err(AgentError::DrainTimeout)
    }

    async fn stop_all(&self) -> Result<(), AgentError> {
        let inner = &self.inner;
        inner.stop.cancel();
        let running = inner.running.lock().take();
        if let Some(running) = running {
            // An error is what it waits for: the other half is dropped at the end of `run`.
            let _ = running.await;
        }
        let node = &inner.node;
        let mut left = Vec::new();
        if let Err(error) = remove_sandboxes(node, &|_| true, Some(0)).await {
            left.push(format!("containers: {error}"));
        }
        let (pods, logs) = (node.pods_dir(), node.logs_dir());
        let removed =
            tokio::task::spawn_blocking(move || [remove_tree(&pods), remove_tree(&logs)]).await;
        for error in removed.into_iter().flatten().filter_map(Result::err) {
            left.push(format!("volumes: {error}"));
        }
        if let Err(error) = node.network.cleanup().await {
            left.push(format!("network: {error}"));
        }
        remove_cgroup(&format!("/{}", node.network.name()));
        if left.is_empty() {
            Ok(())
        } else {
            Err(AgentError::Leftovers(left))
        }
    }

    fn health(&self) -> AgentHealth {
        let node = &self.inner.node;
        let (runtime_ready, network_ready) = (node.runtime_ready(), node.network.is_configured());
        let reason = match (runtime_ready, network_ready) {
            (false, _) => "container runtime is down",
            (_, false) => "container runtime network not ready",
            _ => "",
        };
        AgentHealth {
            runtime_ready,
            network_ready,
            api_reachable: node.api_reachable(),
            runtime_version: self.inner.runtime_version.lock().clone(),
            pods: self.inner.supervisor.pods().len(),
            running_containers: node.running_logs().len(),
            reason: reason.to_owned(),
        }
    }
}
