use registry::DeletionPropagation;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, deployment, replica_set};

#[tokio::test]
async fn in_the_background_everything_below_goes() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 3, "a"))
        .await;
    cluster.rolled_out("web", 3).await;
    cluster
        .delete("deployments", "web", DeletionPropagation::Background)
        .await;
    assert!(cluster.get("deployments", "web").await.is_none());
    cluster
        .until_all("pods", |_| true, <[Value]>::is_empty)
        .await;
    cluster
        .until_all("replicasets", |_| true, <[Value]>::is_empty)
        .await;
}

#[tokio::test]
async fn in_the_foreground_the_owner_goes_last() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 3, "a"))
        .await;
    cluster.rolled_out("web", 3).await;
    // Held by a finalizer, this pod goes last of all.
    let pod = cluster.list("pods").await.remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap();
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    cluster.merge("pods", name, held).await;
    cluster
        .delete("deployments", "web", DeletionPropagation::Foreground)
        .await;
    cluster.until_all("pods", |_| true, |p| p.len() == 1).await;
    cluster.settle().await;
    let waiting = cluster.get("deployments", "web").await.unwrap();
    assert_eq!(at(&waiting, "/metadata/finalizers/0"), "foregroundDeletion");
    assert_eq!(cluster.list("replicasets").await.len(), 1);
    cluster
        .merge("pods", name, json!({"metadata": {"finalizers": null}}))
        .await;
    cluster
        .until("deployments", "default", "web", |d| d.is_none())
        .await;
    assert!(cluster.list("pods").await.is_empty());
    assert!(cluster.list("replicasets").await.is_empty());
}

#[tokio::test]
async fn orphaned_what_is_below_stays_and_is_adopted_again() {
    let cluster = Cluster::start().await;
    cluster
        .create("deployments", deployment("web", 2, "a"))
        .await;
    cluster.rolled_out("web", 2).await;
    let pods = cluster.list("pods").await;
    cluster
        .delete("deployments", "web", DeletionPropagation::Orphan)
        .await;
    cluster
        .until("deployments", "default", "web", |d| d.is_none())
        .await;
    cluster.settle().await;
    let set = cluster.list("replicasets").await.remove(0);
    assert!(at(&set, "/metadata/ownerReferences/0").is_null());
    assert_eq!(cluster.list("pods").await.len(), 2);
    cluster
        .create("deployments", deployment("web", 2, "a"))
        .await;
    cluster.rolled_out("web", 2).await;
    assert_eq!(cluster.list("replicasets").await.len(), 1);
    let names =
        |pods: &[Value]| -> Vec<_> { pods.iter().map(|p| p["metadata"]["name"].clone()).collect() };
    assert_eq!(names(&cluster.list("pods").await), names(&pods));
}

fn owned(name: &str, owners: &[&Value], kind: &str) -> Value {
    let references: Vec<_> = owners
        .iter()
        .map(|o| {
            json!({"apiVersion": "v1", "kind": kind, "name": o["metadata"]["name"],
            "uid": o["metadata"]["uid"], "blockOwnerDeletion": true})
        })
        .collect();
    json!({"metadata": {"name": name, "ownerReferences": references}})
}

#[tokio::test]
async fn of_two_owners_one_is_enough() {
    let cluster = Cluster::start().await;
    let one = cluster
        .create("configmaps", json!({"metadata": {"name": "one"}}))
        .await;
    let two = cluster
        .create("secrets", json!({"metadata": {"name": "two"}}))
        .await;
    let mut both = owned("both", &[&one], "ConfigMap");
    let mut second = owned("x", &[&two], "Secret");
    both["metadata"]["ownerReferences"]
        .as_array_mut()
        .unwrap()
        .push(second["metadata"]["ownerReferences"][0].take());
    cluster.create("configmaps", both).await;
    cluster
        .delete("configmaps", "one", DeletionPropagation::Background)
        .await;
    let left = cluster
        .until("configmaps", "default", "both", |c| {
            c.is_none_or(|c| at(c, "/metadata/ownerReferences/1").is_null())
        })
        .await
        .unwrap();
    assert_eq!(at(&left, "/metadata/ownerReferences/0/name"), "two");
    cluster
        .delete("secrets", "two", DeletionPropagation::Background)
        .await;
    cluster
        .until("configmaps", "default", "both", |c| c.is_none())
        .await;
}

#[tokio::test]
async fn an_owner_that_never_was_takes_its_dependent_along_and_an_unknown_kind_does_not() {
    let cluster = Cluster::start().await;
    let ghost =
        json!({"metadata": {"name": "ghost", "uid": "11111111-2222-3333-4444-555555555555"}});
    cluster
        .create("configmaps", owned("of-a-ghost", &[&ghost], "ConfigMap"))
        .await;
    // Admission refuses to hold the deletion of an owner whose kind nobody knows.
    let mut unknown = owned("of-the-unknown", &[&ghost], "Unheard");
    unknown["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = false.into();
    cluster.create("configmaps", unknown).await;
    // The name is there, but it is another object.
    cluster
        .create("configmaps", json!({"metadata": {"name": "ghost"}}))
        .await;
    cluster
        .until("configmaps", "default", "of-a-ghost", |c| c.is_none())
        .await;
    cluster.settle().await;
    assert!(cluster.get("configmaps", "of-the-unknown").await.is_some());
}

#[tokio::test]
async fn a_circle_of_owners_goes_as_a_whole() {
    let cluster = Cluster::start().await;
    let a = cluster
        .create("configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    let b = cluster
        .create("configmaps", owned("b", &[&a], "ConfigMap"))
        .await;
    cluster
        .merge("configmaps", "a", owned("a", &[&b], "ConfigMap"))
        .await;
    cluster.settle().await;
    cluster
        .delete("configmaps", "a", DeletionPropagation::Foreground)
        .await;
    for name in ["a", "b"] {
        cluster
            .until("configmaps", "default", name, |c| c.is_none())
            .await;
    }
}

#[tokio::test]
async fn what_was_deleted_while_no_controller_ran_is_collected_later() {
    let cluster = Cluster::start().await;
    cluster.create("replicasets", replica_set("web", 2)).await;
    cluster.until_all("pods", |_| true, |p| p.len() == 2).await;
    cluster.settle().await;
    cluster.stop_controllers().await;
    cluster
        .delete("replicasets", "web", DeletionPropagation::Background)
        .await;
    assert_eq!(cluster.list("pods").await.len(), 2);
    cluster.start_controllers();
    cluster
        .until_all("pods", |_| true, <[Value]>::is_empty)
        .await;
}
