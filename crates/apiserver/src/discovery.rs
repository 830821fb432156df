//! Which resources there are: aggregated (v2) and legacy discovery, built anew when a definition has changed.
// upstream: apiserver/pkg/endpoints/discovery

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY};
use http::{Response, StatusCode};
use machinery::Status;
use registry::{Registry, Resource, Resources, Subresource, Verb};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::Body;
use crate::chain::Handler;
use crate::negotiation::clauses;
use crate::respond::{self, Reply};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// All discovery documents, as of what is served.
pub(crate) struct Discovery {
    advertise: String,
    made: ArcSwap<Documents>,
}

/// All documents by path.
struct Documents {
    /// What they tell.
    resources: Arc<Resources>,
    documents: HashMap<String, Document>,
}

struct Document {
    legacy: Bytes,
    aggregated: Option<(Bytes, HeaderValue)>,
}

impl Discovery {
    pub(crate) fn new(registry: &Registry, advertise: &str) -> Self {
        let made = Documents::new(registry.resources(), advertise);
        Self {
            advertise: advertise.to_owned(),
            made: ArcSwap::from_pointee(made),
        }
    }

    /// The documents of what is served now.
    fn current(&self, registry: &Registry) -> Arc<Documents> {
        let resources = registry.resources();
        let made = self.made.load_full();
        if made.resources.fingerprint() == resources.fingerprint() {
            return made;
        }
        let made = Arc::new(Documents::new(resources, &self.advertise));
        self.made.store(Arc::clone(&made));
        made
    }
}

impl Documents {
    fn new(resources: Arc<Resources>, advertise: &str) -> Self {
        let groups = resources.groups();
        let mut documents = HashMap::new();
        let mut add = |path: String, legacy: &Value, aggregated: Option<Value>| {
            let aggregated = aggregated.map(|document| {
                let bytes = to_bytes(&document);
                let etag = format!("\"{}\"", hex::encode_upper(Sha256::digest(&bytes)));
                (
                    bytes,
                    HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\"")),
                )
            });
            documents.insert(
                path,
                Document {
                    legacy: to_bytes(legacy),
                    aggregated,
                },
            );
        };
        let mut core = Vec::new();
        let mut named = Vec::new();
        let mut group_list = Vec::new();
        for (group, versions) in groups {
            let of = |version: &String| {
                let mut rows: Vec<&Resource> = resources
                    .told()
                    .filter(|r| r.group == *group && r.version == *version)
                    .map(AsRef::as_ref)
                    .collect();
                rows.sort_by(|a, b| a.plural.cmp(&b.plural));
                rows
            };
            let aggregated: Vec<Value> = versions
                .iter()
                .map(|v| json!({"version": v, "resources": of(v).into_iter().map(aggregated_resource).collect::<Vec<_>>(), "freshness": "Current"}))
                .collect();
            if group.is_empty() {
                core.push(json!({"metadata": {}, "versions": aggregated}));
                for version in versions {
                    let list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": legacy_resources(&of(version))});
                    add(format!("/api/{version}"), &list, None);
                }
                continue;
            }
            named.push(json!({"metadata": {"name": group}, "versions": aggregated}));
            let entry = |v: &String| json!({"groupVersion": format!("{group}/{v}"), "version": v});
            let mut document = json!({
                "name": group,
                "versions": versions.iter().map(entry).collect::<Vec<_>>(),
                "preferredVersion": versions.first().map(entry),
            });
            group_list.push(document.clone());
            if let Value::Object(map) = &mut document {
                map.insert("kind".into(), json!("APIGroup"));
                map.insert("apiVersion".into(), json!("v1"));
            }
            add(format!("/apis/{group}"), &document, None);
            for version in versions {
                let list = json!({
                    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/{version}"),
                    "resources": legacy_resources(&of(version)),
                });
                add(format!("/apis/{group}/{version}"), &list, None);
            }
        }
        let list = |items: Vec<Value>| json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
        let versions: Vec<&String> = groups
            .iter()
            .filter(|(g, _)| g.is_empty())
            .flat_map(|(_, v)| v)
            .collect();
        let api = json!({
            "kind": "APIVersions",
            "versions": versions,
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": advertise}],
        });
        add("/api".to_owned(), &api, Some(list(core)));
        add(
            "/apis".to_owned(),
            &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": group_list}),
            Some(list(named)),
        );
        Self {
            resources,
            documents,
        }
    }
}

impl Discovery {
    /// Answers a discovery path, `None` for others.
    pub(crate) fn serve(
        &self,
        handler: &Handler,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Reply> {
        // Other paths aren't worth a look at what is served.
        if !path.starts_with("/api") {
            return None;
        }
        let current = self.current(&handler.registry);
        let document = current.documents.get(path)?;
        let accept = headers
            .get(ACCEPT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let mut reply = match choose(accept, document.aggregated.is_some()) {
            Some(Choice::Aggregated) => {
                let (bytes, etag) = document.aggregated.as_ref()?;
                let mut reply = if headers.get(IF_NONE_MATCH) == Some(etag) {
                    let mut reply = Response::new(Body::empty());
                    *reply.status_mut() = StatusCode::NOT_MODIFIED;
                    reply
                } else {
                    respond::reply(StatusCode::OK, AGGREGATED, bytes.clone())
                };
                reply.headers_mut().insert(ETAG, etag.clone());
                // upstream: discovery/aggregated/etag.go; clients cache by the ETag.
                reply.headers_mut().insert(
                    http::header::CACHE_CONTROL,
                    HeaderValue::from_static("public"),
                );
                reply
            }
            Some(Choice::Legacy) => {
                respond::reply(StatusCode::OK, respond::JSON, document.legacy.clone())
            }
            Some(Choice::Yaml) => match crate::encoding::json_to_yaml(&document.legacy) {
                Ok(bytes) => respond::reply(StatusCode::OK, "application/yaml", bytes),
                Err(status) => respond::status(&status),
            },
            None => respond::status(&Status::not_acceptable(&[
                "application/json",
                "application/yaml",
            ])),
        };
        reply
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Accept"));
        debug_assert!(
            reply.headers().contains_key(CONTENT_TYPE)
                || reply.status() == StatusCode::NOT_MODIFIED
        );
        Some(reply)
    }
}

enum Choice {
    Aggregated,
    Legacy,
    Yaml,
}

fn choose(accept: &str, aggregated: bool) -> Option<Choice> {
    if accept.trim().is_empty() {
        return Some(Choice::Legacy);
    }
    clauses(accept)
        .into_iter()
        .find_map(|c| match (c.kind, c.subtype, c.parameter("as")) {
            ("application", "json", Some("APIGroupDiscoveryList")) => (aggregated
                && c.parameter("g") == Some("apidiscovery.k8s.io")
                && c.parameter("v") == Some("v2"))
            .then_some(Choice::Aggregated),
            ("application", "json" | "*", None) | ("*", "*", None) => Some(Choice::Legacy),
            ("application", "yaml", None) => Some(Choice::Yaml),
            _ => None,
        })
}

fn to_bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .unwrap_or_default()
}

fn verbs(verbs: &[Verb]) -> Vec<&'static str> {
    let mut names: Vec<_> = verbs.iter().map(|v| v.as_str()).collect();
    names.sort_unstable();
    names
}

fn told_verbs(row: &Resource) -> &[Verb] {
    let custom = row.custom.as_ref().and_then(|c| c.told_verbs());
    custom.unwrap_or(&row.verbs)
}

fn subresources(row: &Resource) -> Vec<&Subresource> {
    let mut all: Vec<&Subresource> = row.subresources.iter().collect();
    all.sort_by(|a, b| a.name.cmp(b.name));
    all
}

/// upstream: discovery/aggregated, endpoints/installer.go#ConvertGroupVersionIntoToDiscovery
fn aggregated_resource(row: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut out = Map::new();
    out.insert("resource".into(), json!(row.plural));
    // Built-in kinds leave out what is the version's; those of definitions don't.
    let own = match row.custom {
        Some(_) => (row.group.as_str(), row.version.as_str()),
        None => ("", ""),
    };
    out.insert("responseKind".into(), kind(own.0, own.1, &row.kind));
    out.insert(
        "scope".into(),
        json!(if row.namespaced {
            "Namespaced"
        } else {
            "Cluster"
        }),
    );
    out.insert("singularResource".into(), json!(row.singular));
    out.insert("verbs".into(), json!(verbs(told_verbs(row))));
    if !row.short_names.is_empty() {
        out.insert("shortNames".into(), json!(row.short_names));
    }
    if !row.categories.is_empty() {
        out.insert("categories".into(), json!(row.categories));
    }
    let subresources: Vec<Value> = subresources(row)
        .into_iter()
        .map(|s| {
            let (group, version) = s.group_version.unwrap_or(own);
            json!({"subresource": s.name, "responseKind": kind(group, version, &s.kind), "verbs": verbs(s.verbs)})
        })
        .collect();
    if !subresources.is_empty() {
        out.insert("subresources".into(), json!(subresources));
    }
    Value::Object(out)
}

/// upstream: apimachinery/pkg/apis/meta/v1#APIResource
fn legacy_resources(rows: &[&Resource]) -> Vec<Value> {
    let mut out = Vec::new();
    for row in rows {
        let mut entry = Map::new();
        entry.insert("name".into(), json!(row.plural));
        entry.insert("singularName".into(), json!(row.singular));
        entry.insert("namespaced".into(), json!(row.namespaced));
        entry.insert("kind".into(), json!(row.kind));
        entry.insert("verbs".into(), json!(verbs(told_verbs(row))));
        if !row.short_names.is_empty() {
            entry.insert("shortNames".into(), json!(row.short_names));
        }
        if !row.categories.is_empty() {
            entry.insert("categories".into(), json!(row.categories));
        }
        out.push(Value::Object(entry));
        for s in subresources(row) {
            let mut entry = Map::new();
            entry.insert("name".into(), json!(format!("{}/{}", row.plural, s.name)));
            entry.insert("singularName".into(), json!(""));
            entry.insert("namespaced".into(), json!(row.namespaced));
            if let Some((group, version)) = s.group_version {
                entry.insert("group".into(), json!(group));
                entry.insert("version".into(), json!(version));
            }
            entry.insert("kind".into(), json!(s.kind));
            entry.insert("verbs".into(), json!(verbs(s.verbs)));
            out.push(Value::Object(entry));
        }
    }
    out
}
