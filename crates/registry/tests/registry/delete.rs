use machinery::owner::DeletionPropagation;
use registry::DeleteOptions;
use serde_json::json;

use super::common::*;

#[tokio::test]
async fn a_running_pod_goes_in_two_phases() {
    let r = registry().await;
    let mut p = pod("p");
    p["spec"]["nodeName"] = "n1".into();
    create(&r, "v1/pods", Some("default"), p).await.unwrap();
    let t = target(&r, "v1/pods", Some("default"), "p");
    let first = value(
        r.delete(&context(), &t, &DeleteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(first["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(first["metadata"]["generation"], 2);
    let again = value(
        r.delete(&context(), &t, &DeleteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(again, first);
    let now = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::default()
    };
    let last = value(r.delete(&context(), &t, &now).await.unwrap());
    assert_eq!(last["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(
        get(&r, "v1/pods", Some("default"), "p")
            .await
            .unwrap_err()
            .code,
        404
    );
}

#[tokio::test]
async fn an_unscheduled_pod_goes_at_once() {
    let r = registry().await;
    create(&r, "v1/pods", Some("default"), pod("p"))
        .await
        .unwrap();
    let t = target(&r, "v1/pods", Some("default"), "p");
    r.delete(&context(), &t, &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(
        get(&r, "v1/pods", Some("default"), "p")
            .await
            .unwrap_err()
            .code,
        404
    );
}

/// The marking of such a pod changes its version; the deletion that asked for the version before goes on.
#[tokio::test]
async fn an_unscheduled_pod_of_a_version_goes_at_once() {
    let r = registry().await;
    let made = create(&r, "v1/pods", Some("default"), pod("p"))
        .await
        .unwrap();
    let t = target(&r, "v1/pods", Some("default"), "p");
    let mut options = DeleteOptions::default();
    options.preconditions.resource_version = made["metadata"]["resourceVersion"]
        .as_str()
        .map(str::to_owned);
    r.delete(&context(), &t, &options).await.unwrap();
    assert_eq!(
        get(&r, "v1/pods", Some("default"), "p")
            .await
            .unwrap_err()
            .code,
        404
    );
}

#[tokio::test]
async fn the_last_finalizer_deletes() {
    let r = registry().await;
    let body = json!({"metadata": {"name": "a", "finalizers": ["x.io/f"]}});
    create(&r, "v1/configmaps", Some("default"), body)
        .await
        .unwrap();
    let t = target(&r, "v1/configmaps", Some("default"), "a");
    let marked = value(
        r.delete(&context(), &t, &DeleteOptions::default())
            .await
            .unwrap(),
    );
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let mut more = marked.clone();
    more["metadata"]["finalizers"] = json!(["x.io/f", "x.io/g"]);
    assert_eq!(
        update(&r, "v1/configmaps", Some("default"), "a", more)
            .await
            .unwrap_err()
            .code,
        422
    );
    let mut none = marked.clone();
    none["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("finalizers");
    none["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("deletionTimestamp");
    update(&r, "v1/configmaps", Some("default"), "a", none)
        .await
        .unwrap();
    assert_eq!(
        get(&r, "v1/configmaps", Some("default"), "a")
            .await
            .unwrap_err()
            .code,
        404
    );
}

#[tokio::test]
async fn foreground_waits_and_preconditions_hold() {
    let r = registry().await;
    create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap();
    let t = target(&r, "v1/configmaps", Some("default"), "a");
    let mut options = DeleteOptions {
        propagation: Some(DeletionPropagation::Foreground),
        ..DeleteOptions::default()
    };
    options.preconditions.uid = Some("1".into());
    let error = r.delete(&context(), &t, &options).await.unwrap_err();
    assert!(error.message.starts_with("Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (1) does not match"));
    options.preconditions.uid = None;
    let answer = r.delete(&context(), &t, &options).await.unwrap();
    assert_eq!(answer.code, 202);
    assert_eq!(
        value(answer)["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
}

#[tokio::test]
async fn a_namespace_waits_for_its_finalizers() {
    let r = registry().await;
    create(
        &r,
        "v1/namespaces",
        None,
        json!({"metadata": {"name": "n"}}),
    )
    .await
    .unwrap();
    let t = target(&r, "v1/namespaces", None, "n");
    let going = value(
        r.delete(&context(), &t, &DeleteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(going["status"]["phase"], "Terminating");
    let error = create(
        &r,
        "v1/configmaps",
        Some("n"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.message,
        "configmaps \"a\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    let mut done = going.clone();
    done["spec"] = json!({});
    update(&r, "v1/namespaces/finalize", None, "n", done)
        .await
        .unwrap();
    assert_eq!(
        get(&r, "v1/namespaces", None, "n").await.unwrap_err().code,
        404
    );
    let error = r
        .delete(
            &context(),
            &target(&r, "v1/namespaces", None, "default"),
            &DeleteOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "namespaces \"default\" is forbidden: this namespace may not be deleted"
    );
}
