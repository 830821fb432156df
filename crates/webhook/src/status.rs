//! An answer that says failure, as client-go reports it.
//!
//! upstream: apimachinery/pkg/api/errors/errors.go#NewGenericServerResponse, client-go/rest/request.go#transformResponse

use http::StatusCode;
use machinery::{Reason, Status};

/// What of a body is repeated in a message at most.
///
/// upstream: client-go/rest/request.go#maxUnstructuredResponseTextBytes
const MAX_TEXT: usize = 2048;

/// The failure that a code and a body say: the body's own Status where it is one.
pub(crate) fn of_answer(code: StatusCode, body: &[u8]) -> Status {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body)
        && value.get("kind").and_then(|k| k.as_str()) == Some("Status")
        && let Ok(status) = serde_json::from_value::<Status>(value)
        && status.status == machinery::status::Outcome::Failure
    {
        return status;
    }
    let text = body.get(..body.len().min(MAX_TEXT)).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    generic(code, text.trim())
}

/// The message alone, for a body that is not read.
pub fn error_text(code: StatusCode) -> String {
    generic(code, "unknown").message
}

fn generic(code: StatusCode, text: &str) -> Status {
    let text = if text.is_empty() { "unknown" } else { text };
    let (reason, message) = match code.as_u16() {
        409 => (
            Reason::Conflict,
            "the server reported a conflict".to_owned(),
        ),
        404 => (
            Reason::NotFound,
            "the server could not find the requested resource".to_owned(),
        ),
        400 => (
            Reason::BadRequest,
            "the server rejected our request for an unknown reason".to_owned(),
        ),
        401 => (
            Reason::Unauthorized,
            "the server has asked for the client to provide credentials".to_owned(),
        ),
        403 => (Reason::Forbidden, text.to_owned()),
        406 if text != "unknown" => (Reason::NotAcceptable, text.to_owned()),
        406 => (
            Reason::NotAcceptable,
            "the server was unable to respond with a content type that the client supports"
                .to_owned(),
        ),
        415 if text != "unknown" => (Reason::UnsupportedMediaType, text.to_owned()),
        405 => (
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource".to_owned(),
        ),
        422 => (
            Reason::Invalid,
            "the server rejected our request due to an error in our request".to_owned(),
        ),
        503 => (
            Reason::ServiceUnavailable,
            "the server is currently unable to handle the request".to_owned(),
        ),
        504 => (
            Reason::Timeout,
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_owned(),
        ),
        429 => (
            Reason::TooManyRequests,
            "the server has received too many requests and has asked us to try again later"
                .to_owned(),
        ),
        500.. => (
            Reason::InternalError,
            format!(
                "an error on the server ({}) has prevented the request from succeeding",
                machinery::go::quote(text)
            ),
        ),
        code => (
            Reason::Unknown,
            format!(
                "the server responded with the status code {code} but did not return more information"
            ),
        ),
    };
    Status::failure(code.as_u16(), reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_a_status_say_it_themselves() {
        let status = Status::bad_request("no");
        let body = serde_json::to_vec(&status).unwrap_or_default();
        assert_eq!(of_answer(StatusCode::BAD_REQUEST, &body).message, "no");
        assert_eq!(
            of_answer(StatusCode::INTERNAL_SERVER_ERROR, b"boom\n").message,
            "an error on the server (\"boom\") has prevented the request from succeeding"
        );
        assert_eq!(
            of_answer(StatusCode::FOUND, b"").message,
            "the server responded with the status code 302 but did not return more information"
        );
    }
}
