//! A cluster of a registry, the controllers and pretended nodes.

use std::sync::Arc;
use std::time::Duration;

use controllers::{Clock, ExtensionApi, ExtensionApis, Options, Signers};
use parking_lot::Mutex;
use registry::api::{Api, TypedEvent};
use registry::{
    DeleteOptions, DeletionPropagation, ListOptions, Patch, Registry, RegistryOptions, UserInfo,
};
use serde_json::{Value, json};
use store::memory::MemoryLog;
use store::{SealingKeys, Store, SystemClock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

pub struct Cluster {
    pub registry: Registry,
    clock: Clock,
    pub signers: Signers,
    pub metrics: Arc<Metrics>,
    controllers: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    stop: CancellationToken,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((stop, _)) = &*self.controllers.lock() {
            stop.cancel();
        }
        self.stop.cancel();
    }
}

pub fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

pub fn number(object: &Value, pointer: &str) -> i64 {
    at(object, pointer).as_i64().unwrap_or_default()
}

pub fn is_ready(pod: &Value) -> bool {
    at(pod, "/status/conditions")
        .as_array()
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Ready" && c["status"] == "True")
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    at(object, "/status/conditions")
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == kind)
        .unwrap_or(&Value::Null)
}

/// A metrics API that serves what a test puts in; without anything there is none.
#[derive(Default)]
pub struct Metrics(pub Mutex<Option<Value>>);

#[async_trait::async_trait]
impl ExtensionApi for Metrics {
    async fn get(&self, path: &str) -> Result<Value, u16> {
        assert!(
            path.starts_with(
                "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb"
            ),
            "{path}"
        );
        self.0.lock().clone().ok_or(404)
    }
}

fn signers() -> Signers {
    let authority = |name: &str| {
        let life = Duration::from_secs(10 * 365 * 24 * 3600);
        let made = pki::CertificateAuthority::generate(name, std::time::SystemTime::now(), life);
        Arc::new(made.unwrap())
    };
    Signers {
        client: authority("client"),
        serving: authority("serving"),
    }
}

impl Cluster {
    pub async fn start() -> Arc<Self> {
        Self::start_with(Clock::Wall).await
    }

    pub async fn start_with(clock: Clock) -> Arc<Self> {
        let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
        let store = Store::open(
            MemoryLog::new(),
            keys,
            SystemClock,
            store::Options::default(),
        )
        .await
        .unwrap();
        let registry = Registry::new(store, RegistryOptions::default());
        registry::bootstrap::reconcile(
            &registry,
            &registry::bootstrap::BootstrapOptions::default(),
        )
        .await
        .unwrap();
        let cluster = Arc::new(Self {
            registry,
            clock,
            signers: signers(),
            metrics: Arc::default(),
            controllers: Mutex::new(None),
            stop: CancellationToken::new(),
        });
        cluster.start_controllers();
        cluster.start_nodes().await;
        cluster
            .until("serviceaccounts", "default", "default", |a| a.is_some())
            .await;
        cluster
    }

    /// How long a test waits for something.
    fn patience(&self) -> Duration {
        Duration::from_secs(match self.clock {
            Clock::Wall => 20,
            Clock::Tokio { .. } => 600,
        })
    }

    pub fn start_controllers(&self) {
        let stop = CancellationToken::new();
        let options = Options {
            pod_cidr: "10.42.0.0/16".parse().unwrap(),
            node_cidr_mask: 24,
            root_ca_pem: "the root CA".to_owned(),
            signers: Some(self.signers.clone()),
            extension_apis: ExtensionApis(Some(self.metrics.clone())),
        };
        let run =
            controllers::run_with_clock(self.registry.clone(), options, self.clock, stop.clone());
        let running = tokio::spawn(async move { run.await.unwrap() });
        *self.controllers.lock() = Some((stop, running));
    }

    /// Stops the controllers and waits until they have: there are never two of them.
    pub async fn stop_controllers(&self) {
        let taken = self.controllers.lock().take();
        if let Some((stop, running)) = taken {
            stop.cancel();
            running.await.unwrap();
        }
    }

    /// Places each pod on a node, says that it runs (and is ready, unless its image is `broken`), and lets it go when it is
    /// deleted.
    async fn start_nodes(&self) {
        let pods = self.api("pods");
        let options = ListOptions {
            watch: true,
            ..ListOptions::default()
        };
        let mut watch = pods.watch(None, &options).await.unwrap();
        self.start_heartbeat().await;
        let stop = self.stop.clone();
        let clock = self.clock;
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = watch.next() => event,
                };
                match event {
                    Some(TypedEvent::Added(pod) | TypedEvent::Modified(pod)) => {
                        serve(&pods, &pod, clock).await;
                    }
                    Some(TypedEvent::Error(status)) => panic!("the nodes' watch: {status}"),
                    None => return,
                    _ => {}
                }
            }
        });
    }

    /// The node is ready, and renews its lease.
    async fn start_heartbeat(&self) {
        self.create("nodes", json!({"metadata": {"name": "node-a"}}))
            .await;
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        self.api("nodes")
            .patch(None, "node-a", "status", Patch::Strategic(ready))
            .await
            .unwrap();
        let leases = self.api("leases");
        let lease = json!({"metadata": {"name": "node-a"}, "spec": {"holderIdentity": "node-a"}});
        leases
            .create(Some("kube-node-lease"), &lease)
            .await
            .unwrap();
        let (stop, clock) = (self.stop.clone(), self.clock);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(10)) => {}
                }
                let at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
                let renewed = Patch::Merge(json!({"spec": {"renewTime": at}}));
                let _ = leases
                    .patch(Some("kube-node-lease"), "node-a", "", renewed)
                    .await;
            }
        });
    }

    /// Makes a node that is ready.
    pub async fn node(&self, name: &str) {
        self.create(
            "nodes",
            json!({"metadata": {"name": name, "labels": {"name": name}}}),
        )
        .await;
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        self.api("nodes")
            .patch(None, name, "status", Patch::Strategic(ready))
            .await
            .unwrap();
        let ready = |n: Option<&Value>| n.is_some_and(|n| n["spec"]["taints"].is_null());
        self.until("nodes", "", name, ready).await;
    }

    pub fn api(&self, plural: &str) -> Api<Value> {
        let (group, version) = match plural {
            "deployments"
            | "replicasets"
            | "statefulsets"
            | "daemonsets"
            | "controllerrevisions" => ("apps", "v1"),
            "jobs" | "cronjobs" => ("batch", "v1"),
            "endpointslices" => ("discovery.k8s.io", "v1"),
            "leases" => ("coordination.k8s.io", "v1"),
            "certificatesigningrequests" => ("certificates.k8s.io", "v1"),
            "horizontalpodautoscalers" => ("autoscaling", "v2"),
            "poddisruptionbudgets" => ("policy", "v1"),
            "customresourcedefinitions" => ("apiextensions.k8s.io", "v1"),
            "validatingadmissionpolicies" => ("admissionregistration.k8s.io", "v1"),
            "widgets" | "gadgets" => ("example.com", "v1"),
            _ => ("", "v1"),
        };
        self.registry
            .api(group, version, plural, UserInfo::system())
            .unwrap()
    }

    pub async fn create(&self, plural: &str, object: Value) -> Value {
        let namespace = self.api(plural).resource().namespaced.then_some("default");
        self.api(plural).create(namespace, &object).await.unwrap()
    }

    pub async fn merge(&self, plural: &str, name: &str, patch: Value) -> Value {
        let namespace = self.api(plural).resource().namespaced.then_some("default");
        self.api(plural)
            .patch(namespace, name, "", Patch::Merge(patch))
            .await
            .unwrap()
    }

    pub async fn get(&self, plural: &str, name: &str) -> Option<Value> {
        self.api(plural)
            .get_opt(Some("default"), name)
            .await
            .unwrap()
    }

    pub async fn list(&self, plural: &str) -> Vec<Value> {
        let list = self.api(plural);
        let namespace = list.resource().namespaced.then_some("default");
        list.list(namespace, &ListOptions::default())
            .await
            .unwrap()
            .items
    }

    pub async fn delete(&self, plural: &str, name: &str, propagation: DeletionPropagation) {
        let options = DeleteOptions {
            propagation: Some(propagation),
            ..DeleteOptions::default()
        };
        self.api(plural)
            .delete(Some("default"), name, &options)
            .await
            .unwrap();
    }

    /// Waits until an object is (or is not) as asked; looks at each change.
    pub async fn until(
        &self,
        plural: &str,
        namespace: &str,
        name: &str,
        what: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let api = self.api(plural);
        let namespace = api.resource().namespaced.then_some(namespace);
        let wait = async {
            let mut changes = self.changes(plural, namespace).await;
            loop {
                let object = api.get_opt(namespace, name).await.unwrap();
                if what(object.as_ref()) {
                    return object;
                }
                changes.next().await;
            }
        };
        match tokio::time::timeout(self.patience(), wait).await {
            Ok(object) => object,
            Err(_) => {
                let object = api.get_opt(namespace, name).await.unwrap();
                panic!("{plural} {name} stayed {object:#?}");
            }
        }
    }

    async fn changes(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> registry::api::TypedWatch<Value> {
        let options = ListOptions {
            watch: true,
            ..ListOptions::default()
        };
        self.api(plural).watch(namespace, &options).await.unwrap()
    }

    /// Waits until those of the objects in `default` that `which` picks are as asked.
    pub async fn until_all(
        &self,
        plural: &str,
        which: impl Fn(&Value) -> bool,
        what: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let namespace = self.api(plural).resource().namespaced.then_some("default");
        let wait = async {
            let mut changes = self.changes(plural, namespace).await;
            loop {
                let mut all = self.list(plural).await;
                all.retain(&which);
                if what(&all) {
                    return all;
                }
                changes.next().await;
            }
        };
        match tokio::time::timeout(self.patience(), wait).await {
            Ok(all) => all,
            Err(_) => panic!("{plural} stayed {:#?}", self.list(plural).await),
        }
    }

    /// Waits until nothing is written for a while: the controllers have settled.
    pub async fn settle(&self) {
        let quiet = Duration::from_millis(300);
        for _ in 0..100 {
            let before = self.registry.store().revision();
            tokio::time::sleep(quiet).await;
            if self.registry.store().revision() == before {
                return;
            }
        }
        panic!("the controllers go on writing");
    }

    /// Waits until a rollout is over, by the rules of `kubectl rollout status`.
    pub async fn rolled_out(&self, name: &str, replicas: i64) -> Value {
        self.until("deployments", "default", name, |d| {
            d.is_some_and(|d| {
                number(d, "/status/observedGeneration") == number(d, "/metadata/generation")
                    && [
                        "replicas",
                        "updatedReplicas",
                        "readyReplicas",
                        "availableReplicas",
                    ]
                    .iter()
                    .all(|field| number(d, &format!("/status/{field}")) == replicas)
            })
        })
        .await
        .unwrap()
    }
}

async fn serve(pods: &Api<Value>, pod: &Value, clock: Clock) {
    let namespace = pod["metadata"]["namespace"].as_str();
    let name = pod["metadata"]["name"].as_str().unwrap();
    // Somebody may have been faster: then the next event shows.
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let now = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::default()
        };
        let _ = pods.delete(namespace, name, &now).await;
    } else if pod["spec"]["nodeName"].is_null() {
        // A daemon's pod says which node it is for.
        let node = pod
            .pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0")
            .and_then(Value::as_str)
            .unwrap_or("node-a");
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"kind": "Node", "name": node}});
        let _ = pods
            .create_subresource(namespace, name, "binding", binding)
            .await;
    } else if pod["status"]["phase"] == "Pending" {
        let image = pod["spec"]["containers"][0]["image"].as_str();
        // `exit-0` succeeds, `exit-3` fails.
        if let Some(code) = image.and_then(|i| i.strip_prefix("exit-")) {
            let code: i64 = code.parse().unwrap();
            let phase = if code == 0 { "Succeeded" } else { "Failed" };
            let status = json!({"status": {"phase": phase, "containerStatuses": [{"name": "c", "image": "",
                "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code}}}]}});
            let _ = pods
                .patch(namespace, name, "status", Patch::Strategic(status))
                .await;
            return;
        }
        let ready = if image == Some("broken") {
            "False"
        } else {
            "True"
        };
        let since = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let status = json!({"status": {"phase": "Running", "podIP": "10.42.0.9", "startTime": since, "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": since}]}});
        let _ = pods
            .patch(namespace, name, "status", Patch::Strategic(status))
            .await;
    }
}

pub fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    })
}

pub fn replica_set(name: &str, replicas: i64) -> Value {
    let mut set = deployment(name, replicas, "a");
    set["kind"] = "ReplicaSet".into();
    set
}

pub fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}
