//! One client's connection.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::BenchError;
use crate::options::Encoding;
use crate::target::Target;

const CONNECTING: Duration = Duration::from_secs(10);
/// No request may take longer.
const ANSWERING: Duration = Duration::from_secs(60);

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// An HTTP/2 connection of its own.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    base: String,
    template: http::HeaderMap,
    _driver: AbortOnDropHandle<()>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The Status' message, or the body's beginning.
    pub(crate) fn message(&self) -> String {
        let status: Option<Value> = serde_json::from_slice(&self.body).ok();
        let message = status.as_ref().and_then(|s| s.get("message")?.as_str());
        message.map_or_else(
            || {
                String::from_utf8_lossy(&self.body)
                    .chars()
                    .take(200)
                    .collect()
            },
            str::to_owned,
        )
    }

    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

impl Connection {
    pub(crate) async fn open(target: &Target, encoding: Encoding) -> Result<Self, BenchError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BenchError::Connect {
            host: target.host.clone(),
            source,
        };
        let opened = tokio::time::timeout(CONNECTING, async {
            let stream = TcpStream::connect(&target.addresses[..]).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(target.tls.clone())
                .connect(target.name.clone(), stream)
                .await?;
            Ok::<_, std::io::Error>(stream)
        });
        let stream = opened
            .await
            .map_err(|e| failed(e.into()))?
            .map_err(|e| failed(e.into()))?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(8 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(e.into()))?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer learns of the connection's end.
            let _ = connection.await;
        });
        let mut template = http::HeaderMap::new();
        let accept = match encoding {
            Encoding::Json => JSON,
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf",
        };
        template.insert(ACCEPT, http::HeaderValue::from_static(accept));
        if let Some(value) = &target.authorization {
            template.insert(AUTHORIZATION, value.clone());
        }
        Ok(Self {
            sender,
            base: format!("https://{}", target.authority),
            template,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    /// Sends a request; returns when the answer's headers are there.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Response<Incoming>, BenchError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BenchError::Request {
            what: path.to_owned(),
            source,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .body(Full::new(body))
            .map_err(|e| failed(e.into()))?;
        request.headers_mut().clone_from(&self.template);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        self.sender.ready().await.map_err(|e| failed(e.into()))?;
        tokio::time::timeout(ANSWERING, self.sender.send_request(request))
            .await
            .map_err(|e| failed(e.into()))?
            .map_err(|e| failed(e.into()))
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Answer, BenchError> {
        let response = self.send(method, path, content_type, body).await?;
        let code = response.status().as_u16();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BenchError::Request {
            what: path.to_owned(),
            source,
        };
        let body = tokio::time::timeout(ANSWERING, response.into_body().collect())
            .await
            .map_err(|e| failed(e.into()))?
            .map_err(|e| failed(e.into()))?
            .to_bytes();
        Ok(Answer { code, body })
    }

    /// The same, for what has to succeed.
    pub(crate) async fn must(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, BenchError> {
        let what = format!("{method} {path}");
        let answer = self.ask(method, path, JSON, body).await?;
        if answer.succeeded() {
            return Ok(answer);
        }
        Err(BenchError::Refused {
            what,
            code: answer.code,
            message: answer.message(),
        })
    }
}
