//! Passing a request on.
// upstream: kube-aggregator/pkg/apiserver/handler_proxy.go#proxyHandler.ServeHTTP

use http::header::{HeaderValue, LOCATION};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use webhook::{BoxBody, BoxError};

use super::headers;
use super::remote::Remote;
use crate::chain::ApiRequest;
use crate::connect::backend;
use crate::respond::{self, Reply};

/// Answers a request by the server of its group and version.
pub(crate) async fn serve(request: ApiRequest, remote: &Remote) -> Reply {
    let handler = request.handler.clone();
    let shared = handler.aggregator.shared();
    if !remote.available {
        return respond::text(StatusCode::SERVICE_UNAVAILABLE, "service unavailable\n");
    }
    let backend = match shared.backend(remote) {
        Ok(backend) => backend,
        Err(why) => {
            tracing::warn!(
                apiservice = remote.name,
                error = why,
                "an APIService cannot be used"
            );
            return respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n"));
        }
    };
    let upgrade = backend::wants_upgrade(request.headers());
    let mut forwarded = backend::forwarded(request.headers(), upgrade);
    headers::set(&mut forwarded, request.context.user());
    let uri = request
        .request
        .uri()
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let head = Request::builder()
        .method(request.method().clone())
        .uri(uri)
        .body(());
    let mut head = match head {
        Ok(head) => head,
        Err(error) => return unavailable(&error),
    };
    *head.headers_mut() = forwarded;
    if upgrade {
        let empty: BoxBody = Empty::new()
            .map_err(|never| -> BoxError { match never {} })
            .boxed_unsync();
        let answer = handler
            .registry
            .backends()
            .upgrade(&handler.registry, &backend, head.map(|()| empty))
            .await;
        return match answer {
            Ok(answer) => backend::upgrade(request.request, answer, request.live).await,
            Err(error) => unavailable(&error),
        };
    }
    let (_, body) = request.request.into_parts();
    let body: BoxBody = body.map_err(|e| -> BoxError { Box::new(e) }).boxed_unsync();
    let answer = handler
        .registry
        .backends()
        .send(&handler.registry, &backend, head.map(|()| body))
        .await;
    match answer {
        Ok(answer)
            if answer.status().is_redirection() && answer.headers().contains_key(LOCATION) =>
        {
            // upstream: apimachinery/pkg/util/proxy/upgradeaware.go (RejectForwardingRedirects)
            respond::text(
                StatusCode::BAD_GATEWAY,
                "the backend attempted to redirect this request, which is not permitted",
            )
        }
        Ok(answer) => {
            let mut reply = backend::pass_while(answer, request.live);
            reply
                .headers_mut()
                .entry(http::header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-cache, private"));
            reply
        }
        Err(error) => unavailable(&error),
    }
}

/// upstream: handler_proxy.go#responder.Error
fn unavailable(error: &dyn std::fmt::Display) -> Reply {
    tracing::debug!(%error, "an aggregated API server was not reached");
    respond::text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("error trying to reach service: {error}\n"),
    )
}
