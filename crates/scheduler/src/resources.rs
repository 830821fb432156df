//! Amounts of resources, and what a pod asks for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Wire;
use machinery::quantity::Quantity;

/// CPU that a container without a request counts with when nodes are scored, in milli-CPU.
// upstream: pkg/scheduler/util/pod_resources.go#DefaultMilliCPURequest
const DEFAULT_MILLI_CPU: i64 = 100;
/// The same for memory, in bytes.
// upstream: pkg/scheduler/util/pod_resources.go#DefaultMemoryRequest
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts of resources. Sums saturate.
// upstream: pkg/scheduler/framework/types.go#Resource
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    /// Thousandths of a CPU.
    pub(crate) milli_cpu: i64,
    /// Bytes.
    pub(crate) memory: i64,
    /// Bytes.
    pub(crate) ephemeral_storage: i64,
    /// Everything else by name (`nvidia.com/gpu`, `hugepages-2Mi`), whole numbers.
    pub(crate) scalar: BTreeMap<String, i64>,
}

impl Resources {
    /// Of a `ResourceList`. `pods` is not a resource that is requested and is left out.
    pub(crate) fn of<'a>(list: impl IntoIterator<Item = (&'a String, &'a Wire)>) -> Self {
        let mut resources = Self::default();
        for (name, quantity) in list {
            let Ok(quantity) = Quantity::parse(&quantity.0) else {
                // Validation let it in, so it parses; were it not to, it counts as nothing.
                continue;
            };
            match name.as_str() {
                "cpu" => resources.milli_cpu = quantity.milli_value(),
                "memory" => resources.memory = quantity.value(),
                "ephemeral-storage" => resources.ephemeral_storage = quantity.value(),
                "pods" => {}
                _ => {
                    resources.scalar.insert(name.clone(), quantity.value());
                }
            }
        }
        resources
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, f: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = f(self.milli_cpu, other.milli_cpu);
        self.memory = f(self.memory, other.memory);
        self.ephemeral_storage = f(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let own = self.scalar.entry(name.clone()).or_default();
            *own = f(*own, *amount);
        }
    }
}

/// What a pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodRequest {
    /// What must fit.
    pub(crate) exact: Resources,
    /// With defaults for containers that request nothing: what scores count with.
    pub(crate) for_scores: Resources,
}

impl PodRequest {
    /// Sum over the containers; an init container counts for as long as it runs, alone but for the
    /// restartable ones that started before it; overhead on top.
    // upstream: staging/src/k8s.io/component-helpers/resource/helpers.go#PodRequests
    pub(crate) fn of(spec: &PodSpec) -> Self {
        Self {
            exact: sum(spec, requests),
            for_scores: sum(spec, |container| {
                let mut resources = requests(container);
                let asked = container
                    .resources
                    .as_ref()
                    .and_then(|r| r.requests.as_ref());
                let names = |name: &str| asked.is_some_and(|r| r.contains_key(name));
                if !names("cpu") {
                    resources.milli_cpu = DEFAULT_MILLI_CPU;
                }
                if !names("memory") {
                    resources.memory = DEFAULT_MEMORY;
                }
                resources
            }),
        }
    }
}

fn requests(container: &Container) -> Resources {
    let list = container
        .resources
        .as_ref()
        .and_then(|r| r.requests.as_ref());
    Resources::of(list.into_iter().flatten())
}

fn sum(spec: &PodSpec, of: impl Fn(&Container) -> Resources) -> Resources {
    let mut total = Resources::default();
    for container in &spec.containers {
        total.add(&of(container));
    }
    let mut restartable = Resources::default();
    let mut highest = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let own = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            total.add(&own);
            restartable.add(&own);
            highest.raise_to(&restartable);
        } else {
            let mut while_it_runs = own;
            while_it_runs.add(&restartable);
            highest.raise_to(&while_it_runs);
        }
    }
    total.raise_to(&highest);
    if let Some(overhead) = &spec.overhead {
        total.add(&Resources::of(overhead));
    }
    total
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(spec: serde_json::Value) -> PodRequest {
        PodRequest::of(&serde_json::from_value(spec).unwrap())
    }

    fn container(cpu: &str) -> serde_json::Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn containers_add_up_and_init_containers_count_by_the_largest() {
        let spec = json!({
            "containers": [container("100m"), container("200m")],
            "initContainers": [container("250m"), container("1")],
        });
        assert_eq!(request(spec).exact.milli_cpu, 1000);
    }

    #[test]
    fn a_restartable_init_container_counts_with_all_that_comes_after_it() {
        let mut sidecar = container("100m");
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({
            "containers": [container("200m")],
            "initContainers": [sidecar, container("250m")],
            "overhead": {"cpu": "10m"},
        });
        assert_eq!(request(spec).exact.milli_cpu, 360);
    }

    #[test]
    fn scores_count_with_defaults_where_nothing_is_requested() {
        let request = request(json!({"containers": [{"name": "c"}, container("5m")]}));
        assert_eq!(request.exact.milli_cpu, 5);
        assert_eq!(request.for_scores.milli_cpu, 105);
        assert_eq!(request.for_scores.memory, 2 * DEFAULT_MEMORY);
    }
}
