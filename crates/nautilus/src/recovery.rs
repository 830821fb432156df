//! Recovery from a total outage: an instance that has the state but no keys waits for shares.
//!
//! It serves nothing but its evidence and the taking of shares. Whoever brings one verifies the evidence first: the
//! TLS key was made for this and is bound into it. With enough shares the root is opened in this instance's memory;
//! nothing of it is seen outside.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use keys::recovery::{Share, recover};
use keys::{KeyError, KeyRing, PublicRing, Scope};
use parking_lot::Mutex;
use pki::{CertificateAuthority, KeyPair, Profile};
use rustls::ServerConfig;
use seal::wire::{
    ATTESTATION, AttestationRequest, AttestationResponse, EXPORTER_LABEL, MAX_BODY, Refusal,
    RefusalCode, binding,
};
use seal::{Bytes32, ObjectId};
use tee::Provider;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::operations::{encode, parse, refuse};
use crate::wire::{INSTANCE, SHARE, ShareRequest, ShareResponse};

/// Connections at once.
const CONNECTIONS: usize = 16;
/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the certificate of this is good: it vouches for nothing, the evidence does.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// The keys were not recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The TLS key.
    #[error("no TLS key could be made for the recovery")]
    Key(#[from] pki::KeyPairError),
    /// The authority of its certificate.
    #[error("no certificate could be made for the recovery")]
    Authority(#[from] pki::AuthorityError),
    /// The certificate.
    #[error("no certificate could be issued for the recovery")]
    Issue(#[from] pki::IssueError),
    /// TLS.
    #[error("TLS can't be set up for the recovery")]
    Tls(#[from] rustls::Error),
    /// The shares were right and still don't open the root.
    #[error("the shares do not open the keys")]
    Shares(#[source] KeyError),
    /// Asked to stop before there were enough shares.
    #[error("stopped before enough shares had come")]
    Stopped,
}

struct Waiting {
    scope: Scope,
    tee: Arc<dyn Provider>,
    /// Where it isn't on a disk, whoever brings shares brings it too.
    ring: Mutex<Option<PublicRing>>,
    tls_key: [u8; 32],
    shares: Mutex<BTreeMap<u8, Share>>,
    done: mpsc::Sender<Result<KeyRing, KeyError>>,
}

/// Waits for shares until there are enough.
///
/// # Errors
/// [`RecoveryError`].
pub(crate) async fn wait(
    listener: &TcpListener,
    scope: Scope,
    tee: Arc<dyn Provider>,
    ring: Option<PublicRing>,
    stop: &CancellationToken,
) -> Result<KeyRing, RecoveryError> {
    let (config, tls_key) = tls()?;
    let acceptor = TlsAcceptor::from(config);
    let (done, mut outcome) = mpsc::channel(1);
    let waiting = Arc::new(Waiting {
        scope,
        tee,
        ring: Mutex::new(ring),
        tls_key,
        shares: Mutex::default(),
        done,
    });
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let _close = closing.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Err(RecoveryError::Stopped),
            Some(recovered) = outcome.recv() => {
                // Who gave the last share is to hear of it.
                connections.close();
                let _ = tokio::time::timeout(Duration::from_secs(2), connections.wait()).await;
                return recovered.map_err(RecoveryError::Shares);
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            continue;
        };
        let (acceptor, waiting, closing) = (acceptor.clone(), waiting.clone(), closing.clone());
        connections.spawn(async move {
            let _permit = permit;
            let serving = tokio::time::timeout(CONNECTION_TIMEOUT, serve(waiting, acceptor, tcp));
            tokio::select! {
                () = closing.cancelled() => {}
                _ = serving => {}
            }
        });
    }
}

/// TLS 1.3 with a key that was made now.
fn tls() -> Result<(Arc<ServerConfig>, [u8; 32]), RecoveryError> {
    let now = SystemTime::now();
    let authority = CertificateAuthority::generate("daas-recovery", now, LIFETIME)?;
    let key = KeyPair::generate()?;
    let profile = Profile::Server {
        name: "daas-recovery".to_owned(),
        dns: vec!["localhost".to_owned()],
        addresses: Vec::new(),
    };
    let issued = authority.issue_for(&key, &profile, now, now + LIFETIME)?;
    let tls_key = pki::spki_sha256(&issued.der)
        .map_err(|_| rustls::Error::General("the certificate is malformed".to_owned()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![issued.der], key.for_tls())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), tls_key))
}

async fn serve(waiting: Arc<Waiting>, acceptor: TlsAcceptor, tcp: TcpStream) {
    let Ok(stream) = acceptor.accept(tcp).await else {
        return;
    };
    let mut channel = [0; 32];
    let exported =
        stream
            .get_ref()
            .1
            .export_keying_material(&mut channel, EXPORTER_LABEL.as_bytes(), None);
    if exported.is_err() {
        return;
    }
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let waiting = waiting.clone();
        async move {
            let answered = waiting.answer(&channel, request).await;
            Ok::<_, Infallible>(match answered {
                Ok(body) => respond(StatusCode::OK, body),
                Err(refusal) => {
                    tracing::info!(code = %refusal.code, message = refusal.message, "refused");
                    let status = StatusCode::from_u16(refusal.code.status())
                        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    respond(status, serde_json::to_vec(&refusal).unwrap_or_default())
                }
            })
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the recovery ended early");
    }
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

impl Waiting {
    async fn answer(
        &self,
        channel: &[u8; 32],
        request: Request<Incoming>,
    ) -> Result<Vec<u8>, Refusal> {
        if request.method() != Method::POST {
            return Err(refuse(RefusalCode::MethodNotAllowed, "use POST"));
        }
        let path = request.uri().path().to_owned();
        let body = Limited::new(request.into_body(), MAX_BODY)
            .collect()
            .await
            .map_err(|_| refuse(RefusalCode::BodyTooLarge, "the body is too large"))?
            .to_bytes();
        match path.as_str() {
            ATTESTATION => self.attest(channel, parse(&body)?).await,
            SHARE => encode(&self.take(parse(&body)?)?),
            INSTANCE => Err(refuse(
                RefusalCode::NotReady,
                "this instance has no keys yet and waits for recovery shares",
            )),
            _ => Err(refuse(
                RefusalCode::NotReady,
                "this instance has no keys yet: it waits for recovery shares and does nothing else",
            )),
        }
    }

    async fn attest(
        &self,
        channel: &[u8; 32],
        request: AttestationRequest,
    ) -> Result<Vec<u8>, Refusal> {
        let cluster = ObjectId(self.scope.cluster);
        let bound = binding(&cluster, &self.tls_key, &Bytes32(*channel), &request.nonce);
        let tee = self.tee.clone();
        let failed = |why: String| {
            tracing::error!(why, "no evidence");
            refuse(RefusalCode::Internal, "could not make evidence")
        };
        let (evidence, collateral) = tokio::task::spawn_blocking(move || {
            let evidence = tee.attest(&bound).map_err(|error| error.to_string())?;
            let collateral = tee.collateral().map_err(|error| error.to_string())?;
            Ok::<_, String>((evidence, collateral))
        })
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
        encode(&AttestationResponse {
            cluster,
            evidence,
            collateral,
            challenge: Bytes32::random(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    fn take(&self, request: ShareRequest) -> Result<ShareResponse, Refusal> {
        let text = Zeroizing::new(request.share);
        let malformed = |why: &str| refuse(RefusalCode::Malformed, why);
        let bytes = STANDARD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| malformed("share: base64 is expected"))?;
        let share = Share::from_bytes(&bytes).map_err(|e| malformed(&e.to_string()))?;
        let ring = {
            let mut known = self.ring.lock();
            if known.is_none() {
                *known = request.ring;
            }
            known.clone()
        };
        let ring = ring.ok_or_else(|| {
            malformed("this instance has no key ring: give it with --ring (`daas recovery ring`)")
        })?;
        let plan = ring
            .plan()
            .ok_or_else(|| malformed(&KeyError::NoPlan.to_string()))?;
        plan.accept(&share)
            .map_err(|error| refuse(RefusalCode::ProofRejected, error.to_string()))?;
        let need = usize::from(plan.threshold);
        let mut shares = self.shares.lock();
        shares.insert(share.number(), share);
        let have = shares.len();
        tracing::warn!(have, need, "a recovery share has come");
        if have >= need {
            let all: Vec<_> = shares.values().cloned().collect();
            shares.clear();
            let recovered = recover(&self.scope, &ring, &all);
            // One is enough: whoever comes later finds an instance that has its keys.
            let _ = self.done.try_send(recovered);
        }
        Ok(ShareResponse { have, need })
    }
}
