use registry::{DeleteOptions, DeletionPropagation};
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition};

fn definition(plural: &str, kind: &str, short: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [short]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}
    })
}

fn widget(name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}})
}

async fn established(cluster: &Cluster, name: &str) -> Value {
    cluster
        .until("customresourcedefinitions", "", name, |d| {
            d.is_some_and(|d| condition(d, "Established")["status"] == "True")
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn names_are_accepted_established_and_freed() {
    let cluster = Cluster::start().await;
    let made = cluster
        .create(
            "customresourcedefinitions",
            definition("widgets", "Widget", "w"),
        )
        .await;
    assert_eq!(
        made["status"],
        json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]})
    );
    let ready = established(&cluster, "widgets.example.com").await;
    assert_eq!(condition(&ready, "NamesAccepted")["reason"], "NoConflicts");
    assert_eq!(
        condition(&ready, "Established")["reason"],
        "InitialNamesAccepted"
    );
    assert_eq!(
        at(&ready, "/status/acceptedNames"),
        &json!({"plural": "widgets", "singular": "widget", "shortNames": ["w"], "kind": "Widget", "listKind": "WidgetList"})
    );
    // Its short name is taken, until it is freed.
    cluster
        .create(
            "customresourcedefinitions",
            definition("gadgets", "Gadget", "w"),
        )
        .await;
    let refused = cluster
        .until(
            "customresourcedefinitions",
            "",
            "gadgets.example.com",
            |d| d.is_some_and(|d| condition(d, "NamesAccepted")["status"] == "False"),
        )
        .await
        .unwrap();
    assert_eq!(
        condition(&refused, "NamesAccepted")["message"],
        "\"w\" is already in use"
    );
    assert!(
        cluster
            .registry
            .find("example.com", "v1", "gadgets")
            .is_none()
    );
    cluster
        .delete(
            "customresourcedefinitions",
            "widgets.example.com",
            DeletionPropagation::Background,
        )
        .await;
    established(&cluster, "gadgets.example.com").await;
    assert!(
        cluster
            .registry
            .find("example.com", "v1", "gadgets")
            .is_some()
    );
    assert!(
        cluster
            .registry
            .find("example.com", "v1", "widgets")
            .is_none()
    );
    cluster.settle().await;
}

#[tokio::test]
async fn instances_go_with_their_definition_and_finalizers_hold_it() {
    let cluster = Cluster::start().await;
    cluster
        .create(
            "customresourcedefinitions",
            definition("widgets", "Widget", "w"),
        )
        .await;
    established(&cluster, "widgets.example.com").await;
    cluster.create("widgets", widget("a")).await;
    let mut held = widget("held");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    cluster.create("widgets", held).await;
    cluster
        .delete(
            "customresourcedefinitions",
            "widgets.example.com",
            DeletionPropagation::Background,
        )
        .await;
    cluster
        .until(
            "customresourcedefinitions",
            "",
            "widgets.example.com",
            |d| {
                d.is_some_and(|d| {
                    condition(d, "Terminating")["reason"] == "InstanceDeletionInProgress"
                })
            },
        )
        .await;
    cluster
        .until("widgets", "default", "a", |w| w.is_none())
        .await;
    let refused = cluster
        .api("widgets")
        .create(Some("default"), &widget("late"))
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "widgets.example.com \"late\" is forbidden: create not allowed while custom resource definition is terminating"
    );
    cluster
        .merge("widgets", "held", json!({"metadata": {"finalizers": null}}))
        .await;
    cluster
        .until(
            "customresourcedefinitions",
            "",
            "widgets.example.com",
            |d| d.is_none(),
        )
        .await;
    assert!(
        cluster
            .registry
            .find("example.com", "v1", "widgets")
            .is_none()
    );
    cluster.settle().await;
}

#[tokio::test]
async fn owners_and_namespaces_take_custom_objects_along() {
    let cluster = Cluster::start().await;
    cluster
        .create(
            "customresourcedefinitions",
            definition("widgets", "Widget", "w"),
        )
        .await;
    established(&cluster, "widgets.example.com").await;
    // A custom object owns a built-in one, and is owned by one.
    let owner = cluster
        .create("configmaps", json!({"metadata": {"name": "owner"}}))
        .await;
    let owned_by = |kind: &str, version: &str, object: &Value| json!([{"apiVersion": version, "kind": kind, "name": at(object, "/metadata/name"), "uid": at(object, "/metadata/uid")}]);
    let mut middle = widget("middle");
    middle["metadata"]["ownerReferences"] = owned_by("ConfigMap", "v1", &owner);
    let middle = cluster.create("widgets", middle).await;
    let mut below = json!({"metadata": {"name": "below"}});
    below["metadata"]["ownerReferences"] = owned_by("Widget", "example.com/v1", &middle);
    cluster.create("configmaps", below).await;
    cluster
        .delete("configmaps", "owner", DeletionPropagation::Background)
        .await;
    cluster
        .until("widgets", "default", "middle", |w| w.is_none())
        .await;
    cluster
        .until("configmaps", "default", "below", |c| c.is_none())
        .await;

    cluster
        .create("namespaces", json!({"metadata": {"name": "team"}}))
        .await;
    cluster
        .api("widgets")
        .create(Some("team"), &widget("b"))
        .await
        .unwrap();
    cluster
        .api("namespaces")
        .delete(None, "team", &DeleteOptions::default())
        .await
        .unwrap();
    cluster
        .until("namespaces", "", "team", |n| n.is_none())
        .await;
    assert!(
        cluster
            .api("widgets")
            .get_opt(Some("team"), "b")
            .await
            .unwrap()
            .is_none()
    );
    cluster.settle().await;
}
