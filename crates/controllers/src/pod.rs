//! What controllers ask of pods, and how they make them.
// upstream: pkg/api/v1/pod/util.go, pkg/controller/controller_utils.go

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;

use crate::clock::{Clock, plus_seconds};
use crate::meta::Meta;

/// The annotation that says which pods to delete first.
pub(crate) const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The phase, empty when there is none yet.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|s| s.phase.as_deref())
        .unwrap_or_default()
}

/// The node, empty when there is none yet.
pub(crate) fn node(pod: &Pod) -> &str {
    pod.spec
        .as_ref()
        .and_then(|s| s.node_name.as_deref())
        .unwrap_or_default()
}

/// It ended, by itself or by failing.
pub(crate) fn terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Not ended, not going.
// upstream: controller_utils.go#IsPodActive
pub(crate) fn active(pod: &Pod) -> bool {
    !terminal(pod) && !pod.deleting()
}

/// Going, and not ended.
// upstream: controller_utils.go#IsPodTerminating
pub(crate) fn terminating(pod: &Pod) -> bool {
    !terminal(pod) && pod.deleting()
}

/// A condition.
pub(crate) fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|c| c.type_ == kind)
}

/// Whether it is ready.
pub(crate) fn ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// When it became ready.
pub(crate) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    condition(pod, "Ready")
        .filter(|c| c.status == "True")
        .and_then(|c| c.last_transition_time.as_ref())
        .map(|t| t.0)
}

/// Whether it has been ready for so many seconds.
// upstream: util.go#IsPodAvailable
pub(crate) fn available(pod: &Pod, min_ready_seconds: i32, clock: &Clock) -> bool {
    ready(pod)
        && (min_ready_seconds == 0
            || ready_since(pod)
                .is_some_and(|since| plus_seconds(since, min_ready_seconds.into()) <= clock.now()))
}

/// How long until the next of these pods becomes available by time alone.
// upstream: pkg/controller/replicaset/replica_set_utils.go, controller_utils.go#FindMinNextPodAvailabilityCheck
pub(crate) fn next_available<'a>(
    pods: impl Iterator<Item = &'a Pod>,
    min_ready_seconds: i32,
    clock: &Clock,
) -> Option<Duration> {
    if min_ready_seconds == 0 {
        return None;
    }
    pods.filter(|pod| !available(pod, min_ready_seconds, clock))
        .filter_map(ready_since)
        .map(|since| clock.until(plus_seconds(since, min_ready_seconds.into())))
        .min()
        // Never a busy loop, should the clocks differ.
        .map(|wait| wait.max(Duration::from_millis(50)))
}

/// How often its containers were started again.
pub(crate) fn restarts(pod: &Pod) -> i32 {
    pod.status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref())
        .into_iter()
        .flatten()
        .map(|c| c.restart_count)
        .max()
        .unwrap_or_default()
}

/// The base of generated names.
// upstream: controller_utils.go#getPodsPrefix
pub(crate) fn name_prefix(controller: &str) -> String {
    let prefix = format!("{controller}-");
    // A name that can't be a prefix with the dash is used without it.
    if prefix.len() > 253 {
        controller.to_owned()
    } else {
        prefix
    }
}

/// A pod by a template, of a controller.
// upstream: controller_utils.go#GetPodFromTemplate
pub(crate) fn from_template(
    template: &PodTemplateSpec,
    namespace: &str,
    controller: &str,
    owner: OwnerReference,
) -> Pod {
    let meta = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            generate_name: Some(name_prefix(controller)),
            labels: meta.labels,
            annotations: meta.annotations,
            finalizers: meta.finalizers,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}
