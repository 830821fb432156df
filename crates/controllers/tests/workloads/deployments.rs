use std::time::Duration;

use controllers::Clock;
use registry::Patch;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition, deployment, image, number};

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

fn images(pods: &[Value]) -> Vec<&str> {
    pods.iter()
        .map(|p| at(p, "/spec/containers/0/image").as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn it_rolls_out_updates_scales_and_undoes() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 3, "a"))
        .await;
    let d = cluster.rolled_out("web", 3).await;
    assert_eq!(at(&d, REVISION), "1");
    let d = cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| condition(d, "Progressing")["reason"] == "NewReplicaSetAvailable")
        })
        .await
        .unwrap();
    assert_eq!(condition(&d, "Available")["status"], "True");
    let set = cluster.list("replicasets").await.remove(0);
    let hash = at(&set, "/metadata/labels/pod-template-hash")
        .as_str()
        .unwrap();
    assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(
        at(&set, "/spec/selector/matchLabels/pod-template-hash"),
        hash
    );

    cluster.merge("deployments", "web", image("b")).await;
    let d = cluster.rolled_out("web", 3).await;
    assert_eq!(at(&d, REVISION), "2");
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 3).await;
    assert_eq!(images(&pods), ["b"; 3]);
    let sets = cluster.list("replicasets").await;
    assert_eq!(sets.len(), 2, "the old one stays for an undo");

    cluster
        .merge("deployments", "web", json!({"spec": {"replicas": 5}}))
        .await;
    cluster.rolled_out("web", 5).await;
    cluster
        .merge("deployments", "web", json!({"spec": {"replicas": 2}}))
        .await;
    cluster.rolled_out("web", 2).await;
    cluster.until_all("pods", |_| true, |p| p.len() == 2).await;

    // As `kubectl rollout undo` does it: the old set's template becomes the deployment's.
    let mut template = set["spec"]["template"].clone();
    template["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("pod-template-hash");
    let undo = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    cluster
        .api("deployments")
        .patch(Some("default"), "web", "", Patch::Json(undo))
        .await
        .unwrap();
    let d = cluster.rolled_out("web", 2).await;
    assert_eq!(at(&d, REVISION), "3");
    let sets = cluster.list("replicasets").await;
    assert_eq!(sets.len(), 2, "the old set is used again");
    let used = sets
        .iter()
        .find(|s| s["metadata"]["name"] == set["metadata"]["name"])
        .unwrap();
    assert_eq!(at(used, REVISION), "3");
    assert_eq!(
        at(
            used,
            "/metadata/annotations/deployment.kubernetes.io~1revision-history"
        ),
        "1"
    );
    cluster.settle().await;
}

#[tokio::test]
async fn recreation_lets_no_two_versions_run_at_once() {
    let cluster = Cluster::start().await;
    let mut d = deployment("web", 3, "a");
    d["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create("deployments", d).await;
    cluster.rolled_out("web", 3).await;
    let options = registry::ListOptions {
        watch: true,
        ..Default::default()
    };
    let mut watch = cluster
        .api("pods")
        .watch(Some("default"), &options)
        .await
        .unwrap();
    cluster.merge("deployments", "web", image("b")).await;
    cluster.rolled_out("web", 3).await;
    // Every pod of the first version is gone before one of the second comes.
    let mut running = std::collections::BTreeMap::new();
    let mut new = 0;
    while new < 3 {
        use registry::api::TypedEvent;
        match watch.next().await.unwrap() {
            TypedEvent::Added(pod) | TypedEvent::Modified(pod) => {
                let name = pod["metadata"]["name"].to_string();
                let image = at(&pod, "/spec/containers/0/image").to_string();
                if running.insert(name, image.clone()).is_none() && image.contains('b') {
                    new += 1;
                    assert!(running.values().all(|i| *i == image), "{running:?}");
                }
            }
            TypedEvent::Deleted(pod) => {
                running.remove(&pod["metadata"]["name"].to_string());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_history_is_kept_to_its_limit() {
    let cluster = Cluster::start().await;
    let mut d = deployment("web", 1, "v0");
    d["spec"]["revisionHistoryLimit"] = 2.into();
    cluster.create("deployments", d).await;
    cluster.rolled_out("web", 1).await;
    for version in 1..5 {
        cluster
            .merge("deployments", "web", image(&format!("v{version}")))
            .await;
        cluster.rolled_out("web", 1).await;
    }
    let sets = cluster
        .until_all("replicasets", |_| true, |s| s.len() == 3)
        .await;
    let mut revisions: Vec<_> = sets
        .iter()
        .map(|s| at(s, REVISION).as_str().unwrap())
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, ["3", "4", "5"]);
}

#[tokio::test]
async fn paused_it_scales_but_does_not_roll() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 2, "a"))
        .await;
    cluster.rolled_out("web", 2).await;
    cluster
        .merge("deployments", "web", json!({"spec": {"paused": true}}))
        .await;
    let mut change = image("b");
    change["spec"]["replicas"] = 4.into();
    cluster.merge("deployments", "web", change).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 4).await;
    assert_eq!(images(&pods), ["a"; 4]);
    cluster.settle().await;
    let d = cluster.get("deployments", "web").await.unwrap();
    assert_eq!(condition(&d, "Progressing")["reason"], "DeploymentPaused");
    assert_eq!(number(&d, "/status/updatedReplicas"), 0);
    cluster
        .merge("deployments", "web", json!({"spec": {"paused": false}}))
        .await;
    cluster.rolled_out("web", 4).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 4).await;
    assert_eq!(images(&pods), ["b"; 4]);
}

#[tokio::test]
async fn in_the_middle_of_a_rollout_it_scales_in_proportion() {
    let cluster = Cluster::start().await;
    let mut d = deployment("web", 10, "a");
    d["spec"]["strategy"] = json!({"type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}});
    cluster.create("deployments", d).await;
    cluster.rolled_out("web", 10).await;
    // Never ready, so it stays in the middle: 8 old and 5 new.
    cluster.merge("deployments", "web", image("broken")).await;
    let size = |image: &'static str, n: i64| {
        move |sets: &[Value]| {
            sets.iter().any(|s| {
                at(s, "/spec/template/spec/containers/0/image") == image
                    && number(s, "/spec/replicas") == n
            })
        }
    };
    cluster
        .until_all(
            "replicasets",
            |_| true,
            |s| size("a", 8)(s) && size("broken", 5)(s),
        )
        .await;
    cluster.settle().await;
    // As in upstream's documentation: 15 wanted, 18 allowed; 3 more for the larger, 2 for the smaller.
    cluster
        .merge("deployments", "web", json!({"spec": {"replicas": 15}}))
        .await;
    cluster
        .until_all(
            "replicasets",
            |_| true,
            |s| size("a", 11)(s) && size("broken", 7)(s),
        )
        .await;
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn without_progress_it_says_so_and_it_waits_until_pods_have_been_ready_long_enough() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let mut d = deployment("web", 2, "a");
    d["spec"]["progressDeadlineSeconds"] = 60.into();
    d["spec"]["minReadySeconds"] = 20.into();
    let start = tokio::time::Instant::now();
    cluster.create("deployments", d).await;
    cluster.rolled_out("web", 2).await;
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(18)..Duration::from_secs(30)).contains(&took),
        "{took:?}"
    );
    cluster.merge("deployments", "web", image("broken")).await;
    let start = tokio::time::Instant::now();
    let d = cluster
        .until("deployments", "default", "web", |d| {
            d.is_some_and(|d| condition(d, "Progressing")["status"] == "False")
        })
        .await
        .unwrap();
    assert_eq!(
        condition(&d, "Progressing")["reason"],
        "ProgressDeadlineExceeded"
    );
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(58)..Duration::from_secs(90)).contains(&took),
        "{took:?}"
    );
    // The old pods still serve.
    assert_eq!(condition(&d, "Available")["status"], "True");
}

#[tokio::test]
async fn other_controllers_go_on_where_these_were_stopped() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 6, "a"))
        .await;
    cluster.rolled_out("web", 6).await;
    for round in 0..3 {
        let to = format!("v{round}");
        cluster.merge("deployments", "web", image(&to)).await;
        // In the middle of it.
        cluster
            .until_all(
                "pods",
                |p| at(p, "/spec/containers/0/image") == to.as_str(),
                |pods| !pods.is_empty(),
            )
            .await;
        cluster.stop_controllers().await;
        cluster.start_controllers();
        cluster.rolled_out("web", 6).await;
        let pods = cluster.until_all("pods", |_| true, |p| p.len() == 6).await;
        assert!(images(&pods).iter().all(|i| *i == to));
    }
    cluster.settle().await;
}

#[tokio::test]
async fn two_templates_of_one_hash_get_different_names() {
    let cluster = Cluster::start().await;
    cluster.stop_controllers().await;
    let d = cluster
        .create("deployments", deployment("web", 1, "a"))
        .await;
    cluster.start_controllers();
    cluster.rolled_out("web", 1).await;
    let first = cluster.list("replicasets").await.remove(0);
    let name = first["metadata"]["name"].as_str().unwrap().to_owned();
    // Somebody else's set of that name takes the place.
    cluster.stop_controllers().await;
    cluster
        .delete(
            "deployments",
            "web",
            registry::DeletionPropagation::Background,
        )
        .await;
    cluster
        .delete(
            "replicasets",
            &name,
            registry::DeletionPropagation::Background,
        )
        .await;
    let mut foreign = crate::harness::replica_set("other", 0);
    foreign["metadata"]["name"] = name.clone().into();
    cluster.create("replicasets", foreign).await;
    let mut again = d.clone();
    again["metadata"] = json!({"name": "web"});
    again["status"] = json!({});
    cluster.create("deployments", again).await;
    cluster.start_controllers();
    let d = cluster.rolled_out("web", 1).await;
    assert_eq!(number(&d, "/status/collisionCount"), 1);
}

#[tokio::test]
async fn writes_of_others_meanwhile_are_conflicts_that_it_gets_over() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 4, "a"))
        .await;
    // Each change makes the controller's view of the deployment old.
    for n in 0..30 {
        let note = json!({"metadata": {"annotations": {"n": n.to_string()}}});
        cluster.merge("deployments", "web", note.clone()).await;
        for set in cluster.list("replicasets").await {
            let name = set["metadata"]["name"].as_str().unwrap();
            cluster.merge("replicasets", name, note.clone()).await;
        }
        if n == 10 {
            cluster.merge("deployments", "web", image("b")).await;
        }
    }
    cluster.rolled_out("web", 4).await;
    let pods = cluster.until_all("pods", |_| true, |p| p.len() == 4).await;
    assert_eq!(images(&pods), ["b"; 4]);
    let sets = cluster.list("replicasets").await;
    assert!(
        sets.iter()
            .any(|s| at(s, "/metadata/annotations/n") == "29")
    );
    cluster.settle().await;
}
