//! Bytes to trees and back, in the encodings this server speaks.

use bytes::Bytes;
use codec::{Decoded, json, yaml};
use machinery::Status;
use machinery::options::FieldValidation;
use registry::{RequestContext, Resource, Target};
use serde_json::Value;

use crate::negotiation::{Encoding, Negotiated};

/// A body as a tree of the target's kind. What JSON itself hides (duplicate fields) is reported by `validation`.
pub(crate) fn decode(
    context: &RequestContext,
    target: &Target,
    bytes: &Bytes,
    encoding: Encoding,
    validation: FieldValidation,
) -> Result<Value, Status> {
    let row = &target.resource;
    let subresource = row.subresource(&target.subresource);
    let kind = subresource.map_or(row.kind.as_str(), |s| s.kind);
    let (group, version) = subresource
        .and_then(|s| s.group_version)
        .unwrap_or((row.group.as_str(), row.version.as_str()));
    let decoded = tree(bytes, encoding).map_err(|e| unrecognized(kind, &e))?;
    if validation != FieldValidation::Ignore && !decoded.duplicates.is_empty() {
        // Of an unknown field it is only said that it is unknown.
        let ty = schema::lookup(group, version, kind);
        let known = |path: &String| ty.is_none_or(|ty| is_known(ty, path));
        context.set_duplicate_fields(decoded.duplicates.into_iter().filter(known).collect());
    }
    Ok(decoded.value)
}

/// Whether a path such as `spec.containers[0].name` names a field of the type.
fn is_known(ty: &'static schema::Type, path: &str) -> bool {
    let mut ty = Some(ty);
    for part in path.split('.') {
        let name = part.split('[').next().unwrap_or(part);
        let Some(current) = ty else { return true };
        let Some(field) = current.field(name) else {
            return false;
        };
        ty = field.shape.element();
    }
    true
}

/// A body of a virtual kind.
pub(crate) fn decode_any(
    bytes: &Bytes,
    encoding: Encoding,
    kind: (&str, &str),
) -> Result<Value, Status> {
    tree(bytes, encoding)
        .map(|d| d.value)
        .map_err(|e| unrecognized(kind.1, &e))
}

/// `DeleteOptions`.
pub(crate) fn delete_options(bytes: &Bytes, encoding: Encoding) -> Result<Value, Status> {
    tree(bytes, encoding)
        .map(|d| d.value)
        .map_err(|e| unrecognized("DeleteOptions", &e))
}

fn unrecognized(kind: &str, error: &str) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
    ))
}

fn tree(bytes: &Bytes, encoding: Encoding) -> Result<Decoded, String> {
    match encoding {
        Encoding::Json => json::decode(bytes).map_err(|e| e.to_string()),
        Encoding::Yaml => yaml::decode(bytes).map_err(|e| e.to_string()),
        Encoding::Protobuf => Err("protobuf bodies are not supported yet".to_owned()),
    }
}

/// YAML as a tree.
pub(crate) fn yaml_value(bytes: &[u8]) -> Result<Value, String> {
    yaml::decode(bytes)
        .map(|d| d.value)
        .map_err(|e| e.to_string())
}

/// JSON as a tree, errors in Go's words.
pub(crate) fn json_value(bytes: &[u8]) -> Result<Value, String> {
    json::decode_value(bytes).map_err(|e| e.to_string())
}

/// Indented JSON, as Go's encoder indents it.
pub(crate) fn pretty(bytes: &[u8]) -> Result<Bytes, Status> {
    let value = json::decode_value(bytes).map_err(Status::internal)?;
    Ok(json::encode_pretty(&value).into())
}

/// JSON as YAML.
pub(crate) fn json_to_yaml(bytes: &[u8]) -> Result<Bytes, Status> {
    let value = json::decode_value(bytes).map_err(Status::internal)?;
    yaml::encode(&value)
        .map(Bytes::from)
        .map_err(Status::internal)
}

pub(crate) fn json_to_protobuf(_json: &[u8], _row: &Resource) -> Result<Bytes, Status> {
    Err(Status::not_acceptable(&["application/json"]))
}

pub(crate) fn protobuf_watch_frame(
    _kind: &str,
    _object: &[u8],
    _row: &Resource,
) -> Result<Bytes, Status> {
    Err(Status::not_acceptable(&["application/json"]))
}

/// An object of a virtual kind.
pub(crate) fn encode_kind(
    json: &Bytes,
    negotiated: Negotiated,
    row: &Resource,
) -> Result<Bytes, Status> {
    match negotiated.encoding {
        Encoding::Json if negotiated.pretty => pretty(json),
        Encoding::Json => Ok(json.clone()),
        Encoding::Yaml => json_to_yaml(json),
        Encoding::Protobuf => json_to_protobuf(json, row),
    }
}
