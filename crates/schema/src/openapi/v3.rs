//! OpenAPI v3.

use serde_json::{Map, Value, json};

use super::definitions::{Definitions, Version};
use super::operations;
use super::served::Served;

/// The document of a group version, as JSON.
pub fn v3(group: &str, version: &str, resources: &[Served]) -> Vec<u8> {
    let mut definitions = Definitions::new(Version::V3, Some((group, version)));
    let mut paths = Map::new();
    for served in resources
        .iter()
        .filter(|r| r.group == group && r.version == version)
    {
        add(&mut definitions, served);
        operations::paths(Version::V3, served, &mut paths);
    }
    paths.sort_keys();
    let document = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "components": {
            "schemas": definitions.into_value(),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        },
    });
    serde_json::to_vec(&document).unwrap_or_default()
}

/// Adds the definitions that a resource's operations refer to.
pub(super) fn add(definitions: &mut Definitions, served: &Served) {
    for name in [
        "Status",
        "DeleteOptions",
        "Patch",
        "WatchEvent",
        "APIResourceList",
    ] {
        definitions.add_named(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"));
    }
    match served.builtin() {
        Some(ty) => definitions.add(ty),
        None => custom(definitions, served),
    }
    if let Some(ty) = crate::lookup(
        &served.group,
        &served.version,
        &format!("{}List", served.kind),
    ) {
        definitions.add(ty);
    }
    for sub in &served.subresources {
        if let Some(ty) = crate::lookup(&sub.group, &sub.version, &sub.kind) {
            definitions.add(ty);
        }
    }
}

/// A custom resource's own schema, and its list's.
fn custom(definitions: &mut Definitions, served: &Served) {
    let kinds =
        |kind: &str| json!([{"group": served.group, "version": served.version, "kind": kind}]);
    let name = served.definition(false);
    let version = definitions.version;
    let own = match version {
        Version::V2 => &served.schema_v2,
        Version::V3 => &served.schema,
    };
    let mut schema = own.clone().unwrap_or_else(|| json!({"type": "object"}));
    schema["x-kubernetes-group-version-kind"] = kinds(&served.kind);
    definitions.schemas.insert(name.clone(), schema);
    definitions.add_named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    definitions.add_named("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
    let meta = version.reference("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
    let meta = match version {
        Version::V2 => meta,
        Version::V3 => json!({ "allOf": [meta] }),
    };
    let list = json!({
        "description": format!("{0}List is a list of {0}", served.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "items": {"type": "array", "items": version.reference(&name)},
            "metadata": meta,
        },
        "x-kubernetes-group-version-kind": kinds(&format!("{}List", served.kind)),
    });
    definitions.schemas.insert(served.definition(true), list);
}

/// `/openapi/v3`: for each path without its leading slash (`api/v1`, `apis/apps/v1`) the hash of
/// its document.
pub fn v3_index<'a>(paths: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Map::new();
    for (path, hash) in paths {
        let url = format!("/openapi/v3/{path}?hash={hash}");
        out.insert(path.to_owned(), json!({"serverRelativeURL": url}));
    }
    out.sort_keys();
    serde_json::to_vec(&json!({"paths": Value::Object(out)})).unwrap_or_default()
}
