//! The endpoints.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use chain::Address;
use chain::objects::FormerKey;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use pki::{CertificateAuthority, IssueError, Profile};
use seal::wire::{
    self, AttestationRequest, AttestationResponse, HeartbeatResponse, JoinRequest, LoginRequest,
    LoginResponse, MAX_ADDRESSES, MAX_BODY, NodeCertificates, NodeRequest, PublicAttestation,
    Refusal, RefusalCode, RenewRequest,
};
use seal::{Bytes32, JoinProof, ObjectId, RenewProof, SignedHeartbeat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tee_verify::{Binding, Collateral, Evidence};
use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

use super::challenges::Challenges;
use super::check::{Backing, check_stake, read, read_stake, refuse};
use super::{ChainReader, Heartbeats, JoinMetrics, JoinRecord, JoinRecords, RecordsError};
use crate::stake::{LiveView, NodeControl, role_of};
use crate::{Clock, unix_ms};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Attestations made at once: hardware makes one after the other.
const ATTESTATIONS: usize = 16;

/// Joins, renewals and logins decided at once: each reads the chain.
const DECISIONS: usize = 64;

/// How often a node is to send a heartbeat.
const HEARTBEAT_SECONDS: u32 = 30;

/// What the server knows of the connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// Exporter of the TLS session under [`wire::EXPORTER_LABEL`].
    pub exporter: Bytes32,
    /// SHA-256 of the `SubjectPublicKeyInfo` that this very connection is served with.
    pub tls_key: [u8; 32],
}

/// The authorities that certificates come from.
///
/// There are two: what nodes and users get is never of the authority that clients verify the API server with, so
/// that no node can pass for the API server, whatever addresses it names.
#[derive(Clone)]
pub struct Authorities {
    /// Certifies clients, and nodes' own APIs.
    pub client: Arc<CertificateAuthority>,
    /// PEM of the authority of the API server's certificate, for clients to verify it with.
    pub server_ca_pem: String,
}

/// What a [`JoinService`] is made of.
pub struct JoinParts {
    /// The cluster object.
    pub cluster: ObjectId,
    /// The TEE that this runs in.
    pub tee: Arc<dyn tee::Provider>,
    /// Fresh reads.
    pub chain: Arc<dyn ChainReader>,
    /// The live view.
    pub view: LiveView,
    /// Who joined.
    pub records: Arc<dyn JoinRecords>,
    /// To welcome a node back.
    pub control: Arc<dyn NodeControl>,
    /// Certificates.
    pub authorities: Authorities,
    /// Counters.
    pub metrics: JoinMetrics,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// This control plane's version.
    pub version: String,
}

/// The service. A cheap clone of the same one.
#[derive(Clone)]
pub struct JoinService {
    shared: Arc<Shared>,
}

struct Shared {
    parts: JoinParts,
    challenges: Challenges,
    heartbeats: Heartbeats,
    attesting: Semaphore,
    deciding: Semaphore,
    /// One join at a time looks at the records and writes them.
    joining: Mutex<()>,
}

/// An answer with a body of JSON.
pub type Answer = Response<Full<Bytes>>;

impl JoinService {
    /// The service of these parts.
    pub fn new(parts: JoinParts) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                challenges: Challenges::default(),
                heartbeats: Heartbeats::default(),
                attesting: Semaphore::new(ATTESTATIONS),
                deciding: Semaphore::new(DECISIONS),
                joining: Mutex::default(),
            }),
        }
    }

    /// Whether `path` is where anybody gets evidence with `GET` ([`JoinService::attest_publicly`]).
    pub fn attests_publicly(method: &Method, path: &str) -> bool {
        path == wire::PUBLIC_ATTESTATION || (method == Method::GET && path == wire::ATTESTATION)
    }

    /// Whether `path` is one of the service's.
    pub fn matches(path: &str) -> bool {
        endpoint(path).is_some()
    }

    /// The last heartbeats.
    pub fn heartbeats(&self) -> &Heartbeats {
        &self.shared.heartbeats
    }

    /// Answers one request. Secrets and signatures in it are never logged.
    pub async fn handle<B>(&self, channel: Channel, request: Request<B>) -> Answer
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(endpoint) = endpoint(request.uri().path()) else {
            return answer_refusal(&refuse(RefusalCode::NotFound, "no such path"));
        };
        let answered = if request.method() == Method::POST {
            self.dispatch(endpoint, channel, request.into_body()).await
        } else {
            Err(refuse(RefusalCode::MethodNotAllowed, "use POST"))
        };
        let metrics = &self.shared.parts.metrics;
        match answered {
            Ok(body) => {
                metrics.request(endpoint.name(), "ok");
                json(StatusCode::OK, body)
            }
            Err(refusal) => {
                metrics.request(endpoint.name(), refusal.code.as_str());
                tracing::info!(endpoint = endpoint.name(), code = %refusal.code, message = refusal.message, "refused");
                answer_refusal(&refusal)
            }
        }
    }

    async fn dispatch<B>(
        &self,
        endpoint: Endpoint,
        channel: Channel,
        body: B,
    ) -> Result<Vec<u8>, Refusal>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = collect(body).await?;
        match endpoint {
            Endpoint::Attestation => encode(&self.attest(channel, parse(&body)?).await?),
            Endpoint::Join => {
                let request = JoinRequest::from_json(&body)
                    .map_err(|message| refuse(RefusalCode::Malformed, message))?;
                encode(&self.join(channel, request).await?)
            }
            Endpoint::Renew => encode(&self.renew(channel, parse(&body)?).await?),
            Endpoint::Heartbeat => encode(&self.heartbeat(&parse(&body)?).await?),
            Endpoint::UserLogin => encode(&self.login(channel, parse(&body)?).await?),
        }
    }

    async fn attest(
        &self,
        channel: Channel,
        request: AttestationRequest,
    ) -> Result<AttestationResponse, Refusal> {
        let shared = &self.shared;
        let parts = &shared.parts;
        let binding = wire::binding(
            &parts.cluster,
            &channel.tls_key,
            &channel.exporter,
            &request.nonce,
        );
        let (evidence, collateral) = self.prove(binding).await?;
        let challenge = shared.challenges.issue(channel.exporter, Instant::now());
        Ok(AttestationResponse {
            cluster: parts.cluster,
            evidence,
            collateral,
            challenge: challenge.ok_or_else(busy)?,
            version: parts.version.clone(),
        })
    }

    /// Fresh evidence and what goes with it. Hardware makes one after the other: who comes when too many wait is sent
    /// away.
    async fn prove(&self, binding: Binding) -> Result<(Evidence, Collateral), Refusal> {
        let permit = self.shared.attesting.try_acquire().map_err(|_| busy())?;
        let tee = self.shared.parts.tee.clone();
        let made = tokio::task::spawn_blocking(move || {
            let evidence = tee.attest(&binding);
            (evidence, tee.collateral())
        })
        .await;
        drop(permit);
        let failed = |error: &dyn std::error::Error| internal("make evidence", error);
        let (evidence, collateral) = made.map_err(|error| failed(&error))?;
        Ok((
            evidence.map_err(|error| failed(&error))?,
            collateral.map_err(|error| failed(&error))?,
        ))
    }

    /// Answers `GET` [`wire::PUBLIC_ATTESTATION`]: evidence over the nonce in `query`, for anybody, on whatever
    /// connection this server's TLS key (its hash is `tls_key`) serves.
    pub async fn attest_publicly(&self, tls_key: [u8; 32], query: Option<&str>) -> Answer {
        let answered = match public_nonce(query) {
            Ok(nonce) => self.public(tls_key, nonce).await,
            Err(refusal) => Err(refusal),
        };
        let metrics = &self.shared.parts.metrics;
        match answered.and_then(|answer| encode(&answer)) {
            Ok(body) => {
                metrics.request("public-attestation", "ok");
                let mut answer = json(StatusCode::OK, body);
                let never = http::HeaderValue::from_static("no-store");
                answer
                    .headers_mut()
                    .insert(http::header::CACHE_CONTROL, never);
                answer
            }
            Err(refusal) => {
                metrics.request("public-attestation", refusal.code.as_str());
                answer_refusal(&refusal)
            }
        }
    }

    async fn public(
        &self,
        tls_key: [u8; 32],
        nonce: Bytes32,
    ) -> Result<PublicAttestation, Refusal> {
        let parts = &self.shared.parts;
        let binding = wire::public_binding(&parts.cluster, &tls_key, &nonce);
        let (evidence, collateral) = self.prove(binding).await?;
        Ok(PublicAttestation {
            cluster: parts.cluster,
            kind: parts.tee.kind(),
            hardware_rooted: parts.tee.capabilities().hardware_rooted,
            measurement: parts.tee.measurement().clone(),
            nonce,
            tls_key: Bytes32(tls_key),
            report_data: Bytes32(*binding.as_bytes()),
            evidence,
            collateral,
            server_ca: parts.authorities.server_ca_pem.clone(),
            version: parts.version.clone(),
        })
    }

    async fn join(
        &self,
        channel: Channel,
        request: JoinRequest,
    ) -> Result<NodeCertificates, Refusal> {
        let JoinRequest {
            token,
            secret,
            node,
        } = request;
        let _turn = self.turn()?;
        self.redeem(channel, node.challenge)?;
        let parts = &self.shared.parts;
        let backing = read(&*parts.chain, token).await?;
        backing.check_node(&node.node, &node.node_key)?;
        backing.check_opens(&secret, &node.node, &node.node_key)?;
        drop(secret);
        let now = parts.clock.now();
        backing.check_live(parts.view.cluster(), unix_ms(now))?;
        self.proof(channel, token, &node)
            .verify(&node.node_key, &node.signature)
            .map_err(|error| refuse(RefusalCode::ProofRejected, error.to_string()))?;
        let certificates = self.certify(token, &node, &backing, now)?;
        self.record(token, &node, &backing.stake.former_keys, now)
            .await?;
        parts
            .view
            .observe(&backing.pool, &backing.stake, Some(&backing.token));
        if let Err(error) = parts.control.restore(node.node.as_str()).await {
            return Err(internal("welcome the node back", &error));
        }
        tracing::info!(node = %node.node, %token, stake = %backing.stake.id, "node joined");
        Ok(certificates)
    }

    async fn renew(
        &self,
        channel: Channel,
        request: RenewRequest,
    ) -> Result<NodeCertificates, Refusal> {
        let RenewRequest { token, node } = request;
        let _turn = self.turn()?;
        self.redeem(channel, node.challenge)?;
        let parts = &self.shared.parts;
        let backing = read(&*parts.chain, token).await?;
        backing.check_node(&node.node, &node.node_key)?;
        let now = parts.clock.now();
        backing.check_live(parts.view.cluster(), unix_ms(now))?;
        RenewProof(self.proof(channel, token, &node))
            .verify(&node.node_key, &node.signature)
            .map_err(|error| refuse(RefusalCode::ProofRejected, error.to_string()))?;
        let record = parts.records.get(node.node.as_str()).await;
        let record = record.map_err(|error| records_failed(&error))?;
        if !record.is_some_and(|record| record.token == token && record.node_key == node.node_key) {
            let message = "the node has not joined with this Seal token and key; join first";
            return Err(refuse(RefusalCode::NotJoined, message));
        }
        let certificates = self.certify(token, &node, &backing, now)?;
        self.record(token, &node, &backing.stake.former_keys, now)
            .await?;
        parts
            .view
            .observe(&backing.pool, &backing.stake, Some(&backing.token));
        tracing::info!(node = %node.node, %token, "certificates renewed");
        Ok(certificates)
    }

    async fn heartbeat(&self, signed: &SignedHeartbeat) -> Result<HeartbeatResponse, Refusal> {
        let parts = &self.shared.parts;
        let heartbeat = &signed.heartbeat;
        let record = parts.records.get(heartbeat.node.as_str()).await;
        let record = record.map_err(|error| records_failed(&error))?;
        let record = record
            .filter(|record| record.token == heartbeat.token)
            .ok_or_else(|| {
                refuse(
                    RefusalCode::NotJoined,
                    "the node has not joined with this Seal token",
                )
            })?;
        if heartbeat.cluster != parts.cluster {
            return Err(refuse(
                RefusalCode::WrongCluster,
                "the heartbeat is for another cluster",
            ));
        }
        let token = parts.view.token(Address::new(record.token.0));
        if token.is_some_and(|token| token.node_key != record.node_key.as_bytes()) {
            return Err(refuse(
                RefusalCode::NotJoined,
                "the node's key was rotated since it joined: join with the new one",
            ));
        }
        let now = unix_ms(parts.clock.now());
        self.shared
            .heartbeats
            .receive(signed, &record.node_key, now)?;
        parts.metrics.heartbeat(heartbeat.node.as_str(), now);
        Ok(HeartbeatResponse {
            live: parts.view.check_token(Address::new(record.token.0)).is_ok(),
            interval_seconds: HEARTBEAT_SECONDS,
        })
    }

    async fn login(
        &self,
        channel: Channel,
        request: LoginRequest,
    ) -> Result<LoginResponse, Refusal> {
        let LoginRequest {
            login,
            csr,
            signature,
        } = request;
        let _turn = self.turn()?;
        self.redeem(channel, login.challenge)?;
        let parts = &self.shared.parts;
        let rejected = |message: &str| refuse(RefusalCode::LoginRejected, message);
        if login.cluster != parts.cluster {
            return Err(refuse(
                RefusalCode::WrongCluster,
                "the login is for another cluster",
            ));
        }
        if login.channel != channel.exporter || login.csr != csr.digest() {
            return Err(rejected(
                "the login was signed for another connection or request",
            ));
        }
        let address = Address::new(login.address.0);
        chain::wallet::verify_personal_message(&address, &login.message(), &signature)
            .map_err(|_| rejected("the signature is not the address's over this login"))?;
        let (stake, pool) = read_stake(&*parts.chain, Address::new(login.stake.0)).await?;
        if stake.owner != address {
            let message = "the stake belongs to another address";
            return Err(refuse(RefusalCode::StakeMismatch, message));
        }
        check_stake(&stake, &pool, stake.tier)?;
        let role = role_of(stake.tier);
        let profile = Profile::User {
            address: address.to_string(),
            role,
            stake: login.stake.0,
        };
        let now = parts.clock.now();
        let authority = &parts.authorities.client;
        let issued = authority
            .issue(
                csr.as_bytes(),
                &profile,
                now,
                later(now, pki::USER_LIFETIME),
            )
            .map_err(|error| issuing_failed(&error))?;
        parts.view.observe(&pool, &stake, None);
        tracing::info!(%address, stake = %stake.id, group = role.group(), "user logged in");
        Ok(LoginResponse {
            certificate: issued.pem(),
            server_ca: parts.authorities.server_ca_pem.clone(),
            group: role.group().to_owned(),
            expires_at_ms: unix_ms(issued.not_after),
        })
    }

    fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        let turn = self.shared.deciding.try_acquire();
        turn.map_err(|_| {
            refuse(
                RefusalCode::Busy,
                "too many joins and logins at once; try again",
            )
        })
    }

    fn redeem(&self, channel: Channel, challenge: Bytes32) -> Result<(), Refusal> {
        let challenges = &self.shared.challenges;
        if challenges.redeem(channel.exporter, challenge, Instant::now()) {
            Ok(())
        } else {
            let message = "the challenge is not a fresh one of this connection; attest first";
            Err(refuse(RefusalCode::ChallengeUnknown, message))
        }
    }

    fn proof(&self, channel: Channel, token: ObjectId, node: &NodeRequest) -> JoinProof {
        JoinProof {
            cluster: self.shared.parts.cluster,
            token,
            node: node.node.clone(),
            challenge: node.challenge,
            channel: channel.exporter,
            client_csr: node.client_csr.digest(),
            serving_csr: node.serving_csr.digest(),
        }
    }

    /// Remembers who joined with what; refuses a token that another key or name used, and a name that another
    /// live token holds.
    async fn record(
        &self,
        token: ObjectId,
        node: &NodeRequest,
        former_keys: &[FormerKey],
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let parts = &self.shared.parts;
        let _one_at_a_time = self.shared.joining.lock().await;
        let all = parts
            .records
            .all()
            .await
            .map_err(|error| records_failed(&error))?;
        let same_token = all.iter().find(|record| record.token == token);
        // A key that the owner has replaced on the chain since.
        let rotated = |record: &JoinRecord| {
            let mut former = former_keys.iter();
            former.any(|former| former.key == record.node_key.as_bytes())
        };
        let other = |record: &JoinRecord| {
            record.node != node.node || (record.node_key != node.node_key && !rotated(record))
        };
        if same_token.is_some_and(other) {
            let message = "the Seal token was used by another node before";
            return Err(refuse(RefusalCode::TokenConsumed, message));
        }
        let same_name = all.iter().find(|record| record.node == node.node);
        if let Some(other) = same_name.filter(|record| record.token != token) {
            let former = read(&*parts.chain, other.token).await;
            let live = match former {
                Ok(former) => former
                    .check_live(parts.view.cluster(), unix_ms(now))
                    .is_ok(),
                Err(refusal) if refusal.code == RefusalCode::ChainUnavailable => {
                    return Err(refusal);
                }
                Err(_) => false,
            };
            if live && other.node_key != node.node_key {
                let message = "another node with a live Seal token has this name";
                return Err(refuse(RefusalCode::NodeNameTaken, message));
            }
        }
        let now = unix_ms(now);
        let record = JoinRecord {
            node: node.node.clone(),
            token,
            node_key: node.node_key,
            joined_at_ms: same_token.map_or(now, |record| record.joined_at_ms),
            certified_at_ms: now,
        };
        parts
            .records
            .put(record)
            .await
            .map_err(|error| records_failed(&error))
    }

    fn certify(
        &self,
        token: ObjectId,
        node: &NodeRequest,
        backing: &Backing,
        now: SystemTime,
    ) -> Result<NodeCertificates, Refusal> {
        let authorities = &self.shared.parts.authorities;
        let expires = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(backing.token.expires_at_ms))
            .unwrap_or(now);
        let until = later(now, pki::NODE_LIFETIME).min(expires);
        let issue = |csr: &wire::Der, profile: &Profile| {
            let issued = authorities
                .client
                .issue(csr.as_bytes(), profile, now, until);
            issued.map_err(|error| issuing_failed(&error))
        };
        let name = node.node.to_string();
        let client = Profile::NodeClient {
            node: name.clone(),
            token: token.0,
        };
        let serving = Profile::NodeServing {
            node: name,
            addresses: addresses(node)?,
        };
        let client = issue(&node.client_csr, &client)?;
        let serving = issue(&node.serving_csr, &serving)?;
        Ok(NodeCertificates {
            client_certificate: client.pem(),
            serving_certificate: serving.pem(),
            server_ca: authorities.server_ca_pem.clone(),
            client_ca: authorities.client.pem(),
            expires_at_ms: unix_ms(client.not_after.min(serving.not_after)),
        })
    }
}

fn addresses(node: &NodeRequest) -> Result<Vec<IpAddr>, Refusal> {
    if node.addresses.len() > MAX_ADDRESSES {
        let message = format!("a node names at most {MAX_ADDRESSES} addresses");
        return Err(refuse(RefusalCode::Malformed, message));
    }
    Ok(node.addresses.clone())
}

#[derive(Clone, Copy)]
enum Endpoint {
    Attestation,
    Join,
    Renew,
    Heartbeat,
    UserLogin,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Join => "join",
            Self::Renew => "renew",
            Self::Heartbeat => "heartbeat",
            Self::UserLogin => "user-login",
        }
    }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        wire::ATTESTATION => Some(Endpoint::Attestation),
        wire::JOIN => Some(Endpoint::Join),
        wire::RENEW => Some(Endpoint::Renew),
        wire::HEARTBEAT => Some(Endpoint::Heartbeat),
        wire::USER_LOGIN => Some(Endpoint::UserLogin),
        _ => None,
    }
}

fn busy() -> Refusal {
    refuse(
        RefusalCode::Busy,
        "too many attestations at once; try again",
    )
}

/// The one `nonce` of a query.
fn public_nonce(query: Option<&str>) -> Result<Bytes32, Refusal> {
    let mut nonces = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.strip_prefix("nonce="));
    match (nonces.next().map(str::parse), nonces.next()) {
        (Some(Ok(nonce)), None) => Ok(nonce),
        _ => Err(refuse(
            RefusalCode::Malformed,
            "give one fresh nonce: ?nonce=<64 hexadecimal digits>",
        )),
    }
}

/// The body, bounded in size and time; zeroed when dropped.
async fn collect<B>(body: B) -> Result<Zeroizing<Vec<u8>>, Refusal>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(Zeroizing::new(body.to_bytes().to_vec())),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("a body has at most {MAX_BODY} bytes");
            Err(refuse(RefusalCode::BodyTooLarge, message))
        }
        Ok(Err(_)) => Err(refuse(RefusalCode::Malformed, "the body ended early")),
        Err(_) => Err(refuse(
            RefusalCode::Timeout,
            "the body did not arrive in time",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| refuse(RefusalCode::Malformed, error.to_string()))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|error| internal("encode the answer", &error))
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    answer
}

fn answer_refusal(refusal: &Refusal) -> Answer {
    let status = StatusCode::from_u16(refusal.code.status());
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
}

fn internal(action: &'static str, error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, action, "a request failed inside");
    refuse(
        RefusalCode::Internal,
        format!("the control plane could not {action}"),
    )
}

fn records_failed(error: &RecordsError) -> Refusal {
    internal("use its record of joins", error)
}

fn issuing_failed(error: &IssueError) -> Refusal {
    match error {
        IssueError::Sign(_) => internal("sign a certificate", error),
        IssueError::Expired => refuse(RefusalCode::TokenExpired, error.to_string()),
        _ => refuse(RefusalCode::CertificateRequest, error.to_string()),
    }
}

fn later(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}
