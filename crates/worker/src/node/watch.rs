//! Watches the chain for what concerns this node.

use std::sync::Arc;

use chain::events::Event;
use chain::stream::Cursor;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::error::line;

pub(super) async fn run(node: Arc<Node>, cursor: Cursor, running: CancellationToken) {
    let staking = &node.staking;
    let mut events = staking.client.events(&staking.deployment, cursor);
    node.check_standing().await;
    loop {
        let delivery = tokio::select! {
            () = running.cancelled() => return,
            delivery = events.next() => delivery,
        };
        match delivery {
            Ok(delivery) => {
                if let Some(emitted) = delivery.emitted
                    && concerns(&node, &emitted.event)
                {
                    tracing::info!(event = emitted.event.name(), digest = %emitted.digest, "the chain says something of this node");
                    node.check_standing().await;
                }
            }
            Err(error) => {
                tracing::warn!(error = line(&error), "the chain's events can't be followed")
            }
        }
    }
}

fn concerns(node: &Node, event: &Event) -> bool {
    let staked = &node.staked;
    matches!(event, Event::TierChanged(_))
        || event.stake() == Some(staked.stake)
        || event.token() == Some(staked.token)
}
