use machinery::fields::FieldSelector;
use machinery::labels::Selector;
use registry::{ListOptions, WriteOptions};
use serde_json::json;

use super::common::*;

#[tokio::test]
async fn a_pod_is_defaulted_as_upstream_does() {
    let r = registry().await;
    let made = create(&r, "v1/pods", Some("default"), pod("a"))
        .await
        .unwrap();
    let spec = json!({
        "automountServiceAccountToken": false,
        "containers": [{"image": "x", "imagePullPolicy": "Always", "name": "c", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
        "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "serviceAccount": "default",
        "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300},
            {"effect": "NoExecute", "key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]
    });
    assert_eq!(made["spec"], spec);
    assert_eq!(
        made["status"],
        json!({"phase": "Pending", "qosClass": "BestEffort"})
    );
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(
        get(&r, "v1/pods", Some("default"), "a").await.unwrap(),
        made
    );
}

#[tokio::test]
async fn a_conflict_is_told_and_a_no_op_writes_nothing() {
    let r = registry().await;
    let made = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "a"}, "data": {"k": "v"}}),
    )
    .await
    .unwrap();
    let again = update(&r, "v1/configmaps", Some("default"), "a", made.clone())
        .await
        .unwrap();
    assert_eq!(again, made);
    let mut next = made.clone();
    next["data"]["k"] = "w".into();
    let changed = update(&r, "v1/configmaps", Some("default"), "a", next.clone())
        .await
        .unwrap();
    assert_ne!(
        changed["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    let error = update(&r, "v1/configmaps", Some("default"), "a", next)
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the \
         latest version and try again"
    );
    let error = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (409, "configmaps \"a\" already exists")
    );
    let error = create(
        &r,
        "v1/configmaps",
        Some("nope"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (404, "namespaces \"nope\" not found")
    );
}

#[tokio::test]
async fn status_and_spec_keep_to_their_endpoints() {
    let r = registry().await;
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}}});
    let made = create(&r, "apps/v1/deployments", Some("default"), deployment)
        .await
        .unwrap();
    let mut next = made.clone();
    next["status"] = json!({"replicas": 3});
    next["spec"]["replicas"] = json!(5);
    let by_status = update(
        &r,
        "apps/v1/deployments/status",
        Some("default"),
        "d",
        next.clone(),
    )
    .await
    .unwrap();
    assert_eq!(
        (
            &by_status["spec"]["replicas"],
            &by_status["status"]["replicas"]
        ),
        (&json!(1), &json!(3))
    );
    assert_eq!(by_status["metadata"]["generation"], 1);
    next["metadata"]["resourceVersion"] = by_status["metadata"]["resourceVersion"].clone();
    next["status"] = json!({"replicas": 9});
    let by_main = update(&r, "apps/v1/deployments", Some("default"), "d", next)
        .await
        .unwrap();
    assert_eq!(
        (&by_main["spec"]["replicas"], &by_main["status"]["replicas"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(by_main["metadata"]["generation"], 2);
    let scale = get(&r, "apps/v1/deployments/scale", Some("default"), "d")
        .await
        .unwrap();
    assert_eq!(scale["spec"]["replicas"], 5);
    assert_eq!(scale["status"], json!({"replicas": 3, "selector": "a=b"}));
    let scaled = update(
        &r,
        "apps/v1/deployments/scale",
        Some("default"),
        "d",
        json!({"spec": {"replicas": 2}}),
    )
    .await
    .unwrap();
    assert_eq!(scaled["spec"]["replicas"], 2);
    assert_eq!(
        get(&r, "apps/v1/deployments", Some("default"), "d")
            .await
            .unwrap()["metadata"]["generation"],
        3
    );
}

#[tokio::test]
async fn lists_select_and_page_at_one_revision() {
    let r = registry().await;
    for i in 0..7 {
        let mut p = pod(&format!("p{i}"));
        p["metadata"]["labels"] = json!({"n": format!("{}", i % 2)});
        if i < 3 {
            p["spec"]["nodeName"] = "n1".into();
        }
        create(&r, "v1/pods", Some("default"), p).await.unwrap();
    }
    let by_label = ListOptions {
        label_selector: Selector::parse("n=1").unwrap(),
        ..ListOptions::default()
    };
    assert_eq!(
        names(&r, "v1/pods", Some("default"), &by_label).await,
        ["p1", "p3", "p5"]
    );
    let by_node = ListOptions {
        field_selector: FieldSelector::parse("spec.nodeName=n1").unwrap(),
        ..ListOptions::default()
    };
    assert_eq!(
        names(&r, "v1/pods", None, &by_node).await,
        ["p0", "p1", "p2"]
    );
    let t = target(&r, "v1/pods", Some("default"), "");
    let first = r
        .list(
            &context(),
            &t,
            &ListOptions {
                limit: 3,
                ..ListOptions::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(
        (first.items.len(), first.remaining_item_count),
        (3, Some(4))
    );
    create(&r, "v1/pods", Some("default"), pod("p33"))
        .await
        .unwrap();
    let mut rest = Vec::new();
    let mut token = first.continue_token.clone();
    while !token.is_empty() {
        let page = r
            .list(
                &context(),
                &t,
                &ListOptions {
                    limit: 3,
                    continue_token: token,
                    ..ListOptions::default()
                },
            )
            .await
            .unwrap();
        assert_eq!(page.resource_version, first.resource_version);
        rest.extend(
            page.items
                .iter()
                .map(|o| o.value()["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        token = page.continue_token;
    }
    assert_eq!(rest, ["p3", "p4", "p5", "p6"]);
    let bad = ListOptions {
        field_selector: FieldSelector::parse("spec.image=x").unwrap(),
        ..ListOptions::default()
    };
    assert_eq!(
        r.list(&context(), &t, &bad).await.unwrap_err().message,
        "field label not supported: spec.image"
    );
}

#[tokio::test]
async fn generated_names_and_dry_run() {
    let r = registry().await;
    let made = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"generateName": "gen-"}}),
    )
    .await
    .unwrap();
    assert!(
        made["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("gen-")
    );
    let before = r.store().revision();
    let dry = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let t = target(&r, "v1/services", Some("default"), "");
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let shown = value(
        r.create(&context(), &t, service.clone(), &dry)
            .await
            .unwrap(),
    );
    assert!(
        shown["spec"]["clusterIP"]
            .as_str()
            .is_some_and(|ip| !ip.is_empty()),
        "{shown}"
    );
    assert_eq!(shown["metadata"].get("resourceVersion"), None);
    assert_eq!(r.store().revision(), before);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let r = registry().await;
    create(&r, "v1/pods", Some("default"), pod("p"))
        .await
        .unwrap();
    let t = target(&r, "v1/pods/binding", Some("default"), "p");
    let bind =
        |node: &str| json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}});
    let bound = r
        .create(&context(), &t, bind("n1"), &WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(bound.code, 201);
    let error = r
        .create(&context(), &t, bind("n2"), &WriteOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\""
    );
    let p = get(&r, "v1/pods", Some("default"), "p").await.unwrap();
    assert_eq!(
        (&p["spec"]["nodeName"], &p["metadata"]["generation"]),
        (&json!("n1"), &json!(1))
    );
    assert_eq!(p["status"]["conditions"][0]["type"], "PodScheduled");
}

#[tokio::test]
async fn a_list_goes_on_after_compaction() {
    let r = registry().await;
    for name in ["a", "b", "c"] {
        create(
            &r,
            "v1/configmaps",
            Some("default"),
            json!({"metadata": {"name": name}}),
        )
        .await
        .unwrap();
    }
    let t = target(&r, "v1/configmaps", Some("default"), "");
    let first = r
        .list(
            &context(),
            &t,
            &ListOptions {
                limit: 1,
                ..ListOptions::default()
            },
        )
        .await
        .unwrap();
    let pinned = first.resource_version;
    create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "d"}}),
    )
    .await
    .unwrap();
    create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "e"}}),
    )
    .await
    .unwrap();
    r.store().compact(r.store().revision()).await.unwrap();
    let next = |token: String| ListOptions {
        limit: 10,
        continue_token: token,
        ..ListOptions::default()
    };
    let error = r
        .list(&context(), &t, &next(first.continue_token))
        .await
        .unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
    assert!(error.message.starts_with(
        "The provided continue parameter is too old to display a consistent list result."
    ));
    let rest = r
        .list(&context(), &t, &next(error.metadata.continue_token))
        .await
        .unwrap();
    assert_eq!(rest.items.len(), 4);
    let exact = ListOptions {
        resource_version: pinned.to_string(),
        resource_version_match: Some(registry::ResourceVersionMatch::Exact),
        ..ListOptions::default()
    };
    let error = r.list(&context(), &t, &exact).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (410, "The resourceVersion for the provided list is too old.")
    );
}

#[tokio::test]
async fn an_event_is_one_object_in_two_groups() {
    let r = registry().await;
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Started", "message": "m", "type": "Normal"});
    create(&r, "v1/events", Some("default"), event)
        .await
        .unwrap();
    let t = target(&r, "events.k8s.io/v1/events", Some("default"), "");
    let by_object = ListOptions {
        field_selector: FieldSelector::parse("regarding.name=p,type=Normal").unwrap(),
        ..ListOptions::default()
    };
    let list = r.list(&context(), &t, &by_object).await.unwrap();
    let shown = list.items[0].value();
    assert_eq!(
        (
            &shown["apiVersion"],
            &shown["note"],
            &shown["regarding"]["name"]
        ),
        (&json!("events.k8s.io/v1"), &json!("m"), &json!("p"))
    );
    let by_object = ListOptions {
        field_selector: FieldSelector::parse("involvedObject.name=q").unwrap(),
        ..ListOptions::default()
    };
    assert!(
        names(&r, "v1/events", Some("default"), &by_object)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_autoscaler_is_one_object_in_two_versions() {
    let r = registry().await;
    let made = create(
        &r,
        "autoscaling/v1/horizontalpodautoscalers",
        Some("default"),
        json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}}),
    )
    .await
    .unwrap();
    assert_eq!(made["apiVersion"], "autoscaling/v1");
    assert_eq!(made["spec"]["minReplicas"], 1);
    assert_eq!(made["spec"]["targetCPUUtilizationPercentage"], 60);
    let two = get(
        &r,
        "autoscaling/v2/horizontalpodautoscalers",
        Some("default"),
        "h",
    )
    .await
    .unwrap();
    assert_eq!(
        two["spec"]["metrics"],
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}])
    );
    let mut one = get(
        &r,
        "autoscaling/v1/horizontalpodautoscalers",
        Some("default"),
        "h",
    )
    .await
    .unwrap();
    one["spec"]["targetCPUUtilizationPercentage"] = 70.into();
    let one = update(
        &r,
        "autoscaling/v1/horizontalpodautoscalers",
        Some("default"),
        "h",
        one,
    )
    .await
    .unwrap();
    assert_eq!(one["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!(one["metadata"]["uid"], made["metadata"]["uid"]);
}
