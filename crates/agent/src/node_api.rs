//! The kubelet's HTTP paths, as a hyper service that the tunnel and the TLS listener share.

mod routes;
mod streaming;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::native::Node;
use crate::pod::supervisor::Supervisor;

/// Body of the answers.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Decides by the peer's verified certificate chain whether it is the API server.
pub type PeerCheck = Arc<dyn Fn(&[CertificateDer<'_>]) -> bool + Send + Sync>;

/// The node API; cheap to clone, usable over any stream.
///
/// It asks nobody for leave: whoever can open a connection may run commands in pods. The tunnel
/// reaches the attested control plane only; [`Self::serve_tls`] demands a client certificate.
#[derive(Clone)]
pub struct NodeApi {
    pub(crate) handler: Arc<dyn Handler>,
}

/// The node API of an agent.
pub(crate) fn new(node: Arc<Node>, supervisor: Supervisor) -> NodeApi {
    NodeApi {
        handler: Arc::new(routes::Routes::new(node, supervisor)),
    }
}

pub(crate) trait Handler: Send + Sync {
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
}

impl hyper::service::Service<Request<Incoming>> for NodeApi {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answer = self.handler.handle(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

impl NodeApi {
    /// Serves HTTP/1.1 with upgrades on one connection until it ends.
    ///
    /// # Errors
    /// The connection's.
    pub async fn serve_io<I>(&self, io: I) -> Result<(), hyper::Error>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(io), self.clone())
            .with_upgrades()
            .await
    }

    /// Serves a TLS listener until `shutdown`. `tls` must demand and verify client certificates;
    /// a peer that `allowed` does not accept is disconnected before it can ask anything.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        allowed: PeerCheck,
        shutdown: CancellationToken,
    ) {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        let connections = tokio_util::task::TaskTracker::new();
        loop {
            let stream = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "node API: accept failed");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let (this, acceptor, allowed, shutdown) = (
                self.clone(),
                acceptor.clone(),
                allowed.clone(),
                shutdown.clone(),
            );
            connections.spawn(async move {
                let serve = async {
                    let handshake = tokio::time::timeout(
                        std::time::Duration::from_secs(10),
                        acceptor.accept(stream),
                    );
                    let Ok(Ok(stream)) = handshake.await else {
                        return;
                    };
                    if !stream
                        .get_ref()
                        .1
                        .peer_certificates()
                        .is_some_and(|chain| allowed(chain))
                    {
                        tracing::warn!("node API: a client other than the API server was refused");
                        return;
                    }
                    if let Err(error) = this.serve_io(stream).await {
                        tracing::debug!(%error, "node API connection ended");
                    }
                };
                tokio::select! { () = shutdown.cancelled() => {}, () = serve => {} }
            });
        }
        connections.close();
        connections.wait().await;
    }
}
