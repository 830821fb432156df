use registry::DeletionPropagation;
use serde_json::json;

use crate::harness::{Cluster, at, number, replica_set};

#[tokio::test]
async fn it_scales_replaces_what_fails_and_says_so() {
    let cluster = Cluster::start().await;
    cluster.create("replicasets", replica_set("web", 3)).await;
    let ready = |n: i64| {
        move |s: Option<&serde_json::Value>| {
            s.is_some_and(|s| {
                number(s, "/status/readyReplicas") == n && number(s, "/status/replicas") == n
            })
        }
    };
    cluster
        .until("replicasets", "default", "web", ready(3))
        .await;
    let pods = cluster.list("pods").await;
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(at(pod, "/metadata/ownerReferences/0/kind"), "ReplicaSet");
        assert_eq!(at(pod, "/metadata/ownerReferences/0/controller"), true);
    }

    cluster
        .merge("replicasets", "web", json!({"spec": {"replicas": 5}}))
        .await;
    cluster
        .until("replicasets", "default", "web", ready(5))
        .await;
    cluster
        .merge("replicasets", "web", json!({"spec": {"replicas": 1}}))
        .await;
    cluster
        .until("replicasets", "default", "web", ready(1))
        .await;

    // A failed pod stays to be looked at, and another takes its place.
    let pod = cluster
        .until_all("pods", |_| true, |p| p.len() == 1)
        .await
        .remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let failed = registry::Patch::Merge(json!({"status": {"phase": "Failed"}}));
    cluster
        .api("pods")
        .patch(Some("default"), &name, "status", failed)
        .await
        .unwrap();
    cluster
        .until_all(
            "pods",
            |_| true,
            |pods| {
                pods.len() == 2
                    && pods.iter().filter(|p| crate::harness::is_ready(p)).count() == 2
                    && pods
                        .iter()
                        .filter(|p| p["status"]["phase"] == "Running")
                        .count()
                        == 1
            },
        )
        .await;
    // A deleted one too.
    cluster
        .delete("pods", &name, DeletionPropagation::Background)
        .await;
    cluster
        .until_all("pods", |_| true, |pods| pods.len() == 1)
        .await;
    cluster.settle().await;
    let events = cluster.list("events").await;
    assert!(events.iter().any(|e| e["reason"] == "SuccessfulCreate"));
    assert!(events.iter().any(|e| e["reason"] == "SuccessfulDelete"));
}

#[tokio::test]
async fn it_adopts_what_matches_and_releases_what_ceases_to() {
    let cluster = Cluster::start().await;
    let orphan = json!({"metadata": {"name": "orphan", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "a"}]}});
    cluster.create("pods", orphan).await;
    let set = cluster.create("replicasets", replica_set("web", 2)).await;
    let uid = set["metadata"]["uid"].clone();
    let pods = cluster
        .until_all(
            "pods",
            |_| true,
            |pods| {
                pods.len() == 2
                    && pods
                        .iter()
                        .all(|p| at(p, "/metadata/ownerReferences/0/uid") == &uid)
            },
        )
        .await;
    assert!(pods.iter().any(|p| p["metadata"]["name"] == "orphan"));

    cluster
        .merge(
            "pods",
            "orphan",
            json!({"metadata": {"labels": {"app": "other"}}}),
        )
        .await;
    let pods = cluster
        .until_all(
            "pods",
            |_| true,
            |pods| {
                pods.len() == 3
                    && pods.iter().any(|p| {
                        p["metadata"]["name"] == "orphan"
                            && at(p, "/metadata/ownerReferences").is_null()
                    })
            },
        )
        .await;
    assert_eq!(pods.len(), 3);

    // Labelled back: adopted, and one too many goes.
    cluster
        .merge(
            "pods",
            "orphan",
            json!({"metadata": {"labels": {"app": "web"}}}),
        )
        .await;
    cluster
        .until_all("pods", |_| true, |pods| pods.len() == 2)
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn a_creation_that_is_refused_shows_in_the_conditions() {
    let cluster = Cluster::start().await;
    let mut set = replica_set("web", 2);
    set["spec"]["template"]["spec"]["priorityClassName"] = "absent".into();
    cluster.create("replicasets", set).await;
    let set = cluster
        .until("replicasets", "default", "web", |s| {
            s.is_some_and(|s| !crate::harness::condition(s, "ReplicaFailure").is_null())
        })
        .await
        .unwrap();
    let failure = crate::harness::condition(&set, "ReplicaFailure");
    assert_eq!(failure["reason"], "FailedCreate");
    assert!(failure["message"].as_str().unwrap().contains("absent"));
    // Once it can, it does.
    cluster
        .registry
        .api::<serde_json::Value>(
            "scheduling.k8s.io",
            "v1",
            "priorityclasses",
            registry::UserInfo::system(),
        )
        .unwrap()
        .create(None, &json!({"metadata": {"name": "absent"}, "value": 1}))
        .await
        .unwrap();
    cluster
        .until("replicasets", "default", "web", |s| {
            s.is_some_and(|s| {
                number(s, "/status/readyReplicas") == 2
                    && crate::harness::condition(s, "ReplicaFailure").is_null()
            })
        })
        .await;
}

#[tokio::test]
async fn a_replication_controller_has_its_pods_too() {
    let cluster = Cluster::start().await;
    let labels = serde_json::json!({"app": "old"});
    let controller = serde_json::json!({"metadata": {"name": "old"}, "spec": {"replicas": 2, "selector": labels,
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "a"}]}}}});
    cluster.create("replicationcontrollers", controller).await;
    let ready = |n: i64| {
        move |c: Option<&serde_json::Value>| {
            c.is_some_and(|c| {
                crate::harness::number(c, "/status/readyReplicas") == n
                    && crate::harness::number(c, "/status/replicas") == n
            })
        }
    };
    cluster
        .until("replicationcontrollers", "default", "old", ready(2))
        .await;
    let pods = cluster.list("pods").await;
    assert_eq!(pods.len(), 2);
    let owner = &pods[0]["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["apiVersion"], &owner["controller"]),
        (
            &serde_json::json!("ReplicationController"),
            &serde_json::json!("v1"),
            &serde_json::json!(true)
        )
    );
    cluster
        .merge(
            "replicationcontrollers",
            "old",
            serde_json::json!({"spec": {"replicas": 1}}),
        )
        .await;
    cluster
        .until("replicationcontrollers", "default", "old", ready(1))
        .await;
    cluster.settle().await;
}
