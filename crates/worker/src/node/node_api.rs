//! The node's own API on its port, for a control plane that reaches it directly.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::error::line;

pub(super) async fn run(node: Arc<Node>, listener: TcpListener, running: CancellationToken) {
    let config = node.credentials.load().serving_config(node.serving.clone());
    match config {
        Ok(config) => {
            let allowed = Arc::new(|chain: &[CertificateDer<'_>]| {
                let leaf = chain.first().map(|leaf| pki::parse_certificate(leaf));
                matches!(leaf, Some(Ok(peer)) if peer.common_name == pki::CONTROL_PLANE)
            });
            let api = node.agent.node_api();
            api.serve_tls(listener, Arc::new(config), allowed, running)
                .await;
        }
        Err(error) => tracing::error!(
            error = line(&error),
            "the node API is not served on its port"
        ),
    }
}
