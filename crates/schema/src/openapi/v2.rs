//! OpenAPI v2.

use serde_json::{Map, Value, json};

use super::definitions::{Definitions, Version};
use super::served::Served;
use super::{gnostic, operations, v3};

/// The one document of all that is served, as JSON.
pub fn v2(resources: &[Served]) -> Vec<u8> {
    serde_json::to_vec(&document(resources)).unwrap_or_default()
}

/// The same as gnostic's protobuf message `openapi.v2.Document`.
pub fn v2_protobuf(resources: &[Served]) -> Vec<u8> {
    gnostic::document(&document(resources))
}

fn document(resources: &[Served]) -> Value {
    let mut definitions = Definitions::new(Version::V2, None);
    let mut paths = Map::new();
    for served in resources {
        v3::add(&mut definitions, served);
        operations::paths(Version::V2, served, &mut paths);
    }
    paths.sort_keys();
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": definitions.into_value(),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        "security": [{"BearerToken": []}],
    })
}

#[cfg(test)]
pub(super) fn all_definitions() -> serde_json::Value {
    let mut definitions = Definitions::new(Version::V2, None);
    crate::types().for_each(|ty| definitions.add(ty));
    definitions.into_value()
}
