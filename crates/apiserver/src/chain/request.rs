//! A request that may be dispatched.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use machinery::Status;
use machinery::options::Query;
use registry::RequestContext;

use super::{Captured, Handler, Live};
use crate::request_info::RequestInfo;

/// An authenticated, authorised request with its body not yet read.
pub(crate) struct ApiRequest {
    pub(crate) handler: Arc<Handler>,
    pub(crate) info: RequestInfo,
    pub(crate) query: Query,
    pub(crate) context: RequestContext,
    pub(crate) live: Live,
    /// The client is on this machine.
    pub(crate) local: bool,
    /// What of its body the audit records.
    pub(crate) captured: Arc<Captured>,
    pub(crate) request: http::Request<Incoming>,
}

impl ApiRequest {
    pub(crate) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    /// Reads the whole body, up to the limit.
    pub(crate) async fn body(&mut self) -> Result<Bytes, Status> {
        let limit = self.handler.limits.body;
        // upstream: apiserver/pkg/endpoints/handlers/rest.go#limitedReadBody
        let too_large = || Status::request_entity_too_large(format_args!("limit is {limit}"));
        let declared = http_body::Body::size_hint(self.request.body()).lower();
        if declared > limit as u64 {
            return Err(too_large());
        }
        let collected = Limited::new(self.request.body_mut(), limit).collect().await;
        match collected {
            Ok(body) => {
                let body = body.to_bytes();
                self.captured.body(self.header("content-type"), &body);
                Ok(body)
            }
            Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
            Err(error) => Err(Status::bad_request(format!(
                "the request's body could not be read: {error}"
            ))),
        }
    }
}
