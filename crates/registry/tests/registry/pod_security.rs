//! Pod Security Standards: levels by namespace labels, with upstream's words.

use registry::{Registry, RequestContext, UserInfo, WriteOptions};
use serde_json::{Value, json};

use super::common::*;

async fn try_create(r: &Registry, path: &str, body: Value) -> (Result<Value, String>, Vec<String>) {
    let context = RequestContext::new(UserInfo::system());
    let t = target(r, path, Some("ps"), "");
    let answer = r
        .create(&context, &t, body, &WriteOptions::default())
        .await
        .map(value)
        .map_err(|s| s.message);
    (answer, context.take_warnings())
}

async fn namespace(labels: Value) -> Registry {
    let r = registry().await;
    create(
        &r,
        "v1/namespaces",
        None,
        json!({"metadata": {"name": "ps", "labels": labels}}),
    )
    .await
    .unwrap();
    create(
        &r,
        "v1/serviceaccounts",
        Some("ps"),
        json!({"metadata": {"name": "default"}}),
    )
    .await
    .unwrap();
    r
}

#[tokio::test]
async fn restricted_is_refused_in_upstreams_words() {
    let r = namespace(json!({"pod-security.kubernetes.io/enforce": "restricted"})).await;
    let (plain, _) = try_create(&r, "v1/pods", pod("test")).await;
    assert_eq!(
        plain.unwrap_err(),
        "pods \"test\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \
         \"RuntimeDefault\" or \"Localhost\")"
    );
    let mut good = pod("good");
    good["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    good["spec"]["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    try_create(&r, "v1/pods", good).await.0.unwrap();
    let updated = get(&r, "v1/pods", Some("ps"), "good").await.unwrap();
    let mut updated = updated;
    updated["metadata"]["labels"] = json!({"a": "b"});
    update(&r, "v1/pods", Some("ps"), "good", updated)
        .await
        .unwrap();
}

#[tokio::test]
async fn baseline_forbids_the_host_and_warns_of_templates() {
    let r = namespace(json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "baseline",
        "pod-security.kubernetes.io/warn-version": "v1.30"}))
    .await;
    let mut bad = pod("bad");
    bad["spec"]["hostNetwork"] = true.into();
    bad["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    bad["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    bad["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}]);
    assert_eq!(
        try_create(&r, "v1/pods", bad).await.0.unwrap_err(),
        "pods \"bad\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true), hostPath volumes \
         (volume \"v\"), hostPort (container \"c\" uses hostPort 80), privileged (container \"c\" must not set \
         securityContext.privileged=true)"
    );
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": true, "containers": [{"name": "c", "image": "x"}]}});
    let (made, warnings) = try_create(
        &r,
        "apps/v1/deployments",
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
    )
    .await;
    made.unwrap();
    assert_eq!(
        warnings,
        ["would violate PodSecurity \"baseline:v1.30\": host namespaces (hostPID=true)"]
    );
    let refused = create(
        &r,
        "v1/namespaces",
        None,
        json!({"metadata": {"name": "other", "labels": {"pod-security.kubernetes.io/enforce": "strict"}}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        refused.message,
        "Namespace \"other\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of \
         privileged, baseline, restricted"
    );
}
