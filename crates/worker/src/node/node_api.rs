//! The node's own API on its port, for a control plane that reaches it directly.

use std::sync::Arc;

use agent::node_api::PeerCheck;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::error::line;
use crate::retry::Backoff;

pub(super) async fn run(node: Arc<Node>, listener: TcpListener, running: CancellationToken) {
    let config = node.credentials.load().serving_config(node.serving.clone());
    let (config, address) = match (config, listener.local_addr()) {
        (Ok(config), Ok(address)) => (Arc::new(config), address),
        (Err(error), _) => {
            tracing::error!(
                error = line(&error),
                "the node API is not served on its port"
            );
            return;
        }
        (_, Err(error)) => {
            tracing::error!(%error, "the node API is not served on its port");
            return;
        }
    };
    let mut next = Some(listener);
    let mut backoff = Backoff::new();
    while !running.is_cancelled() {
        let Some(listener) = next.take() else {
            match TcpListener::bind(address).await {
                Ok(listener) => next = Some(listener),
                Err(error) => {
                    tracing::warn!(%error, %address, "the node API can't listen");
                    backoff.wait(&running).await;
                }
            }
            continue;
        };
        let allowed: PeerCheck = Arc::new(|chain| {
            let leaf = chain.first().map(|leaf| pki::parse_certificate(leaf));
            matches!(leaf, Some(Ok(peer)) if peer.common_name == pki::CONTROL_PLANE)
        });
        let (mut agents, this) = (node.agents.subscribe(), running.child_token());
        let api = node.agent().node_api();
        let served = api.serve_tls(listener, config.clone(), allowed, this.clone());
        tokio::pin!(served);
        tokio::select! {
            () = &mut served => {}
            _ = agents.changed() => {
                this.cancel();
                served.await;
            }
        }
        backoff.reset();
    }
}
