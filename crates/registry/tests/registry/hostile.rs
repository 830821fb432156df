//! Damaged objects of every kind: refused or taken, never a panic.

use proptest::prelude::*;
use registry::{RequestContext, Served, Table, Target, WriteOptions};
use serde_json::{Value, json};

use super::common::*;
use super::reference::reference;

/// Replaces or removes the nth node of a tree.
fn damage(value: &mut Value, at: &mut usize, with: &Value) -> bool {
    if *at == 0 {
        *value = with.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Object(map) => map.iter_mut().any(|(_, v)| damage(v, at, with)),
        Value::Array(list) => list.iter_mut().any(|v| damage(v, at, with)),
        _ => false,
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(nodes).sum(),
        Value::Array(list) => list.iter().map(nodes).sum(),
        _ => 0,
    }
}

fn strange() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(-1)),
        Just(json!(9_223_372_036_854_775_807_i64)),
        Just(json!(1e300)),
        Just(json!({})),
        Just(json!([])),
        Just(json!([null, {}, ""])),
        Just(json!({"": null})),
        Just(json!("/../%2f\u{0}é")),
        Just(json!("99999999999999999999Ki")),
        Just(json!("150%")),
        any::<bool>().prop_map(Value::from),
        "[a-z0-9./:*-]{0,12}".prop_map(Value::from),
    ]
}

fn goldens() -> Vec<(String, Value)> {
    let table = Table::builtin();
    let mut all = Vec::new();
    for row in table.iter().filter(|r| r.served == Served::Registry) {
        let group = if row.group.is_empty() {
            "core"
        } else {
            row.group.as_str()
        };
        let Some(golden) = reference(&format!(
            "goldens/{group}.{}.{}.json",
            row.version, row.kind
        )) else {
            continue;
        };
        all.push((
            format!("{}/{}/{}", row.group, row.version, row.plural),
            golden,
        ));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_objects_do_no_harm(places in prop::collection::vec((any::<usize>(), strange()), 1..4)) {
        let goldens = goldens();
        if goldens.is_empty() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let r = registry().await;
            for (path, golden) in &goldens {
                let parts: Vec<&str> = path.split('/').collect();
                let row = r.table().find(parts[0], parts[1], parts[2]).unwrap();
                let mut object = golden.clone();
                for name in ["resourceVersion", "namespace", "uid", "deletionTimestamp", "managedFields", "generateName", "finalizers"] {
                    object["metadata"].as_object_mut().unwrap().remove(name);
                }
                object["metadata"]["name"] = "x".into();
                for (at, with) in &places {
                    let mut at = at % nodes(&object);
                    damage(&mut object, &mut at, with);
                }
                registry::printers::row(row, &object, jiff::Timestamp::UNIX_EPOCH);
                let target = Target::collection(row, row.namespaced.then_some("default"));
                let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
                if let Ok(answer) = r.create(&RequestContext::system(), &target, object, &dry).await {
                    // What is taken can be printed.
                    if let Some(object) = answer.object() {
                        registry::printers::row(row, &object.value(), jiff::Timestamp::UNIX_EPOCH);
                    }
                }
            }
        });
    }
}
