//! When a node last reported.
// upstream: pkg/controller/nodelifecycle/node_lifecycle_controller.go#tryUpdateNodeHealth

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, NodeCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;

use super::{GRACE, STARTUP_GRACE};

/// The conditions that only the node itself posts.
// upstream: #tryUpdateNodeHealth nodeConditionTypes
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// What was last heard of a node, by this process's clock: how the node's own clock goes doesn't matter.
pub(super) struct Health {
    heard: Instant,
    ready: Option<NodeCondition>,
    renewed: Option<Timestamp>,
}

impl Health {
    /// Of a node that is seen for the first time.
    pub(super) fn new(node: &Node, now: Instant, clock: &Clock) -> Self {
        let ready = condition(node, "Ready").cloned();
        let created = node.metadata.creation_timestamp.as_ref();
        let heard = match (&ready, created) {
            // It has its time to start from when it was made.
            (None, Some(created)) => now.checked_sub(clock.since(created.0)).unwrap_or(now),
            _ => now,
        };
        Self {
            heard,
            ready,
            renewed: None,
        }
    }

    /// Takes in the node's status and when its Lease says that it was renewed.
    pub(super) fn observe(&mut self, node: &Node, renewed: Option<Timestamp>, now: Instant) {
        let ready = condition(node, "Ready");
        let heard = match (&self.ready, ready) {
            (None, Some(_)) | (Some(_), None) => true,
            (Some(old), Some(new)) => old.last_heartbeat_time != new.last_heartbeat_time,
            (None, None) => false,
        };
        if heard {
            self.heard = now;
        }
        self.ready = ready.cloned();
        if renewed.is_some() && self.renewed < renewed {
            self.renewed = renewed;
            self.heard = now;
        }
    }

    /// Silence is counted from `now`.
    pub(super) fn reset(&mut self, now: Instant) {
        self.heard = now;
    }

    /// How long the node may yet be silent.
    pub(super) fn left(&self, node: &Node, now: Instant) -> Duration {
        let grace = match condition(node, "Ready") {
            Some(_) => GRACE,
            None => STARTUP_GRACE,
        };
        (self.heard + grace).saturating_duration_since(now)
    }
}

/// A condition.
pub(super) fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == kind)
}

/// The status of the condition Ready; empty when there is none.
pub(super) fn ready_status(node: &Node) -> &str {
    condition(node, "Ready").map_or("", |c| c.status.as_str())
}

/// Makes all that only the node knows Unknown; whether that changed anything.
pub(super) fn expire(node: &mut Node, now: Time) -> bool {
    let created = node.metadata.creation_timestamp.clone();
    let conditions = node
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let mut changed = false;
    for kind in CONDITIONS {
        match conditions.iter_mut().find(|c| c.type_ == kind) {
            None => {
                conditions.push(NodeCondition {
                    type_: kind.to_owned(),
                    status: "Unknown".to_owned(),
                    reason: Some("NodeStatusNeverUpdated".to_owned()),
                    message: Some("Kubelet never posted node status.".to_owned()),
                    last_heartbeat_time: created.clone(),
                    last_transition_time: Some(now.clone()),
                });
                changed = true;
            }
            Some(condition) if condition.status != "Unknown" => {
                "Unknown".clone_into(&mut condition.status);
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = Some(now.clone());
                changed = true;
            }
            Some(_) => {}
        }
    }
    changed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(heartbeat: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}]},
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_or_a_renewal_starts_the_grace_anew_and_nothing_else_does() {
        let clock = Clock::tokio();
        let first = node("2026-01-01T00:00:00Z");
        let mut health = Health::new(&first, Instant::now(), &clock);
        tokio::time::advance(Duration::from_secs(30)).await;
        health.observe(&first, None, Instant::now());
        assert_eq!(health.left(&first, Instant::now()), Duration::from_secs(10));
        let second = node("2026-01-01T00:00:10Z");
        health.observe(&second, None, Instant::now());
        assert_eq!(health.left(&second, Instant::now()), GRACE);
        tokio::time::advance(GRACE).await;
        let renewed: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        assert!(health.left(&second, Instant::now()).is_zero());
        health.observe(&second, Some(renewed), Instant::now());
        assert_eq!(health.left(&second, Instant::now()), GRACE);
        tokio::time::advance(GRACE).await;
        // The same renewal, and an earlier one, say nothing new.
        health.observe(&second, Some(renewed), Instant::now());
        let earlier: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        health.observe(&second, Some(earlier), Instant::now());
        assert!(health.left(&second, Instant::now()).is_zero());
    }

    #[test]
    fn what_is_silent_becomes_unknown_once_with_upstreams_words() {
        let mut node = node("2026-01-01T00:00:00Z");
        let now = Time("2026-01-01T00:02:00Z".parse().unwrap());
        assert!(expire(&mut node, now.clone()));
        let ready = condition(&node, "Ready").unwrap();
        assert_eq!(ready.status, "Unknown");
        assert_eq!(ready.reason.as_deref(), Some("NodeStatusUnknown"));
        let memory = condition(&node, "MemoryPressure").unwrap();
        assert_eq!(memory.reason.as_deref(), Some("NodeStatusNeverUpdated"));
        assert!(!expire(&mut node, now));
    }
}
