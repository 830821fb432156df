//! How many replicas one metric asks for.
// upstream: pkg/controller/podautoscaler/replica_calculator.go

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricStatus, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
    ResourceMetricStatus,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::jiff::Timestamp;
use machinery::quantity::{Format, Quantity};

use super::Unclear;
use super::metrics::{self, ExtensionApis, Sample};
use crate::clock::plus_seconds;
use crate::meta::Meta;

/// upstream: --horizontal-pod-autoscaler-tolerance
const TOLERANCE: f64 = 0.1;
/// Seconds. upstream: --horizontal-pod-autoscaler-cpu-initialization-period
const INITIALISATION: i64 = 300;
/// Seconds. upstream: --horizontal-pod-autoscaler-initial-readiness-delay
const READINESS_DELAY: i64 = 30;

/// What is to be decided.
pub(super) struct Asked<'a> {
    pub(super) metric: &'a MetricSpec,
    pub(super) namespace: &'a str,
    pub(super) selector: &'a str,
    pub(super) pods: &'a [Arc<Pod>],
    pub(super) current: i32,
    pub(super) now: Timestamp,
}

/// The replicas, what they were counted by, and the metric's status.
pub(super) async fn replicas(
    apis: &ExtensionApis,
    asked: &Asked<'_>,
) -> Result<(i32, String, MetricStatus), Unclear> {
    let metric = asked.metric;
    let (source, reason) = match metric.type_.as_str() {
        "Resource" => {
            let source = metric.resource.as_ref();
            let target = source.map(|s| (s.name.as_str(), None, &s.target));
            (target, "FailedGetResourceMetric")
        }
        "ContainerResource" => {
            let source = metric.container_resource.as_ref();
            let target = source.map(|s| (s.name.as_str(), Some(s.container.as_str()), &s.target));
            (target, "FailedGetContainerResourceMetric")
        }
        kind => {
            let (reason, api) = match kind {
                "Pods" => ("FailedGetPodsMetric", "custom"),
                "Object" => ("FailedGetObjectMetric", "custom"),
                "External" => ("FailedGetExternalMetric", "external"),
                _ => ("InvalidMetricSourceType", "unknown"),
            };
            let why = format!("this controller does not read the {api} metrics API");
            return Err(unclear(reason, why.clone(), why));
        }
    };
    let Some((resource, container, target)) = source else {
        let why = "invalid metric source: its target is missing".to_owned();
        return Err(unclear("InvalidMetricSourceType", why.clone(), why));
    };
    let computed = compute(apis, asked, resource, container, target).await;
    let (replicas, name, current) = computed.map_err(|why| {
        unclear(
            reason,
            format!("the HPA was unable to compute the replica count: {why}"),
            format!("failed to get {resource} resource metric value: {why}"),
        )
    })?;
    let status = match container {
        None => MetricStatus {
            type_: "Resource".to_owned(),
            resource: Some(ResourceMetricStatus {
                name: resource.to_owned(),
                current,
            }),
            ..MetricStatus::default()
        },
        Some(container) => MetricStatus {
            type_: "ContainerResource".to_owned(),
            container_resource: Some(ContainerResourceMetricStatus {
                name: resource.to_owned(),
                container: container.to_owned(),
                current,
            }),
            ..MetricStatus::default()
        },
    };
    Ok((replicas, name, status))
}

fn unclear(reason: &'static str, message: String, error: String) -> Unclear {
    Unclear {
        reason,
        message,
        error,
    }
}

async fn compute(
    apis: &ExtensionApis,
    asked: &Asked<'_>,
    resource: &str,
    container: Option<&str>,
    target: &MetricTarget,
) -> Result<(i32, String, MetricValueStatus), String> {
    let samples = async |what: &str| {
        metrics::of_resource(apis, asked.namespace, asked.selector, resource, container)
            .await
            .map_err(|e| {
                format!("failed to get {resource} {what}: unable to get metrics for resource {resource}: {e}")
            })
    };
    if let Some(value) = &target.average_value {
        let wanted = milli(value)
            .filter(|v| *v > 0)
            .ok_or("its target is not positive")?;
        let samples = samples("usage").await?;
        let ratio = |m: &BTreeMap<String, Sample>| {
            let average = average(m);
            (average as f64 / wanted as f64, average)
        };
        let (replicas, usage) = count(asked, resource, samples, ratio, |_| wanted)
            .map_err(|e| format!("failed to get {resource} usage: {e}"))?;
        let status = MetricValueStatus {
            average_value: Some(quantity(usage)),
            ..MetricValueStatus::default()
        };
        return Ok((replicas, format!("{resource} resource"), status));
    }
    let Some(wanted) = target.average_utilization.filter(|u| *u > 0) else {
        return Err(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"
                .to_owned(),
        );
    };
    let samples = samples("utilization").await?;
    let failed = |e: String| format!("failed to get {resource} utilization: {e}");
    if asked.pods.is_empty() {
        return Err(failed(
            "no pods returned by selector while calculating replica count".to_owned(),
        ));
    }
    let requests = requests(asked.pods, resource, container).map_err(failed)?;
    let ratio = |m: &BTreeMap<String, Sample>| {
        let (used, asked_for) = m.iter().fold((0i64, 0i64), |(used, of), (name, sample)| {
            match requests.get(name) {
                Some(request) => (used + sample.milli, of + request),
                None => (used, of),
            }
        });
        let utilisation = if asked_for == 0 {
            0
        } else {
            used * 100 / asked_for
        };
        (utilisation as f64 / f64::from(wanted), utilisation)
    };
    // What a pod without metrics is taken to use when there may be too many.
    let full = |name: &str| {
        let request = requests.get(name).copied().unwrap_or_default();
        request * i64::from(wanted.max(100)) / 100
    };
    let usage = average(&samples);
    let (replicas, utilisation) = count(asked, resource, samples, ratio, full).map_err(failed)?;
    let status = MetricValueStatus {
        average_utilization: i32::try_from(utilisation).ok(),
        average_value: Some(quantity(usage)),
        ..MetricValueStatus::default()
    };
    let name = if container.is_some() {
        format!("{resource} container resource utilization (percentage of request)")
    } else {
        format!("{resource} resource utilization (percentage of request)")
    };
    Ok((replicas, name, status))
}

fn average(samples: &BTreeMap<String, Sample>) -> i64 {
    let count = i64::try_from(samples.len()).unwrap_or(i64::MAX).max(1);
    samples.values().map(|s| s.milli).sum::<i64>() / count
}

fn within(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= TOLERANCE
}

fn ceil(value: f64) -> i32 {
    // Bounded by the number of pods and what they use; `as` saturates.
    #[allow(clippy::cast_possible_truncation)]
    let whole = value.ceil() as i32;
    whole
}

/// The replicas and the metric's value, by a ratio of use to target.
// upstream: replica_calculator.go#GetResourceReplicas, #calcPlainMetricReplicas
fn count(
    asked: &Asked<'_>,
    resource: &str,
    mut samples: BTreeMap<String, Sample>,
    ratio: impl Fn(&BTreeMap<String, Sample>) -> (f64, i64),
    full: impl Fn(&str) -> i64,
) -> Result<(i32, i64), String> {
    if asked.pods.is_empty() {
        return Err("no pods returned by selector while calculating replica count".to_owned());
    }
    let groups = Groups::of(asked, resource, &samples);
    samples.retain(|name, _| !groups.ignored.contains(name) && !groups.unready.contains(name));
    if samples.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
    }
    let (usage, value) = ratio(&samples);
    let grows_with_unready = !groups.unready.is_empty() && usage > 1.0;
    if !grows_with_unready && groups.missing.is_empty() {
        if within(usage) {
            return Ok((asked.current, value));
        }
        return Ok((ceil(usage * groups.ready as f64), value));
    }
    let sample = |milli| Sample {
        milli,
        at: asked.now,
        window: std::time::Duration::ZERO,
    };
    if usage < 1.0 {
        for name in &groups.missing {
            samples.insert(name.clone(), sample(full(name)));
        }
    } else if usage > 1.0 {
        for name in &groups.missing {
            samples.insert(name.clone(), sample(0));
        }
    }
    if grows_with_unready {
        for name in &groups.unready {
            samples.insert(name.clone(), sample(0));
        }
    }
    let (again, _) = ratio(&samples);
    let turned = (usage < 1.0 && again > 1.0) || (usage > 1.0 && again < 1.0);
    if within(again) || turned {
        return Ok((asked.current, value));
    }
    let replicas = ceil(again * samples.len() as f64);
    let against =
        (again < 1.0 && replicas > asked.current) || (again > 1.0 && replicas < asked.current);
    Ok((if against { asked.current } else { replicas }, value))
}

/// The pods by what their metrics are good for.
#[derive(Default)]
struct Groups {
    ready: usize,
    unready: BTreeSet<String>,
    missing: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

impl Groups {
    // upstream: replica_calculator.go#groupPods
    fn of(asked: &Asked<'_>, resource: &str, samples: &BTreeMap<String, Sample>) -> Self {
        let mut groups = Self::default();
        for pod in asked.pods {
            let name = pod.name().to_owned();
            if pod.deleting() || crate::pod::phase(pod) == "Failed" {
                groups.ignored.insert(name);
                continue;
            }
            if crate::pod::phase(pod) == "Pending" {
                groups.unready.insert(name);
                continue;
            }
            let Some(sample) = samples.get(&name) else {
                groups.missing.insert(name);
                continue;
            };
            if resource == "cpu" && unready(pod, sample, asked.now) {
                groups.unready.insert(name);
                continue;
            }
            groups.ready += 1;
        }
        groups
    }
}

fn unready(pod: &Pod, sample: &Sample, now: Timestamp) -> bool {
    let status = pod.status.as_ref();
    let condition = status
        .and_then(|s| s.conditions.as_ref())
        .and_then(|c| c.iter().find(|c| c.type_ == "Ready"));
    let started = status.and_then(|s| s.start_time.as_ref()).map(|t| t.0);
    let (Some(condition), Some(started)) = (condition, started) else {
        return true;
    };
    let changed = condition
        .last_transition_time
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let is_false = condition.status == "False";
    if plus_seconds(started, INITIALISATION) > now {
        let window = i64::try_from(sample.window.as_secs()).unwrap_or_default();
        is_false || sample.at < plus_seconds(changed, window)
    } else {
        is_false && plus_seconds(started, READINESS_DELAY) > changed
    }
}

/// What the pods' containers ask for, in thousandths.
// upstream: replica_calculator.go#calculatePodRequests
fn requests(
    pods: &[Arc<Pod>],
    resource: &str,
    container: Option<&str>,
) -> Result<BTreeMap<String, i64>, String> {
    let mut out = BTreeMap::new();
    for pod in pods {
        let spec = pod.spec.as_ref();
        let sidecars = spec
            .and_then(|s| s.init_containers.as_ref())
            .into_iter()
            .flatten()
            .filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let containers = spec.iter().flat_map(|s| &s.containers).chain(sidecars);
        let mut sum = 0i64;
        for one in containers.filter(|c| container.is_none_or(|name| c.name == name)) {
            let request = one
                .resources
                .as_ref()
                .and_then(|r| r.requests.as_ref())
                .and_then(|r| r.get(resource))
                .and_then(milli);
            match request {
                Some(request) => sum = sum.saturating_add(request),
                None => {
                    return Err(format!(
                        "missing request for {resource} in container {} of Pod {}",
                        one.name,
                        pod.name()
                    ));
                }
            }
        }
        out.insert(pod.name().to_owned(), sum);
    }
    Ok(out)
}

fn milli(quantity: &ApiQuantity) -> Option<i64> {
    Quantity::parse(&quantity.0).ok().map(|q| q.milli_value())
}

fn quantity(milli: i64) -> ApiQuantity {
    ApiQuantity(Quantity::from_milli(milli, Format::DecimalSi).to_string())
}
