//! Custom resources: schemas, versions, subresources, apply.

use async_trait::async_trait;
use parking_lot::Mutex;
use registry::{
    ConversionWebhooks, CreateOptions, DeleteOptions, FieldValidation, ListOptions, Patch,
    PatchOptions, Registry, Status, WatchEvent,
};
use serde_json::{Value, json};
use std::sync::Arc;

use super::common::*;

const CRDS: &str = "apiextensions.k8s.io/v1/customresourcedefinitions";
const V1: &str = "example.com/v1/widgets";
const V2: &str = "example.com/v2/widgets";

fn schema() -> Value {
    json!({"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 0, "maximum": 10},
            "color": {"type": "string", "default": "red", "enum": ["red", "green"]},
            "port": {"x-kubernetes-int-or-string": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}},
        }, "x-kubernetes-validations": [
            {"rule": "!has(self.parts) || self.size >= self.parts.size()", "messageExpression": "'size must be at least ' + string(self.parts.size())", "fieldPath": ".size"},
            {"rule": "self.color == oldSelf.color", "message": "color is immutable", "reason": "FieldValueForbidden", "fieldPath": ".color"}]},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}, "selector": {"type": "string"}}}}})
}

fn definition(versions: Value, conversion: Option<Value>) -> Value {
    let mut out = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": versions}});
    if let Some(conversion) = conversion {
        out["spec"]["conversion"] = conversion;
    }
    out
}

fn version(name: &str, storage: bool) -> Value {
    json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema()},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"}}})
}

/// What the controller does.
async fn establish(registry: &Registry) {
    let mut object = get(registry, CRDS, None, "widgets.example.com")
        .await
        .unwrap();
    let names = object["spec"]["names"].clone();
    object["status"]["acceptedNames"] = names;
    object["status"]["conditions"] = json!([
        {"type": "NamesAccepted", "status": "True", "reason": "", "message": ""},
        {"type": "Established", "status": "True", "reason": "", "message": ""}]);
    update(
        registry,
        &format!("{CRDS}/status"),
        None,
        "widgets.example.com",
        object,
    )
    .await
    .unwrap();
}

async fn served(versions: Value, conversion: Option<Value>) -> Registry {
    let registry = registry().await;
    create(&registry, CRDS, None, definition(versions, conversion))
        .await
        .unwrap();
    assert!(registry.find("example.com", "v1", "widgets").is_none());
    establish(&registry).await;
    registry
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn make(registry: &Registry, name: &str, spec: Value) -> Result<Value, Status> {
    create(registry, V1, Some("default"), widget(name, spec)).await
}

fn message(result: Result<Value, Status>) -> String {
    result.unwrap_err().message
}

#[tokio::test]
async fn objects_are_shaped_and_checked_by_the_schema() {
    let r = served(json!([version("v1", true)]), None).await;
    let made = make(
        &r,
        "a",
        json!({"size": 3, "unknown": 1, "port": "http", "free": {"x": [1]}, "tags": null}),
    )
    .await
    .unwrap();
    assert_eq!(
        made["spec"],
        json!({"size": 3, "color": "red", "port": "http", "free": {"x": [1]}})
    );
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(
        message(make(&r, "b", json!({"size": 11, "color": "blue"})).await),
        "Widget.example.com \"b\" is invalid: [spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10, \
         spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\", <nil>: Invalid value: \"null\": some validation \
         rules were not checked because the object was invalid; correct the existing errors to complete validation]"
    );
    assert_eq!(
        message(make(&r, "b", json!({"size": 1, "tags": ["x", "x"]})).await),
        "Widget.example.com \"b\" is invalid: spec.tags[1]: Duplicate value: \"x\""
    );
    assert_eq!(
        message(
            make(
                &r,
                "b",
                json!({"size": 1, "parts": [{"name": "a"}, {"name": "b"}]})
            )
            .await
        ),
        "Widget.example.com \"b\" is invalid: spec.size: Invalid value: size must be at least 2"
    );
    let mut changed = made.clone();
    changed["spec"]["color"] = "green".into();
    assert_eq!(
        message(update(&r, V1, Some("default"), "a", changed).await),
        "Widget.example.com \"a\" is invalid: spec.color: Forbidden: color is immutable"
    );
    let mut other = widget("c", json!({"size": 1}));
    other["apiVersion"] = "example.com/v9".into();
    assert_eq!(
        message(create(&r, V1, Some("default"), other).await),
        "the API version in the data (example.com/v9) does not match the expected API version (example.com/v1)"
    );
    let mut other = widget("c", json!({"size": 1}));
    other["kind"] = "Gadget".into();
    assert_eq!(
        message(create(&r, V1, Some("default"), other).await),
        "Widget.example.com \"c\" is invalid: kind: Invalid value: \"Gadget\": must be Widget"
    );
    let mut unconditional = made.clone();
    unconditional["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    assert_eq!(
        message(update(&r, V1, Some("default"), "a", unconditional).await),
        "Widget.example.com \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
    );
    // A change that changes nothing is no write.
    let again = update(&r, V1, Some("default"), "a", made.clone())
        .await
        .unwrap();
    assert_eq!(
        again["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn unknown_fields_warn_or_refuse() {
    let r = served(json!([version("v1", true)]), None).await;
    let with = |validation| CreateOptions {
        field_validation: validation,
        ..CreateOptions::default()
    };
    let body = widget(
        "a",
        json!({"size": 1, "odd": {"x": 1}, "parts": [{"name": "p", "odd": 1}]}),
    );
    let to = target(&r, V1, Some("default"), "");
    let refused = r
        .create(
            &context(),
            &to,
            body.clone(),
            &with(FieldValidation::Strict),
        )
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.odd\", unknown field \"spec.parts[0].odd\""
    );
    let ctx = context();
    r.create(&ctx, &to, body, &with(FieldValidation::Warn))
        .await
        .unwrap();
    assert_eq!(
        ctx.take_warnings(),
        [
            "unknown field \"spec.odd\"",
            "unknown field \"spec.parts[0].odd\""
        ]
    );
}

#[tokio::test]
async fn status_and_scale_are_endpoints_of_their_own() {
    let r = served(json!([version("v1", true)]), None).await;
    let mut body = widget("a", json!({"size": 2}));
    body["status"] = json!({"size": 9});
    let made = create(&r, V1, Some("default"), body).await.unwrap();
    assert!(made.get("status").is_none());
    let mut next = made.clone();
    next["spec"]["size"] = 7.into();
    next["status"] = json!({"size": 2, "selector": "a=b", "odd": 1});
    next["metadata"]["labels"] = json!({"x": "y"});
    let status = update(&r, &format!("{V1}/status"), Some("default"), "a", next)
        .await
        .unwrap();
    assert_eq!(status["spec"]["size"], 2);
    assert_eq!(status["status"], json!({"size": 2, "selector": "a=b"}));
    assert!(status["metadata"].get("labels").is_none());
    assert_eq!(status["metadata"]["generation"], 1);
    let scale = get(&r, &format!("{V1}/scale"), Some("default"), "a")
        .await
        .unwrap();
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]),
        (
            &json!("Scale"),
            &json!({"replicas": 2}),
            &json!({"replicas": 2, "selector": "a=b"})
        )
    );
    let to = target(&r, &format!("{V1}/scale"), Some("default"), "a");
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    r.patch(&context(), &to, patch, &PatchOptions::default())
        .await
        .unwrap();
    let scaled = get(&r, V1, Some("default"), "a").await.unwrap();
    assert_eq!(scaled["spec"]["size"], 5);
    assert_eq!(scaled["metadata"]["generation"], 2);
    let patch = Patch::Merge(json!({"spec": {"replicas": 50}}));
    let refused = r
        .patch(&context(), &to, patch, &PatchOptions::default())
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("less than or equal to 10"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn applied_by_the_schema() {
    let r = served(json!([version("v1", true)]), None).await;
    let to = target(&r, V1, Some("default"), "a");
    let apply = |manager: &str, body: Value, force: bool| {
        let options = PatchOptions {
            write: CreateOptions {
                field_manager: manager.to_owned(),
                ..CreateOptions::default()
            },
            force,
        };
        let (r, to) = (r.clone(), to.clone());
        async move { r.patch(&context(), &to, Patch::Apply(body), &options).await }
    };
    let parts = |n: i64| widget("a", json!({"size": 5, "parts": [{"name": "p", "n": n}]}));
    apply("one", parts(1), false).await.unwrap();
    let more = widget("a", json!({"parts": [{"name": "q", "n": 2}]}));
    let merged = value(apply("two", more, false).await.unwrap());
    assert_eq!(
        merged["spec"]["parts"],
        json!([{"name": "p", "n": 1}, {"name": "q", "n": 2}])
    );
    let conflict = apply("two", parts(9), false).await.unwrap_err();
    assert!(
        conflict.message.contains(".spec.parts[name=\"p\"].n"),
        "{}",
        conflict.message
    );
    let fields = merged["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(
        fields[1]["fieldsV1"]["f:spec"]["f:parts"]["k:{\"name\":\"q\"}"],
        json!({".": {}, "f:n": {}, "f:name": {}})
    );
    let strategic = r
        .patch(
            &context(),
            &to,
            Patch::Strategic(json!({})),
            &PatchOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(strategic.code, 415);
}

#[tokio::test]
async fn versions_are_converted_by_their_name_alone() {
    let mut second = version("v2", false);
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["extra"] =
        json!({"type": "string", "default": "only in v2"});
    let r = served(json!([version("v1", true), second]), None).await;
    make(&r, "a", json!({"size": 1})).await.unwrap();
    let other = get(&r, V2, Some("default"), "a").await.unwrap();
    assert_eq!(other["apiVersion"], "example.com/v2");
    // Defaults are those of the stored version.
    assert!(other["spec"].get("extra").is_none());
    let mut body = widget("b", json!({"size": 2}));
    body["apiVersion"] = "example.com/v2".into();
    let made = create(&r, V2, Some("default"), body).await.unwrap();
    assert_eq!(made["apiVersion"], "example.com/v2");
    // What the stored version doesn't know isn't kept.
    let first = get(&r, V1, Some("default"), "b").await.unwrap();
    assert_eq!(first["apiVersion"], "example.com/v1");
    assert!(first["spec"].get("extra").is_none());
    assert_eq!(
        names(&r, V2, Some("default"), &ListOptions::default()).await,
        ["a", "b"]
    );

    // Another version becomes the stored one: objects are written anew by a write that changes nothing.
    let mut crd = get(&r, CRDS, None, "widgets.example.com").await.unwrap();
    crd["spec"]["versions"][0]["storage"] = false.into();
    crd["spec"]["versions"][1]["storage"] = true.into();
    let crd = update(&r, CRDS, None, "widgets.example.com", crd)
        .await
        .unwrap();
    assert_eq!(crd["status"]["storedVersions"], json!(["v1", "v2"]));
    let before = get(&r, V1, Some("default"), "a").await.unwrap();
    let after = update(&r, V1, Some("default"), "a", before.clone())
        .await
        .unwrap();
    assert_ne!(
        before["metadata"]["resourceVersion"],
        after["metadata"]["resourceVersion"]
    );
    let raw = r.store().snapshot();
    let raw = raw.get("/example.com/widgets/default/a").unwrap();
    assert_eq!(raw.value.value()["apiVersion"], "example.com/v2");
    // A version that objects are stored in can't be left out.
    let mut without = crd.clone();
    without["spec"]["versions"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    assert!(
        message(update(&r, CRDS, None, "widgets.example.com", without).await).contains(
            "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version"
        )
    );
}

/// Moves `spec.size` (v1) to `spec.length` (v2) and back.
#[derive(Default)]
struct Hook {
    asked: Mutex<Vec<usize>>,
    broken: Mutex<bool>,
}

#[async_trait]
impl ConversionWebhooks for Hook {
    async fn call(&self, name: &str, config: &Value, review: &Value) -> Result<Value, String> {
        assert_eq!(name, "conversion_webhook_for_widgets.example.com");
        assert_eq!(config["url"], "https://example.com/convert");
        if *self.broken.lock() {
            return Err("it is broken".to_owned());
        }
        let desired = review["request"]["desiredAPIVersion"].as_str().unwrap();
        let objects = review["request"]["objects"].as_array().unwrap();
        self.asked.lock().push(objects.len());
        let converted: Vec<Value> = objects
            .iter()
            .map(|o| {
                let mut o = o.clone();
                let (from, to) = match desired {
                    "example.com/v2" => ("size", "length"),
                    _ => ("length", "size"),
                };
                let size = o["spec"].as_object_mut().unwrap().remove(from).unwrap();
                o["spec"][to] = size;
                o["apiVersion"] = desired.into();
                o
            })
            .collect();
        Ok(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": {
            "uid": review["request"]["uid"], "result": {"status": "Success"}, "convertedObjects": converted}}),
        )
    }
}

#[tokio::test]
async fn versions_are_converted_by_a_webhook() {
    let simple = |name: &str, field: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "required": [field], "properties": {field: {"type": "integer"}}}}}}})
    };
    let conversion = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://example.com/convert"}}});
    let r = served(
        json!([simple("v1", "size", true), simple("v2", "length", false)]),
        Some(conversion),
    )
    .await;
    let hook = Arc::new(Hook::default());
    r.set_conversion_webhooks(hook.clone());
    for name in ["a", "b", "c"] {
        make(&r, name, json!({"size": 3})).await.unwrap();
    }
    assert!(hook.asked.lock().is_empty());
    let second = get(&r, V2, Some("default"), "a").await.unwrap();
    assert_eq!(second["spec"], json!({"length": 3}));
    // A list is asked about at once.
    hook.asked.lock().clear();
    let listed = names(&r, V2, Some("default"), &ListOptions::default()).await;
    assert_eq!(listed, ["a", "b", "c"]);
    assert_eq!(*hook.asked.lock(), [3]);
    // Written in the other version, stored in this one.
    let mut changed = second;
    changed["spec"]["length"] = 8.into();
    let changed = update(&r, V2, Some("default"), "a", changed).await.unwrap();
    assert_eq!(changed["spec"], json!({"length": 8}));
    let first = get(&r, V1, Some("default"), "a").await.unwrap();
    assert_eq!(first["spec"], json!({"size": 8}));

    let options = ListOptions {
        watch: true,
        resource_version: first["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned(),
        ..ListOptions::default()
    };
    let mut watch = r
        .watch(&context(), &target(&r, V2, Some("default"), ""), &options)
        .await
        .unwrap();
    let mut again = first;
    again["spec"]["size"] = 9.into();
    update(&r, V1, Some("default"), "a", again).await.unwrap();
    match watch.next().await.unwrap() {
        WatchEvent::Modified(o) => assert_eq!(o.value()["spec"], json!({"length": 9})),
        other => panic!("{other:?}"),
    }
    *hook.broken.lock() = true;
    let failed = get(&r, V2, Some("default"), "a").await.unwrap_err();
    assert_eq!(failed.code, 500);
    assert_eq!(
        failed.message,
        "conversion webhook for example.com/v1, Kind=Widget failed: it is broken"
    );
    assert!(get(&r, V1, Some("default"), "a").await.is_ok());
}

#[tokio::test]
async fn selected_watched_and_followed_by_definition() {
    let r = served(json!([version("v1", true)]), None).await;
    make(&r, "a", json!({"size": 1})).await.unwrap();
    make(&r, "b", json!({"size": 1, "color": "green"}))
        .await
        .unwrap();
    let green = |label: &str| ListOptions {
        field_selector: machinery::fields::FieldSelector::parse(&format!("{label}=green")).unwrap(),
        ..ListOptions::default()
    };
    assert_eq!(
        names(&r, V1, Some("default"), &green("spec.color")).await,
        ["b"]
    );
    let refused = r
        .list(
            &context(),
            &target(&r, V1, Some("default"), ""),
            &green("spec.size"),
        )
        .await
        .unwrap_err();
    assert_eq!(refused.message, "field label not supported: spec.size");
    let options = ListOptions {
        watch: true,
        ..green("spec.color")
    };
    let mut watch = r
        .watch(&context(), &target(&r, V1, None, ""), &options)
        .await
        .unwrap();
    assert!(matches!(watch.next().await, Some(WatchEvent::Added(_))));
    r.delete(
        &context(),
        &target(&r, V1, Some("default"), "b"),
        &DeleteOptions::default(),
    )
    .await
    .unwrap();
    assert!(matches!(watch.next().await, Some(WatchEvent::Deleted(_))));
    // A status of the definition changes nothing; its schema ends the watch.
    let before = r.resources().fingerprint();
    let mut crd = get(&r, CRDS, None, "widgets.example.com").await.unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["new"] =
        json!({"type": "string", "default": "n"});
    update(&r, CRDS, None, "widgets.example.com", crd)
        .await
        .unwrap();
    assert!(watch.next().await.is_none());
    assert_ne!(r.resources().fingerprint(), before);
    // Stored objects get new defaults when they are read.
    let read = get(&r, V1, Some("default"), "a").await.unwrap();
    assert_eq!(read["spec"]["new"], "n");
}

#[tokio::test]
async fn quotas_count_custom_objects() {
    let r = served(json!([version("v1", true)]), None).await;
    let quota =
        json!({"metadata": {"name": "q"}, "spec": {"hard": {"count/widgets.example.com": "1"}}});
    create(&r, "v1/resourcequotas", Some("default"), quota)
        .await
        .unwrap();
    make(&r, "a", json!({"size": 1})).await.unwrap();
    assert_eq!(
        message(make(&r, "b", json!({"size": 1})).await),
        "widgets.example.com \"b\" is forbidden: exceeded quota: q, requested: count/widgets.example.com=1, used: count/widgets.example.com=1, limited: count/widgets.example.com=1"
    );
}

#[tokio::test]
async fn races_and_bounds() {
    let r = served(json!([version("v1", true)]), None).await;
    let made = make(&r, "a", json!({"size": 1.0})).await.unwrap();
    assert_eq!(made["spec"]["size"].to_string(), "1");
    // One of two writers with the same version is refused.
    let mut one = made.clone();
    one["metadata"]["labels"] = json!({"a": "1"});
    let mut two = made;
    two["metadata"]["labels"] = json!({"a": "2"});
    let (first, second) = tokio::join!(
        update(&r, V1, Some("default"), "a", one),
        update(&r, V1, Some("default"), "a", two)
    );
    assert!(first.is_ok() != second.is_ok());
    // Deep trees are taken; what is too large isn't.
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "x": deep });
    }
    assert!(
        make(&r, "deep", json!({"size": 1, "free": deep}))
            .await
            .is_ok()
    );
    let huge = "x".repeat(4 << 20);
    assert_eq!(
        make(&r, "huge", json!({"size": 1, "free": {"x": huge}}))
            .await
            .unwrap_err()
            .code,
        413
    );
}
