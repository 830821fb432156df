//! Objects, lists and events in the form and encoding that was negotiated.

mod frames;
mod gzip;
mod table;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, HeaderValue, VARY};
use machinery::Status;
use registry::{Object, ObjectList, Resource, Target, WatchEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Body;
use crate::chain::ApiRequest;
use crate::encoding;
use crate::negotiation::{Encoding, Form, Negotiated};
use crate::respond::{self, Reply};
pub(crate) use frames::Frames;
use frames::Shape;
use table::{IncludeObject, Printer};

/// Frames of a list that is not sent whole.
const FRAME: usize = 64 * 1024;

/// One object.
pub(crate) fn object(
    request: &ApiRequest,
    target: &Target,
    negotiated: Negotiated,
    code: StatusCode,
    object: &Object,
) -> Result<Reply, Status> {
    let json = match negotiated.form {
        Form::Object => object.json().clone(),
        Form::Metadata => metadata_of(object.json())?,
        Form::Table => {
            let printer = Printer::new(request, target)?;
            printer.table(
                std::slice::from_ref(object),
                &ListMeta {
                    resource_version: &version_of(object),
                    ..ListMeta::default()
                },
            )?
        }
    };
    let bytes = encode(json, negotiated)?;
    finish(request, negotiated, code, bytes)
}

/// A page of objects. Large ones are made while they are sent: the items' bytes are spliced, never parsed.
pub(crate) fn list(
    request: &ApiRequest,
    target: &Target,
    negotiated: Negotiated,
    list: ObjectList,
) -> Result<Reply, Status> {
    let version = match list.resource_version {
        0 => String::new(),
        version => version.to_string(),
    };
    let meta = ListMeta {
        resource_version: &version,
        continue_token: &list.continue_token,
        remaining: list.remaining_item_count,
    };
    let row = &target.resource;
    if negotiated.encoding == Encoding::Protobuf {
        let bytes = protobuf_list(negotiated.form, &meta, row, &list.items)?;
        return finish(request, negotiated, StatusCode::OK, bytes);
    }
    let json = match negotiated.form {
        Form::Table => Printer::new(request, target)?.table(&list.items, &meta)?,
        Form::Object if negotiated.encoding == Encoding::Json && !negotiated.pretty => {
            let (head, items) = (meta.head(&row.list_kind(), &row.api_version()), list.items);
            return Ok(spliced(request, negotiated, head, items));
        }
        form => {
            let (kind, version) = match form {
                Form::Metadata => (
                    "PartialObjectMetadataList".to_owned(),
                    "meta.k8s.io/v1".to_owned(),
                ),
                _ => (row.list_kind(), row.api_version()),
            };
            let mut out = BytesMut::from(&meta.head(&kind, &version)[..]);
            for (i, object) in list.items.iter().enumerate() {
                if i > 0 {
                    out.put_u8(b',');
                }
                match form {
                    Form::Metadata => out.put_slice(&metadata_of(object.json())?),
                    _ => out.put_slice(object.json()),
                }
            }
            out.put_slice(b"]}");
            out.freeze()
        }
    };
    let bytes = encode(json, negotiated)?;
    finish(request, negotiated, StatusCode::OK, bytes)
}

/// A list in protobuf, made item by item.
fn protobuf_list(
    form: Form,
    meta: &ListMeta<'_>,
    row: &Resource,
    items: &[Object],
) -> Result<Bytes, Status> {
    let (kind, api_version) = match form {
        Form::Metadata => (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
        _ => (row.list_kind(), row.api_version()),
    };
    let mut list = encoding::ProtobufList::new(&kind, &api_version, &meta.json())?;
    for object in items {
        match form {
            Form::Metadata => list.push(&metadata_of(object.json())?)?,
            _ => list.push(object.json())?,
        }
    }
    Ok(list.finish())
}

fn spliced(request: &ApiRequest, negotiated: Negotiated, head: Bytes, items: Vec<Object>) -> Reply {
    let size = head.len() + 2 + items.iter().map(|o| o.json().len() + 1).sum::<usize>();
    let zip = request.gzip_wanted(negotiated, size);
    if size <= FRAME && !zip {
        let mut out = BytesMut::with_capacity(size);
        Splice::new(head, items).for_each(|part| out.put_slice(&part));
        return respond::reply(StatusCode::OK, respond::JSON, out);
    }
    let body = if zip {
        Body::lazy(gzip::frames(Splice::new(head, items), FRAME))
    } else {
        Body::lazy(Splice::new(head, items))
    };
    let mut reply = respond::reply(StatusCode::OK, respond::JSON, Bytes::new());
    *reply.body_mut() = body;
    if zip {
        mark_gzip(&mut reply);
    }
    reply
}

/// A list's bytes in frames of about [`FRAME`].
struct Splice {
    head: Option<Bytes>,
    items: std::vec::IntoIter<Object>,
    first: bool,
    done: bool,
}

impl Splice {
    fn new(head: Bytes, items: Vec<Object>) -> Self {
        Self {
            head: Some(head),
            items: items.into_iter(),
            first: true,
            done: false,
        }
    }
}

impl Iterator for Splice {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut out = BytesMut::with_capacity(FRAME + 4096);
        if let Some(head) = self.head.take() {
            out.put_slice(&head);
        }
        while out.len() < FRAME {
            let Some(object) = self.items.next() else {
                out.put_slice(b"]}");
                self.done = true;
                break;
            };
            if !self.first {
                out.put_u8(b',');
            }
            self.first = false;
            out.put_slice(object.json());
        }
        Some(out.freeze())
    }
}

/// The metadata of a list.
#[derive(Clone, Copy, Default)]
struct ListMeta<'a> {
    resource_version: &'a str,
    continue_token: &'a str,
    remaining: Option<i64>,
}

impl ListMeta<'_> {
    fn json(&self) -> String {
        let mut out = String::from("{");
        if !self.resource_version.is_empty() {
            out.push_str(&format!(
                "\"resourceVersion\":\"{}\"",
                self.resource_version
            ));
        }
        if !self.continue_token.is_empty() {
            out.push_str(&format!(",\"continue\":\"{}\"", self.continue_token));
        }
        if let Some(remaining) = self.remaining {
            out.push_str(&format!(",\"remainingItemCount\":{remaining}"));
        }
        out.push('}');
        out
    }

    /// Everything before the first item.
    fn head(&self, kind: &str, api_version: &str) -> Bytes {
        format!(
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{},\"items\":[",
            self.json()
        )
        .into()
    }
}

#[derive(Deserialize)]
struct OnlyMetadata<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// An object's metadata as it stands in its bytes.
fn raw_metadata(json: &[u8]) -> Result<&str, Status> {
    serde_json::from_slice::<OnlyMetadata<'_>>(json)
        .map(|o| o.metadata.get())
        .map_err(Status::internal)
}

fn metadata_of(json: &[u8]) -> Result<Bytes, Status> {
    let metadata = raw_metadata(json)?;
    Ok(format!("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{metadata}}}").into())
}

fn version_of(object: &Object) -> String {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "resourceVersion", default)]
        resource_version: String,
    }
    #[derive(Deserialize)]
    struct Only {
        metadata: Meta,
    }
    serde_json::from_slice::<Only>(object.json())
        .map(|o| o.metadata.resource_version)
        .unwrap_or_default()
}

fn encode(json: Bytes, negotiated: Negotiated) -> Result<Bytes, Status> {
    match negotiated.encoding {
        Encoding::Json if negotiated.pretty => encoding::pretty(&json),
        Encoding::Json => Ok(json),
        Encoding::Yaml => encoding::json_to_yaml(&json),
        Encoding::Protobuf => encoding::json_to_protobuf(&json),
    }
}

fn finish(
    request: &ApiRequest,
    negotiated: Negotiated,
    code: StatusCode,
    bytes: Bytes,
) -> Result<Reply, Status> {
    let zip = request.gzip_wanted(negotiated, bytes.len());
    let bytes = if zip {
        gzip::whole(&bytes).map_err(Status::internal)?
    } else {
        bytes
    };
    let mut reply = respond::reply(code, negotiated.encoding.media_type(), bytes);
    if zip {
        mark_gzip(&mut reply);
    }
    Ok(reply)
}

fn mark_gzip(reply: &mut Reply) {
    reply
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    reply
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept-Encoding"));
}

impl ApiRequest {
    /// Whether an answer of that size is compressed. Never for clients on this machine: there is no wire to spare.
    fn gzip_wanted(&self, negotiated: Negotiated, size: usize) -> bool {
        negotiated.gzip && size >= self.handler.limits.gzip_from && !self.local
    }
}

impl ApiRequest {
    /// Large JSON that is not an object, compressed where that is wanted.
    pub(crate) fn compressed(&self, bytes: &Bytes) -> Option<Reply> {
        let headers = self.headers();
        let accepts = headers
            .get(http::header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok())
            .is_some_and(crate::negotiation::accepts_gzip);
        if self.local || !accepts || bytes.len() < self.handler.limits.gzip_from {
            return None;
        }
        let mut reply = respond::reply(StatusCode::OK, respond::JSON, gzip::whole(bytes).ok()?);
        mark_gzip(&mut reply);
        Some(reply)
    }
}

/// Turns events into frames. Frames of stored objects are shared by all watchers.
pub(crate) struct WatchEncoder {
    form: Form,
    encoding: Encoding,
    printer: Printer,
    columns_sent: bool,
    frames: Arc<Frames>,
}

impl WatchEncoder {
    pub(crate) fn new(
        request: &ApiRequest,
        target: &Target,
        negotiated: Negotiated,
    ) -> Result<Self, Status> {
        if negotiated.encoding == Encoding::Yaml {
            return Err(Status::not_acceptable(&[
                "application/json;stream=watch",
                "application/vnd.kubernetes.protobuf;stream=watch",
            ]));
        }
        let mut encoder = Self::of(
            negotiated.form,
            negotiated.encoding,
            target.resource.clone(),
            &request.handler.frames,
        );
        if negotiated.form == Form::Table {
            encoder.printer = Printer::new(request, target)?;
        }
        Ok(encoder)
    }

    fn of(form: Form, encoding: Encoding, resource: Arc<Resource>, frames: &Arc<Frames>) -> Self {
        Self {
            form,
            encoding,
            printer: Printer::of(resource, IncludeObject::Metadata),
            columns_sent: false,
            frames: frames.clone(),
        }
    }

    /// One frame; `now` is what ages in tables are counted to. An event that cannot be encoded becomes an ERROR
    /// event: a client must not miss it unseen.
    pub(crate) fn frame(&mut self, event: &WatchEvent, now: jiff::Timestamp) -> Bytes {
        let shape = match self.form {
            Form::Object => Shape::Object,
            Form::Metadata => Shape::Metadata,
            Form::Table => {
                let columns = !self.columns_sent;
                self.columns_sent |= event.object().is_some();
                Shape::Table {
                    include: self.printer.include(),
                    columns,
                    second: now.as_second(),
                }
            }
        };
        let encode = || self.encoded(event, shape, now);
        match event.object().and_then(Object::stored) {
            Some(record) => self
                .frames
                .shared(record, event.kind(), shape, self.encoding, encode),
            None => encode(),
        }
    }

    fn encoded(&self, event: &WatchEvent, shape: Shape, now: jiff::Timestamp) -> Bytes {
        self.try_encode(event, shape, now).unwrap_or_else(|status| {
            tracing::error!(%status, "a watch event cannot be encoded");
            let error = WatchEvent::Error(status);
            self.try_encode(&error, shape, now)
                .unwrap_or_else(|_| error.to_json_frame())
        })
    }

    fn try_encode(
        &self,
        event: &WatchEvent,
        shape: Shape,
        now: jiff::Timestamp,
    ) -> Result<Bytes, Status> {
        let json_object = match (shape, event.object()) {
            (Shape::Object, _) | (_, None) => None,
            (Shape::Metadata, Some(object)) => Some(metadata_of(object.json())?),
            (Shape::Table { columns, .. }, Some(object)) => {
                let version = version_of(object);
                let meta = ListMeta {
                    resource_version: &version,
                    ..ListMeta::default()
                };
                let objects = std::slice::from_ref(object);
                Some(self.printer.table_of(objects, &meta, columns, now)?)
            }
        };
        if self.encoding == Encoding::Protobuf {
            let object = match (json_object, event) {
                (Some(json), _) => json,
                (None, WatchEvent::Error(status)) => serde_json::to_vec(status)
                    .map(Bytes::from)
                    .map_err(Status::internal)?,
                (None, event) => event.object().map(|o| o.json().clone()).unwrap_or_default(),
            };
            return encoding::protobuf_watch_frame(event.kind(), &object);
        }
        let Some(object) = json_object else {
            return Ok(event.to_json_frame());
        };
        let mut out = BytesMut::with_capacity(object.len() + 32);
        out.put_slice(b"{\"type\":\"");
        out.put_slice(event.kind().as_bytes());
        out.put_slice(b"\",\"object\":");
        out.put_slice(&object);
        out.put_slice(b"}\n");
        Ok(out.freeze())
    }
}

fn include(request: &ApiRequest) -> Result<IncludeObject, Status> {
    match request.query.get("includeObject").unwrap_or_default() {
        "" | "Metadata" => Ok(IncludeObject::Metadata),
        "None" => Ok(IncludeObject::None),
        "Object" => Ok(IncludeObject::Object),
        other => Err(Status::bad_request(format!(
            "unrecognized includeObject value: {}",
            machinery::go::quote(other)
        ))),
    }
}
