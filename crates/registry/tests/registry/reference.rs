//! Comparison with the reference data of Kubernetes 1.36.

use std::collections::BTreeMap;
use std::path::PathBuf;

use registry::{Served, Table, bootstrap};
use serde_json::{Value, json};

use super::common::*;

pub(crate) fn reference(path: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/k8s")
        .join(path);
    match std::fs::read(&root) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            eprintln!("skipped: ../shared absent ({path})");
            None
        }
    }
}

#[test]
fn the_table_is_the_references_discovery() {
    let mut missing = Vec::new();
    let table = Table::builtin();
    let mut count = 0;
    for file in [
        "reference/discovery-api.json",
        "reference/discovery-apis.json",
    ] {
        let Some(document) = reference(file) else {
            return;
        };
        for group in document["items"].as_array().unwrap() {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().unwrap() {
                let version_name = version["version"].as_str().unwrap();
                for want in version["resources"].as_array().unwrap() {
                    let plural = want["resource"].as_str().unwrap();
                    let Some(row) = table.find(name, version_name, plural) else {
                        missing.push(format!("{name}/{version_name}/{plural}"));
                        continue;
                    };
                    count += 1;
                    let strings = |list: &[String]| {
                        if list.is_empty() {
                            Value::Null
                        } else {
                            json!(list)
                        }
                    };
                    let verbs: Vec<&str> = row.verbs.iter().map(|v| v.as_str()).collect();
                    assert_eq!(json!(verbs), want["verbs"], "{row:?}");
                    assert_eq!(row.kind, want["responseKind"]["kind"], "{row:?}");
                    assert_eq!(row.singular, want["singularResource"], "{row:?}");
                    assert_eq!(
                        if row.namespaced {
                            "Namespaced"
                        } else {
                            "Cluster"
                        },
                        want["scope"],
                        "{row:?}"
                    );
                    assert_eq!(strings(&row.short_names), want["shortNames"], "{row:?}");
                    assert_eq!(strings(&row.categories), want["categories"], "{row:?}");
                    let of = |name: &str, kind: &str, verbs: Value| {
                        (name.to_owned(), (kind.to_owned(), verbs))
                    };
                    let have: BTreeMap<_, _> = row
                        .subresources
                        .iter()
                        .map(|s| {
                            of(
                                s.name,
                                &s.kind,
                                json!(s.verbs.iter().map(|v| v.as_str()).collect::<Vec<_>>()),
                            )
                        })
                        .collect();
                    let wanted: BTreeMap<_, _> = want["subresources"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|s| {
                            of(
                                s["subresource"].as_str().unwrap(),
                                s["responseKind"]["kind"].as_str().unwrap(),
                                s["verbs"].clone(),
                            )
                        })
                        .collect();
                    assert_eq!(have, wanted, "{row:?}");
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(
        count,
        table.iter().count(),
        "rows that the reference doesn't have"
    );
    assert!(table.iter().any(|r| r.served == Served::Server));
}

fn sorted(mut list: Vec<Value>) -> Vec<Value> {
    for item in &mut list {
        if let Some(map) = item.as_object_mut() {
            map.sort_keys();
        }
    }
    list.sort_by_key(Value::to_string);
    list
}

fn comparable(object: &Value) -> Value {
    let list = |name: &str| sorted(object[name].as_array().cloned().unwrap_or_default());
    json!({
        "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
        "labels": object["metadata"]["labels"], "annotations": object["metadata"]["annotations"],
        "rules": list("rules"), "subjects": list("subjects"), "roleRef": object["roleRef"],
        "aggregationRule": object["aggregationRule"], "spec": object["spec"],
        "value": object["value"], "description": object["description"], "preemptionPolicy": object["preemptionPolicy"],
    })
}

#[test]
fn bootstrap_objects_are_the_references() {
    let Some(document) = reference("reference/bootstrap-objects.json") else {
        return;
    };
    let ours = bootstrap::upstream_objects();
    for (plural, want) in document.as_object().unwrap() {
        if plural == "namespaces" {
            continue;
        }
        let by_name = |objects: Vec<Value>| -> BTreeMap<String, Value> {
            objects
                .iter()
                .map(|o| {
                    (
                        format!("{}/{}", o["metadata"]["namespace"], o["metadata"]["name"]),
                        comparable(o),
                    )
                })
                .collect()
        };
        let have = by_name(
            ours.iter()
                .filter(|o| o.plural == plural)
                .map(|o| o.object.clone())
                .collect(),
        );
        let want = by_name(want.as_array().unwrap().clone());
        assert_eq!(
            have.keys().collect::<Vec<_>>(),
            want.keys().collect::<Vec<_>>(),
            "{plural}"
        );
        for (name, want) in &want {
            assert_eq!(&have[name], want, "{plural} {name}");
        }
    }
}

#[tokio::test]
async fn bootstrap_is_idempotent() {
    let r = registry::Registry::new(store().await, registry::RegistryOptions::default());
    let options = bootstrap::BootstrapOptions {
        addresses: vec!["10.0.0.5".parse().unwrap()],
        port: 6443,
    };
    bootstrap::reconcile(&r, &options).await.unwrap();
    let revision = r.store().revision();
    assert!(revision.0 > 150, "{revision}");
    bootstrap::reconcile(&r, &options).await.unwrap();
    assert_eq!(r.store().revision(), revision, "nothing was to be done");
    let service = get(&r, "v1/services", Some("default"), "kubernetes")
        .await
        .unwrap();
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    let binding = get(
        &r,
        "rbac.authorization.k8s.io/v1/clusterrolebindings",
        None,
        "daas:admin",
    )
    .await
    .unwrap();
    assert_eq!(binding["roleRef"]["name"], "cluster-admin");
}

#[test]
fn table_columns_are_the_references() {
    let Some(cases) = reference("cases/tables.json") else {
        return;
    };
    let table = Table::builtin();
    let mut count = 0;
    for case in cases.as_array().unwrap() {
        let step = &case["steps"][0];
        let want = &step["want"]["body"];
        if want["kind"] != "Table" {
            continue;
        }
        let path = step["path"].as_str().unwrap().split('?').next().unwrap();
        let parts: Vec<&str> = path
            .split('/')
            .skip(1)
            .filter(|p| !["namespaces", "apidiff"].contains(p))
            .collect();
        let row = match parts.as_slice() {
            ["api", version, plural] => table.find("", version, plural),
            ["apis", group, version, plural] => table.find(group, version, plural),
            _ => None,
        };
        let Some(row) = row else {
            panic!("{path}");
        };
        let ours = registry::printers::column_definitions(row);
        assert_eq!(ours, want["columnDefinitions"], "{path}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}
