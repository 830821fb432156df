//! Kubernetes' protobuf for the kinds of the table: an envelope (`k8s\0` and `runtime.Unknown`)
//! around a message, encoded byte for byte as upstream's generated code does.
// upstream: apimachinery/pkg/runtime/serializer/protobuf/protobuf.go

mod decode;
mod encode;
mod special;
mod wire;

use schema::Type;
use serde_json::Value;

use wire::{Reader, Writer};

/// What an enveloped object begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// Bytes or a tree that can't be turned into the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// No `k8s\0` at the start.
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    Prefix,
    /// Ends within a field.
    #[error("unexpected EOF")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field of another wire type than declared.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// Wire type found.
        wire: u8,
        /// Field.
        field: String,
    },
    /// A wire type that doesn't exist.
    #[error("proto: illegal wireType {0}")]
    Illegal(u8),
    /// Nested too deep.
    #[error("proto: exceeded max depth")]
    Depth,
    /// Text that isn't UTF-8.
    #[error("proto: invalid UTF-8 string")]
    Utf8,
    /// A value that the field can't hold.
    #[error("proto: invalid value of field {0}")]
    Value(String),
    /// A kind that isn't in the table.
    #[error("no kind {} is registered for version {}", quoted(.kind), quoted(.api_version))]
    UnknownKind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
    /// The envelope says that the content isn't protobuf.
    #[error("unsupported content type {0} in the envelope")]
    ContentType(String),
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// An envelope opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apiVersion`, empty when not told.
    pub api_version: String,
    /// `kind`, empty when not told.
    pub kind: String,
    /// The message.
    pub raw: &'a [u8],
}

/// Opens an envelope.
pub fn open(bytes: &[u8]) -> Result<Envelope<'_>, ProtobufError> {
    let body = bytes
        .strip_prefix(MAGIC.as_slice())
        .ok_or(ProtobufError::Prefix)?;
    let mut envelope = Envelope {
        api_version: String::new(),
        kind: String::new(),
        raw: &[],
    };
    let mut reader = Reader::new(body);
    while let Some((tag, wire)) = reader.key()? {
        match (tag, wire) {
            (1, 2) => {
                let mut meta = Reader::new(reader.bytes()?);
                while let Some((tag, wire)) = meta.key()? {
                    match (tag, wire) {
                        (1, 2) => envelope.api_version = meta.text()?.to_owned(),
                        (2, 2) => envelope.kind = meta.text()?.to_owned(),
                        _ => meta.skip(wire)?,
                    }
                }
            }
            (2, 2) => envelope.raw = reader.bytes()?,
            (4, 2) => {
                let kind = reader.text()?;
                if !kind.is_empty() && kind != "application/vnd.kubernetes.protobuf" {
                    return Err(ProtobufError::ContentType(kind.to_owned()));
                }
            }
            _ => reader.skip(wire)?,
        }
    }
    Ok(envelope)
}

/// Puts a message into an envelope.
pub fn seal(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(raw.len() + api_version.len() + kind.len() + 24);
    out.raw(MAGIC);
    out.message(1, |w| {
        w.text(1, api_version);
        w.text(2, kind);
    });
    out.bytes(2, raw);
    out.text(3, "");
    out.text(4, "");
    out.into_bytes()
}

/// Decodes an enveloped object of any kind of the table. A kind that isn't told is `fallback`'s.
pub fn decode(bytes: &[u8], fallback: Option<(&str, &str)>) -> Result<Value, ProtobufError> {
    let mut envelope = open(bytes)?;
    if envelope.kind.is_empty()
        && let Some((api_version, kind)) = fallback
    {
        (envelope.api_version, envelope.kind) = (api_version.to_owned(), kind.to_owned());
    }
    let ty =
        schema::lookup_api_version(&envelope.api_version, &envelope.kind).ok_or_else(|| {
            ProtobufError::UnknownKind {
                api_version: envelope.api_version.clone(),
                kind: envelope.kind.clone(),
            }
        })?;
    let mut out = serde_json::Map::new();
    out.insert("kind".to_owned(), envelope.kind.into());
    out.insert("apiVersion".to_owned(), envelope.api_version.into());
    if let Value::Object(map) = decode_message(ty, envelope.raw)? {
        out.extend(map);
    }
    Ok(Value::Object(out))
}

/// Decodes a bare message. Zero values of what isn't a pointer are left out as Go's JSON does.
pub fn decode_message(ty: &'static Type, bytes: &[u8]) -> Result<Value, ProtobufError> {
    decode::message(ty, bytes, 0)
}

/// Encodes an object of a kind of the table with its envelope.
pub fn encode(value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let ty = schema::lookup_api_version(api_version, kind).ok_or_else(|| {
        ProtobufError::UnknownKind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        }
    })?;
    Ok(seal(api_version, kind, &encode_message(ty, value)?))
}

/// Encodes a bare message.
pub fn encode_message(ty: &'static Type, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Writer::with_capacity(512);
    encode::message(ty, value, &mut out)?;
    Ok(out.into_bytes())
}

/// One event of a watch: a length of four bytes, then a bare `WatchEvent` around the enveloped
/// object.
// upstream: apimachinery/pkg/util/framer/framer.go, apiserver/pkg/endpoints/handlers/watch.go
pub fn watch_frame(event: &str, enveloped: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(enveloped.len() + event.len() + 24);
    out.raw(&[0; 4]);
    out.text(1, event);
    out.message(2, |w| w.bytes(1, enveloped));
    let mut frame = out.into_bytes();
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = frame.first_chunk_mut::<4>() {
        *head = length.to_be_bytes();
    }
    frame
}
