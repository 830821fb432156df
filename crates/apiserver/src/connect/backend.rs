//! One HTTP/1.1 request over a stream to a node or a pod.

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use machinery::{Reason, Status};
use tokio_util::sync::CancellationToken;

use crate::chain::Live;
use crate::node_connector::{NodeConnectError, NodeStream};
use crate::respond::Reply;
use crate::{Body, BoxError};

/// 500 for a node or pod that cannot be reached, in upstream's words.
pub(super) fn unreachable(error: &NodeConnectError) -> Status {
    Status::internal(format_args!("error dialing backend: {error}"))
}

/// Sends `request` (path and query only) over `stream`. Ends the connection when the response's body is dropped.
pub(super) async fn send<B>(
    stream: Box<dyn NodeStream>,
    mut request: Request<B>,
) -> Result<Response<Incoming>, Status>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    request
        .headers_mut()
        .entry(HOST)
        .or_insert(HeaderValue::from_static("node"));
    let failed = |e: hyper::Error| Status::internal(format_args!("error dialing backend: {e}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to a backend ended");
        }
    });
    let answer = sender.send_request(request).await;
    match answer {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            Ok(Response::from_parts(parts, body))
        }
        Err(error) => {
            driver.abort();
            Err(failed(error))
        }
    }
}

/// Headers that are of one connection, or are credentials for this server, and go no further.
const HOP: [HeaderName; 8] = [
    CONNECTION,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("transfer-encoding"),
];

/// The request's headers for the backend. With `upgrade`, those that ask for it stay.
pub(crate) fn forwarded(headers: &HeaderMap, upgrade: bool) -> HeaderMap {
    let mut out = headers.clone();
    if !upgrade {
        for name in &HOP {
            out.remove(name);
        }
    }
    out.remove(AUTHORIZATION);
    out.remove(HOST);
    let impersonation: Vec<HeaderName> = out
        .keys()
        .filter(|k| k.as_str().starts_with("impersonate-"))
        .cloned()
        .collect();
    for name in impersonation {
        out.remove(name);
    }
    // The subprotocol that carries a bearer token is for this server.
    if let Some(protocols) = out
        .get("sec-websocket-protocol")
        .and_then(|v| v.to_str().ok())
    {
        let kept: Vec<&str> = protocols
            .split(',')
            .map(str::trim)
            .filter(|p| !p.starts_with(crate::authn::WEBSOCKET_BEARER))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&kept.join(", ")) {
            out.insert("sec-websocket-protocol", value);
        }
    }
    out
}

/// Whether a request asks to change the protocol.
// upstream: apimachinery/pkg/util/httpstream/httpstream.go#IsUpgradeRequest
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.to_ascii_lowercase().contains("upgrade"))
        && headers.contains_key(UPGRADE)
}

/// Passes an upgrade through: after 101 bytes are copied both ways until either side, the identity or the server ends.
/// Another answer than 101 is passed on as it is.
pub(crate) async fn upgrade(
    mut client: Request<Incoming>,
    backend: Response<Incoming>,
    mut live: Live,
) -> Reply {
    if backend.status() != StatusCode::SWITCHING_PROTOCOLS {
        return pass(backend);
    }
    let (parts, body) = backend.into_parts();
    let on_backend = hyper::upgrade::on(Response::from_parts(
        {
            let mut shadow = Response::new(()).into_parts().0;
            shadow.status = parts.status;
            shadow.extensions = parts.extensions;
            shadow
        },
        body,
    ));
    let on_client = hyper::upgrade::on(&mut client);
    tokio::spawn(async move {
        let (client, backend) = match tokio::try_join!(on_client, on_backend) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade did not complete");
                return;
            }
        };
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        tokio::select! {
            copied = tokio::io::copy_bidirectional(&mut client, &mut backend) => {
                if let Err(error) = copied {
                    tracing::debug!(%error, "an upgraded connection ended");
                }
            }
            () = live.ended() => {}
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = parts.headers;
    response
}

/// A backend's answer as ours.
pub(super) fn pass(backend: Response<Incoming>) -> Reply {
    let (mut parts, body) = backend.into_parts();
    for name in &HOP {
        parts.headers.remove(name);
    }
    let mut response = Response::new(Body::wrap(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}

/// The same, cut off when the identity or the server ends.
pub(crate) fn pass_while(backend: Response<Incoming>, mut live: Live) -> Reply {
    let ended = CancellationToken::new();
    let (stop, guard) = (ended.clone(), ended.clone().drop_guard());
    let watcher = CancellationToken::new();
    let finished = watcher.clone().drop_guard();
    tokio::spawn(async move {
        let _guard = guard;
        tokio::select! {
            () = live.ended() => {}
            () = watcher.cancelled() => {}
        }
    });
    let (parts, body) = pass(backend).into_parts();
    let body = futures::StreamExt::take_until(
        http_body_util::BodyStream::new(body),
        stop.cancelled_owned(),
    );
    let body = Body::wrap(http_body_util::StreamBody::new(body)).guarded(finished);
    Response::from_parts(parts, body)
}

/// A backend's error text as a Status.
// upstream: apiserver/pkg/registry/generic/rest/response_checker.go#GenericHttpResponseChecker.Check
pub(super) async fn failure(
    backend: Response<Incoming>,
    resource: &machinery::GroupResource,
    name: &str,
) -> Status {
    use http_body_util::{BodyExt, Limited};
    let code = backend.status();
    let text = match Limited::new(backend.into_body(), 10_000).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes())
            .trim_end_matches('\n')
            .to_owned(),
        Err(_) => String::new(),
    };
    match code {
        StatusCode::INTERNAL_SERVER_ERROR => Status::internal(text),
        StatusCode::BAD_REQUEST => Status::bad_request(text),
        StatusCode::NOT_FOUND => Status::failure(
            404,
            Reason::NotFound,
            format!("the server could not find the requested resource ({text})"),
        )
        .with_details(machinery::status::Details {
            name: name.to_owned(),
            group: resource.group.clone(),
            kind: resource.resource.clone(),
            ..Default::default()
        }),
        code => Status::failure(
            code.as_u16(),
            Reason::Unknown,
            format!(
                "an error on the server ({}) has prevented the request from succeeding",
                machinery::go::quote(&text)
            ),
        ),
    }
}
