//! Autoscalers over a metrics API made in the test.

use std::time::Duration;

use controllers::Clock;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition, deployment, number};

fn autoscaler(more: Value) -> Value {
    let mut object = json!({"metadata": {"name": "web"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 6,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    for (key, value) in more.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

/// A deployment whose pods ask for 100m of CPU.
async fn web(cluster: &Cluster, replicas: i64) {
    let mut object = deployment("web", replicas, "a");
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "100m"}});
    cluster.create("deployments", object).await;
    cluster.rolled_out("web", replicas).await;
}

/// All pods use so much CPU.
async fn use_cpu(cluster: &Cluster, usage: &str) {
    let items: Vec<Value> = cluster
        .list("pods")
        .await
        .iter()
        .map(|p| {
            json!({"metadata": {"name": p["metadata"]["name"], "namespace": "default"}, "timestamp": "2999-01-01T00:00:00Z",
                "window": "30s", "containers": [{"name": "c", "usage": {"cpu": usage, "memory": "1Mi"}}]})
        })
        .collect();
    *cluster.metrics.0.lock() = Some(json!({"kind": "PodMetricsList", "items": items}));
}

#[tokio::test(start_paused = true)]
async fn replicas_follow_what_the_pods_use() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    web(&cluster, 2).await;
    cluster
        .create("horizontalpodautoscalers", autoscaler(json!({})))
        .await;
    // Nobody serves metrics: nothing happens, and the condition says why.
    let blind = cluster
        .until("horizontalpodautoscalers", "default", "web", |h| {
            h.is_some_and(|h| condition(h, "ScalingActive")["status"] == "False")
        })
        .await
        .unwrap();
    let active = condition(&blind, "ScalingActive");
    assert_eq!(active["reason"], "FailedGetResourceMetric");
    assert_eq!(
        active["message"],
        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: \
         unable to fetch metrics from resource metrics API: the server could not find the requested resource (get \
         pods.metrics.k8s.io)"
    );
    assert_eq!(
        condition(&blind, "AbleToScale")["reason"],
        "SucceededGetScale"
    );
    assert_eq!(number(&blind, "/status/currentReplicas"), 2);

    // 90 % of what they asked for, of 50 % wanted: 1.8 times as many.
    use_cpu(&cluster, "90m").await;
    let grown = cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| number(d, "/spec/replicas") == 4)
        })
        .await
        .unwrap();
    assert_eq!(number(&grown, "/spec/replicas"), 4);
    let told = cluster
        .until("horizontalpodautoscalers", "default", "web", |h| {
            h.is_some_and(|h| number(h, "/status/desiredReplicas") == 4)
        })
        .await
        .unwrap();
    assert_eq!(
        at(&told, "/status/currentMetrics/0/resource/current"),
        &json!({"averageUtilization": 90, "averageValue": "90m"})
    );
    assert_eq!(
        condition(&told, "ScalingActive")["reason"],
        "ValidMetricFound"
    );
    cluster.rolled_out("web", 4).await;

    // Far too much: no more than there may be.
    use_cpu(&cluster, "1").await;
    cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| number(d, "/spec/replicas") == 6)
        })
        .await;
    cluster
        .until("horizontalpodautoscalers", "default", "web", |h| {
            h.is_some_and(|h| condition(h, "ScalingLimited")["reason"] == "TooManyReplicas")
        })
        .await;
    cluster.rolled_out("web", 6).await;

    // Nothing to do: the replicas stay for five minutes, then they go.
    use_cpu(&cluster, "10m").await;
    let start = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let still = cluster.get("deployments", "web").await.unwrap();
    assert_eq!(number(&still, "/spec/replicas"), 6);
    cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| number(d, "/spec/replicas") == 2)
        })
        .await;
    assert!(
        start.elapsed() >= Duration::from_secs(240),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn behaviour_bounds_the_rate_and_a_target_of_zero_is_left_alone() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    web(&cluster, 2).await;
    use_cpu(&cluster, "1").await;
    let slow = json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}]}}});
    cluster
        .create("horizontalpodautoscalers", autoscaler(slow))
        .await;
    cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| number(d, "/spec/replicas") == 3)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let bounded = cluster.get("deployments", "web").await.unwrap();
    assert_eq!(number(&bounded, "/spec/replicas"), 3);
    let limited = cluster
        .until("horizontalpodautoscalers", "default", "web", |h| {
            h.is_some_and(|h| condition(h, "ScalingLimited")["reason"] == "ScaleUpLimit")
        })
        .await
        .unwrap();
    assert_eq!(condition(&limited, "ScalingLimited")["status"], "True");
    cluster
        .merge("deployments", "web", json!({"spec": {"replicas": 0}}))
        .await;
    let off = cluster
        .until("horizontalpodautoscalers", "default", "web", |h| {
            h.is_some_and(|h| condition(h, "ScalingActive")["reason"] == "ScalingDisabled")
        })
        .await
        .unwrap();
    assert_eq!(number(&off, "/status/currentReplicas"), 0);
    let zero = cluster.get("deployments", "web").await.unwrap();
    assert_eq!(number(&zero, "/spec/replicas"), 0);
}
