//! What the scheduler tells users: Events and the pod's PodScheduled condition.

use jiff::Timestamp;
use machinery::Status;
use registry::api::Api;
use registry::{Patch, Registry, UserInfo};
use serde_json::{Value, json};

use crate::pod_info::PodInfo;

/// As whom the scheduler acts.
pub(crate) const USER: &str = "system:kube-scheduler";
/// The scheduler that pods ask for by default.
pub(crate) const SCHEDULER_NAME: &str = "default-scheduler";

/// Writes Events and conditions.
#[derive(Clone)]
pub(crate) struct Reporter {
    events: Api<Value>,
    pods: Api<Value>,
}

impl Reporter {
    pub(crate) fn new(registry: &Registry, user: &UserInfo) -> Result<Self, Status> {
        Ok(Self {
            events: registry.api("", "v1", "events", user.clone())?,
            pods: registry.api("", "v1", "pods", user.clone())?,
        })
    }

    /// `Successfully assigned ns/pod to node`.
    pub(crate) async fn scheduled(&self, pod: &PodInfo, node: &str) {
        let text = format!("Successfully assigned {} to {node}", pod.key);
        self.event(pod, "Normal", "Scheduled", &text).await;
    }

    /// The pod could not be placed: an Event, and the condition with the reason.
    pub(crate) async fn failed(&self, pod: &PodInfo, reason: &str, text: &str) {
        if is_said(pod, reason, text) {
            return;
        }
        let condition = json!({ "status": { "conditions": [{
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": text,
            "lastProbeTime": null,
            "lastTransitionTime": now(),
        }]}});
        let patch = Patch::Strategic(condition);
        let patched = self
            .pods
            .patch(pod.key.namespace(), pod.key.name(), "status", patch)
            .await;
        if let Err(error) = patched {
            tracing::debug!(pod = %pod.key, %error, "the condition could not be written");
        }
        self.event(pod, "Warning", "FailedScheduling", text).await;
    }

    async fn event(&self, pod: &PodInfo, kind: &str, reason: &str, text: &str) {
        let namespace = pod.key.namespace().unwrap_or("default");
        let now = now();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            // upstream: client-go/tools/record/event.go#makeEvent
            "metadata": { "name": format!("{}.{:x}", pod.key.name(), Timestamp::now().as_nanosecond()), "namespace": namespace },
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": pod.key.name(),
                "uid": pod.uid(), "resourceVersion": pod.pod.metadata.resource_version,
            },
            "reason": reason,
            "message": text,
            "type": kind,
            "source": { "component": SCHEDULER_NAME },
            "reportingComponent": SCHEDULER_NAME,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        if let Err(error) = self.events.create(Some(namespace), &event).await {
            tracing::debug!(pod = %pod.key, %error, "the event could not be written");
        }
    }
}

/// Whether the pod's condition says exactly that already.
fn is_said(pod: &PodInfo, reason: &str, text: &str) -> bool {
    let conditions = pod
        .pod
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_deref());
    conditions.unwrap_or_default().iter().any(|c| {
        c.type_ == "PodScheduled"
            && c.status == "False"
            && c.reason.as_deref() == Some(reason)
            && c.message.as_deref() == Some(text)
    })
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
