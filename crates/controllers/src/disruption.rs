//! Why a pod goes before its time.

use k8s_openapi::api::core::v1::PodCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The condition that says it.
// upstream: staging/src/k8s.io/api/core/v1/types.go#DisruptionTarget
pub(crate) fn condition(reason: &str, message: &str, now: Time) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(now),
        ..PodCondition::default()
    }
}
