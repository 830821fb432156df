//! A TLS server made in the test: a webhook, or an aggregated API server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::Ca;

/// What came in: head, body, and the client's certificate.
pub(crate) struct Got {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) peer: Option<CertificateDer<'static>>,
}

/// Answers; `None` never does.
pub(crate) type Handler = dyn Fn(&Got) -> Option<Response<Full<Bytes>>> + Send + Sync;

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    ca_pem: String,
}

impl Backend {
    /// Serves for `names`. With `client_ca` a client must present a certificate of it.
    pub(crate) async fn start(
        names: &[&str],
        client_ca: Option<CertificateDer<'static>>,
        handler: impl Fn(&Got) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let ca = Ca::new();
        let serving = ca.serving_for(names);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated()
                        .build()
                        .unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(vec![serving.certificate.clone()], serving.key_der())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler: Arc<Handler> = Arc::new(handler);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), handler.clone()));
            }
        });
        Self {
            address,
            ca_pem: ca.pem().to_owned(),
        }
    }

    /// `clientConfig` of a webhook at this server.
    pub(crate) fn client_config(&self, path: &str) -> Value {
        json!({"url": format!("https://127.0.0.1:{}{path}", self.address.port()), "caBundle": self.ca_bundle()})
    }

    pub(crate) fn ca_bundle(&self) -> String {
        STANDARD.encode(&self.ca_pem)
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, handler: Arc<Handler>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let peer = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|c| c.first())
        .map(|c| c.clone().into_owned());
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, peer) = (handler.clone(), peer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default();
            match handler(&Got { parts, body, peer }) {
                Some(response) => Ok::<_, Infallible>(response),
                None => std::future::pending().await,
            }
        }
    });
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

pub(crate) fn reply(code: u16, body: &Value) -> Option<Response<Full<Bytes>>> {
    Some(
        Response::builder()
            .status(code)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(body).unwrap())))
            .unwrap(),
    )
}

/// A webhook whose verdict is made by a function of the request; keeps the reviews.
pub(crate) struct Hook {
    pub(crate) backend: Backend,
    pub(crate) seen: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    /// `verdict` makes of the path and `request` what `response` holds beside the uid; null never answers.
    pub(crate) async fn start(
        verdict: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self::named(&["127.0.0.1"], verdict).await
    }

    pub(crate) async fn named(
        names: &[&str],
        verdict: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let keep = seen.clone();
        let backend = Backend::start(names, None, move |got| {
            let mut review: Value = serde_json::from_slice(&got.body).unwrap();
            keep.lock().push(review.clone());
            let request = review["request"].clone();
            let mut response = verdict(got.parts.uri.path(), &request);
            if response.is_null() {
                return None;
            }
            if response.get("uid").is_none() {
                response["uid"] = request["uid"].clone();
            }
            review.as_object_mut().unwrap().shift_remove("request");
            review["response"] = response;
            reply(200, &review)
        })
        .await;
        Self { backend, seen }
    }

    /// How often it was called with a path's name in the review's own words.
    pub(crate) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.seen.lock())
    }
}

/// A JSON patch in a verdict that allows.
pub(crate) fn patched(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}
