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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Empty, Full};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::server::WebPkiClientVerifier;

    struct Fixed;

    impl Handler for Fixed {
        fn handle(
            &self,
            _: Request<Incoming>,
        ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
            let body = Full::new(Bytes::from_static(b"ok"))
                .map_err(|never| match never {})
                .boxed_unsync();
            Box::pin(async move { Response::new(body) })
        }
    }

    type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

    fn identity(name: &str, ca: &rcgen::Issuer<'_, rcgen::KeyPair>) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let cert = params.signed_by(&key, ca).unwrap();
        (
            vec![cert.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
    }

    /// What a client with this identity is told; `None` when it is not let in.
    async fn ask(
        address: std::net::SocketAddr,
        roots: Arc<rustls::RootCertStore>,
        who: Option<Identity>,
    ) -> Option<Bytes> {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
        let config = match who {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("node").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        let request = Request::get("/healthz")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.ok()?;
        Some(answer.into_body().collect().await.ok()?.to_bytes())
    }

    #[tokio::test]
    async fn only_the_api_server_is_let_in() {
        let authority = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let cert = params.self_signed(&key).unwrap();
            (cert.der().clone(), rcgen::Issuer::new(params, key))
        };
        let ((root, ca), (_, other)) = (authority(), authority());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root).unwrap();
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .unwrap();
        let (chain, key) = identity("node", &ca);
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let api = NodeApi {
            handler: Arc::new(Fixed),
        };
        let server = identity("api-server", &ca);
        let known = server.0.clone();
        let allowed: PeerCheck = Arc::new(move |chain| chain.first() == known.first());
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                api.serve_tls(listener, Arc::new(tls), allowed, shutdown)
                    .await
            }
        });
        assert_eq!(
            ask(address, roots.clone(), Some(server)).await.as_deref(),
            Some(b"ok".as_slice())
        );
        assert_eq!(
            ask(address, roots.clone(), None).await,
            None,
            "no certificate"
        );
        assert_eq!(
            ask(address, roots.clone(), Some(identity("api-server", &other))).await,
            None,
            "another authority's"
        );
        assert_eq!(
            ask(address, roots.clone(), Some(identity("some-user", &ca))).await,
            None,
            "another's"
        );
        shutdown.cancel();
        task.await.unwrap();
    }
}
