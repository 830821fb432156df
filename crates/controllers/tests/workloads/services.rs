use serde_json::{Value, json};

use crate::harness::{Cluster, at, deployment, image};

fn addresses(slices: &[Value], ready: bool) -> usize {
    slices
        .iter()
        .filter_map(|s| s["endpoints"].as_array())
        .flatten()
        .filter(|e| at(e, "/conditions/ready") == ready)
        .count()
}

#[tokio::test]
async fn the_pods_behind_a_service_are_its_endpoints() {
    let cluster = Cluster::start().await;
    let mut d = deployment("web", 3, "a");
    d["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"name": "http", "containerPort": 8080}]);
    cluster.create("deployments", d).await;
    cluster
        .create(
            "services",
            json!({"metadata": {"name": "web", "labels": {"team": "x"}}, "spec": {"selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "more", "port": 81}]}}),
        )
        .await;
    let of_web = |s: &Value| at(s, "/metadata/labels/kubernetes.io~1service-name") == "web";
    let slices = cluster
        .until_all("endpointslices", of_web, |s| addresses(s, true) == 3)
        .await;
    assert_eq!(slices.len(), 1);
    let slice = &slices[0];
    assert_eq!(slice["addressType"], "IPv4");
    assert_eq!(at(slice, "/metadata/labels/team"), "x");
    assert_eq!(at(slice, "/metadata/ownerReferences/0/kind"), "Service");
    assert_eq!(at(slice, "/endpoints/0/nodeName"), "node-a");
    assert_eq!(at(slice, "/endpoints/0/targetRef/kind"), "Pod");
    let mut ports: Vec<_> = slice["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), p["port"].as_i64().unwrap()))
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [("http", 8080), ("more", 81)]);
    let endpoints = cluster
        .until("endpoints", "default", "web", |e| {
            e.is_some_and(|e| {
                at(e, "/subsets/0/addresses")
                    .as_array()
                    .is_some_and(|a| a.len() == 3)
            })
        })
        .await
        .unwrap();
    assert_eq!(at(&endpoints, "/subsets/0/ports/0/port"), 8080);

    // A version that is never ready shows as such, and does not push out what serves.
    cluster.merge("deployments", "web", image("broken")).await;
    let slices = cluster
        .until_all("endpointslices", of_web, |s| addresses(s, false) == 1)
        .await;
    assert_eq!(addresses(&slices, true), 3);
    cluster
        .until("endpoints", "default", "web", |e| {
            e.is_some_and(|e| {
                e["subsets"].as_array().is_some_and(|s| {
                    s.iter()
                        .filter_map(|s| s["notReadyAddresses"].as_array())
                        .flatten()
                        .count()
                        == 1
                })
            })
        })
        .await;
    cluster
        .merge("deployments", "web", json!({"spec": {"replicas": 0}}))
        .await;
    let slices = cluster
        .until_all("endpointslices", of_web, |s| {
            s.len() == 1 && addresses(s, true) + addresses(s, false) == 0
        })
        .await;
    assert_eq!(slices.len(), 1, "an empty one stays");
    cluster
        .delete("services", "web", registry::DeletionPropagation::Background)
        .await;
    cluster
        .until_all("endpointslices", of_web, <[Value]>::is_empty)
        .await;
    cluster
        .until("endpoints", "default", "web", |e| e.is_none())
        .await;
    cluster.settle().await;
}

#[tokio::test]
async fn more_than_a_slice_holds_goes_into_several() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 120, "a"))
        .await;
    cluster
        .create(
            "services",
            json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
        )
        .await;
    let of_web = |s: &Value| at(s, "/metadata/labels/kubernetes.io~1service-name") == "web";
    let slices = cluster
        .until_all("endpointslices", of_web, |s| addresses(s, true) == 120)
        .await;
    assert_eq!(slices.len(), 2);
    cluster.settle().await;
}
