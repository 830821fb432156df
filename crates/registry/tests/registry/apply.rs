//! Server-side apply and managed fields, through the registry's operations.

use machinery::options::Query;
use registry::{Patch, PatchOptions, Registry, RequestContext, Status, UserInfo, WriteOptions};
use serde_json::{Value, json};

use super::common::*;

async fn patch(
    r: &Registry,
    path: &str,
    name: &str,
    patch: Patch,
    query: &str,
) -> Result<(u16, Value), Status> {
    let apply = matches!(patch, Patch::Apply(_));
    let options = PatchOptions::from_query(&Query::parse(query), apply)?;
    let target = target(r, path, Some("default"), name);
    let answer = r.patch(&context(), &target, patch, &options).await?;
    Ok((answer.code, value(answer)))
}

fn deployment(replicas: Option<i64>, image: &str) -> Value {
    let mut out = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {"selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}});
    if let Some(n) = replicas {
        out["spec"]["replicas"] = n.into();
    }
    out
}

fn entry<'a>(object: &'a Value, manager: &str, operation: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"]
        .as_array()?
        .iter()
        .find(|e| e["manager"] == manager && e["operation"] == operation)
}

#[tokio::test]
async fn an_applier_shares_a_deployment() {
    let r = registry().await;
    let path = "apps/v1/deployments";
    let config = Patch::Apply(deployment(Some(2), "i:1"));
    let (code, made) = patch(&r, path, "d", config.clone(), "fieldManager=me")
        .await
        .unwrap();
    assert_eq!(code, 201);
    let mine = &entry(&made, "me", "Apply").unwrap()["fieldsV1"];
    // Only what the configuration says is managed, not what was defaulted.
    assert_eq!(
        mine["f:spec"],
        json!({"f:replicas": {}, "f:selector": {}, "f:template": {"f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}}}})
    );
    // The same again writes nothing.
    let (code, same) = patch(&r, path, "d", config, "fieldManager=me")
        .await
        .unwrap();
    assert_eq!(code, 200);
    assert_eq!(same, made);
    // Another one conflicts, and may insist.
    let other = Patch::Apply(deployment(Some(3), "i:1"));
    let refused = patch(&r, path, "d", other.clone(), "fieldManager=other")
        .await
        .unwrap_err();
    assert_eq!(refused.code, 409);
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas"
    );
    // Replicas go to whoever scales.
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 5}});
    let (_, scaled) = patch(
        &r,
        "apps/v1/deployments/scale",
        "d",
        Patch::Merge(scale.clone()),
        "fieldManager=hpa",
    )
    .await
    .unwrap();
    assert_eq!(scaled["spec"]["replicas"], 5);
    let now = get(&r, path, Some("default"), "d").await.unwrap();
    let hpa = entry(&now, "hpa", "Update").unwrap();
    assert_eq!(hpa["subresource"], "scale");
    assert_eq!(
        hpa["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}}}),
        "{now}"
    );
    assert!(
        entry(&now, "me", "Apply").unwrap()["fieldsV1"]["f:spec"]
            .get("f:replicas")
            .is_none()
    );
    let refused = patch(
        &r,
        path,
        "d",
        Patch::Apply(deployment(Some(2), "i:1")),
        "fieldManager=me",
    )
    .await
    .unwrap_err();
    assert!(
        refused
            .message
            .contains("conflict with \"hpa\" with subresource \"scale\" using apps/v1 at"),
        "{}",
        refused.message
    );
    let (_, kept) = patch(
        &r,
        path,
        "d",
        Patch::Apply(deployment(None, "i:2")),
        "fieldManager=me",
    )
    .await
    .unwrap();
    assert_eq!(kept["spec"]["replicas"], 5);
    // Scale can be applied as well.
    let (_, scaled) = patch(
        &r,
        "apps/v1/deployments/scale",
        "d",
        Patch::Apply(scale),
        "fieldManager=me&force=true",
    )
    .await
    .unwrap();
    assert_eq!(scaled["spec"]["replicas"], 5);
    let now = get(&r, path, Some("default"), "d").await.unwrap();
    assert!(
        now["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["manager"] == "me"
                && e["operation"] == "Apply"
                && e["subresource"] == "scale")
    );
}

#[tokio::test]
async fn every_write_is_noted() {
    let r = registry().await;
    let agent = RequestContext::new(UserInfo::system()).with_user_agent("kubectl/v1.36 (linux)");
    let all = target(&r, "v1/pods", Some("default"), "");
    let made = r
        .create(&agent, &all, pod("p"), &WriteOptions::default())
        .await
        .unwrap();
    let made = value(made);
    let by = entry(&made, "kubectl", "Update").unwrap();
    assert_eq!(by["apiVersion"], "v1");
    assert!(
        by["fieldsV1"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"]
            .get("f:image")
            .is_some()
    );
    // What admission adds is nobody's; what the server sets is not managed.
    assert!(by["fieldsV1"]["f:spec"].get("f:tolerations").is_none());
    assert!(by["fieldsV1"].get("f:status").is_none());
    // A status is noted with its subresource, and is no business of the main endpoint.
    let (_, status) = patch(
        &r,
        "v1/pods/status",
        "p",
        Patch::Merge(json!({"status": {"message": "m"}, "spec": {"nodeName": "x"}})),
        "fieldManager=kubelet",
    )
    .await
    .unwrap();
    let kubelet = entry(&status, "kubelet", "Update").unwrap();
    assert_eq!(kubelet["subresource"], "status");
    assert_eq!(kubelet["fieldsV1"], json!({"f:status": {"f:message": {}}}));
    // An explicit empty list drops the managers, and they stay away until the next apply.
    let (_, none) = patch(
        &r,
        "v1/pods",
        "p",
        Patch::Merge(json!({"metadata": {"managedFields": [{}]}})),
        "",
    )
    .await
    .unwrap();
    assert!(
        none["metadata"].get("managedFields").is_none(),
        "{}",
        none["metadata"]
    );
    let (_, none) = patch(
        &r,
        "v1/pods",
        "p",
        Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}})),
        "",
    )
    .await
    .unwrap();
    assert!(none["metadata"].get("managedFields").is_none());
    let config =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "c"}}});
    let refused = patch(&r, "v1/pods", "p", Patch::Apply(config), "fieldManager=me")
        .await
        .unwrap_err();
    assert!(
        refused
            .message
            .contains("conflict with \"before-first-apply\" using v1"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn bad_configurations_are_refused() {
    let r = registry().await;
    let apply = async |name: &str, config: Value| {
        patch(
            &r,
            "v1/configmaps",
            name,
            Patch::Apply(config),
            "fieldManager=me",
        )
        .await
        .unwrap_err()
    };
    let base =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let mut config = base("a");
    config["apiVersion"] = "v2".into();
    let e = apply("a", config).await;
    assert_eq!(
        (e.code, e.message.as_str()),
        (
            400,
            "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1"
        )
    );
    let mut config = base("a");
    config["dat"] = json!({});
    let e = apply("a", config).await;
    assert_eq!(
        e.message,
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .dat: field not declared in schema"
    );
    let mut config = base("a");
    config["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    assert_eq!(
        apply("a", config).await.message,
        "metadata.managedFields must be nil"
    );
    let mut config = base("a");
    config["metadata"]["uid"] = "u".into();
    assert_eq!(apply("a", config).await.code, 409);
    let e = apply("a", base("b")).await;
    assert_eq!(
        (e.code, e.message.as_str()),
        (
            400,
            "the name of the object (b) does not match the name on the URL (a)"
        )
    );
    let e = patch(
        &r,
        "v1/pods/status",
        "none",
        Patch::Apply(json!({"apiVersion": "v1", "kind": "Pod"})),
        "fieldManager=me",
    )
    .await
    .unwrap_err();
    assert_eq!(e.code, 404);
}
