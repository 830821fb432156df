//! HorizontalPodAutoscalers: as many replicas as the pods' metrics ask for.
//!
//! Looked at when an autoscaler changes and every 15 s, for what metrics say cannot be watched. Resource metrics are read of
//! the aggregated API server of `metrics.k8s.io`; where there is none, the conditions say what upstream's do. Metrics of
//! the custom and external metrics APIs are not read; they count as failed, with that reason.
// upstream: pkg/controller/podautoscaler/horizontal.go

mod behaviour;
mod calculate;
mod metrics;
mod status;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use informer::{Cache, Change, Key, Outcome, WorkQueue};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec, MetricStatus};
use k8s_openapi::api::core::v1::Pod;
use machinery::labels::Selector;
use machinery::{GroupVersion, ObjectExt, Reason, Status};
use parking_lot::Mutex;
use registry::{Api, GetOptions, Registry, RequestContext, Target, UpdateOptions, UserInfo};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::meta::Meta;
use crate::recorder::{Kind, Recorder};
use crate::setup::{Setup, informer};
use behaviour::History;
use status::Draft;

pub use metrics::{ExtensionApi, ExtensionApis};

const NAME: &str = "horizontal-pod-autoscaler";

/// upstream: --horizontal-pod-autoscaler-sync-period
const PERIOD: Duration = Duration::from_secs(15);

struct Controller {
    registry: Registry,
    context: RequestContext,
    api: Api<HorizontalPodAutoscaler>,
    autoscalers: Arc<Cache<HorizontalPodAutoscaler>>,
    pods: Arc<Cache<Pod>>,
    metrics: ExtensionApis,
    histories: Mutex<HashMap<Key, History>>,
    recorder: Recorder,
    clock: Clock,
}

pub(crate) fn start(setup: &mut Setup, metrics: ExtensionApis) -> Result<(), Status> {
    let mut informer = informer::<HorizontalPodAutoscaler>(&setup.registry)?;
    let controller = Arc::new(Controller {
        registry: setup.registry.clone(),
        context: RequestContext::new(UserInfo::controller(NAME)),
        api: setup.api(NAME)?,
        autoscalers: informer.cache(),
        pods: setup.informers.pods.cache(),
        metrics,
        histories: Mutex::default(),
        recorder: setup.recorder.of(NAME),
        clock: setup.clock,
    });
    let queue: WorkQueue<Key> = WorkQueue::default();
    let (c, q) = (Arc::clone(&controller), queue.clone());
    informer.on_change(move |change| {
        let key = change.object().key();
        match change {
            Change::Deleted(_) => {
                c.histories.lock().remove(&key);
            }
            // Its own status says nothing new.
            Change::Updated { old, new } if old.spec == new.spec => {}
            _ => q.add(key),
        }
    });
    setup.follow(informer);
    setup.workers(NAME, queue, 5, move |key| {
        let c = Arc::clone(&controller);
        async move { c.sync(&key).await }
    });
    Ok(())
}

/// The target's scale.
struct Scale {
    target: Target,
    object: Value,
}

impl Scale {
    fn replicas(&self) -> i32 {
        let replicas = self.object.at(&["spec", "replicas"]);
        replicas
            .and_then(Value::as_i64)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or_default()
    }
}

/// What the metrics ask for.
struct Proposal {
    replicas: i32,
    metric: String,
    statuses: Vec<MetricStatus>,
}

/// Why no proposal could be made: the condition's reason and message, and the error.
struct Unclear {
    reason: &'static str,
    message: String,
    error: String,
}

impl Controller {
    async fn sync(&self, key: &Key) -> Result<Outcome, Status> {
        let Some(autoscaler) = self.autoscalers.get(key) else {
            self.histories.lock().remove(key);
            return Ok(Outcome::Done);
        };
        if autoscaler.deleting() {
            return Ok(Outcome::Done);
        }
        let mut draft = Draft::new(&autoscaler, self.clock);
        if let Err(why) = self.reconcile(key, &autoscaler, &mut draft).await {
            tracing::debug!(autoscaler = %key, error = why, "an autoscaler could not decide");
        }
        draft.write(&self.api, &autoscaler).await?;
        Ok(Outcome::Again(PERIOD))
    }

    // upstream: horizontal.go#reconcileAutoscaler
    async fn reconcile(
        &self,
        key: &Key,
        autoscaler: &HorizontalPodAutoscaler,
        draft: &mut Draft,
    ) -> Result<(), String> {
        let warn = |reason: &'static str, text: String| {
            self.recorder.event(autoscaler, Kind::Warning, reason, text);
        };
        let mut scale = match self.scale(autoscaler).await {
            Ok(scale) => scale,
            Err(status) => {
                warn("FailedGetScale", status.message.clone());
                draft.condition(
                    "AbleToScale",
                    false,
                    "FailedGetScale",
                    format!(
                        "the HPA controller was unable to get the target's current scale: {}",
                        status.message
                    ),
                );
                return Err(status.message);
            }
        };
        draft.condition(
            "AbleToScale",
            true,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        let current = scale.replicas();
        let spec = &autoscaler.spec;
        let least = spec.min_replicas.unwrap_or(1);
        let most = spec.max_replicas;
        self.histories
            .lock()
            .entry(key.clone())
            .or_insert_with(|| History::starting(current, self.clock.now()));
        let mut reason = String::new();
        let desired = if current == 0 && least != 0 {
            draft.condition(
                "ScalingActive",
                false,
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero",
            );
            0
        } else if current > most {
            "Current number of replicas above Spec.MaxReplicas".clone_into(&mut reason);
            most
        } else if current < least {
            "Current number of replicas below Spec.MinReplicas".clone_into(&mut reason);
            least
        } else {
            let proposal = match self.propose(autoscaler, &scale, draft).await {
                Ok(proposal) => proposal,
                Err(why) => {
                    draft.replicas(current, draft.desired());
                    warn("FailedComputeMetricsReplicas", why.clone());
                    return Err(why);
                }
            };
            if proposal.replicas > current {
                reason = format!("{} above target", proposal.metric);
            } else if proposal.replicas < current {
                "All metrics below target".clone_into(&mut reason);
            }
            draft.metrics(proposal.statuses);
            let mut histories = self.histories.lock();
            let history = histories.entry(key.clone()).or_default();
            behaviour::normalise(
                spec,
                history,
                current,
                proposal.replicas,
                self.clock.now(),
                draft,
            )
        };
        if desired != current && !(current == 0 && least != 0) {
            self.rescale(
                key, autoscaler, &mut scale, current, desired, &reason, draft,
            )
            .await?;
        }
        draft.replicas(current, desired);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    async fn rescale(
        &self,
        key: &Key,
        autoscaler: &HorizontalPodAutoscaler,
        scale: &mut Scale,
        current: i32,
        desired: i32,
        reason: &str,
        draft: &mut Draft,
    ) -> Result<(), String> {
        scale.object.set_at(&["spec"], json!({"replicas": desired}));
        let updated = self
            .registry
            .update(
                &self.context,
                &scale.target,
                scale.object.clone(),
                &UpdateOptions::default(),
            )
            .await;
        if let Err(status) = updated {
            let text = format!(
                "New size: {desired}; reason: {reason}; error: {}",
                status.message
            );
            self.recorder
                .event(autoscaler, Kind::Warning, "FailedRescale", text);
            draft.condition(
                "AbleToScale",
                false,
                "FailedUpdateScale",
                format!(
                    "the HPA controller was unable to update the target scale: {}",
                    status.message
                ),
            );
            draft.replicas(current, draft.desired());
            return Err(status.message);
        }
        draft.condition(
            "AbleToScale",
            true,
            "SucceededRescale",
            format!("the HPA controller was able to update the target scale to {desired}"),
        );
        let text = format!("New size: {desired}; reason: {reason}");
        self.recorder
            .event(autoscaler, Kind::Normal, "SuccessfulRescale", text);
        draft.scaled();
        if let Some(history) = self.histories.lock().get_mut(key) {
            history.scaled(current, desired, self.clock.now());
        }
        Ok(())
    }

    async fn scale(&self, autoscaler: &HorizontalPodAutoscaler) -> Result<Scale, Status> {
        let reference = &autoscaler.spec.scale_target_ref;
        let version = GroupVersion::parse(reference.api_version.as_deref().unwrap_or_default())
            .map_err(|e| Status::internal(e.to_string()))?;
        let row = self
            .registry
            .resources()
            .find_kind(&version.group, &version.version, &reference.kind)
            .map(Arc::clone)
            .ok_or_else(|| {
                Status::failure(
                    404,
                    Reason::NotFound,
                    format!(
                        "unable to determine resource for scale target reference: no matches for kind {} in version {}",
                        machinery::go::quote(&reference.kind),
                        machinery::go::quote(&version.to_string())
                    ),
                )
            })?;
        let target = Target::object(&row, Some(autoscaler.namespace()), &reference.name)
            .subresource("scale");
        let object = self
            .registry
            .get(&self.context, &target, &GetOptions::default())
            .await?;
        Ok(Scale {
            object: object.value(),
            target,
        })
    }

    // upstream: horizontal.go#computeReplicasForMetrics
    async fn propose(
        &self,
        autoscaler: &HorizontalPodAutoscaler,
        scale: &Scale,
        draft: &mut Draft,
    ) -> Result<Proposal, String> {
        let text = scale.object.text_at(&["status", "selector"]);
        let mut refuse = |why: String, message: String| {
            draft.condition("ScalingActive", false, "InvalidSelector", message);
            Err(why)
        };
        if text.is_empty() {
            return refuse(
                "selector is required".to_owned(),
                "the HPA target's scale is missing a selector".to_owned(),
            );
        }
        let selector = match Selector::parse(text) {
            Ok(selector) => selector,
            Err(error) => {
                let why = format!(
                    "couldn't convert selector into a corresponding internal selector object: {error}"
                );
                return refuse(why.clone(), why);
            }
        };
        let pods: Vec<Arc<Pod>> = self
            .pods
            .list_namespace(autoscaler.namespace())
            .into_iter()
            .filter(|p| p.matches(&selector))
            .collect();
        let metrics: &[MetricSpec] = autoscaler.spec.metrics.as_deref().unwrap_or_default();
        let current = scale.replicas();
        let mut best = Proposal {
            replicas: 0,
            metric: String::new(),
            statuses: Vec::new(),
        };
        let mut failed: Option<Unclear> = None;
        let mut failures = 0;
        for metric in metrics {
            let asked = calculate::Asked {
                metric,
                namespace: autoscaler.namespace(),
                selector: text,
                pods: &pods,
                current,
                now: self.clock.now(),
            };
            match calculate::replicas(&self.metrics, &asked).await {
                Ok((replicas, name, status)) => {
                    if best.metric.is_empty() || replicas > best.replicas {
                        best.replicas = replicas;
                        best.metric = name;
                    }
                    best.statuses.push(status);
                }
                Err(unclear) => {
                    self.recorder.event(
                        autoscaler,
                        Kind::Warning,
                        unclear.reason,
                        unclear.error.clone(),
                    );
                    failures += 1;
                    failed.get_or_insert(unclear);
                }
            }
        }
        // With some of the metrics missing it may only grow.
        if let Some(unclear) = failed
            && (failures >= metrics.len() || best.replicas < current)
        {
            draft.condition("ScalingActive", false, unclear.reason, unclear.message);
            draft.metrics(best.statuses);
            return Err(format!(
                "invalid metrics ({failures} invalid out of {}), first error is: {}",
                metrics.len(),
                unclear.error
            ));
        }
        draft.condition(
            "ScalingActive",
            true,
            "ValidMetricFound",
            format!(
                "the HPA was able to successfully calculate a replica count from {}",
                best.metric
            ),
        );
        Ok(best)
    }
}

impl fmt::Debug for ExtensionApis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExtensionApis")
    }
}
