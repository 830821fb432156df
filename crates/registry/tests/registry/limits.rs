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
