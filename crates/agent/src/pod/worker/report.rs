//! Writing the pod's status.
// upstream: pkg/kubelet/status/status_manager.go#syncPod

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;

use super::Worker;
use crate::pod::observe::Observed;
use crate::pod::spec::PodExt;
use crate::pod::status::{self, View};

/// Condition types that the agent owns; others are other people's.
const OWN: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

impl Worker {
    /// The newest status that is known: what this worker wrote, with other writers' conditions.
    pub(super) fn status_of(&self, pod: &Pod) -> PodStatus {
        let theirs = pod.status.clone().unwrap_or_default();
        let Some(mut status) = self.acknowledged.clone() else {
            return theirs;
        };
        let conditions = status.conditions.get_or_insert_default();
        conditions.retain(|c| OWN.contains(&c.type_.as_str()));
        conditions.extend(
            theirs
                .conditions
                .unwrap_or_default()
                .into_iter()
                .filter(|c| !OWN.contains(&c.type_.as_str())),
        );
        status
    }

    /// Writes what is observed, if that is news. A failure is tried again in the next round.
    pub(super) async fn report(&mut self, pod: &Pod, observed: &Observed, over: bool) {
        let old = self.status_of(pod);
        let mut known = pod.clone();
        known.status = Some(old.clone());
        let host_ips = self.node.host_ips();
        let new = {
            let view = View {
                reasons: &self.reasons,
                started: &|c| self.is_started(pod, c),
                ready: &|c| !over && self.is_ready(pod, c),
                host_ips: &host_ips,
                now: Timestamp::now(),
                failed: self.failed.as_ref(),
                over,
            };
            status::generate(&known, observed, &view)
        };
        let Some(patch) = status::patch(&self.uid, &old, &new) else {
            self.report_failed = false;
            return;
        };
        match self
            .node
            .api
            .patch_pod_status(pod.namespace(), pod.name(), patch)
            .await
        {
            Ok(_) => {
                self.acknowledged = Some(new);
                self.report_failed = false;
            }
            Err(error) if error.is_not_found() || error.is_conflict() => self.report_failed = false,
            Err(error) => {
                tracing::debug!(pod = pod.full_name(), %error, "status not written");
                self.report_failed = true;
            }
        }
    }
}
