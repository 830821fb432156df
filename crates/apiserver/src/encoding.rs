//! Bytes to trees and back, in the encodings this server speaks.

use bytes::{BufMut, Bytes, BytesMut};
use codec::protobuf::{self, ProtobufError};
use codec::{Decoded, json, yaml};
use machinery::Status;
use machinery::options::FieldValidation;
use registry::{RequestContext, Target};
use schema::Type;
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
    let kind = subresource.map_or(row.kind.as_str(), |s| s.kind.as_ref());
    let (group, version) = subresource
        .and_then(|s| s.group_version)
        .unwrap_or((row.group.as_str(), row.version.as_str()));
    let decoded =
        tree(bytes, encoding, (group, version, kind)).map_err(|e| unrecognized(kind, &e))?;
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
    let (group, version) = kind.0.split_once('/').unwrap_or(("", kind.0));
    tree(bytes, encoding, (group, version, kind.1))
        .map(|d| d.value)
        .map_err(|e| unrecognized(kind.1, &e))
}

/// `DeleteOptions`.
pub(crate) fn delete_options(bytes: &Bytes, encoding: Encoding) -> Result<Value, Status> {
    if encoding == Encoding::Protobuf {
        // The kind is registered with every group version; the message is one.
        let failed = |e: ProtobufError| unrecognized("DeleteOptions", &e.to_string());
        let ty = schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
            .ok_or_else(|| Status::internal("the DeleteOptions type is missing"))?;
        let raw = protobuf::open(bytes).map_err(failed)?.raw;
        return protobuf::decode_message(ty, raw).map_err(failed);
    }
    tree(bytes, encoding, ("", "v1", "DeleteOptions"))
        .map(|d| d.value)
        .map_err(|e| unrecognized("DeleteOptions", &e))
}

fn unrecognized(kind: &str, error: &str) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
    ))
}

fn tree(bytes: &Bytes, encoding: Encoding, kind: (&str, &str, &str)) -> Result<Decoded, String> {
    match encoding {
        Encoding::Json => json::decode(bytes).map_err(|e| e.to_string()),
        Encoding::Yaml => yaml::decode(bytes).map_err(|e| e.to_string()),
        Encoding::Protobuf => {
            let (group, version, kind) = kind;
            let api_version = if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            };
            let value =
                protobuf::decode(bytes, Some((&api_version, kind))).map_err(|e| e.to_string())?;
            Ok(Decoded {
                value,
                duplicates: Vec::new(),
            })
        }
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

/// An object in protobuf, in its envelope.
pub(crate) fn json_to_protobuf(bytes: &[u8]) -> Result<Bytes, Status> {
    let value = json::decode_value(bytes).map_err(Status::internal)?;
    protobuf::encode(&value)
        .map(Bytes::from)
        .map_err(|e| without_protobuf(&e))
}

/// A kind that has no protobuf form cannot be served as such.
fn without_protobuf(error: &ProtobufError) -> Status {
    match error {
        ProtobufError::UnknownKind { .. } => {
            Status::not_acceptable(&["application/json", "application/yaml"])
        }
        error => Status::internal(error),
    }
}

/// An event of a protobuf watch.
pub(crate) fn protobuf_watch_frame(event: &str, object: &[u8]) -> Result<Bytes, Status> {
    Ok(protobuf::watch_frame(event, &json_to_protobuf(object)?).into())
}

/// A list in protobuf: its metadata, then its items.
pub(crate) struct ProtobufList {
    kind: String,
    api_version: String,
    item: &'static Type,
    raw: BytesMut,
}

impl ProtobufList {
    pub(crate) fn new(kind: &str, api_version: &str, metadata: &str) -> Result<Self, Status> {
        let unknown = || Status::not_acceptable(&["application/json", "application/yaml"]);
        let list = schema::lookup_api_version(api_version, kind).ok_or_else(unknown)?;
        let element = |name: &str| {
            list.field(name)
                .and_then(|f| f.shape.element())
                .ok_or_else(unknown)
        };
        let mut raw = BytesMut::with_capacity(64 * 1024);
        let metadata = json::decode_value(metadata.as_bytes()).map_err(Status::internal)?;
        let metadata = protobuf::encode_message(element("metadata")?, &metadata)
            .map_err(|e| without_protobuf(&e))?;
        delimited(&mut raw, 1, &metadata);
        Ok(Self {
            kind: kind.to_owned(),
            api_version: api_version.to_owned(),
            item: element("items")?,
            raw,
        })
    }

    pub(crate) fn push(&mut self, object: &[u8]) -> Result<(), Status> {
        let value = json::decode_value(object).map_err(Status::internal)?;
        let message =
            protobuf::encode_message(self.item, &value).map_err(|e| without_protobuf(&e))?;
        delimited(&mut self.raw, 2, &message);
        Ok(())
    }

    pub(crate) fn finish(self) -> Bytes {
        protobuf::seal(&self.api_version, &self.kind, &self.raw).into()
    }
}

/// A length-delimited field.
fn delimited(out: &mut BytesMut, field: u8, message: &[u8]) {
    out.put_u8(field << 3 | 2);
    let mut length = message.len();
    while length >= 0x80 {
        out.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(message);
}

/// An object of a virtual kind.
pub(crate) fn encode_kind(json: &Bytes, negotiated: Negotiated) -> Result<Bytes, Status> {
    match negotiated.encoding {
        Encoding::Json if negotiated.pretty => pretty(json),
        Encoding::Json => Ok(json.clone()),
        Encoding::Yaml => json_to_yaml(json),
        Encoding::Protobuf => json_to_protobuf(json),
    }
}
