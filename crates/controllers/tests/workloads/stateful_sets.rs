use serde_json::{Value, json};

use crate::harness::{Cluster, at, image, is_ready, number};

fn stateful_set(extra: Value) -> Value {
    let mut set = json!({"metadata": {"name": "db"}, "spec": {"replicas": 3, "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": "a"}]}}}});
    for (key, value) in extra.as_object().unwrap() {
        set["spec"][key] = value.clone();
    }
    set
}

fn names(pods: &[Value]) -> Vec<&str> {
    pods.iter()
        .map(|p| p["metadata"]["name"].as_str().unwrap())
        .collect()
}

fn images(pods: &[Value]) -> Vec<&str> {
    pods.iter()
        .map(|p| at(p, "/spec/containers/0/image").as_str().unwrap())
        .collect()
}

async fn ready(cluster: &Cluster, n: i64) -> Value {
    cluster
        .until("statefulsets", "default", "db", |s| {
            s.is_some_and(|s| {
                number(s, "/status/observedGeneration") == number(s, "/metadata/generation")
                    && number(s, "/status/readyReplicas") == n
                    && number(s, "/status/replicas") == n
            })
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn members_come_in_order_go_in_reverse_and_keep_their_claims() {
    let cluster = Cluster::start().await;
    let claims = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}}]);
    cluster
        .create(
            "statefulsets",
            stateful_set(json!({"volumeClaimTemplates": claims})),
        )
        .await;
    ready(&cluster, 3).await;
    let pods = cluster.list("pods").await;
    assert_eq!(names(&pods), ["db-0", "db-1", "db-2"]);
    let pod = &pods[1];
    assert_eq!(at(pod, "/spec/hostname"), "db-1");
    assert_eq!(at(pod, "/spec/subdomain"), "db");
    assert_eq!(
        at(pod, "/metadata/labels/apps.kubernetes.io~1pod-index"),
        "1"
    );
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert!(
        volumes.iter().any(
            |v| v["name"] == "data" && at(v, "/persistentVolumeClaim/claimName") == "data-db-1"
        )
    );
    assert_eq!(cluster.list("persistentvolumeclaims").await.len(), 3);

    cluster
        .merge("statefulsets", "db", json!({"spec": {"replicas": 1}}))
        .await;
    ready(&cluster, 1).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 1).await;
    assert_eq!(names(&pods), ["db-0"]);
    assert_eq!(
        cluster.list("persistentvolumeclaims").await.len(),
        3,
        "claims stay"
    );
    // A member that is lost comes back under its name.
    let uid = pods[0]["metadata"]["uid"].clone();
    cluster
        .delete("pods", "db-0", registry::DeletionPropagation::Background)
        .await;
    cluster
        .until("pods", "default", "db-0", |p| {
            p.is_some_and(|p| p["metadata"]["uid"] != uid && is_ready(p))
        })
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn a_member_that_is_not_ready_holds_up_the_next_unless_they_are_parallel() {
    let cluster = Cluster::start().await;
    let mut set = stateful_set(json!({}));
    set["spec"]["template"]["spec"]["containers"][0]["image"] = "broken".into();
    cluster.create("statefulsets", set.clone()).await;
    cluster.until_all("pods", |_| true, |p| p.len() == 1).await;
    cluster.settle().await;
    assert_eq!(names(&cluster.list("pods").await), ["db-0"]);
    cluster
        .delete(
            "statefulsets",
            "db",
            registry::DeletionPropagation::Foreground,
        )
        .await;
    cluster
        .until("statefulsets", "default", "db", |s| s.is_none())
        .await;
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    cluster.create("statefulsets", set).await;
    cluster.until_all("pods", |_| true, |p| p.len() == 3).await;
    cluster.settle().await;
}

#[tokio::test]
async fn an_update_goes_from_the_last_member_down_to_the_partition() {
    let cluster = Cluster::start().await;
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    cluster
        .create(
            "statefulsets",
            stateful_set(json!({"updateStrategy": strategy})),
        )
        .await;
    ready(&cluster, 3).await;
    cluster.settle().await;
    cluster.merge("statefulsets", "db", image("b")).await;
    cluster
        .until("pods", "default", "db-2", |p| {
            p.is_some_and(|p| at(p, "/spec/containers/0/image") == "b" && is_ready(p))
        })
        .await;
    cluster.settle().await;
    assert_eq!(images(&cluster.list("pods").await), ["a", "a", "b"]);
    // A member below the partition that is made anew stays what it was.
    cluster
        .delete("pods", "db-0", registry::DeletionPropagation::Background)
        .await;
    ready(&cluster, 3).await;
    cluster.settle().await;
    assert_eq!(images(&cluster.list("pods").await), ["a", "a", "b"]);
    let set = cluster.get("statefulsets", "db").await.unwrap();
    assert_ne!(
        at(&set, "/status/currentRevision"),
        at(&set, "/status/updateRevision")
    );
    assert_eq!(number(&set, "/status/updatedReplicas"), 1);

    let all = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}});
    cluster.merge("statefulsets", "db", all).await;
    let set = cluster
        .until("statefulsets", "default", "db", |s| {
            s.is_some_and(|s| {
                number(s, "/status/updatedReplicas") == 3
                    && at(s, "/status/currentRevision") == at(s, "/status/updateRevision")
                    && number(s, "/status/readyReplicas") == 3
            })
        })
        .await
        .unwrap();
    assert_eq!(number(&set, "/status/currentReplicas"), 3);
    assert_eq!(images(&cluster.list("pods").await), ["b", "b", "b"]);
    assert_eq!(cluster.list("controllerrevisions").await.len(), 2);
    cluster.settle().await;
}
