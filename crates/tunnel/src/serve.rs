//! The worker's end: answers every stream with the node API.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use tokio_util::sync::CancellationToken;

use crate::TunnelError;

/// Serves `service` on each stream that the control plane opens, until the connection ends or
/// `shutdown` is cancelled. Streams still open are dropped then.
///
/// # Errors
/// [`TunnelError::Connection`] when the connection failed rather than ended.
pub async fn serve<T, S, B>(
    io: T,
    service: S,
    shutdown: CancellationToken,
) -> Result<(), TunnelError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = yamux::Connection::new(io.compat(), crate::config(), yamux::Mode::Server);
    let mut streams = JoinSet::new();
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => break,
            next = poll_fn(|cx| connection.poll_next_inbound(cx)) => next,
            Some(_) = streams.join_next(), if !streams.is_empty() => continue,
        };
        let stream = match next {
            None => return Ok(()),
            Some(Err(e)) => return Err(TunnelError::Connection(e)),
            Some(Ok(stream)) => stream,
        };
        let service = service.clone();
        streams.spawn(async move {
            let io = TokioIo::new(stream.compat());
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a stream of the tunnel ended early");
            }
        });
    }
    streams.shutdown().await;
    // The peer may be gone already: there is nobody left to tell.
    let _ = poll_fn(|cx| connection.poll_close(cx)).await;
    Ok(())
}
