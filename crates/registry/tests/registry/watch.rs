use std::time::Duration;

use machinery::labels::Selector;
use registry::{DeleteOptions, ListOptions, Watch, WatchEvent};
use serde_json::{Value, json};

use super::common::*;

async fn next(watch: &mut Watch) -> (String, Value) {
    let event = tokio::time::timeout(Duration::from_secs(5), watch.next())
        .await
        .unwrap()
        .unwrap();
    let object = event.object().map(|o| o.value()).unwrap_or_default();
    (event.kind().to_owned(), object)
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let r = registry().await;
    create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap();
    let t = target(&r, "v1/configmaps", Some("default"), "");
    let options = ListOptions {
        watch: true,
        send_initial_events: Some(true),
        allow_watch_bookmarks: true,
        ..ListOptions::default()
    };
    let mut watch = r.watch(&context(), &t, &options).await.unwrap();
    assert_eq!(next(&mut watch).await.1["metadata"]["name"], "a");
    let (kind, object) = next(&mut watch).await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(
        object["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(
        object["metadata"]["resourceVersion"],
        r.store().revision().0.to_string()
    );
}

#[tokio::test]
async fn selectors_see_both_sides() {
    let r = registry().await;
    let t = target(&r, "v1/configmaps", Some("default"), "");
    let options = ListOptions {
        watch: true,
        label_selector: Selector::parse("a=b").unwrap(),
        ..ListOptions::default()
    };
    let mut watch = r.watch(&context(), &t, &options).await.unwrap();
    let mut c = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "c"}}),
    )
    .await
    .unwrap();
    c["metadata"]["labels"] = json!({"a": "b"});
    let entered = update(&r, "v1/configmaps", Some("default"), "c", c.clone())
        .await
        .unwrap();
    assert_eq!(
        next(&mut watch).await,
        ("ADDED".to_owned(), entered.clone())
    );
    let mut changed = entered.clone();
    changed["data"] = json!({"x": "1"});
    let changed = update(&r, "v1/configmaps", Some("default"), "c", changed)
        .await
        .unwrap();
    assert_eq!(
        next(&mut watch).await,
        ("MODIFIED".to_owned(), changed.clone())
    );
    let mut left = changed.clone();
    left["metadata"]["labels"] = json!({"a": "c"});
    let left = update(&r, "v1/configmaps", Some("default"), "c", left)
        .await
        .unwrap();
    let mut want = changed.clone();
    want["metadata"]["resourceVersion"] = left["metadata"]["resourceVersion"].clone();
    assert_eq!(next(&mut watch).await, ("DELETED".to_owned(), want));
    // What is deleted outside the selection isn't seen.
    r.delete(
        &context(),
        &target(&r, "v1/configmaps", Some("default"), "c"),
        &DeleteOptions::default(),
    )
    .await
    .unwrap();
    let made = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "d", "labels": {"a": "b"}}}),
    )
    .await
    .unwrap();
    assert_eq!(next(&mut watch).await, ("ADDED".to_owned(), made.clone()));
    r.delete(
        &context(),
        &target(&r, "v1/configmaps", Some("default"), "d"),
        &DeleteOptions::default(),
    )
    .await
    .unwrap();
    let (kind, object) = next(&mut watch).await;
    assert_eq!(kind, "DELETED");
    assert_eq!(
        object["metadata"]["resourceVersion"],
        r.store().revision().0.to_string()
    );
    assert_eq!(object["metadata"]["uid"], made["metadata"]["uid"]);
}

#[tokio::test]
async fn resumes_after_a_revision_and_says_when_it_cannot() {
    let r = registry().await;
    let a = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "a"}}),
    )
    .await
    .unwrap();
    let b = create(
        &r,
        "v1/configmaps",
        Some("default"),
        json!({"metadata": {"name": "b"}}),
    )
    .await
    .unwrap();
    let t = target(&r, "v1/configmaps", Some("default"), "");
    let version = a["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let options = ListOptions {
        watch: true,
        resource_version: version,
        ..ListOptions::default()
    };
    let mut watch = r.watch(&context(), &t, &options).await.unwrap();
    assert_eq!(next(&mut watch).await, ("ADDED".to_owned(), b));
    r.store().compact(r.store().revision()).await.unwrap();
    let options = ListOptions {
        watch: true,
        resource_version: "1".into(),
        ..ListOptions::default()
    };
    let mut watch = r.watch(&context(), &t, &options).await.unwrap();
    match watch.next().await.unwrap() {
        WatchEvent::Error(status) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
            assert!(
                status.message.starts_with("too old resource version: 1 ("),
                "{}",
                status.message
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(watch.next().await.is_none());
}
