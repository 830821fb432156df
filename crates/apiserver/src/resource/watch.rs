//! Watch: a stream that ends with its timeout, with its client, with its identity or with the server.
// upstream: apiserver/pkg/endpoints/handlers/watch.go

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use machinery::options::ListOptions;
use rand::Rng;
use registry::{Target, Watch};

use crate::chain::ApiRequest;
use crate::metrics::WatchGuard;
use crate::negotiation::{Encoding, For, negotiate};
use crate::output::WatchEncoder;
use crate::respond::Handled;
use crate::{Body, BoxError};

/// An open watch and what may end it.
struct Stream {
    watch: Watch,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    encoder: WatchEncoder,
    _guard: WatchGuard,
}

pub(super) async fn watch(request: ApiRequest, target: Target) -> Handled {
    let negotiated = negotiate(request.headers(), &request.query, For::Watch)?;
    let mut options = ListOptions::from_query(&request.query)?;
    options.watch = true;
    let handler = request.handler.clone();
    if options.timeout_seconds.is_none_or(|s| s <= 0) {
        // upstream: handlers/get.go, `timeout = minRequestTimeout * (rand + 1)`
        let least = handler.limits.min_watch.as_secs_f64();
        let seconds = least * (1.0 + rand::rng().random::<f64>());
        options.timeout_seconds = Some(seconds as i64);
    }
    let encoder = WatchEncoder::new(&request, &target, negotiated)?;
    let watch = handler
        .registry
        .watch(&request.context, &target, &options)
        .await?;
    let row = &target.resource;
    let guard = handler
        .metrics
        .watching(&row.group, &row.version, &row.kind);
    let mut live = request.live;
    let ended = Box::pin(async move { live.ended().await });
    let stream = futures::stream::unfold(
        Stream {
            watch,
            ended,
            encoder,
            _guard: guard,
        },
        next,
    );
    let body = StreamBody::new(futures::StreamExt::map(stream, |bytes| {
        Ok::<_, BoxError>(Frame::data(bytes))
    }));
    let mut response = Response::new(Body::wrap(body));
    let content_type = match negotiated.encoding {
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Encoding::Json | Encoding::Yaml => "application/json",
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

async fn next(mut stream: Stream) -> Option<(Bytes, Stream)> {
    let event = tokio::select! {
        biased;
        () = &mut stream.ended => return None,
        event = stream.watch.next() => event?,
    };
    let frame = stream.encoder.frame(&event, jiff::Timestamp::now());
    Some((frame, stream))
}
