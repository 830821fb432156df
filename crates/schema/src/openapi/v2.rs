//! OpenAPI v2.

use serde_json::{Map, json};

use super::definitions::{Definitions, Version};
use super::served::Served;
use super::{operations, v3};

/// The one document of all that is served, as JSON. Custom resources are left to v3.
pub fn v2(resources: &[Served]) -> Vec<u8> {
    let mut definitions = Definitions::new(Version::V2, None);
    let mut paths = Map::new();
    for served in resources.iter().filter(|r| r.schema.is_none()) {
        v3::add(&mut definitions, served);
        operations::paths(Version::V2, served, &mut paths);
    }
    paths.sort_keys();
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": definitions.into_value(),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        "security": [{"BearerToken": []}],
    });
    serde_json::to_vec(&document).unwrap_or_default()
}

#[cfg(test)]
pub(super) fn all_definitions() -> serde_json::Value {
    let mut definitions = Definitions::new(Version::V2, None);
    crate::types().for_each(|ty| definitions.add(ty));
    definitions.into_value()
}
