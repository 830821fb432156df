//! `/openapi/v3` and `/openapi/v2`.

use registry::Registry;

use crate::chain::{ApiRequest, Handler};
use crate::respond::{self, Reply};

pub(crate) struct OpenApi;

impl OpenApi {
    pub(crate) fn new(_registry: &Registry) -> Self {
        Self
    }
}

pub(crate) fn serve(_handler: &Handler, _path: &str, _request: &ApiRequest) -> Reply {
    respond::page_not_found()
}
