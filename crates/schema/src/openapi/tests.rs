#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::*;

/// Reference data beside the workspace, `None` (said aloud) where it is absent.
fn reference(path: &str) -> Option<Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/k8s")
        .join(path);
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            println!("skipped: ../shared absent");
            None
        }
    }
}

fn served(group: &str, version: &str, kind: &str, plural: &str) -> Served {
    let verbs = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    Served {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
        verbs: verbs.map(str::to_owned).to_vec(),
        subresources: vec![ServedSubresource {
            name: "scale".to_owned(),
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: vec!["get".to_owned(), "patch".to_owned(), "update".to_owned()],
        }],
        schema: None,
        schema_v2: None,
    }
}

/// Sorted, `allOf` of one reference is that reference, required is a set, and without prose, which the reference has
/// not. (A property may be named `description`: that is no text but a schema.)
fn plain(v: &Value) -> Value {
    match v {
        Value::Object(map) => {
            let mut out = Map::new();
            for (k, v) in map {
                match (k.as_str(), v) {
                    ("allOf", Value::Array(items))
                        if items.len() == 1 && items[0].get("$ref").is_some() =>
                    {
                        out.insert("$ref".to_owned(), items[0]["$ref"].clone());
                    }
                    ("required", Value::Array(items)) => {
                        let mut items = items.clone();
                        items.sort_by_key(ToString::to_string);
                        out.insert(k.clone(), items.into());
                    }
                    ("description", Value::String(_)) => {}
                    _ => {
                        out.insert(k.clone(), plain(v));
                    }
                }
            }
            out.sort_keys();
            out.into()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[test]
fn definitions_are_upstreams() {
    let Some(reference) = reference("swagger-1.36.json") else {
        return;
    };
    let ours = v2::all_definitions();
    let mut differences = Vec::new();
    for (name, want) in reference["definitions"].as_object().unwrap() {
        let (got, want) = (plain(&ours[name]), plain(want));
        if got != want {
            differences.push(format!("{name}\n  want {want}\n  got  {got}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences[..differences.len().min(5)].join("\n")
    );
}

#[test]
fn v3_schemas_are_upstreams() {
    let mut differences = Vec::new();
    let mut count = 0;
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/k8s/reference/openapi-v3");
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("skipped: ../shared absent");
        return;
    };
    for file in files {
        let file = file.unwrap().file_name().into_string().unwrap();
        let parts: Vec<&str> = file.trim_end_matches(".json").split('_').collect();
        let (group, version) = match parts.as_slice() {
            ["api", version] => ("", *version),
            ["apis", group, version] => (*group, *version),
            _ => continue,
        };
        let Some(reference) = reference(&format!("reference/openapi-v3/{file}")) else {
            return;
        };
        let mut definitions =
            definitions::Definitions::new(definitions::Version::V3, Some((group, version)));
        crate::types().for_each(|ty| definitions.add(ty));
        let ours = definitions.into_value();
        for (name, want) in reference["components"]["schemas"].as_object().unwrap() {
            count += 1;
            let (got, want) = (plain(&ours[name]), plain(want));
            if got != want {
                differences.push(format!("{name}\n  want {want}\n  got  {got}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {count} differ:\n{}",
        differences.len(),
        differences[..differences.len().min(8)].join("\n")
    );
}

#[test]
fn what_kubectl_looks_for() {
    let resources = [
        served("apps", "v1", "Deployment", "deployments"),
        served("", "v1", "Pod", "pods"),
    ];
    let document: Value = serde_json::from_slice(&v3("apps", "v1", &resources)).unwrap();
    let single = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let patch = &single["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"]["kind"],
        "Deployment"
    );
    assert!(
        patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["name"] == "fieldValidation")
    );
    assert!(
        patch["requestBody"]["content"]
            .get("application/strategic-merge-patch+json")
            .is_some()
    );
    assert!(
        document["components"]["schemas"]
            .get("io.k8s.api.core.v1.PodSpec")
            .is_some()
    );
    assert!(document["paths"].get("/api/v1/pods").is_none());
    let scale =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["put"];
    assert_eq!(
        scale["operationId"],
        "replaceAppsV1NamespacedDeploymentScale"
    );
    // Nothing refers to what isn't there.
    let text = document.to_string();
    for piece in text.split("#/components/schemas/").skip(1) {
        let name = piece.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
    let index = v3_index([("api/v1", "AB"), ("apis/apps/v1", "CD")]);
    assert_eq!(
        String::from_utf8(index).unwrap(),
        r#"{"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=AB"},"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=CD"}}}"#
    );
    let v2: Value = serde_json::from_slice(&v2(&resources)).unwrap();
    assert!(v2["definitions"].get("io.k8s.api.core.v1.Pod").is_some());
    assert_eq!(fingerprint(b"").len(), 32);
    assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
}

#[test]
fn custom_resources() {
    let mut widget = served("example.com", "v1", "Widget", "widgets");
    widget.schema =
        Some(serde_json::json!({"type": "object", "properties": {"spec": {"type": "object"}}}));
    let document: Value = serde_json::from_slice(&v3("example.com", "v1", &[widget])).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(
        schemas.contains_key("com.example.v1.Widget")
            && schemas.contains_key("com.example.v1.WidgetList")
    );
    let content = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]
        ["patch"]["requestBody"]["content"];
    assert!(
        content
            .get("application/strategic-merge-patch+json")
            .is_none()
    );
}
