//! Anchored consistency: a client may ask that an answer is given only once the state that it stands for is out of reach
//! of whoever runs the server.
//!
//! It asks with the header `Daas-Consistency: anchored` or the query parameter `consistency=anchored`, on a read or a
//! write. The answer then has `Daas-Anchored-Revision`, which is not less than the revision that the answer shows or
//! made. When it can't be anchored in time the answer is 504: a write has been done all the same.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use machinery::options::Query;
use machinery::{Reason, Status};

use crate::respond::{self, Reply};

const ASKED: HeaderName = HeaderName::from_static("daas-consistency");
const ANCHORED: HeaderName = HeaderName::from_static("daas-anchored-revision");
const PARAMETER: &str = "consistency";
const VALUE: &str = "anchored";

/// Who anchors the state.
#[async_trait]
pub trait Consistency: Send + Sync + 'static {
    /// Waits until everything that is visible now is anchored; gives the revision that is.
    ///
    /// # Errors
    /// A text for the client that says why it is not.
    async fn anchored(&self) -> Result<u64, String>;
}

/// Whether a request asks for it.
///
/// # Errors
/// 400 for another consistency than there is, for a request that never ends, and where nobody anchors.
pub(crate) fn asked(
    consistency: Option<&Arc<dyn Consistency>>,
    headers: &HeaderMap,
    query: &Query,
    long_running: bool,
) -> Result<Option<Arc<dyn Consistency>>, Status> {
    let header = headers.get(ASKED).map(HeaderValue::as_bytes);
    let parameter = query.get(PARAMETER).map(str::as_bytes);
    let Some(asked) = header.or(parameter) else {
        return Ok(None);
    };
    let refuse = |message: &str| Err(Status::failure(400, Reason::BadRequest, message));
    if asked != VALUE.as_bytes() {
        return refuse("the only consistency that can be asked for is \"anchored\"");
    }
    if long_running {
        return refuse("anchored consistency can't be had for a request that does not end");
    }
    match consistency {
        Some(consistency) => Ok(Some(consistency.clone())),
        None => refuse("this server's state is not anchored"),
    }
}

/// The answer, once it is anchored where that was asked for.
pub(crate) async fn after(
    asked: Option<Arc<dyn Consistency>>,
    answer: impl Future<Output = Reply>,
) -> Reply {
    let mut reply = answer.await;
    let Some(consistency) = asked.filter(|_| reply.status() < StatusCode::BAD_REQUEST) else {
        return reply;
    };
    match consistency.anchored().await {
        Ok(revision) => {
            reply
                .headers_mut()
                .insert(ANCHORED, HeaderValue::from(revision));
            reply
        }
        Err(why) => respond::status(&Status::failure(
            504,
            Reason::Timeout,
            format!(
                "the request was carried out, but what it shows or made is not anchored: {why}"
            ),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct At(Result<u64, String>);

    #[async_trait]
    impl Consistency for At {
        async fn anchored(&self) -> Result<u64, String> {
            self.0.clone()
        }
    }

    fn ask(by: Result<u64, String>, header: &str, query: &str, watch: bool) -> Result<bool, u16> {
        let at: Arc<dyn Consistency> = Arc::new(At(by));
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(ASKED, header.parse().unwrap());
        }
        asked(Some(&at), &headers, &Query::parse(query), watch)
            .map(|asked| asked.is_some())
            .map_err(|status| status.code)
    }

    #[test]
    fn it_is_asked_for_by_header_or_parameter_and_by_nothing_else() {
        assert_eq!(ask(Ok(1), "", "limit=1", false), Ok(false));
        assert_eq!(ask(Ok(1), "anchored", "", false), Ok(true));
        assert_eq!(ask(Ok(1), "", "consistency=anchored", false), Ok(true));
        assert_eq!(ask(Ok(1), "strong", "", false), Err(400));
        assert_eq!(ask(Ok(1), "anchored", "watch=1", true), Err(400));
        let nobody = asked(
            None,
            &HeaderMap::new(),
            &Query::parse("consistency=anchored"),
            false,
        );
        assert_eq!(nobody.err().unwrap().code, 400);
    }

    #[tokio::test]
    async fn the_answer_names_the_anchor_or_says_that_there_is_none() {
        let fine = async || respond::status(&Status::failure(200, Reason::Unknown, ""));
        let asked = |by| Some(Arc::new(At(by)) as Arc<dyn Consistency>);
        let reply = after(asked(Ok(7)), fine()).await;
        assert_eq!(reply.headers().get(ANCHORED).unwrap(), "7");
        let reply = after(asked(Err("why".to_owned())), fine()).await;
        assert_eq!(reply.status(), 504);
        let refused = respond::status(&Status::failure(403, Reason::Forbidden, ""));
        let reply = after(asked(Err("why".to_owned())), async { refused }).await;
        assert_eq!(reply.status(), 403);
        let reply = after(None, fine()).await;
        assert!(reply.headers().get(ANCHORED).is_none());
    }
}
