//! Holds the tunnel open through which the control plane reaches the node API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::retry::Backoff;

const DEADLINE: Duration = Duration::from_secs(15);

pub(super) async fn run(node: Arc<Node>, running: CancellationToken) {
    let mut backoff = Backoff::new();
    while !running.is_cancelled() {
        let opened = tokio::select! {
            () = running.cancelled() => return,
            opened = tokio::time::timeout(DEADLINE, open(&node)) => opened,
        };
        match opened.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(upgraded) => {
                backoff.reset();
                tracing::info!("the tunnel is open");
                let (mut agents, this) = (node.agents.subscribe(), running.child_token());
                let api = node.agent().node_api();
                let served = tunnel::serve(TokioIo::new(upgraded), api, this.clone());
                tokio::pin!(served);
                let ended = tokio::select! {
                    ended = &mut served => ended,
                    _ = agents.changed() => {
                        // The new agent's API goes through a new tunnel.
                        this.cancel();
                        served.await
                    }
                };
                match ended {
                    Ok(()) => tracing::info!("the tunnel is closed"),
                    Err(error) => tracing::info!(%error, "the tunnel broke"),
                }
            }
            Err(reason) => tracing::warn!(reason, "the tunnel can't be opened"),
        }
        if !backoff.wait(&running).await {
            return;
        }
    }
}

async fn open(node: &Node) -> Result<hyper::upgrade::Upgraded, String> {
    let text = |error: &dyn std::error::Error| crate::error::line(error);
    let credentials = node.credentials.load_full();
    let stream = credentials
        .connector(false)
        .connect()
        .await
        .map_err(|error| text(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    // It ends with the tunnel, which holds the connection after the upgrade.
    tokio::spawn(connection.with_upgrades());
    let request = http::Request::get(tunnel::PATH)
        .header(http::header::HOST, credentials.address())
        .header(http::header::CONNECTION, "upgrade")
        .header(http::header::UPGRADE, tunnel::PROTOCOL)
        .body(Empty::<Bytes>::new())
        .map_err(|error| text(&error))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| text(&error))?;
    if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("the control plane answers {}", response.status()));
    }
    hyper::upgrade::on(response)
        .await
        .map_err(|error| text(&error))
}
