//! The accept loop: TCP, TLS, HTTP/1.1 or HTTP/2 by ALPN, bounds, draining.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::{ServeError, Shared};
use crate::connection::{ConnectionInfo, Exporter};
use crate::limits::Limits;

/// What Go's server says, byte for byte. upstream (Go): net/http/server.go#conn.serve
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

pub(super) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let permits = Arc::new(Semaphore::new(shared.limits.connections));
    let tasks = TaskTracker::new();
    let close = CancellationToken::new();
    let mut failures = 0u32;
    let result = loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => {
                failures = 0;
                accepted
            }
            // Out of file descriptors, a connection reset before it was accepted: go on after a pause
            // that grows, as Go's http.Server does. A listener that only fails is given up.
            Err(error) => {
                failures += 1;
                if failures > 30 {
                    break Err(ServeError::Accept(error));
                }
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(5u64 << failures.min(8))).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            tracing::warn!(%remote, "too many connections: closed");
            continue;
        };
        let (shared, stop, close) = (shared.clone(), stop.clone(), close.clone());
        tasks.spawn(async move {
            let _permit = permit;
            connection(shared, stream, remote, stop, close).await;
        });
    };
    drop(listener);
    shared.handler.begin_drain();
    tasks.close();
    if tokio::time::timeout(shared.limits.drain, tasks.wait())
        .await
        .is_err()
    {
        tracing::info!(open = tasks.len(), "closing connections that did not drain");
        close.cancel();
        tasks.wait().await;
    }
    result
}

async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    remote: SocketAddr,
    stop: CancellationToken,
    close: CancellationToken,
) {
    let opened = tokio::select! {
        biased;
        () = close.cancelled() => return,
        opened = tokio::time::timeout(shared.limits.handshake, open(&shared, stream, remote)) => opened,
    };
    let (stream, info) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(Opening::NotTls)) => return,
        Ok(Err(Opening::Io(error))) => {
            // upstream logs "http: TLS handshake error from ..." likewise.
            tracing::debug!(%remote, %error, "TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%remote, "TLS handshake took too long");
            return;
        }
    };
    let http2 = info.http2;
    let info = Arc::new(info);
    let handler = shared.handler.clone();
    let service = service_fn(move |request| {
        let (handler, info) = (handler.clone(), info.clone());
        // What answering needs is large; boxed, it goes when the answer begins, and a watch does not keep it.
        Box::pin(
            async move { Ok::<_, std::convert::Infallible>(handler.handle(request, info).await) },
        )
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.headers)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(shared.limits.streams)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(1024 * 1024)
        .keep_alive_interval(shared.limits.ping)
        .keep_alive_timeout(shared.limits.pong);
    let builder = if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = close.cancelled() => return,
            () = stop.cancelled(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
            ended = &mut serving => break ended,
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, error = %error, "connection ended");
    }
}

enum Opening {
    NotTls,
    Io(std::io::Error),
}

impl From<std::io::Error> for Opening {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Has the kernel probe a connection at rest, and give up one whose peer acknowledges nothing any more: a watch whose
/// client has vanished does not write for hours, so nothing else would notice.
// upstream: apiserver/pkg/server/secure_serving.go#tcpKeepAliveListener, which leaves the second to the kernel (15 min)
fn detect_dead_peer(stream: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    let seconds = |d: Duration| u32::try_from(d.as_secs().max(1)).unwrap_or(u32::MAX);
    let millis = u32::try_from(limits.unacknowledged.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &seconds(limits.ping))?;
    setsockopt(stream, sockopt::TcpKeepInterval, &seconds(limits.pong / 2))?;
    setsockopt(stream, sockopt::TcpUserTimeout, &millis)?;
    Ok(())
}

async fn open(
    shared: &Shared,
    mut stream: TcpStream,
    remote: SocketAddr,
) -> Result<(TlsStream<TcpStream>, ConnectionInfo), Opening> {
    stream.set_nodelay(true)?;
    detect_dead_peer(&stream, &shared.limits)?;
    let local = stream.local_addr()?;
    let mut first = [0u8; 1];
    if stream.peek(&mut first).await? == 1 && matches!(first[0], b'G' | b'H' | b'P' | b'O' | b'D') {
        // Read what was sent: closing with unread bytes would reset the connection and lose the answer.
        let mut seen = [0u8; 4096];
        let _ = stream.try_read(&mut seen);
        stream.write_all(PLAIN_HTTP).await?;
        stream.shutdown().await?;
        tracing::info!(%remote, "client sent an HTTP request to this HTTPS server");
        return Err(Opening::NotTls);
    }
    // The configuration is fixed for this connection here, so that what a side route reads of the
    // certificate is what the client was shown.
    let serving = shared.tls.current();
    let stream = TlsAcceptor::from(serving.config.clone())
        .accept(stream)
        .await?;
    let (_, session) = stream.get_ref();
    let mut exporters = Vec::with_capacity(shared.exporters.len());
    for label in &shared.exporters {
        let secret = session
            .export_keying_material(Zeroizing::new([0u8; 32]), label.as_bytes(), None)
            .map_err(std::io::Error::other)?;
        exporters.push(Exporter {
            label: label.clone(),
            secret,
        });
    }
    let info = ConnectionInfo {
        remote,
        local,
        peer_certificates: session
            .peer_certificates()
            .map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect())
            .unwrap_or_default(),
        server_spki: serving.spki.clone(),
        exporters,
        http2: session.alpn_protocol() == Some(b"h2"),
        identity: std::sync::OnceLock::new(),
    };
    Ok((stream, info))
}
