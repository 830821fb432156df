//! What an aggregated API server says it serves.
// upstream: kube-aggregator/pkg/apiserver/handler_discovery.go#fetchFreshDiscoveryForService, openapiv3/aggregator

use serde_json::{Map, Value, json};

use super::remote::Remote;

/// What aggregated discovery is asked for with.
pub(super) const ACCEPT: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The documents of one group and version.
pub(super) struct Documents {
    /// Its entry in aggregated discovery: version and resources.
    pub(super) version: Value,
    /// Its entry in OpenAPI v3's index.
    pub(super) openapi: Option<Value>,
    /// The server did not answer the last time.
    pub(super) stale: bool,
}

impl Documents {
    /// Reads the answers: the group's resource list, the server's aggregated discovery and the index of its OpenAPI, as far
    /// as it has them.
    pub(super) fn read(
        remote: &Remote,
        legacy: &[u8],
        aggregated: Option<&[u8]>,
        openapi: Option<&[u8]>,
    ) -> Self {
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
        let entry = aggregated
            .map(parse)
            .filter(|v| text(v, "kind") == "APIGroupDiscoveryList")
            .and_then(|list| {
                array(&list, "items")
                    .iter()
                    .filter(|g| g.pointer("/metadata/name").and_then(Value::as_str) == Some(&remote.group))
                    .flat_map(|g| array(g, "versions").to_vec())
                    .find(|v| text(v, "version") == remote.version)
            })
            .unwrap_or_else(|| {
                json!({"version": remote.version, "resources": of_legacy(&parse(legacy), remote)})
            });
        let openapi = openapi.map(parse).and_then(|index| {
            let name = remote.root();
            let path = index.get("paths")?.get(name.trim_start_matches('/'))?;
            let url = text(path, "serverRelativeURL");
            // Only a path of its own is taken over.
            url.starts_with(&format!("/openapi/v3{name}"))
                .then(|| json!({"serverRelativeURL": url}))
        });
        Self {
            version: entry,
            openapi,
            stale: false,
        }
    }

    /// The entry with its freshness.
    pub(super) fn entry(&self) -> Value {
        let mut entry = self.version.clone();
        if let Some(map) = entry.as_object_mut() {
            let fresh = if self.stale { "Stale" } else { "Current" };
            map.insert("freshness".into(), fresh.into());
        }
        entry
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Resources of an APIResourceList as aggregated discovery has them.
// upstream: apiserver/pkg/endpoints/installer.go#ConvertGroupVersionIntoToDiscovery
fn of_legacy(list: &Value, remote: &Remote) -> Vec<Value> {
    let mut out: Vec<Map<String, Value>> = Vec::new();
    let kind = |r: &Value| {
        let or = |name: &str, own: &str| match text(r, name) {
            "" => own.to_owned(),
            given => given.to_owned(),
        };
        json!({"group": or("group", &remote.group), "version": or("version", &remote.version), "kind": text(r, "kind")})
    };
    for resource in array(list, "resources") {
        let name = text(resource, "name");
        if let Some((parent, sub)) = name.split_once('/') {
            let Some(parent) = out
                .iter_mut()
                .find(|r| r.get("resource").and_then(Value::as_str) == Some(parent))
            else {
                continue;
            };
            let entry = json!({"subresource": sub, "responseKind": kind(resource), "verbs": resource.get("verbs").cloned().unwrap_or_else(|| json!([]))});
            let subresources = parent
                .entry("subresources")
                .or_insert_with(|| json!([]))
                .as_array_mut();
            if let Some(list) = subresources {
                list.push(entry);
            }
            continue;
        }
        let namespaced = resource
            .get("namespaced")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let mut entry = Map::new();
        entry.insert("resource".into(), name.into());
        entry.insert("responseKind".into(), kind(resource));
        entry.insert(
            "scope".into(),
            if namespaced { "Namespaced" } else { "Cluster" }.into(),
        );
        entry.insert(
            "singularResource".into(),
            text(resource, "singularName").into(),
        );
        for (from, to) in [
            ("verbs", "verbs"),
            ("shortNames", "shortNames"),
            ("categories", "categories"),
        ] {
            if let Some(value) = resource.get(from).filter(|v| v.is_array()) {
                entry.insert(to.into(), value.clone());
            }
        }
        out.push(entry);
    }
    out.into_iter().map(Value::Object).collect()
}
