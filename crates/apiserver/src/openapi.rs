//! `/openapi/v3` and `/openapi/v2`, made when first asked for.
// upstream: k8s.io/kube-openapi/pkg/{handler,handler3}

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};
use machinery::Status;
use registry::{Custom, Registry, Resource, Resources};
use schema::openapi::{Served, ServedSubresource, fingerprint, v2, v2_protobuf, v3, v3_index};

use crate::chain::{ApiRequest, Handler};
use crate::negotiation::clauses;
use crate::respond::{self, Reply};

/// The documents of what is served, made anew when that changes.
pub(crate) struct OpenApi {
    made: ArcSwap<Documents>,
}

/// The documents of what is served at one time.
struct Documents {
    fingerprint: u64,
    rows: Vec<Arc<Resource>>,
    /// By path below `/openapi/v3/`.
    versions: BTreeMap<String, Arc<Version>>,
    index: OnceLock<Document>,
    v2: OnceLock<Document>,
    v2_protobuf: OnceLock<Document>,
}

/// What kubectl asks for v2 as, its newer name, and what the answer is called.
// upstream: kube-openapi/pkg/handler/handler.go#subTypeProtobuf
const PROTOBUF: [&str; 2] = [
    "com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "com.github.proto-openapi.spec.v2.v1.0+protobuf",
];
const PROTOBUF_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

struct Version {
    group: String,
    version: String,
    /// The compiled schemas of its custom resources: the document holds as long as these do.
    shapes: Vec<u64>,
    hash: OnceLock<String>,
    document: OnceLock<Document>,
}

#[derive(Clone)]
struct Document {
    bytes: Bytes,
    hash: String,
}

impl Document {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            hash: fingerprint(&bytes),
            bytes: bytes.into(),
        }
    }
}

impl OpenApi {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            made: ArcSwap::from_pointee(Documents::new(&registry.resources(), None)),
        }
    }

    /// The documents of what is served now.
    fn current(&self, registry: &Registry) -> Arc<Documents> {
        let resources = registry.resources();
        let made = self.made.load_full();
        if made.fingerprint == resources.fingerprint() {
            return made;
        }
        let made = Arc::new(Documents::new(&resources, Some(&made)));
        self.made.store(Arc::clone(&made));
        made
    }
}

impl Documents {
    /// What `before` has of a version goes on to hold when nothing of it has changed.
    fn new(all: &Resources, before: Option<&Self>) -> Self {
        let rows = all.told().cloned().collect();
        let mut versions = BTreeMap::new();
        for (group, of) in all.groups() {
            for version in of {
                let shapes: Vec<u64> = all
                    .told()
                    .filter(|r| r.group == *group && r.version == *version)
                    .filter_map(|r| r.custom.as_ref().map(Custom::shape_id))
                    .collect();
                let path = if group.is_empty() {
                    format!("api/{version}")
                } else {
                    format!("apis/{group}/{version}")
                };
                let kept = before
                    .and_then(|b| b.versions.get(&path))
                    .filter(|kept| kept.shapes == shapes);
                let kept = kept.cloned().unwrap_or_else(|| {
                    Arc::new(Version {
                        group: group.clone(),
                        version: version.clone(),
                        shapes,
                        hash: OnceLock::new(),
                        document: OnceLock::new(),
                    })
                });
                versions.insert(path, kept);
            }
        }
        Self {
            fingerprint: all.fingerprint(),
            rows,
            versions,
            index: OnceLock::new(),
            v2: OnceLock::new(),
            v2_protobuf: OnceLock::new(),
        }
    }

    fn version(&self, version: &Version) -> Document {
        version.document.get_or_init(|| self.make(version)).clone()
    }

    fn make(&self, version: &Version) -> Document {
        let of: Vec<Served> = self
            .rows
            .iter()
            .filter(|r| r.group == version.group && r.version == version.version)
            .map(served)
            .collect();
        let document = Document::new(v3(&version.group, &version.version, &of));
        let _ = version.hash.set(document.hash.clone());
        document
    }

    /// The index needs every document's hash; only documents that are asked for are kept.
    fn index(&self) -> Document {
        self.index
            .get_or_init(|| {
                // Unpacked once for all documents.
                let _texts = schema::Descriptions::get();
                let hashes: Vec<(&str, String)> = self
                    .versions
                    .iter()
                    .map(|(path, v)| {
                        (
                            path.as_str(),
                            v.hash.get().cloned().unwrap_or_else(|| self.make(v).hash),
                        )
                    })
                    .collect();
                Document::new(v3_index(hashes.iter().map(|(p, h)| (*p, h.as_str()))))
            })
            .clone()
    }

    fn v2_protobuf(&self) -> Document {
        self.v2_protobuf
            .get_or_init(|| Document::new(v2_protobuf(&self.all())))
            .clone()
    }

    /// Everything, with the schemas of custom resources, which are not kept.
    fn all(&self) -> Vec<Served> {
        self.rows.iter().map(served).collect()
    }

    fn v2(&self) -> Document {
        self.v2
            .get_or_init(|| Document::new(v2(&self.all())))
            .clone()
    }
}

fn served(row: &Arc<Resource>) -> Served {
    let subresources = row
        .subresources
        .iter()
        .map(|s| {
            let (group, version) = s
                .group_version
                .unwrap_or((row.group.as_str(), row.version.as_str()));
            ServedSubresource {
                name: s.name.to_owned(),
                group: group.to_owned(),
                version: version.to_owned(),
                kind: s.kind.as_ref().to_owned(),
                verbs: s.verbs.iter().map(|v| v.as_str().to_owned()).collect(),
            }
        })
        .collect();
    let (schema, schema_v2) = row.custom.as_ref().map(Custom::openapi).unzip();
    Served {
        group: row.group.clone(),
        version: row.version.clone(),
        kind: row.kind.clone(),
        plural: row.plural.clone(),
        namespaced: row.namespaced,
        verbs: row.verbs.iter().map(|v| v.as_str().to_owned()).collect(),
        subresources,
        schema,
        schema_v2,
    }
}

/// Answers `/openapi/v2`, `/openapi/v3` and `/openapi/v3/<path>`.
pub(crate) async fn serve(handler: &Arc<Handler>, path: &str, request: &ApiRequest) -> Reply {
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let is_v2 = path == "/openapi/v2";
    // The first clause that can be served. upstream: handler.go#HandleOpenAPIVersionedService
    let protobuf = clauses(accept)
        .iter()
        .find_map(|c| match (c.kind, c.subtype) {
            ("application", "json" | "*") | ("*", "*") => Some(false),
            ("application", subtype) if is_v2 && PROTOBUF.contains(&subtype) => Some(true),
            _ => None,
        })
        .or(accept.trim().is_empty().then_some(false));
    let Some(protobuf) = protobuf else {
        return respond::status(&Status::not_acceptable(&["application/json"]));
    };
    let below = path
        .strip_prefix("/openapi/v3")
        .map(|p| p.trim_start_matches('/').to_owned());
    // Making a document takes milliseconds: not on the threads that serve connections.
    let shared = handler.clone();
    let made = tokio::task::spawn_blocking(move || {
        let openapi = shared.openapi.current(&shared.registry);
        match below.as_deref() {
            None if protobuf => Some(openapi.v2_protobuf()),
            None => Some(openapi.v2()),
            Some("") => Some(openapi.index()),
            Some(below) => openapi.versions.get(below).map(|v| openapi.version(v)),
        }
    });
    let document = match made.await {
        Ok(Some(document)) => document,
        Ok(None) => return respond::page_not_found(),
        Err(error) => return respond::status(&Status::internal(error)),
    };
    let etag = HeaderValue::from_str(&format!("\"{}\"", document.hash))
        .unwrap_or(HeaderValue::from_static("\"\""));
    let mut reply = match request.query.get("hash").filter(|h| !h.is_empty()) {
        Some(hash) if hash != document.hash => {
            let mut reply = respond::text(StatusCode::MOVED_PERMANENTLY, Bytes::new());
            if let Ok(to) = HeaderValue::from_str(&format!("{path}?hash={}", document.hash)) {
                reply.headers_mut().insert(LOCATION, to);
            }
            return reply;
        }
        hash => {
            let unchanged = request.headers().get(IF_NONE_MATCH) == Some(&etag);
            let (code, bytes) = if unchanged {
                (StatusCode::NOT_MODIFIED, Bytes::new())
            } else {
                (StatusCode::OK, document.bytes)
            };
            let mut reply = match request.compressed(&bytes) {
                Some(zipped) => zipped,
                None => respond::reply(code, respond::JSON, bytes),
            };
            if protobuf {
                reply
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF_TYPE));
            }
            if hash.is_some() {
                reply
                    .headers_mut()
                    .insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
            }
            reply
        }
    };
    reply.headers_mut().insert(ETAG, etag);
    reply
        .headers_mut()
        .append(VARY, HeaderValue::from_static("Accept"));
    reply
}
