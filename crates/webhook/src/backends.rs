//! The calls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{ClientConfig, Target};
use crate::error::{CallError, Cause};
use crate::network::{BackendStream, ClusterNetwork, DirectNetwork, ServiceResolver};
use crate::pool::{Key, Pool, Sender};
use crate::status;
use crate::tls::{self, ClientIdentity, Trust};

/// How long a connection may take to be made.
///
/// upstream: client-go/transport/cache.go (30 s dial timeout)
const CONNECT: Duration = Duration::from_secs(30);

/// Any error a request's body may end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to a backend.
pub type BoxBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// A backend: where it is, whom it is trusted to be, and who this server is towards it.
#[derive(Clone)]
pub struct Backend {
    /// Where; its path is not used by [`Backends::send`].
    pub target: Target,
    /// Which certificates are accepted.
    pub trust: Trust,
    /// The client certificate, if one is presented.
    pub identity: Option<Arc<ClientIdentity>>,
}

impl From<ClientConfig> for Backend {
    fn from(config: ClientConfig) -> Self {
        Self {
            target: config.target,
            trust: config.trust,
            identity: None,
        }
    }
}

/// What a backend answered to a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body.
    pub body: Bytes,
}

/// The client. A cheap clone of the same connections.
#[derive(Clone)]
pub struct Backends {
    inner: Arc<Inner>,
}

struct Inner {
    network: Arc<dyn ClusterNetwork>,
    pool: Pool,
}

impl Default for Backends {
    /// Pods are reached from this machine.
    fn default() -> Self {
        Self::new(Arc::new(DirectNetwork))
    }
}

impl Backends {
    /// A client that reaches pods through `network`.
    pub fn new(network: Arc<dyn ClusterNetwork>) -> Self {
        Self {
            inner: Arc::new(Inner {
                network,
                pool: Pool::default(),
            }),
        }
    }

    /// Posts JSON to a webhook and returns the whole body of its answer, which is a success (200 to 206).
    ///
    /// `limit` bounds the answer in bytes, `timeout` everything from resolving to the last byte; it is told to the webhook in
    /// the query, as upstream does.
    ///
    /// # Errors
    /// [`CallError`]: nothing came back in time, or a failure, with upstream's text.
    pub async fn post(
        &self,
        services: &dyn ServiceResolver,
        config: &ClientConfig,
        body: Bytes,
        timeout: Duration,
        limit: usize,
    ) -> Result<Answer, CallError> {
        let path = config.target.path();
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{join}timeout={}", go_seconds(timeout));
        let url = format!("https://{}{path}", config.target.authority());
        let failed = |cause: Cause| CallError::Transport {
            method: "Post",
            url: url.clone(),
            cause,
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(path.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, */*")
            .header(USER_AGENT, "kube-apiserver-admission")
            .body(full(body))
            .map_err(|e| failed(Cause::Body(e.to_string())))?;
        let backend = Backend::from(config.clone());
        let exchange = async {
            let response = self.send(services, &backend, request).await?;
            let code = response.status();
            let body = collect(response, limit).await?;
            Ok::<_, Cause>((code, body))
        };
        let (code, body) = tokio::time::timeout(timeout, exchange)
            .await
            .map_err(|_| failed(Cause::Deadline))?
            .map_err(failed)?;
        if (200..=206).contains(&code.as_u16()) {
            Ok(Answer { body })
        } else {
            Err(CallError::Refused(Box::new(status::of_answer(code, &body))))
        }
    }

    /// Sends a request (path and query only) to a backend over a kept or a new connection. The headers of the answer are
    /// there when this returns, its body comes as it is read.
    ///
    /// The caller sets the deadline. A request whose connection ended before any of it was sent is sent again once on a new
    /// one.
    ///
    /// # Errors
    /// [`Cause`].
    pub async fn send(
        &self,
        services: &dyn ServiceResolver,
        backend: &Backend,
        mut request: Request<BoxBody>,
    ) -> Result<Response<Incoming>, Cause> {
        let key = self.key(backend);
        if let Ok(host) = HeaderValue::from_str(&backend.target.authority()) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        if let Some(sender) = self.inner.pool.take(&key) {
            match self.exchange(&key, backend, sender, request).await {
                Ok(response) => return Ok(response),
                Err((_, Some(unsent))) => request = *unsent,
                Err((cause, None)) => return Err(cause),
            }
        }
        let sender = self.open(services, backend, &key).await?;
        self.exchange(&key, backend, sender, request)
            .await
            .map_err(|(cause, _)| cause)
    }

    /// Sends a request on a connection of its own that speaks HTTP/1.1, so that a 101 can be upgraded.
    ///
    /// # Errors
    /// [`Cause`].
    pub async fn upgrade(
        &self,
        services: &dyn ServiceResolver,
        backend: &Backend,
        mut request: Request<BoxBody>,
    ) -> Result<Response<Incoming>, Cause> {
        if let Ok(host) = HeaderValue::from_str(&backend.target.authority()) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        let tls = tls::config(&backend.trust, backend.identity.as_deref(), false)
            .map_err(Cause::Setup)?;
        let stream = self.connect(services, backend, tls).await?;
        let mut sender = handshake1(stream).await?;
        sender.send_request(request).await.map_err(Cause::Http)
    }

    fn key(&self, backend: &Backend) -> Key {
        let identity = backend.identity.as_ref().map(|i| i.fingerprint());
        Key::new(&backend.target, &backend.trust, identity)
    }

    async fn open(
        &self,
        services: &dyn ServiceResolver,
        backend: &Backend,
        key: &Key,
    ) -> Result<Sender, Cause> {
        let config = self
            .inner
            .pool
            .tls(key, || {
                tls::config(&backend.trust, backend.identity.as_deref(), true)
            })
            .map_err(Cause::Setup)?;
        let stream = self.connect(services, backend, config).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Ok(Sender::Http1(handshake1(stream).await?));
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(Cause::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a backend ended");
            }
        });
        self.inner.pool.share(key, &sender);
        Ok(Sender::Http2(sender))
    }

    async fn connect(
        &self,
        services: &dyn ServiceResolver,
        backend: &Backend,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<TlsStream<Box<dyn BackendStream>>, Cause> {
        let connecting = async {
            let stream = match &backend.target {
                Target::Service {
                    namespace,
                    name,
                    port,
                    ..
                } => {
                    let address = services
                        .resolve(namespace, name, *port)
                        .map_err(Cause::Resolve)?;
                    self.inner
                        .network
                        .dial(address)
                        .await
                        .map_err(|e| Cause::Dial(address, e))?
                }
                Target::Url { host, port, .. } => {
                    dial(host.trim_matches(['[', ']']), *port).await?
                }
            };
            let name = ServerName::try_from(backend.target.server_name())
                .map_err(|_| Cause::Lookup(backend.target.server_name()))?;
            TlsConnector::from(tls)
                .connect(name, stream)
                .await
                .map_err(Cause::Tls)
        };
        tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| Cause::Deadline)?
    }

    /// One request; the request comes back when nothing of it was sent.
    async fn exchange(
        &self,
        key: &Key,
        backend: &Backend,
        sender: Sender,
        mut request: Request<BoxBody>,
    ) -> Result<Response<Incoming>, (Cause, Option<Box<Request<BoxBody>>>)> {
        let failed = |mut error: hyper::client::conn::TrySendError<Request<BoxBody>>| {
            let unsent = error.take_message().map(Box::new);
            (Cause::Http(error.into_error()), unsent)
        };
        match sender {
            Sender::Http1(mut sender) => {
                if let Err(error) = sender.ready().await {
                    return Err((Cause::Http(error), Some(Box::new(request))));
                }
                let response = sender.try_send_request(request).await.map_err(failed)?;
                let (inner, key) = (Arc::downgrade(&self.inner), key.clone());
                tokio::spawn(async move {
                    // Ready again when the answer has been read; an error when it was not read to its end.
                    if sender.ready().await.is_ok()
                        && let Some(inner) = inner.upgrade()
                    {
                        inner.pool.put(&key, sender);
                    }
                });
                Ok(response)
            }
            Sender::Http2(mut sender) => {
                if let Err(error) = sender.ready().await {
                    return Err((Cause::Http(error), Some(Box::new(request))));
                }
                // HTTP/2 has the authority in the URI.
                let path = request
                    .uri()
                    .path_and_query()
                    .map_or("/", |p| p.as_str())
                    .to_owned();
                let authority = backend.target.authority();
                let uri = Uri::builder()
                    .scheme("https")
                    .authority(authority)
                    .path_and_query(path)
                    .build();
                match uri {
                    Ok(uri) => *request.uri_mut() = uri,
                    Err(error) => return Err((Cause::Body(error.to_string()), None)),
                }
                request.headers_mut().remove(HOST);
                let mut sent = sender.try_send_request(request).await.map_err(failed);
                if let Err((_, Some(unsent))) = &mut sent {
                    restore(unsent);
                }
                sent
            }
        }
    }
}

/// A request that was prepared for HTTP/2, as it was before.
fn restore(request: &mut Request<BoxBody>) {
    let path = request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .and_then(|p| p.parse().ok());
    if let Some(path) = path {
        *request.uri_mut() = path;
    }
}

async fn handshake1(
    stream: TlsStream<Box<dyn BackendStream>>,
) -> Result<http1::SendRequest<BoxBody>, Cause> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Cause::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a backend ended");
        }
    });
    Ok(sender)
}

/// Connects to the first address of a host that answers.
async fn dial(host: &str, port: u16) -> Result<Box<dyn BackendStream>, Cause> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| Cause::Lookup(host.to_owned()))?
        .collect();
    let mut failed = Cause::Lookup(host.to_owned());
    for address in addresses {
        match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(stream));
            }
            Err(error) => failed = Cause::Dial(address, error),
        }
    }
    Err(failed)
}

/// A body of these bytes.
fn full(bytes: Bytes) -> BoxBody {
    Full::new(bytes)
        .map_err(|never| -> BoxError { match never {} })
        .boxed_unsync()
}

async fn collect(response: Response<Incoming>, limit: usize) -> Result<Bytes, Cause> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Cause::TooLarge(limit))
        }
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err(Cause::Http(*error)),
            Err(error) => Err(Cause::Tls(io::Error::other(error))),
        },
    }
}

/// Go's text of a duration of whole seconds or milliseconds: `10s`, `1.5s`, `500ms`.
fn go_seconds(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        1..1000 => format!("{millis}ms"),
        _ if millis.is_multiple_of(1000) => {
            let (m, s) = (millis / 60_000, millis / 1000 % 60);
            if m > 0 {
                format!("{m}m{s}s")
            } else {
                format!("{s}s")
            }
        }
        _ => format!("{}s", duration.as_secs_f64()),
    }
}
