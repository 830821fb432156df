//! A node that has joined: what runs until it is stopped or loses its right.

mod heartbeat;
mod node_api;
mod renewal;
mod tunnel;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use agent::cluster_api::KubeClusterApi;
use agent::native::NativeAgent;
use agent::{AgentConfig, NodeAgent as _, NodeCondition};
use arc_swap::ArcSwap;
use chain::stream::Cursor;
use k8s_openapi::api::core::v1 as core;
use seal::{NodeId, NodeKey};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, watch as channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::control_plane::Applicant;
use crate::credentials::{Credentials, Serving};
use crate::error::line;
use crate::retry::Backoff;
use crate::stake::{Staked, Staking, Standing};
use crate::state::StateFile;
use crate::{Config, WorkerError};

/// How long the node's tasks have to end once they are asked to.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Everything that a node's tasks share.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) id: NodeId,
    pub(crate) key: NodeKey,
    pub(crate) addresses: Vec<std::net::IpAddr>,
    pub(crate) staking: Staking,
    pub(crate) staked: Staked,
    pub(crate) state: Mutex<StateFile>,
    pub(crate) credentials: ArcSwap<Credentials>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) api: KubeClusterApi,
    /// The agent that runs; another one after it failed.
    pub(crate) agents: channel::Sender<NativeAgent>,
    pub(crate) agent_config: AgentConfig,
    /// Why the right is gone, once the chain says so.
    pub(crate) lost: channel::Sender<Option<String>>,
    /// Whether the chain was last seen to back this node.
    pub(crate) backed: channel::Sender<bool>,
    /// Asks for new certificates (and a new attestation) now.
    pub(crate) renew_now: Notify,
}

/// How a node ended.
pub(crate) enum End {
    /// Asked to stop; pods go on.
    Stopped,
    /// The right is gone.
    Lost(String),
}

impl Node {
    /// Runs all of it until `shutdown`, or until the right is gone.
    pub(crate) async fn run(
        self: &Arc<Self>,
        cursor: Cursor,
        node_api: Option<TcpListener>,
        shutdown: &CancellationToken,
    ) -> End {
        // What talks to the control plane ends before the agent does.
        let (running, talking) = (shutdown.child_token(), shutdown.child_token());
        let mut tasks = JoinSet::new();
        tasks.spawn(supervise_agent(self.clone(), running.clone()));
        tasks.spawn(heartbeat::run(self.clone(), talking.clone()));
        tasks.spawn(renewal::run(self.clone(), talking.clone()));
        tasks.spawn(tunnel::run(self.clone(), talking.clone()));
        tasks.spawn(watch::run(self.clone(), cursor, talking.clone()));
        if let Some(listener) = node_api {
            tasks.spawn(node_api::run(self.clone(), listener, talking.clone()));
        }
        let mut lost = self.lost.subscribe();
        let end = tokio::select! {
            () = shutdown.cancelled() => End::Stopped,
            reason = lost.wait_for(Option::is_some) => match reason {
                Ok(reason) => End::Lost(reason.clone().unwrap_or_default()),
                Err(_) => End::Stopped,
            },
        };
        if let End::Lost(reason) = &end {
            tracing::error!(
                reason,
                "this node's right to be in the cluster is gone: draining"
            );
            talking.cancel();
            self.drain().await;
        }
        running.cancel();
        talking.cancel();
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task of the node failed");
                }
            }
        };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("not every task of the node ended in time; they are dropped");
            tasks.shutdown().await;
        }
        end
    }

    /// Asks the chain whether the right is still there, and ends everything if it isn't. Whatever else says that it is
    /// gone is not believed without the chain.
    pub(crate) async fn check_standing(&self) {
        match self
            .staking
            .standing(self.staked.stake, self.staked.token)
            .await
        {
            Ok(Standing::Gone(reason)) => {
                self.backed.send_replace(false);
                self.lost.send_replace(Some(reason));
            }
            Ok(Standing::Good { .. }) => {
                self.backed.send_replace(true);
            }
            Err(error) => tracing::warn!(
                error = line(&error),
                "the chain does not say whether the stake is live"
            ),
        }
    }

    /// The agent that runs now.
    pub(crate) fn agent(&self) -> NativeAgent {
        self.agents.borrow().clone()
    }

    pub(crate) fn applicant(&self) -> Applicant<'_> {
        Applicant {
            node: &self.id,
            key: &self.key,
            addresses: self.addresses.clone(),
        }
    }

    /// Uses new certificates for everything that is opened from now on.
    pub(crate) fn use_credentials(&self, credentials: Credentials) -> Result<(), WorkerError> {
        self.api.replace(credentials.kube_client()?);
        self.serving.replace(credentials.serving());
        self.credentials.store(Arc::new(credentials));
        Ok(())
    }

    /// Cordons (if the control plane still listens) and ends every pod.
    async fn drain(&self) {
        match tokio::time::timeout(Duration::from_secs(3), self.cordon()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(error, "the control plane cordons this node by itself")
            }
            Err(_) => tracing::info!("the control plane does not answer; draining without it"),
        }
        let agent = self.agent();
        let drained = agent.drain(self.config.drain_grace());
        // The agent waits for the API's word that the pods are gone, which this node is not given any more.
        let empty = async {
            while agent.health().running_containers > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::pin!(drained);
        tokio::select! {
            biased;
            outcome = &mut drained => if let Err(error) = outcome {
                tracing::warn!(error = line(&error), "not every pod ended in time; they are ended now");
            },
            () = empty => {}
        }
    }

    async fn cordon(&self) -> Result<(), String> {
        let client = self
            .credentials
            .load()
            .kube_client()
            .map_err(|error| line(&error))?;
        let nodes = kube::Api::<core::Node>::all(client);
        let patch = kube::api::Patch::Merge(json!({"spec": {"unschedulable": true}}));
        let patched = nodes
            .patch(self.id.as_str(), &kube::api::PatchParams::default(), &patch)
            .await;
        match patched {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => Err(line(&error)),
        }
    }
}

/// Runs the agent. When it fails another takes its place, with growing pauses; pods go on meanwhile and are adopted.
async fn supervise_agent(node: Arc<Node>, running: CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let since = tokio::time::Instant::now();
        let ended = node.agent().run(running.clone()).await;
        if running.is_cancelled() {
            return;
        }
        match ended {
            Ok(()) => tracing::warn!("the agent ended and is started again"),
            Err(error) => tracing::error!(
                error = line(&error),
                "the agent failed and is started again"
            ),
        }
        if since.elapsed() > Duration::from_secs(60) {
            backoff.reset();
        }
        loop {
            if !backoff.wait(&running).await {
                return;
            }
            match NativeAgent::new(node.agent_config.clone(), Arc::new(node.api.clone())) {
                Ok(next) => {
                    node.agents.send_replace(next);
                    break;
                }
                Err(error) => {
                    tracing::error!(error = line(&error), "the agent can't be started again")
                }
            }
        }
    }
}

/// The condition that shows what was verified of the control plane.
pub(crate) fn attested_condition(claims: &tee_verify::Claims) -> NodeCondition {
    let (reason, message) = if claims.hardware_rooted {
        (
            "HardwareRooted",
            format!("measurement {} on {}", claims.measurement, claims.kind),
        )
    } else {
        let text = format!(
            "measurement {} on {}: no hardware stands behind it",
            claims.measurement, claims.kind
        );
        ("Simulated", text)
    };
    NodeCondition {
        kind: "DaasControlPlaneAttested".to_owned(),
        status: "True".to_owned(),
        reason: reason.to_owned(),
        message,
    }
}
