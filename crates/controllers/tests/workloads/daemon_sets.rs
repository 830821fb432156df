use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Cluster, at, image, is_ready, number};

fn daemon_set(strategy: Value) -> Value {
    json!({"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": {"app": "agent"}},
        "updateStrategy": strategy, "template": {"metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "c", "image": "a"}]}}}})
}

async fn cluster() -> Arc<Cluster> {
    let cluster = Cluster::start().await;
    for name in ["node-b", "node-c"] {
        cluster.node(name).await;
    }
    cluster
}

async fn rolled_out(cluster: &Cluster, count: i64) -> Value {
    cluster
        .until("daemonsets", "default", "agent", |d| {
            d.is_some_and(|d| {
                number(d, "/status/observedGeneration") == number(d, "/metadata/generation")
                    && [
                        "desiredNumberScheduled",
                        "currentNumberScheduled",
                        "updatedNumberScheduled",
                        "numberReady",
                        "numberAvailable",
                    ]
                    .iter()
                    .all(|f| number(d, &format!("/status/{f}")) == count)
            })
        })
        .await
        .unwrap()
}

fn nodes(pods: &[Value]) -> BTreeSet<&str> {
    pods.iter()
        .map(|p| at(p, "/spec/nodeName").as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn each_node_that_fits_has_one() {
    let cluster = cluster().await;
    cluster
        .create("daemonsets", daemon_set(json!({"type": "RollingUpdate"})))
        .await;
    rolled_out(&cluster, 3).await;
    let pods = cluster.list("pods").await;
    assert_eq!(nodes(&pods), BTreeSet::from(["node-a", "node-b", "node-c"]));

    cluster.node("node-d").await;
    rolled_out(&cluster, 4).await;
    // A taint that it does not bear drives it off one.
    cluster
        .merge(
            "nodes",
            "node-d",
            json!({"spec": {"taints": [{"key": "own", "effect": "NoExecute"}]}}),
        )
        .await;
    rolled_out(&cluster, 3).await;
    cluster.until_all("pods", |_| true, |p| p.len() == 3).await;
    // Only some are wanted.
    let some = json!({"spec": {"template": {"spec": {"nodeSelector": {"name": "node-b"}}}}});
    cluster.merge("daemonsets", "agent", some).await;
    rolled_out(&cluster, 1).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 1).await;
    assert_eq!(nodes(&pods), BTreeSet::from(["node-b"]));
    // A deleted one comes back.
    let name = pods[0]["metadata"]["name"].as_str().unwrap();
    cluster
        .delete("pods", name, registry::DeletionPropagation::Background)
        .await;
    cluster
        .until_all(
            "pods",
            |_| true,
            |p| p.len() == 1 && p[0]["metadata"]["name"] != name && is_ready(&p[0]),
        )
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn an_update_takes_one_node_at_a_time_and_stops_at_what_is_broken() {
    let cluster = cluster().await;
    cluster
        .create("daemonsets", daemon_set(json!({"type": "RollingUpdate"})))
        .await;
    rolled_out(&cluster, 3).await;
    cluster.merge("daemonsets", "agent", image("b")).await;
    rolled_out(&cluster, 3).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 3).await;
    assert!(
        pods.iter()
            .all(|p| at(p, "/spec/containers/0/image") == "b")
    );
    let revisions = cluster.list("controllerrevisions").await;
    assert_eq!(revisions.len(), 2);

    cluster.merge("daemonsets", "agent", image("broken")).await;
    cluster
        .until_all(
            "pods",
            |_| true,
            |p| {
                p.iter()
                    .any(|p| at(p, "/spec/containers/0/image") == "broken")
            },
        )
        .await;
    cluster.settle().await;
    let pods = cluster.list("pods").await;
    assert_eq!(pods.iter().filter(|p| is_ready(p)).count(), 2);
    // As `kubectl rollout undo` does it; the revision of before is used again.
    cluster.merge("daemonsets", "agent", image("b")).await;
    rolled_out(&cluster, 3).await;
    assert_eq!(cluster.list("controllerrevisions").await.len(), 3);
    cluster.settle().await;
}

#[tokio::test]
async fn with_a_surge_the_new_one_is_there_before_the_old_one_goes() {
    let cluster = cluster().await;
    let strategy =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    cluster.create("daemonsets", daemon_set(strategy)).await;
    rolled_out(&cluster, 3).await;
    let options = registry::ListOptions {
        watch: true,
        ..Default::default()
    };
    let api = cluster.api("pods");
    let mut watch = api.watch(Some("default"), &options).await.unwrap();
    cluster.merge("daemonsets", "agent", image("b")).await;
    rolled_out(&cluster, 3).await;
    cluster.settle().await;
    let mut ready: BTreeSet<(String, String)> = BTreeSet::new();
    let mut began = false;
    while let Ok(Some(event)) =
        tokio::time::timeout(std::time::Duration::from_millis(100), watch.next()).await
    {
        use registry::api::TypedEvent;
        let (pod, gone) = match event {
            TypedEvent::Added(pod) | TypedEvent::Modified(pod) => (pod, false),
            TypedEvent::Deleted(pod) => (pod, true),
            _ => continue,
        };
        let key = (
            at(&pod, "/spec/nodeName").to_string(),
            pod["metadata"]["name"].to_string(),
        );
        if !gone && is_ready(&pod) && pod["metadata"]["deletionTimestamp"].is_null() {
            ready.insert(key);
        } else {
            ready.remove(&key);
        }
        let served: BTreeSet<_> = ready.iter().map(|(node, _)| node).collect();
        began |= served.len() == 3;
        assert!(!began || served.len() == 3, "{ready:?}");
    }
    assert!(began);
}
