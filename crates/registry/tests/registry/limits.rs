//! LimitRanges and ResourceQuotas at admission.

use serde_json::json;

use super::common::*;

#[tokio::test]
async fn limit_ranges_default_and_bound() {
    let r = registry().await;
    create(
        &r,
        "v1/limitranges",
        Some("default"),
        json!({"metadata": {"name": "l"}, "spec": {"limits": [
            {"type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}, "min": {"cpu": "50m"}},
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}}]}}),
    )
    .await
    .unwrap();
    let made = create(&r, "v1/pods", Some("default"), pod("a"))
        .await
        .unwrap();
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}})
    );
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    assert_eq!(made["status"]["qosClass"], "Burstable");
    let mut big = pod("b");
    big["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "20m"}, "limits": {"cpu": "2"}});
    let refused = create(&r, "v1/pods", Some("default"), big)
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "pods \"b\" is forbidden: [minimum cpu usage per Container is 50m, but request is 20m, maximum cpu usage per Container is 1, but \
         limit is 2, cpu max limit to request ratio per Pod is 2, but provided ratio is 100.000000]"
    );
}

#[tokio::test]
async fn a_quota_is_not_exceeded() {
    let r = registry().await;
    create(
        &r,
        "v1/resourcequotas",
        Some("default"),
        json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2", "requests.cpu": "1", "count/configmaps": "1", "services.nodeports": "1"}}}),
    )
    .await
    .unwrap();
    let with_cpu = |name: &str, cpu: &str| {
        let mut pod = pod(name);
        pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": cpu}});
        pod
    };
    let refused = create(&r, "v1/pods", Some("default"), pod("a"))
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "pods \"a\" is forbidden: failed quota: q: must specify requests.cpu for: c"
    );
    create(&r, "v1/pods", Some("default"), with_cpu("a", "600m"))
        .await
        .unwrap();
    let refused = create(&r, "v1/pods", Some("default"), with_cpu("b", "500m"))
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
    );
    create(&r, "v1/pods", Some("default"), with_cpu("b", "400m"))
        .await
        .unwrap();
    // What is deleted can be used again.
    let quota = get(&r, "v1/resourcequotas", Some("default"), "q")
        .await
        .unwrap();
    let plugin = registry::admission::ResourceQuota::default();
    assert_eq!(
        plugin.status(&r, &quota)["used"],
        json!({"count/configmaps": "0", "pods": "2", "requests.cpu": "1", "services.nodeports": "0"})
    );
    let target = target(&r, "v1/pods", Some("default"), "a");
    let options = registry::DeleteOptions {
        grace_period_seconds: Some(0),
        ..Default::default()
    };
    r.delete(&context(), &target, &options).await.unwrap();
    create(&r, "v1/pods", Some("default"), with_cpu("c", "600m"))
        .await
        .unwrap();
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "b"}]}});
    let refused = create(&r, "v1/services", Some("default"), service)
        .await
        .unwrap_err();
    assert!(
        refused
            .message
            .ends_with("exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn racing_requests_do_not_exceed_a_quota_together() {
    let r = registry().await;
    create(
        &r,
        "v1/resourcequotas",
        Some("default"),
        json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "count/configmaps": "7"}}}),
    )
    .await
    .unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|i| {
            let r = r.clone();
            tokio::spawn(async move {
                let body = if i % 2 == 0 {
                    pod(&format!("p{i}"))
                } else {
                    json!({"metadata": {"name": format!("c{i}")}})
                };
                let path = if i % 2 == 0 {
                    "v1/pods"
                } else {
                    "v1/configmaps"
                };
                create(&r, path, Some("default"), body).await.is_ok()
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!(made, 12);
}
