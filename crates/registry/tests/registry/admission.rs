use machinery::options::Query;
use registry::api::TypedEvent;
use registry::{
    DeleteOptions, ListOptions, Patch, PatchOptions, Registry, RequestContext, UserInfo,
    WriteOptions,
};
use serde_json::{Value, json};

use super::common::*;

fn node(name: &str) -> RequestContext {
    RequestContext::new(UserInfo {
        name: format!("system:node:{name}"),
        groups: vec!["system:nodes".into(), "system:authenticated".into()],
        ..UserInfo::default()
    })
}

async fn create_as(
    r: &Registry,
    who: &RequestContext,
    path: &str,
    ns: Option<&str>,
    body: Value,
) -> Result<Value, String> {
    let t = target(r, path, ns, "");
    r.create(who, &t, body, &WriteOptions::default())
        .await
        .map(value)
        .map_err(|s| s.message)
}

async fn patch_as(
    r: &Registry,
    who: &RequestContext,
    path: &str,
    ns: Option<&str>,
    name: &str,
    body: Value,
) -> Result<Value, String> {
    let t = target(r, path, ns, name);
    let options = PatchOptions::from_query(&Query::default(), false).unwrap();
    r.patch(who, &t, Patch::Merge(body), &options)
        .await
        .map(value)
        .map_err(|s| s.message)
}

#[tokio::test]
async fn a_node_touches_only_what_is_its_own() {
    let r = registry().await;
    let n1 = node("n1");
    create_as(
        &r,
        &n1,
        "v1/nodes",
        None,
        json!({"metadata": {"name": "n1"}}),
    )
    .await
    .unwrap();
    let other = create_as(
        &r,
        &n1,
        "v1/nodes",
        None,
        json!({"metadata": {"name": "n2"}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        other,
        "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\""
    );
    let label =
        json!({"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/x": "y"}}});
    let error = create_as(&r, &n1, "v1/nodes", None, label)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: node-restriction.kubernetes.io/x"
    );
    let taints = patch_as(
        &r,
        &n1,
        "v1/nodes",
        None,
        "n1",
        json!({"spec": {"taints": null}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        taints,
        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints"
    );

    let lease = |name: &str| json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
    let leases = "coordination.k8s.io/v1/leases";
    create_as(&r, &n1, leases, Some("kube-node-lease"), lease("n1"))
        .await
        .unwrap();
    assert!(
        create_as(&r, &n1, leases, Some("kube-node-lease"), lease("n2"))
            .await
            .unwrap_err()
            .contains("same name as the requesting node")
    );
    assert!(
        create_as(&r, &n1, leases, Some("default"), lease("n1"))
            .await
            .unwrap_err()
            .contains("system namespace")
    );

    for (name, on) in [("mine", "n1"), ("theirs", "n2")] {
        let mut p = pod(name);
        p["spec"]["nodeName"] = on.into();
        create(&r, "v1/pods", Some("default"), p).await.unwrap();
    }
    let running = json!({"status": {"phase": "Running"}});
    let mine = patch_as(
        &r,
        &n1,
        "v1/pods/status",
        Some("default"),
        "mine",
        running.clone(),
    )
    .await
    .unwrap();
    assert_eq!(
        (&mine["status"]["phase"], &mine["status"]["qosClass"]),
        (&json!("Running"), &json!("BestEffort"))
    );
    let theirs = patch_as(
        &r,
        &n1,
        "v1/pods/status",
        Some("default"),
        "theirs",
        running,
    )
    .await
    .unwrap_err();
    assert_eq!(
        theirs,
        "pods \"theirs\" is forbidden: node \"n1\" can only update pod status for pods with spec.nodeName set to itself"
    );
    let t = target(&r, "v1/pods", Some("default"), "theirs");
    let error = r
        .delete(&n1, &t, &DeleteOptions::default())
        .await
        .unwrap_err()
        .message;
    assert_eq!(
        error,
        "pods \"theirs\" is forbidden: node \"n1\" can only delete pods with spec.nodeName set to itself"
    );
    let image = patch_as(
        &r,
        &n1,
        "v1/pods",
        Some("default"),
        "mine",
        json!({"metadata": {"labels": {"a": "b"}}}),
    )
    .await
    .unwrap_err();
    assert!(
        image.contains("can only create and delete mirror pods"),
        "{image}"
    );
}

#[tokio::test]
async fn a_pod_gets_its_account_and_token() {
    let r = registry().await;
    let body =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}});
    let made = create(&r, "v1/pods", Some("default"), body).await.unwrap();
    let volume = &made["spec"]["volumes"][0];
    assert!(
        volume["name"]
            .as_str()
            .unwrap()
            .starts_with("kube-api-access-")
    );
    assert_eq!(
        volume["projected"]["sources"][0]["serviceAccountToken"],
        json!({"expirationSeconds": 3607, "path": "token"})
    );
    assert_eq!(volume["projected"]["defaultMode"], 420);
    let mount = &made["spec"]["containers"][0]["volumeMounts"][0];
    assert_eq!(
        mount["mountPath"],
        "/var/run/secrets/kubernetes.io/serviceaccount"
    );
    assert_eq!(
        (&mount["name"], &mount["readOnly"]),
        (&volume["name"], &json!(true))
    );
}

#[tokio::test]
async fn a_priority_class_gives_the_priority() {
    let r = registry().await;
    let class = json!({"metadata": {"name": "high"}, "value": 100, "preemptionPolicy": "Never"});
    create(&r, "scheduling.k8s.io/v1/priorityclasses", None, class)
        .await
        .unwrap();
    let mut p = pod("p");
    p["spec"]["priorityClassName"] = "high".into();
    let made = create(&r, "v1/pods", Some("default"), p).await.unwrap();
    assert_eq!(
        (&made["spec"]["priority"], &made["spec"]["preemptionPolicy"]),
        (&json!(100), &json!("Never"))
    );
}

#[tokio::test]
async fn an_eviction_spends_a_budget() {
    let r = registry().await;
    let mut p = pod("p");
    p["metadata"]["labels"] = json!({"a": "b"});
    p["spec"]["nodeName"] = "n1".into();
    create(&r, "v1/pods", Some("default"), p).await.unwrap();
    patch_as(
        &r,
        &context(),
        "v1/pods/status",
        Some("default"),
        "p",
        json!({"status": {"phase": "Running"}}),
    )
    .await
    .unwrap();
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}});
    create(
        &r,
        "policy/v1/poddisruptionbudgets",
        Some("default"),
        budget,
    )
    .await
    .unwrap();
    let t = target(&r, "v1/pods/eviction", Some("default"), "p");
    let eviction = || json!({"metadata": {"name": "p"}});
    let early = r
        .create(&context(), &t, eviction(), &WriteOptions::default())
        .await
        .unwrap_err();
    assert_eq!((early.code, early.retry_after()), (429, Some(10)));
    let allow = |n: i64| json!({"status": {"observedGeneration": 1, "disruptionsAllowed": n}});
    let budgets = "policy/v1/poddisruptionbudgets/status";
    patch_as(&r, &context(), budgets, Some("default"), "b", allow(0))
        .await
        .unwrap();
    let refused = r
        .create(&context(), &t, eviction(), &WriteOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    assert!(refused.has_cause("DisruptionBudget"));
    patch_as(&r, &context(), budgets, Some("default"), "b", allow(1))
        .await
        .unwrap();
    assert_eq!(
        r.create(&context(), &t, eviction(), &WriteOptions::default())
            .await
            .unwrap()
            .code,
        201
    );
    let after = get(&r, "policy/v1/poddisruptionbudgets", Some("default"), "b")
        .await
        .unwrap();
    assert_eq!(after["status"]["disruptionsAllowed"], 0);
    assert!(after["status"]["disruptedPods"]["p"].is_string());
    assert!(
        get(&r, "v1/pods", Some("default"), "p").await.unwrap()["metadata"]["deletionTimestamp"]
            .is_string()
    );
}

#[tokio::test]
async fn the_typed_api_reads_and_writes() {
    let r = registry().await;
    let pods = r
        .api::<Value>("", "v1", "pods", UserInfo::controller("test"))
        .unwrap();
    let made = pods.create(Some("default"), &pod("p")).await.unwrap();
    let options = ListOptions {
        watch: true,
        ..ListOptions::default()
    };
    let mut watch = pods.watch(Some("default"), &options).await.unwrap();
    // What is watched comes without managed fields.
    let mut shown = made.clone();
    shown["metadata"]
        .as_object_mut()
        .unwrap()
        .shift_remove("managedFields");
    assert!(matches!(watch.next().await, Some(TypedEvent::Added(p)) if p == shown));
    let mut next = made.clone();
    next["status"]["phase"] = "Running".into();
    pods.update_status(Some("default"), "p", &next)
        .await
        .unwrap();
    assert!(
        matches!(watch.next().await, Some(TypedEvent::Modified(p)) if p["status"]["phase"] == "Running")
    );
    let label = Patch::Strategic(json!({"metadata": {"labels": {"x": "y"}}}));
    pods.patch(Some("default"), "p", "", label).await.unwrap();
    assert_eq!(
        pods.list(None, &ListOptions::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    pods.create_subresource(
        Some("default"),
        "p",
        "binding",
        json!({"metadata": {"name": "p"}, "target": {"name": "n"}}),
    )
    .await
    .unwrap();
    assert_eq!(
        pods.get(Some("default"), "p").await.unwrap()["spec"]["nodeName"],
        "n"
    );
    let now = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::default()
    };
    pods.delete(Some("default"), "p", &now).await.unwrap();
    assert_eq!(pods.get_opt(Some("default"), "p").await.unwrap(), None);
}
