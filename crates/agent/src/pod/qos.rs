//! QoS classes and the cgroup values that follow from requests and limits.
// upstream: pkg/apis/core/v1/helper/qos/qos.go, pkg/kubelet/qos/policy.go, pkg/kubelet/kuberuntime/helpers_linux.go

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity;
use super::spec::PodExt;
use crate::cri::v1::LinuxContainerResources;

/// QoS class of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qos {
    /// Every container has limits for cpu and memory, and requests equal to them.
    Guaranteed,
    /// Anything between.
    Burstable,
    /// No requests, no limits.
    BestEffort,
}

impl Qos {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// The class's part of a pod's cgroup path.
    pub(crate) fn cgroup(self) -> &'static str {
        match self {
            Self::Guaranteed => "",
            Self::Burstable => "/burstable",
            Self::BestEffort => "/besteffort",
        }
    }
}

fn amount(
    map: Option<&BTreeMap<String, Quantity>>,
    name: &str,
    read: fn(&str) -> Option<i64>,
) -> i64 {
    map.and_then(|m| m.get(name))
        .and_then(|q| read(&q.0))
        .unwrap_or(0)
        .max(0)
}

fn requests(
    resources: Option<&ResourceRequirements>,
    name: &str,
    read: fn(&str) -> Option<i64>,
) -> i64 {
    resources.map_or(0, |r| amount(r.requests.as_ref(), name, read))
}

fn limits(
    resources: Option<&ResourceRequirements>,
    name: &str,
    read: fn(&str) -> Option<i64>,
) -> i64 {
    resources.map_or(0, |r| amount(r.limits.as_ref(), name, read))
}

/// A limit without a request is a request too, as defaulting has it.
fn effective_request(
    resources: Option<&ResourceRequirements>,
    name: &str,
    read: fn(&str) -> Option<i64>,
) -> i64 {
    let declared = resources
        .and_then(|r| r.requests.as_ref())
        .is_some_and(|r| r.contains_key(name));
    if declared {
        requests(resources, name, read)
    } else {
        limits(resources, name, read)
    }
}

/// The pod's class by all its containers, init containers included.
pub(crate) fn class(pod: &Pod) -> Qos {
    let mut any = false;
    let mut guaranteed = true;
    for container in pod.all_containers() {
        for name in ["cpu", "memory"] {
            let read = if name == "cpu" {
                quantity::milli
            } else {
                quantity::value
            };
            let (request, limit) = (
                effective_request(container.resources.as_ref(), name, read),
                limits(container.resources.as_ref(), name, read),
            );
            any |= request > 0 || limit > 0;
            guaranteed &= limit > 0 && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    }
}

/// OOM score adjustment of a container.
pub(crate) fn oom_score_adj(pod: &Pod, container: &Container, memory_capacity: i64) -> i64 {
    const SYSTEM_CRITICAL: i32 = 2_000_000_000;
    if pod
        .spec
        .as_ref()
        .and_then(|s| s.priority)
        .is_some_and(|p| p >= SYSTEM_CRITICAL)
    {
        return -997;
    }
    match class(pod) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let request = i128::from(effective_request(
                container.resources.as_ref(),
                "memory",
                quantity::value,
            ));
            let share = 1000 * request / i128::from(memory_capacity.max(1));
            i64::try_from((1000 - share).clamp(3, 999)).unwrap_or(999)
        }
    }
}

/// cgroup values of a container.
pub(crate) fn linux_resources(
    pod: &Pod,
    container: &Container,
    memory_capacity: i64,
) -> LinuxContainerResources {
    const PERIOD: i64 = 100_000;
    let resources = container.resources.as_ref();
    let request = effective_request(resources, "cpu", quantity::milli);
    let limit = limits(resources, "cpu", quantity::milli);
    LinuxContainerResources {
        cpu_shares: (request * 1024 / 1000).clamp(2, 262_144),
        cpu_period: PERIOD,
        cpu_quota: if limit > 0 {
            (limit * PERIOD / 1000).max(1_000)
        } else {
            0
        },
        memory_limit_in_bytes: limits(resources, "memory", quantity::value),
        oom_score_adj: oom_score_adj(pod, container, memory_capacity),
        ..LinuxContainerResources::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(resources: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": resources}]}})).unwrap()
    }

    #[test]
    fn classes_and_their_values() {
        let best_effort = pod(json!({}));
        assert_eq!(class(&best_effort), Qos::BestEffort);
        let guaranteed = pod(json!({"limits": {"cpu": "500m", "memory": "64Mi"}}));
        assert_eq!(class(&guaranteed), Qos::Guaranteed);
        let burstable = pod(json!({"requests": {"memory": "1Gi"}, "limits": {"cpu": "2"}}));
        assert_eq!(class(&burstable), Qos::Burstable);
        let first = |p: &Pod| p.spec.as_ref().unwrap().containers.first().unwrap().clone();
        assert_eq!(
            oom_score_adj(&best_effort, &first(&best_effort), 1 << 32),
            1000
        );
        assert_eq!(
            oom_score_adj(&guaranteed, &first(&guaranteed), 1 << 32),
            -997
        );
        assert_eq!(oom_score_adj(&burstable, &first(&burstable), 1 << 32), 750);
        let values = linux_resources(&guaranteed, &first(&guaranteed), 1 << 32);
        assert_eq!(
            (
                values.cpu_shares,
                values.cpu_quota,
                values.memory_limit_in_bytes
            ),
            (512, 50_000, 64 << 20)
        );
    }
}
