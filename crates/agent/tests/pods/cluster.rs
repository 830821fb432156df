//! A stand-in for the API server, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent::cluster_api::{BoundToken, ClusterApi, ClusterApiError, PodChange};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

#[derive(Clone)]
pub struct Cluster {
    pods: Arc<Mutex<BTreeMap<String, Value>>>,
    changes: broadcast::Sender<PodChange>,
    pub config_maps: Arc<Mutex<HashMap<String, BTreeMap<String, String>>>>,
    pub secrets: Arc<Mutex<HashMap<String, BTreeMap<String, String>>>>,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub node: Arc<Mutex<Option<Value>>>,
    node_changes: broadcast::Sender<()>,
    pub lease: Arc<Mutex<Option<Lease>>>,
    pub status_writes: Arc<Mutex<HashMap<String, usize>>>,
    /// Nobody answers.
    pub down: Arc<AtomicBool>,
}

fn merge(target: &mut Value, patch: &Value) {
    if let (Value::Object(target), Value::Object(patch)) = (&mut *target, patch) {
        for (key, value) in patch {
            match (key.as_str(), value) {
                (_, Value::Null) => {
                    target.remove(key);
                }
                ("conditions" | "podIPs" | "hostIPs", Value::Array(items)) => {
                    let by = if key == "conditions" { "type" } else { "ip" };
                    let list = target.entry(key.clone()).or_insert_with(|| json!([]));
                    let list = list.as_array_mut().unwrap();
                    for item in items {
                        let at = list.iter().position(|old| old.get(by) == item.get(by));
                        match (item.get("$patch").is_some(), at) {
                            (true, Some(at)) => drop(list.remove(at)),
                            (true, None) => {}
                            (false, Some(at)) => merge(&mut list[at], item),
                            (false, None) => list.push(item.clone()),
                        }
                    }
                }
                (_, Value::Object(_)) => merge(
                    target
                        .entry(key.clone())
                        .or_insert_with(|| Value::Object(Map::new())),
                    value,
                ),
                _ => drop(target.insert(key.clone(), value.clone())),
            }
        }
    }
}

fn not_found(what: &str) -> ClusterApiError {
    ClusterApiError::Status {
        code: 404,
        reason: "NotFound".into(),
        message: format!("{what} not found"),
    }
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            pods: Arc::default(),
            changes: broadcast::channel(1024).0,
            config_maps: Arc::default(),
            secrets: Arc::default(),
            events: Arc::default(),
            node: Arc::default(),
            node_changes: broadcast::channel(16).0,
            lease: Arc::default(),
            status_writes: Arc::default(),
            down: Arc::default(),
        }
    }

    fn up(&self) -> Result<(), ClusterApiError> {
        if self.down.load(Ordering::Relaxed) {
            Err(ClusterApiError::Unreachable("connection refused".into()))
        } else {
            Ok(())
        }
    }

    fn read(value: &Value) -> Pod {
        serde_json::from_value(value.clone()).unwrap()
    }

    pub fn create(&self, mut pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        merge(
            &mut pod,
            &json!({"metadata": {"namespace": "default", "uid": format!("uid-{name}"), "generation": 1}, "status": {"phase": "Pending"}}),
        );
        self.pods.lock().insert(name, pod.clone());
        let _ = self
            .changes
            .send(PodChange::Applied(Box::new(Self::read(&pod))));
    }

    /// As `kubectl delete` does.
    pub fn delete(&self, name: &str, grace: i64) {
        let mut pods = self.pods.lock();
        let pod = pods.get_mut(name).unwrap();
        merge(
            pod,
            &json!({"metadata": {"deletionTimestamp": k8s_openapi::jiff::Timestamp::now().to_string(), "deletionGracePeriodSeconds": grace}}),
        );
        let _ = self
            .changes
            .send(PodChange::Applied(Box::new(Self::read(pod))));
    }

    pub fn annotate(&self, name: &str, key: &str, value: &str) {
        let mut pods = self.pods.lock();
        let pod = pods.get_mut(name).unwrap();
        merge(pod, &json!({"metadata": {"annotations": {key: value}}}));
        let _ = self
            .changes
            .send(PodChange::Applied(Box::new(Self::read(pod))));
    }

    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.pods.lock().get(name).map(Self::read)
    }

    /// For whoever has to find out why the test failed.
    pub fn dump(&self) {
        for (name, pod) in self.pods.lock().iter() {
            eprintln!("pod {name}: {:#}", pod["status"]);
        }
        for event in self.events.lock().iter() {
            eprintln!(
                "event {:?} {:?} {:?}",
                event.involved_object.name, event.reason, event.message
            );
        }
    }

    pub fn give_pod_cidr(&self, cidr: &str) {
        let mut node = self.node.lock();
        merge(
            node.as_mut().unwrap(),
            &json!({"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}),
        );
        let _ = self.node_changes.send(());
    }

    pub fn reasons(&self, pod: &str) -> Vec<String> {
        self.events
            .lock()
            .iter()
            .filter(|e| e.involved_object.name.as_deref() == Some(pod))
            .filter_map(|e| e.reason.clone())
            .collect()
    }
}

#[async_trait]
impl ClusterApi for Cluster {
    fn watch_pods(&self, _: &str) -> BoxStream<'static, Result<PodChange, ClusterApiError>> {
        let changes = self.changes.subscribe();
        let list = PodChange::Restarted(self.pods.lock().values().map(Self::read).collect());
        let rest = futures::stream::unfold(changes, |mut changes| async {
            changes.recv().await.ok().map(|c| (Ok(c), changes))
        });
        futures::stream::iter([Ok(list)]).chain(rest).boxed()
    }

    async fn patch_pod_status(
        &self,
        _: &str,
        name: &str,
        patch: Value,
    ) -> Result<Pod, ClusterApiError> {
        self.up()?;
        let mut pods = self.pods.lock();
        let pod = pods.get_mut(name).ok_or_else(|| not_found(name))?;
        assert_eq!(pod["metadata"]["uid"], patch["metadata"]["uid"]);
        merge(pod, &patch);
        *self
            .status_writes
            .lock()
            .entry(name.to_owned())
            .or_default() += 1;
        let pod = Self::read(pod);
        let _ = self.changes.send(PodChange::Applied(Box::new(pod.clone())));
        Ok(pod)
    }

    async fn delete_pod(&self, _: &str, name: &str, uid: &str) -> Result<(), ClusterApiError> {
        self.up()?;
        let pod = self
            .pods
            .lock()
            .remove(name)
            .ok_or_else(|| not_found(name))?;
        assert_eq!(pod["metadata"]["uid"], uid);
        let _ = self
            .changes
            .send(PodChange::Deleted(Box::new(Self::read(&pod))));
        Ok(())
    }

    async fn config_map(&self, _: &str, name: &str) -> Result<ConfigMap, ClusterApiError> {
        self.up()?;
        let data = self
            .config_maps
            .lock()
            .get(name)
            .cloned()
            .ok_or_else(|| not_found(name))?;
        Ok(ConfigMap {
            data: Some(data),
            ..ConfigMap::default()
        })
    }

    async fn secret(&self, _: &str, name: &str) -> Result<Secret, ClusterApiError> {
        self.up()?;
        let data = self
            .secrets
            .lock()
            .get(name)
            .cloned()
            .ok_or_else(|| not_found(name))?;
        Ok(Secret {
            data: Some(
                data.into_iter()
                    .map(|(k, v)| (k, ByteString(v.into_bytes())))
                    .collect(),
            ),
            ..Secret::default()
        })
    }

    async fn service_account_token(
        &self,
        _: &str,
        account: &str,
        _: &[String],
        seconds: i64,
        pod: &str,
        _: &str,
    ) -> Result<BoundToken, ClusterApiError> {
        self.up()?;
        Ok(BoundToken {
            token: format!("token of {account} for {pod}"),
            expires_at: k8s_openapi::jiff::Timestamp::now().as_second() + seconds,
        })
    }

    async fn create_event(&self, event: &Event) -> Result<(), ClusterApiError> {
        self.up()?;
        self.events.lock().push(event.clone());
        Ok(())
    }

    async fn patch_event(&self, _: &str, _: &str, _: Value) -> Result<(), ClusterApiError> {
        self.up()
    }

    async fn node(&self, name: &str) -> Result<Node, ClusterApiError> {
        self.up()?;
        self.node
            .lock()
            .as_ref()
            .map(|n| serde_json::from_value(n.clone()).unwrap())
            .ok_or_else(|| not_found(name))
    }

    fn watch_node(&self, _: &str) -> BoxStream<'static, Result<Option<Node>, ClusterApiError>> {
        let node = self.node.clone();
        let now = move || {
            Ok(node
                .lock()
                .as_ref()
                .map(|n| serde_json::from_value(n.clone()).unwrap()))
        };
        let first = now();
        let changes = self.node_changes.subscribe();
        let rest = futures::stream::unfold((changes, now), |(mut changes, now)| async move {
            changes.recv().await.ok()?;
            Some((now(), (changes, now)))
        });
        futures::stream::iter([first]).chain(rest).boxed()
    }

    async fn create_node(&self, node: &Node) -> Result<Node, ClusterApiError> {
        self.up()?;
        let mut known = self.node.lock();
        if known.is_some() {
            return Err(ClusterApiError::Status {
                code: 409,
                reason: "AlreadyExists".into(),
                message: "exists".into(),
            });
        }
        *known = Some(serde_json::to_value(node).unwrap());
        Ok(node.clone())
    }

    async fn patch_node(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError> {
        self.up()?;
        merge(
            self.node.lock().as_mut().ok_or_else(|| not_found(name))?,
            &patch,
        );
        self.node(name).await
    }

    async fn patch_node_status(&self, name: &str, patch: Value) -> Result<Node, ClusterApiError> {
        self.patch_node(name, patch).await
    }

    async fn lease(&self, name: &str) -> Result<Lease, ClusterApiError> {
        self.up()?;
        self.lease.lock().clone().ok_or_else(|| not_found(name))
    }

    async fn create_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError> {
        self.up()?;
        *self.lease.lock() = Some(lease.clone());
        Ok(lease.clone())
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ClusterApiError> {
        self.create_lease(lease).await
    }
}
