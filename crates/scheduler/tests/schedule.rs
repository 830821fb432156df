//! Pods and nodes in a registry over a log in memory, with the scheduler running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::time::Duration;

use machinery::Status;
use registry::api::{Api, TypedEvent};
use registry::{ListOptions, Patch, Registry, RegistryOptions, UserInfo};
use serde_json::{Value, json};
use store::memory::MemoryLog;
use store::{Options, SealingKeys, Store, SystemClock};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

struct Cluster {
    registry: Registry,
    stop: CancellationToken,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Cluster {
    async fn start() -> Self {
        let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
        let store = Store::open(MemoryLog::new(), keys, SystemClock, Options::default())
            .await
            .unwrap();
        let registry = Registry::new(store, RegistryOptions::default());
        let options = registry::bootstrap::BootstrapOptions {
            addresses: Vec::new(),
            port: 6443,
        };
        registry::bootstrap::reconcile(&registry, &options)
            .await
            .unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(scheduler::run(registry.clone(), stop.clone()));
        Self { registry, stop }
    }

    fn api(&self, plural: &str) -> Api<Value> {
        self.registry
            .api("", "v1", plural, UserInfo::system())
            .unwrap()
    }

    async fn node(&self, name: &str, cpu: &str) {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"disk": name}},
        });
        self.api("nodes").create(None, &node).await.unwrap();
        let status =
            json!({"status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}});
        self.api("nodes")
            .patch(None, name, "status", Patch::Merge(status))
            .await
            .unwrap();
        // A new node is tainted as not ready; its life-cycle controller would take that away.
        let ready = Patch::Merge(json!({"spec": {"taints": null}}));
        let nodes = self.api("nodes");
        nodes.patch(None, name, "", ready).await.unwrap();
    }

    async fn pod(&self, name: &str, spec: Value) {
        let mut full = json!({"containers": [{"name": "c", "image": "i"}]});
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": full,
        });
        self.api("pods")
            .create(Some("default"), &pod)
            .await
            .unwrap();
    }

    /// Waits until the pod is as asked.
    async fn until(&self, pod: &str, what: impl Fn(&Value) -> bool) -> Value {
        let options = ListOptions {
            watch: true,
            ..ListOptions::default()
        };
        let pods = self.api("pods");
        let wait = async {
            let mut watch = pods.watch(Some("default"), &options).await.unwrap();
            while let Some(event) = watch.next().await {
                if let TypedEvent::Added(object) | TypedEvent::Modified(object) = event
                    && object["metadata"]["name"] == json!(pod)
                    && what(&object)
                {
                    return object;
                }
            }
            panic!("the watch ended");
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap_or_else(|_| panic!("pod {pod} did not become as asked"))
    }

    async fn bound(&self, pod: &str) -> String {
        let bound = self.until(pod, |p| p["spec"]["nodeName"].is_string()).await;
        bound["spec"]["nodeName"].as_str().unwrap().to_owned()
    }

    async fn refused(&self, pod: &str) -> String {
        let condition = |p: &Value| {
            let all = p["status"]["conditions"].as_array()?.clone();
            all.into_iter()
                .find(|c| c["type"] == json!("PodScheduled") && c["status"] == json!("False"))
        };
        let pod = self.until(pod, |p| condition(p).is_some()).await;
        condition(&pod).unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn asking(cpu: &str) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_go_where_they_fit_and_may() {
    let cluster = Cluster::start().await;
    cluster.node("a", "2").await;
    cluster.node("b", "4").await;
    cluster.pod("large", asking("3")).await;
    assert_eq!(cluster.bound("large").await, "b");
    cluster
        .pod("picky", json!({"nodeSelector": {"disk": "a"}}))
        .await;
    assert_eq!(cluster.bound("picky").await, "a");
    cluster.pod("huge", asking("100")).await;
    assert_eq!(
        cluster.refused("huge").await,
        "0/2 nodes are available: 2 Insufficient cpu."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_waits_is_placed_when_a_node_comes_or_is_uncordoned() {
    let cluster = Cluster::start().await;
    cluster.pod("early", json!({})).await;
    assert_eq!(
        cluster.refused("early").await,
        "no nodes available to schedule pods"
    );
    cluster.node("a", "2").await;
    assert_eq!(cluster.bound("early").await, "a");

    let cordon = |on: Value| Patch::Merge(json!({"spec": {"unschedulable": on}}));
    let nodes = cluster.api("nodes");
    nodes
        .patch(None, "a", "", cordon(json!(true)))
        .await
        .unwrap();
    cluster.pod("late", json!({})).await;
    assert!(cluster.refused("late").await.contains("unschedulable"));
    nodes
        .patch(None, "a", "", cordon(Value::Null))
        .await
        .unwrap();
    assert_eq!(cluster.bound("late").await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_pod_had_is_given_to_the_next() {
    let cluster = Cluster::start().await;
    cluster.node("a", "1").await;
    cluster.pod("first", asking("800m")).await;
    cluster.bound("first").await;
    cluster.pod("second", asking("800m")).await;
    cluster.refused("second").await;
    let now = registry::DeleteOptions {
        grace_period_seconds: Some(0),
        ..Default::default()
    };
    cluster
        .api("pods")
        .delete(Some("default"), "first", &now)
        .await
        .unwrap();
    assert_eq!(cluster.bound("second").await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pods_never_overfill_a_node() {
    let cluster = Cluster::start().await;
    for n in 0..5 {
        cluster.node(&format!("n{n}"), "2").await;
    }
    for n in 0..40 {
        cluster.pod(&format!("p{n}"), asking("250m")).await;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for n in 0..40 {
        let node = cluster.bound(&format!("p{n}")).await;
        *taken.entry(node).or_default() += 1;
    }
    assert!(taken.values().all(|pods| *pods == 8), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_where_a_pod_went() -> Result<(), Status> {
    let cluster = Cluster::start().await;
    cluster.node("a", "1").await;
    cluster.pod("p", json!({})).await;
    cluster.bound("p").await;
    let events = cluster.api("events");
    let options = ListOptions {
        watch: true,
        ..ListOptions::default()
    };
    let mut watch = events.watch(Some("default"), &options).await?;
    let said = async {
        while let Some(event) = watch.next().await {
            if let TypedEvent::Added(event) = event
                && event["reason"] == json!("Scheduled")
            {
                return event["message"].clone();
            }
        }
        Value::Null
    };
    let said = tokio::time::timeout(Duration::from_secs(10), said)
        .await
        .unwrap();
    assert_eq!(said, json!("Successfully assigned default/p to a"));
    Ok(())
}
