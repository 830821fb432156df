//! Events about pods and the node; a repeated one is counted up instead of written again.
// upstream: client-go/tools/record/event.go, events_cache.go

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, EventSource, Node, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::spec::PodExt;
use crate::cluster_api::ClusterApi;

/// Events that wait to be written; more are dropped, as upstream does.
const QUEUE: usize = 1000;
/// Events remembered for counting.
const REMEMBERED: usize = 4096;

/// Hands events to the writer; cheap to clone, never waits.
#[derive(Clone)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<(ObjectReference, &'static str, String, String)>,
}

impl Recorder {
    /// A recorder and the task that writes until `shutdown`.
    pub(crate) fn new(
        api: Arc<dyn ClusterApi>,
        node: String,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue }, write(api, node, receiver, shutdown))
    }

    fn send(&self, object: ObjectReference, kind: &'static str, reason: &str, message: String) {
        let _ = self
            .queue
            .try_send((object, kind, reason.to_owned(), message));
    }

    fn pod(pod: &Pod, field: Option<String>) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name().to_owned()),
            namespace: Some(pod.namespace().to_owned()),
            uid: Some(pod.uid().to_owned()),
            resource_version: pod.metadata.resource_version.clone(),
            field_path: field,
        }
    }

    fn container_field(pod: &Pod, container: &str) -> Option<String> {
        let list = if pod.init_containers().iter().any(|c| c.name == container) {
            "initContainers"
        } else {
            "containers"
        };
        Some(format!("spec.{list}{{{container}}}"))
    }

    /// A normal event about a container.
    pub(crate) fn normal(&self, pod: &Pod, container: &str, reason: &str, message: String) {
        self.send(
            Self::pod(pod, Self::container_field(pod, container)),
            "Normal",
            reason,
            message,
        );
    }

    /// A warning about a container.
    pub(crate) fn warning(&self, pod: &Pod, container: &str, reason: &str, message: String) {
        self.send(
            Self::pod(pod, Self::container_field(pod, container)),
            "Warning",
            reason,
            message,
        );
    }

    /// A warning about a pod.
    pub(crate) fn pod_warning(&self, pod: &Pod, reason: &str, message: String) {
        self.send(Self::pod(pod, None), "Warning", reason, message);
    }

    /// A normal event about the node.
    pub(crate) fn node(&self, node: &Node, reason: &str, message: String) {
        let name = node.metadata.name.clone();
        // upstream refers to a node by its name as UID
        let object = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            uid: name.clone(),
            name,
            ..ObjectReference::default()
        };
        self.send(object, "Normal", reason, message);
    }
}

async fn write(
    api: Arc<dyn ClusterApi>,
    node: String,
    mut queue: mpsc::Receiver<(ObjectReference, &'static str, String, String)>,
    shutdown: CancellationToken,
) {
    let mut known: HashMap<String, (String, String, i32)> = HashMap::new();
    let mut order: VecDeque<String> = VecDeque::new();
    loop {
        let next = tokio::select! {
            biased;
            next = queue.recv() => next,
            () = shutdown.cancelled() => break,
        };
        let Some((object, kind, reason, message)) = next else {
            break;
        };
        let now = Timestamp::now();
        let time = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
        let key = format!(
            "{:?}/{:?}/{kind}/{reason}/{message}",
            object.uid, object.field_path
        );
        if let Some((namespace, name, count)) = known.get_mut(&key) {
            *count += 1;
            let patch = json!({"count": count, "lastTimestamp": time});
            match api.patch_event(namespace, name, patch).await {
                Ok(()) => continue,
                Err(error) if error.is_not_found() => {
                    known.remove(&key);
                }
                Err(error) => {
                    tracing::debug!(%error, "event not written");
                    continue;
                }
            }
        }
        let namespace = object
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let name = format!(
            "{}.{:x}",
            object.name.as_deref().unwrap_or_default(),
            now.as_nanosecond()
        );
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: object,
            reason: Some(reason),
            message: Some(message),
            type_: Some(kind.to_owned()),
            count: Some(1),
            first_timestamp: Some(time.clone()),
            last_timestamp: Some(time),
            source: Some(EventSource {
                component: Some("kubelet".to_owned()),
                host: Some(node.clone()),
            }),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: Some(node.clone()),
            ..Event::default()
        };
        match api.create_event(&event).await {
            Ok(()) => {
                known.insert(key.clone(), (namespace, name, 1));
                order.push_back(key);
                if order.len() > REMEMBERED
                    && let Some(oldest) = order.pop_front()
                {
                    known.remove(&oldest);
                }
            }
            Err(error) => tracing::debug!(%error, "event not written"),
        }
    }
}
