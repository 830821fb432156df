#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Status;

fn pod() -> &'static Type {
    schema::lookup("", "v1", "Pod").unwrap()
}

fn deployment() -> &'static Type {
    schema::lookup("apps", "v1", "Deployment").unwrap()
}

fn strategic(ty: &'static Type, document: Value, patch: Value) -> Result<Value, PatchError> {
    Patch::new(PatchKind::Strategic, patch)?.apply(Some(ty), document)
}

fn two() -> Value {
    json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}})
}

fn containers(v: &Value) -> String {
    let list = v
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let text: Vec<String> = list
        .iter()
        .map(|c| {
            format!(
                "{}:{}",
                c["name"].as_str().unwrap_or("-"),
                c["image"].as_str().unwrap_or("-")
            )
        })
        .collect();
    text.join(",")
}

#[test]
fn merges_by_key() {
    let p = |patch: Value| containers(&strategic(pod(), two(), patch).unwrap());
    assert_eq!(
        p(json!({"spec": {"containers": [{"name": "b", "image": "3"}]}})),
        "a:1,b:3"
    );
    assert_eq!(
        p(json!({"spec": {"containers": [{"name": "c", "image": "3"}]}})),
        "c:3,a:1,b:2"
    );
    assert_eq!(
        p(json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})),
        "b:2"
    );
    assert_eq!(
        p(json!({"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}})),
        "z:-"
    );
    assert_eq!(
        p(json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}})),
        "b:2,a:1"
    );
    assert_eq!(
        p(
            json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "9"}]}})
        ),
        "b:2,c:9,a:1"
    );
}

#[test]
fn directives_on_maps() {
    let doc =
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let out = strategic(
        deployment(),
        doc,
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    )
    .unwrap();
    assert_eq!(out, json!({"spec": {"strategy": {"type": "Recreate"}}}));
    let doc = json!({"metadata": {"labels": {"a": "b"}}});
    let out = strategic(
        pod(),
        doc.clone(),
        json!({"metadata": {"labels": {"$patch": "replace", "c": "d"}}}),
    )
    .unwrap();
    assert_eq!(out, json!({"metadata": {"labels": {"c": "d"}}}));
    let out = strategic(
        pod(),
        doc.clone(),
        json!({"metadata": {"labels": {"a": null, "x": null, "y": "z"}}}),
    )
    .unwrap();
    assert_eq!(out, json!({"metadata": {"labels": {"y": "z"}}}));
    let out = strategic(
        pod(),
        doc,
        json!({"metadata": {"labels": {"$patch": "delete"}}}),
    )
    .unwrap();
    assert_eq!(out, json!({"metadata": {"labels": {}}}));
}

#[test]
fn primitive_lists() {
    let doc = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let out = strategic(
        pod(),
        doc.clone(),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}}),
    )
    .unwrap();
    assert_eq!(out, json!({"metadata": {"finalizers": ["a", "c"]}}));
    let out = strategic(
        pod(),
        doc.clone(),
        json!({"metadata": {"finalizers": ["d", "a"]}}),
    )
    .unwrap();
    assert_eq!(out["metadata"]["finalizers"], json!(["d", "a", "b", "c"]));
    let out = strategic(
        pod(),
        doc,
        json!({"metadata": {"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"], "$deleteFromPrimitiveList/finalizers": ["b"]}}),
    )
    .unwrap();
    assert_eq!(out, json!({"metadata": {"finalizers": ["c", "d", "a"]}}));
}

#[test]
fn atomic_lists_are_replaced() {
    let doc = json!({"spec": {"containers": [{"name": "a", "args": ["1", "2"]}]}});
    let out = strategic(
        pod(),
        doc,
        json!({"spec": {"containers": [{"name": "a", "args": ["3"]}]}}),
    )
    .unwrap();
    assert_eq!(
        out,
        json!({"spec": {"containers": [{"name": "a", "args": ["3"]}]}})
    );
}

#[test]
fn errors_are_upstreams() {
    let e = strategic(
        pod(),
        two(),
        json!({"spec": {"containers": [{"image": "z"}]}}),
    )
    .unwrap_err();
    assert_eq!(
        e.to_string(),
        "map: map[image:z] does not contain declared merge key: name"
    );
    assert_eq!(Status::from(e).code, 500);
    let e = strategic(
        pod(),
        two(),
        json!({"spec": {"$retainKeys": ["a"], "nodeName": "b"}}),
    )
    .unwrap_err();
    assert_eq!(
        Status::from(e).message,
        "invalid patch format of retainKeys"
    );
    let e = Patch::new(
        PatchKind::Json,
        json!([{"op": "test", "path": "/a", "value": 1}]),
    )
    .unwrap()
    .apply(None, json!({}))
    .unwrap_err();
    assert_eq!(
        Status::from(e).message,
        "the server rejected our request due to an error in our request"
    );
    assert!(matches!(
        Patch::new(PatchKind::Json, json!({})),
        Err(PatchError::Decode(_))
    ));
    let many: Vec<Value> = (0..10_001)
        .map(|_| json!({"op": "remove", "path": "/a"}))
        .collect();
    let e = Patch::new(PatchKind::Json, many.into()).unwrap_err();
    assert_eq!(
        Status::from(e).message,
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
    assert_eq!(
        Status::from(Patch::new(PatchKind::Merge, json!([])).unwrap_err()).code,
        400
    );
}

#[test]
fn copies_are_bounded() {
    let mut operations = vec![json!({"op": "add", "path": "/a0", "value": "x".repeat(1000)})];
    for i in 0..60 {
        operations.push(json!({"op": "add", "path": format!("/b{i}"), "value": {}}));
        operations.push(json!({"op": "copy", "from": "", "path": format!("/b{i}/c")}));
    }
    let patch = Patch::new(PatchKind::Json, operations.into()).unwrap();
    assert!(matches!(
        patch.apply(None, json!({})),
        Err(PatchError::Operation(_))
    ));
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!(true))];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|m| m.into_iter().collect::<Value>()),
        ]
    })
}

/// The merge patch from one object to another.
fn merge_diff(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(a), Value::Object(b)) => {
            let mut out = serde_json::Map::new();
            for k in a.keys().filter(|k| !b.contains_key(*k)) {
                out.insert(k.clone(), Value::Null);
            }
            for (k, v) in b {
                if a.get(k) != Some(v) {
                    out.insert(k.clone(), merge_diff(a.get(k).unwrap_or(&Value::Null), v));
                }
            }
            out.into()
        }
        _ => to.clone(),
    }
}

proptest! {
    #[test]
    fn merge_patch_leads_there_and_is_idempotent(a in tree(), b in tree()) {
        let (a, b) = (json!({"r": a}), json!({"r": b}));
        let patch = Patch::new(PatchKind::Merge, merge_diff(&a, &b)).unwrap();
        let once = patch.apply(None, a).unwrap();
        prop_assert_eq!(&once, &b);
        prop_assert_eq!(patch.apply(None, once).unwrap(), b);
    }

    #[test]
    fn json_patch_leads_there(a in tree(), b in tree()) {
        let body = serde_json::to_value(json_patch::diff(&a, &b)).unwrap();
        prop_assert_eq!(Patch::new(PatchKind::Json, body).unwrap().apply(None, a).unwrap(), b);
    }

    #[test]
    fn strategic_merge_is_idempotent(
        old in prop::collection::vec(("[a-e]", 0..3_i32), 0..5),
        new in prop::collection::vec(("[a-e]", 0..3_i32, prop::bool::weighted(0.2)), 0..5),
    ) {
        let mut seen = std::collections::HashSet::new();
        let old: Vec<Value> = old.into_iter().filter(|(n, _)| seen.insert(n.clone())).map(|(n, i)| json!({"name": n, "image": i.to_string()})).collect();
        seen.clear();
        let new: Vec<Value> = new.into_iter().filter(|(n, _, _)| seen.insert(n.clone())).map(|(n, i, d)| if d { json!({"name": n, "$patch": "delete"}) } else { json!({"name": n, "image": i.to_string()}) }).collect();
        let patch = json!({"spec": {"containers": new}});
        let once = strategic(pod(), json!({"spec": {"containers": old}}), patch.clone()).unwrap();
        let twice = strategic(pod(), once.clone(), patch.clone()).unwrap();
        prop_assert_eq!(&once, &twice);
        for c in &new {
            let found = once["spec"]["containers"].as_array().unwrap().iter().find(|o| o["name"] == c["name"]);
            if c.get("$patch").is_some() {
                prop_assert!(found.is_none());
            } else {
                prop_assert_eq!(found, Some(c));
            }
        }
    }
}
