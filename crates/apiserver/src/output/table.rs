//! Tables: the columns of a kind and the cells of its objects.
// upstream: pkg/printers/internalversion/printers.go, apiserver/pkg/endpoints/handlers/response.go#asTable

use bytes::Bytes;
use machinery::Status;
use registry::{Object, Target};

use super::{ListMeta, include};
use crate::chain::ApiRequest;

/// What of each object goes into its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncludeObject {
    None,
    Metadata,
    Object,
}

pub(super) struct Printer {
    _include: IncludeObject,
}

impl Printer {
    pub(super) fn new(request: &ApiRequest, _target: &Target) -> Result<Self, Status> {
        Ok(Self {
            _include: include(request)?,
        })
    }

    pub(super) fn table(&self, objects: &[Object], meta: &ListMeta<'_>) -> Result<Bytes, Status> {
        self.table_of(objects, meta, true)
    }

    pub(super) fn table_of(
        &self,
        _objects: &[Object],
        _meta: &ListMeta<'_>,
        _columns: bool,
    ) -> Result<Bytes, Status> {
        Err(Status::not_acceptable(&["application/json"]))
    }
}
