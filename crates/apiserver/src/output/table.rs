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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        Ok(Self {
            resource: target.resource.clone(),
            include: include(request)?,
        })
    }

    /// A Table with its columns.
    pub(super) fn table(&self, objects: &[Object], meta: &ListMeta<'_>) -> Result<Bytes, Status> {
        self.table_of(objects, meta, true)
    }

    /// A Table; the events of a watch after the first leave the columns out.
    pub(super) fn table_of(
        &self,
        objects: &[Object],
        meta: &ListMeta<'_>,
        columns: bool,
    ) -> Result<Bytes, Status> {
        let now = jiff::Timestamp::now();
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
        out.put_slice(b",\"rows\":[");
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
        out.put_slice(b"]}");
        Ok(out.freeze())
    }
}

fn put(out: &mut BytesMut, value: &impl serde::Serialize) -> Result<(), Status> {
    serde_json::to_writer(out.writer(), value).map_err(Status::internal)
}
