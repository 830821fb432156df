//! Making responses: plain text, JSON, Status.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use machinery::Status;
use serde::Serialize;

use crate::Body;

/// A response of this server.
pub(crate) type Reply = Response<Body>;

/// What a handler gives when it does not answer: the Status to be sent.
pub(crate) type Handled = Result<Reply, Box<Status>>;

pub(crate) const JSON: &str = "application/json";

pub(crate) fn reply(code: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn text(code: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut response = reply(code, "text/plain; charset=utf-8", body);
    response.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What Go's mux answers for a path that nobody serves.
pub(crate) fn page_not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

pub(crate) fn json(code: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(bytes) => reply(code, JSON, bytes),
        Err(error) => status(&Status::internal(error)),
    }
}

/// A Status as JSON, with `Retry-After` where it says so. The one place where an error becomes an answer.
pub(crate) fn status(status: &Status) -> Reply {
    status_as(
        status,
        serde_json::to_vec(status).unwrap_or_default().into(),
        JSON,
    )
}

/// The same in another encoding.
pub(crate) fn status_as(status: &Status, body: Bytes, content_type: &'static str) -> Reply {
    let code = match status.code {
        0 if status.status == machinery::status::Outcome::Success => StatusCode::OK,
        code => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let mut response = reply(code, content_type, body);
    if let Some(seconds) = status.retry_after() {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Go's `Warning: 299 - "<text>"`.
// upstream: apimachinery/pkg/util/net/http.go#NewWarningHeader
pub(crate) fn warning(text: &str) -> Option<HeaderValue> {
    let mut out = String::with_capacity(text.len() + 10);
    out.push_str("299 - \"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.push('"');
    HeaderValue::from_bytes(out.as_bytes()).ok()
}
