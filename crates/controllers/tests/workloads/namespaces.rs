use registry::DeleteOptions;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition, replica_set};

#[tokio::test]
async fn each_has_an_account_and_the_root_ca_and_they_come_back() {
    let cluster = Cluster::start().await;
    cluster
        .create("namespaces", json!({"metadata": {"name": "team"}}))
        .await;
    let there = |o: Option<&Value>| o.is_some();
    cluster
        .until("serviceaccounts", "team", "default", there)
        .await;
    let map = cluster
        .until("configmaps", "team", "kube-root-ca.crt", there)
        .await
        .unwrap();
    assert_eq!(at(&map, "/data/ca.crt"), "the root CA");
    let now = DeleteOptions::default();
    cluster
        .api("serviceaccounts")
        .delete(Some("team"), "default", &now)
        .await
        .unwrap();
    cluster
        .until("serviceaccounts", "team", "default", there)
        .await;
    let spoilt = registry::Patch::Merge(json!({"data": {"ca.crt": "another"}}));
    cluster
        .api("configmaps")
        .patch(Some("team"), "kube-root-ca.crt", "", spoilt)
        .await
        .unwrap();
    cluster
        .until("configmaps", "team", "kube-root-ca.crt", |m| {
            m.is_some_and(|m| at(m, "/data/ca.crt") == "the root CA")
        })
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn deleted_it_takes_all_content_along_and_waits_for_finalizers() {
    let cluster = Cluster::start().await;
    cluster
        .create("namespaces", json!({"metadata": {"name": "team"}}))
        .await;
    cluster
        .until("serviceaccounts", "team", "default", |a| a.is_some())
        .await;
    let mut set = replica_set("web", 2);
    set["metadata"]["namespace"] = "team".into();
    cluster
        .api("replicasets")
        .create(Some("team"), &set)
        .await
        .unwrap();
    cluster
        .until("replicasets", "team", "web", |s| {
            s.is_some_and(|s| at(s, "/status/readyReplicas") == 2)
        })
        .await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/held"]}});
    cluster
        .api("secrets")
        .create(Some("team"), &held)
        .await
        .unwrap();
    cluster
        .api("namespaces")
        .delete(None, "team", &DeleteOptions::default())
        .await
        .unwrap();
    let namespace = cluster
        .until("namespaces", "", "team", |n| {
            n.is_some_and(|n| condition(n, "NamespaceFinalizersRemaining")["status"] == "True")
        })
        .await
        .unwrap();
    assert_eq!(at(&namespace, "/status/phase"), "Terminating");
    assert_eq!(
        condition(&namespace, "NamespaceFinalizersRemaining")["message"],
        "Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances"
    );
    assert_eq!(
        condition(&namespace, "NamespaceContentRemaining")["message"],
        "Some resources are remaining: secrets has 1 resource instances"
    );
    let freed = registry::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster
        .api("secrets")
        .patch(Some("team"), "held", "", freed)
        .await
        .unwrap();
    let start = std::time::Instant::now();
    cluster
        .until("namespaces", "", "team", |n| n.is_none())
        .await;
    assert!(start.elapsed().as_secs() < 5, "seen, not waited for");
    // Nothing is left of it, but events of other namespaces' objects.
    let prefix = "/team/";
    let left: Vec<_> = cluster
        .registry
        .store()
        .snapshot()
        .range("/", None)
        .filter(|e| e.key.contains(prefix))
        .map(|e| e.key.to_string())
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn nodes_get_addresses_of_their_own() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        cluster
            .create("nodes", json!({"metadata": {"name": name}}))
            .await;
    }
    let nodes = cluster
        .until_all(
            "nodes",
            |_| true,
            |nodes| nodes.len() == 4 && nodes.iter().all(|n| !at(n, "/spec/podCIDR").is_null()),
        )
        .await;
    let mut all: Vec<_> = nodes
        .iter()
        .map(|n| at(n, "/spec/podCIDR").as_str().unwrap().to_owned())
        .collect();
    assert!(
        nodes
            .iter()
            .all(|n| at(n, "/spec/podCIDRs/0") == at(n, "/spec/podCIDR"))
    );
    // Other controllers know what is taken.
    cluster.stop_controllers().await;
    cluster
        .create("nodes", json!({"metadata": {"name": "d"}}))
        .await;
    cluster.start_controllers();
    let d = cluster
        .until("nodes", "", "d", |n| {
            n.is_some_and(|n| !at(n, "/spec/podCIDR").is_null())
        })
        .await
        .unwrap();
    all.push(at(&d, "/spec/podCIDR").as_str().unwrap().to_owned());
    all.sort();
    all.dedup();
    assert_eq!(all, [0, 1, 2, 3, 4].map(|n| format!("10.42.{n}.0/24")));
}
