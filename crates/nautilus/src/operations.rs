//! This server's own operations: what it is, anchors, key epochs, recovery plans, hand-over. See [`crate::wire`].

use std::sync::Arc;
use std::time::Duration;

use apiserver::authn::UserInfo;
use apiserver::{Body, ConnectionInfo, SideRequest, SideResponse, SideRoutes};
use async_trait::async_trait;
use chain::Deployment;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use keys::recovery::Plan;
use registry::Stored;
use seal::wire::{EXPORTER_LABEL, MAX_BODY, Refusal, RefusalCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Store;
use tee::Provider;

use crate::anchor::{Anchorer, Exposure, Signer};
use crate::handover;
use crate::keyring::Keyring;
use crate::retirement::Retirements;
use crate::wire::{
    ANCHOR, ENCLAVE, HANDOVER, HandoverRequest, INSTANCE, Instance, PLAN, PlanRequest, RING,
    ROTATE, RecoveryPlan, Rotated, Shares,
};
use crate::witnesses::Witnesses;

/// Groups that may change what everybody depends on.
const ADMINISTRATORS: [&str; 2] = ["daas:admin", "system:masters"];
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an anchor may take.
const ANCHOR_TIMEOUT: Duration = Duration::from_secs(45);

/// What the operations work on.
pub(crate) struct Operations {
    pub(crate) tee: Arc<dyn Provider>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) anchorer: Anchorer,
    pub(crate) signer: Signer,
    pub(crate) store: Store<Stored>,
    pub(crate) chain: Witnesses,
    pub(crate) deployment: Deployment,
    pub(crate) retirements: Retirements,
}

#[async_trait]
impl SideRoutes for Operations {
    fn matches(&self, path: &str) -> bool {
        [ANCHOR, ENCLAVE, HANDOVER, INSTANCE, PLAN, RING, ROTATE].contains(&path)
    }

    async fn handle(&self, request: SideRequest) -> SideResponse {
        let answered = self.answer(request).await;
        match answered {
            Ok(body) => json(StatusCode::OK, body),
            Err(refusal) => {
                tracing::info!(code = %refusal.code, message = refusal.message, "refused");
                refused(&refusal)
            }
        }
    }
}

impl Operations {
    async fn answer(&self, request: SideRequest) -> Result<Vec<u8>, Refusal> {
        let path = request.uri().path().to_owned();
        if request.method() != Method::POST {
            return Err(refuse(RefusalCode::MethodNotAllowed, "use POST"));
        }
        let administrator = request
            .extensions()
            .get::<UserInfo>()
            .is_some_and(|user| ADMINISTRATORS.iter().any(|group| user.in_group(group)));
        if [ANCHOR, PLAN, RING, ROTATE].contains(&path.as_str()) && !administrator {
            return Err(refuse(
                RefusalCode::Forbidden,
                "only an administrator (group daas:admin, with a client certificate) may do this",
            ));
        }
        let channel = request
            .extensions()
            .get::<Arc<ConnectionInfo>>()
            .filter(|connection| !connection.is_http2())
            .and_then(|connection| connection.exporter(EXPORTER_LABEL).copied());
        let body = collect(request).await?;
        match path.as_str() {
            INSTANCE => encode(&self.instance()),
            ENCLAVE => {
                self.anchorer.again();
                encode(&serde_json::json!({}))
            }
            ANCHOR => {
                let anchored = self.anchorer.settled(ANCHOR_TIMEOUT).await;
                encode(&anchored.map_err(|e| refuse(RefusalCode::ChainUnavailable, e.to_string()))?)
            }
            ROTATE => {
                let rotated = self.retirements.rotate().await;
                let epoch = rotated.map_err(|error| internal("begin a new key epoch", &error))?;
                // The chain is to know the new epoch soon: from then on no older log is opened.
                self.anchorer.soon();
                encode(&Rotated { epoch })
            }
            RING => {
                let ring = self.keyring.ring().public();
                encode(&ring.map_err(|error| internal("show the key ring", &error))?)
            }
            PLAN => encode(&self.plan(&parse(&body)?).await?),
            HANDOVER => {
                let channel = channel.ok_or_else(|| {
                    refuse(
                        RefusalCode::Channel,
                        "this needs a TLS 1.3 connection of its own, with HTTP/1.1",
                    )
                })?;
                let request: HandoverRequest = parse(&body)?;
                let granted = handover::give(
                    &self.keyring,
                    &self.chain,
                    &self.deployment,
                    &channel,
                    &request,
                );
                encode(&granted.await?)
            }
            _ => Err(refuse(RefusalCode::NotFound, "no such path")),
        }
    }

    fn instance(&self) -> Instance {
        let (state, ring) = (self.anchorer.state(), self.keyring.ring());
        let head = self.store.head();
        let (exposed_revisions, exposed_seconds) = Exposure::new(self.anchorer.clone()).now();
        Instance {
            tee: self.tee.kind().to_string(),
            measurement: self.tee.measurement().to_string(),
            signing_key: hex::encode(self.signer.public_key()),
            enclave: self.signer.known_enclave().map(|id| id.to_string()),
            wallet: self.signer.wallet().address().to_string(),
            epoch: ring.epoch(),
            revision: head.revision.0,
            root: head.hash.to_string(),
            anchored: state.last,
            exposed_revisions,
            exposed_seconds,
            anchor_failing: state.failing,
            recovery: ring.plan().map(|plan| RecoveryPlan {
                threshold: usize::from(plan.threshold),
                shares: plan.issued(),
            }),
        }
    }

    async fn plan(&self, request: &PlanRequest) -> Result<Shares, Refusal> {
        let custodians: Vec<Vec<u8>> = request
            .custodians
            .iter()
            .map(|key| hex::decode(key).ok().filter(|key| key.len() == 32))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                refuse(
                    RefusalCode::Malformed,
                    "custodians: public keys of 32 bytes in hexadecimal",
                )
            })?;
        let (plan, shares) = Plan::make(request.threshold, &custodians)
            .map_err(|error| refuse(RefusalCode::Malformed, error.to_string()))?;
        let set = self.keyring.set_plan(plan).await;
        set.map_err(|error| internal("keep the recovery plan", &error))?;
        tracing::warn!(
            threshold = request.threshold,
            shares = shares.len(),
            "a recovery plan is in force; shares of former ones are of no use any more"
        );
        Ok(Shares { shares })
    }
}

pub(crate) fn refuse(code: RefusalCode, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

fn internal(action: &str, error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error, "could not {action}");
    refuse(RefusalCode::Internal, format!("could not {action}"))
}

async fn collect(request: SideRequest) -> Result<bytes::Bytes, Refusal> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(refuse(RefusalCode::BodyTooLarge, "the body is too large")),
        Err(_) => Err(refuse(RefusalCode::Timeout, "the body came too slowly")),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|e| refuse(RefusalCode::Malformed, e.to_string()))
}

pub(crate) fn encode(answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer).map_err(|error| internal("encode the answer", &error))
}

fn json(status: StatusCode, body: Vec<u8>) -> SideResponse {
    let mut response = SideResponse::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

fn refused(refusal: &Refusal) -> SideResponse {
    let status = StatusCode::from_u16(refusal.code.status());
    json(
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        serde_json::to_vec(refusal).unwrap_or_default(),
    )
}
