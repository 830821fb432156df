//! Tables: the columns of a kind and the cells of its objects.
// upstream: apiserver/pkg/endpoints/handlers/response.go#asTable

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use machinery::Status;
use registry::{Object, Resource, Target, printers};
use serde_json::Value;

use super::{ListMeta, include, metadata_of};
use crate::chain::ApiRequest;

/// What of each object goes into its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// Prints the objects of one resource.
pub(super) struct Printer {
    resource: Arc<Resource>,
    include: IncludeObject,
}

impl Printer {
    pub(super) fn new(request: &ApiRequest, target: &Target) -> Result<Self, Status> {
        Ok(Self::of(target.resource.clone(), include(request)?))
    }

    pub(super) fn of(resource: Arc<Resource>, include: IncludeObject) -> Self {
        Self { resource, include }
    }

    pub(super) fn include(&self) -> IncludeObject {
        self.include
    }

    /// A Table with its columns.
    pub(super) fn table(&self, objects: &[Object], meta: &ListMeta<'_>) -> Result<Bytes, Status> {
        self.table_of(objects, meta, true, jiff::Timestamp::now())
    }

    /// A Table with ages at `now`; the events of a watch after the first leave the columns out.
    pub(super) fn table_of(
        &self,
        objects: &[Object],
        meta: &ListMeta<'_>,
        columns: bool,
        now: jiff::Timestamp,
    ) -> Result<Bytes, Status> {
        let mut out = BytesMut::with_capacity(1024 + objects.len() * 512);
        out.put_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":");
        out.put_slice(meta.json().as_bytes());
        out.put_slice(b",\"columnDefinitions\":");
        let definitions = if columns {
            printers::column_definitions(&self.resource)
        } else {
            Value::Array(Vec::new())
        };
        put(&mut out, &definitions)?;
        let null = objects.is_empty() && printers::is_default(&self.resource);
        out.put_slice(if null { b",\"rows\":" } else { b",\"rows\":[" });
        for (i, object) in objects.iter().enumerate() {
            if i > 0 {
                out.put_u8(b',');
            }
            let row = printers::row(&self.resource, &object.value(), now);
            out.put_slice(b"{\"cells\":");
            put(&mut out, &row.cells)?;
            if !row.conditions.is_empty() {
                out.put_slice(b",\"conditions\":");
                put(&mut out, &row.conditions)?;
            }
            match self.include {
                IncludeObject::None => {}
                IncludeObject::Metadata => {
                    out.put_slice(b",\"object\":");
                    out.put_slice(&metadata_of(object.json())?);
                }
                IncludeObject::Object => {
                    out.put_slice(b",\"object\":");
                    out.put_slice(object.json());
                }
            }
            out.put_u8(b'}');
        }
        if null {
            out.put_slice(b"null}");
        } else {
            out.put_slice(b"]}");
        }
        Ok(out.freeze())
    }
}

fn put(out: &mut BytesMut, value: &impl serde::Serialize) -> Result<(), Status> {
    serde_json::to_writer(out.writer(), value).map_err(Status::internal)
}
