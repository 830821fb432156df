#![allow(clippy::unwrap_used)]

use machinery::Status;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn context<'a>(node: Node<'a>, manager: &'a str) -> Context<'a> {
    Context {
        node,
        manager,
        api_version: "v1",
        subresource: "",
        reset: &["status"],
        now: "2026-01-01T00:00:00Z",
    }
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s5"}, "data": data})
}

fn cm() -> Node<'static> {
    Node::builtin("", "v1", "ConfigMap")
}

#[test]
fn conflicts_force_and_pruning() {
    let one = apply(
        &context(cm(), "m1"),
        &json!({}),
        &config_map(json!({"a": "1", "b": "2"})),
        false,
    )
    .unwrap();
    assert_eq!(
        one["metadata"]["managedFields"],
        json!([{"manager": "m1", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}])
    );
    let other = config_map(json!({"a": "9"}));
    let e = apply(&context(cm(), "m2"), &one, &other, false).unwrap_err();
    let status = Status::from(e);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"m1\": .data.a"
    );
    assert_eq!(status.details.unwrap().causes[0].field, ".data.a");
    let two = apply(&context(cm(), "m2"), &one, &other, true).unwrap();
    assert_eq!(two["data"], json!({"a": "9", "b": "2"}));
    let three = apply(
        &context(cm(), "m1"),
        &two,
        &config_map(json!({"b": "2"})),
        false,
    )
    .unwrap();
    assert_eq!(three["data"], json!({"a": "9", "b": "2"}));
    let mut nothing = config_map(Value::Null);
    nothing.remove_at(&["data"]);
    let four = apply(&context(cm(), "m1"), &three, &nothing, false).unwrap();
    assert_eq!(four["data"], json!({"a": "9"}));
    assert_eq!(
        four["metadata"]["managedFields"].as_array().unwrap().len(),
        1
    );
    // Nothing changes, so nothing is written.
    assert_eq!(
        apply(&context(cm(), "m2"), &four, &other, false).unwrap(),
        four
    );
}

#[test]
fn updates_take_fields_over() {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "1", "ports": [{"containerPort": 80}]}]}});
    let node = Node::builtin("", "v1", "Pod");
    update(&context(node, "kubectl-create"), &json!({}), &mut pod);
    assert_eq!(
        pod["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {".": {}, "f:containers": {".": {}, "k:{\"name\":\"c\"}": {".": {},
            "f:image": {}, "f:name": {}, "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}})
    );
    let mut next = pod.clone();
    next["spec"]["containers"][0]["image"] = "2".into();
    update(&context(node, "other"), &pod, &mut next);
    let managed = Managed::of(&next);
    let of = |name: &str| {
        managed
            .0
            .iter()
            .find(|e| e.manager == name)
            .unwrap()
            .fields
            .to_fields_v1()
            .to_string()
    };
    assert!(of("other").contains("f:image") && !of("kubectl-create").contains("f:image"));
    let mut same = next.clone();
    update(&context(node, "third"), &next, &mut same);
    assert_eq!(same, next);
    let config = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "3"}]}});
    let e = apply(&context(node, "m"), &next, &config, false).unwrap_err();
    assert_eq!(
        e.to_string(),
        "Apply failed with 1 conflict: conflict with \"other\" using v1 at 2026-01-01T00:00:00Z: .spec.containers[name=\"c\"].image"
    );
}

#[test]
fn subresources_and_resets() {
    let node = Node::builtin("apps", "v1", "Deployment");
    let mut live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1}});
    update(&context(node, "a"), &json!({}), &mut live);
    let mut next = live.clone();
    next["status"] = json!({"replicas": 1});
    let status = Context {
        subresource: "status",
        reset: &["spec"],
        ..context(node, "controller")
    };
    update(&status, &live, &mut next);
    let entries = next["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().any(|e| e["subresource"] == "status"
        && e["fieldsV1"] == json!({"f:status": {".": {}, "f:replicas": {}}})));
    // The object itself doesn't reach the status.
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 5}});
    let out = apply(&context(node, "b"), &next, &config, false).unwrap();
    assert!(
        !Managed::of(&out)
            .0
            .iter()
            .any(|e| e.manager == "b" && !e.fields.is_empty())
    );
}

#[test]
fn lists_and_custom_resources() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "atomic": {"type": "array", "items": {"type": "integer"}}}}}});
    let node = Node::custom(&schema);
    let spec = |spec: Value| json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec});
    let a = apply(
        &context(node, "a"),
        &json!({}),
        &spec(json!({"set": ["1"], "map": [{"k": "1", "v": 1}], "atomic": [1]})),
        false,
    )
    .unwrap();
    let b = apply(
        &context(node, "b"),
        &a,
        &spec(json!({"set": ["2"], "map": [{"k": "2", "v": 2}]})),
        false,
    )
    .unwrap();
    assert_eq!(
        b["spec"],
        json!({"set": ["1", "2"], "map": [{"k": "1", "v": 1}, {"k": "2", "v": 2}], "atomic": [1]})
    );
    let c = apply(
        &context(node, "a"),
        &b,
        &spec(json!({"set": [], "map": []})),
        false,
    )
    .unwrap();
    assert_eq!(
        c["spec"],
        json!({"set": ["2"], "map": [{"k": "2", "v": 2}]})
    );
    let e = apply(
        &context(node, "b"),
        &c,
        &spec(json!({"atomic": [1], "map": [{"v": 1}]})),
        false,
    )
    .unwrap_err();
    assert!(e.to_string().contains("omits key field \"k\""), "{e}");
    let e = apply(
        &context(node, "b"),
        &c,
        &spec(json!({"set": ["1", "1"]})),
        false,
    )
    .unwrap_err();
    assert!(
        e.to_string().contains("duplicate entries for key [=\"1\"]"),
        "{e}"
    );
}

#[test]
fn many_managers_are_joined() {
    let mut live = config_map(json!({}));
    for i in 0..15 {
        let mut next = live.clone();
        next["data"][format!("k{i:02}")] = "v".into();
        let (manager, now) = (format!("m{i:02}"), format!("2026-01-01T00:00:{i:02}Z"));
        update(
            &Context {
                manager: &manager,
                now: &now,
                ..context(cm(), "")
            },
            &live,
            &mut next,
        );
        live = next;
    }
    let managed = Managed::of(&live);
    assert_eq!(managed.0.len(), MAX_UPDATE_MANAGERS);
    assert!(
        managed
            .0
            .iter()
            .any(|e| e.manager == ANCIENT && e.fields.to_fields_v1().to_string().contains("f:k03"))
    );
}

fn data() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]", "[0-2]", 1..4)
        .prop_map(|m| m.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
}

proptest! {
    /// Whatever managers apply by force: each owns exactly what it applied last and nobody took over, its
    /// values are in the object, and applying again changes nothing.
    #[test]
    fn ownership_holds(steps in prop::collection::vec((0..3_usize, data()), 1..8)) {
        let managers = ["x", "y", "z"];
        let mut live = json!({});
        for (who, data) in steps {
            let config = config_map(data.clone());
            live = apply(&context(cm(), managers[who]), &live, &config, true).unwrap();
            let again = apply(&context(cm(), managers[who]), &live, &config, false).unwrap();
            prop_assert_eq!(&again, &live);
            for (k, v) in data.as_object().unwrap() {
                prop_assert_eq!(&live["data"][k], v);
            }
            let mut owned = Set::default();
            for entry in Managed::of(&live).0 {
                owned = owned.union(&entry.fields);
            }
            for k in live["data"].as_object().into_iter().flatten().map(|(k, _)| k) {
                prop_assert!(owned.paths().contains(&vec![PathElement::field("data"), PathElement::field(k)]));
            }
        }
    }
}
