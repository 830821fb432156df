//! The signed heartbeat.

use std::sync::Arc;
use std::time::Duration;

use agent::NodeAgent as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use seal::wire::{HEARTBEAT, HeartbeatResponse, MAX_BODY, Refusal};
use seal::{Heartbeat, ObjectId, SignedHeartbeat};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::stake::now_ms;

const INTERVAL: Duration = Duration::from_secs(30);

/// After so many failures in a row the control plane is verified anew: it may have another key.
const SUSPICIOUS: u32 = 3;

const DEADLINE: Duration = Duration::from_secs(15);

/// Why a heartbeat wasn't taken.
enum Missed {
    Refused(Refusal),
    Failed(String),
}

pub(super) async fn run(node: Arc<Node>, running: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sequence = 0;
    let mut failures = 0;
    loop {
        tokio::select! {
            () = running.cancelled() => return,
            _ = ticks.tick() => {}
        }
        sequence = now_ms().max(sequence + 1);
        let signed = state(&node, sequence).sign(&node.key);
        let sent = tokio::select! {
            () = running.cancelled() => return,
            sent = tokio::time::timeout(DEADLINE, send(&node, &signed)) => sent,
        };
        match sent.unwrap_or_else(|_| Err(Missed::Failed("no answer in time".to_owned()))) {
            Ok(answer) => {
                failures = 0;
                if !answer.live {
                    tracing::warn!(
                        "the control plane does not see this node's stake live; asking the chain"
                    );
                    node.check_standing().await;
                }
            }
            Err(Missed::Refused(refusal)) => {
                tracing::warn!(%refusal, "the heartbeat was refused");
                if refusal.code.is_loss_of_right() {
                    node.check_standing().await;
                }
                node.renew_now.notify_one();
            }
            Err(Missed::Failed(reason)) => {
                failures += 1;
                tracing::warn!(reason, failures, "the heartbeat did not arrive; pods go on");
                if failures % SUSPICIOUS == 0 {
                    node.renew_now.notify_one();
                }
            }
        }
    }
}

fn state(node: &Node, sequence: u64) -> Heartbeat {
    let health = node.agent().health();
    Heartbeat {
        cluster: ObjectId(
            node.staking
                .deployment
                .cluster
                .map_or([0; 32], |id| id.into_inner()),
        ),
        token: ObjectId(node.staked.token.into_inner()),
        node: node.id.clone(),
        sequence,
        timestamp_ms: now_ms(),
        node_ready: health.reason.is_empty() && health.runtime_ready && health.network_ready,
        runtime_ready: health.runtime_ready,
        stake_active: *node.backed.borrow(),
        pods: u32::try_from(health.pods).unwrap_or(u32::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn send(node: &Node, signed: &SignedHeartbeat) -> Result<HeartbeatResponse, Missed> {
    let failed = |error: &dyn std::error::Error| Missed::Failed(crate::error::line(error));
    let connector = node.credentials.load().connector(false);
    let host = node.credentials.load().address().to_owned();
    let stream = connector.connect().await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let exchange = async {
        let body = serde_json::to_vec(signed).map_err(|error| failed(&error))?;
        let request = http::Request::post(HEARTBEAT)
            .header(http::header::HOST, host)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body
            .map_err(|error| Missed::Failed(error.to_string()))?
            .to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| failed(&error));
        }
        match serde_json::from_slice(&body) {
            Ok(refusal) => Err(Missed::Refused(refusal)),
            Err(_) => Err(Missed::Failed(format!("HTTP status {status}"))),
        }
    };
    // The connection moves only as long as the exchange does.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    let mut open = true;
    loop {
        tokio::select! {
            outcome = &mut exchange => return outcome,
            _ = &mut connection, if open => open = false,
        }
    }
}
