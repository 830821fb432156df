//! Discovery and OpenAPI with the aggregated servers' groups in them.
// upstream: kube-aggregator/pkg/apiserver/{handler_apis,handler_discovery}.go, openapiv3/aggregator/aggregator.go

use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Aggregator;
use super::priorities;
use super::remote::Remote;
use crate::Body;
use crate::respond::{self, Reply};

/// This server's own answer to a discovery path, the others' groups added. `None` when there is nothing to answer or to add.
pub(crate) fn discovery(
    aggregator: &Aggregator,
    path: &str,
    headers: &HeaderMap,
    own: impl FnOnce(&HeaderMap) -> Option<Reply>,
) -> Option<Reply> {
    let remotes = aggregator.shared.remotes.load();
    if remotes.is_empty() {
        return own(headers);
    }
    let group = path.strip_prefix("/apis/").filter(|g| !g.contains('/'));
    let concerned =
        path == "/apis" || group.is_some_and(|g| remotes.keys().any(|(group, _)| group == g));
    if !concerned {
        return own(headers);
    }
    // The whole document, whatever the client has.
    let mut plain = headers.clone();
    let known = plain.remove(IF_NONE_MATCH);
    let base = own(&plain);
    let (parts, mut document) = match base {
        Some(reply) => {
            let (parts, body) = reply.into_parts();
            let value: Option<Value> = body
                .as_full()
                .filter(|_| parts.status == StatusCode::OK)
                .and_then(|b| serde_json::from_slice(b).ok());
            match value {
                Some(value) => (Some(parts), value),
                // Another encoding, or an error: as it is.
                None => return Some(Response::from_parts(parts, body)),
            }
        }
        None => {
            let group = group?;
            let empty =
                json!({"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": []});
            (None, empty)
        }
    };
    match document.get("kind").and_then(Value::as_str) {
        Some("APIGroupDiscoveryList") => aggregated(aggregator, &mut document),
        Some("APIGroupList") => {
            for remote in remotes.values().filter(|r| !r.group.is_empty()) {
                legacy(&mut document, remote);
            }
        }
        Some("APIGroup") => {
            for remote in remotes.values().filter(|r| Some(r.group.as_str()) == group) {
                add_version(&mut document, remote);
            }
        }
        _ => {}
    }
    let bytes = serde_json::to_vec(&document).ok()?;
    let etag = format!("\"{}\"", hex::encode_upper(Sha256::digest(&bytes)));
    let etag = HeaderValue::from_str(&etag).ok()?;
    let mut reply = Response::new(Body::full(bytes));
    match parts {
        Some(parts) => {
            *reply.headers_mut() = parts.headers;
            if reply.headers_mut().remove(ETAG).is_some() {
                if known.as_ref() == Some(&etag) {
                    *reply.status_mut() = StatusCode::NOT_MODIFIED;
                    *reply.body_mut() = Body::empty();
                }
                reply.headers_mut().insert(ETAG, etag);
            }
        }
        None => {
            reply
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(respond::JSON));
        }
    }
    Some(reply)
}

/// Adds the others' groups to aggregated discovery.
fn aggregated(aggregator: &Aggregator, document: &mut Value) {
    let remotes = aggregator.shared.remotes.load();
    let documents = aggregator.shared.documents.lock();
    let Some(items) = document.get_mut("items").and_then(Value::as_array_mut) else {
        return;
    };
    for (key, remote) in remotes.iter().filter(|(_, r)| !r.group.is_empty()) {
        let entry = match documents.get(key) {
            Some(documents) => documents.entry(),
            // It was not reached yet.
            None => json!({"version": remote.version, "freshness": "Stale"}),
        };
        let name = |g: &Value| {
            g.pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let at = match items.iter().position(|g| name(g) == remote.group) {
            Some(at) => at,
            None => {
                let at = place(items, remote, name);
                items.insert(
                    at,
                    json!({"metadata": {"name": remote.group}, "versions": []}),
                );
                at
            }
        };
        if let Some(versions) = items
            .get_mut(at)
            .and_then(|g| g.get_mut("versions"))
            .and_then(Value::as_array_mut)
        {
            versions.retain(|v| v.get("version").and_then(Value::as_str) != Some(&remote.version));
            versions.push(entry);
            sort(aggregator, &remote.group, versions);
        }
    }
}

/// Versions by their APIServices' priority, the highest first; what has none keeps its place behind.
fn sort(aggregator: &Aggregator, group: &str, versions: &mut [Value]) {
    let remotes = aggregator.shared.remotes.load();
    let priority = |v: &Value| {
        let version = v.get("version").and_then(Value::as_str).unwrap_or_default();
        remotes
            .get(&(group.to_owned(), version.to_owned()))
            .map(|r| r.version_priority)
            .or_else(|| {
                priorities::BUILT_IN
                    .iter()
                    .find(|(g, v, ..)| *g == group && *v == version)
                    .map(|(.., priority)| *priority)
            })
            .unwrap_or(priorities::CUSTOM.1)
    };
    versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
}

/// Where a group belongs: by priority, then by name.
fn place(items: &[Value], remote: &Remote, name: impl Fn(&Value) -> String) -> usize {
    items
        .iter()
        .position(|g| {
            let name = name(g);
            let priority = priorities::of_group(&name);
            priority < remote.group_priority
                || (priority == remote.group_priority && name > remote.group)
        })
        .unwrap_or(items.len())
}

fn legacy(document: &mut Value, remote: &Remote) {
    let Some(groups) = document.get_mut("groups").and_then(Value::as_array_mut) else {
        return;
    };
    let name = |g: &Value| {
        g.get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let at = match groups.iter().position(|g| name(g) == remote.group) {
        Some(at) => at,
        None => {
            let at = place(groups, remote, name);
            groups.insert(at, json!({"name": remote.group, "versions": []}));
            at
        }
    };
    if let Some(group) = groups.get_mut(at) {
        add_version(group, remote);
    }
}

fn add_version(group: &mut Value, remote: &Remote) {
    let entry = json!({"groupVersion": remote.group_version(), "version": remote.version});
    if let Some(versions) = group.get_mut("versions").and_then(Value::as_array_mut) {
        if !versions.contains(&entry) {
            versions.push(entry);
        }
        let first = versions.first().cloned();
        if let (Some(first), Some(map)) = (first, group.as_object_mut()) {
            map.insert("preferredVersion".into(), first);
        }
    }
}

/// Adds the others' documents to the index of OpenAPI v3.
pub(crate) fn openapi_index(aggregator: &Aggregator, own: Reply) -> Reply {
    let documents = aggregator.shared.documents.lock();
    if documents.is_empty() || own.status() != StatusCode::OK {
        return own;
    }
    let (mut parts, body) = own.into_parts();
    let index: Option<Value> = body.as_full().and_then(|b| serde_json::from_slice(b).ok());
    let Some(mut index) = index else {
        return Response::from_parts(parts, body);
    };
    if let Some(paths) = index.get_mut("paths").and_then(Value::as_object_mut) {
        for ((group, version), documents) in documents.iter() {
            if let Some(entry) = &documents.openapi {
                paths.insert(format!("apis/{group}/{version}"), entry.clone());
            }
        }
    }
    let bytes = serde_json::to_vec(&index).unwrap_or_default();
    let etag = format!("\"{}\"", hex::encode_upper(Sha256::digest(&bytes)));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        parts.headers.insert(ETAG, etag);
    }
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::full(bytes))
}
