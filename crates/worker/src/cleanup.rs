//! Removes what a worker that doesn't run any more left on the machine.

use std::net::Ipv4Addr;
use std::sync::Arc;

use agent::NodeAgent as _;
use agent::cluster_api::KubeClusterApi;
use agent::native::NativeAgent;
use bytes::Bytes;
use http_body_util::Empty;

use crate::lifecycle::{agent_config, lock};
use crate::runtime::{Runtime, remove_all};
use crate::{Config, WorkerError};

/// Ends every pod and removes what the worker's agent and its private containerd made: containers, shims, mounts, network
/// namespaces, interfaces, rules. Stake, keys and state stay. Safe to repeat.
///
/// # Errors
/// What could not be removed; [`WorkerError::InUse`] while a worker runs there.
pub async fn cleanup(config: &Config) -> Result<(), WorkerError> {
    let config = &config.clone().absolute()?;
    if !config.data_dir.exists() {
        return Ok(());
    }
    let _lock = lock(&config.data_dir)?;
    remove_everything(config).await
}

/// As [`cleanup`], by who holds the lock.
pub(crate) async fn remove_everything(config: &Config) -> Result<(), WorkerError> {
    let left_something = config.containerd_dir().exists() || config.agent_dir().exists();
    if !left_something {
        return Ok(());
    }
    let api = Arc::new(KubeClusterApi::new(nowhere()));
    let agent = NativeAgent::new(agent_config(config, Ipv4Addr::LOCALHOST.into()), api)?;
    let stopped = match Runtime::start(config).await {
        Ok(runtime) => {
            let stopped = agent.stop_all().await;
            runtime.stop().await;
            stopped
        }
        Err(error) => {
            tracing::warn!(%error, "cleaning up without the container runtime");
            agent.stop_all().await
        }
    };
    if config.containerd_socket.is_none() {
        // What the agent could not end in an orderly way goes with this.
        remove_all(config).await?;
    }
    Ok(stopped?)
}

/// A client that reaches nobody: the control plane has no part in a clean-up.
fn nowhere() -> kube::Client {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        let refused: std::io::Result<http::Response<Empty<Bytes>>> = Err(std::io::Error::other(
            "no control plane is asked during a clean-up",
        ));
        refused
    });
    kube::Client::new(service, "default")
}
